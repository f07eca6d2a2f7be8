//! `orch schedule …`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use orch_client::{Client, Daylight, Misfire, Overlap, Priority, Schedule, ScheduledJob, ScheduledRun, Timetable};
use serde_json::Value;

use crate::complete;
use crate::failure::Failure;
use crate::job::PRIORITIES;
use crate::moment::{ms, parse_duration, parse_moment};
use crate::output::{Output, View, Watch, all};
use crate::run::parse_input;

/// Commands about schedules.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List schedules.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show what one says.
    Show {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one as it stands: when it is due next, what is open, what it has missed.
    Status {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show the next nominal instants of one, in UTC and on its zone's clock.
    Next {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
        /// After that: RFC 3339, or +DURATION.
        #[arg(long, value_parser = parse_moment)]
        from: Option<Timestamp>,
        /// Instants, at most 20.
        #[arg(long)]
        count: Option<u32>,
    },
    /// List what became of its nominal instants, newest first: the job or the run of each, or why it has none.
    Firings {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Make one, or change what is named here of one that exists.
    Put(Box<Put>),
    /// Pause one: its nominal instants pass, and are noted.
    Pause {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let one go on with its next nominal instant.
    Resume {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Delete one. Jobs and runs that it asked for go on.
    Delete {
        /// Its name.
        #[arg(add = complete::schedules())]
        name: String,
    },
}

/// Arguments of `put`.
#[derive(Debug, Args)]
pub struct Put {
    /// Its name.
    #[arg(add = complete::schedules())]
    name: String,
    #[command(flatten)]
    timetable: TimetableArgs,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    run: RunArgs,
    /// The project of the job, or of the jobs of the run.
    #[arg(long, requires = "asked", add = complete::projects())]
    project: Option<String>,
    /// What becomes of a nominal instant while a job or run of the schedule is open.
    #[arg(long, value_enum)]
    overlap: Option<OverlapArg>,
    /// What becomes of nominal instants that could not be kept.
    #[arg(long, value_enum)]
    misfire: Option<MisfireArg>,
    /// What is later than this is left out in any case, such as 6h.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    catch_up: Option<Duration>,
    /// A firing comes up to so long after its nominal instant, such as 30s.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    jitter: Option<Duration>,
    /// So many jobs or runs in a row that fail pause it.
    #[arg(long, value_name = "N")]
    failures_max: Option<u32>,
    /// No nominal instant before: RFC 3339, or +DURATION.
    #[arg(long, value_parser = parse_moment)]
    starts_at: Option<Timestamp>,
    /// No nominal instant from then on: RFC 3339, or +DURATION.
    #[arg(long, value_parser = parse_moment)]
    ends_at: Option<Timestamp>,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
}

/// The nominal instants; what is given replaces the whole timetable.
#[derive(Debug, Args)]
struct TimetableArgs {
    /// A cron expression such as `30 6 * * *`, of six fields with seconds.
    #[arg(long, conflicts_with_all = ["rrule", "every"])]
    cron: Option<String>,
    /// A recurrence rule of RFC 5545 such as `FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1`.
    #[arg(long, requires = "from", conflicts_with = "every")]
    rrule: Option<String>,
    /// So long between two, such as 6h.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    every: Option<Duration>,
    /// The first time of a recurrence rule, or one from which an interval is counted, on the zone's clock:
    /// 2026-01-03T22:00:00.
    #[arg(long)]
    from: Option<String>,
    /// The zone in the IANA database; UTC when left out.
    #[arg(long)]
    zone: Option<String>,
    /// What becomes of times that the zone's clock skips or shows twice.
    #[arg(long, value_enum)]
    daylight: Option<DaylightArg>,
    /// Days on which there is none, such as 2026-12-24.
    #[arg(long, value_delimiter = ',')]
    except: Vec<String>,
}

/// The job that it asks for; what is given replaces the whole job.
#[derive(Debug, Args)]
struct JobArgs {
    /// Its type.
    #[arg(long, group = "asked", conflicts_with = "graph", add = complete::job_types())]
    job_type: Option<String>,
    /// Its payload as JSON; `{}` when left out.
    #[arg(long, requires = "job_type", value_name = "JSON", value_parser = parse_json)]
    payload: Option<Value>,
    /// Its source.
    #[arg(long, requires = "job_type", add = complete::sources())]
    source: Option<String>,
    /// What it is before others: urgent, high, normal, low or backfill.
    #[arg(long, requires = "job_type", add = complete::words(PRIORITIES))]
    priority: Option<String>,
    /// Its concurrency key.
    #[arg(long, requires = "job_type")]
    concurrency_key: Option<String>,
    /// It is final so long after it was asked for.
    #[arg(long, requires = "job_type", value_name = "DURATION", value_parser = parse_duration)]
    deadline: Option<Duration>,
}

/// The run that it asks for; what is given replaces the whole run.
#[derive(Debug, Args)]
struct RunArgs {
    /// Its graph; the version that is declared when it begins.
    #[arg(long, group = "asked", add = complete::graphs())]
    graph: Option<String>,
    /// An input; may be repeated. A value that is no JSON is a text.
    #[arg(long = "input", requires = "graph", value_name = "NAME=JSON", value_parser = parse_input)]
    inputs: Vec<(String, Value)>,
}

/// What becomes of times that a zone's clock skips or shows twice.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DaylightArg {
    /// Skipped ones are left out; of those shown twice the first counts.
    Skip,
    /// Skipped ones come after the change; of those shown twice the first counts.
    Once,
    /// Skipped ones come after the change; those shown twice count twice.
    Both,
}

/// What becomes of a nominal instant while a job or run is open.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OverlapArg {
    /// It is left out.
    Skip,
    /// One waits; more are left out.
    BufferOne,
    /// Each waits its turn.
    BufferAll,
    /// What is open is asked to end, and it comes then.
    CancelRunning,
    /// It comes all the same.
    Allow,
}

/// What becomes of nominal instants that could not be kept.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum MisfireArg {
    /// Each comes late.
    FireAll,
    /// The last of them comes late.
    FireLast,
    /// They are left out.
    Skip,
}

impl From<DaylightArg> for Daylight {
    fn from(arg: DaylightArg) -> Self {
        match arg {
            DaylightArg::Skip => Self::Skip,
            DaylightArg::Once => Self::Once,
            DaylightArg::Both => Self::Both,
        }
    }
}

impl From<OverlapArg> for Overlap {
    fn from(arg: OverlapArg) -> Self {
        match arg {
            OverlapArg::Skip => Self::Skip,
            OverlapArg::BufferOne => Self::BufferOne,
            OverlapArg::BufferAll => Self::BufferAll,
            OverlapArg::CancelRunning => Self::CancelRunning,
            OverlapArg::Allow => Self::Allow,
        }
    }
}

impl From<MisfireArg> for Misfire {
    fn from(arg: MisfireArg) -> Self {
        match arg {
            MisfireArg::FireAll => Self::FireAll,
            MisfireArg::FireLast => Self::FireLast,
            MisfireArg::Skip => Self::Skip,
        }
    }
}

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("TIMETABLE", "/timetable"),
        ("JOB TYPE", "/job/job_type"),
        ("GRAPH", "/run/graph"),
        ("SOURCE", "/job/source"),
        ("OVERLAP", "/overlap"),
        ("MISFIRE", "/misfire"),
    ],
    wide: &[
        ("CATCH UP MS", "/catch_up_ms"),
        ("JITTER MS", "/jitter_ms"),
        ("FAILURES MAX", "/failures_max"),
        ("DESCRIPTION", "/description"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

const STATUS: View = View {
    name: "/next_at",
    columns: &[
        ("NEXT AT", "/next_at"),
        ("LAST", "/last_nominal_at"),
        ("LAST JOB", "/last_job"),
        ("LAST RUN", "/last_run"),
        ("OPEN", "/open_count"),
        ("WAITING", "/waiting"),
        ("FIRED", "/fired"),
        ("SKIPPED", "/skipped"),
        ("MISSED", "/missed"),
        ("PAUSED", "/paused/reason"),
    ],
    wide: &[
        ("DECIDED UNTIL", "/decided_until"),
        ("OPEN JOBS", "/open"),
        ("OPEN RUNS", "/open_runs"),
        ("FAILURES", "/failures"),
        ("PAUSED BY", "/paused/by"),
    ],
};

const INSTANTS: View = View { name: "/at", columns: &[("AT", "/at"), ("LOCAL", "/local")], wide: &[] };

const FIRINGS: View = View {
    name: "/nominal_at",
    columns: &[
        ("NOMINAL AT", "/nominal_at"),
        ("COUNT", "/count"),
        ("JOB", "/job"),
        ("RUN", "/run"),
        ("CAUSE", "/cause"),
    ],
    wide: &[("LAST AT", "/last_at"), ("DECIDED AT", "/at")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let schedules = client.schedules();
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| schedules.list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => watch.one(output, &VIEW, async || schedules.get(&name).await, |_| false).await,
        Command::Status { name, watch } => {
            watch.one(output, &STATUS, async || schedules.status(&name).await, |_| false).await
        }
        Command::Next { name, from, count } => {
            output.list(&schedules.next(&name, from, count).await?.into(), &INSTANTS)
        }
        Command::Firings { name, watch } => {
            let page = async |cursor: Option<String>| schedules.firings(&name, cursor.as_deref()).await;
            watch.list(output, &FIRINGS, async || all(page).await).await
        }
        Command::Pause { name, reason } => Ok(schedules.pause(&name, reason.as_deref()).await?),
        Command::Resume { name, reason } => Ok(schedules.resume(&name, reason.as_deref()).await?),
        Command::Delete { name } => Ok(schedules.delete(&name).await?),
        Command::Put(put) => output.one(&schedules.create(&wire(*put)).await?, &VIEW),
    }
}

fn wire(put: Put) -> Schedule {
    let TimetableArgs { cron, rrule, every, from, zone, daylight, except } = put.timetable;
    let given = cron.is_some() || rrule.is_some() || every.is_some();
    let timetable = given.then(|| Timetable {
        cron,
        rrule,
        every_ms: every.map(ms),
        from,
        zone,
        daylight: daylight.map(Daylight::from),
        except,
    });
    let RunArgs { graph, inputs } = put.run;
    let run = graph.map(|graph| ScheduledRun {
        graph,
        inputs: inputs.into_iter().collect(),
        project: put.project.clone(),
        ..ScheduledRun::default()
    });
    let JobArgs { job_type, payload, source, priority, concurrency_key, deadline } = put.job;
    let job = job_type.map(|job_type| ScheduledJob {
        job_type,
        payload,
        project: put.project,
        source,
        priority: priority.as_deref().map(Priority::from),
        concurrency_key,
        deadline_ms: deadline.map(ms),
        ..ScheduledJob::default()
    });
    Schedule {
        name: put.name,
        description: put.description,
        timetable,
        job,
        run,
        overlap: put.overlap.map(Overlap::from),
        misfire: put.misfire.map(Misfire::from),
        catch_up_ms: put.catch_up.map(ms),
        jitter_ms: put.jitter.map(ms),
        failures_max: put.failures_max,
        starts_at: put.starts_at,
        ends_at: put.ends_at,
        ..Schedule::default()
    }
}

fn parse_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}
