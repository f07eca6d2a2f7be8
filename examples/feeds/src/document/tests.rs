//! Each format, whole and broken.

use sha2::{Digest, Sha512};

use super::{Document, DocumentCode, DocumentError, read};
use crate::{feed::Feed, record::Entry};

const RUSTSEC: &str = r#"```toml
[advisory]
id = "RUSTSEC-2020-0001"
package = "left"
date = "2020-01-02"
url = "https://example.org/1"
aliases = ["CVE-2020-1", "CVE-2020-1"]
cvss = "CVSS:3.1/AV:N"

[affected]
functions = { "left::pad" = ["< 1.2.0"] }

[versions]
patched = [">= 1.2.0"]
```

# Left pads too far

First.

Second.
"#;

const PYPA: &str = "id: PYSEC-2020-1\nmodified: 2020-01-02T03:04:05Z\naliases:\n- CVE-2020-2\ndetails: 'It''s\n  long'\naffected:\n- package:\n    ecosystem: PyPI\n    name: left\n  versions:\n  - \"0.10\"\n  - 1e3\n  - 0.9\n";

const KEV: &str = r#"{"count": 1, "vulnerabilities": [{"cveID": "CVE-2020-3", "vendorProject": "V", "product": "P",
  "vulnerabilityName": "N", "dateAdded": "2020-01-02", "shortDescription": "D", "requiredAction": "A", "dueDate": "2020-02-02",
  "notes": "see https; https://example.org/2 ; http://example.org/1"}]}"#;

const CSAF: &str = r#"{"document": {"csaf_version": "2.0", "title": "T", "tracking": {"id": "ICSA-1",
  "initial_release_date": "2020-01-02T00:00:00Z", "current_release_date": "2020-01-03T00:00:00Z"}},
  "product_tree": {"branches": [{"branches": [{"product": {"product_id": "P-1", "name": "Pump"}}]}]},
  "vulnerabilities": [{"cve": "CVE-2020-4", "product_status": {"known_affected": ["P-1"]}}, {"cve": "CVE-2020-5"}]}"#;

fn check(feed: Feed, text: &str) -> Result<Vec<Entry>, DocumentError> {
    let hash = hex::encode_upper(Sha512::digest(text.as_bytes()));
    read(&Document { feed, path: "a/b", bytes: text.as_bytes(), sha512: Some(&format!("{hash}  b\n")) })
}

fn fault(feed: Feed, text: &str) -> (DocumentCode, String) {
    let error = check(feed, text).expect_err("a bad document");
    (error.code, error.to_string())
}

#[test]
fn rustsec_becomes_one_record() {
    let entries = check(Feed::Rustsec, RUSTSEC).expect("a good document");
    let record = &entries[0].records[0];
    assert_eq!((entries[0].id.as_str(), record.id.as_str()), ("RUSTSEC-2020-0001", "RUSTSEC-2020-0001"));
    assert_eq!(record.aliases, ["CVE-2020-1"]);
    assert_eq!(record.summary.as_deref(), Some("Left pads too far"));
    assert_eq!(record.details.as_deref(), Some("First.\n\nSecond."));
    assert_eq!(record.severity[0].kind, "CVSS_V3");
    assert_eq!(record.affected[0].ecosystem_specific["patched"], [">= 1.2.0"]);
    assert_eq!(record.affected[0].ecosystem_specific["affected_functions"], ["left::pad"]);
    let events = serde_json::to_value(&record.affected[0].ranges[0].events).expect("encodes");
    assert_eq!(events, serde_json::json!([{"introduced": "0.0.0-0"}, {"fixed": "1.2.0"}]));
    let windows = check(Feed::Rustsec, &RUSTSEC.replace('\n', "\r\n")).expect("other line ends change nothing");
    assert_eq!(windows, entries);
}

#[test]
fn pypa_scalars_stay_as_they_are_written() {
    let entries = check(Feed::Pypa, PYPA).expect("a good document");
    let record = &entries[0].records[0];
    assert_eq!(record.affected[0].versions, ["0.10", "0.9", "1e3"]);
    assert_eq!(record.details.as_deref(), Some("It's long"));
    assert_eq!(record.modified.as_deref(), Some("2020-01-02T03:04:05.000000Z"));
}

#[test]
fn kev_has_an_entry_for_each_vulnerability() {
    let entries = check(Feed::Kev, KEV).expect("a good document");
    assert_eq!(entries[0].path, "a/b#/vulnerabilities/0");
    let urls: Vec<&str> = entries[0].records[0].references.iter().map(|link| link.url.as_str()).collect();
    assert_eq!(urls, ["http://example.org/1", "https://example.org/2"]);
}

#[test]
fn csaf_has_a_record_for_each_vulnerability_and_relates_them() {
    let entries = check(Feed::Csaf, CSAF).expect("a good document");
    assert_eq!(entries[0].id, "ICSA-1");
    let ids: Vec<&str> = entries[0].records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["CVE-2020-4", "CVE-2020-5"]);
    assert!(entries[0].records.iter().all(|record| record.related == ["ICSA-1"] && record.aliases.is_empty()));
    assert_eq!(entries[0].records[0].affected[0].package.name, "Pump");
}

#[test]
fn cut_documents_are_truncated() {
    for (feed, text, keep) in [(Feed::Rustsec, RUSTSEC, 60), (Feed::Rustsec, RUSTSEC, 5), (Feed::Pypa, PYPA, 72)] {
        assert_eq!(fault(feed, &text[..keep]).0, DocumentCode::Truncated, "{feed} at {keep}");
    }
    for (feed, text) in [(Feed::Kev, KEV), (Feed::Csaf, CSAF)] {
        for keep in [0, 1, 30, 90, text.len() - 1] {
            let cut = &text[..keep];
            let expected = if cut.ends_with('}') { DocumentCode::BadSyntax } else { DocumentCode::Truncated };
            assert_eq!(fault(feed, cut).0, expected, "{feed} at {keep}");
        }
    }
}

#[test]
fn a_hash_must_be_there_and_match() {
    let document = |sha512| Document { feed: Feed::Csaf, path: "csaf/a.json", bytes: CSAF.as_bytes(), sha512 };
    let missing = read(&document(None)).expect_err("no hash");
    assert_eq!(missing.code, DocumentCode::HashMissing);
    assert_eq!(read(&document(Some(" \n"))).expect_err("empty").code, DocumentCode::HashMissing);
    let wrong = read(&document(Some("00ff"))).expect_err("wrong hash");
    assert_eq!(wrong.code, DocumentCode::HashMismatch);
    assert!(wrong.to_string().starts_with("csaf/a.json: its SHA-512 is "), "{wrong}");
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let document = Document { feed: Feed::Kev, path: "kev/k.json", bytes: b"{\"a\": \"\xff\"}", sha512: None };
    let error = read(&document).expect_err("not UTF-8");
    assert_eq!((error.code, error.to_string().as_str()), (DocumentCode::NotUtf8, "kev/k.json: byte 7 is not UTF-8"));
}

#[test]
fn the_field_at_fault_is_named() {
    use DocumentCode::{BadSchema, BadSyntax, MissingId};
    for (feed, text, code, message) in [
        (Feed::Rustsec, RUSTSEC.replace("id = \"RUSTSEC-2020-0001\"\n", ""), MissingId, "a/b: advisory.id: no id"),
        (Feed::Rustsec, RUSTSEC.replace("patched = [\">= 1.2.0\"]", ""), BadSchema, "a/b: versions.patched: missing"),
        (
            Feed::Rustsec,
            RUSTSEC.replace(">= 1.2.0", "ever"),
            BadSchema,
            "a/b: versions.patched: `ever` is no version requirement",
        ),
        (Feed::Rustsec, RUSTSEC.replace("\"2020-01-02\"", "20"), BadSchema, "a/b: advisory.date: not a text"),
        (Feed::Rustsec, RUSTSEC.replace("# Left", "Left"), BadSchema, "a/b: title: the text has no title"),
        (Feed::Rustsec, RUSTSEC.replace("[versions]", "[versions"), BadSyntax, "a/b: front block: "),
        (Feed::Rustsec, "# No front block\n".to_owned(), BadSchema, "a/b: it does not begin with a TOML front block"),
        (Feed::Pypa, PYPA.replace("id: PYSEC-2020-1\n", ""), MissingId, "a/b: id: no id"),
        (Feed::Pypa, PYPA[..70].to_owned(), BadSchema, "a/b: affected: missing"),
        (
            Feed::Pypa,
            PYPA.replace("2020-01-02T", "soon"),
            BadSchema,
            "a/b: modified: `soon03:04:05Z` is neither a date nor a time",
        ),
        (Feed::Pypa, PYPA.replace("    name: left\n", ""), BadSchema, "a/b: affected[0].package: missing field `name`"),
        (Feed::Pypa, PYPA.replace("aliases:\n- CVE-2020-2\n", "aliases: {\n"), BadSyntax, "a/b: not YAML: "),
        (Feed::Kev, KEV.replace("cveID", "cve"), MissingId, "a/b: vulnerabilities[0].cveID: no id"),
        (Feed::Kev, KEV.replace("\"count\": 1", "\"count\": 2"), BadSchema, "a/b: count: says 2, there are 1"),
        (Feed::Kev, KEV.replace("vulnerabilities\"", "entries\""), BadSchema, "a/b: vulnerabilities: missing"),
        (Feed::Csaf, CSAF.replace("\"2.0\"", "\"1.2\""), BadSchema, "a/b: document.csaf_version: `1.2` is not `2.0`"),
        (
            Feed::Csaf,
            CSAF.replace("[\"P-1\"]", "[\"P-2\"]"),
            BadSchema,
            "a/b: vulnerabilities[0].product_status.known_affected: `P-2`",
        ),
        (Feed::Csaf, CSAF.replace("\"ICSA-1\"", "\" \""), MissingId, "a/b: document.tracking.id: no id"),
        (Feed::Csaf, "[]}".to_owned(), BadSyntax, "a/b: not JSON: "),
        (Feed::Csaf, "[]".to_owned(), BadSchema, "a/b: the document: not an object"),
    ] {
        let (found, text) = fault(feed, &text);
        assert_eq!(found, code, "{text}");
        assert!(text.starts_with(message), "{text} should begin with {message}");
    }
}
