//! `orch job …`; submitting is in `submit`.

mod submit;

use std::io::Write as _;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use orch_client::{Client, JobId, JobOut, JobQuery, JobState, LogLineOut, Summary, SummaryRow};

use crate::failure::Failure;
use crate::moment::{parse_duration, parse_moment};
use crate::output::{Column, Output};

/// Items of a page that are asked for.
const PAGE: usize = 200;

/// Commands about jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a job; prints its id.
    Submit(Box<submit::Args>),
    /// List jobs, newest first.
    List(Box<List>),
    /// Show a job.
    Show {
        /// The job.
        job: JobId,
        /// Its payload too.
        #[arg(long)]
        payload: bool,
    },
    /// Wait until a job is final. Exits 2 when it did not succeed, 3 when the time was up.
    Wait {
        /// The job.
        job: JobId,
        #[command(flatten)]
        limit: WaitLimit,
    },
    /// Print a job's log.
    Logs {
        /// The job.
        job: JobId,
    },
    /// List the facts of a job's life.
    History {
        /// The job.
        job: JobId,
    },
    /// List a job's attempts.
    Attempts {
        /// The job.
        job: JobId,
    },
    /// Cancel a job: at once, or by asking its worker to stop.
    Cancel {
        /// The job.
        job: JobId,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Try a job again: one in back-off now, a final one as a new job.
    Retry {
        /// The job.
        job: JobId,
    },
    /// Count jobs by type, source and state.
    Summary,
}

/// Which jobs to list.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only in these states; may be repeated.
    #[arg(long = "state", value_delimiter = ',', value_name = "STATE")]
    states: Vec<String>,
    /// Only of this type.
    #[arg(long = "type", value_name = "TYPE")]
    job_type: Option<String>,
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only with this label.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label)]
    label: Option<(String, String)>,
    /// Only accepted at or after: RFC 3339.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    since: Option<Timestamp>,
    /// Only accepted before: RFC 3339.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    until: Option<Timestamp>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// How long to wait.
#[derive(Debug, clap::Args)]
pub struct WaitLimit {
    /// How long to wait: seconds, or a duration such as 5m.
    #[arg(long, default_value = "1h", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: Duration,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("JOB TYPE", "/job_type"),
    ("SOURCE", "/source"),
    ("PRIORITY", "/priority"),
    ("STATE", "/state"),
    ("ATTEMPT", "/attempt"),
    ("CREATED AT", "/created_at"),
    ("FINISHED AT", "/finished_at"),
    ("ERROR", "/error/code"),
];
const HISTORY_COLUMNS: &[Column] = &[("SEQ", "/seq"), ("AT", "/at"), ("KIND", "/kind"), ("DATA", "/data")];
const ATTEMPT_COLUMNS: &[Column] = &[
    ("ATTEMPT", "/attempt"),
    ("SESSION", "/session"),
    ("GRANTED AT", "/granted_at"),
    ("ENDED AT", "/ended_at"),
    ("OUTCOME", "/outcome"),
    ("CODE", "/error/code"),
    ("MESSAGE", "/error/message"),
];
const SUMMARY_COLUMNS: &[Column] =
    &[("JOB TYPE", "/job_type"), ("SOURCE", "/source"), ("STATE", "/state"), ("JOBS", "/jobs")];

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let jobs = client.jobs();
    match command {
        Command::Submit(args) => submit::run(*args, client, output).await,
        Command::List(args) => list(*args, client, output).await,
        Command::Show { job, payload: false } => output.one(&jobs.get(&job).await?),
        Command::Show { job, payload: true } => output.one(&jobs.get_with_payload(&job).await?),
        Command::Wait { job, limit } => wait(client, &job, limit.timeout, output).await,
        Command::Logs { job } => logs(&job, client, output).await,
        Command::History { job } => output.list(&jobs.history(&job).await?, HISTORY_COLUMNS),
        Command::Attempts { job } => output.list(&jobs.attempts(&job).await?, ATTEMPT_COLUMNS),
        Command::Cancel { job, reason } => {
            let outcome = jobs.cancel(&job, reason.as_deref()).await?;
            let text = if outcome.requested { "requested" } else { outcome.job.state.as_str() };
            output.brief(&outcome.job, text)
        }
        Command::Retry { job } => {
            let tried = jobs.retry(&job).await?;
            output.brief(&tried, &tried.id.to_string())
        }
        Command::Summary => {
            let summary = jobs.summary().await?;
            if output.is_json() { output.one(&summary) } else { output.list(&rows(summary), SUMMARY_COLUMNS) }
        }
    }
}

/// All counts as rows: what waits in no lane is counted over all types.
fn rows(summary: Summary) -> Vec<SummaryRow> {
    let laneless = ["blocked", "scheduled"].into_iter().filter_map(|state| {
        let jobs = *summary.open.get(state).filter(|jobs| **jobs > 0)?;
        Some(SummaryRow { job_type: "(any)".to_owned(), source: None, state: state.into(), jobs })
    });
    let laneless: Vec<_> = laneless.collect();
    summary.by_type.into_iter().chain(laneless).collect()
}

/// Waits for a job, prints it, and fails when it did not succeed.
async fn wait(client: &Client, id: &JobId, timeout: Duration, output: &Output) -> Result<(), Failure> {
    let job: JobOut = client.jobs().wait(id, timeout).await?;
    output.brief(&job, &format!("{} {}", job.id, job.state))?;
    if job.state == JobState::Succeeded { Ok(()) } else { Err(Failure::Unsuccessful(Box::new(job))) }
}

async fn list(args: List, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut query = JobQuery {
        states: args.states.iter().map(|state| state.as_str().into()).collect(),
        job_type: args.job_type,
        source: args.source,
        label: args.label,
        since: args.since,
        until: args.until,
        ..JobQuery::default()
    };
    let mut items = Vec::new();
    loop {
        query.limit = u32::try_from((args.limit - items.len()).min(PAGE)).ok();
        let page = client.jobs().list(&query).await?;
        items.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || items.len() >= args.limit {
            output.note_more(query.cursor.is_some());
            return output.list(&items, COLUMNS);
        }
    }
}

async fn logs(id: &JobId, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = client.jobs().logs(id, cursor.as_deref()).await?;
        if output.is_json() {
            all.extend(page.items);
        } else {
            print_lines(&page.items)?;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return if output.is_json() { output.list(&all, &[]) } else { Ok(()) };
        }
    }
}

fn print_lines(lines: &[LogLineOut]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        let at = line.at.map(|at| format!("{at:.3}")).unwrap_or_default();
        writeln!(out, "{at} {:<5} [{}] {}", line.level, line.attempt, line.message)?;
    }
    Ok(())
}

/// A label as it is typed.
pub fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is KEY=VALUE".to_owned()),
    }
}
