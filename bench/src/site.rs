//! Where jobs go in and come out: the engine in this process, or a server over HTTP.
//!
//! Loads are made of these two verbs alone, so that both faces get the same ones.

pub mod engine;
pub mod http;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;

use crate::job::Job;
use crate::progress::Progress;

/// A running orchestrator, with its tenants and the job type.
#[async_trait]
pub trait Site: Send + Sync {
    /// Makes jobs in the tenant of this number (from 0); returns when they are committed.
    async fn enqueue(&self, tenant: usize, jobs: Vec<Job>) -> Result<()>;

    /// Works until told to stop, and counts what is done.
    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()>;

    /// The server's process; `None`: this one.
    fn process(&self) -> Option<u32>;

    /// Ends it in order.
    async fn close(&self) -> Result<()>;
}

/// One worker of several.
#[derive(Debug, Clone, Copy)]
pub struct Crewman {
    /// Its number.
    pub number: usize,
    /// Jobs in one claim.
    pub claim: usize,
}
