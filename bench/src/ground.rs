//! What a measurement stands on: which ledgers, which PostgreSQL, which program, where figures go. All commands have it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::settings::Database;

/// What a measurement stands on.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Ground {
    /// Only this database; both in turn by default.
    #[arg(long, value_enum)]
    pub ledger: Option<Database>,
    /// Shorter and smaller.
    #[arg(long)]
    pub quick: bool,
    /// Write the figures here as JSON, too.
    #[arg(long)]
    #[serde(skip)]
    pub json: Option<PathBuf>,
    /// A PostgreSQL for `--ledger postgres`; a database is made in it for each run, and dropped.
    #[arg(long, env = "ORCH_BENCH_POSTGRES_URL", hide_env_values = true)]
    #[serde(skip)]
    pub postgres_url: Option<String>,
    /// Its first process, for CPU time; found by itself when the server runs on this machine. 0: none.
    #[arg(long, env = "ORCH_BENCH_POSTGRES_PID")]
    #[serde(skip)]
    pub postgres_pid: Option<u32>,
    /// The server's program.
    #[arg(long, env = "ORCH_BENCH_ORCH", default_value = "target/release/orch")]
    #[serde(skip)]
    pub orch: PathBuf,
}

impl Ground {
    /// The ledgers, in turn.
    pub fn databases(&self) -> Vec<Database> {
        self.ledger.map_or_else(|| vec![Database::Sqlite, Database::Postgres], |one| vec![one])
    }

    /// The first process of the PostgreSQL, where it was named.
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres_pid.filter(|pid| *pid != 0)
    }

    /// The PostgreSQL.
    ///
    /// # Errors
    /// When there is none.
    pub fn postgres_url(&self) -> Result<&str> {
        self.postgres_url
            .as_deref()
            .context("no PostgreSQL: set ORCH_BENCH_POSTGRES_URL, or run `cargo xtask bench`, which starts one")
    }
}
