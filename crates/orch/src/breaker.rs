//! `orch breaker …`.

use clap::Subcommand;
use orch_client::{Breaker, Client};

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch, all};

/// Commands about breakers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List breakers.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::breakers())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show what one does now, and what it counts.
    State {
        /// Its name.
        #[arg(add = complete::breakers())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Open one: nothing that it governs is handed out until it is reset.
    Trip {
        /// Its name.
        #[arg(add = complete::breakers())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Close one, with nothing counted.
    Reset {
        /// Its name.
        #[arg(add = complete::breakers())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Make one, or change what is named here of one that exists.
    Put(Box<Put>),
    /// Delete one: what it holds goes.
    Delete {
        /// Its name.
        #[arg(add = complete::breakers())]
        name: String,
    },
}

/// What a breaker is to be.
#[derive(Debug, clap::Args)]
pub struct Put {
    /// Its name.
    #[arg(add = complete::breakers())]
    name: String,
    /// The job type that it governs; this or a host.
    #[arg(long, conflicts_with = "host", add = complete::job_types())]
    job_type: Option<String>,
    /// The host that it governs: the jobs of all sources that name it.
    #[arg(long)]
    host: Option<String>,
    /// It opens when so many parts of a hundred of the outcomes in the window are failures …
    #[arg(long)]
    failures_percent: Option<u32>,
    /// … and there are at least so many outcomes.
    #[arg(long)]
    outcomes_min: Option<u32>,
    /// The length of the window in milliseconds.
    #[arg(long)]
    window_ms: Option<u64>,
    /// Milliseconds that it stays open the first time; twice as long after each attempt to open that fails …
    #[arg(long)]
    open_ms: Option<u64>,
    /// … but never longer than this.
    #[arg(long)]
    open_ms_max: Option<u64>,
    /// The ramp is over when so many attempts may be under way.
    #[arg(long)]
    ramp_max: Option<u32>,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
}

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("JOB TYPE", "/job_type"),
        ("HOST", "/host"),
        ("FAILURES %", "/failures_percent"),
        ("DESCRIPTION", "/description"),
    ],
    wide: &[
        ("OUTCOMES MIN", "/outcomes_min"),
        ("WINDOW MS", "/window_ms"),
        ("OPEN MS", "/open_ms"),
        ("OPEN MS MAX", "/open_ms_max"),
        ("RAMP MAX", "/ramp_max"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

const STATE: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("STATE", "/state"),
        ("SINCE", "/since"),
        ("UNTIL", "/until"),
        ("GOOD", "/good"),
        ("BAD", "/bad"),
        ("UNDER WAY", "/under_way"),
    ],
    wide: &[
        ("UNDER WAY MAX", "/under_way_max"),
        ("SPELL", "/spell"),
        ("TRIPPED BY", "/tripped_by"),
        ("REASON", "/reason"),
    ],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let breakers = client.breakers();
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| breakers.list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => watch.one(output, &VIEW, async || breakers.get(&name).await, |_| false).await,
        Command::State { name, watch } => {
            watch.one(output, &STATE, async || breakers.state(&name).await, |_| false).await
        }
        Command::Trip { name, reason } => {
            breakers.trip(&name, reason.as_deref()).await?;
            output.one(&breakers.state(&name).await?, &STATE)
        }
        Command::Reset { name, reason } => {
            breakers.reset(&name, reason.as_deref()).await?;
            output.one(&breakers.state(&name).await?, &STATE)
        }
        Command::Delete { name } => Ok(breakers.delete(&name).await?),
        Command::Put(put) => {
            let wanted = Breaker {
                name: put.name,
                description: put.description,
                job_type: put.job_type,
                host: put.host,
                failures_percent: put.failures_percent,
                outcomes_min: put.outcomes_min,
                window_ms: put.window_ms,
                open_ms: put.open_ms,
                open_ms_max: put.open_ms_max,
                ramp_max: put.ramp_max,
                ..Breaker::default()
            };
            output.one(&breakers.create(&wanted).await?, &VIEW)
        }
    }
}
