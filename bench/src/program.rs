//! The commands of the load driver.

use anyhow::{Context as _, Result};
use clap::Parser;
use orch_bench::{peers, process};

use crate::document::{Document, Summary};
use crate::ground::Ground;
use crate::load::Load;
use crate::place::Commits;
use crate::report::Row;
use crate::settings::{Case, Face, Options, Settings};
use crate::stand::Stand;
use crate::{
    backfill, degradation, failover, firings, flood, graphs, lists, memory, performance, simulation, soak,
    start_latency, upstream,
};

/// Measures the orchestrator under load, on SQLite and PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "orch-bench")]
pub enum Program {
    /// Loads on the engine in this process.
    Engine(Options),
    /// Loads on a server of its own over HTTP, with the Rust SDK's client and workers.
    Http(Options),
    /// From a job's arrival to its start at a waiting worker, at shares of what the site can take.
    Latency(start_latency::Options),
    /// Memory of a server that holds waiting jobs and leases.
    Memory(memory::Options),
    /// Pages of the API on a ledger of finished jobs.
    Lists(lists::Options),
    /// CPU a job under stress, compared with none.
    Degradation(degradation::Options),
    /// Quiet tenants beside a noisy one.
    Flood(flood::Options),
    /// Replicas: one is killed under load, and what three of them cost.
    Failover(failover::Options),
    /// Schedules while replicas are drained and killed.
    Firings(firings::Options),
    /// Tenants that share an upstream which counts: whether it ever has to refuse, and what happens when it fails.
    Upstream(upstream::Options),
    /// Runs of large graphs, compared with as many jobs without a run.
    Graphs(graphs::Options),
    /// Fresh work beside a backfill that takes what is idle.
    Backfill(backfill::Options),
    /// Simulated ends of work, compared with real ones.
    Simulation(simulation::Options),
    /// A steady load with a short retention: what is kept must not grow.
    Soak(soak::Options),
    /// Everything with a bar, written to a page.
    Report(performance::Options),
    /// Other orchestrators, which do the same work on the same database.
    Peers(peers::Options),
}

impl Program {
    /// The same, with the PostgreSQL and the server's program of another ground.
    pub fn on(mut self, other: &Ground) -> Self {
        let ground = match &mut self {
            Self::Engine(options) | Self::Http(options) => &mut options.ground,
            Self::Latency(options) => &mut options.ground,
            Self::Memory(options) => &mut options.ground,
            Self::Lists(options) => &mut options.ground,
            Self::Degradation(options) => &mut options.ground,
            Self::Flood(options) => &mut options.ground,
            Self::Failover(options) => &mut options.ground,
            Self::Firings(options) => &mut options.ground,
            Self::Upstream(options) => &mut options.ground,
            Self::Graphs(options) => &mut options.ground,
            Self::Backfill(options) => &mut options.ground,
            Self::Simulation(options) => &mut options.ground,
            Self::Soak(options) => &mut options.ground,
            Self::Report(options) => &mut options.ground,
            Self::Peers(_) => return self,
        };
        ground.postgres_url.clone_from(&other.postgres_url);
        ground.postgres_pid = other.postgres_pid;
        ground.orch.clone_from(&other.orch);
        self
    }

    /// Runs it; returns the figures that have bars.
    ///
    /// # Errors
    /// Whatever keeps it from measuring. A missed bar is none.
    pub async fn run(self) -> Result<Summary> {
        match self {
            Self::Engine(options) => loads(options.settle(Face::Engine)).await,
            Self::Http(options) => loads(options.settle(Face::Http)).await,
            Self::Latency(options) => start_latency::run(options).await,
            Self::Memory(options) => memory::run(options).await,
            Self::Lists(options) => lists::run(options).await,
            Self::Degradation(options) => degradation::run(options).await,
            Self::Flood(options) => flood::run(options).await,
            Self::Failover(options) => Box::pin(failover::run(options)).await,
            Self::Firings(options) => Box::pin(firings::run(options)).await,
            Self::Upstream(options) => Box::pin(upstream::run(options)).await,
            Self::Graphs(options) => graphs::run(options).await,
            Self::Backfill(options) => Box::pin(backfill::run(options)).await,
            Self::Simulation(options) => Box::pin(simulation::run(options)).await,
            Self::Soak(options) => soak::run(options).await,
            Self::Report(options) => Box::pin(performance::run(options)).await,
            Self::Peers(options) => peers::run(options).await.map(|()| Summary::default()),
        }
    }
}

async fn loads(settings: Settings) -> Result<Summary> {
    let mut document = Document::begin(settings.clone());
    for case in settings.cases() {
        let (commits, row) = measure(case, &settings)
            .await
            .with_context(|| format!("{} on {}", case.workload.name(), case.database.name()))?;
        let findings = row.findings(&settings);
        document.add(commits, row, findings);
    }
    document.end(settings.ground.json.as_deref())
}

/// One load on a ledger of its own.
pub async fn measure(case: Case, settings: &Settings) -> Result<(Commits, Row)> {
    process::reset_peak_memory()?;
    let mut stand = Stand::open(settings.face, case.database, case.tenants, &settings.ground).await?;
    let outcome = Load { site: stand.site.clone(), place: &mut stand.place, case, settings }.run().await?;
    let peak = process::peak_memory_bytes(stand.site.process())?;
    let commits = stand.commits.clone();
    stand.close().await?;
    Ok((commits, Row::new(case, settings, outcome, peak)))
}
