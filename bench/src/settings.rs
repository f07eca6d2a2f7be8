//! What the caller may choose, and what a quick and a usual run mean. Bars are not here: see `bar.rs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

/// Where jobs go in and come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Face {
    /// The engine, in this process.
    Engine,
    /// A server of its own, over HTTP, with the Rust SDK.
    Http,
}

/// What a ledger is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// A SQLite file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Database {
    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Producers alone: jobs go in.
    Enqueue,
    /// Workers alone: a backlog is claimed and completed.
    Work,
    /// Producers and workers at once.
    Cycle,
}

impl Workload {
    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Work => "work",
            Self::Cycle => "cycle",
        }
    }
}

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What to measure; all of it when nothing is named.
    #[arg(value_enum)]
    workloads: Vec<Workload>,
    /// Only this database; both in turn by default.
    #[arg(long, value_enum)]
    ledger: Option<Database>,
    /// About a minute in all.
    #[arg(long)]
    quick: bool,
    /// Jobs in one call of `enqueue`; each is a row of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 500])]
    batches: Vec<usize>,
    /// Producers.
    #[arg(long, default_value_t = 16)]
    producers: usize,
    /// Workers: 16 in the engine, 4 of the SDK over HTTP.
    #[arg(long)]
    workers: Option<usize>,
    /// Jobs in one claim.
    #[arg(long, default_value_t = 200)]
    claim: usize,
    /// Jobs that wait when `work` begins.
    #[arg(long)]
    backlog: Option<usize>,
    /// Seconds of `enqueue` and `cycle`.
    #[arg(long)]
    seconds: Option<u64>,
    /// Tenants among which jobs are spread, each number in a run of its own; one tenant over HTTP.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    tenants: Vec<usize>,
    /// Leave the idempotency keys out.
    #[arg(long)]
    no_keys: bool,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Write the figures here as JSON, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A PostgreSQL for `--ledger postgres`; a database is made in it for each run, and dropped.
    #[arg(long, env = "ORCH_BENCH_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// Its first process, for CPU time; found by itself when the server runs on this machine.
    #[arg(long, env = "ORCH_BENCH_POSTGRES_PID")]
    postgres_pid: Option<u32>,
    /// The server's program for `http`.
    #[arg(long, env = "ORCH_BENCH_ORCH", default_value = "target/release/orch")]
    orch: PathBuf,
}

/// What is measured, all choices made.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// Where jobs go in and come out.
    pub face: Face,
    /// What is done.
    pub workloads: Vec<Workload>,
    /// The ledgers, in turn.
    pub databases: Vec<Database>,
    /// Jobs in one call of `enqueue`.
    pub batches: Vec<usize>,
    /// Producers.
    pub producers: usize,
    /// Workers.
    pub workers: usize,
    /// Jobs in one claim.
    pub claim: usize,
    /// Jobs that wait when `work` begins.
    pub backlog: usize,
    /// How long `enqueue` lasts.
    pub enqueue_seconds: u64,
    /// How long `cycle` lasts.
    pub cycle_seconds: u64,
    /// Numbers of tenants.
    pub tenants: Vec<usize>,
    /// A random idempotency key on each job.
    pub keys: bool,
    /// Bytes of a payload.
    pub payload_bytes: usize,
    /// Seconds of `cycle` before it counts.
    pub warm_up_seconds: u64,
    /// Where figures go.
    #[serde(skip)]
    pub json: Option<PathBuf>,
    /// The PostgreSQL.
    #[serde(skip)]
    pub postgres_url: Option<String>,
    /// Its first process.
    #[serde(skip)]
    pub postgres_pid: Option<u32>,
    /// The server's program.
    #[serde(skip)]
    pub orch: PathBuf,
}

/// The lengths of a run.
struct Lengths {
    backlog: usize,
    enqueue_seconds: u64,
    cycle_seconds: u64,
}

// Both backlogs are larger than all windows in memory together, so that windows are read.
const QUICK: Lengths = Lengths { backlog: 250_000, enqueue_seconds: 1, cycle_seconds: 4 };
const USUAL: Lengths = Lengths { backlog: 1_000_000, enqueue_seconds: 10, cycle_seconds: 60 };

impl Options {
    /// Makes the choices that the caller left open.
    pub fn settle(self, face: Face) -> Settings {
        let lengths = if self.quick { QUICK } else { USUAL };
        let all = [Workload::Enqueue, Workload::Work, Workload::Cycle];
        Settings {
            face,
            workloads: if self.workloads.is_empty() { all.to_vec() } else { self.workloads },
            databases: match self.ledger {
                Some(one) => vec![one],
                None => vec![Database::Sqlite, Database::Postgres],
            },
            batches: self.batches,
            producers: self.producers.max(1),
            workers: self
                .workers
                .unwrap_or(match face {
                    Face::Engine => 16,
                    Face::Http => 4,
                })
                .max(1),
            claim: self.claim.clamp(1, 1_000),
            backlog: self.backlog.unwrap_or(lengths.backlog),
            enqueue_seconds: self.seconds.unwrap_or(lengths.enqueue_seconds),
            cycle_seconds: self.seconds.unwrap_or(lengths.cycle_seconds),
            tenants: match face {
                Face::Engine => self.tenants,
                Face::Http => vec![1],
            },
            keys: !self.no_keys,
            payload_bytes: self.payload,
            warm_up_seconds: 1,
            json: self.json,
            postgres_url: self.postgres_url,
            postgres_pid: self.postgres_pid.filter(|pid| *pid != 0),
            orch: self.orch,
        }
    }
}

/// One measurement: a row of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The ledger.
    pub database: Database,
    /// What is done.
    pub workload: Workload,
    /// Tenants among which jobs are spread.
    pub tenants: usize,
    /// Jobs in one call: of `enqueue`, else in one claim.
    pub batch: usize,
}

impl Settings {
    /// The measurements, in the order in which they are made.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for &database in &self.databases {
            for &tenants in &self.tenants {
                for &workload in &self.workloads {
                    let batches = match workload {
                        Workload::Enqueue => self.batches.clone(),
                        Workload::Work | Workload::Cycle => vec![self.claim],
                    };
                    cases.extend(batches.into_iter().map(|batch| Case { database, workload, tenants, batch }));
                }
            }
        }
        cases
    }

    /// How long a case lasts that lasts a given time.
    pub fn length(&self, workload: Workload) -> Duration {
        Duration::from_secs(match workload {
            Workload::Cycle => self.cycle_seconds,
            Workload::Enqueue | Workload::Work => self.enqueue_seconds,
        })
    }
}

#[cfg(test)]
mod tests;
