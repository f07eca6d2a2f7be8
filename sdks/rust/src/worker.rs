//! A worker: typed handlers around the lease contract. What it promises is in the text of [`Worker`].
//!
//! The parts talk through [`shared::Shared`]; the order of their ends is in `run`.

mod attempt;
mod claims;
mod context;
mod done;
mod handler;
mod handler_error;
mod heartbeats;
mod leases;
mod logs;
mod reports;
mod run;
mod session;
mod shared;
mod signal;
mod slots;
mod upstream;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use handler::{Handler, Typed};

pub use context::{FollowUpOut, JobContext, ParentOut, Parents};
pub(crate) use done::ms;
pub use done::{Done, Observation};
pub use handler_error::HandlerError;
pub use upstream::UpstreamAnswer;

/// How long handlers may go on after a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(30);
/// How long a claim is parked at the server.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// Leases that one claim asks for at most.
const CLAIM_BATCH: usize = 200;
/// What the contract allows in one claim.
const CLAIM_MAX: usize = 1_000;

/// A worker. What it promises:
///
/// * At most `capacity` handlers run at the same time.
/// * A lost answer costs nothing: claims are repeated with the same claim id, reports with the same fence.
/// * Heartbeats come from a thread of their own, which handlers cannot starve, every third of a lease's length.
/// * While the server is silent, handlers go on; the fence decides later. A job may run twice, it counts once.
/// * A lease that is no longer ours ends its handler at its next await.
/// * On shutdown nothing more is claimed, handlers get a grace, and what is left is given back at no cost.
pub struct Worker {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) handlers: BTreeMap<String, Arc<dyn Handler>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Settings of a worker.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The worker's name.
    pub worker_id: String,
    /// Handlers at the same time.
    pub capacity: usize,
    /// Leases in one claim.
    pub claim_batch: usize,
    /// How long a claim is parked.
    pub claim_wait: Duration,
    /// How long handlers may go on after a shutdown was asked for.
    pub grace: Duration,
}

/// Begins a worker; see [`Worker::builder`].
#[derive(Debug)]
pub struct WorkerBuilder {
    worker: Worker,
}

/// What a worker did in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerSummary {
    /// Reports that the server took.
    pub completed: u64,
    /// Attempts that were no longer ours.
    pub stale: u64,
    /// Leases given back.
    pub released: u64,
}

impl Worker {
    /// Begins a worker. Its name is `worker` unless it is given one, its capacity the number of processors.
    #[must_use]
    pub fn builder(client: Client) -> WorkerBuilder {
        let capacity = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Options {
            worker_id: "worker".to_owned(),
            capacity,
            claim_batch: CLAIM_BATCH,
            claim_wait: CLAIM_WAIT,
            grace: GRACE,
        };
        WorkerBuilder { worker: Self { client, options, handlers: BTreeMap::new() } }
    }

    /// Works until `shutdown` is ready, then drains.
    ///
    /// # Errors
    /// Only what waiting cannot mend: the token is refused, or the server does not accept the worker.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<WorkerSummary, Error> {
        run::run(self, clock::uuid().to_string(), shutdown).await
    }
}

impl WorkerBuilder {
    /// The worker's name, for people.
    #[must_use]
    pub fn worker_id(mut self, id: impl Into<String>) -> Self {
        self.worker.options.worker_id = id.into();
        self
    }

    /// Handlers at the same time; at least one.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.worker.options.capacity = capacity.max(1);
        self
    }

    /// Leases that one claim asks for at most: 1 to 1,000, by default 200.
    #[must_use]
    pub fn claim_batch(mut self, leases: usize) -> Self {
        self.worker.options.claim_batch = leases.clamp(1, CLAIM_MAX);
        self
    }

    /// How long a claim is parked at the server while there is no work: at most 30 s, by default 20 s.
    #[must_use]
    pub fn claim_wait(mut self, wait: Duration) -> Self {
        self.worker.options.claim_wait = wait.min(Duration::from_secs(30));
        self
    }

    /// How long handlers may go on after a shutdown was asked for; 30 s by default.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.worker.options.grace = grace;
        self
    }

    /// Handles jobs of this type. The payload is read as `P`; one that cannot be read is a permanent error.
    /// A handler of the same type that was given before is replaced.
    #[must_use]
    pub fn handler<P, F, R>(mut self, job_type: impl Into<String>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        F: Fn(JobContext, P) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Done, HandlerError>> + Send + 'static,
    {
        self.worker.handlers.insert(job_type.into(), Arc::new(Typed::new(handler)));
        self
    }

    /// The worker.
    #[must_use]
    pub fn build(self) -> Worker {
        self.worker
    }
}
