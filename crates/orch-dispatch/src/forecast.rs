//! When a job starts that waits for attempts to end: an estimate from how long attempts take.
//!
//! What the shard knows (limits, what is under way and since when, workers, whose turn it is) is put into a small machine
//! (`machine.rs`), which is run ahead several times with run times drawn from those of late; the estimate is the median
//! of the runs. It supposes that every attempt ends well and that nothing else comes. It changes nothing, its draws are
//! no chance, and what it costs is bounded: beyond `STEPS` the rest is reckoned in proportion.

mod machine;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orch_core::fact::PauseTarget;
use orch_core::ids::{LaneNo, SessionId, TenantNo};
use orch_core::time::Timestamp;
use orch_gates::BreakerState;
use orch_gates::allotment::Party as Wants;

use self::machine::{Class, Crew, Draws, Limit, Line, Machine, Meter, Part, Party, UnderWay, Whole};
use crate::answer::{Estimate, InFlight};
use crate::bucket::{NEVER, half_guard_ms, way_ms};
use crate::host::Shared;
use crate::session::Session;
use crate::shard::Shard;
use crate::tenant::{Group, Tenant};
use crate::throttle::term;

/// Runs, of which the median counts.
const RUNS: usize = 15;
/// Grants and events of all runs together, weighed by how much is looked at for each.
const STEPS: usize = 40_000;
/// Lanes of a tenant that are looked at.
const LINES_MAX: usize = 2_048;
/// Attempts under way that are looked at; beyond, there is no estimate.
const UNDER_WAY_MAX: usize = 20_000;
/// Tenants that are looked at.
const TENANTS_MAX: usize = 64;
/// Jobs held in memory among which those that become due are looked for.
const HELD_MAX: usize = 10_000;

/// When a lane is granted from next, and when a job of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forecast {
    pub front: Estimate,
    /// `None`: its place is not known.
    pub starts: Option<Estimate>,
}

impl Shard {
    /// When the lane is granted from next, and when the job behind `ahead` others of it is. `None`: nobody knows, as
    /// when something holds it that no attempt's end opens, or nothing ended yet.
    pub(crate) fn forecast(&mut self, no: TenantNo, lane: LaneNo, ahead: Option<u64>) -> Option<Forecast> {
        let tenants = self.rivals(no);
        let shard = &*self;
        let mut plan = Plan::new(shard);
        for tenant in &tenants {
            plan.tenant(shard.tenants.get(*tenant)?, (*tenant == no).then_some(lane))?;
        }
        plan.crews(&tenants);
        let target = *plan.lines.get(&(no, lane))?;
        let run_times = shard.tenants.get(no)?.run_times_of(&shard.tenants.get(no)?.lane(lane).key.job_type);
        let machine = plan.machine;
        let weight = machine.weight();
        let (mut front, mut starts, mut steps) = (Vec::new(), Vec::new(), 0);
        for run in 0..RUNS {
            let mut draws = Draws((run as u64) << 32);
            let ran = machine.clone().run(target, ahead.unwrap_or(0), STEPS / 4 / weight, &mut draws);
            front.push(ran.front);
            starts.push(ran.starts);
            // What is copied for a run costs, too.
            steps += ran.steps * weight + machine.lines.len() + machine.under_way.len();
            if steps > STEPS {
                break;
            }
        }
        let median = |all: Vec<Option<Timestamp>>| {
            let mut all: Vec<_> = all.into_iter().map(|at| at.unwrap_or(NEVER)).collect();
            all.sort_unstable();
            Some(all[all.len() / 2]).filter(|at| *at != NEVER).map(|at| Estimate { at, run_times })
        };
        Some(Forecast { front: median(front)?, starts: ahead.and_then(|_| median(starts)) })
    }

    /// The tenant, and those whose work its workers do as well, the next in turn first.
    fn rivals(&mut self, no: TenantNo) -> Vec<TenantNo> {
        let worth = self.tenants.worth();
        let live: BTreeSet<_> = worth.open.union(&worth.leased).copied().filter(|other| *other != no).collect();
        let mine: Vec<_> = self.sessions.values().filter(|session| self.session_serves(session, no)).collect();
        let shares = |other: &TenantNo| mine.iter().any(|session| self.session_serves(session, *other));
        let mut rivals: Vec<_> = live.into_iter().filter(shares).collect();
        rivals.sort_by_key(|other| (self.arbiter.place(*other), *other));
        rivals.truncate(TENANTS_MAX);
        rivals.insert(0, no);
        rivals
    }
}

