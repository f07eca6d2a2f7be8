//! Breakers of a tenant: which of them govern a lane, whether they admit, and what the ends of attempts tell them.
//!
//! Grants and ends are facts, so what a breaker knows is as exact after a recovery as before.

use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::fact::{EndCause, Fact};
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::AttemptOutcome;
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use orch_gates::{Breaker, BreakerPolicy, BreakerState};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, BreakerFound};
use crate::command::Actor;
use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::tenant::{Configs, Group, Pause, Tenant, of_kind};

/// What history says of a declared breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub breaker: Breaker,
    /// The operator who opened it, while it is open for that.
    pub tripped: Option<Pause>,
}

/// Names of the breakers that govern jobs of a type, and of a source with this host.
pub(crate) fn governing(configs: &Configs, job_type: &str, host: Option<&str>) -> Vec<String> {
    let docs = of_kind(configs, ConfigKind::Breaker).filter_map(|found| match &found.doc {
        ConfigDoc::Breaker(doc) => Some(doc),
        _ => None,
    });
    let theirs = docs
        .filter(|doc| doc.job_type.as_deref() == Some(job_type) || doc.host.is_some() && doc.host.as_deref() == host);
    theirs.map(|doc| doc.name.clone()).collect()
}

fn policy(doc: &config::Breaker) -> BreakerPolicy {
    BreakerPolicy {
        failures_percent: doc.failures_percent,
        outcomes_min: doc.outcomes_min,
        open_ms: doc.open_ms,
        open_ms_max: doc.open_ms_max,
        ramp_max: doc.ramp_max,
        window_ms: doc.window_ms,
    }
}

/// What the end of an attempt that went on says of its upstream: it works, it does not, or nothing.
pub(crate) fn said_of_ended(outcome: AttemptOutcome) -> Option<bool> {
    match outcome {
        AttemptOutcome::Failed | AttemptOutcome::TimedOut => Some(false),
        AttemptOutcome::Released if mutant::on(Mutant::ReleaseCountsAsFailure) => Some(false),
        _ => None,
    }
}

/// The same for an attempt that ended its job.
pub(crate) fn said_of_finished(cause: EndCause) -> Option<bool> {
    match cause {
        EndCause::Reported => Some(true),
        EndCause::TriesSpent => Some(false),
        _ => None,
    }
}

impl Tenant {
    /// The declared breaker of this name.
    pub fn breaker_doc(&self, name: &str) -> Option<&config::Breaker> {
        match self.configs.get(&(ConfigKind::Breaker, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::Breaker(doc)) => Some(doc),
            _ => None,
        }
    }

    /// A breaker is declared: one with another target than before begins anew, any other keeps what it knows.
    pub fn breaker_declared(&mut self, doc: &config::Breaker, at: Timestamp) {
        let same_window = self
            .breaker_doc(&doc.name)
            .filter(|before| before.same_target(doc))
            .map(|before| before.window_ms == doc.window_ms);
        match (same_window, self.breakers.get_mut(&doc.name)) {
            (Some(true), Some(_)) => {}
            (Some(false), Some(kept)) => kept.breaker.forget(),
            _ => {
                self.breakers.insert(doc.name.clone(), Kept { breaker: Breaker::new(at), tripped: None });
            }
        }
    }

    /// When the breakers of a group admit an attempt, at the earliest; `None`: nobody knows.
    pub fn admits_at(&self, group: &Group, now: Timestamp) -> Option<Timestamp> {
        group.breakers.iter().try_fold(now, |at, name| Some(at.max(self.breaker_admits_at(name, now)?)))
    }

    /// The same for one breaker.
    pub fn breaker_admits_at(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        let Some(Kept { breaker, .. }) = self.breakers.get(name) else { return Some(now) };
        let ignored = match breaker.state() {
            BreakerState::Probing { .. } => mutant::on(Mutant::TwoCanaries),
            BreakerState::Ramp { .. } => mutant::on(Mutant::RampIgnored),
            _ => false,
        };
        match breaker.admits(self.under_way(name), now) {
            Err(until) if !ignored => until,
            _ => Some(now),
        }
    }

    /// Attempts of a group that its breakers would let begin now.
    pub fn breakers_let(&self, group: &Group, now: Timestamp) -> u32 {
        let lets = |name: &String| match self.breakers.get(name).map(|kept| kept.breaker.state()) {
            Some(BreakerState::Closed) | None => u32::MAX,
            Some(BreakerState::Open { until, .. }) => u32::from(until <= now),
            Some(BreakerState::Ramp { most, .. }) => most.saturating_sub(self.under_way(name)),
            Some(BreakerState::Probing { .. } | BreakerState::Tripped) => 0,
        };
        group.breakers.iter().map(lets).min().unwrap_or(u32::MAX)
    }

