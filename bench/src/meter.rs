//! Counters at one instant, and what was spent between two.

use std::time::Instant;

use anyhow::Result;
use orch_bench::{clock, process};
use serde::Serialize;

use crate::document::maybe;
use crate::place::Place;

/// What a measurement took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spent {
    /// Wall time.
    pub seconds: f64,
    /// CPU seconds of the server; in the engine that is this process, its load included.
    pub server_cpu_seconds: f64,
    /// CPU seconds of the database's processes. SQLite has none: it is part of the server.
    pub database_cpu_seconds: Option<f64>,
    /// CPU seconds of this process where it is not the server: producers and workers.
    pub driver_cpu_seconds: Option<f64>,
    /// Bytes of log.
    pub log_bytes: f64,
}

/// What jobs cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// CPU milliseconds of the server for 1,000 jobs; in the engine with producers and workers.
    pub server_cpu_ms_per_1000_jobs: f64,
    /// CPU milliseconds of PostgreSQL for 1,000 jobs.
    pub database_cpu_ms_per_1000_jobs: Option<f64>,
    /// CPU milliseconds of producers and workers for 1,000 jobs, where they are a process of their own.
    pub driver_cpu_ms_per_1000_jobs: Option<f64>,
    /// Bytes of log for a job.
    pub log_bytes_per_job: f64,
    /// Rows that were dead in PostgreSQL at the end.
    pub dead_tuples: Option<u64>,
}

impl Cost {
    /// The heads of its cells.
    pub const HEAD: [&'static str; 5] =
        ["server CPU ms / 1,000 jobs", "PostgreSQL CPU", "driver CPU", "log B/job", "dead tuples"];

    /// What so many jobs cost.
    pub fn new(spent: &Spent, jobs: u64, dead_tuples: Option<u64>) -> Self {
        let jobs = jobs.max(1) as f64;
        let per_1000 = |seconds: f64| seconds * 1e6 / jobs;
        Self {
            server_cpu_ms_per_1000_jobs: per_1000(spent.server_cpu_seconds),
            database_cpu_ms_per_1000_jobs: spent.database_cpu_seconds.map(per_1000),
            driver_cpu_ms_per_1000_jobs: spent.driver_cpu_seconds.map(per_1000),
            log_bytes_per_job: spent.log_bytes / jobs,
            dead_tuples,
        }
    }

    /// CPU milliseconds of server and database for 1,000 jobs.
    pub fn cpu_ms_per_1000_jobs(&self) -> f64 {
        self.server_cpu_ms_per_1000_jobs + self.database_cpu_ms_per_1000_jobs.unwrap_or_default()
    }

    /// As it stands in tables.
    pub fn cells(&self) -> [String; 5] {
        let cpu = |ms: Option<f64>| maybe(ms, |ms| format!("{ms:.1}"));
        [
            cpu(Some(self.server_cpu_ms_per_1000_jobs)),
            cpu(self.database_cpu_ms_per_1000_jobs),
            cpu(self.driver_cpu_ms_per_1000_jobs),
            format!("{:.0}", self.log_bytes_per_job),
            maybe(self.dead_tuples, |dead| dead.to_string()),
        ]
    }
}

/// Counters at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: Instant,
    server: f64,
    database: Option<f64>,
    driver: Option<f64>,
    log: f64,
}

impl Mark {
    /// Reads all counters. `server` is the server's process; `None`: this one.
    pub async fn take(place: &mut Place, server: Option<u32>) -> Result<Self> {
        Self::take_all(place, server.as_slice()).await
    }

    /// The same of several servers together; none: this process is the server.
    pub async fn take_all(place: &mut Place, servers: &[u32]) -> Result<Self> {
        let log = place.log_position(servers.first().copied()).await?;
        let own = process::own_cpu()?;
        let (server, driver) = match servers {
            [] => (own, None),
            _ => (servers.iter().map(|pid| process::cpu(*pid)).sum::<Result<f64>>()?, Some(own)),
        };
        Ok(Self { server, driver, database: place.cpu()?, log, at: clock::now() })
    }

    /// What was spent from this mark to a later one.
    pub fn until(&self, later: &Self) -> Spent {
        let both = |from: Option<f64>, to: Option<f64>| Some(to? - from?);
        Spent {
            seconds: (later.at - self.at).as_secs_f64(),
            server_cpu_seconds: later.server - self.server,
            database_cpu_seconds: both(self.database, later.database),
            driver_cpu_seconds: both(self.driver, later.driver),
            log_bytes: later.log - self.log,
        }
    }
}
