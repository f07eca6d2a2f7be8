//! `orch job …`; submitting is in `submit` and `batch`.

mod batch;
mod submit;

pub use submit::PRIORITIES;

use std::io::Write as _;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use orch_client::{BackfillId, Client, JobId, JobOut, JobQuery, JobState, LogLineOut, RunId, Summary, SummaryRow};

use crate::complete;
use crate::consent::Consent;
use crate::failure::Failure;
use crate::moment::{parse_duration, parse_moment};
use crate::output::{Listing, Output, View, Watch, all, some};
use crate::rehearsal::told;

/// Commands about jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a job; prints its id.
    Submit(Box<submit::Args>),
    /// Submit jobs from a file of JSON lines; prints their ids.
    SubmitBatch(batch::Args),
    /// List jobs, newest first.
    List(Box<List>),
    /// Show a job.
    Show {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
        /// Its payload too.
        #[arg(long)]
        payload: bool,
        #[command(flatten)]
        watch: Watch,
    },
    /// Wait until a job is final. Exits 2 when it did not succeed, 3 when the time was up.
    Wait {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
        #[command(flatten)]
        limit: WaitLimit,
    },
    /// Print a job's log.
    Logs {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
    },
    /// List the facts of a job's life.
    History {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
        #[command(flatten)]
        watch: Watch,
    },
    /// List a job's attempts.
    Attempts {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
        #[command(flatten)]
        watch: Watch,
    },
    /// Cancel jobs: at once, or by asking their workers to stop. Asks when there are several.
    Cancel {
        /// The jobs.
        #[arg(required_unless_present = "query", add = complete::jobs())]
        jobs: Vec<JobId>,
        /// What the query language says, as `orch job list` takes it; at most 10,000 jobs.
        #[arg(long, conflicts_with = "jobs")]
        query: Option<String>,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Give an open job another priority: it goes behind all that wait in that class.
    Reprioritize {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
        /// Its priority: urgent, high, normal, low or backfill.
        #[arg(add = complete::words(PRIORITIES))]
        priority: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Try a job again: one in back-off now, a final one as a new job.
    Retry {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
    },
    /// Do the work of a final job once more, before others: as a new job; prints its id.
    Replay {
        /// The job.
        #[arg(add = complete::jobs())]
        job: JobId,
    },
    /// Count jobs by type, source and state.
    Summary {
        #[command(flatten)]
        watch: Watch,
    },
}

/// Which jobs to list.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only what the query language says, as 'state:failed type:feeds.* label.feed:kev since:24h'; all else here must
    /// hold too.
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Only in these states; may be repeated.
    #[arg(long = "state", value_delimiter = ',', value_name = "STATE", add = complete::words(STATES))]
    states: Vec<String>,
    /// Only of this type.
    #[arg(long = "type", value_name = "TYPE", add = complete::job_types())]
    job_type: Option<String>,
    /// Only of this source.
    #[arg(long, add = complete::sources())]
    source: Option<String>,
    /// Only with this label.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label)]
    label: Option<(String, String)>,
    /// Only parts of this run.
    #[arg(long, add = complete::runs())]
    run: Option<RunId>,
    /// Only those that read windows of this backfill.
    #[arg(long, add = complete::backfills())]
    backfill: Option<BackfillId>,
    /// Only accepted at or after: RFC 3339.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    since: Option<Timestamp>,
    /// Only accepted before: RFC 3339.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    until: Option<Timestamp>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    watch: Watch,
}

/// How long to wait.
#[derive(Debug, clap::Args)]
pub struct WaitLimit {
    /// How long to wait: seconds, or a duration such as 5m.
    #[arg(long, default_value = "1h", value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: Duration,
}

/// Jobs that one query may mean when something is done to them.
const SELECTED_MAX: usize = 10_000;

/// The states that a job can be in.
const STATES: &[&str] =
    &["blocked", "scheduled", "ready", "leased", "running", "succeeded", "failed", "canceled", "skipped"];

/// How jobs are shown.
pub const VIEW: View = View {
    name: "/id",
    columns: &[
        ("ID", "/id"),
        ("JOB TYPE", "/job_type"),
        ("SOURCE", "/source"),
        ("PRIORITY", "/priority"),
        ("STATE", "/state"),
        ("WAITING ON", "/waiting_on"),
        ("ATTEMPT", "/attempt"),
        ("CREATED AT", "/created_at"),
        ("FINISHED AT", "/finished_at"),
        ("ERROR", "/error/code"),
    ],
    wide: &[
        ("RUN", "/run/run"),
        ("PROJECT", "/project"),
        ("KEY", "/concurrency_key"),
        ("DUE AT", "/due_at"),
        ("SESSION", "/session"),
        ("LABELS", "/labels"),
        ("MESSAGE", "/error/message"),
    ],
};
const HISTORY: View =
    View { name: "/seq", columns: &[("SEQ", "/seq"), ("AT", "/at"), ("KIND", "/kind"), ("DATA", "/data")], wide: &[] };