    /// Attempts under way that a breaker governs.
    pub fn under_way(&self, name: &str) -> u32 {
        self.index.under_way.get(name).copied().unwrap_or(0)
    }

    /// Would an attempt that begins in this lane be a canary?
    pub fn is_canary(&self, no: LaneNo) -> bool {
        let open = |name: &String| {
            self.breakers.get(name).is_some_and(|kept| matches!(kept.breaker.state(), BreakerState::Open { .. }))
        };
        self.group(no).breakers.iter().any(open)
    }

    /// An attempt begins in this lane. The breakers whose canary it is.
    pub fn attempt_began(&mut self, no: LaneNo, at: Timestamp) -> Box<[String]> {
        let group = &self.index.groups[self.index.group_of_lane[no.0 as usize - 1]];
        let mut probes = Vec::new();
        for name in &group.breakers {
            if self.breakers.get_mut(name).is_some_and(|kept| kept.breaker.began(at)) {
                probes.push(name.clone());
            }
        }
        probes.into()
    }

    /// The open attempt of a job ends. What it says of its upstream is for the breakers that govern it, and for those
    /// whose canary it is.
    pub fn attempt_over(&mut self, id: JobId, good: Option<bool>, at: Timestamp) {
        if self.breakers.is_empty() {
            return;
        }
        let Some((job, lease)) = self.jobs.get(&id).and_then(|job| Some((job, job.lease.as_ref()?))) else { return };
        let group = &self.index.groups[self.index.group_of_lane[job.lane.0 as usize - 1]];
        if group.breakers.is_empty() && lease.probes.is_empty() {
            return;
        }
        let others = lease.probes.iter().filter(|name| !group.breakers.contains(name));
        for name in group.breakers.iter().chain(others) {
            let doc = match self.configs.get(&(ConfigKind::Breaker, name.clone())).map(|found| &found.doc) {
                Some(ConfigDoc::Breaker(doc)) => doc,
                _ => continue,
            };
            let Some(Kept { breaker, .. }) = self.breakers.get_mut(name) else { continue };
            // A closed one holds nobody, whatever this tells it. Any other may now let somebody through.
            self.index.stirred |= breaker.state() != BreakerState::Closed;
            breaker.ended(&policy(doc), good, lease.probes.contains(name), lease.granted_at, at);
        }
    }

    /// Does a failure of the open attempt of this job cost no try: its upstream is known not to work?
    pub fn fails_free(&self, job: &crate::job::Job) -> bool {
        let canary = job.lease.as_ref().is_some_and(|lease| !lease.probes.is_empty());
        if canary {
            return !mutant::on(Mutant::CanaryCostsTry);
        }
        let spared = |name: &String| self.breakers.get(name).is_some_and(|kept| kept.breaker.spares());
        !mutant::on(Mutant::OpenCostsTry) && self.group(job.lane).breakers.iter().any(spared)
    }
}

impl Desk<'_> {
    /// The command `TripBreaker`. One that is tripped already stays as it is.
    pub fn trip_breaker(&mut self, breaker: String, actor: Actor) -> Answer {
        let Some(kept) = self.tenant.breakers.get(&breaker) else { return no_breaker() };
        if kept.tripped.is_none() {
            self.emit(Fact::BreakerTripped { breaker, by: actor.by, reason: actor.reason });
        }
        Answer::Done
    }

    /// The command `ResetBreaker`.
    pub fn reset_breaker(&mut self, breaker: String, actor: Actor) -> Answer {
        if !self.tenant.breakers.contains_key(&breaker) {
            return no_breaker();
        }
        self.emit(Fact::BreakerReset { breaker, by: actor.by, reason: actor.reason });
        Answer::Done
    }
}

fn no_breaker() -> Answer {
    Answer::Refused(Refusal::new(Code::NotFound, "there is no such breaker"))
}

/// What a breaker does now, and what it counts.
pub(crate) fn found(tenant: &Tenant, name: &str, now: Timestamp) -> Option<BreakerFound> {
    let doc = tenant.breaker_doc(name)?;
    let Kept { breaker, tripped } = tenant.breakers.get(name)?;
    let (good, bad) = breaker.counted(doc.window_ms, now);
    Some(BreakerFound {
        state: breaker.state(),
        since: breaker.since(),
        tripped_by: tripped.as_ref().map(|pause| pause.by.clone()),
        reason: tripped.as_ref().and_then(|pause| pause.reason.clone()),
        under_way: tenant.under_way(name),
        good,
        bad,
    })
}

#[cfg(test)]
mod tests;
