//! All leases that this worker must keep alive: from the grant until the server has taken the report.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::worker::attempt::Attempt;

/// Heartbeats in one lease length.
const BEATS_PER_LEASE: u64 = 3;

#[derive(Debug, Default)]
struct Held {
    by_token: HashMap<Arc<str>, Arc<Attempt>>,
    /// How many leases there are of each length, so that the shortest is known.
    lengths: BTreeMap<u64, usize>,
}

/// All leases.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<Held>,
    /// A shorter lease came in: the next heartbeat is due earlier.
    pub shorter: Notify,
}

impl Leases {
    /// Takes new ones in; those that are known already are left out of the answer.
    pub fn insert(&self, attempts: impl Iterator<Item = Arc<Attempt>>) -> Vec<Arc<Attempt>> {
        let mut fresh = Vec::new();
        let mut held = self.lock();
        let shortest = held.lengths.keys().next().copied();
        for attempt in attempts {
            let known = held.by_token.insert(Arc::clone(&attempt.grant.token), Arc::clone(&attempt));
            if let Some(known) = known {
                held.by_token.insert(Arc::clone(&known.grant.token), known);
                continue;
            }
            *held.lengths.entry(attempt.grant.lease_ms).or_default() += 1;
            fresh.push(attempt);
        }
        if shortest != held.lengths.keys().next().copied() {
            self.shorter.notify_one();
        }
        fresh
    }

    /// Lets leases go.
    pub fn remove<'a>(&self, tokens: impl Iterator<Item = &'a Arc<str>>) {
        let mut held = self.lock();
        for token in tokens {
            let Some(attempt) = held.by_token.remove(token) else { continue };
            let length = attempt.grant.lease_ms;
            if let Some(count) = held.lengths.get_mut(&length) {
                *count -= 1;
                if *count == 0 {
                    held.lengths.remove(&length);
                }
            }
        }
    }

    /// All of them now.
    pub fn all(&self) -> Vec<Arc<Attempt>> {
        self.lock().by_token.values().map(Arc::clone).collect()
    }

    /// How often heartbeats must come: a third of the shortest lease, and never less often than the session asks.
    pub fn interval(&self, session: Duration) -> Duration {
        let shortest = self.lock().lengths.keys().next().copied();
        shortest.map_or(session, |ms| session.min(Duration::from_millis(ms / BEATS_PER_LEASE)))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("the lock is whole, because nothing panics while it is held")
    }
}
