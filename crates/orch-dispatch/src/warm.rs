//! What memory still knows of things that the ledger may not show to every reader yet.
//!
//! A job or key that was touched stays here until its append is committed and every prepare that began before that
//! is applied; so "memory first" is right whatever a prepare read.

use std::collections::{BTreeSet, VecDeque};

use orch_core::ids::{JobId, LaneNo};
use orch_core::job::JobState;
use rustc_hash::FxHashMap;

use crate::command::KeyUse;
use crate::mutant::{self, Mutant};

/// A job that is not held in memory for good: fresh, or final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WarmJob {
    /// `Ready` (fresh) or a final state.
    pub state: JobState,
    pub lane: LaneNo,
    /// Its last seq; for a fresh job its order key.
    pub seq: u64,
    pub attempt: u32,
    pub epoch: u64,
    pub report: Option<[u8; 16]>,
    pub settled: bool,
}

/// A key that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WarmKey {
    pub fingerprint: [u8; 16],
    pub jobs: Vec<JobId>,
}

/// A tenant's warm things, each with the commit that last touched it.
#[derive(Debug, Default)]
pub(crate) struct Warm {
    // Looked up, never walked: their order is nobody's.
    jobs: FxHashMap<JobId, (u64, WarmJob)>,
    keys: FxHashMap<[u8; 16], (u64, WarmKey)>,
    jobs_by_age: VecDeque<(u64, JobId)>,
    keys_by_age: VecDeque<(u64, [u8; 16])>,
    /// Mutant `KeyFreedOnFailure` only: failed jobs.
    freed: BTreeSet<JobId>,
}

impl Warm {
    pub fn job(&self, job: JobId) -> Option<WarmJob> {
        self.jobs.get(&job).map(|(_, warm)| *warm)
    }

    pub fn key(&self, used: KeyUse) -> Option<&WarmKey> {
        self.keys.get(&used.key).map(|(_, warm)| warm)
    }

    pub fn put_job(&mut self, commit: u64, id: JobId, job: WarmJob) {
        self.jobs.insert(id, (commit, job));
        self.jobs_by_age.push_back((commit, id));
    }

    pub fn put_key(&mut self, commit: u64, used: KeyUse, jobs: Vec<JobId>) {
        self.keys.insert(used.key, (commit, WarmKey { fingerprint: used.fingerprint, jobs }));
        self.keys_by_age.push_back((commit, used.key));
    }

    /// Mutant `KeyFreedOnFailure` only.
    pub fn free_key_of(&mut self, job: JobId) {
        self.freed.insert(job);
    }

    /// Mutant `KeyFreedOnFailure` only.
    pub fn is_freed(&self, jobs: &[JobId]) -> bool {
        jobs.iter().any(|job| self.freed.contains(job))
    }

    /// Forgets what was last touched at or before `low`: the lower of the last commit and every open prepare's start.
    pub fn forget(&mut self, low: u64) {
        while let Some((commit, id)) = self.jobs_by_age.front().copied().filter(|(commit, _)| *commit <= low) {
            self.jobs_by_age.pop_front();
            if self.jobs.get(&id).is_some_and(|(touched, _)| *touched == commit) {
                self.jobs.remove(&id);
            }
        }
        while let Some((commit, key)) = self.keys_by_age.front().copied().filter(|(commit, _)| *commit <= low) {
            self.keys_by_age.pop_front();
            if self.keys.get(&key).is_some_and(|(touched, _)| *touched == commit) {
                self.keys.remove(&key);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.jobs_by_age.is_empty() && self.keys_by_age.is_empty()
    }

    /// Things held.
    pub fn len(&self) -> usize {
        self.jobs.len() + self.keys.len()
    }
}

/// The position up to which warm things may be forgotten.
#[must_use]
pub(crate) fn low_water(committed: u64, oldest_prepare: Option<u64>) -> u64 {
    if mutant::on(Mutant::WarmForgottenEarly) {
        return committed;
    }
    oldest_prepare.map_or(committed, |began| began.min(committed))
}
