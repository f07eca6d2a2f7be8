//! Throttles of a tenant: limits that operators set for a while, on all that can be paused.
//!
//! One holds from its fact until its moment; no fact ends it, since time does. What is under way is counted by the
//! leases themselves; what began within a minute is spent by the grant's fact. There are few of them in a tenant.

use orch_core::fact::{Fact, PauseTarget};
use orch_core::ids::LaneNo;
use orch_core::limits::{THROTTLE_MS_MAX, THROTTLES_MAX};
use orch_core::refusal::{Code, Refusal};
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_gates::window::Window;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Gate, Hold, ThrottleFound};
use crate::command::{Actor, ThrottleLimits};
use crate::decide::Desk;
use crate::explain::pause_words;
use crate::mutant::{self, Mutant};
use crate::operate::nothing_there;
use crate::tenant::{Group, Pause, Tenant};

/// A minute.
const MINUTE_MS: u64 = 60_000;

/// A throttle as history knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throttle {
    pub limits: ThrottleLimits,
    pub set: Pause,
    /// When attempts of the last minute began.
    pub spent: Window,
}

/// What of a throttle holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// As many are under way as may be.
    Active(u32),
    /// As many began within a minute as may.
    Minute(u32),
}

/// So many in a minute.
pub(crate) fn term(limit: u32) -> Term {
    Term { burst: None, limit, window_ms: MINUTE_MS }
}

impl Throttle {
    /// It holds at this moment.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.limits.until > now
    }
}

impl Tenant {
    /// The throttles that hold whatever a group has that these quotas cover, by what they throttle.
    pub fn throttles_of(&self, group: &Group, quotas: &[String]) -> Vec<PauseTarget> {
        let covers = |target: &&PauseTarget| match target {
            PauseTarget::Tenant => true,
            PauseTarget::Source(name) => group.source.as_ref() == Some(name),
            PauseTarget::JobType(name) => group.job_type == *name,
            PauseTarget::Quota(name) => quotas.contains(name),
            PauseTarget::Lane(_) => false,
        };
        self.throttles.keys().filter(covers).cloned().collect()
    }

    /// When the throttles of a group let the next attempt begin, at the latest: one that ends makes room before.
    pub fn throttled_until(&self, group: &Group, now: Timestamp) -> Timestamp {
        group.throttles.iter().map(|target| self.throttle_opens(target, now)).max().unwrap_or(now)
    }

    /// The same for the throttle of a lane itself.
    pub fn lane_throttled_until(&self, no: LaneNo, now: Timestamp) -> Timestamp {
        if self.index.lane_throttles { self.throttle_opens(&PauseTarget::Lane(no), now) } else { now }
    }

    /// The lane of a group to grant from next, and when its throttle lets it. Those that are throttled are few.
    pub fn first_lane(&self, group: &Group, now: Timestamp) -> Option<(u64, LaneNo)> {
        if !self.index.lane_throttles {
            return group.active.first().copied();
        }
        group.active.iter().find(|(_, no)| self.lane_throttled_until(*no, now) <= now).copied()
    }

    /// When a group whose lanes may be throttled has one that is not.
    pub fn lanes_throttled_until(&self, group: &Group, now: Timestamp) -> Timestamp {
        if !self.index.lane_throttles || self.first_lane(group, now).is_some() {
            return now;
        }
        group.active.iter().map(|(_, no)| self.lane_throttled_until(*no, now)).min().unwrap_or(now)
    }

    fn throttle_opens(&self, target: &PauseTarget, now: Timestamp) -> Timestamp {
        self.throttle_full(target, now).map_or(now, |(_, at)| at)
    }

    /// What of a throttle holds now, and until when.
    fn throttle_full(&self, target: &PauseTarget, now: Timestamp) -> Option<(Full, Timestamp)> {
        let throttle = self.throttles.get(target).filter(|throttle| throttle.holds_at(now))?;
        let ThrottleLimits { active_max, per_minute_max, until } = throttle.limits;
        let active = active_max.filter(|max| self.under_way_of(target) >= *max);
        if let Some(max) = active.filter(|_| !mutant::on(Mutant::ThrottleIgnoresActive)) {
            return Some((Full::Active(max), until));
        }
        let max = per_minute_max?;
        let at = throttle.spent.earliest(&term(max), 1, now).min(until);
        (at > now).then_some((Full::Minute(max), at))
    }

