//! Properties of merging.

use super::{Duplicate, merge};
use crate::{
    canonical,
    feed::Feed,
    record::{Entry, Record},
};

fn entry(feed: Feed, path: &str, id: &str, aliases: &[&str]) -> Entry {
    let record = Record {
        id: id.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        summary: Some(format!("{id} in {feed}")),
        ..Record::default()
    };
    Entry { feed, path: path.to_owned(), id: id.to_owned(), records: vec![record.normalised()] }
}

fn ids(entries: Vec<Entry>) -> Vec<(String, Vec<String>)> {
    merge(entries).advisories.into_iter().map(|advisory| (advisory.id, advisory.aliases)).collect()
}

#[test]
fn aliases_connect_entries_over_feeds_and_over_several_steps() {
    let entries = vec![
        entry(Feed::Rustsec, "rustsec/a.md", "RUSTSEC-1", &["GHSA-1"]),
        entry(Feed::Pypa, "pypa/a.yaml", "PYSEC-1", &["GHSA-1", "CVE-1"]),
        entry(Feed::Kev, "kev/k.json#/vulnerabilities/0", "CVE-1", &[]),
        entry(Feed::Kev, "kev/k.json#/vulnerabilities/1", "CVE-2", &[]),
    ];
    let aliases = ["GHSA-1", "PYSEC-1", "RUSTSEC-1"].map(str::to_owned).to_vec();
    assert_eq!(ids(entries), [("CVE-1".to_owned(), aliases), ("CVE-2".to_owned(), vec![])]);
}

#[test]
fn the_result_does_not_depend_on_the_order() {
    let entries: Vec<Entry> = (0..40)
        .map(|n| {
            let feed = Feed::ALL[n % 4];
            entry(feed, &format!("{feed}/{}", n * 7 % 40), &format!("ID-{}", n % 23), &[&format!("CVE-{}", n % 11)])
        })
        .collect();
    let straight = merge(entries.clone());
    let mut turned = entries.clone();
    turned.reverse();
    assert_eq!(straight, merge(turned));
    let mut mixed = entries;
    mixed.sort_by_key(|entry| canonical::text(entry).len() * 31 % 17);
    assert_eq!(straight, merge(mixed));
}

#[test]
fn of_two_entries_with_one_id_the_first_path_stays() {
    let entries = vec![
        entry(Feed::Pypa, "pypa/c.yaml", "PYSEC-1", &["CVE-3"]),
        entry(Feed::Pypa, "pypa/a.yaml", "PYSEC-1", &["CVE-1"]),
        entry(Feed::Pypa, "pypa/b.yaml", "PYSEC-1", &["CVE-2"]),
        entry(Feed::Rustsec, "rustsec/z.md", "PYSEC-1", &[]),
    ];
    let merged = merge(entries);
    let duplicate = |rejected: &str| Duplicate {
        feed: Feed::Pypa,
        id: "PYSEC-1".to_owned(),
        kept: "pypa/a.yaml".to_owned(),
        rejected: rejected.to_owned(),
    };
    assert_eq!(merged.duplicates, [duplicate("pypa/b.yaml"), duplicate("pypa/c.yaml")]);
    assert_eq!(merged.advisories.len(), 1);
    assert_eq!(merged.advisories[0].id, "CVE-1");
    assert_eq!(merged.advisories[0].summary.as_deref(), Some("PYSEC-1 in rustsec"));
}

#[test]
fn related_ids_do_not_merge() {
    let mut one = entry(Feed::Rustsec, "rustsec/a.md", "RUSTSEC-1", &[]);
    one.records[0].related = vec!["RUSTSEC-2".to_owned()];
    let two = entry(Feed::Rustsec, "rustsec/b.md", "RUSTSEC-2", &[]);
    assert_eq!(merge(vec![one, two]).advisories.len(), 2);
}

#[test]
fn an_advisory_is_withdrawn_only_where_every_record_is() {
    let mut one = entry(Feed::Rustsec, "rustsec/a.md", "CVE-1", &[]);
    one.records[0].withdrawn = Some("2023-01-01T00:00:00.000000Z".to_owned());
    let two = entry(Feed::Kev, "kev/k.json#/vulnerabilities/0", "CVE-1", &[]);
    assert_eq!(merge(vec![one.clone(), two]).advisories[0].withdrawn, None);
    assert!(merge(vec![one]).advisories[0].withdrawn.is_some());
}
