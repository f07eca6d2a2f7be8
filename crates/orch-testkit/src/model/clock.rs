//! How long each lease may live at most, reckoned from what was sent and when the owner served, not from its state:
//! exactly the listed leases are extended, and time that was not served is given back.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::ids::{JobId, TenantNo};
use orch_core::time::Timestamp;

/// One attempt of one job.
pub type LeaseKey = (TenantNo, JobId, u32);

/// A pause of the owner that is longer than this was not served.
const UNSERVED_MS: u64 = 250;

/// The owner looks at a lease at most this late.
const LATE_MS: u64 = 48;

#[derive(Debug, Clone)]
struct Bound {
    until: Timestamp,
    /// Unheard until then, it goes back.
    unheard: Option<Timestamp>,
    /// Heartbeats that were delivered and not answered.
    pending: u32,
    /// Its worker heartbeats on the dot and holds it.
    good: bool,
}

/// Bounds of the open leases, in the time of the current owner.
#[derive(Debug, Default)]
pub struct LeaseClock {
    bounds: BTreeMap<LeaseKey, Bound>,
    /// Calls named them before anybody could know of them: a token that was guessed, and granted in the same moment.
    guessed: BTreeSet<LeaseKey>,
    /// Pauses that were not served: their ends and lengths.
    gaps: Vec<(Timestamp, u64)>,
    last: Timestamp,
}

impl LeaseClock {
    /// A new owner begins to serve: each lease gets a full length.
    pub fn serve(&mut self, now: Timestamp, lease_ms: impl Fn(LeaseKey) -> u64) {
        self.gaps.clear();
        self.last = now;
        for (key, bound) in &mut self.bounds {
            bound.until = now.plus_ms(lease_ms(*key));
            bound.unheard = None;
            bound.pending = 0;
        }
    }

    /// The owner looks at the clock. Returns how much was not served.
    pub fn touch(&mut self, now: Timestamp) -> u64 {
        let gap = now.ms_since(self.last);
        self.last = self.last.max(now);
        if gap <= UNSERVED_MS {
            return 0;
        }
        self.gaps.push((now, gap));
        for bound in self.bounds.values_mut() {
            bound.until = bound.until.plus_ms(gap);
            bound.unheard = bound.unheard.map(|at| at.plus_ms(gap));
        }
        gap
    }

    fn unserved_since(&self, at: Timestamp) -> u64 {
        self.gaps.iter().filter(|(end, _)| *end > at).map(|(_, gap)| gap).sum()
    }

    /// A lease was granted.
    pub fn granted(&mut self, key: LeaseKey, at: Timestamp, lease_ms: u64) {
        let unserved = self.unserved_since(at);
        let until = at.plus_ms(lease_ms + unserved);
        let unheard = Some(at.plus_ms(lease_ms * 2 / 3 + unserved)).filter(|_| !self.guessed.remove(&key));
        self.bounds.insert(key, Bound { until, unheard, pending: 0, good: false });
    }

    /// A lease ended.
    pub fn ended(&mut self, key: LeaseKey) {
        self.bounds.remove(&key);
    }

    /// A call that names the lease was delivered; a heartbeat holds judgement until it is answered.
    pub fn spoke(&mut self, key: LeaseKey, heartbeat: bool) {
        if let Some(bound) = self.bounds.get_mut(&key) {
            bound.unheard = None;
            bound.pending += u32::from(heartbeat);
        } else {
            self.guessed.insert(key);
        }
    }

    /// A heartbeat delivered at `since` was answered: the lease lives until then, or is unknown.
    pub fn told(&mut self, key: LeaseKey, until: Option<Timestamp>, since: Timestamp) {
        let unserved = self.unserved_since(since);
        if let Some(bound) = self.bounds.get_mut(&key) {
            bound.pending = bound.pending.saturating_sub(1);
            if let Some(until) = until {
                bound.until = bound.until.max(until.plus_ms(unserved));
            }
        }
    }

    /// Its worker holds it and heartbeats on the dot, or does not any more.
    pub fn set_good(&mut self, key: LeaseKey, good: bool) {
        if let Some(bound) = self.bounds.get_mut(&key) {
            bound.good = good;
        }
    }

    /// Is a live worker heartbeating this lease on the dot?
    #[must_use]
    pub fn good(&self, key: LeaseKey) -> bool {
        self.bounds.get(&key).is_some_and(|bound| bound.good)
    }

    /// A lease that should have ended by `now`, if the owner has nothing under way.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Option<(LeaseKey, Timestamp, Option<Timestamp>)> {
        let over = |at: Timestamp| at.plus_ms(LATE_MS) < now;
        let mut silent = self.bounds.iter().filter(|(_, bound)| bound.pending == 0);
        let found = silent.find(|(_, bound)| over(bound.until) || bound.unheard.is_some_and(over));
        found.map(|(key, bound)| (*key, bound.until, bound.unheard))
    }
}
