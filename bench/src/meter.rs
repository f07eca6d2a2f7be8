//! Counters at one instant, and what was spent between two.

use std::time::Instant;

use anyhow::Result;
use orch_bench::{clock, process};
use serde::Serialize;

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
        let log = place.log_position(server).await?;
        let own = process::own_cpu()?;
        let (server, driver) = match server {
            Some(pid) => (process::cpu(pid)?, Some(own)),
            None => (own, None),
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
