//! Judges that nothing stands idle: while a claim waits, no job of its types waits with it that nothing holds.
//!
//! It is looked at where a claim's wait ends, with a grant or empty, over the last stretch of the wait in which nothing
//! happened to the tenant: a lane with waiting jobs must be held by a gate at the stretch's beginning or near its end.
//! Hosts that tenants share are left out; `tests/hosts.rs` measures how much of them is used.

use std::collections::BTreeMap;

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::ids::{ClaimId, JobId, LaneNo, TenantNo};
use orch_core::job::Priority;
use orch_core::quota::Quota;
use orch_core::term::Term;
use orch_core::time::Timestamp;

use super::breakers::{self, Phase};
use super::{Judged, Lane, Model, Tenant, blackouts, buckets, ensure, throttles};

const IDLE: &str = "nothing stands idle while an admissible job waits";

/// What readings, commits and looks at the clock may take once faults have stopped.
pub const CALM_MS: u64 = 120;

/// What claims wait for.
#[derive(Debug, Default)]
pub struct Waits {
    /// What the world's readings and commits may take; wake-ups may be so late.
    pub quiet_ms: u64,
    /// An owner stands still until then, or its time may be behind.
    pub busy_until: Timestamp,
    /// From then on they take `CALM_MS` at most.
    pub calm_from: Option<Timestamp>,
    /// Since when each claim waits at the owner.
    since: BTreeMap<ClaimId, Timestamp>,
}

/// A stretch of time in which a claim waited and nothing happened.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
}

impl Model {
    /// A claim reached the owner, and will wait if there is nothing for it.
    pub fn waits(&mut self, claim: ClaimId, at: Timestamp) {
        self.waits.since.insert(claim, at);
    }

    /// The last stretch of a claim's wait, if it waited long enough.
    fn stretch(&self, claim: ClaimId, end: Timestamp) -> Option<Stretch> {
        let back = |ms: u64| Timestamp::from_millis(end.millis().saturating_sub_unsigned(ms));
        let calm = self.waits.calm_from.is_some_and(|from| back(CALM_MS) >= from);
        let quiet_ms = if calm { CALM_MS } else { self.waits.quiet_ms };
        let stretch = Stretch { from: back(quiet_ms), to: back(quiet_ms / 4) };
        let began = self.served_since.max(self.waits.busy_until);
        let waited = *self.waits.since.get(&claim)? <= stretch.from && began <= stretch.from;
        waited.then_some(stretch)
    }

    /// A claim's wait ended empty; it is `now` when the answer leaves.
    ///
    /// # Errors
    /// A lane could have given it a job.
    pub fn ended_empty(&mut self, claim: ClaimId, now: Timestamp) -> Judged {
        let Some(params) = self.log.claims.get(&claim) else { return Ok(()) };
        let ended = params.wait_until.filter(|until| *until <= now && params.max > 0);
        let Some(stretch) = ended.and_then(|until| self.stretch(claim, until)) else { return Ok(()) };
        let Some(session) = self.log.sessions.get(&params.session) else { return Ok(()) };
        let types = if params.job_types.is_empty() { &session.job_types } else { &params.job_types };
        let mut looked = false;
        for (no, tenant) in &self.tenants {
            let theirs = session.tenants.contains(no) || session.tenants.contains(&TenantNo::SYSTEM);
            let lanes = tenant.lanes.iter().enumerate().filter(|(_, lane)| {
                theirs && !tenant.marked && !lane.ready.is_empty() && types.contains(&lane.key.job_type)
            });
            for (place, _) in lanes {
                let lane = LaneNo(u32::try_from(place + 1).unwrap_or(u32::MAX));
                let held = self.is_held(*no, lane, stretch);
                looked |= held.is_some();
                ensure(held != Some(false), IDLE, || {
                    format!("{lane:?} of {no:?} has work, held by nothing in {stretch:?}")
                })?;
            }
        }
        if looked {
            self.saw("a wait ended empty, and all work was held");
        }
        Ok(())
    }

