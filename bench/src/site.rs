//! Where jobs go in and come out: the engine in this process, or a server over HTTP.
//!
//! Loads are made of these verbs alone, so that both faces get the same ones.

pub mod engine;
mod gates;
pub mod http;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use orch_bench::clock;

use crate::ground::Ground;
use crate::job::{Job, arrival};
use crate::place::Place;
use crate::progress::Progress;
use crate::settings::Face;
use crate::site::engine::EngineSite;
use crate::site::http::HttpSite;

/// How far ahead jobs lie that are not to begin: a day.
const LATER_MS: u64 = 86_400_000;
/// How long a claim waits for work.
const CLAIM_WAIT: Duration = Duration::from_secs(1);

/// A running orchestrator, with its tenants and the job types.
#[async_trait]
pub trait Site: Send + Sync {
    /// Makes jobs in the tenant of this number (from 0); returns when they are committed.
    async fn enqueue(&self, tenant: usize, jobs: Vec<Job>) -> Result<()>;

    /// Works until told to stop, and counts what is done.
    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()>;

    /// Pauses a job type in the tenant of this number.
    async fn pause(&self, tenant: usize, job_type: &str) -> Result<()>;

    /// Declares every kind of gate for the work of the tenant of this number; none will hold it.
    async fn gate(&self, _tenant: usize) -> Result<()> {
        anyhow::bail!("gates are declared in the engine: measure with `--face engine`")
    }

    /// The server's process; `None`: this one.
    fn process(&self) -> Option<u32>;

    /// Ends it in order.
    async fn close(&self) -> Result<()>;
}

/// Opens a face on an empty ledger, with so many tenants.
pub async fn open(face: Face, place: &Place, tenants: usize, ground: &Ground) -> Result<Arc<dyn Site>> {
    Ok(match face {
        Face::Engine => Arc::new(EngineSite::open(place, tenants).await?),
        Face::Http => Arc::new(HttpSite::open(place, &ground.orch, tenants).await?),
    })
}

/// One worker of several.
#[derive(Debug, Clone, Copy)]
pub struct Crewman {
    /// Its number.
    pub number: usize,
    /// Jobs in one claim.
    pub claim: usize,
    /// What it does with a job.
    pub task: Task,
}

/// What a worker does with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Reports success at once.
    Succeed,
    /// Reports success, and now and then a failure that is final.
    FailSome,
    /// Keeps the lease until told to stop.
    Hold,
}

/// A job was handed to a worker: notes its start, counted from its intended arrival.
fn started(progress: &Progress, payload: &[u8]) {
    progress.add_started();
    if let Some(arrival) = arrival(payload) {
        progress.start.add(clock::elapsed().saturating_sub(arrival));
    }
}
