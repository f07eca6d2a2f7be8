//! Guides: snippets are found, run in order, and judged by their exit codes and what they print.

use super::commands::Reference;
use super::expect::fits;
use super::page::{Kind, Page, fences};
use super::session::Session;
use super::{guides, read};
use crate::scratch::Scratch;

#[test]
fn dots_stand_for_anything_and_the_rest_for_itself() {
    assert!(fits("a …\n", "a b c"));
    assert!(fits("ID …  STATE\n…\nend", "ID  x  STATE\n1\n2\nend\n"));
    assert!(fits("…", ""));
    assert!(!fits("a …", "b a "));
    assert!(!fits("a", "a\nb"));
    assert!(!fits("a…c", "a b"));
}

#[test]
fn snippets_say_what_they_are_for() {
    let page =
        Page::read("```sh run exit=5\nfalse\n```\n\n```text expect\nno\n```\n```sh background\nx\n```\n").unwrap();
    assert_eq!(page.blocks[0].kind, Kind::Run { exit: 5 });
    assert_eq!(page.blocks[0].expect.as_deref(), Some("no\n"));
    assert_eq!(page.blocks[1].kind, Kind::Background);
    assert!(Page::read("```sh\nls\n```\n").is_err());
    assert!(Page::read("```text expect\nls\n```\n").is_err());
}

#[test]
fn a_page_names_only_commands_and_flags_that_exist() {
    let reference = Reference::planted(&[
        ("orch", "Commands:\n  job  Jobs\n\nOptions:\n      --token <T>\n"),
        ("orch job", "Commands:\n  list  List\n"),
        ("orch job list", "Options:\n      --state <S>\n"),
    ]);
    assert!(reference.unknown("```sh run\nJOB=$(orch job list --state x)\n```\n`orch job list`, `orch …`").is_empty());
    assert!(reference.unknown("```sh elsewhere\ncargo build -p orch --release\n```\n").is_empty());
    assert_eq!(reference.unknown("`orch job find`"), ["there is no `orch job find`"]);
    assert_eq!(reference.unknown("```sh\norch job list --color\n```\n"), ["`orch job list` has no --color"]);
}

/// Runs a page in a session of its own.
fn page(markdown: &str) -> anyhow::Result<()> {
    let scratch = Scratch::new("orch-guide-test", false)?;
    let mut session = Session::open(scratch.path(), &[], &[], &scratch.path().join("log"))?;
    Page::read(markdown)?.blocks.iter().try_for_each(|block| session.step(block))?;
    session.close()
}

#[test]
fn a_page_passes_only_when_every_command_does_what_it_says() {
    page("```sh run\nA=1\n```\n```sh run\necho $A\n```\n```text expect\n1\n```\n").unwrap();
    page("```sh background\necho on; sleep 60\n```\n```text expect\non\n```\n").unwrap();
    page("```sh run exit=3\n(exit 3)\n```\n").unwrap();
    assert!(page("```sh run\nfalse\ntrue\n```\n").is_err());
    assert!(page("```sh run exit=3\ntrue\n```\n").is_err());
    assert!(page("```sh run\necho 2\n```\n```text expect\n1\n```\n").is_err());
}

#[test]
fn every_shell_snippet_of_the_guides_is_marked() {
    for path in guides().unwrap() {
        Page::read(&read(&path).unwrap()).unwrap_or_else(|error| panic!("{path}: {error:#}"));
    }
}

#[test]
fn the_rust_of_the_pages_is_the_example_that_compiles() {
    let example = read("sdks/rust/examples/greeter.rs").unwrap();
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n");
    for path in guides().unwrap() {
        for (line, info, text) in fences(&read(&path).unwrap()) {
            let known = info != "rust" || lines(&example).contains(&lines(&text));
            assert!(known, "{path}:{line}: not in sdks/rust/examples/greeter.rs");
        }
    }
    let guide = read("docs/guides/write-a-worker-in-rust.md").unwrap();
    assert!(guide.contains(&example), "the guide shows the whole of sdks/rust/examples/greeter.rs");
}
