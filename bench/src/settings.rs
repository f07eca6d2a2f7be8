//! What the caller may choose, and what a quick and a usual run mean. Bars are not here: see `bar.rs`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::ground::Ground;
use crate::job::{Kind, Shape};
use crate::stress::Stress;

/// Where jobs go in and come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Face {
    /// The engine, in this process.
    Engine,
    /// A server of its own, over HTTP, with the Rust SDK.
    Http,
}

impl Face {
    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Http => "http",
        }
    }
}

/// What a ledger is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
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
    /// Jobs in one call of `enqueue`; each is a row of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 500])]
    batches: Vec<usize>,
    /// Tenants among which jobs are spread, each number in a run of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    tenants: Vec<usize>,
    /// Jobs that wait when `work` begins.
    #[arg(long)]
    backlog: Option<usize>,
    /// Half-way through `cycle`, PostgreSQL makes a checkpoint.
    #[arg(long)]
    checkpoint: bool,
    #[command(flatten)]
    stress: Stress,
    #[command(flatten)]
    crew: Crew,
    #[command(flatten)]
    pub ground: Ground,
}

/// Who works, for how long, and on what: options that most commands have.
#[derive(Args, Clone, Debug)]
pub struct Crew {
    /// Producers.
    #[arg(long, default_value_t = 16)]
    pub producers: usize,
    /// Workers: 16 in the engine, 4 of the SDK over HTTP.
    #[arg(long)]
    pub workers: Option<usize>,
    /// Jobs in one claim.
    #[arg(long, default_value_t = 200)]
    pub claim: usize,
    /// Seconds of what lasts a given time.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Leave the idempotency keys out.
    #[arg(long)]
    pub no_keys: bool,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 200)]
    pub payload: usize,
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
    /// Half-way through `cycle`, PostgreSQL makes a checkpoint.
    pub checkpoint: bool,
    /// What makes it harder.
    pub stress: Stress,
    /// What it stands on.
    #[serde(skip)]
    pub ground: Ground,
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
        let all = [Workload::Enqueue, Workload::Work, Workload::Cycle];
        let settings = Settings::new(face, self.crew, self.ground);
        Settings {
            workloads: if self.workloads.is_empty() { all.to_vec() } else { self.workloads },
            batches: self.batches,
            backlog: self.backlog.unwrap_or(settings.backlog),
            tenants: self.tenants,
            checkpoint: self.checkpoint,
            stress: self.stress,
            ..settings
        }
    }
}

impl Settings {
    /// A crew on its ground, for one tenant and without stress.
    pub fn new(face: Face, crew: Crew, ground: Ground) -> Self {
        let lengths = if ground.quick { QUICK } else { USUAL };
        let workers = match face {
            Face::Engine => 16,
            Face::Http => 4,
        };
        Self {
            face,
            workloads: Vec::new(),
            databases: ground.databases(),
            batches: vec![500],
            producers: crew.producers.max(1),
            workers: crew.workers.unwrap_or(workers).max(1),
            claim: crew.claim.clamp(1, 1_000),
            backlog: lengths.backlog,
            enqueue_seconds: crew.seconds.unwrap_or(lengths.enqueue_seconds),
            cycle_seconds: crew.seconds.unwrap_or(lengths.cycle_seconds),
            tenants: vec![1],
            keys: !crew.no_keys,
            payload_bytes: crew.payload,
            warm_up_seconds: 1,
            checkpoint: false,
            stress: Stress::default(),
            ground,
        }
    }

    /// The shape of the work.
    pub fn shape(&self) -> Shape {
        Shape {
            payload_bytes: self.payload_bytes,
            keys: self.keys,
            fan: self.stress.fan,
            kind: if self.stress.gates { Kind::Gated } else { Kind::Work },
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
