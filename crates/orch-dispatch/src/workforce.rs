//! How many workers' slots a job type could use: what would end its waiting work within a time, as far as gates let it.
//!
//! What waits and is under way is known of each group of lanes, how long attempts take of each job type. Groups share
//! limits; each takes what is left of them, in the order of the groups.

use std::collections::BTreeMap;

use orch_core::config::ConfigKind;
use orch_core::fact::PauseTarget;
use orch_core::ids::TenantNo;
use orch_core::time::Timestamp;
use orch_gates::BreakerState;
use orch_gates::workforce::{kept_busy, wanted};

use crate::answer::{Gate, Limiter, WorkersWanted};
use crate::explain::pause_words;
use crate::mutant::{self, Mutant};
use crate::shard::Shard;
use crate::tenant::{Group, Tenant, of_kind};
use crate::throttle::term;

/// Lanes of a group whose concurrency keys are looked at.
const LANES_MAX: usize = 10_000;

impl Shard {
    /// The question `WorkersWanted`: of one job type, or of all that are declared; by name.
    pub(crate) fn workers_wanted(
        &mut self,
        no: TenantNo,
        job_type: Option<&str>,
        target_ms: u64,
    ) -> Vec<WorkersWanted> {
        let now = self.now;
        let Some(tenant) = self.tenants.get_mut(no) else { return Vec::new() };
        tenant.look_at_blackouts(now);
        let tenant = &*tenant;
        let names = tenant.job_types().filter(|name| job_type.is_none_or(|only| only == *name));
        names.map(|name| tenant.workers_wanted(name, target_ms, now)).collect()
    }
}

/// What is left of the limits that groups share, by what they are called.
#[derive(Default)]
struct Left(BTreeMap<(Gate, String), u64>);

impl Left {
    /// Notes a limit, if it was not known, and says how much of it is left.
    fn of(&mut self, gate: Gate, name: &str, left: impl FnOnce() -> u64) -> u64 {
        *self.0.entry((gate, name.to_owned())).or_insert_with(left)
    }

    fn take(&mut self, limits: &[(Gate, String, u64)], slots: u64) {
        for (gate, name, _) in limits {
            if let Some(left) = self.0.get_mut(&(*gate, name.clone())) {
                *left = left.saturating_sub(slots);
            }
        }
    }
}

impl Tenant {
    /// The declared job types, by name.
    fn job_types(&self) -> impl Iterator<Item = &str> {
        of_kind(&self.configs, ConfigKind::JobType).map(|found| found.doc.name())
    }

    fn workers_wanted(&self, job_type: &str, target_ms: u64, now: Timestamp) -> WorkersWanted {
        let times = self.run_times.get(job_type);
        let mean_ms = times.and_then(orch_gates::RunTimes::mean_ms);
        let mut all = WorkersWanted {
            job_type: job_type.to_owned(),
            desired: 0,
            waiting: 0,
            under_way: 0,
            mean_ms,
            run_times: times.map_or(0, orch_gates::RunTimes::known),
            per_minute: times.map_or(0, |times| times.per_minute(now)),
            limited_by: Vec::new(),
        };
        let mut left = Left::default();
        for group in self.index.groups.iter().filter(|group| group.job_type == job_type) {
            let under_way = u64::from(group.leased);
            all.waiting += group.waiting;
            all.under_way += under_way;
            let more = wanted(group.waiting, under_way, mean_ms, target_ms) - under_way;
            let limits = self.limits(group, mean_ms, target_ms, now, &mut left);
            let slots = limits.iter().map(|(_, _, left)| *left).min().unwrap_or(u64::MAX).min(more);
            let slots = if mutant::on(Mutant::WorkersBeyondLimits) { more } else { slots };
            for (gate, by, _) in limits.iter().filter(|(_, _, left)| *left < more) {
                let limiter = Limiter { gate: *gate, by: by.clone() };
                if !all.limited_by.contains(&limiter) {
                    all.limited_by.push(limiter);
                }
            }
            left.take(&limits, slots);
            all.desired += under_way + slots;
        }
        all.limited_by.sort();
        all
    }

