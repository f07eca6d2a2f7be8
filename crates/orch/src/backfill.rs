//! `orch backfill …`: stretches of event time that are read again, window by window.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use orch_client::{
    Axis, Backfill, BackfillId, BackfillIn, BackfillJob, BackfillPreview, Client, Ends, Range, Reprocess, ScheduledRun,
    WindowOrder,
};
use serde_json::{Map, Value};

use crate::complete;
use crate::failure::Failure;
use crate::job::parse_label;
use crate::moment::{length, ms, parse_day, parse_duration};
use crate::output::{Output, View, Watch, some};
use crate::run::parse_input;

/// Commands about backfills.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a backfill would do: its windows, its load, what is in the way, and when it would end. Nothing is asked
    /// for.
    Preview(Box<Wanted>),
    /// Ask for a backfill; prints its id.
    Create(Box<Wanted>),
    /// List backfills, newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// The backfill.
        #[arg(add = complete::backfills())]
        backfill: BackfillId,
        #[command(flatten)]
        watch: Watch,
    },
    /// List the windows of one by number.
    Windows {
        /// The backfill.
        #[arg(add = complete::backfills())]
        backfill: BackfillId,
        /// At most so many.
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[command(flatten)]
        watch: Watch,
    },
    /// Hold one: no window begins. What is open goes on.
    Pause(Turn),
    /// Let one go on.
    Resume(Turn),
    /// End one: no window begins, and what is open is asked to stop.
    Cancel(Turn),
    /// Ask for a backfill of the windows that an ended one did not read; prints its id.
    Rerun {
        /// The ended backfill.
        #[arg(add = complete::backfills())]
        backfill: BackfillId,
        /// Why; kept in history.
        #[arg(long)]
        reason: String,
        /// The ticket that asks for it.
        #[arg(long)]
        ticket: String,
    },
}

/// Which backfill is meant, and why.
#[derive(Debug, Args)]
pub struct Turn {
    /// The backfill.
    #[arg(add = complete::backfills())]
    backfill: BackfillId,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

/// The backfill that is asked for.
#[derive(Debug, Args)]
pub struct Wanted {
    /// The source that is read.
    #[arg(long, add = complete::sources())]
    source: String,
    /// Which of the records' times the range is about; when they were published, if it is left out.
    #[arg(long, value_enum)]
    axis: Option<AxisArg>,
    /// The first moment of the range: RFC 3339, or a day in UTC.
    #[arg(long, value_name = "MOMENT", value_parser = parse_day)]
    from: Timestamp,
    /// The first moment after it.
    #[arg(long, value_name = "MOMENT", value_parser = parse_day)]
    to: Timestamp,
    /// How long a window is, such as 6h; a day when it is left out. The last may be shorter.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    window: Option<Duration>,
    /// In which order windows come.
    #[arg(long, value_enum)]
    order: Option<OrderArg>,
    /// Which windows are read.
    #[arg(long, value_enum)]
    reprocess: Option<ReprocessArg>,
    /// So many windows are open at the same time; 4 when it is left out.
    #[arg(long, value_name = "N")]
    parallelism: Option<u32>,
    #[command(flatten)]
    asked: Asked,
    /// Why; kept in history.
    #[arg(long)]
    reason: String,
    /// The ticket that asks for it.
    #[arg(long)]
    ticket: String,
}

/// What reads a window: a job or a run.
#[derive(Debug, Args)]
struct Asked {
    /// A job of this type reads each window.
    #[arg(long, required_unless_present = "graph", conflicts_with = "graph", add = complete::job_types())]
    job_type: Option<String>,
    /// Its payload as a JSON object; it gets the member `window`.
    #[arg(long, requires = "job_type", value_name = "JSON", value_parser = parse_object)]
    payload: Option<Map<String, Value>>,
    /// A run of this graph reads each window; it gets the input `window`.
    #[arg(long, add = complete::graphs())]
    graph: Option<String>,
    /// An input; may be repeated. A value that is no JSON is a text.
    #[arg(long = "input", requires = "graph", value_name = "NAME=JSON", value_parser = parse_input)]
    inputs: Vec<(String, Value)>,
    /// A label of the jobs, or of the runs; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// The project of the jobs, or of the jobs of the runs.
    #[arg(long, add = complete::projects())]
    project: Option<String>,
}

/// Which of a record's times counts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AxisArg {
    /// When it was published first.
    Published,
    /// When it was changed last.
    Modified,
}

/// In which order windows come.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OrderArg {
    /// The earliest first.
    OldestFirst,
    /// The latest first.
    NewestFirst,
}

/// Which windows are read.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReprocessArg {
    /// Those that nobody has read.
    Missing,
    /// Those, and those that a backfill tried to read and could not.
    MissingAndFailed,
    /// All.
    All,
}

