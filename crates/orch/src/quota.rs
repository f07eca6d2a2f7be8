//! `orch quota …`.

use clap::Subcommand;
use orch_client::{Client, Quota};

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch, all};

/// Commands about quotas.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List quotas.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::quotas())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show what the work of each uses, and what it may have now.
    Summary {
        #[command(flatten)]
        watch: Watch,
    },
    /// Make one, or change what is named here of one that exists.
    Put(Put),
    /// Delete one: its work is not limited by it any more.
    Delete {
        /// Its name.
        #[arg(add = complete::quotas())]
        name: String,
    },
    /// Hold the work of one: nothing of it is handed out until it is resumed.
    Pause {
        /// Its name.
        #[arg(add = complete::quotas())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let the work of one go on.
    Resume {
        /// Its name.
        #[arg(add = complete::quotas())]
        name: String,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// What a quota is to say.
#[derive(Debug, clap::Args)]
pub struct Put {
    /// Its name.
    #[arg(add = complete::quotas())]
    name: String,
    /// It covers jobs of this type only.
    #[arg(long, add = complete::job_types())]
    job_type: Option<String>,
    /// It covers jobs of this project only.
    #[arg(long, add = complete::projects())]
    project: Option<String>,
    /// Attempts under way at the same time.
    #[arg(long)]
    active: Option<u32>,
    /// Attempts that begin in any hour.
    #[arg(long)]
    per_hour: Option<u32>,
    /// With it, attempts begin at the hourly rate, and so many may begin at once.
    #[arg(long)]
    burst: Option<u32>,
    /// Jobs that wait in their lanes; more are refused.
    #[arg(long)]
    backlog: Option<u64>,
    /// Of what the tenant may have under way, so many are kept for it while it wants them.
    #[arg(long)]
    reserved: Option<u32>,
    /// Of what is left, the higher is served before the lower.
    #[arg(long)]
    priority: Option<u8>,
    /// Its part beside others of the same priority.
    #[arg(long)]
    weight: Option<u32>,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
}

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("JOB TYPE", "/job_type"),
        ("PROJECT", "/project"),
        ("ACTIVE", "/active_max"),
        ("PER HOUR", "/per_hour_max"),
        ("BACKLOG", "/backlog_max"),
    ],
    wide: &[
        ("BURST", "/burst"),
        ("RESERVED", "/reserved"),
        ("PRIORITY", "/priority"),
        ("WEIGHT", "/weight"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

const USE: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("PAUSED", "/paused"),
        ("ACTIVE", "/active"),
        ("SHARE", "/share"),
        ("WAITING", "/waiting"),
        ("LEFT THIS HOUR", "/hour_left"),
        ("OPENS AT", "/opens_at"),
    ],
    wide: &[],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| client.quotas().list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => {
            watch.one(output, &VIEW, async || client.quotas().get(&name).await, |_| false).await
        }
        Command::Summary { watch } => {
            watch.list(output, &USE, async || Ok(client.quotas().summary().await?.into())).await
        }
        Command::Put(put) => {
            let wanted = Quota {
                name: put.name,
                description: put.description,
                job_type: put.job_type,
                project: put.project,
                active_max: put.active,
                per_hour_max: put.per_hour,
                burst: put.burst,
                backlog_max: put.backlog,
                reserved: put.reserved,
                priority: put.priority,
                weight: put.weight,
                ..Quota::default()
            };
            output.one(&client.quotas().create(&wanted).await?, &VIEW)
        }
        Command::Delete { name } => Ok(client.quotas().delete(&name).await?),
        Command::Pause { name, reason } => Ok(client.quotas().pause(&name, reason.as_deref()).await?),
        Command::Resume { name, reason } => Ok(client.quotas().resume(&name, reason.as_deref()).await?),
    }
}
