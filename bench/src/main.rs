//! The load driver: `orch-bench engine …` in this process, `orch-bench http …` against a server of its own, and
//! measurements of single promises. The commands are in `program.rs`.
//!
//! `cargo xtask bench` builds it and gives it a PostgreSQL. The ledger's shapes have a program of their own,
//! `ledger_shapes`.

mod arrivals;
mod backfill;
mod bar;
mod cluster;
mod degradation;
mod document;
mod failover;
mod figures;
mod finding;
mod firings;
mod flood;
mod graphs;
mod ground;
mod held_transaction;
mod job;
mod latency;
mod lists;
mod load;
mod memory;
mod meter;
mod performance;
mod place;
mod program;
mod progress;
mod report;
mod settings;
mod simulation;
mod site;
mod soak;
mod stand;
mod start_latency;
mod stress;
mod upstream;

use std::process::ExitCode;

use clap::Parser as _;

use crate::program::Program;

#[tokio::main]
async fn main() -> ExitCode {
    match Program::parse().run().await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
