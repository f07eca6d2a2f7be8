//! `orch apply -f …`: declared things from files.

use std::path::PathBuf;

use orch_client::{Applied, Client, Difference, Error, Problem};
use serde_json::Value;

use crate::document::{self, Document};
use crate::failure::Failure;
use crate::output::{self, Output, View};

/// What to apply.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file of YAML or JSON documents, a folder of such files, or - for standard input; may be repeated. Each document
    /// has the members of its kind, and the kind itself as in `declare: bucket`.
    #[arg(short = 'f', long = "file", value_name = "FILE|FOLDER|-", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Print what is changed, too; --dry-run always does.
    #[arg(long)]
    diff: bool,
}

const VIEW: View = View {
    name: "/name",
    columns: &[("KIND", "/kind"), ("NAME", "/name"), ("ACTION", "/action"), ("VERSION", "/version")],
    wide: &[("DIFF", "/diff"), ("DETAIL", "/detail")],
};

/// Runs the command.
pub async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Failure> {
    declare(&document::read(&args.files)?, args.diff, client, output).await
}

/// Declares what documents say, and prints what became of each; with `diff` what is changed, too.
pub async fn declare(documents: &[Document], diff: bool, client: &Client, output: &Output) -> Result<(), Failure> {
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    let dry_run = client.is_rehearsing();
    let items = client.apply(&values, dry_run).await.map_err(|error| placed(error, documents))?;
    let told = items.clone();
    output.list(&told.into(), &VIEW)?;
    if output.is_for_people() {
        let mut lines = if diff || dry_run { differences(&items) } else { Vec::new() };
        lines.extend(dry_run.then(|| "nothing was written".to_owned()));
        lines.iter().try_for_each(|line| output::text(line))?;
    }
    if items.iter().all(Applied::is_done) { Ok(()) } else { Err(Failure::NotApplied(items)) }
}

/// The same error, with files and their documents in place of the call's.
fn placed(error: Error, documents: &[Document]) -> Error {
    let Error::Problem(mut problem) = error else { return error };
    let Problem { errors, .. } = &mut *problem;
    for error in errors {
        error.field = placed_field(&error.field, documents).unwrap_or_else(|| error.field.clone());
    }
    Error::Problem(problem)
}

/// `documents[3].terms[0].limit` as `hosts.yaml, document 2, terms[0].limit`.
fn placed_field(field: &str, documents: &[Document]) -> Option<String> {
    let (place, rest) = field.strip_prefix("documents[")?.split_once(']')?;
    let Document { origin, .. } = documents.get(place.parse::<usize>().ok()?)?;
    Some(match rest.strip_prefix('.') {
        Some(member) => format!("{origin}, {member}"),
        None => origin.to_string(),
    })
}

/// What differs, below a line for each document that changes something.
fn differences(items: &[Applied]) -> Vec<String> {
    let mut lines = Vec::new();
    for Applied { kind, name, diff, .. } in items.iter().filter(|item| !item.diff.is_empty()) {
        lines.push(format!("{kind} {name}"));
        diff.iter().for_each(|difference| tell(difference, &mut lines));
    }
    lines
}

fn tell(Difference { path, from, to }: &Difference, lines: &mut Vec<String>) {
    match (from, to) {
        // A whole document: its members, but for those that say nothing.
        (None, Some(Value::Object(members))) if path.is_empty() => {
            let told = members.iter().filter(|(_, value)| !output::is_empty(value));
            lines.extend(told.map(|(member, value)| format!("  + /{member} {value}")));
        }
        (None, Some(to)) => lines.push(format!("  + {path} {to}")),
        (Some(from), None) => lines.push(format!("  - {path} {from}")),
        (from, to) => {
            let shown = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
            lines.push(format!("  ~ {path} {} -> {}", shown(from), shown(to)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exit::Exit;

    fn lines(difference: Value) -> Vec<String> {
        let mut lines = Vec::new();
        tell(&serde_json::from_value(difference).unwrap(), &mut lines);
        lines
    }

    #[test]
    fn a_field_of_the_call_is_a_field_of_a_file() {
        let documents = document::parse("hosts.yaml", "a: 1\n---\n---\nb: 2\n", false).unwrap();
        let placed = |field: &str| placed_field(field, &documents);
        assert_eq!(placed("documents[1].terms[0].limit").unwrap(), "hosts.yaml, document 3, terms[0].limit");
        assert_eq!(placed("documents[0]").unwrap(), "hosts.yaml, document 1");
        for other in ["documents", "documents[2].name", "body"] {
            assert_eq!(placed(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_not_written_is_told_and_exits_accordingly() {
        let item = |name: &str, action: &str, code: Option<&str>| {
            let detail = code.map(|code| format!("it is {code}"));
            let wire = json!({"kind": "source", "name": name, "action": action, "code": code, "detail": detail});
            serde_json::from_value::<Applied>(wire).unwrap()
        };
        let done = item("a", "changed", None);
        let refused = item("b", "refused", Some("version_conflict"));
        let failure = Failure::NotApplied(vec![done.clone(), refused.clone()]);
        assert_eq!(failure.exit(), Exit::Conflict);
        let report = failure.report().unwrap();
        assert_eq!(report.what, "1 of 2 documents were not written");
        assert_eq!(report.details, ["source b: it is version_conflict"]);
        let stopped = vec![done, refused, item("c", "refused", Some("overloaded")), item("d", "not_tried", None)];
        let failure = Failure::NotApplied(stopped);
        assert_eq!(failure.exit(), Exit::Error);
        assert_eq!(failure.report().unwrap().details[2], "source d: not tried after that");
    }

    #[test]
    fn a_difference_is_a_line() {
        assert_eq!(lines(json!({"path": "/a", "to": 1})), ["  + /a 1"]);
        assert_eq!(lines(json!({"path": "/a", "from": "x"})), ["  - /a \"x\""]);
        assert_eq!(lines(json!({"path": "/a", "from": null, "to": [1]})), ["  ~ /a null -> [1]"]);
        let whole = json!({"path": "", "to": {"name": "n", "host": null, "cost": 1, "terms": []}});
        assert_eq!(lines(whole), ["  + /cost 1", "  + /name \"n\""]);
    }
}
