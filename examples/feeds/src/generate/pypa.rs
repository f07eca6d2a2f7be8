//! Generated PyPA advisories: every style of YAML scalar that the real ones use.

use super::{Made, Plan, Random, cve, date, ghsa};
use crate::feed::Feed;

pub(super) fn make(made: &mut Made, random: &mut Random, plan: &Plan) {
    for number in 0..plan.size {
        let (id, path) = (id(number), path("made", number));
        made.document(Feed::Pypa, &path, text(random, &id, plan.size).into_bytes());
        if number < plan.duplicates {
            let folder = if number % 2 == 0 { "a-copy" } else { "z-copy" };
            made.twice(Feed::Pypa, &id, &path, &self::path(folder, number));
        }
    }
}

pub(super) fn id(number: usize) -> String {
    format!("PYSEC-2021-{number}")
}

pub(super) fn path(folder: &str, number: usize) -> String {
    format!("pypa/{folder}-{number}/{}.yaml", id(number))
}

/// A good advisory about one of `pool` vulnerabilities.
pub(super) fn text(random: &mut Random, id: &str, pool: usize) -> String {
    let number = random.below(pool * 2);
    let aliases = match random.below(4) {
        0 => String::new(),
        1 => format!("aliases:\n- {}\n", cve(number)),
        2 => format!("aliases:\n- {}\n- {}\n", cve(number), ghsa(number)),
        _ => format!("aliases:\n  - \"{}\"\n", ghsa(number)),
    };
    let modified = format!("{}T12:30:{:02}.{}Z", date(random), random.below(60), 1 + random.below(999_999));
    let modified = if random.once_in(2) { format!("\"{modified}\"") } else { modified };
    format!(
        "id: {id}\nmodified: {modified}\npublished: {}T00:00:00Z\n{aliases}details: {}affected:\n- package:\n    ecosystem: PyPI\n    \
         name: made-{}\n    purl: pkg:pypi/made-{}\n  ranges:\n  - type: GIT\n    repo: https://example.org/made\n    events:\n    \
         - introduced: \"0\"\n    - fixed: {:040x}\n  - type: ECOSYSTEM\n    events:\n    - introduced: \"0\"\n    - fixed: 1.{}.0\n  \
         versions:\n  - 0.1.0\n  - \"0.10\"\n  - '2.0'\n  - 1.0rc{}\nreferences:\n- type: WEB\n  url: https://example.org/{number}#a\n",
        date(random),
        details(random),
        number % 7,
        number % 7,
        random.below(1 << 30),
        random.below(9),
        random.below(9)
    )
}

/// A long text in one of the styles, with its line break.
fn details(random: &mut Random) -> String {
    let lines: Vec<String> = (0..2 + random.below(4)).map(|_| random.words(8)).collect();
    match random.below(6) {
        0 => format!("'{}'\n", lines.iter().map(|line| line.replace('\'', "''")).collect::<Vec<_>>().join("\n  ")),
        1 => format!("'{}'\n", lines.iter().map(|line| line.replace('\'', "''")).collect::<Vec<_>>().join("\n\n\n  ")),
        2 => format!(
            "\"{}\"\n",
            lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\\r\\n\\u2028\\t\\\n  \\ ")
        ),
        3 => format!("{}\n  {}\n\n  {}\n", random.plain(6), random.plain(5), random.plain(4)),
        4 => format!("|{}\n{}\n", random.pick(&["", "-"]), indented(&lines, "  ")),
        _ => format!("|{}\n{}\n\n", random.pick(&["+", "2+", "2-"]), indented(&lines, "  ")),
    }
}

fn escaped(line: &str) -> String {
    line.replace('\\', "\\\\").replace('"', "\\\"")
}

fn indented(lines: &[String], by: &str) -> String {
    lines.iter().enumerate().map(|(at, line)| format!("{by}{}{line}\n", " ".repeat(at))).collect::<String>()
}
