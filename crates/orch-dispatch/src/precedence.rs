//! Priorities that operators give a target for a while: its lanes weigh as if all their jobs had them.
//!
//! They are looked at where a lane pays for a grant, and move no job. One holds from its fact until its moment; what is
//! declared neither makes nor ends one. Of several the most particular counts: a lane's own; else the most urgent of
//! those of its source, its job type and its quotas; else the tenant's, under which all its lanes weigh the same.

use orch_core::fact::{Fact, PauseTarget};
use orch_core::ids::LaneNo;
use orch_core::job::Priority;
use orch_core::limits::{PRIORITIES_MAX, PRIORITY_MS_MAX};
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, PriorityFound};
use crate::command::Actor;
use crate::decide::Desk;
use crate::explain::pause_words;
use crate::lane::STRIDE;
use crate::operate::nothing_there;
use crate::tenant::{Pause, Tenant};

/// A priority as history knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Precedence {
    pub priority: Priority,
    pub until: Timestamp,
    pub set: Pause,
}

impl Precedence {
    fn holds_at(&self, now: Timestamp) -> bool {
        self.until > now
    }
}

impl Tenant {
    /// What one grant costs a lane in virtual time.
    pub fn grant_cost(&self, no: LaneNo, at: Timestamp) -> u64 {
        let own = self.lane(no).key.priority;
        if self.priorities.is_empty() {
            return STRIDE / own.weight();
        }
        STRIDE / self.precedence(no, at).map_or(own, |(_, found)| found.priority).weight()
    }

    /// The priority that a lane has instead of its jobs'.
    pub(crate) fn precedence(&self, no: LaneNo, at: Timestamp) -> Option<(PauseTarget, &Precedence)> {
        let of = |target: PauseTarget| {
            let found = self.priorities.get(&target).filter(|found| found.holds_at(at))?;
            Some((target, found))
        };
        let key = &self.lane(no).key;
        let quotas = self.group(no).quotas.iter().cloned().map(PauseTarget::Quota);
        let named = key.source.clone().map(PauseTarget::Source).into_iter().chain(quotas);
        let named = named.chain([PauseTarget::JobType(key.job_type.clone())]);
        let most_urgent = || named.filter_map(of).min_by_key(|(_, found)| found.priority);
        of(PauseTarget::Lane(no)).or_else(most_urgent).or_else(|| of(PauseTarget::Tenant))
    }

    /// How a lane's place in turn differs from what its jobs ask for, for people.
    pub fn precedence_words(&self, no: LaneNo, now: Timestamp) -> Option<String> {
        if self.priorities.is_empty() {
            return None;
        }
        let (target, found) = self.precedence(no, now)?;
        let (what, word) = (pause_words(&target), found.priority.as_str());
        let why = found.set.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("{what} is `{word}` until {} by {}{why}", found.until, found.set.by))
    }

    /// The fact `prioritized`. Those that ended by themselves are forgotten.
    pub fn prioritized(&mut self, target: &PauseTarget, priority: Priority, until: Timestamp, set: Pause) {
        let at = set.at;
        self.priorities.insert(target.clone(), Precedence { priority, until, set });
        self.priorities.retain(|_, found| found.holds_at(at));
    }
}

impl Desk<'_> {
    /// The command `Prioritize`. The same again changes nothing.
    pub fn prioritize(&mut self, target: PauseTarget, priority: Priority, until: Timestamp, actor: Actor) -> Answer {
        if let Err(refusal) = self.priority_fits(&target, until) {
            return Answer::Refused(refusal);
        }
        let Actor { by, reason } = actor;
        let same = |found: &Precedence| (found.priority, found.until, &found.set.reason) == (priority, until, &reason);
        if !self.tenant.priorities.get(&target).is_some_and(same) {
            self.emit(Fact::Prioritized { by, priority, reason, target, until });
        }
        Answer::Done
    }

    fn priority_fits(&self, target: &PauseTarget, until: Timestamp) -> Result<(), Refusal> {
        if !self.is_there(target) {
            return Err(nothing_there());
        }
        let now = self.at.now;
        if until <= now {
            return Err(Refusal::field(Code::InvalidField, "until", "`until` is over already"));
        }
        if until > now.plus_ms(PRIORITY_MS_MAX) {
            let detail = format!("`until` must be at most {PRIORITY_MS_MAX} ms ahead");
            return Err(Refusal::field(Code::LimitExceeded, "until", detail));
        }
        let others = self.tenant.priorities.iter().filter(|(of, found)| *of != target && found.holds_at(now));
        if others.count() as u64 >= PRIORITIES_MAX {
            let detail = format!("{PRIORITIES_MAX} targets have a priority for a while, and no more may");
            return Err(Refusal::field(Code::LimitExceeded, "target", detail));
        }
        Ok(())
    }

    /// The command `EndPriority`. Ending what does not hold changes nothing.
    pub fn end_priority(&mut self, target: PauseTarget, actor: Actor) -> Answer {
        let holds = self.tenant.priorities.get(&target).is_some_and(|found| found.holds_at(self.at.now));
        if !holds && !self.is_there(&target) {
            return Answer::Refused(nothing_there());
        }
        if holds {
            let Actor { by, reason } = actor;
            self.emit(Fact::PriorityEnded { by, reason, target });
        }
        Answer::Done
    }
}

/// The priorities of targets that hold now.
pub(crate) fn found(tenant: &Tenant, now: Timestamp) -> Vec<PriorityFound> {
    let holding = tenant.priorities.iter().filter(|(_, found)| found.holds_at(now));
    let one = |(target, found): (&PauseTarget, &Precedence)| PriorityFound {
        target: target.clone(),
        priority: found.priority,
        until: found.until,
        by: found.set.by.clone(),
        reason: found.set.reason.clone(),
        at: found.set.at,
    };
    holding.map(one).collect()
}

#[cfg(test)]
mod tests;
