//! `orch run start` and `orch run rerun`.

use std::path::PathBuf;

use anyhow::Context as _;
use orch_client::{Client, Graph, NewRun, Rerun, RunId, RunOut};
use serde_json::{Map, Value};

use super::{VIEW, wait};
use crate::complete;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::input;
use crate::job::{WaitLimit, parse_label};
use crate::output::Output;

/// The run to begin.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// Its graph.
    #[arg(required_unless_present = "definition", add = complete::graphs())]
    graph: Option<String>,
    /// A graph that is not declared: a file of one YAML or JSON document, or - for standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with = "graph")]
    definition: Option<PathBuf>,
    #[command(flatten)]
    inputs: InputArgs,
    /// The same token, graph, version and inputs are the same run, which is printed and not begun again.
    #[arg(long = "run-token", value_name = "TEXT")]
    run_token: Option<String>,
    /// A label, which its jobs have, too; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// The project of its jobs, where steps do not say another.
    #[arg(long, add = complete::projects())]
    project: Option<String>,
    /// Correlates what has one cause; its jobs have the same.
    #[arg(long)]
    correlation_id: Option<String>,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// The repair to begin.
#[derive(Debug, clap::Args)]
pub struct Again {
    /// The ended run.
    #[arg(add = complete::runs())]
    run: RunId,
    #[command(flatten)]
    kind: KindArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// The same token, graph, version and inputs are the same run, which is printed and not begun again.
    #[arg(long = "run-token", value_name = "TEXT")]
    run_token: Option<String>,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// How far a repair goes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct KindArgs {
    /// What failed or was canceled runs again; and directly after it what was skipped or waits for failures.
    #[arg(long)]
    only_failed: bool,
    /// What failed or was canceled runs again, and all after it.
    #[arg(long)]
    downstream: bool,
    /// This step runs again, and all after it; what else failed stays failed.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
}

/// What a run is given.
#[derive(Debug, clap::Args)]
struct InputArgs {
    /// An input; may be repeated. A value that is no JSON is a text.
    #[arg(long = "input", value_name = "NAME=JSON", value_parser = parse_input)]
    inputs: Vec<(String, Value)>,
    /// Inputs as one object: JSON, @FILE, or - for standard input. Those of --input go before it.
    #[arg(long = "inputs", value_name = "JSON|@FILE|-")]
    all: Option<String>,
}

/// Whether to wait for the end.
#[derive(Debug, clap::Args)]
struct Waiting {
    /// Wait until it has ended. Exits 2 when it did not succeed, 3 when the time was up.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: WaitLimit,
}

impl InputArgs {
    /// All of them.
    fn read(self) -> Result<Map<String, Value>, Failure> {
        let mut inputs = match &self.all {
            Some(argument) => {
                let text = input::text(argument, "the inputs")?;
                serde_json::from_str(&text).context("the inputs are no JSON object")?
            }
            None => Map::new(),
        };
        inputs.extend(self.inputs);
        Ok(inputs)
    }
}

/// Begins a run, and waits if asked to.
pub async fn start(args: Start, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut run = match (args.graph, &args.definition) {
        (Some(graph), _) => NewRun::of(graph),
        (None, Some(file)) => NewRun::defined(definition(file)?),
        (None, None) => return Err(Failure::refused("a run is of a graph", "name it, or give --definition")),
    };
    run = run.inputs(args.inputs.read()?);
    for (key, value) in args.labels {
        run = run.label(key, value);
    }
    run = with(run, args.run_token, NewRun::token);
    run = with(run, args.project, NewRun::project);
    run = with(run, args.correlation_id, NewRun::correlation_id);
    run = with(run, args.reason, NewRun::reason);
    let begun = client.runs().start(run).await?;
    args.waiting.told(&begun, client, output).await
}

/// Begins a repair, and waits if asked to.
pub async fn again(args: Again, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut rerun = match args.kind {
        KindArgs { from: Some(step), .. } => Rerun::from_step(step),
        KindArgs { downstream: true, .. } => Rerun::downstream(),
        KindArgs { .. } => Rerun::only_failed(),
    };
    for (name, value) in args.inputs.read()? {
        rerun = rerun.input(name, value);
    }
    rerun = with(rerun, args.run_token, Rerun::token);
    rerun = with(rerun, args.reason, Rerun::reason);
    let begun = client.runs().rerun(&args.run, rerun).await?;
    args.waiting.told(&begun, client, output).await
}

impl Waiting {
    async fn told(&self, run: &RunOut, client: &Client, output: &Output) -> Result<(), Failure> {
        if self.wait {
            return wait(client, &run.id, self.limit.timeout, output).await;
        }
        output.brief(run, &VIEW, &run.id.to_string())
    }
}

/// The one graph of a file.
fn definition(file: &PathBuf) -> Result<Graph, Failure> {
    let mut documents = document::read(std::slice::from_ref(file))?;
    let (Some(Document { origin, mut value }), true) = (documents.pop(), documents.is_empty()) else {
        return Err(Failure::refused("a run is of one graph", "give a file with one document"));
    };
    if let Some(members) = value.as_object_mut() {
        members.remove("declare");
    }
    Ok(serde_json::from_value(value).with_context(|| format!("{origin} is no graph"))?)
}

/// With a value that may have been typed or not.
fn with<T>(made: T, value: Option<String>, set: impl Fn(T, String) -> T) -> T {
    match value {
        Some(value) => set(made, value),
        None => made,
    }
}

/// An input as it is typed: what is no JSON is a text.
pub fn parse_input(typed: &str) -> Result<(String, Value), String> {
    match typed.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((name.to_owned(), value))
        }
        _ => Err("an input is NAME=JSON".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_input_is_json_or_a_text() {
        let read = |typed: &str| parse_input(typed).unwrap();
        assert_eq!(read("since=2026-01-01"), ("since".to_owned(), json!("2026-01-01")));
        assert_eq!(read("n=3"), ("n".to_owned(), json!(3)));
        assert_eq!(read("of={\"a\":[1]}"), ("of".to_owned(), json!({"a": [1]})));
        assert_eq!(read("text=\"3\""), ("text".to_owned(), json!("3")));
        assert_eq!(read("none="), ("none".to_owned(), json!("")));
        assert!(parse_input("since").is_err() && parse_input("=3").is_err());
    }

    #[test]
    fn an_input_by_itself_goes_before_the_object() {
        let args = InputArgs { inputs: vec![("a".to_owned(), json!(1))], all: Some("{\"a\": 2, \"b\": 3}".to_owned()) };
        assert_eq!(Value::Object(args.read().unwrap()), json!({"a": 1, "b": 3}));
        assert!(InputArgs { inputs: Vec::new(), all: Some("[1]".to_owned()) }.read().is_err());
    }
}
