//! Strategies of concurrency keys: how many jobs of a key are open, and what a new one does when there are too many.
//!
//! Lanes whose job type has another strategy than `queue` are **kept**: their jobs are never fresh, so that memory knows
//! each by name. Jobs that were fresh before the strategy was set are counted by their lanes, and have a name here as
//! far as windows show them. What is decided is a fact; here nothing is recorded.

use std::collections::BTreeSet;

use orch_core::concurrency::{DEFAULT_KEY, PerKeyStrategy};
use orch_core::fact::EndCause;
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::{JobError, JobState, LaneKey};
use orch_core::time::Timestamp;

use crate::command::Actor;
use crate::decide::Desk;
use crate::job::Job;
use crate::mutant::{self, Mutant};
use crate::tenant::Tenant;

/// Open jobs of one key that memory holds.
#[derive(Debug, Default)]
pub(crate) struct KeyJobs {
    /// Those that nobody asked to end, by the seq that accepted each.
    pub alive: BTreeSet<(u64, JobId)>,
    /// How many were asked to.
    pub ending: u64,
}

/// A job that a newer one takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Victim {
    accepted: u64,
    job: JobId,
    /// The lane of one that is fresh.
    fresh: Option<LaneNo>,
}

impl Tenant {
    /// A job that lies in the ledger and in its lane's count, and nowhere else in memory.
    pub fn is_fresh(&self, no: LaneNo, state: JobState, deadline: Option<Timestamp>, fired: bool) -> bool {
        state == JobState::Ready && deadline.is_none() && !fired && !self.lane(no).kept
    }

    /// Whether a strategy asks how many jobs of a lane's key are open.
    pub fn is_kept(&self, key: &LaneKey) -> bool {
        key.concurrency_key.is_some()
            && self.job_type(&key.job_type).is_some_and(|doc| doc.concurrency_per_key_strategy != PerKeyStrategy::Queue)
    }

    /// Finds out anew which lanes are kept, and which of their jobs are open.
    pub fn index_keys(&mut self) {
        let kept: Vec<_> = self.lanes.iter().map(|lane| self.is_kept(&lane.key)).collect();
        let any = kept.contains(&true);
        self.lanes.iter_mut().zip(kept).for_each(|(lane, kept)| lane.kept = kept);
        self.index.by_key.clear();
        if !any {
            return;
        }
        let jobs = std::mem::take(&mut self.jobs);
        for (id, job) in &jobs {
            self.key_opened(*id, job.lane, job.accepted);
            if job.lease.as_ref().is_some_and(|lease| lease.grace_until.is_some()) {
                self.key_ending(*id, job.lane, job.accepted);
            }
        }
        self.jobs = jobs;
    }

    fn key_of(&self, no: LaneNo) -> Option<(String, String)> {
        let key = &self.lane(no).key;
        Some((key.job_type.clone(), key.concurrency_key.clone()?))
    }

    /// The jobs of a kept lane's key.
    fn key_jobs(&mut self, no: LaneNo) -> Option<&mut KeyJobs> {
        if !self.lane(no).kept {
            return None;
        }
        let key = self.key_of(no)?;
        Some(self.index.by_key.entry(key).or_default())
    }

    /// A job is held in memory from now on.
    pub fn key_opened(&mut self, id: JobId, no: LaneNo, accepted: u64) {
        if let Some(jobs) = self.key_jobs(no) {
            jobs.alive.insert((accepted, id));
        }
    }

    /// Its worker was asked to stop.
    pub fn key_ending(&mut self, id: JobId, no: LaneNo, accepted: u64) {
        if let Some(jobs) = self.key_jobs(no)
            && jobs.alive.remove(&(accepted, id))
        {
            jobs.ending += 1;
        }
    }

    /// It ended.
    pub fn key_closed(&mut self, id: JobId, job: &Job) {
        let Some(jobs) = self.key_jobs(job.lane) else { return };
        if !jobs.alive.remove(&(job.accepted, id)) {
            jobs.ending = jobs.ending.saturating_sub(1);
        }
        if jobs.alive.is_empty()
            && jobs.ending == 0
            && let Some(key) = self.key_of(job.lane)
        {
            self.index.by_key.remove(&key);
        }
    }

    /// Counts a job that was accepted in a lane of the default key.
    pub fn count_keyless(&mut self, no: LaneNo) {
        let key = &self.lane(no).key;
        if key.concurrency_key.as_deref() != Some(DEFAULT_KEY) {
            return;
        }
        let job_type = key.job_type.clone();
        *self.keyless.entry(job_type).or_default() += 1;
    }

    fn lanes_of_key(&self, no: LaneNo) -> Vec<LaneNo> {
        self.key_of(no).and_then(|key| self.index.lanes_by_key.get(&key)).cloned().unwrap_or_default()
    }

