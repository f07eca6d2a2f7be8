//! Judges throttles by counting: what is under way, and what began since each limits that.

use orch_core::fact::{Fact, PauseTarget};
use orch_core::ids::LaneNo;
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::command::ThrottleLimits;

use super::{Judged, Lane, Tenant, Violation, buckets, ensure};

const LIMITS: &str = "12: limits hold";

/// A throttle, as history tells it.
#[derive(Debug, Clone)]
pub struct Throttle {
    pub(super) limits: ThrottleLimits,
    /// When attempts began since it limits that.
    pub(super) began: Vec<(Timestamp, u32)>,
}

/// Takes the facts `throttled` and `throttle_ended`.
pub(super) fn fact(tenant: &mut Tenant, fact: &Fact, at: Timestamp) -> Judged {
    match fact {
        Fact::Throttled { active_max, per_minute_max, target, until, .. } => {
            let limits = ThrottleLimits { active_max: *active_max, per_minute_max: *per_minute_max, until: *until };
            let before = tenant.throttles.remove(target).filter(|before| before.limits.until > at);
            let before = before.filter(|before| before.limits.per_minute_max.is_some());
            let began = before.map(|before| before.began).unwrap_or_default();
            tenant.throttles.insert(target.clone(), Throttle { limits, began });
            ensure(*until > at, "facts", || format!("{target:?} is throttled until {until}, and it is {at}"))
        }
        Fact::ThrottleEnded { target, .. } => {
            let ended = tenant.throttles.remove(target).filter(|ended| ended.limits.until > at);
            ensure(ended.is_some(), "facts", || format!("{target:?} was not throttled"))
        }
        _ => Ok(()),
    }
}

pub(super) fn covers(tenant: &Tenant, target: &PauseTarget, lane: &Lane, no: LaneNo) -> bool {
    match target {
        PauseTarget::Tenant => true,
        PauseTarget::Source(name) => lane.key.source.as_ref() == Some(name),
        PauseTarget::JobType(name) => lane.key.job_type == *name,
        PauseTarget::Lane(of) => *of == no,
        PauseTarget::Quota(name) => tenant.quota_covers(name, lane),
    }
}

/// Takes a grant from this lane. True: a throttle covers it.
pub(super) fn granted(tenant: &mut Tenant, no: LaneNo, at: Timestamp) -> Result<bool, Violation> {
    let Some(lane) = tenant.lane(no) else { return Ok(false) };
    let all = tenant.throttles.iter().filter(|(_, throttle)| throttle.limits.until > at);
    let theirs: Vec<_> = all.filter(|(target, _)| covers(tenant, target, lane, no)).map(|(of, _)| of.clone()).collect();
    for target in &theirs {
        let ThrottleLimits { active_max, per_minute_max, .. } = tenant.throttles[target].limits;
        if let Some(max) = active_max {
            let leased = tenant.jobs.values().filter(|job| job.lease.is_some());
            let covered = |no: LaneNo| tenant.lane(no).is_some_and(|lane| covers(tenant, target, lane, no));
            let active = leased.filter(|job| covered(job.lane)).count();
            ensure(active < max as usize, LIMITS, || format!("{active} of throttled {target:?} and one more"))?;
        }
        let Some(limit) = per_minute_max else { continue };
        if let Some(throttle) = tenant.throttles.get_mut(target) {
            throttle.began.push((at, 1));
            let term = Term { burst: None, limit, window_ms: 60_000 };
            buckets::is_kept(&format!("{target:?}"), &term, &throttle.began)?;
        }
    }
    Ok(!theirs.is_empty())
}
