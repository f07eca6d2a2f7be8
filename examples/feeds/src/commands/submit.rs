//! `orch-feeds submit`: declares what a run needs, starts it, and reports on it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use orch_client::{JobId, JobIn};
use orch_feeds::{
    feed::Feed,
    jobs::{self, DISCOVER, DiscoverPayload, LeaseTerms, RUN_LABEL},
    location::Location,
};

use super::Connection;

mod report;
mod watch;

use report::Report;
use watch::Watch;

/// What to run and how to report on it.
#[derive(Debug, Args)]
pub(super) struct SubmitArguments {
    #[command(flatten)]
    connection: Connection,
    /// A folder that the workers can see, or the address of an upstream.
    #[arg(long)]
    location: Location,
    /// Waits for the end of the run and reports on it.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, default_value_t = 3_600)]
    timeout_seconds: u64,
    /// Writes the report there as JSON.
    #[arg(long, requires = "wait")]
    json: Option<PathBuf>,
    /// The lease length of the run's job types.
    #[arg(long)]
    lease_seconds: Option<u64>,
    /// Lost leases before a job is a dead letter.
    #[arg(long)]
    lost_cap: Option<u32>,
}

pub(super) async fn run(arguments: SubmitArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let terms =
        LeaseTerms { lease_ms: arguments.lease_seconds.map(|seconds| seconds * 1_000), lost_max: arguments.lost_cap };
    jobs::declare(&client, terms).await.context("could not declare the job types and sources")?;
    let location = absolute(arguments.location)?;
    let run = JobId::new();
    let payload = DiscoverPayload { location: location.clone(), feeds: Feed::ALL.to_vec() };
    let job =
        JobIn::new(DISCOVER, &payload)?.id(run).label(RUN_LABEL, run.to_string()).correlation_id(&run.to_string());
    let watch = Watch::begin(client, run, Duration::from_secs(arguments.timeout_seconds));
    watch.client().jobs().create(&job, Some(&run.to_string())).await.context("could not start the run")?;
    if !arguments.wait {
        println!("{run}");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("run {run} of {location}");
    let ended = watch.end().await.context("could not wait for the run")?;
    let report = Report::new(&location, ended);
    print!("{report}");
    if let Some(file) = arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(&file, text + "\n").with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A folder as the workers must see it, whatever theirs is.
fn absolute(location: Location) -> anyhow::Result<Location> {
    let Location::Folder(dir) = location else { return Ok(location) };
    let absolute = dir.canonicalize().with_context(|| format!("could not find {}", dir.display()))?;
    Ok(Location::Folder(absolute))
}