impl Tenant {
    /// Run times known of a job type.
    pub(crate) fn run_times_of(&self, job_type: &str) -> u32 {
        self.run_times.get(job_type).map_or(0, orch_gates::RunTimes::known)
    }
}

/// The machine in the making.
struct Plan<'a> {
    shard: &'a Shard,
    machine: Machine,
    lines: BTreeMap<(TenantNo, LaneNo), usize>,
    /// Of each class, whose it is and its job type.
    kinds: Vec<(TenantNo, &'a str)>,
    /// Run times of the first tenant of which any are known.
    pool: Vec<u32>,
    /// Attempts under way, by session.
    leases: Vec<(SessionId, UnderWay)>,
}

impl<'a> Plan<'a> {
    fn new(shard: &'a Shard) -> Self {
        let machine = Machine { now: shard.now, ..Machine::default() };
        Self { shard, machine, lines: BTreeMap::new(), kinds: Vec::new(), pool: Vec::new(), leases: Vec::new() }
    }

    fn limit(&mut self, limit: Limit) -> usize {
        self.machine.limits.push(limit);
        self.machine.limits.len() - 1
    }

    /// Puts a tenant in, with the lane that is asked for. `None`: no estimate can be made.
    fn tenant(&mut self, tenant: &'a Tenant, asked: Option<LaneNo>) -> Option<()> {
        if tenant.index.by_claim.len() > UNDER_WAY_MAX {
            return None;
        }
        let mut lanes: BTreeSet<LaneNo> = asked.into_iter().collect();
        let open = tenant.index.groups.iter().flat_map(|group| group.active.iter());
        lanes.extend(open.take(LINES_MAX).map(|(_, no)| *no));
        let keys = tenant.index.leased_by_key.keys().filter_map(|of| tenant.index.lanes_by_key.get(of));
        lanes.extend(keys.flatten().take(LINES_MAX).copied());
        let leased = tenant.index.by_claim.iter().filter_map(|(session, _, id)| Some((*session, tenant.jobs.get(id)?)));
        let leased: Vec<_> = leased.collect();
        lanes.extend(leased.iter().map(|(_, job)| job.lane));
        let due = self.due(tenant);
        lanes.extend(due.iter().map(|(_, no)| *no));
        let party = self.machine.parties.len();
        self.machine.parties.push(Party {
            place: self.shard.arbiter.place(tenant.no),
            vtime: tenant.vtime,
            whole: None,
        });
        let mut limits = Limits { tenant, of: BTreeMap::new(), meters: BTreeMap::new() };
        let mut classes = BTreeMap::new();
        let mut pool = Vec::new();
        tenant.run_times.values().for_each(|times| pool.extend(times.sorted()));
        pool.sort_unstable();
        if pool.is_empty() {
            // Nothing of a rival ever ended: its work is taken to be like the asker's.
            pool.clone_from(&self.pool);
        } else if self.pool.is_empty() {
            self.pool.clone_from(&pool);
        }
        for no in lanes {
            let group = tenant.index.group_of_lane[no.0 as usize - 1];
            if let Entry::Vacant(entry) = classes.entry(group) {
                entry.insert(self.class(tenant, group, party, &mut limits, &pool)?);
            }
            self.line(tenant, no, classes[&group], &mut limits);
        }
        for (session, job) in leased {
            let began = job.lease.as_ref().map_or(self.shard.now, |lease| lease.granted_at);
            let line = self.lines[&(tenant.no, job.lane)];
            self.leases.push((session, UnderWay { began, line, crew: None }));
        }
        let due = due.into_iter().map(|(at, lane)| (at, self.lines[&(tenant.no, lane)]));
        self.machine.due.extend(due);
        self.shares(tenant, party, &classes);
        Some(())
    }

    /// Jobs that enter their lanes later, and when.
    fn due(&self, tenant: &Tenant) -> Vec<(Timestamp, LaneNo)> {
        if tenant.index.counts.scheduled == 0 || tenant.jobs.len() > HELD_MAX {
            return Vec::new();
        }
        let due = tenant.jobs.values().filter(|job| job.state == orch_core::JobState::Scheduled);
        due.filter_map(|job| Some((job.due_at?, job.lane))).collect()
    }

