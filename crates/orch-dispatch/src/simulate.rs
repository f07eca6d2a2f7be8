//! What would happen: the shard's own code on a copy of its state, with a clock of its own.
//!
//! A copy is asked what is to be changed, its workers take what they are given, and each attempt takes as long as one of
//! late did, drawn by seed. Every attempt ends well, and nothing comes that is not asked for by a schedule, a run or a
//! backfill. Whoever asks gets several samples: what they have in common is worth more than any of them.
//!
//! `forecast.rs` answers the small question (when does this job start) in the owner itself; this one takes a thread and
//! some seconds, and knows every rule because it is the rules.

mod driver;
mod preview;

use std::collections::BTreeMap;

use orch_core::ids::{BackfillId, RunId, TenantNo};
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::Gate;
use crate::command::{Command, SessionParams};
use crate::prepared::Readings;
use crate::shard::{Identity, SNAPSHOT_FORMAT, Shard};

pub use preview::{Preview, Warning, preview};

/// A larger state is not copied: its owner would stand still while it is.
const COPY_BYTES_MAX: usize = 128 << 20;

/// A shard's state at a moment, and the workers that it knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    identity: (orch_core::ids::ShardNo, u64, orch_core::ids::Incarnation),
    now: Timestamp,
    state: Vec<u8>,
    sessions: Vec<SessionParams>,
    /// How long answers wait for their commits.
    answers_wait_ms: u64,
}

/// Workers that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoreWorkers {
    /// How many.
    pub count: u32,
    /// What each takes at the same time.
    pub capacity: u32,
    /// What they do.
    pub job_types: Vec<String>,
}

/// What is supposed.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// What is asked of the tenant at the beginning.
    pub changes: Vec<Command>,
    /// Workers that come in addition.
    pub workers: Vec<MoreWorkers>,
    /// What is waited for; with nothing, that none of the tenant's jobs waits or is under way.
    pub until: Until,
    /// It ends then at the latest.
    pub horizon_ms: u64,
    /// Another number is other chance.
    pub seed: u64,
    /// How often it is tried.
    pub samples: u32,
    /// Facts of all samples together, about; what is beyond is reckoned in proportion.
    pub facts: usize,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Until {
    /// None of the tenant's jobs waits or is under way.
    #[default]
    Idle,
    /// The end of a backfill.
    Backfill(BackfillId),
    /// The end of a run.
    Run(RunId),
}

/// How long jobs waited from when they could start, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Jobs.
    pub jobs: u64,
    /// Half of them waited no longer.
    pub p50_ms: u64,
    /// Nineteen of twenty did not.
    pub p95_ms: u64,
}

/// What held work back, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holder {
    /// Which gate.
    pub gate: Gate,
    /// Of which host; else of which job type.
    pub of: String,
}

/// What one sample came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// When it ended; `None`: not before the horizon, or never, as things are.
    pub ended_at: Option<Timestamp>,
    /// That was reckoned in proportion, from what was tried of it.
    pub in_proportion: bool,
    /// Attempts that began.
    pub attempts: u64,
    /// How long jobs waited: those of backfills, and the others.
    pub waits: [Waits; 2],
    /// Milliseconds in which something waited for this.
    pub held_ms: BTreeMap<Holder, u64>,
    /// Nothing is known of how long these take; they were taken to be like others.
    pub unknown: Vec<String>,
}

/// What all samples came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// When it was.
    pub now: Timestamp,
    /// The samples.
    pub samples: Vec<Sample>,
}

impl Simulated {
    /// By when it ends with so many parts of a thousand, as far as the samples say; `None`: they did not end.
    ///
    /// One more end, the real one, falls between the samples' with equal chance, before the first and after the last, too.
    #[must_use]
    pub fn ended_by(&self, parts: usize) -> Option<Timestamp> {
        let mut ends: Vec<Option<Timestamp>> = self.samples.iter().map(|sample| sample.ended_at).collect();
        // What never ended comes last.
        ends.sort_unstable_by_key(|end| (end.is_none(), *end));
        let last = ends.len().checked_sub(1)?;
        let place = (((ends.len() + 1) * parts + 500) / 1_000).saturating_sub(1);
        ends[place.min(last)]
    }
}

impl Shard {
    /// A copy of the state as it is.
    ///
    /// # Errors
    /// It is too large.
    pub(crate) fn copied(&self) -> Result<Copied, Refusal> {
        let Identity { shard, epoch, incarnation } = self.identity;
        let state = self.save();
        if state.len() > COPY_BYTES_MAX {
            let detail = format!("the state has {} bytes; at most {COPY_BYTES_MAX} are copied", state.len());
            return Err(Refusal::new(Code::Overloaded, detail));
        }
        let live = self.sessions.values().filter(|session| !session.draining && self.was_heard(session));
        let sessions = live.map(|session| session.params.clone()).collect();
        let answers_wait_ms = self.answers_wait >> 8;
        Ok(Copied { identity: (shard, epoch, incarnation), now: self.now, state, sessions, answers_wait_ms })
    }
}

impl Copied {
    /// The moment that it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A shard that begins there.
    fn shard(&self) -> Result<Shard, Refusal> {
        let (shard, epoch, incarnation) = self.identity;
        let identity = Identity { shard, epoch, incarnation };
        let state = self.state.clone().into();
        let row = orch_core::port::SnapshotRow { commit_no: 0, format: SNAPSHOT_FORMAT, state };
        let mut shard = Shard::begin(identity, Some(&row))
            .map_err(|error| Refusal::new(Code::Overloaded, format!("the copy cannot be read: {error}")))?;
        shard.serve_from(self.now);
        for params in self.sessions.clone() {
            let _ = shard.execute(Command::OpenSession(params), &Readings::default(), self.now);
        }
        Ok(shard)
    }
}

/// Tries a scenario on a copy.
///
/// # Errors
/// What a change is refused with, under `changes` and its place.
pub fn simulate(copied: &Copied, tenant: TenantNo, scenario: &Scenario) -> Result<Simulated, Refusal> {
    let samples = scenario.samples.max(1);
    let facts = (scenario.facts / samples as usize).max(1_000);
    let sample = |number: u32| driver::run(copied, tenant, scenario, scenario.seed ^ (u64::from(number) << 32), facts);
    let samples = (0..samples).map(sample).collect::<Result<Vec<_>, _>>()?;
    Ok(Simulated { now: copied.now, samples })
}

#[cfg(test)]
mod tests;
