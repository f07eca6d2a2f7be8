//! Generated RustSec advisories.

use super::{Made, Plan, Random, cve, date, ghsa};
use crate::feed::Feed;

pub(super) fn make(made: &mut Made, random: &mut Random, plan: &Plan) {
    for number in 0..plan.size {
        let (id, path) = (id(number), path("crates/made", number));
        made.document(Feed::Rustsec, &path, text(random, &id, plan.size).into_bytes());
        if number < plan.duplicates {
            let folder = if number % 2 == 0 { "crates/a-copy" } else { "crates/z-copy" };
            made.twice(Feed::Rustsec, &id, &path, &self::path(folder, number));
        }
    }
}

pub(super) fn id(number: usize) -> String {
    format!("RUSTSEC-2021-{number:04}")
}

pub(super) fn path(folder: &str, number: usize) -> String {
    format!("rustsec/{folder}-{number}/{}.md", id(number))
}

/// A good advisory about one of `pool` vulnerabilities.
pub(super) fn text(random: &mut Random, id: &str, pool: usize) -> String {
    let number = random.below(pool * 2);
    let aliases = match random.below(4) {
        0 => String::new(),
        1 => format!("aliases = [\"{}\"]\n", cve(number)),
        2 => format!("aliases = [\n    \"{}\",\n    '{}', # both\n]\n", cve(number), ghsa(number)),
        _ => format!("aliases = ['{}']\nrelated = [\"{}\"]\n", ghsa(number), cve(number + 1)),
    };
    let cvss = if random.once_in(3) { "cvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"\n" } else { "" };
    let affected = if random.once_in(4) {
        "[affected]\nfunctions = { \"made::read\" = [\"< 1.1.0\"] }\nos = [\"linux\"]\n\n"
    } else {
        ""
    };
    let withdrawn = if random.once_in(20) { format!("withdrawn = \"{}\"\n", date(random)) } else { String::new() };
    let patched = match random.below(5) {
        0 => "[]".to_owned(),
        1 => format!("[\">= 1.{}.0\"]", random.below(9)),
        2 => format!("[\"^0.{}.3\", \"> 1.{}.0-rc.1\"]", random.below(4), random.below(9)),
        3 => "[\"= 0.4.1\", \">=0.6.1, < 0.7\", \"~1.2\", \"^ 2\", \"<= 0.0.9\"]".to_owned(),
        _ => "[\"> 3\", \"^0.0.2\"]\nunaffected = [\"< 0.2, >= 0.1\"]".to_owned(),
    };
    format!(
        "```toml\n[advisory]\nid = \"{id}\"\npackage = \"made-{}\"\ndate = \"{}\"\nurl = \"https://example.org/{number}\"\n\
         {withdrawn}{cvss}{aliases}categories = [\"memory-corruption\"]\n\n{affected}[versions]\npatched = {patched}\n```\n\n\
         # {}\n\n{}\n\n## Impact\n\n{}\n",
        random.below(pool),
        date(random),
        random.words(4),
        random.words(30),
        random.words(12)
    )
}
