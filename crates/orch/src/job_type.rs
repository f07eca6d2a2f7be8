//! `orch job-type …`.

use anyhow::Context as _;
use clap::Subcommand;
use orch_client::{Client, JobType};

use crate::complete;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, View, Watch, all};

/// Commands about job types.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List job types.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::job_types())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Say how many workers' slots job types could use, and what keeps it from being more.
    Workers {
        /// One; all when left out.
        #[arg(add = complete::job_types())]
        name: Option<String>,
        /// Within which time the waiting work is to end, in seconds.
        #[arg(long, default_value = "300", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        target_seconds: u64,
        #[command(flatten)]
        watch: Watch,
    },
    /// List what comes with the orchestrator; none of it is declared by itself.
    Catalogue {
        #[command(flatten)]
        watch: Watch,
    },
    /// Declare job types of the catalogue; what is there already stays as it is.
    Declare {
        /// Names, or beginnings of names with a `*` behind them.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Make one, or change what is named here of one that exists.
    Put(Box<Put>),
}

/// What to put.
#[derive(Debug, clap::Args)]
pub struct Put {
    /// Its name.
    #[arg(add = complete::job_types())]
    name: String,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
    /// How long a lease lasts without a heartbeat.
    #[arg(long)]
    lease_ms: Option<u64>,
    /// How long an attempt may run.
    #[arg(long)]
    execution_ms_max: Option<u64>,
    /// Tries before the job is a dead letter.
    #[arg(long)]
    tries_max: Option<u32>,
    /// Lost leases before the job is a dead letter.
    #[arg(long)]
    lost_max: Option<u32>,
    /// First back-off.
    #[arg(long)]
    backoff_ms: Option<u64>,
    /// Longest back-off.
    #[arg(long)]
    backoff_ms_max: Option<u64>,
    /// From a cancel request to the fence rising.
    #[arg(long)]
    cancel_grace_ms: Option<u64>,
    /// Where payloads hold the concurrency key of jobs that name none: a JSON pointer such as /repository/id.
    #[arg(long, value_name = "POINTER")]
    concurrency_key_pointer: Option<String>,
    /// Attempts of this type at the same time.
    #[arg(long)]
    concurrency_max: Option<u32>,
    /// Attempts of one concurrency key at the same time.
    #[arg(long)]
    concurrency_per_key_max: Option<u32>,
    /// What becomes of a key's jobs when more are open: queue, drop_newest or cancel_running.
    #[arg(long, value_name = "STRATEGY", add = complete::words(&["queue", "drop_newest", "cancel_running"]))]
    concurrency_per_key_strategy: Option<String>,
    /// Requests that an attempt makes: what it spends of each bucket of its source's host.
    #[arg(long)]
    cost: Option<u32>,
    /// What payloads must look like, as JSON Schema 2020-12: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    payload_schema: Option<String>,
}

const DECLARED: View =
    View { name: "/name", columns: &[("NAME", "/name"), ("VERSION", "/version"), ("CREATED", "/created")], wide: &[] };

const WORKERS: View = View {
    name: "/job_type",
    columns: &[
        ("JOB TYPE", "/job_type"),
        ("DESIRED", "/desired_workers"),
        ("WAITING", "/waiting"),
        ("UNDER WAY", "/under_way"),
        ("MEAN MS", "/mean_ms"),
        ("LIMITED BY", "/limited_by/0/by"),
    ],
    wide: &[("RUN TIMES", "/run_times"), ("PER MINUTE", "/per_minute"), ("TARGET SECONDS", "/target_seconds")],
};

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("LEASE MS", "/lease_ms"),
        ("TRIES", "/tries_max"),
        ("BACKOFF MS", "/backoff_ms"),
        ("CONCURRENCY", "/concurrency_max"),
        ("PER KEY", "/concurrency_per_key_max"),
        ("DESCRIPTION", "/description"),
    ],
    wide: &[
        ("EXECUTION MS MAX", "/execution_ms_max"),
        ("LOST MAX", "/lost_max"),
        ("COST", "/cost"),
        ("KEY POINTER", "/concurrency_key_pointer"),
        ("KEY STRATEGY", "/concurrency_per_key_strategy"),
        ("BACKOFF MS MAX", "/backoff_ms_max"),
        ("CANCEL GRACE MS", "/cancel_grace_ms"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| client.job_types().list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => {
            watch.one(output, &VIEW, async || client.job_types().get(&name).await, |_| false).await
        }
        Command::Workers { name: Some(name), target_seconds, watch } => {
            let read = async || client.job_types().desired_workers(&name, Some(target_seconds)).await;
            watch.one(output, &WORKERS, read, |_| false).await
        }
        Command::Workers { name: None, target_seconds, watch } => {
            let read = async || Ok(client.job_types().all_desired_workers(Some(target_seconds)).await?.into());
            watch.list(output, &WORKERS, read).await
        }
        Command::Catalogue { watch } => {
            watch.list(output, &VIEW, async || Ok(client.job_types().catalogue().await?.into())).await
        }
        Command::Declare { names } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            output.list(&client.job_types().declare_from_catalogue(&names).await?.into(), &DECLARED)
        }
        Command::Put(put) => output.one(&client.job_types().create(&wire(*put)?).await?, &VIEW),
    }
}

fn wire(put: Put) -> Result<JobType, Failure> {
    let schema = put.payload_schema.map(|argument| input::text(&argument, "the schema")).transpose()?;
    let schema = schema.map(|text| serde_json::from_str(&text)).transpose().context("the schema is not JSON")?;
    Ok(JobType {
        payload_schema: schema,
        description: put.description,
        lease_ms: put.lease_ms,
        execution_ms_max: put.execution_ms_max,
        tries_max: put.tries_max,
        lost_max: put.lost_max,
        backoff_ms: put.backoff_ms,
        backoff_ms_max: put.backoff_ms_max,
        cancel_grace_ms: put.cancel_grace_ms,
        concurrency_key_pointer: put.concurrency_key_pointer,
        concurrency_max: put.concurrency_max,
        concurrency_per_key_max: put.concurrency_per_key_max,
        concurrency_per_key_strategy: put.concurrency_per_key_strategy,
        cost: put.cost,
        ..JobType::new(&put.name)
    })
}
