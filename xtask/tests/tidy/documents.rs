//! Rules for what people read: links lead somewhere, indexes are whole, nothing names a machine, open ends have an issue.

use std::path::{Path, PathBuf};

use crate::assert_none;
use crate::tree::{Text, files, names, root};

const TEXTS: &[&str] = &[".rs", ".md", ".toml", ".sql", ".sh", ".py", ".yml", ".yaml", "run"];

/// Targets of inline links `[text](target)` outside code.
fn links(file: &Text) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in prose.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            found.push((number, target.to_owned()));
        }
    }
    found
}

fn dead_links(file: &Text, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new("")).to_owned();
    let mut findings = Vec::new();
    for (number, target) in links(file) {
        let place = target.split('#').next().unwrap_or_default();
        if place.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let path: PathBuf = folder.join(place);
        if !exists(&path) {
            findings.push(format!("{}:{number}: no {}", file.path, path.display()));
        }
    }
    findings
}

/// In two parts each, so that this file does not contain them.
fn machine_paths() -> [String; 4] {
    [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat(), ["/Us", "ers/"].concat()]
}

fn names_a_machine(file: &Text) -> Vec<String> {
    let paths = machine_paths();
    let hits = file.lines().filter(|(_, line)| {
        // `https://host/work/…` is an address and not a path of a machine.
        paths.iter().any(|path| line.match_indices(path.as_str()).any(|(at, _)| !ends_a_word(&line[..at])))
    });
    hits.map(|(number, _)| format!("{}:{number}: names a path of one machine", file.path)).collect()
}

fn ends_a_word(text: &str) -> bool {
    text.chars().last().is_some_and(|last| last.is_alphanumeric() || matches!(last, '}' | '.' | '_' | '-' | '*'))
}

fn open_ends(file: &Text) -> Vec<String> {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X:"].concat()];
    let hits = file.lines().filter(|(_, line)| {
        let has_issue = line.contains("(#");
        words.iter().any(|word| line.contains(word.as_str())) && !has_issue
    });
    hits.map(|(number, _)| format!("{}:{number}: an open end without an issue's number", file.path)).collect()
}

/// Pages of `docs/` that no index names: neither `docs/README.md` nor a README in the page's folder.
fn unlisted(pages: &[Text]) -> Vec<String> {
    let lists = |index: &str, target: &str| {
        let index = pages.iter().find(|page| page.path == index);
        index.is_some_and(|index| links(index).iter().any(|(_, link)| link == target))
    };
    let mut findings = Vec::new();
    for page in pages.iter().filter(|page| page.path.starts_with("docs/") && page.path != "docs/README.md") {
        let within = &page.path["docs/".len()..];
        let folder = page.path.rsplit_once('/').map_or("docs", |(folder, _)| folder);
        if !lists("docs/README.md", within) && !lists(&format!("{folder}/README.md"), page.name()) {
            findings.push(format!("{}: in no index", page.path));
        }
    }
    findings
}

#[test]
fn relative_links_lead_somewhere() {
    let planted =
        Text::planted("docs/a.md", "[b](b.md) [c](../c.md#x) `[d](d.md)` [e](https://e)\n```\n[f](f.md)\n```\n");
    assert_eq!(dead_links(&planted, |_| false), ["docs/a.md:1: no docs/b.md", "docs/a.md:1: no docs/../c.md"]);
    assert!(dead_links(&planted, |_| true).is_empty());
    let exists = |path: &Path| root().join(path).exists();
    assert_none("links", &files(&[".md"]).iter().flat_map(|file| dead_links(file, exists)).collect::<Vec<_>>());
}

#[test]
fn every_page_is_in_an_index() {
    let planted = [
        Text::planted("docs/README.md", "- [a](a.md)\n- [decisions](adr/README.md)\n"),
        Text::planted("docs/a.md", ""),
        Text::planted("docs/b.md", ""),
        Text::planted("docs/adr/README.md", "| [1](0001-x.md) |\n"),
        Text::planted("docs/adr/0001-x.md", ""),
    ];
    assert_eq!(unlisted(&planted), ["docs/b.md: in no index"]);
    assert_none("indexes", &unlisted(&files(&[".md"])));
}

#[test]
fn decisions_are_numbered_without_repeats() {
    let mut numbers: Vec<String> =
        names("docs/adr").iter().filter_map(|name| name.get(..4).map(str::to_owned)).collect();
    numbers.retain(|number| number.chars().all(|digit| digit.is_ascii_digit()));
    let all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "two decisions have one number: {numbers:?}");
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    for path in machine_paths() {
        assert_eq!(names_a_machine(&Text::planted("a.md", &format!("see {path}x\n"))).len(), 1);
        assert!(names_a_machine(&Text::planted("a.md", &format!("see https://example.org{path}x\n"))).is_empty());
    }
    assert_none("paths", &files(TEXTS).iter().flat_map(names_a_machine).collect::<Vec<_>>());
}

#[test]
fn open_ends_name_their_issue() {
    let word = ["TO", "DO"].concat();
    assert_eq!(open_ends(&Text::planted("a.rs", &format!("// {word}: later\n"))).len(), 1);
    assert!(open_ends(&Text::planted("a.rs", &format!("// {word}(#12): later\n"))).is_empty());
    assert_none("open ends", &files(TEXTS).iter().flat_map(open_ends).collect::<Vec<_>>());
}
