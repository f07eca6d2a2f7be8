//! `orch blackout …`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use orch_client::{Blackout, BlackoutAction, Calendar, Client, QuietQuery};

use crate::complete;
use crate::failure::Failure;
use crate::moment::{ms, parse_duration, parse_moment};
use crate::output::{Output, View, Watch, all};

/// Commands about blackouts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List blackouts.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::blackouts())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show the next windows of one.
    Windows {
        /// Its name.
        #[arg(add = complete::blackouts())]
        name: String,
        /// From then on: RFC 3339, or +DURATION.
        #[arg(long, value_parser = parse_moment)]
        from: Option<Timestamp>,
        /// Windows, at most 20.
        #[arg(long)]
        count: Option<u32>,
    },
    /// Show the next time at which work is held by no blackout.
    Quiet {
        /// Work for this source; without it, work for none.
        #[arg(long, add = complete::sources())]
        source: Option<String>,
        /// Work of this job type; without it, blackouts of one type do not count.
        #[arg(long, add = complete::job_types())]
        job_type: Option<String>,
        /// For so long, such as 90m.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        duration: Option<Duration>,
        /// From then on: RFC 3339, or +DURATION.
        #[arg(long, value_parser = parse_moment)]
        from: Option<Timestamp>,
    },
    /// Make one, or change what is named here of one that exists. Without a host, source or job type it holds all work.
    Put(Box<Put>),
    /// Delete one: what it holds goes.
    Delete {
        /// Its name.
        #[arg(add = complete::blackouts())]
        name: String,
    },
}

/// Arguments of `put`.
#[derive(Debug, Args)]
pub struct Put {
    /// Its name.
    #[arg(add = complete::blackouts())]
    name: String,
    /// Hold work for sources of this host. What is given must fit all together.
    #[arg(long)]
    host: Option<String>,
    /// Hold work for this source.
    #[arg(long, add = complete::sources())]
    source: Option<String>,
    /// Hold work of this job type.
    #[arg(long, add = complete::job_types())]
    job_type: Option<String>,
    /// What becomes of attempts under way when a window begins.
    #[arg(long, value_enum)]
    action: Option<Action>,
    /// For `drain`: so long before a window nothing new is handed out.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    lead: Option<Duration>,
    #[command(flatten)]
    calendar: CalendarArgs,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
}

/// The windows; what is given replaces the whole calendar.
#[derive(Debug, Args)]
struct CalendarArgs {
    /// When windows begin: a cron expression such as `0 2 * * SUN`, of six fields with seconds.
    #[arg(long, conflicts_with = "rrule", requires = "duration")]
    cron: Option<String>,
    /// When windows begin: a recurrence rule of RFC 5545 such as `FREQ=WEEKLY;BYDAY=SA`.
    #[arg(long, requires_all = ["duration", "starts_at"])]
    rrule: Option<String>,
    /// The first beginning of a recurrence rule, on the zone's wall clock: 2026-01-03T22:00:00.
    #[arg(long, requires = "rrule")]
    starts_at: Option<String>,
    /// How long each window lasts, such as 2h.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// The zone in the IANA database; UTC when left out.
    #[arg(long, requires = "duration")]
    zone: Option<String>,
    /// Days on which none begins, such as 2026-12-24.
    #[arg(long, requires = "duration", value_delimiter = ',')]
    except: Vec<String>,
}

/// What becomes of attempts under way.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// They go on.
    Hold,
    /// Nothing new is handed out for a while before, so that they can end.
    Drain,
    /// They are asked to end, and their jobs are canceled.
    Cancel,
}

impl From<Action> for BlackoutAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Hold => Self::Hold,
            Action::Drain => Self::Drain,
            Action::Cancel => Self::Cancel,
        }
    }
}

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("ACTION", "/action"),
        ("HOST", "/host"),
        ("SOURCE", "/source"),
        ("JOB TYPE", "/job_type"),
        ("CALENDAR", "/calendar"),
    ],
    wide: &[
        ("LEAD MS", "/lead_ms"),
        ("DESCRIPTION", "/description"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

const WINDOWS: View = View {
    name: "/begins_at",
    columns: &[
        ("BEGINS AT", "/begins_at"),
        ("ENDS AT", "/ends_at"),
        ("BEGINS LOCAL", "/begins_local"),
        ("ENDS LOCAL", "/ends_local"),
    ],
    wide: &[],
};

const QUIET: View = View { name: "/at", columns: &[("AT", "/at"), ("BLACKOUTS", "/blackouts")], wide: &[] };

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let blackouts = client.blackouts();
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| blackouts.list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => watch.one(output, &VIEW, async || blackouts.get(&name).await, |_| false).await,
        Command::Windows { name, from, count } => {
            output.list(&blackouts.windows(&name, from, count).await?.into(), &WINDOWS)
        }
        Command::Quiet { source, job_type, duration, from } => {
            let query = QuietQuery { source, job_type, duration_ms: duration.map(ms), from };
            output.one(&blackouts.next_quiet(&query).await?, &QUIET)
        }
        Command::Delete { name } => Ok(blackouts.delete(&name).await?),
        Command::Put(put) => output.one(&blackouts.create(&wire(*put)).await?, &VIEW),
    }
}

fn wire(put: Put) -> Blackout {
    let CalendarArgs { cron, rrule, starts_at, duration, zone, except } = put.calendar;
    let calendar = duration.map(|duration| {
        let zone = zone.unwrap_or_else(|| "UTC".to_owned());
        Calendar { cron, rrule, starts_at, duration_ms: ms(duration), zone, except }
    });
    Blackout {
        name: put.name,
        description: put.description,
        host: put.host,
        source: put.source,
        job_type: put.job_type,
        calendar,
        action: put.action.map(BlackoutAction::from),
        lead_ms: put.lead.map(ms),
        ..Blackout::default()
    }
}