impl From<AxisArg> for Axis {
    fn from(arg: AxisArg) -> Self {
        match arg {
            AxisArg::Published => Self::Published,
            AxisArg::Modified => Self::Modified,
        }
    }
}

impl From<OrderArg> for WindowOrder {
    fn from(arg: OrderArg) -> Self {
        match arg {
            OrderArg::OldestFirst => Self::OldestFirst,
            OrderArg::NewestFirst => Self::NewestFirst,
        }
    }
}

impl From<ReprocessArg> for Reprocess {
    fn from(arg: ReprocessArg) -> Self {
        match arg {
            ReprocessArg::Missing => Self::Missing,
            ReprocessArg::MissingAndFailed => Self::MissingAndFailed,
            ReprocessArg::All => Self::All,
        }
    }
}

const VIEW: View = View {
    name: "/id",
    columns: &[
        ("ID", "/id"),
        ("SOURCE", "/source"),
        ("STATE", "/state"),
        ("FROM", "/from"),
        ("TO", "/to"),
        ("WINDOWS", "/windows/total"),
        ("READ", "/windows/succeeded"),
        ("BEFORE", "/windows/read_before"),
        ("FAILED", "/windows/failed"),
        ("OPEN", "/windows/open"),
        ("WAITING", "/windows/waiting"),
        ("CREATED AT", "/created_at"),
    ],
    wide: &[
        ("AXIS", "/axis"),
        ("CANCELED", "/windows/canceled"),
        ("ORDER", "/order"),
        ("REPROCESS", "/reprocess"),
        ("PARALLELISM", "/parallelism"),
        ("OF", "/of"),
        ("ENDED AT", "/ended_at"),
        ("TICKET", "/ticket"),
        ("BY", "/by"),
        ("REASON", "/reason"),
    ],
};

const WINDOWS: View = View {
    name: "/number",
    columns: &[
        ("NUMBER", "/number"),
        ("FROM", "/from"),
        ("TO", "/to"),
        ("STATE", "/state"),
        ("JOB", "/job"),
        ("RUN", "/run"),
    ],
    wide: &[],
};

/// What it would do, for programs.
const PREVIEW: View = View { name: "/asked", columns: &[], wide: &[] };

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let backfills = client.backfills();
    match command {
        Command::Preview(wanted) => {
            let wanted = wanted.wire();
            let preview = backfills.preview(&wanted).await?;
            output.brief(&preview, &PREVIEW, &told(&wanted, &preview).join("\n"))
        }
        Command::Create(wanted) => {
            let made = backfills.create(&wanted.wire()).await?;
            output.brief(&made, &VIEW, &made.id.to_string())
        }
        Command::List { limit, watch } => {
            let page = async |wanted, cursor: Option<String>| backfills.list(Some(wanted), cursor.as_deref()).await;
            watch.list(output, &VIEW, async || some(limit, page).await).await
        }
        Command::Show { backfill, watch } => {
            let ended = |backfill: &Backfill| backfill.state.is_final();
            watch.one(output, &VIEW, async || backfills.get(&backfill).await, ended).await
        }
        Command::Windows { backfill, limit, watch } => {
            let page = async |wanted, cursor: Option<String>| {
                backfills.windows(&backfill, Some(wanted), cursor.as_deref()).await
            };
            watch.list(output, &WINDOWS, async || some(limit, page).await).await
        }
        Command::Pause(Turn { backfill, reason }) => {
            turned(&backfills.pause(&backfill, reason.as_deref()).await?, output)
        }
        Command::Resume(Turn { backfill, reason }) => {
            turned(&backfills.resume(&backfill, reason.as_deref()).await?, output)
        }
        Command::Cancel(Turn { backfill, reason }) => {
            turned(&backfills.cancel(&backfill, reason.as_deref()).await?, output)
        }
        Command::Rerun { backfill, reason, ticket } => {
            let made = backfills.rerun(&backfill, &reason, &ticket).await?;
            output.brief(&made, &VIEW, &made.id.to_string())
        }
    }
}

fn turned(backfill: &Backfill, output: &Output) -> Result<(), Failure> {
    output.brief(backfill, &VIEW, backfill.state.as_str())
}

impl Wanted {
    fn wire(self) -> BackfillIn {
        let Asked { job_type, payload, graph, inputs, labels, project } = self.asked;
        let labels: std::collections::BTreeMap<_, _> = labels.into_iter().collect();
        let payload = payload.unwrap_or_default();
        let job = job_type.map(|job_type| BackfillJob {
            job_type,
            payload,
            project: project.clone(),
            labels: labels.clone(),
            ..BackfillJob::default()
        });
        let inputs = inputs.into_iter().collect();
        let run = graph.map(|graph| ScheduledRun { graph, inputs, labels, project });
        let range = Range { from: self.from, to: self.to };
        BackfillIn {
            axis: self.axis.map(Axis::from),
            window_ms: self.window.map(ms),
            order: self.order.map(WindowOrder::from),
            reprocess: self.reprocess.map(Reprocess::from),
            parallelism: self.parallelism,
            job,
            run,
            ..BackfillIn::new(&self.source, range, &self.reason, &self.ticket)
        }
    }
}

