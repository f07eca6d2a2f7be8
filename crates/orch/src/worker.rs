//! `orch worker …` and `orch lane …`: what works, and what waits for it.

use clap::Subcommand;
use orch_client::Client;

use crate::failure::Failure;
use crate::output::{Column, Output};

/// Commands about worker sessions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List worker sessions.
    List,
}

/// Commands about lanes.
#[derive(Debug, Subcommand)]
pub enum LaneCommand {
    /// List lanes.
    List,
}

const COLUMNS: &[Column] = &[
    ("WORKER", "/worker_id"),
    ("SESSION", "/session"),
    ("CAPACITY", "/capacity"),
    ("LEASES", "/leases"),
    ("HEARD AT", "/heard_at"),
    ("JOB TYPES", "/job_types"),
];

const LANE_COLUMNS: &[Column] = &[
    ("LANE", "/lane"),
    ("PROJECT", "/project"),
    ("JOB TYPE", "/job_type"),
    ("SOURCE", "/source"),
    ("PRIORITY", "/priority"),
    ("KEY", "/concurrency_key"),
    ("READY", "/ready"),
    ("LEASED", "/leased"),
    ("HELD BY", "/held_by"),
];

/// Runs a command about worker sessions.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List => output.list(&client.workers().list().await?, COLUMNS),
    }
}

/// Runs a command about lanes.
pub async fn run_lane(command: LaneCommand, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        LaneCommand::List => output.list(&client.lanes().await?, LANE_COLUMNS),
    }
}