    /// What limits how many more of a group may be under way, and to how many.
    fn limits(
        &self,
        group: &Group,
        mean_ms: Option<u64>,
        target_ms: u64,
        now: Timestamp,
        left: &mut Left,
    ) -> Vec<(Gate, String, u64)> {
        let mut limits = Vec::new();
        let mut put = |gate: Gate, by: String, of: u64| limits.push((gate, by.clone(), left.of(gate, &by, || of)));
        if self.erase_at.is_some() {
            put(Gate::Deleting, "the tenant is marked for deletion".to_owned(), 0);
        }
        for target in self.pauses.keys().filter(|target| holds_all(target, group)) {
            put(Gate::Paused, format!("{} is paused", pause_words(target)), 0);
        }
        if group.shade.held {
            put(Gate::Blackout, "a blackout holds it".to_owned(), 0);
        }
        for target in &group.throttles {
            let Some(throttle) = self.throttles.get(target).filter(|throttle| throttle.holds_at(now)) else { continue };
            let under_way = self.under_way_of(target);
            if let Some(max) = throttle.limits.active_max {
                put(
                    Gate::Throttled,
                    format!("{} is throttled to {max} attempts", pause_words(target)),
                    more(max, under_way),
                );
            }
            if let (Some(max), Some(mean)) = (throttle.limits.per_minute_max, mean_ms) {
                let busy = kept_busy(&term(max), 1, mean).saturating_sub(under_way.into());
                put(Gate::Throttled, format!("{} is throttled to {max} a minute", pause_words(target)), busy);
            }
        }
        for name in &group.breakers {
            let under_way = self.under_way(name);
            let lets = match self.breakers.get(name).map(|kept| kept.breaker.state()) {
                None | Some(BreakerState::Closed) => continue,
                Some(BreakerState::Open { until, .. }) => u64::from(until <= now),
                Some(BreakerState::Ramp { most, .. }) => more(most, under_way),
                Some(BreakerState::Probing { .. } | BreakerState::Tripped) => 0,
            };
            put(Gate::Breaker, format!("breaker `{name}` is not closed"), lets);
        }
        let cost = self.cost(group);
        for doc in group.buckets.iter().filter_map(|name| self.bucket_doc(name)) {
            let closed = self.buckets_open([doc].into_iter(), (cost, group.urgent), now).at > now.plus_ms(target_ms);
            let busy = |mean| doc.terms.iter().map(|term| kept_busy(term, cost, mean)).min().unwrap_or(u64::MAX);
            // What other job types have under way at the host is theirs.
            let used =
                || self.index.groups.iter().filter(|of| of.buckets.contains(&doc.name)).map(|of| u64::from(of.leased));
            let lets = if closed { Some(0) } else { mean_ms.map(|mean| busy(mean).saturating_sub(used().sum())) };
            if let Some(lets) = lets {
                put(Gate::Bucket, format!("bucket `{}` lets no more begin", doc.name), lets);
            }
        }
        self.full_soon(group, mean_ms, &mut put);
        limits
    }

    /// The limits of what is under way: concurrency, what hosts bear, quotas, and the tenant's allotment.
    fn full_soon(&self, group: &Group, mean_ms: Option<u64>, put: &mut impl FnMut(Gate, String, u64)) {
        let used = |map: &BTreeMap<String, u32>, name: &str| map.get(name).copied().unwrap_or(0);
        let job_type = self.job_type(&group.job_type);
        if let Some(max) = job_type.and_then(|doc| doc.concurrency_max) {
            let by = format!("job type `{}` has at most {max} attempts", group.job_type);
            put(Gate::Concurrency, by, more(max, used(&self.index.leased_by_type, &group.job_type)));
        }
        if let Some(name) = &group.source
            && let Some(max) = self.source(name).and_then(|doc| doc.concurrency_max)
        {
            let by = format!("source `{name}` has at most {max} attempts");
            put(Gate::Concurrency, by, more(max, used(&self.index.leased_by_source, name)));
        }
        if let Some(max) = job_type.and_then(|doc| doc.concurrency_per_key_max) {
            let by = format!("each concurrency key has at most {max} attempts");
            put(Gate::Concurrency, by, self.let_by_keys(group, max));
        }
        for (name, max) in &group.flights {
            let most = self.in_flight_most(name, *max);
            let by = format!("bucket `{name}` lets {most} attempts be under way at its host");
            put(Gate::Concurrency, by, more(most, self.in_flight(name)));
        }
        if let Some(most) = self.allotment.active_max {
            let by = format!("the platform lets {most} attempts of the tenant be under way");
            put(Gate::Quota, by, more(most, self.active()));
        }
        let shares = self.whole().map(|whole| self.shares(whole)).filter(|_| !group.quotas.is_empty());
        for doc in group.quotas.iter().filter_map(|name| self.quota_doc(name)) {
            let active = self.used(doc).active;
            if let Some(max) = doc.active_max {
                put(Gate::Quota, format!("quota `{}` has at most {max} attempts", doc.name), more(max, active));
            }
            if let Some(share) = shares.as_ref().and_then(|shares| shares.get(&doc.name[..])) {
                put(Gate::Quota, format!("quota `{}` has a share of {share} attempts", doc.name), more(*share, active));
            }
            if let (Some(term), Some(mean)) = (doc.hourly(), mean_ms) {
                let busy = kept_busy(&term, 1, mean).saturating_sub(active.into());
                put(Gate::Quota, format!("quota `{}` lets {} begin an hour", doc.name, term.limit), busy);
            }
        }
    }

    /// How many more of a group's lanes their concurrency keys let be under way. Those whose key is full are not open.
    fn let_by_keys(&self, group: &Group, max: u32) -> u64 {
        let mut keys = BTreeMap::<&str, u64>::new();
        let mut free = 0_u64;
        for (_, no) in group.active.iter().take(LANES_MAX) {
            let lane = self.lane(*no);
            match lane.key.concurrency_key.as_deref() {
                Some(key) => *keys.entry(key).or_default() += lane.waiting(),
                None => free = free.saturating_add(lane.waiting()),
            }
        }
        let lets = |(key, waiting): (&str, u64)| {
            let of = (group.job_type.clone(), key.to_owned());
            more(max, self.index.leased_by_key.get(&of).copied().unwrap_or(0)).min(waiting)
        };
        keys.into_iter().map(lets).fold(free, u64::saturating_add)
    }
}

fn more(max: u32, used: u32) -> u64 {
    max.saturating_sub(used).into()
}

/// Does a pause hold whatever a group has?
fn holds_all(target: &PauseTarget, group: &Group) -> bool {
    match target {
        PauseTarget::Tenant => true,
        PauseTarget::Source(name) => group.source.as_ref() == Some(name),
        PauseTarget::JobType(name) => group.job_type == *name,
        PauseTarget::Quota(name) => group.quotas.contains(name),
        PauseTarget::Lane(_) => false,
    }
}

#[cfg(test)]
mod tests;