/// What a backfill would do, in words.
fn told(wanted: &BackfillIn, preview: &BackfillPreview) -> Vec<String> {
    let BackfillPreview { windows, read, failed_before, asked, .. } = preview;
    let mut lines = vec![format!("{}, from {} to {}", count(*windows, "window"), wanted.from, wanted.to)];
    if *read > 0 {
        lines.push(format!("{} left out: read before", count(*read, "window")));
    }
    if *failed_before > 0 {
        lines.push(format!("{} could not be read before", count(*failed_before, "window")));
    }
    let of = wanted.job.as_ref().map(|job| (job.job_type.as_str(), "job"));
    let (name, what) = of.or(wanted.run.as_ref().map(|run| (run.graph.as_str(), "run"))).unwrap_or_default();
    lines.push(format!("{} of {name} would be asked for", count(*asked, what)));
    if let Some(first) = preview.first.first() {
        lines.push(format!("the first reads {} to {}", first.from, first.to));
    }
    if let Some(host) = &preview.host {
        lines.push(format!("{} to {host}", count(preview.requests, "request")));
    }
    lines.extend(preview.quotas.iter().map(|of| format!("{} of the quota {}", count(of.jobs, "job"), of.quota)));
    lines.extend(
        preview
            .held
            .iter()
            .take(3)
            .map(|held| format!("{} would wait on {} for {}", held.of, held.gate, length(held.ms))),
    );
    lines.extend(preview.warnings.iter().map(|warning| format!("warning: {}", warning.detail)));
    lines.push(format!("it {}", ends(preview.now, &preview.ends)));
    if preview.in_proportion {
        lines.push("not all of it was tried: the rest was taken to go on like what was".to_owned());
    }
    lines
}

/// How many there are of something.
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// When something would end, in words.
pub fn ends(now: Timestamp, Ends { p5, p50, p95 }: &Ends) -> String {
    let after = |at: Timestamp| length(u64::try_from(at.duration_since(now).as_millis()).unwrap_or(0));
    match (p5.map(after), p50.map(after), p95.map(after)) {
        (Some(early), Some(half), Some(late)) if early == late => format!("would end in about {half}"),
        (Some(early), Some(half), Some(late)) => format!("would end in {early} to {late}, half of the tries in {half}"),
        (Some(early), Some(half), None) => {
            format!("would end in {early} or later, half of the tries in {half}, and some of them never")
        }
        (Some(early), None, _) => format!("would end in {early} at the earliest, and most tries never"),
        (None, ..) => "would not end in the time that was looked at".to_owned(),
    }
}

fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn preview(over: Value) -> BackfillPreview {
        let mut wire = json!({"now": "2026-03-01T00:00:00Z", "windows": 31, "asked": 31});
        wire.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        serde_json::from_value(wire).unwrap()
    }

    #[test]
    fn what_it_would_do_is_told_in_words() {
        let range = Range { from: parse_day("2026-01-01").unwrap(), to: parse_day("2026-02-01").unwrap() };
        let wanted = BackfillIn::new("kev", range, "r", "T").jobs(BackfillJob::of("feeds.fetch"));
        let over = json!({
            "read": 30, "failed_before": 1, "asked": 1, "host": "kev.example", "requests": 1,
            "first": [{"from": "2026-01-31T00:00:00Z", "to": "2026-02-01T00:00:00Z"}],
            "warnings": [{"code": "source_paused", "detail": "the source is paused"}]
        });
        let lines = told(&wanted, &preview(over));
        assert_eq!(
            lines,
            [
                "31 windows, from 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z",
                "30 windows left out: read before",
                "1 window could not be read before",
                "1 job of feeds.fetch would be asked for",
                "the first reads 2026-01-31T00:00:00Z to 2026-02-01T00:00:00Z",
                "1 request to kev.example",
                "warning: the source is paused",
                "it would not end in the time that was looked at",
            ]
        );
    }

    #[test]
    fn an_end_is_a_range_in_words() {
        let now = parse_day("2026-03-01").unwrap();
        let at = |seconds: i64| Some(now + jiff::SignedDuration::from_secs(seconds));
        let told = |p5, p50, p95| ends(now, &Ends { p5, p50, p95 });
        assert_eq!(told(at(50), at(60), at(90)), "would end in 50s to 1m 30s, half of the tries in 1m");
        assert_eq!(told(at(50), at(50), at(50)), "would end in about 50s");
        assert!(told(at(50), at(60), None).ends_with("some of them never"));
        assert!(told(at(50), None, None).ends_with("most tries never"));
    }
}