    /// The job that makes way first for a new one of a lane's key, while more than `max` go on: the oldest.
    /// One that `completes` counts as ended. Fresh jobs beyond the windows have no name here, and are left.
    fn victim(&self, no: LaneNo, max: u64, completes: Option<JobId>) -> Option<Victim> {
        let key = self.key_of(no)?;
        let jobs = self.index.by_key.get(&key)?;
        let lanes = self.index.lanes_by_key.get(&key)?;
        let completing = completes.and_then(|id| Some((self.jobs.get(&id)?.accepted, id)));
        let completing = completing.filter(|one| jobs.alive.contains(one));
        let windows: usize = lanes.iter().map(|lane| self.lane(*lane).window.len()).sum();
        let known = jobs.alive.len() + windows - usize::from(completing.is_some());
        if known as u64 <= max {
            return None;
        }
        let held = jobs.alive.iter().filter(|one| Some(**one) != completing);
        let mut held = held.map(|(accepted, job)| Victim { accepted: *accepted, job: *job, fresh: None });
        if mutant::on(Mutant::NewestSuperseded) {
            return held.next_back();
        }
        let first = |lane: &LaneNo| {
            let entry = self.lane(*lane).window.front()?;
            Some(Victim { accepted: entry.seq, job: entry.job, fresh: Some(*lane) })
        };
        held.next().into_iter().chain(lanes.iter().filter_map(first)).min()
    }
}

impl Desk<'_> {
    /// Open jobs of a kept lane's key, whether they wait or are handed out. One that is being completed is as good as
    /// ended.
    pub fn open_of_key(&self, no: LaneNo) -> u64 {
        let tenant = &*self.tenant;
        let Some(key) = tenant.key_of(no) else { return 0 };
        let held = tenant.index.by_key.get(&key).map_or(0, |jobs| jobs.alive.len() as u64 + jobs.ending);
        let fresh: u64 = tenant.lanes_of_key(no).iter().map(|lane| tenant.lane(*lane).fresh).sum();
        let completing = self.completes.and_then(|id| tenant.jobs.get(&id)).map(|job| job.lane);
        let counts = completing.and_then(|lane| tenant.key_of(lane)) == Some(key);
        (held + fresh).saturating_sub(u64::from(counts))
    }

    /// What becomes of a job that was accepted just now, when `open` others of its key were.
    pub fn keep_to_strategy(&mut self, id: JobId, no: LaneNo, open: u64) {
        let policy = self.tenant.policy(no);
        let strategy = policy.concurrency_per_key_strategy;
        let Some(max) = policy.concurrency_per_key_max.map(u64::from) else { return };
        match strategy {
            PerKeyStrategy::Queue => {}
            PerKeyStrategy::DropNewest => {
                let waits = mutant::on(Mutant::DropIgnoresWaiting);
                let open = if waits { u64::from(self.tenant.leased_of_key(no)) } else { open };
                if open >= max {
                    let text = format!("its concurrency key has {open} open jobs, and at most {max} may be");
                    let error = Some(JobError::own("dropped", text, false));
                    self.finish(id, JobState::Canceled, EndCause::Dropped, None, error, None);
                    self.settle();
                }
            }
            PerKeyStrategy::CancelRunning => self.supersede(id, no, max),
        }
    }

    /// A new job takes the place of older ones of its key: those that wait end, workers of the others are asked to stop.
    fn supersede(&mut self, by: JobId, no: LaneNo, max: u64) {
        // One that depended on another of them is gone with it; so is a new one that did, and takes no more places.
        while self.supersedes > 0
            && self.tenant.jobs.contains_key(&by)
            && let Some(Victim { accepted, job: id, fresh }) = self.tenant.victim(no, max, self.completes)
        {
            self.supersedes -= 1;
            let text = format!("{by}, a newer job of its concurrency key, took its place");
            let error = Some(JobError::own("superseded", text.clone(), false));
            if let Some(lane) = fresh {
                self.cancel_fresh(id, lane, accepted, EndCause::Superseded, error);
                continue;
            }
            let job = &self.tenant.jobs[&id];
            let (lane, prev) = (job.lane, job.last_seq);
            if job.lease.is_none() {
                self.finish(id, JobState::Canceled, EndCause::Superseded, None, error, None);
                self.settle();
            } else if !mutant::on(Mutant::RunningNotSuperseded) {
                let actor = Actor { by: format!("newer {by}"), reason: Some(text) };
                self.request_cancel(id, lane, prev, actor);
            }
        }
    }

    /// A job was canceled in this command, or before it.
    pub fn is_canceled(&self, id: JobId) -> bool {
        !self.tenant.jobs.contains_key(&id)
            && self.tenant.warm.job(id).is_some_and(|warm| warm.state == JobState::Canceled)
    }
}

#[cfg(test)]
pub(crate) mod tests;
