//! Bad documents: for each way in which a document can be bad, in each format that it fits, one a round.

use super::{Made, Random, csaf, cve, kev, pypa, rustsec};
use crate::{document::DocumentCode, feed::Feed};

/// How many kinds there are.
#[cfg(test)]
pub(super) const KINDS: usize = 12;

/// Vulnerabilities that bad documents draw from.
const POOL: usize = 10;

pub(super) fn make(made: &mut Made, random: &mut Random, rounds: usize) {
    for round in 0..rounds {
        bad_rustsec(made, random, round);
        bad_pypa(made, random, round);
        bad_csaf(made, random, round);
        bad_kev(made, random, round);
    }
}

fn bad_rustsec(made: &mut Made, random: &mut Random, round: usize) {
    let mut make = |kind: &str, code, spoil: &dyn Fn(String) -> String| {
        let text = rustsec::text(random, &rustsec::id(9_000 + round), POOL);
        made.bad(Feed::Rustsec, &rustsec::path(&format!("crates/bad-{kind}"), round), spoil(text).into_bytes(), code);
    };
    make("cut", DocumentCode::Truncated, &|text| text[..40 + round % 20].to_owned());
    make("schema", DocumentCode::BadSchema, &|text| text.replace("date = ", "dated = "));
    make("syntax", DocumentCode::BadSyntax, &|text| text.replace("[versions]", "[versions"));
    make("id", DocumentCode::MissingId, &|text| text.replace("\nid = ", "\nidentity = "));
}

fn bad_pypa(made: &mut Made, random: &mut Random, round: usize) {
    let text = pypa::text(random, &pypa::id(9_000 + round), POOL);
    let mut bad = |kind: &str, bytes: Vec<u8>, code| {
        made.bad(Feed::Pypa, &pypa::path(&format!("bad-{kind}"), round), bytes, code);
    };
    bad("cut", text.as_bytes()[..30 + round % 9].to_vec(), DocumentCode::Truncated);
    bad("schema", text.replace("    name: ", "    nome: ").into_bytes(), DocumentCode::BadSchema);
    bad("utf8", [text.as_bytes(), b"summary: caf\xe9\n"].concat(), DocumentCode::NotUtf8);
}

fn bad_csaf(made: &mut Made, random: &mut Random, round: usize) {
    let text = csaf::text(random, &csaf::id(900 + round), POOL);
    let path = |kind: &str| csaf::path(&format!("bad-{kind}"), 900 + round);
    made.bad(Feed::Csaf, &path("cut"), text.as_bytes()[..60 + round % 9].to_vec(), DocumentCode::Truncated);
    let older = text.replace("\"2.0\"", "\"1.2\"").into_bytes();
    made.bad(Feed::Csaf, &path("schema"), older, DocumentCode::BadSchema);
    made.bad(Feed::Csaf, &path("hash"), text.clone().into_bytes(), DocumentCode::HashMismatch);
    made.files.insert(format!("{}.sha512", path("hash")), csaf::sha512(b"other bytes").into_bytes());
    made.bad(Feed::Csaf, &path("unhashed"), text.into_bytes(), DocumentCode::HashMissing);
    made.files.remove(&format!("{}.sha512", path("unhashed")));
}

fn bad_kev(made: &mut Made, random: &mut Random, round: usize) {
    let text = kev::text(&[kev::entry(random, &cve(9_000 + round))]);
    let path = format!("kev/bad-cut-{round}.json");
    made.bad(Feed::Kev, &path, text.as_bytes()[..text.len() / 2].to_vec(), DocumentCode::Truncated);
}