    fn class(
        &mut self,
        tenant: &'a Tenant,
        group: usize,
        party: usize,
        limits: &mut Limits<'a>,
        pool: &[u32],
    ) -> Option<usize> {
        let group = &tenant.index.groups[group];
        let own = tenant.run_times.get(&group.job_type).map(orch_gates::RunTimes::sorted);
        // Of work that never ended, all that is known is how long other work takes.
        let times = own.unwrap_or_else(|| pool.to_vec());
        if times.is_empty() {
            return None;
        }
        self.machine.times.push(times);
        let docs = group.buckets.iter().filter_map(|name| tenant.bucket_doc(name));
        let class = Class {
            party,
            times: self.machine.times.len() - 1,
            limits: limits.of_group(self, group),
            meters: limits.meters_of_group(self, group),
            cost: tenant.cost(group),
            urgent: group.urgent,
            way_ms: way_ms(half_guard_ms(docs)),
            opens_at: self.opens_at(tenant, group),
            shared: group.shared != Shared::Free,
            ..Class::default()
        };
        self.machine.classes.push(class);
        self.kinds.push((tenant.no, &group.job_type));
        Some(self.machine.classes.len() - 1)
    }

    /// Before that nothing of a group is handed out, whatever ends.
    fn opens_at(&self, tenant: &Tenant, group: &Group) -> Timestamp {
        let now = self.shard.now;
        let paused = tenant.erase_at.is_some() || tenant.quota_paused(group);
        if paused || tenant.group_paused(&group.job_type, group.source.as_deref()) {
            return NEVER;
        }
        let dark = if group.shade.held { group.shade.until.unwrap_or(NEVER) } else { now };
        let permit = match &group.shared {
            Shared::Free => now,
            Shared::Unknown => NEVER,
            Shared::Host(host) => {
                let (cost, urgent) = (tenant.cost(group), group.urgent);
                let in_hand = tenant.permit(&(Arc::clone(host), cost, urgent), now).map(|_| now);
                in_hand.or_else(|| self.shard.permit_expected((host, cost, urgent), tenant.no)).unwrap_or(NEVER)
            }
        };
        let broken =
            group.breakers.iter().map(|name| match tenant.breakers.get(name).map(|kept| kept.breaker.state()) {
                Some(BreakerState::Open { until, .. }) => until,
                Some(BreakerState::Tripped) => NEVER,
                _ => now,
            });
        broken.chain([dark, permit]).max().unwrap_or(now)
    }

    fn line(&mut self, tenant: &'a Tenant, no: LaneNo, class: usize, limits: &mut Limits<'a>) {
        let lane = tenant.lane(no);
        let of_class = &self.machine.classes[class];
        let (mut own, mut meters) = (of_class.limits.clone(), of_class.meters.clone());
        own.extend(limits.of_key(self, no));
        let (more, minute) = limits.throttle(self, &PauseTarget::Lane(no));
        own.extend(more);
        meters.extend(minute);
        let place = self.machine.lines.len();
        let (pass, cost) = (lane.place(lane.aged), tenant.grant_cost(no, self.shard.now));
        let held = tenant.pauses.contains_key(&PauseTarget::Lane(no));
        let waiting = lane.waiting();
        if waiting > 0 && !held {
            self.machine.classes[class].active.insert((pass, no.0, place));
        }
        let ends = own.iter().any(|limit| self.machine.limits[*limit].until != NEVER);
        self.machine.classes[class].timed |= ends || !meters.is_empty();
        let line = Line { no: no.0, class, limits: own, meters, pass, cost, waiting, held };
        self.machine.lines.push(line);
        self.lines.insert((tenant.no, no), place);
    }

    /// What the whole tenant may have under way is shared out among what its quotas cover.
    fn shares(&mut self, tenant: &Tenant, party: usize, classes: &BTreeMap<usize, usize>) {
        let Some(whole) = tenant.whole() else { return };
        let docs: Vec<_> = tenant.quotas().filter(|doc| !doc.covers_all()).collect();
        let mut parts: Vec<_> = docs
            .iter()
            .map(|doc| {
                (
                    tenant.used(doc),
                    Wants {
                        wanted: 0,
                        reserved: doc.reserved.unwrap_or(0),
                        most: doc.active_max.unwrap_or(u32::MAX),
                        priority: doc.priority.unwrap_or(0),
                        weight: doc.weight.unwrap_or(1),
                    },
                )
            })
            .map(|(of, party)| Part { party, active: of.active, waiting: of.waiting })
            .collect();
        let rest = tenant.index.groups.iter().filter(|group| group.quotas.iter().all(|name| *name == whole.name));
        let (active, waiting) = rest.fold((0, 0), |(a, w), group| (a + group.leased, w + group.waiting));
        let wants = Wants { wanted: 0, reserved: 0, most: u32::MAX, priority: 0, weight: 1 };
        parts.push(Part { party: wants, active, waiting });
        for (group, class) in classes {
            let names = &tenant.index.groups[*group].quotas;
            let theirs = docs.iter().enumerate().filter(|(_, doc)| names.contains(&doc.name));
            let mut of: Vec<_> = theirs.map(|(part, _)| part).collect();
            if of.is_empty() {
                of.push(docs.len());
            }
            self.machine.classes[*class].parts = of;
        }
        let capacity = whole.active_max.unwrap_or(u32::MAX);
        self.machine.parties[party].whole = Some(Whole { capacity, parts, shares: None });
    }

