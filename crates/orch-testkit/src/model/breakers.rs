//! Judges grants and ends by breakers, by reading them: what is open gives nothing, a canary is alone, a ramp is kept, and
//! failures of an upstream that is known to be dead cost no tries.
//!
//! It has its own reckoning of what each breaker must be, from a list of outcomes that it counts each time anew.

use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::fact::{EndCause, Fact};
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::AttemptOutcome;
use orch_core::time::Timestamp;

use super::{Job, Judged, Tenant, Violation, ensure};

/// What a breaker must be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everything goes.
    Closed,
    /// Nothing goes until then; it opened so often in a row.
    Open(Timestamp, u32),
    /// This attempt sees how the upstream is.
    Probing(JobId, u32, u32),
    /// So many successes since the canary's; it opened so often in a row.
    Ramp(u32, u32),
    /// An operator opened it.
    Tripped,
}

/// A breaker, as history tells it.
#[derive(Debug)]
pub struct Breaker {
    /// What it must be doing.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// What ended since it closed of what began since.
    pub outcomes: Vec<(Timestamp, bool)>,
}

const LIMITS: &str = "12: limits hold";
const CAPS: &str = "6: attempts and caps";

/// Parts of a window; what lies in the last ten counts.
const PARTS: u64 = 10;

fn doc_of<'a>(tenant: &'a Tenant, name: &str) -> Option<&'a config::Breaker> {
    match tenant.configs.get(&(ConfigKind::Breaker, name.to_owned())) {
        Some((ConfigDoc::Breaker(doc), ..)) => Some(doc),
        _ => None,
    }
}

fn governs(tenant: &Tenant, doc: &config::Breaker, no: LaneNo) -> bool {
    let Some(lane) = tenant.lane(no) else { return false };
    let host = lane.key.source.as_deref().and_then(|name| tenant.source(name)).and_then(|doc| doc.host.as_ref());
    doc.job_type.as_ref() == Some(&lane.key.job_type) || host.is_some() && doc.host.as_ref() == host
}

/// Names of the breakers that govern a lane.
pub(super) fn governing(tenant: &Tenant, no: LaneNo) -> Vec<String> {
    let docs = tenant.configs.values().filter_map(|(doc, ..)| match doc {
        ConfigDoc::Breaker(doc) if governs(tenant, doc, no) => Some(doc.name.clone()),
        _ => None,
    });
    docs.collect()
}

/// A breaker is declared; what it was before is in the tenant still.
pub(super) fn declared(tenant: &mut Tenant, doc: &config::Breaker, at: Timestamp) {
    let before = doc_of(tenant, &doc.name).map(|before| {
        let same = (&before.job_type, &before.host) == (&doc.job_type, &doc.host);
        (same, before.window_ms == doc.window_ms)
    });
    match (before, tenant.breakers.get_mut(&doc.name)) {
        (Some((true, true)), Some(_)) => {}
        (Some((true, false)), Some(breaker)) => breaker.outcomes.clear(),
        _ => {
            let new = Breaker { phase: Phase::Closed, since: at, outcomes: Vec::new() };
            tenant.breakers.insert(doc.name.clone(), new);
        }
    }
}

/// A fact about a breaker itself.
pub(super) fn fact(tenant: &mut Tenant, fact: &Fact, at: Timestamp) -> Judged {
    let (name, phase) = match fact {
        Fact::BreakerTripped { breaker, .. } => (breaker, Phase::Tripped),
        Fact::BreakerReset { breaker, .. } => (breaker, Phase::Closed),
        _ => return Ok(()),
    };
    let Some(breaker) = tenant.breakers.get_mut(name) else {
        return ensure(false, "facts", || format!("breaker `{name}` was never declared"));
    };
    ensure(breaker.phase != phase || phase == Phase::Closed, "facts", || format!("`{name}` is {phase:?} already"))?;
    *breaker = Breaker { phase, since: at, outcomes: Vec::new() };
    Ok(())
}

/// Attempts under way that a breaker governs.
pub(super) fn under_way(tenant: &Tenant, name: &str) -> usize {
    let doc = doc_of(tenant, name);
    let leased = tenant.jobs.values().filter(|job| job.lease.is_some());
    leased.filter(|job| doc.is_some_and(|doc| governs(tenant, doc, job.lane))).count()
}

