//! `cargo xtask soak`: a server under a steady load for a long time, with a retention of a minute: what is kept must not
//! grow, and a paused lane must come out as it went in.
//!
//! What is done and judged is in `bench/src/soak.rs`.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cargo::{Profile, build};
use crate::postgres::{Cluster, Durability, find_or_install};

/// What the caller asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long the load lasts; at least 5.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// On `orch dev` and its SQLite file instead of `orch serve` on a PostgreSQL of our own.
    #[arg(long)]
    sqlite: bool,
    /// Jobs a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Jobs in the paused lane.
    #[arg(long, default_value_t = 20_000)]
    held: u32,
    /// Run programs of the dev profile.
    #[arg(long)]
    dev_profile: bool,
}

/// Soaks. True when nothing grew and nothing was lost.
pub fn run(options: &Options) -> Result<bool> {
    println!("building orch and orch-bench");
    let profile = if options.dev_profile { Profile::Dev } else { Profile::Release };
    let mut built = build(&profile, &["orch", "orch-bench"])?.into_iter();
    let (orch, driver) = (built.next().context("orch was built")?, built.next().context("orch-bench was built")?);
    let mut command = Command::new(driver);
    command.args(["soak", "--ledger", if options.sqlite { "sqlite" } else { "postgres" }]);
    command.args(["--minutes", &options.minutes.to_string(), "--rate", &options.rate.to_string()]);
    command.args(["--held", &options.held.to_string()]).env("ORCH_BENCH_ORCH", orch);
    let cluster = match options.sqlite {
        true => None,
        false => Some(Cluster::start(&find_or_install()?, Durability::Synchronous)?),
    };
    if let Some(cluster) = &cluster {
        command.env("ORCH_BENCH_POSTGRES_URL", cluster.url());
        command.env("ORCH_BENCH_POSTGRES_PID", cluster.pid().unwrap_or_default().to_string());
    }
    Ok(command.status().context("could not run orch-bench")?.success())
}
