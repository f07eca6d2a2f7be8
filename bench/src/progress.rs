//! What producers and workers have done so far, and whether they shall go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orch_bench::clock;
use tokio::sync::watch;

use crate::latency::Latencies;

/// How long a worker rests that is too far ahead.
const REST: Duration = Duration::from_millis(1);

/// Shared by all producers and workers of one measurement.
#[derive(Debug)]
pub struct Progress {
    accepted: AtomicU64,
    started: AtomicU64,
    done: AtomicU64,
    floor: AtomicU64,
    stop: watch::Sender<bool>,
    /// Calls that made jobs.
    pub enqueue: Latencies,
    /// Calls that asked for leases; waiting for work is part of them.
    pub claim: Latencies,
    /// Calls that reported results.
    pub complete: Latencies,
    /// Calls that made jobs at fixed times, counted from their intended arrival.
    pub arrive: Latencies,
    /// From a job's intended arrival to its start at a worker, for jobs that say when they were to arrive.
    pub start: Latencies,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            done: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            enqueue: Latencies::default(),
            claim: Latencies::default(),
            complete: Latencies::default(),
            arrive: Latencies::default(),
            start: Latencies::default(),
        }
    }
}

impl Progress {
    /// Jobs were accepted.
    pub fn add_accepted(&self, jobs: usize) {
        self.accepted.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    /// Jobs were done.
    pub fn add_done(&self, jobs: usize) {
        self.done.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    /// A job was handed to a worker.
    pub fn add_started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs handed to workers so far.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Jobs that are accepted and not done.
    pub fn waiting(&self) -> u64 {
        self.accepted().saturating_sub(self.done())
    }

    /// From now on workers rest while fewer jobs wait.
    pub fn set_floor(&self, jobs: u64) {
        self.floor.store(jobs, Ordering::Relaxed);
    }

    /// Waits while so few jobs wait that workers are to rest.
    pub async fn work_allowed(&self) {
        while self.waiting() < self.floor.load(Ordering::Relaxed) && !self.is_stopped() {
            clock::pause(REST).await;
        }
    }

    /// Jobs accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Jobs done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// From now on nothing new is begun.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// True once stopped.
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until stopped.
    pub async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender is `self`: it cannot be gone.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Forgets the times of the calls so far.
    pub fn clear_calls(&self) {
        self.enqueue.clear();
        self.claim.clear();
        self.complete.clear();
        self.arrive.clear();
        self.start.clear();
    }
}