    /// Workers: those that take the same are one crew. Attempts of others give no room when they end.
    fn crews(&mut self, tenants: &[TenantNo]) {
        let shard = self.shard;
        let mut held = BTreeMap::<SessionId, u32>::new();
        for (session, _) in &self.leases {
            *held.entry(*session).or_default() += 1;
        }
        let mut alike = BTreeMap::<(&[String], &[TenantNo]), usize>::new();
        let mut of_session = BTreeMap::new();
        for (id, session) in &shard.sessions {
            if !tenants.iter().any(|no| shard.session_serves(session, *no)) {
                continue;
            }
            let kind = (&session.params.job_types[..], &session.params.tenants[..]);
            let next = self.machine.crews.len();
            let crew = *alike.entry(kind).or_insert(next);
            if crew == next {
                let takes = self.kinds.iter().map(|(no, job_type)| self.takes(session, *no, job_type)).collect();
                self.machine.crews.push(Crew { room: 0, takes });
            }
            let room = session.params.capacity.saturating_sub(held.get(id).copied().unwrap_or(0));
            self.machine.crews[crew].room += room;
            of_session.insert(*id, crew);
        }
        let leases = std::mem::take(&mut self.leases).into_iter();
        let under_way = leases.map(|(session, way)| UnderWay { crew: of_session.get(&session).copied(), ..way });
        self.machine.under_way = under_way.collect();
    }

    fn takes(&self, session: &Session, no: TenantNo, job_type: &str) -> bool {
        self.shard.session_serves(session, no) && session.params.job_types.iter().any(|name| name == job_type)
    }
}