/// What was seen, and the breakers whose canary an attempt is.
type Begun = (Vec<&'static str>, Vec<String>);

/// Takes a grant from a lane.
pub(super) fn began(
    tenant: &mut Tenant,
    no: LaneNo,
    (job, attempt): (JobId, u32),
    canary: bool,
    at: Timestamp,
) -> Result<Begun, Violation> {
    let (mut seen, mut probes) = (Vec::new(), Vec::new());
    for name in governing(tenant, no) {
        let Some(breaker) = tenant.breakers.get(&name) else { continue };
        match breaker.phase {
            Phase::Closed => {}
            Phase::Open(until, spell) => {
                ensure(at >= until, LIMITS, || format!("{job} was granted while `{name}` is open until {until}"))?;
                probes.push(name.clone());
                let phase = Phase::Probing(job, attempt, spell);
                tenant.breakers.insert(name, Breaker { phase, since: at, outcomes: Vec::new() });
            }
            Phase::Probing(other, ..) => {
                return Err(Violation {
                    promise: LIMITS,
                    text: format!("{job} was granted while {other} is the canary of `{name}`"),
                });
            }
            Phase::Ramp(successes, _) => {
                let (most, others) = (successes as usize + 1, under_way(tenant, &name));
                ensure(others < most, LIMITS, || format!("{others} under way and {job} in a ramp of {most}"))?;
                if others + 1 == most {
                    seen.push("breaker: a ramp was full");
                }
            }
            Phase::Tripped => {
                return Err(Violation { promise: LIMITS, text: format!("{job} was granted and `{name}` is tripped") });
            }
        }
    }
    ensure(canary != probes.is_empty(), LIMITS, || format!("{job}: canary is {canary}, and probes {probes:?}"))?;
    Ok((seen, probes))
}

/// What an end says of its upstream: it works, it does not, or nothing.
pub(super) fn said(outcome: Option<AttemptOutcome>, cause: Option<EndCause>) -> Option<bool> {
    match (cause, outcome?) {
        (Some(EndCause::Reported), AttemptOutcome::Succeeded) => Some(true),
        (None | Some(EndCause::TriesSpent), AttemptOutcome::Failed | AttemptOutcome::TimedOut) => Some(false),
        _ => None,
    }
}

/// Must a failure of the job's attempt cost no try?
pub(super) fn costs_nothing(tenant: &Tenant, job: &Job) -> bool {
    let knows = |name: &String| {
        let phase = tenant.breakers.get(name).map(|breaker| breaker.phase);
        matches!(phase, Some(Phase::Open(..) | Phase::Probing(..) | Phase::Tripped))
    };
    job.lease.as_ref().is_some_and(|lease| !lease.probes.is_empty()) || governing(tenant, job.lane).iter().any(knows)
}

/// A failure was said to be free, or not.
pub(super) fn free(tenant: &Tenant, id: JobId, job: &Job, free: bool) -> Judged {
    let expected = costs_nothing(tenant, job);
    ensure(free == expected, CAPS, || format!("{id}: free is {free} and ought to be {expected}"))
}

/// An attempt of the job ended, and its lease is there still.
pub(super) fn ended(tenant: &mut Tenant, id: JobId, good: Option<bool>, at: Timestamp) -> Vec<&'static str> {
    let Some((job, lease)) = tenant.jobs.get(&id).and_then(|job| Some((job, job.lease.as_ref()?))) else {
        return Vec::new();
    };
    let (began, attempt, mut names) = (lease.granted_at, job.attempt, governing(tenant, job.lane));
    names.extend(lease.probes.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
    let mut seen = Vec::new();
    for name in names {
        let Some(doc) = doc_of(tenant, &name).cloned() else { continue };
        let Some(breaker) = tenant.breakers.get_mut(&name) else { continue };
        seen.extend(breaker.hear(&doc, (id, attempt), good, began, at));
    }
    seen
}

impl Breaker {
    fn hear(
        &mut self,
        doc: &config::Breaker,
        attempt: (JobId, u32),
        good: Option<bool>,
        began: Timestamp,
        at: Timestamp,
    ) -> Option<&'static str> {
        let young = began >= self.since;
        match (self.phase, good) {
            (Phase::Closed, Some(good)) if young => {
                self.outcomes.push((at, good));
                let too_many = !good && self.fails(doc, at);
                too_many.then(|| self.open(doc, 1, at, "breaker opened"))
            }
            (Phase::Probing(job, n, spell), good) if (job, n) == attempt => match good {
                Some(true) => {
                    self.turn(Phase::Ramp(0, spell), at);
                    Some("breaker: a canary succeeded")
                }
                Some(false) => Some(self.open(doc, spell + 1, at, "breaker: a canary failed")),
                None => {
                    self.turn(Phase::Open(at, spell), at);
                    Some("breaker: a canary came to nothing")
                }
            },
            (Phase::Ramp(_, spell), Some(false)) if young => {
                Some(self.open(doc, spell + 1, at, "breaker: a ramp ended in a failure"))
            }
            (Phase::Ramp(successes, spell), Some(true)) if young => {
                if successes + 1 < doc.ramp_max {
                    self.phase = Phase::Ramp(successes + 1, spell);
                    return None;
                }
                self.turn(Phase::Closed, at);
                Some("breaker closed after its ramp")
            }
            _ => None,
        }
    }

    /// Counts what lies in the window.
    fn fails(&self, doc: &config::Breaker, at: Timestamp) -> bool {
        let part = |at: Timestamp| at.ms_since(Timestamp::ZERO) / (doc.window_ms / PARTS).max(1);
        let inside = || self.outcomes.iter().filter(|(then, _)| part(*then) + PARTS > part(at));
        let (all, bad) = (inside().count() as u64, inside().filter(|(_, good)| !good).count() as u64);
        all >= u64::from(doc.outcomes_min) && bad * 100 >= all * u64::from(doc.failures_percent)
    }

    fn turn(&mut self, phase: Phase, at: Timestamp) {
        *self = Self { phase, since: at, outcomes: Vec::new() };
    }

    fn open(&mut self, doc: &config::Breaker, spell: u32, at: Timestamp, seen: &'static str) -> &'static str {
        let mut ms = doc.open_ms;
        for _ in 1..spell {
            ms = (ms * 2).min(doc.open_ms_max);
        }
        self.turn(Phase::Open(at.plus_ms(ms), spell), at);
        seen
    }
}
