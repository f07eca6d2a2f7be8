//! Rules for Rust files: what they open with, how they are named, how long they are, what they may not contain.

use std::collections::BTreeMap;

use crate::assert_none;
use crate::tree::{Text, files};

const NAMES_BANNED: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "types", "models"];

/// Lines of a production file. The longest files of trees that people like to read stay below it.
const LINES_MAX: usize = 900;

fn all() -> Vec<Text> {
    files(&[".rs"])
}

/// Each pattern in two parts, so that this file does not contain it.
fn banned_texts() -> [(String, &'static str); 3] {
    [
        (["[all", "ow("].concat(), "use #[expect(lint, reason = \"…\")]"),
        (["#[ign", "ore"].concat(), "a test runs or does not exist"),
        (["#[should_", "panic"].concat(), "assert on what is returned"),
    ]
}

fn opening(file: &Text) -> Option<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let ok = first.starts_with("//!") || first.starts_with("// @generated");
    (!ok).then(|| format!("{}: does not open with `//!`", file.path))
}

fn name(file: &Text) -> Option<String> {
    let stem = file.name().trim_end_matches(".rs");
    if NAMES_BANNED.contains(&stem) {
        return Some(format!("{}: name it by what it is responsible for", file.path));
    }
    let in_tests = file.path.split('/').any(|part| part == "tests");
    (stem == "mod" && !in_tests).then(|| format!("{}: use `foo.rs` beside `foo/`", file.path))
}

fn length(file: &Text) -> Option<String> {
    let lines = file.text.lines().count();
    (!file.is_test() && lines > LINES_MAX).then(|| format!("{}: {lines} lines, at most {LINES_MAX}", file.path))
}

fn banned(file: &Text) -> Vec<String> {
    let banned = banned_texts();
    let hits = file.lines().flat_map(|(number, line)| {
        let hits =
            banned.iter().filter(move |(text, _)| line.trim_start().starts_with('#') && line.contains(text.as_str()));
        hits.map(move |(_, instead)| format!("{}:{number}: {instead}", file.path))
    });
    hits.collect()
}

/// `#[error("… {0}")]` or `{source}` over a field that is the source already: the chain would say it twice.
fn repeated_source(file: &Text) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !line.contains("#[error(\"") || !(line.contains("{0}") || line.contains("{source}")) {
            continue;
        }
        let rest = lines[index + 1..].iter().take(4).take_while(|next| !next.contains("#[error("));
        let shown = line.rsplit("\")]").next().unwrap_or_default();
        let mut below = rest.chain(std::iter::once(&shown));
        if below.any(|next| next.contains("#[from]") || next.contains("#[source]")) {
            findings.push(format!("{}:{}: the text repeats its source", file.path, index + 1));
        }
    }
    findings
}

/// What each `ToSchema` type is called in the API's document, where it stands twice: there the later takes the place of
/// the earlier, so that one of them is described as the other.
fn schemas_twice(files: &[Text]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files {
        let (mut derived, mut called) = (false, None);
        for (number, line) in file.lines() {
            let line = line.trim_start();
            if line.starts_with("#[derive(") {
                (derived, called) = (line.contains("ToSchema"), None);
            } else if let Some((_, rest)) = line.split_once("#[schema(as = ") {
                called = rest.split([',', ')']).next();
            } else if let Some((_, rest)) = line.split_once("struct ").or_else(|| line.split_once("enum "))
                && !line.starts_with("//")
                && std::mem::take(&mut derived)
            {
                let name = called.or_else(|| rest.split(|letter: char| !letter.is_alphanumeric()).next());
                places.entry(name.unwrap_or_default()).or_default().push(format!("{}:{number}", file.path));
            }
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    twice.map(|(name, places)| format!("`{name}` is a schema at {}", places.join(" and "))).collect()
}

#[test]
fn every_file_opens_with_what_it_is_responsible_for() {
    assert!(opening(&Text::planted("a.rs", "use x;\n")).is_some());
    assert!(opening(&Text::planted("a.rs", "//! Does a.\n")).is_none());
    assert_none("opening", &all().iter().filter_map(opening).collect::<Vec<_>>());
}

#[test]
fn files_are_named_by_responsibility() {
    assert!(name(&Text::planted("crates/x/src/utils.rs", "")).is_some());
    assert!(name(&Text::planted("crates/x/src/foo/mod.rs", "")).is_some());
    assert!(name(&Text::planted("crates/x/tests/it/mod.rs", "")).is_none());
    assert!(name(&Text::planted("crates/x/src/job.rs", "")).is_none());
    assert_none("names", &all().iter().filter_map(name).collect::<Vec<_>>());
}

#[test]
fn production_files_stay_short_enough_to_read() {
    assert!(length(&Text::planted("a.rs", &"\n".repeat(LINES_MAX + 1))).is_some());
    assert!(length(&Text::planted("a.rs", &"\n".repeat(LINES_MAX))).is_none());
    assert!(length(&Text::planted("a/tests.rs", &"\n".repeat(LINES_MAX + 1))).is_none());
    assert_none("length", &all().iter().filter_map(length).collect::<Vec<_>>());
}

#[test]
fn lints_are_expected_with_a_reason_and_tests_run() {
    for (text, _) in banned_texts() {
        assert_eq!(
            banned(&Text::planted("a.rs", &format!("#{}x)]\n", text.trim_start_matches('#')))).len(),
            1,
            "{text}"
        );
    }
    assert!(banned(&Text::planted("a.rs", "#[expect(dead_code, reason = \"r\")]\n")).is_empty());
    assert_none("attributes", &all().iter().flat_map(banned).collect::<Vec<_>>());
}

#[test]
fn an_error_does_not_repeat_its_source() {
    let repeated = "#[error(\"could not read: {0}\")]\nRead(#[from] std::io::Error),\n";
    let layered = "#[error(\"could not read\")]\nRead(#[from] std::io::Error),\n#[error(\"no {0}\")]\nNo(String),\n";
    assert_eq!(repeated_source(&Text::planted("a.rs", repeated)).len(), 1);
    assert!(repeated_source(&Text::planted("a.rs", layered)).is_empty());
    assert_none(
        "errors",
        &all().iter().filter(|file| !file.path.ends_with("tidy/rust.rs")).flat_map(repeated_source).collect::<Vec<_>>(),
    );
}

#[test]
fn a_schema_has_a_name_of_its_own() {
    let one = "#[derive(Debug, ToSchema)]\n#[serde(x)]\npub struct Seen {\n";
    let called = "#[derive(ToSchema)]\n#[schema(as = Seen, example = 1)]\nenum SeenOut {\n";
    let other = "#[derive(Debug)]\nstruct Seen {\n#[derive(ToSchema)]\npub struct SeenToo<T> {\n";
    let planted = |texts: [&str; 2]| schemas_twice(&texts.map(|text| Text::planted("a.rs", text)));
    assert_eq!(planted([one, called]), ["`Seen` is a schema at a.rs:3 and a.rs:3"]);
    assert!(planted([one, other]).is_empty());
    let server: Vec<Text> = all().into_iter().filter(|file| file.path.starts_with("crates/")).collect();
    assert_none("schemas", &schemas_twice(&server));
}