/// What a limit is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of<'a> {
    Type(&'a str),
    Source(&'a str),
    Key(&'a str, &'a str),
    Quota(&'a str),
    Bucket(&'a str),
    Breaker(&'a str),
    Flight(&'a str),
    Tenant,
    Throttle(PauseTarget),
}

/// The limits of a tenant that are in the machine already.
struct Limits<'a> {
    tenant: &'a Tenant,
    of: BTreeMap<Of<'a>, usize>,
    meters: BTreeMap<Of<'a>, usize>,
}

impl<'a> Limits<'a> {
    fn put(&mut self, plan: &mut Plan<'a>, of: Of<'a>, limit: Limit) -> usize {
        *self.of.entry(of).or_insert_with(|| plan.limit(limit))
    }

    fn put_meter(&mut self, plan: &mut Plan<'a>, of: Of<'a>, meter: impl FnOnce() -> Meter) -> usize {
        *self.meters.entry(of).or_insert_with(|| {
            plan.machine.meters.push(meter());
            plan.machine.meters.len() - 1
        })
    }

    fn of_group(&mut self, plan: &mut Plan<'a>, group: &'a Group) -> Vec<usize> {
        let (tenant, mut all) = (self.tenant, Vec::new());
        let used = |map: &BTreeMap<String, u32>, name: &str| map.get(name).copied().unwrap_or(0);
        if let Some(max) = tenant.job_type(&group.job_type).and_then(|doc| doc.concurrency_max) {
            let limit = Limit::of(max, used(&tenant.index.leased_by_type, &group.job_type));
            all.push(self.put(plan, Of::Type(&group.job_type), limit));
        }
        if let Some((name, max)) =
            group.source.as_deref().and_then(|name| Some((name, tenant.source(name)?.concurrency_max?)))
        {
            let limit = Limit::of(max, used(&tenant.index.leased_by_source, name));
            all.push(self.put(plan, Of::Source(name), limit));
        }
        for doc in group.quotas.iter().filter_map(|name| tenant.quota_doc(name)) {
            if let Some(max) = doc.active_max {
                all.push(self.put(plan, Of::Quota(&doc.name), Limit::of(max, tenant.used(doc).active)));
            }
        }
        for (name, max) in &group.flights {
            if let Some(InFlight { under_way, most, .. }) =
                tenant.bucket_doc(name).and_then(|doc| tenant.flight_of(doc))
            {
                // A cut limit rises by one for each limit's worth of ends; it is taken to stay.
                let limit = Limit::of(most.min(*max), under_way);
                all.push(self.put(plan, Of::Flight(name), limit));
            }
        }
        if let Some(max) = tenant.allotment.active_max {
            all.push(self.put(plan, Of::Tenant, Limit::of(max, tenant.active())));
        }
        for name in &group.breakers {
            all.extend(self.breaker(plan, name));
        }
        for target in &group.throttles {
            all.extend(self.throttle(plan, target).0);
        }
        all
    }

    fn breaker(&mut self, plan: &mut Plan<'a>, name: &'a str) -> Option<usize> {
        let top = self.tenant.breaker_doc(name)?.ramp_max;
        let under_way = self.tenant.under_way(name);
        let (most, used) = match self.tenant.breakers.get(name)?.breaker.state() {
            BreakerState::Ramp { most, .. } => (most, under_way),
            BreakerState::Probing { .. } => (0, under_way),
            // What began before it opened does not keep its canary back.
            BreakerState::Open { .. } => (1, 0),
            BreakerState::Closed | BreakerState::Tripped => return None,
        };
        let limit = Limit { rises_to: Some(top), ..Limit::of(most, used) };
        Some(self.put(plan, Of::Breaker(name), limit))
    }

    /// A throttle's limit, and its minute.
    fn throttle(&mut self, plan: &mut Plan<'a>, target: &PauseTarget) -> (Option<usize>, Option<usize>) {
        let now = plan.shard.now;
        let Some(throttle) = self.tenant.throttles.get(target).filter(|throttle| throttle.holds_at(now)) else {
            return (None, None);
        };
        let limits = throttle.limits;
        let of = || Of::Throttle(target.clone());
        let limit = limits.active_max.map(|max| {
            let limit = Limit { until: limits.until, ..Limit::of(max, self.tenant.under_way_of(target)) };
            self.put(plan, of(), limit)
        });
        let minute = limits.per_minute_max.map(|max| {
            let meter = || Meter::Minute { window: throttle.spent.clone(), term: term(max), until: limits.until };
            self.put_meter(plan, of(), meter)
        });
        (limit, minute)
    }

    fn of_key(&mut self, plan: &mut Plan<'a>, no: LaneNo) -> Option<usize> {
        let key = &self.tenant.lane(no).key;
        let concurrency = key.concurrency_key.as_deref()?;
        let max = self.tenant.job_type(&key.job_type)?.concurrency_per_key_max?;
        let of = (key.job_type.clone(), concurrency.to_owned());
        let used = self.tenant.index.leased_by_key.get(&of).copied().unwrap_or(0);
        Some(self.put(plan, Of::Key(&key.job_type, concurrency), Limit::of(max, used)))
    }

    fn meters_of_group(&mut self, plan: &mut Plan<'a>, group: &'a Group) -> Vec<usize> {
        let (tenant, mut all) = (self.tenant, Vec::new());
        for doc in group.buckets.iter().filter_map(|name| tenant.bucket_doc(name)) {
            let bucket = || tenant.buckets.get(&doc.name).cloned().unwrap_or_default();
            let meter = || Meter::Bucket {
                bucket: bucket(),
                terms: doc.terms.clone(),
                ramp_ms: doc.ramp_ms,
                reserve_percent: doc.urgent_reserve_percent,
                hour: false,
            };
            all.push(self.put_meter(plan, Of::Bucket(&doc.name), meter));
        }
        for doc in group.quotas.iter().filter_map(|name| tenant.quota_doc(name)) {
            let Some(term) = doc.hourly() else { continue };
            let bucket = || tenant.hours.get(&doc.name).cloned().unwrap_or_default();
            let meter =
                || Meter::Bucket { bucket: bucket(), terms: vec![term], ramp_ms: 1, reserve_percent: 0, hour: true };
            all.push(self.put_meter(plan, Of::Quota(&doc.name), meter));
        }
        for target in &group.throttles {
            all.extend(self.throttle(plan, target).1);
        }
        all
    }
}

#[cfg(test)]
pub(crate) mod tests;
