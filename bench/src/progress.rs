//! What producers and workers have done so far, and whether they shall go on.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::latency::Latencies;

/// Shared by all producers and workers of one measurement.
#[derive(Debug)]
pub struct Progress {
    accepted: AtomicU64,
    done: AtomicU64,
    stop: watch::Sender<bool>,
    /// Calls that made jobs.
    pub enqueue: Latencies,
    /// Calls that asked for leases; waiting for work is part of them.
    pub claim: Latencies,
    /// Calls that reported results.
    pub complete: Latencies,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::new(0),
            done: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            enqueue: Latencies::default(),
            claim: Latencies::default(),
            complete: Latencies::default(),
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
    }
}