    /// Attempts of a group that its throttles would let begin now.
    pub fn throttles_let(&self, group: &Group, now: Timestamp) -> u32 {
        group.throttles.iter().map(|target| self.throttle_lets(target, now)).min().unwrap_or(u32::MAX)
    }

    /// The same for the throttle of a lane itself.
    pub fn lane_throttle_lets(&self, no: LaneNo, now: Timestamp) -> u32 {
        if self.index.lane_throttles { self.throttle_lets(&PauseTarget::Lane(no), now) } else { u32::MAX }
    }

    fn throttle_lets(&self, target: &PauseTarget, now: Timestamp) -> u32 {
        let Some(throttle) = self.throttles.get(target).filter(|throttle| throttle.holds_at(now)) else {
            return u32::MAX;
        };
        let ThrottleLimits { active_max, per_minute_max, .. } = throttle.limits;
        let active = active_max.map_or(u32::MAX, |max| max.saturating_sub(self.under_way_of(target)));
        active.min(per_minute_max.map_or(u32::MAX, |max| throttle.spent.left(&term(max), now)))
    }

    /// Attempts under way of what can be throttled.
    pub fn under_way_of(&self, target: &PauseTarget) -> u32 {
        let index = &self.index;
        let of = match target {
            PauseTarget::Tenant => {
                return u32::try_from(index.counts.leased + index.counts.running).unwrap_or(u32::MAX);
            }
            PauseTarget::Source(name) => index.leased_by_source.get(name).copied(),
            PauseTarget::JobType(name) => index.leased_by_type.get(name).copied(),
            PauseTarget::Quota(name) => index.quotas.get(name).map(|of| of.active),
            PauseTarget::Lane(no) => self.lanes.get((no.0 as usize).wrapping_sub(1)).map(|lane| lane.leased),
        };
        of.unwrap_or(0)
    }

    /// An attempt begins in this lane.
    pub fn spend_throttles(&mut self, no: LaneNo, at: Timestamp) {
        if self.throttles.is_empty() {
            return;
        }
        let mut targets = self.group(no).throttles.clone();
        targets.push(PauseTarget::Lane(no));
        for target in targets {
            if let Some(throttle) = self.throttles.get_mut(&target).filter(|throttle| throttle.limits.until > at)
                && let Some(max) = throttle.limits.per_minute_max
            {
                throttle.spent.spend(&term(max), 1, at);
            }
        }
    }

    /// The fact `throttled`: it takes the place of one with the same target. What began within the last minute counts
    /// on, if that was counted.
    pub fn throttled(&mut self, target: &PauseTarget, limits: ThrottleLimits, set: Pause) {
        let at = set.at;
        let before = self.throttles.remove(target).filter(|before| before.limits.until > at);
        let before = before.filter(|before| before.limits.per_minute_max.and(limits.per_minute_max).is_some());
        let spent = before.map(|before| before.spent).unwrap_or_default();
        self.throttles.insert(target.clone(), Throttle { limits, set, spent });
        self.throttles_changed(at);
    }

    /// The fact `throttle_ended`.
    pub fn throttle_ended(&mut self, target: &PauseTarget, at: Timestamp) {
        self.throttles.remove(target);
        self.throttles_changed(at);
    }

    /// Those that ended by themselves are forgotten where others change.
    fn throttles_changed(&mut self, at: Timestamp) {
        self.throttles.retain(|_, throttle| throttle.limits.until > at);
        self.index_groups();
        self.index.stirred = true;
    }

    /// The throttles that hold a lane, for people.
    pub fn throttle_holds(&self, no: LaneNo, now: Timestamp) -> Vec<Hold> {
        let mut targets = self.group(no).throttles.clone();
        targets.extend(self.index.lane_throttles.then_some(PauseTarget::Lane(no)));
        targets.iter().filter_map(|target| self.throttle_hold(target, now)).collect()
    }

