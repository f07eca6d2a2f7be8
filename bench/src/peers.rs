//! Other orchestrators, which do the same work on the same machine: no-op jobs with a payload of 200 bytes, a backlog
//! put in by the peer's bulk call and burned down by its workers, set for throughput by what its authors publish.
//!
//! Each peer lies in `bench/peers/<peer>` with its versions locked and does its work by itself; here it is given a
//! database or a Redis of its own, and counted from outside. What a peer calls done it has checked in its own tables.

mod options;
mod peer;
mod redis;
mod report;
mod runner;
mod store;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::machine::Machine;
use crate::peers::runner::Runner;
use crate::postgres::OwnDatabase;

pub use options::Options;
pub use peer::{Flush, Home, Peer};
pub use report::{Comparison, Figures, LeftOut, Measured, Phase, PhaseSummary, Run, Spread};

/// What is measured.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The peers, in turn.
    pub peers: Vec<Peer>,
    /// Jobs of the backlog.
    pub jobs: u64,
    /// Seconds after which work ends though jobs are left.
    pub seconds: u64,
    /// Runs of each peer; no peer's runs follow each other.
    pub repeats: usize,
}

/// What measuring needs.
#[derive(Clone, Debug)]
pub struct Services {
    /// A PostgreSQL; a database is made in it for each run, and dropped.
    pub postgres_url: String,
    /// Its first process; found by itself when the server runs on this machine.
    pub postgres_pid: Option<u32>,
    /// Redis' server program; one is started for each run that needs it.
    pub redis_server: PathBuf,
    /// The folder with the peers.
    pub folder: PathBuf,
}

/// Measures the peers. `watch` sees each run as it ends. A peer that cannot be set up is left out, with the reason.
///
/// # Errors
/// When no peer can be set up, or a run fails.
pub async fn measure(settings: &Settings, services: &Services, watch: &mut dyn FnMut(&Run)) -> Result<Comparison> {
    let machine = Machine::here();
    let runner = Runner { settings, services };
    let (mut ready, mut left_out) = (Vec::new(), Vec::new());
    for &peer in &settings.peers {
        match runner.install(peer).await {
            Ok(()) => ready.push(peer),
            Err(error) => left_out.push(LeftOut { peer, reason: format!("{error:#}") }),
        }
    }
    ensure!(!ready.is_empty(), "no peer could be set up: {}", report::reasons(&left_out));
    let mut probe = OwnDatabase::make(&services.postgres_url, services.postgres_pid, 0).await?;
    let postgres = probe.how().await?;
    probe.remove().await?;
    let mut runs = Vec::new();
    for repeat in 0..settings.repeats {
        for (place, &peer) in ready.iter().enumerate() {
            let run = runner.run(peer, 1 + repeat * ready.len() + place).await?;
            watch(&run);
            runs.push(run);
        }
    }
    let peers = ready.iter().map(|&peer| Measured::new(peer, &runs)).collect::<Result<_>>()?;
    Ok(Comparison {
        version: env!("CARGO_PKG_VERSION"),
        machine,
        postgres,
        settings: settings.clone(),
        peers,
        left_out,
    })
}

/// Measures what the caller asked for; prints a table and writes JSON.
///
/// # Errors
/// As [`measure`] says, or when the JSON cannot be written.
pub async fn run(options: Options) -> Result<()> {
    let json = options.json().map(ToOwned::to_owned);
    let (settings, services) = options.settle()?;
    println!("{} jobs each, at most {} s of work, {} runs in turn", settings.jobs, settings.seconds, settings.repeats);
    let comparison = measure(&settings, &services, &mut |run| println!("{}", run.line())).await?;
    println!("\n{}", comparison.text());
    if let Some(path) = json {
        comparison.write(&path)?;
    }
    Ok(())
}
