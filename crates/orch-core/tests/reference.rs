//! Reference pages that are made from this crate's tables: limits, errors, the state machine.
//!
//! `UPDATE=1 cargo test -p orch-core --test reference` writes them; without it they are compared.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use orch_core::known_terms;
use orch_core::limits::TABLE as LIMITS;
use orch_core::transition::{Event, TABLE as TRANSITIONS};
use orch_core::{Code, JobState};

fn docs(page: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page)
}

/// Writes the page with `UPDATE=1`, else compares it.
fn is_current(page: &str, source: &str, body: &str) {
    let again = "UPDATE=1 cargo test -p orch-core --test reference";
    let text = format!("<!-- @generated from {source} by `{again}`; do not edit. -->\n\n{body}");
    let path = docs(page);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/{page} is not what the table says; {again}");
}

/// With a comma between thousands.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_page_of_limits_is_the_table() {
    let mut body = String::from(
        "# Limits\n\n\
         Every limit and default, with its reason.\n\
         A name that ends in `_max` or `_min` is a bound; what passes it is refused with [`limit_exceeded`](../errors/limit_exceeded.md) or [`invalid_field`](../errors/invalid_field.md), and nothing is written.\n\
         A name that ends in `_default` is what holds when nothing is said.\n\n\
         | limit | value | reason |\n| --- | ---: | --- |\n",
    );
    for limit in LIMITS {
        writeln!(body, "| `{}` | {} | {} |", limit.name, grouped(limit.value), limit.reason).unwrap();
    }
    is_current("reference/limits.md", "`crates/orch-core/src/limits.rs`", &body);
}

#[test]
fn the_page_of_known_terms_is_the_data() {
    let mut body = String::from(
        "# Known terms\n\n\
         What hosts of well-known feeds allow, ready to be declared: `orch bucket put nvd --known nvd-anonymous`.\n\
         Nothing here is declared by itself, and who knows better declares other terms.\n\
         Where no published terms were found, they are a caution of our own, and the table says so.\n\
         No window of this length ever holds more requests, wherever it begins.\n\n\
         | id | feed | host | requests | in | key or token | from |\n| --- | --- | --- | ---: | ---: | --- | --- |\n",
    );
    for entry in known_terms::all() {
        let host = entry.host.as_ref().map_or("the provider's".to_owned(), |host| format!("`{host}`"));
        let key = if entry.key { "needed" } else { "none" };
        let from = entry.source.as_ref().map_or("our own caution".to_owned(), |source| format!("<{source}>"));
        for term in &entry.terms {
            let (limit, seconds) = (grouped(u64::from(term.limit)), grouped(term.window_ms / 1_000));
            let (id, title) = (&entry.id, &entry.title);
            writeln!(body, "| `{id}` | {title} | {host} | {limit} | {seconds} s | {key} | {from} |").unwrap();
        }
    }
    is_current("reference/known-terms.md", "`crates/orch-core/terms/known.json`", &body);
}

/// What a page of `docs/errors` says in its line under the title and in the first sentence of its meaning.
fn status_and_meaning(code: Code) -> (String, String) {
    let name = code.as_str();
    let path = docs(&format!("errors/{name}.md"));
    let page = fs::read_to_string(&path).unwrap_or_else(|_| panic!("docs/errors/{name}.md is missing"));
    let status =
        page.lines().find_map(|line| line.strip_prefix("HTTP status ")).and_then(|rest| rest.split(' ').next());
    let meaning = page.split("## Meaning\n\n").nth(1).and_then(|rest| rest.lines().next());
    let meaning = meaning.map(|line| line.split(". ").next().unwrap_or(line).trim_end_matches('.'));
    let retryable = if code.retryable() { "retryable: yes" } else { "retryable: no" };
    assert!(page.contains(retryable), "docs/errors/{name}.md does not say `{retryable}`");
    (status.expect("an HTTP status").to_owned(), meaning.expect("a meaning").to_owned())
}

#[test]
fn the_page_of_errors_names_every_code() {
    let mut body = String::from(
        "# Errors\n\n\
         Every code that a problem can carry; each has a page with its causes and what to do.\n\
         `retryable` means that the same call may succeed later.\n\n\
         | code | status | retryable | meaning |\n| --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let (status, meaning) = status_and_meaning(*code);
        let (name, retryable) = (code.as_str(), if code.retryable() { "yes" } else { "no" });
        writeln!(body, "| [`{name}`](../errors/{name}.md) | {status} | {retryable} | {meaning} |").unwrap();
    }
    is_current("reference/errors.md", "`orch_core::Code` and `docs/errors`", &body);
}

/// What happens to a job, in words.
fn words(event: Event) -> &'static str {
    match event {
        Event::Unblocked => "the last open dependency was met",
        Event::UnblockedEarly => "the last open dependency was met, and `not_before` lies ahead",
        Event::Pointless => "a dependency ended so that the job is pointless",
        Event::Due => "its moment came, or an operator said \"now\"",
        Event::Granted => "handed out, to be acknowledged",
        Event::GrantedRunning => "handed out and acknowledged in one",
        Event::Acknowledged => "the worker acknowledged",
        Event::Succeeded => "the worker reported success",
        Event::FailedForNow => "the attempt failed or ran out of time, and waits for its next try",
        Event::BackToLane => "the attempt was lost or given back, and goes back to its lane at once",
        Event::FailedForGood => "failed for good, or the deadline passed",
        Event::Canceled => "ended on request",
    }
}

#[test]
fn the_page_of_the_state_machine_is_the_table() {
    let mut body = String::from(
        "# State machine\n\n\
         The life of a job: which event leads from which state to which.\n\
         What is not in the table is refused; a final state has no row.\n\n\
         | from | event | to |\n| --- | --- | --- |\n",
    );
    for (from, event, to) in TRANSITIONS {
        writeln!(body, "| `{}` | {} | `{}` |", from.as_str(), words(*event), to.as_str()).unwrap();
    }
    let ends = JobState::ALL.iter().filter(|state| state.is_final()).map(|state| format!("`{}`", state.as_str()));
    let ends: Vec<_> = ends.collect();
    write!(body, "\nFinal: {}.\n\n```mermaid\nstateDiagram-v2\n", ends.join(", ")).unwrap();
    writeln!(body, "    [*] --> ready\n    [*] --> blocked\n    [*] --> scheduled").unwrap();
    let mut drawn: Vec<(JobState, JobState)> = Vec::new();
    for (from, _, to) in TRANSITIONS {
        if !drawn.contains(&(*from, *to)) {
            drawn.push((*from, *to));
            writeln!(body, "    {} --> {}", from.as_str(), to.as_str()).unwrap();
        }
    }
    body.push_str("```\n");
    is_current("state-machine.md", "`crates/orch-core/src/transition.rs`", &body);
}
