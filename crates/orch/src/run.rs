//! `orch run …`; beginning and repairing are in `start`, the chart in `chart`.

mod chart;
mod start;

pub use start::parse_input;

use std::time::Duration;

use clap::Subcommand;
use orch_client::{Client, RunGraph, RunId, RunNode, RunOut, RunQuery, RunState, TimelineItem};
use serde::Serialize;

use crate::complete;
use crate::failure::Failure;
use crate::job::WaitLimit;
use crate::moment::{length, now};
use crate::output::{Listing, Output, View, Watch, all, some, text};

/// Commands about runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a run of a graph; prints its id.
    Start(Box<start::Start>),
    /// List runs, newest first.
    List {
        /// Only those of this graph.
        #[arg(long, value_name = "NAME", add = complete::graphs())]
        graph: Option<String>,
        /// Only those in this state.
        #[arg(long, add = complete::words(STATES))]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        watch: Watch,
    },
    /// Print what is known of a run.
    Get {
        /// The run.
        #[arg(add = complete::runs())]
        run: RunId,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show a run and where its steps are: how long each took, how much longer it could have, and which decide how long
    /// the run takes.
    Show {
        /// The run.
        #[arg(add = complete::runs())]
        run: RunId,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show what the jobs of a run did when, as a chart.
    Timeline {
        /// The run.
        #[arg(add = complete::runs())]
        run: RunId,
        /// How many characters the time from its first job to now, or to its end, is wide.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(10..=1_000), value_name = "N")]
        width: u16,
    },
    /// Wait until a run has ended. Exits 2 when it did not succeed, 3 when the time was up.
    Wait {
        /// The run.
        #[arg(add = complete::runs())]
        run: RunId,
        #[command(flatten)]
        limit: WaitLimit,
    },
    /// End a run: what has not begun is skipped, and what is under way is asked to stop.
    Cancel(Turn),
    /// Hold a run with all that is inside it: nothing of it begins. What is handed out goes on.
    Pause(Turn),
    /// Let a run go on.
    Resume(Turn),
    /// Repair an ended run: begin a new one that keeps how some of its steps ended; prints its id.
    Rerun(Box<start::Again>),
    /// Say yes where a run asks: the step succeeds.
    Approve(Decision),
    /// Say no where a run asks: the step fails.
    Reject(Decision),
}

/// Which run is meant, and why.
#[derive(Debug, clap::Args)]
pub struct Turn {
    /// The run.
    #[arg(add = complete::runs())]
    run: RunId,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

/// Which step is decided, and why.
#[derive(Debug, clap::Args)]
pub struct Decision {
    /// The run.
    #[arg(add = complete::runs())]
    run: RunId,
    /// The name of the step that asks.
    step: String,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

/// The states that a run can be in.
const STATES: &[&str] = &["running", "paused", "canceling", "succeeded", "failed", "canceled"];

const VIEW: View = View {
    name: "/id",
    columns: &[
        ("ID", "/id"),
        ("GRAPH", "/graph"),
        ("VERSION", "/version"),
        ("STATE", "/state"),
        ("TRIGGER", "/trigger"),
        ("OPEN JOBS", "/open_jobs"),
        ("CREATED AT", "/created_at"),
        ("ENDED AT", "/ended_at"),
    ],
    wide: &[
        ("PROJECT", "/project"),
        ("INPUTS", "/inputs"),
        ("LABELS", "/labels"),
        ("TOKEN", "/run_token"),
        ("REPAIRS", "/repairs"),
        ("PARENT", "/parent/run"),
        ("BY", "/by"),
        ("REASON", "/reason"),
    ],
};

const STEPS: View = View {
    name: "/step",
    columns: &[
        ("STEP", "/step"),
        ("KIND", "/kind"),
        ("STATE", "/state"),
        ("TOOK", "/took"),
        ("SLACK", "/slack"),
        ("CRITICAL", "/critical"),
        ("IS", "/is"),
        ("WHY", "/why"),
    ],
    wide: &[("JOBS", "/jobs"), ("BEGAN AT", "/began_at"), ("ENDED AT", "/ended_at"), ("KEPT OF", "/kept_of")],
};

/// A run with its steps, for programs.
const SHOWN: View = View { name: "/run/id", columns: &[], wide: &[] };
const TIMELINE: View = View { name: "/job", columns: &[], wide: &[] };

/// A run with its steps.
#[derive(Debug, Serialize)]
struct Shown {
    run: RunOut,
    #[serde(flatten)]
    graph: RunGraph,
}

/// A step as people see it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    step: String,
    took: String,
    slack: String,
    critical: &'static str,
    is: Option<String>,
    why: Option<String>,
    #[serde(flatten)]
    rest: Rest<'a>,
}

/// What of a step is shown as it is.
#[derive(Debug, Serialize)]
struct Rest<'a> {
    kind: &'a str,
    state: &'a str,
    jobs: u32,
    began_at: Option<jiff::Timestamp>,
    ended_at: Option<jiff::Timestamp>,
    kept_of: Option<RunId>,
}

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let runs = client.runs();
    match command {
        Command::Start(args) => start::start(*args, client, output).await,
        Command::Rerun(args) => start::again(*args, client, output).await,
        Command::List { graph, state, limit, watch } => {
            let query = RunQuery { graph, state: state.as_deref().map(RunState::from), ..RunQuery::default() };
            let page =
                async |wanted, cursor| runs.list(&RunQuery { limit: Some(wanted), cursor, ..query.clone() }).await;
            watch.list(output, &VIEW, async || some(limit, page).await).await
        }
        Command::Get { run, watch } => {
            watch.one(output, &VIEW, async || runs.get(&run).await, |run| run.state.is_final()).await
        }
        Command::Show { run, watch } => {
            let told = |shown: &Shown| told(shown, output);
            watch
                .told(output, &SHOWN, async || read(client, &run).await, |shown| shown.run.state.is_final(), told)
                .await
        }
        Command::Timeline { run, width } => timeline(client, &run, width.into(), output).await,
        Command::Wait { run, limit } => wait(client, &run, limit.timeout, output).await,
        Command::Cancel(Turn { run, reason }) => turned(&runs.cancel(&run, reason.as_deref()).await?, output),
        Command::Pause(Turn { run, reason }) => turned(&runs.pause(&run, reason.as_deref()).await?, output),
        Command::Resume(Turn { run, reason }) => turned(&runs.resume(&run, reason.as_deref()).await?, output),
        Command::Approve(Decision { run, step, reason }) => {
            turned(&runs.approve(&run, &step, reason.as_deref()).await?, output)
        }
        Command::Reject(Decision { run, step, reason }) => {
            turned(&runs.reject(&run, &step, reason.as_deref()).await?, output)
        }
    }
}

