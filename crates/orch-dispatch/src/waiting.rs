//! What many lanes wait on: the first gate that holds each. `explain.rs` names all that hold one.
//!
//! Lanes of a group share most gates, so those are asked once for each group: a page of lanes or jobs costs little.

use std::collections::BTreeMap;

use orch_core::fact::PauseTarget;
use orch_core::ids::{LaneNo, TenantNo};
use orch_core::time::Timestamp;

use crate::answer::{Gate, LanesWaiting};
use crate::shard::Shard;
use crate::tenant::{Group, Tenant};

/// The gates of a tenant's lanes at one moment.
pub(crate) struct Held<'a> {
    tenant: &'a Tenant,
    now: Timestamp,
    groups: BTreeMap<usize, OfGroup>,
}

/// What holds every lane of a group, or one of them.
#[derive(Debug, Clone, Copy)]
struct OfGroup {
    paused: bool,
    throttled: bool,
    /// A blackout, a breaker, a bucket or an hour that is spent.
    closed: Option<Gate>,
    full: bool,
    quota: bool,
}

impl<'a> Held<'a> {
    /// Nothing was asked yet. What is known of blackouts must be up to date.
    pub fn new(tenant: &'a Tenant, now: Timestamp) -> Self {
        Self { tenant, now, groups: BTreeMap::new() }
    }

    /// The first gate that holds a lane, of those that do not depend on workers and turns.
    pub fn by(&mut self, no: LaneNo) -> Option<Gate> {
        let (tenant, now) = (self.tenant, self.now);
        if tenant.erase_at.is_some() {
            return Some(Gate::Deleting);
        }
        if tenant.allotted() == 0 {
            return Some(Gate::Quota);
        }
        let place = tenant.index.group_of_lane[no.0 as usize - 1];
        let of = *self.groups.entry(place).or_insert_with(|| OfGroup::new(tenant, &tenant.index.groups[place], now));
        let of_lane = OfGroup {
            paused: of.paused || tenant.pauses.contains_key(&PauseTarget::Lane(no)),
            throttled: of.throttled || tenant.lane_throttled_until(no, now) > now,
            full: of.full || tenant.key_full(tenant.lane(no)),
            ..of
        };
        of_lane.first()
    }
}

impl OfGroup {
    fn new(tenant: &Tenant, group: &Group, now: Timestamp) -> Self {
        let source = group.source.as_deref();
        let breaks = || tenant.admits_at(group, now).is_none_or(|at| at > now).then_some(Gate::Breaker);
        let closed = if group.shade.held { Some(Gate::Blackout) } else { breaks() };
        Self {
            paused: tenant.group_paused(&group.job_type, source) || tenant.quota_paused(group),
            throttled: tenant.throttled_until(group, now) > now,
            closed: closed.or_else(|| tenant.bucket_gate(group, now)),
            full: tenant.group_full(&group.job_type, source) || tenant.flight_full(group).is_some(),
            quota: tenant.quota_full(group).is_some(),
        }
    }

    /// The first that holds, in the order of evaluation.
    fn first(self) -> Option<Gate> {
        let then = |holds: bool, gate: Gate| holds.then_some(gate);
        then(self.paused, Gate::Paused)
            .or(then(self.throttled, Gate::Throttled))
            .or(self.closed)
            .or(then(self.full, Gate::Concurrency))
            .or(then(self.quota, Gate::Quota))
    }
}

/// The first gate that holds every lane of a group, of those that do not depend on workers and turns.
pub(crate) fn gate_of(tenant: &Tenant, group: &Group, now: Timestamp) -> Option<Gate> {
    OfGroup::new(tenant, group, now).first()
}

impl Shard {
    /// The first gate that holds each of these lanes, as `explain` says it; `None`: there is none, or no such lane.
    pub(crate) fn waiting_on(&mut self, no: TenantNo, lanes: impl Iterator<Item = LaneNo>) -> Vec<Option<Gate>> {
        if let Some(tenant) = self.tenants.get_mut(no) {
            tenant.look_at_blackouts(self.now);
        }
        let others = self.tenants_ahead(no) > 0;
        let Some(tenant) = self.tenants.get(no) else { return lanes.map(|_| None).collect() };
        let first = tenant.index.groups.iter().filter_map(|group| group.active.first()).min();
        let mut held = Held::new(tenant, self.now);
        let mut unserved = BTreeMap::<&str, bool>::new();
        let mut gate = |lane: LaneNo| {
            if !(1..=tenant.lanes.len()).contains(&(lane.0 as usize)) {
                return None;
            }
            let by = held.by(lane);
            let found = tenant.lane(lane);
            if by.is_some() || found.waiting() == 0 {
                return by;
            }
            let job_type = found.key.job_type.as_str();
            if *unserved.entry(job_type).or_insert_with(|| self.no_worker(no, job_type).is_some()) {
                return Some(Gate::Worker);
            }
            let mine = found.active?;
            (others || first.is_some_and(|first| *first < (mine, lane))).then_some(Gate::Turn)
        };
        lanes.map(&mut gate).collect()
    }

    /// What waits in these lanes, and on what.
    pub(crate) fn lanes_waiting(&mut self, no: TenantNo, lanes: &[LaneNo]) -> LanesWaiting {
        let gates = self.waiting_on(no, lanes.iter().copied());
        let Some(tenant) = self.tenants.get(no) else { return LanesWaiting::default() };
        let mut all = LanesWaiting::default();
        for (lane, gate) in lanes.iter().zip(gates) {
            let lane = tenant.lane(*lane);
            all.leased += u64::from(lane.leased);
            if lane.waiting() > 0 {
                all.lanes += 1;
                all.ready += lane.waiting();
                if let Some(gate) = gate {
                    *all.waiting_on.entry(gate).or_default() += 1;
                }
            }
        }
        all
    }
}
