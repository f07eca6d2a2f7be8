//! CPU time, bytes of log and wall time of one phase.
//! What a process spent is read by `orch_bench::process`.

use std::time::Instant;

use anyhow::Result;
use orch_bench::{clock, process};
use serde::Serialize;

/// What one phase took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spent {
    /// Wall time.
    pub seconds: f64,
    /// CPU of this process.
    pub cpu_client: f64,
    /// CPU of the database's processes.
    pub cpu_database: f64,
    /// Bytes written to the write-ahead log.
    pub log_bytes: f64,
}

impl Spent {
    /// CPU of both sides.
    pub fn cpu(&self) -> f64 {
        self.cpu_client + self.cpu_database
    }

    /// The sum of two phases.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            cpu_client: self.cpu_client + other.cpu_client,
            cpu_database: self.cpu_database + other.cpu_database,
            log_bytes: self.log_bytes + other.log_bytes,
        }
    }
}

/// Counters at one instant.
#[derive(Debug)]
pub struct Mark {
    at: Instant,
    cpu_client: f64,
    cpu_database: f64,
    log_position: f64,
}

impl Mark {
    /// Reads all counters; `postmaster` is the database's parent process if it has one.
    pub fn take(postmaster: Option<u32>, log_position: f64) -> Result<Self> {
        let cpu_database = match postmaster {
            Some(pid) => process::family_cpu(pid)?,
            None => 0.0,
        };
        Ok(Self { at: clock::now(), cpu_client: process::own_cpu()?, cpu_database, log_position })
    }

    /// What was spent from this mark to a later one.
    pub fn until(&self, later: &Self) -> Spent {
        Spent {
            seconds: later.at.duration_since(self.at).as_secs_f64(),
            cpu_client: later.cpu_client - self.cpu_client,
            cpu_database: later.cpu_database - self.cpu_database,
            log_bytes: later.log_position - self.log_position,
        }
    }
}