    /// A claim is about to be granted a job of this lane: before that something held it.
    pub(super) fn was_held(&mut self, no: TenantNo, lane: LaneNo, job: JobId, claim: ClaimId, at: Timestamp) -> Judged {
        let Some(stretch) = self.stretch(claim, at) else { return Ok(()) };
        let held = self.is_held(no, lane, stretch);
        if held.is_some() {
            self.saw("a grant came when what held it let go");
        }
        ensure(held != Some(false), IDLE, || format!("{job} was granted at {at}, and nothing held it in {stretch:?}"))
    }

    /// Whether a gate holds a lane at a stretch's beginning or end; `None` where that cannot be told.
    fn is_held(&self, no: TenantNo, lane_no: LaneNo, Stretch { from, to }: Stretch) -> Option<bool> {
        let tenant = self.tenants.get(&no).filter(|tenant| tenant.touched_at <= from)?;
        let lane = tenant.lane(lane_no)?;
        let shared = tenant.host(lane).is_some_and(|host| self.hosts.governs(host, from));
        if shared || tenant.shared_out() {
            return None;
        }
        Some(!tenant.lets(lane_no, lane, from) || !tenant.lets(lane_no, lane, to))
    }
}

impl Tenant {
    fn host(&self, lane: &Lane) -> Option<&str> {
        lane.key.source.as_deref().and_then(|name| self.source(name)).and_then(|doc| doc.host.as_deref())
    }

    fn docs(&self, kind: ConfigKind) -> impl Iterator<Item = (&ConfigDoc, u64)> {
        let all = self.configs.iter().filter(move |((of, _), _)| *of == kind);
        all.map(|(_, (doc, version, _))| (doc, *version))
    }

    /// What the whole tenant may have under way is shared out among quotas: what one wants is kept for it.
    fn shared_out(&self) -> bool {
        let is_whole =
            |doc: &ConfigDoc| matches!(doc, ConfigDoc::Quota(doc) if doc.covers_all() && doc.active_max.is_some());
        self.docs(ConfigKind::Quota).any(|(doc, _)| is_whole(doc)) && self.docs(ConfigKind::Quota).count() > 1
    }

    /// Attempts under way of lanes.
    fn under_way(&self, of: impl Fn(LaneNo, &Lane) -> bool) -> usize {
        let leased = self.jobs.values().filter(|job| job.lease.is_some());
        leased.filter(|job| self.lane(job.lane).is_some_and(|lane| of(job.lane, lane))).count()
    }

    /// No gate keeps a job of this lane from being handed out.
    fn lets(&self, no: LaneNo, lane: &Lane, at: Timestamp) -> bool {
        !self.is_paused(no, lane)
            && self.is_allotted()
            && self.has_room(lane)
            && self.quotas_let(lane, at)
            && self.throttles_let(no, lane, at)
            && blackouts::of_lane(self, lane).all(|doc| blackouts::window_at(doc, at).is_none())
            && self.breakers_let(no, at)
            && self.buckets_let(lane, at)
            && buckets::begins(self, no).is_ok()
    }

    fn is_paused(&self, no: LaneNo, lane: &Lane) -> bool {
        self.pauses.iter().any(|target| throttles::covers(self, target, lane, no))
    }

    fn is_allotted(&self) -> bool {
        self.allotment.active_max.is_none_or(|most| self.under_way(|_, _| true) < most as usize)
    }

    fn has_room(&self, lane: &Lane) -> bool {
        let key = &lane.key;
        let doc = self.job_type(&key.job_type);
        let of_type = doc.and_then(|doc| doc.concurrency_max);
        let of_source = key.source.as_deref().and_then(|name| self.source(name)).and_then(|doc| doc.concurrency_max);
        let of_key = doc.and_then(|doc| doc.concurrency_per_key_max).filter(|_| key.concurrency_key.is_some());
        let same_key =
            |other: &Lane| (&other.key.job_type, &other.key.concurrency_key) == (&key.job_type, &key.concurrency_key);
        of_type.is_none_or(|max| self.under_way(|_, other| other.key.job_type == key.job_type) < max as usize)
            && of_source.is_none_or(|max| self.under_way(|_, other| other.key.source == key.source) < max as usize)
            && of_key.is_none_or(|max| self.under_way(|_, other| same_key(other)) < max as usize)
    }

