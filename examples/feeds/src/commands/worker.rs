//! `orch-feeds worker`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use orch_client::{Worker, WorkerSummary};
use orch_feeds::{jobs, location::Reader};

use super::{Connection, signal};

/// How to work.
#[derive(Debug, Args)]
pub(super) struct WorkerArguments {
    #[command(flatten)]
    connection: Connection,
    /// Jobs at a time.
    #[arg(long, default_value_t = 8)]
    capacity: usize,
    /// The worker's name; `feeds-` and its process id where absent.
    #[arg(long)]
    worker_id: Option<String>,
}

pub(super) async fn run(arguments: WorkerArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let reader = Reader::new().context("could not make an HTTP client")?;
    let name = arguments.worker_id.unwrap_or_else(|| format!("feeds-{}", std::process::id()));
    let builder = Worker::builder(client).worker_id(name).capacity(arguments.capacity);
    let worker = jobs::handlers(builder, &reader).build();
    let WorkerSummary { completed, stale, released } = worker.run(signal::stop()).await.context("the worker ended")?;
    eprintln!("{completed} completed, {stale} stale, {released} released");
    Ok(ExitCode::SUCCESS)
}
