//! The command line of `orch-bench peers`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::{Peer, Services, Settings};

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only these peers; all of them when nothing is named.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Peer>,
    /// Jobs of the backlog.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    jobs: u64,
    /// Seconds after which work ends though jobs are left.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Runs of each peer, in turn with those of the others.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Write the figures here as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A PostgreSQL; a database is made in it for each run, and dropped.
    #[arg(long, env = "ORCH_BENCH_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// Its first process, for CPU time; found by itself when the server runs on this machine.
    #[arg(long, env = "ORCH_BENCH_POSTGRES_PID")]
    postgres_pid: Option<u32>,
    /// Redis' server program, for BullMQ.
    #[arg(long, env = "ORCH_BENCH_REDIS_SERVER", default_value = "redis-server")]
    redis_server: PathBuf,
    /// The folder with the peers.
    #[arg(long, env = "ORCH_BENCH_PEERS_FOLDER", default_value = "bench/peers")]
    folder: PathBuf,
}

impl Options {
    /// Where JSON goes.
    pub(super) fn json(&self) -> Option<&Path> {
        self.json.as_deref()
    }

    /// Makes the choices that the caller left open.
    pub(super) fn settle(self) -> Result<(Settings, Services)> {
        let postgres_url = self
            .postgres_url
            .context("no PostgreSQL: set ORCH_BENCH_POSTGRES_URL, or run `cargo xtask bench`, which starts one")?;
        let all = Peer::value_variants();
        let settings = Settings {
            peers: if self.only.is_empty() { all.to_vec() } else { self.only },
            jobs: self.jobs,
            seconds: self.seconds,
            repeats: usize::from(self.repeats),
        };
        let services = Services {
            postgres_url,
            postgres_pid: self.postgres_pid.filter(|pid| *pid != 0),
            redis_server: self.redis_server,
            folder: self.folder,
        };
        Ok((settings, services))
    }
}