const ATTEMPTS: View = View {
    name: "/attempt",
    columns: &[
        ("ATTEMPT", "/attempt"),
        ("SESSION", "/session"),
        ("GRANTED AT", "/granted_at"),
        ("ENDED AT", "/ended_at"),
        ("OUTCOME", "/outcome"),
        ("CODE", "/error/code"),
        ("MESSAGE", "/error/message"),
    ],
    wide: &[],
};
const LOGS: View = View { name: "/message", columns: &[], wide: &[] };
const SUMMARY: View = View {
    name: "/job_type",
    columns: &[("JOB TYPE", "/job_type"), ("SOURCE", "/source"), ("STATE", "/state"), ("JOBS", "/jobs")],
    wide: &[],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let jobs = client.jobs();
    match command {
        Command::Submit(args) => submit::run(*args, client, output).await,
        Command::SubmitBatch(args) => batch::run(args, client, output).await,
        Command::List(args) => list(*args, client, output).await,
        Command::Show { job, payload, watch } => show(client, &job, payload, &watch, output).await,
        Command::Wait { job, limit } => wait(client, &job, limit.timeout, output).await,
        Command::Logs { job } => logs(&job, client, output).await,
        Command::History { job, watch } => {
            watch.list(output, &HISTORY, async || Ok(jobs.history(&job).await?.into())).await
        }
        Command::Attempts { job, watch } => {
            watch.list(output, &ATTEMPTS, async || Ok(jobs.attempts(&job).await?.into())).await
        }
        Command::Cancel { jobs, query, reason, consent } => {
            let selected = query.is_some();
            let jobs = match query {
                Some(query) => select(client, query).await?,
                None => jobs,
            };
            if jobs.len() > 1 || selected && !jobs.is_empty() {
                consent.to(&format!("cancel {} jobs", jobs.len()), client)?;
            }
            cancel(client, &jobs, reason.as_deref(), output).await
        }
        Command::Reprioritize { job, priority, reason } => {
            let found = jobs.reprioritize(&job, priority.as_str().into(), reason.as_deref()).await;
            let Some(job) = told(found, output)? else { return Ok(()) };
            output.brief(&job, &VIEW, job.priority.as_str())
        }
        Command::Retry { job } => {
            let tried = jobs.retry(&job).await?;
            output.brief(&tried, &VIEW, &tried.id.to_string())
        }
        Command::Replay { job } => {
            let made = jobs.replay(&job).await?;
            output.brief(&made, &VIEW, &made.id.to_string())
        }
        Command::Summary { watch } if output.is_for_people() => {
            watch.list(output, &SUMMARY, async || Ok(rows(jobs.summary().await?).into())).await
        }
        Command::Summary { watch } => watch.one(output, &SUMMARY, async || jobs.summary().await, |_| false).await,
    }
}

/// Shows a job; watching it ends when it is final.
async fn show(client: &Client, id: &JobId, payload: bool, watch: &Watch, output: &Output) -> Result<(), Failure> {
    let read = async || match payload {
        true => client.jobs().get_with_payload(id).await,
        false => client.jobs().get(id).await,
    };
    watch.one(output, &VIEW, read, |job| job.state.is_final()).await
}

/// The jobs that a query means.
async fn select(client: &Client, query: String) -> Result<Vec<JobId>, Failure> {
    let query = JobQuery { text: Some(query), ..JobQuery::default() };
    let page =
        async |wanted, cursor| client.jobs().list(&JobQuery { limit: Some(wanted), cursor, ..query.clone() }).await;
    let listing = some(SELECTED_MAX, page).await?;
    if listing.more {
        let what = format!("the query means more than {SELECTED_MAX} jobs");
        return Err(Failure::refused(what, "narrow it, as with since: and until:"));
    }
    Ok(listing.items.iter().map(|job| job.id).collect())
}

async fn cancel(client: &Client, ids: &[JobId], reason: Option<&str>, output: &Output) -> Result<(), Failure> {
    let several = ids.len() > 1;
    for id in ids {
        let Some(outcome) = told(client.jobs().cancel(id, reason).await, output)? else { continue };
        let word = if outcome.requested { "requested" } else { outcome.job.state.as_str() };
        let text = if several { format!("{id} {word}") } else { word.to_owned() };
        output.brief(&outcome.job, &VIEW, &text)?;
    }
    Ok(())
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
    output.brief(&job, &VIEW, &format!("{} {}", job.id, job.state))?;
    if job.state == JobState::Succeeded { Ok(()) } else { Err(Failure::Unsuccessful(Box::new(job))) }
}

async fn list(args: List, client: &Client, output: &Output) -> Result<(), Failure> {
    let query = JobQuery {
        text: args.query,
        states: args.states.iter().map(|state| state.as_str().into()).collect(),
        job_type: args.job_type,
        source: args.source,
        label: args.label,
        run: args.run,
        backfill: args.backfill,
        since: args.since,
        until: args.until,
        ..JobQuery::default()
    };
    let page =
        async |wanted, cursor| client.jobs().list(&JobQuery { limit: Some(wanted), cursor, ..query.clone() }).await;
    args.watch.list(output, &VIEW, async || some(args.limit, page).await).await
}

async fn logs(id: &JobId, client: &Client, output: &Output) -> Result<(), Failure> {
    if !output.is_for_people() {
        let page = async |cursor: Option<String>| client.jobs().logs(id, cursor.as_deref()).await;
        let lines: Listing<LogLineOut> = all(page).await?;
        return output.list(&lines, &LOGS);
    }
    let mut cursor: Option<String> = None;
    loop {
        let page = client.jobs().logs(id, cursor.as_deref()).await?;
        print_lines(&page.items)?;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
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
