//! `cargo xtask bench …`: builds the load driver in release and hands it a PostgreSQL with synchronous commits.
//!
//! What is measured, and how, is in `bench/`.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cargo::{Profile, build, root};
use crate::postgres::{Cluster, Durability, find_or_install};
use crate::{faketime, redis};

/// The measurement that starts other orchestrators.
const PEERS: &str = "peers";

/// The measurement in which one server's clock is off.
const FIRINGS: &str = "firings";

/// What the caller asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// What to measure and with which options; handed to the load driver as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the load driver. `ORCH_BENCH_POSTGRES_URL` is passed on, or names a cluster made for this run;
/// `ORCH_BENCH_ORCH` names the server program.
pub fn run(options: &Options) -> Result<bool> {
    println!("building orch and orch-bench");
    let mut built = build(&Profile::Release, &["orch", "orch-bench"])?.into_iter();
    let (orch, driver) = (built.next().context("orch was built")?, built.next().context("orch-bench was built")?);
    let mut command = Command::new(driver);
    command.args(&options.arguments).env("ORCH_BENCH_ORCH", orch).env("ORCH_BENCH_TREE", root());
    if options.arguments.first().is_some_and(|first| first == PEERS) {
        redis::install_if_missing()?;
        command.env("ORCH_BENCH_PEERS_FOLDER", root().join("bench/peers"));
        command.env("ORCH_BENCH_PEERS", root().join("target/bench/peers"));
    }
    if options.arguments.first().is_some_and(|first| first == FIRINGS)
        && let Some(library) = faketime::find_or_install()
    {
        command.env("ORCH_BENCH_FAKETIME", library);
    }
    let cluster = match std::env::var_os("ORCH_BENCH_POSTGRES_URL") {
        Some(_) => None,
        None => Some(Cluster::start(&find_or_install()?, Durability::SynchronousLarge)?),
    };
    if let Some(cluster) = &cluster {
        command.env("ORCH_BENCH_POSTGRES_URL", cluster.url());
        command.env("ORCH_BENCH_POSTGRES_PID", cluster.pid().unwrap_or_default().to_string());
    }
    let status = command.status().context("could not run orch-bench")?;
    Ok(status.success())
}