fn turned(run: &RunOut, output: &Output) -> Result<(), Failure> {
    output.brief(run, &VIEW, run.state.as_str())
}

/// A run with its steps; without them, when the version of its graph is not kept any more.
async fn read(client: &Client, id: &RunId) -> Result<Shown, orch_client::Error> {
    let run = client.runs().get(id).await?;
    match client.runs().graph(id).await {
        Ok(graph) => Ok(Shown { run, graph }),
        Err(error) if error.status() == Some(404) => Ok(Shown { run, graph: RunGraph::default() }),
        Err(error) => Err(error),
    }
}

/// The run, a line a member, and its steps, a line each.
fn told(Shown { run, graph }: &Shown, output: &Output) -> Result<String, Failure> {
    let summary = output.one_text(run, &VIEW)?;
    if graph.nodes.is_empty() {
        return Ok(summary);
    }
    let rows: Vec<Row> = graph.nodes.iter().map(row).collect();
    let path = graph.critical_path.join(" -> ");
    let path = if path.is_empty() { path } else { format!("\ncritical  {path} ({})\n", length(graph.total_ms)) };
    Ok(format!("{summary}\n{}{path}", output.list_text(&rows, &STEPS)?))
}

fn row(node: &RunNode) -> Row<'_> {
    let begun = node.began_at.is_some();
    let is = [node.job.map(|job| job.to_string()), node.run.map(|run| run.to_string())];
    let until = node.until.filter(|_| node.ended_at.is_none()).map(|until| format!("until {until}"));
    let by = node.by.as_ref().map(|by| format!("by {by}"));
    let whys = [node.skip_reason.clone(), node.fault.clone(), node.note.clone(), by, until];
    let why = whys.into_iter().flatten().collect::<Vec<_>>().join(", ");
    Row {
        step: "  ".repeat(node.level as usize) + &node.step,
        took: if begun { length(node.duration_ms) } else { "-".to_owned() },
        slack: if begun && !node.critical { length(node.slack_ms) } else { "-".to_owned() },
        critical: if node.critical { "*" } else { "" },
        is: is.into_iter().flatten().next(),
        why: Some(why).filter(|why| !why.is_empty()),
        rest: Rest {
            kind: node.kind.as_str(),
            state: node.state.as_str(),
            jobs: node.jobs,
            began_at: node.began_at,
            ended_at: node.ended_at,
            kept_of: node.kept_of,
        },
    }
}

