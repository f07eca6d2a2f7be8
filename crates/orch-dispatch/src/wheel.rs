//! A lazy timer wheel: which jobs to look at, at the earliest, when.
//!
//! A job whose moment moves later (a heartbeat) is not touched here: when its old slot comes up it is looked at and
//! put back. So heartbeats cost nothing, and a slot is only ever too early, never too late.

use std::collections::BTreeMap;

use orch_core::ids::{BackfillId, ClaimId, LaneNo, RunId, SessionId};
use orch_core::{JobId, TenantNo, Timestamp};

/// Width of a slot.
const SLOT_MS: i64 = 16;

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// One job.
    Job(JobId),
    /// All jobs that a claim still has: a grant of hundreds costs one entry.
    Claim(SessionId, ClaimId),
    /// The buckets, breakers and blackouts of a tenant: one of them opens.
    Opening,
    /// A lane that was not served for a while.
    Age(LaneNo),
    /// The blackouts of a tenant: a window of one that cancels may have begun.
    Blackouts,
    /// The schedules of a tenant: a nominal instant may be due.
    Schedules,
    /// The runs and backfills of a tenant: something is to be done.
    Runs,
    /// One run: an approval may have expired, or there may be room for what found none.
    Run(RunId),
    /// One backfill: there may be room for what found none.
    Backfill(BackfillId),
}

/// The wheel.
#[derive(Debug, Default)]
pub struct Wheel {
    slots: BTreeMap<i64, Vec<(TenantNo, Watched)>>,
}

impl Wheel {
    /// Looks at it at `at` or at most a slot later.
    pub fn put(&mut self, at: Timestamp, tenant: TenantNo, what: Watched) {
        let slot = at.millis().div_euclid(SLOT_MS);
        self.slots.entry(slot).or_default().push((tenant, what));
    }

    /// Takes what has its slot wholly passed by `now`.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<(TenantNo, Watched)> {
        let mut due = Vec::new();
        while let Some(entry) = self.slots.first_entry() {
            if (entry.key() + 1) * SLOT_MS > now.millis() {
                break;
            }
            due.append(&mut entry.remove());
        }
        due
    }

    /// When the next slot has passed.
    pub fn next(&self) -> Option<Timestamp> {
        self.slots.first_key_value().map(|(slot, _)| Timestamp::from_millis((slot + 1) * SLOT_MS))
    }
}
