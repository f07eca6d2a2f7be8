//! `orch-analysis worker`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use orch_analysis::jobs;
use orch_client::{Worker, WorkerSummary};

use super::{Connection, signal};

/// How to work.
#[derive(Debug, Args)]
pub(super) struct WorkerArguments {
    #[command(flatten)]
    connection: Connection,
    /// Jobs at a time.
    #[arg(long, default_value_t = 8)]
    capacity: usize,
    /// The worker's name; `analysis-` and its process id where absent.
    #[arg(long)]
    worker_id: Option<String>,
}

pub(super) async fn run(arguments: WorkerArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let name = arguments.worker_id.unwrap_or_else(|| format!("analysis-{}", std::process::id()));
    let worker = jobs::handlers(Worker::builder(client).worker_id(name).capacity(arguments.capacity)).build();
    let WorkerSummary { completed, stale, released } = worker.run(signal::stop()).await.context("the worker ended")?;
    eprintln!("{completed} completed, {stale} stale, {released} released");
    Ok(ExitCode::SUCCESS)
}