async fn timeline(client: &Client, id: &RunId, width: usize, output: &Output) -> Result<(), Failure> {
    let page = async |cursor: Option<String>| client.runs().timeline(id, cursor.as_deref()).await;
    let listing: Listing<TimelineItem> = all(page).await?;
    if !output.is_for_people() {
        return output.list(&listing, &TIMELINE);
    }
    let text_of = chart::text(&listing.items, now(), width);
    text(text_of.as_deref().unwrap_or("it has no jobs yet").trim_end())
}

/// Waits for a run, prints it, and fails when it did not succeed.
async fn wait(client: &Client, id: &RunId, timeout: Duration, output: &Output) -> Result<(), Failure> {
    let run = client.runs().wait(id, timeout).await?;
    output.brief(&run, &VIEW, &format!("{} {}", run.id, run.state))?;
    if run.state == RunState::Succeeded { Ok(()) } else { Err(Failure::RunUnsuccessful(Box::new(run))) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(over: Value) -> RunNode {
        let mut wire = json!({"step": "fetch", "kind": "job", "state": "succeeded", "level": 1});
        wire.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        serde_json::from_value(wire).unwrap()
    }

    #[test]
    fn a_step_is_a_line() {
        let job = "job_0198f2f0a1b27c3d8e4f5a6b7c8d9e0f";
        let at = "2026-01-14T00:00:00Z";
        let ran = node(json!({"began_at": at, "ended_at": at, "duration_ms": 1_500, "slack_ms": 20, "job": job}));
        let line = row(&ran);
        let told = (line.step.as_str(), line.took.as_str(), line.slack.as_str(), line.critical, line.is.as_deref());
        assert_eq!(told, ("  fetch", "1.5s", "20ms", "", Some(job)));
        let critical = node(json!({"began_at": at, "duration_ms": 20, "critical": true}));
        assert_eq!((row(&critical).slack.as_str(), row(&critical).critical), ("-", "*"));
        let skipped = node(json!({"state": "skipped", "skip_reason": "upstream_failed"}));
        assert_eq!((row(&skipped).took.as_str(), row(&skipped).why.as_deref()), ("-", Some("upstream_failed")));
        let asks = node(json!({"kind": "approval", "state": "running", "began_at": at, "until": at}));
        assert_eq!(row(&asks).why, Some(format!("until {at}")));
        let said = node(json!({"began_at": at, "ended_at": at, "until": at, "note": "fine", "by": "tok_1"}));
        assert_eq!(row(&said).why.as_deref(), Some("fine, by tok_1"));
    }
}