    /// How a throttle holds, if it does.
    pub fn throttle_hold(&self, target: &PauseTarget, now: Timestamp) -> Option<Hold> {
        let (full, at) = self.throttle_full(target, now)?;
        let Throttle { set, limits, .. } = self.throttles.get(target)?;
        let does = match full {
            Full::Active(max) => format!("{max} attempts are under way, the most"),
            Full::Minute(max) => format!("{max} attempts began within a minute, the most"),
        };
        let by = format!("{} is throttled by {} until {}: {does}", pause_words(target), set.by, limits.until);
        // An attempt that ends makes room before the throttle's end, and nobody knows when.
        let opens_at = Some(at).filter(|_| matches!(full, Full::Minute(_)));
        let by = set.reason.iter().fold(by, |by, reason| format!("{by} ({reason})"));
        Some(Hold { gate: Gate::Throttled, by, since: Some(set.at), opens_at })
    }
}

impl Desk<'_> {
    /// The command `Throttle`. The same again changes nothing.
    pub fn throttle(&mut self, target: PauseTarget, limits: ThrottleLimits, actor: Actor) -> Answer {
        if let Err(refusal) = self.throttle_fits(&target, limits) {
            return Answer::Refused(refusal);
        }
        let Actor { by, reason } = actor;
        let current = self.tenant.throttles.get(&target);
        if current.is_some_and(|throttle| throttle.limits == limits && throttle.set.reason == reason) {
            return Answer::Done;
        }
        let ThrottleLimits { active_max, per_minute_max, until } = limits;
        self.emit(Fact::Throttled { active_max, by, per_minute_max, reason, target, until });
        Answer::Done
    }

    fn throttle_fits(&self, target: &PauseTarget, limits: ThrottleLimits) -> Result<(), Refusal> {
        if !self.is_there(target) {
            return Err(nothing_there());
        }
        let now = self.at.now;
        if limits.until <= now {
            return Err(Refusal::field(Code::InvalidField, "until", "`until` is over already"));
        }
        if limits.until > now.plus_ms(THROTTLE_MS_MAX) {
            let detail = format!("`until` must be at most {THROTTLE_MS_MAX} ms ahead");
            return Err(Refusal::field(Code::LimitExceeded, "until", detail));
        }
        let others = self.tenant.throttles.iter().filter(|(of, throttle)| *of != target && throttle.holds_at(now));
        if others.count() as u64 >= THROTTLES_MAX {
            let detail = format!("{THROTTLES_MAX} throttles hold, and no more may");
            return Err(Refusal::field(Code::LimitExceeded, "target", detail));
        }
        Ok(())
    }

    /// The command `EndThrottle`. Ending what does not hold changes nothing.
    pub fn end_throttle(&mut self, target: PauseTarget, actor: Actor) -> Answer {
        let holds = self.tenant.throttles.get(&target).is_some_and(|throttle| throttle.holds_at(self.at.now));
        if !holds && !self.is_there(&target) {
            return Answer::Refused(nothing_there());
        }
        if holds {
            let Actor { by, reason } = actor;
            self.emit(Fact::ThrottleEnded { by, reason, target });
        }
        Answer::Done
    }
}

/// The throttles that hold now.
pub(crate) fn found(tenant: &Tenant, now: Timestamp) -> Vec<ThrottleFound> {
    let holding = tenant.throttles.iter().filter(|(_, throttle)| throttle.holds_at(now));
    let one = |(target, throttle): (&PauseTarget, &Throttle)| {
        let Throttle { limits, set, spent } = throttle;
        ThrottleFound {
            target: target.clone(),
            limits: *limits,
            by: set.by.clone(),
            reason: set.reason.clone(),
            at: set.at,
            active: tenant.under_way_of(target),
            minute_left: limits.per_minute_max.map(|max| spent.left(&term(max), now)),
        }
    };
    holding.map(one).collect()
}
