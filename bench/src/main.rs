//! The load driver: `orch-bench engine …` in this process, `orch-bench http …` against a server of its own,
//! `orch-bench peers …` for other orchestrators on the same machine.
//!
//! `cargo xtask bench` builds it and gives it a PostgreSQL. The ledger's shapes have a program of their own,
//! `ledger_shapes`.

mod bar;
mod job;
mod latency;
mod load;
mod meter;
mod place;
mod progress;
mod report;
mod settings;
mod site;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use orch_bench::machine::Machine;
use orch_bench::{peers, process};

use crate::load::Load;
use crate::place::{Commits, Place};
use crate::report::{HEAD, Report, Row, notes};
use crate::settings::{Case, Face, Options, Settings};
use crate::site::Site;
use crate::site::engine::EngineSite;
use crate::site::http::HttpSite;

/// Measures the orchestrator under load, on SQLite and PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "orch-bench")]
enum Program {
    /// The engine in this process.
    Engine(Options),
    /// A server of its own over HTTP, with the Rust SDK's client and workers.
    Http(Options),
    /// Other orchestrators, which do the same work on the same database.
    Peers(peers::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Program::parse() {
        Program::Engine(options) => run(options.settle(Face::Engine)).await,
        Program::Http(options) => run(options.settle(Face::Http)).await,
        Program::Peers(options) => peers::run(options).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<()> {
    let machine = Machine::here();
    println!(
        "{}, {} processors, {} MiB, load before {:.2}; keys {}, payload {} bytes, {} producers, {} workers\n\n{HEAD}",
        machine.processor,
        machine.processors,
        machine.memory_mib,
        machine.load_before,
        if settings.keys { "on" } else { "off" },
        settings.payload_bytes,
        settings.producers,
        settings.workers,
    );
    let mut commits: Vec<Commits> = Vec::new();
    let mut rows = Vec::new();
    for (number, case) in settings.cases().into_iter().enumerate() {
        let (how, row) = measure(case, &settings, number)
            .await
            .with_context(|| format!("{} on {}", case.workload.name(), case.database.name()))?;
        println!("{}", row.line());
        rows.push(row);
        if !commits.contains(&how) {
            commits.push(how);
        }
    }
    println!("\n{}", notes(&rows));
    let json = settings.json.clone();
    let version = env!("CARGO_PKG_VERSION");
    let report = Report { version, machine, settings, commits, rows };
    if let Some(path) = json {
        std::fs::write(&path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

/// One measurement on a ledger of its own.
async fn measure(case: Case, settings: &Settings, number: usize) -> Result<(Commits, Row)> {
    process::reset_peak_memory()?;
    let mut place = Place::make(case.database, settings, number).await?;
    let how = place.commits().await?;
    let site: Arc<dyn Site> = match settings.face {
        Face::Engine => Arc::new(EngineSite::open(&place, case.tenants).await?),
        Face::Http => Arc::new(HttpSite::open(&place, settings).await?),
    };
    let mut load = Load { site: Arc::clone(&site), place: &mut place, case, settings };
    let outcome = load.run().await?;
    let peak = process::peak_memory_bytes(site.process())?;
    site.close().await?;
    drop(site);
    place.remove().await?;
    Ok((how, Row::new(case, settings, outcome, peak)))
}