    fn quotas_let(&self, lane: &Lane, at: Timestamp) -> bool {
        let lets = |(doc, version): (&ConfigDoc, u64)| {
            let ConfigDoc::Quota(doc) = doc else { return true };
            let covers = |lane: &Lane| doc.covers(&lane.key.job_type, &lane.key.project);
            !covers(lane)
                || doc.active_max.is_none_or(|max| self.under_way(|_, other| covers(other)) < max as usize)
                    && self.hour_lets(doc, version, at)
        };
        self.docs(ConfigKind::Quota).all(lets)
    }

    fn hour_lets(&self, doc: &Quota, version: u64, at: Timestamp) -> bool {
        let Some(term) = doc.hourly() else { return true };
        let spent = self.hours.get(&doc.name).into_iter().flatten().filter(|(of, _)| *of == version);
        lets_one(&doc.name, &[term], (spent.map(|(_, at)| (*at, 1)).collect(), 0), 1, at)
    }

    fn throttles_let(&self, no: LaneNo, lane: &Lane, at: Timestamp) -> bool {
        let on = self
            .throttles
            .iter()
            .filter(|(target, throttle)| throttle.limits.until > at && throttles::covers(self, target, lane, no));
        on.into_iter().all(|(target, throttle)| {
            let covers = |no: LaneNo, lane: &Lane| throttles::covers(self, target, lane, no);
            let term = throttle.limits.per_minute_max.map(|limit| Term { burst: None, limit, window_ms: 60_000 });
            throttle.limits.active_max.is_none_or(|max| self.under_way(covers) < max as usize)
                && term.is_none_or(|term| lets_one("", &[term], (throttle.began.clone(), 0), 1, at))
        })
    }

    fn breakers_let(&self, no: LaneNo, at: Timestamp) -> bool {
        breakers::governing(self, no).iter().all(|name| match self.breakers.get(name).map(|breaker| breaker.phase) {
            None | Some(Phase::Closed) => true,
            Some(Phase::Open(until, _)) => at >= until,
            Some(Phase::Probing(..) | Phase::Tripped) => false,
            Some(Phase::Ramp(successes, _)) => breakers::under_way(self, name) <= successes as usize,
        })
    }

    fn buckets_let(&self, lane: &Lane, at: Timestamp) -> bool {
        let Some(host) = self.host(lane) else { return true };
        let cost = self.job_type(&lane.key.job_type).map_or(1, |doc| doc.cost);
        self.docs(ConfigKind::Bucket).all(|(doc, _)| {
            let ConfigDoc::Bucket(doc) = doc else { return true };
            let Some(bucket) = self.buckets.get(&doc.name).filter(|_| doc.host == host) else { return true };
            let kept = if lane.key.priority == Priority::Urgent { 0 } else { doc.urgent_reserve_percent };
            let spaced = match (bucket.spent.last(), bucket.cut) {
                (Some((_, last, before)), Some(cut)) => {
                    let share = buckets::share_at(cut, doc.ramp_ms, at);
                    buckets::is_spaced(&doc.name, doc, at.ms_since(*last), (*before).max(cost), share).is_ok()
                }
                _ => true,
            };
            // One that is declared anew, even after it was deleted, keeps what was spent.
            let spent = bucket.spent.iter().map(|(_, at, cost)| (*at, *cost)).collect();
            bucket.closed_until.is_none_or(|until| at >= until)
                && spaced
                && lets_one(&doc.name, &doc.terms, (spent, kept), cost, at)
        })
    }
}

/// One more of this cost is within all terms, and leaves such a part of them.
fn lets_one(
    name: &str,
    terms: &[Term],
    (mut spent, kept): (Vec<(Timestamp, u32)>, u32),
    cost: u32,
    at: Timestamp,
) -> bool {
    if spent.last().is_some_and(|(last, _)| *last > at) {
        return false;
    }
    spent.push((at, cost));
    terms.iter().all(|term| buckets::is_left(name, term, &spent, kept).is_ok())
}
