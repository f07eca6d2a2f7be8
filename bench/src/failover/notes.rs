//! What the clients know by themselves: which jobs were acknowledged, which leases handlers hold, which ends the server
//! took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Shared by all clients of the kills.
#[derive(Debug)]
pub struct Notes {
    acknowledged: Mutex<Vec<Uuid>>,
    ended: AtomicU64,
    refused: AtomicU64,
    open: Vec<AtomicU64>,
}

/// A lease in a handler's hands, until it is dropped.
#[derive(Debug)]
pub struct Held {
    notes: Arc<Notes>,
    shard: usize,
}

impl Notes {
    /// Empty, for so many shards.
    pub fn new(shards: u16) -> Self {
        Self {
            acknowledged: Mutex::default(),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            open: (0..shards).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Jobs were acknowledged.
    pub fn acknowledge(&self, jobs: impl IntoIterator<Item = Uuid>) {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).extend(jobs);
    }

    /// The jobs that were acknowledged so far.
    pub fn acknowledged(&self) -> Vec<Uuid> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server took so many ends, and refused so many as no longer current.
    pub fn add_ends(&self, taken: u64, refused: u64) {
        self.ended.fetch_add(taken, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    /// Ends that the server took.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Ends that it refused, because the attempt was no longer current.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A handler holds a lease of this shard.
    pub fn hold(self: &Arc<Self>, shard: u16) -> Held {
        let shard = usize::from(shard);
        self.open[shard].fetch_add(1, Ordering::Relaxed);
        Held { notes: Arc::clone(self), shard }
    }

    /// Leases of these shards that handlers hold.
    pub fn open(&self, shards: impl IntoIterator<Item = u16>) -> u64 {
        shards.into_iter().map(|shard| self.open[usize::from(shard)].load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.notes.open[self.shard].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_open_until_it_is_dropped() {
        let notes = Arc::new(Notes::new(3));
        let held = [notes.hold(1), notes.hold(2)];
        assert_eq!((notes.open([1]), notes.open(0..3)), (1, 2));
        drop(held);
        assert_eq!(notes.open(0..3), 0);
    }
}
