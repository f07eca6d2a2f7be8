//! A tenant's state: what its history alone decides, and indexes that are rebuilt from it.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::allotment::Allotment;
use orch_core::config::{ConfigDoc, ConfigKind, JobType, Source};
use orch_core::fact::PauseTarget;
use orch_core::ids::{BackfillId, ClaimId, JobId, LaneNo, RunId, SessionId, TenantId, TenantNo};
use orch_core::job::{DependsOn, JobState, LaneKey, Priority};
use orch_core::time::Timestamp;
use orch_gates::{Bucket, Latency, RunTimes};
use serde::{Deserialize, Serialize};

use crate::answer::{ConfigFound, OpenCounts, RunState, Stopped};
use crate::backfill::{AllRead, BackfillIndex, OpenBackfill};
use crate::blackout::{Blackouts, Shade};
use crate::breaker::{self, Kept};
use crate::bucket::host_of;
use crate::concurrency::KeyJobs;
use crate::fairness::{Account, Receipts};
use crate::host::{Governed, Host, Shared};
use crate::job::Job;
use crate::json_text;
use crate::lane::Lane;
use crate::mutant::{self, Mutant};
use crate::permit::Hand;
use crate::precedence::Precedence;
use crate::quota::Use;
use crate::run::{Followed, GraphKey, OpenRun, RunIndex};
use crate::schedule::{Course, Timetables};
use crate::throttle::Throttle;
use crate::warm::Warm;
use crate::watermark::Watermarks;

/// A declared thing's current version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versioned {
    #[serde(with = "json_text")]
    pub doc: ConfigDoc,
    pub version: u64,
    pub at: Timestamp,
}

impl Versioned {
    /// As it is shown.
    pub fn found(&self) -> ConfigFound {
        ConfigFound { doc: self.doc.clone(), version: self.version, at: self.at }
    }
}

/// All that a tenant declares.
pub(crate) type Configs = BTreeMap<(ConfigKind, String), Versioned>;

/// What is declared of one kind, by name.
pub(crate) fn of_kind(configs: &Configs, kind: ConfigKind) -> impl Iterator<Item = &Versioned> {
    configs.range((kind, String::new())..).take_while(move |((of, _), _)| *of == kind).map(|(_, found)| found)
}

/// Who paused and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub by: String,
    pub reason: Option<String>,
    pub at: Timestamp,
}

impl From<&Pause> for Stopped {
    fn from(Pause { by, reason, at }: &Pause) -> Self {
        Self { by: by.clone(), reason: reason.clone(), at: *at }
    }
}

impl RunState {
    /// Of what is open, given who asked for its end and who holds it.
    pub(crate) fn of(canceled: Option<&Pause>, paused: Option<&Pause>) -> Self {
        match (canceled, paused) {
            (Some(_), _) => Self::Canceling,
            (None, Some(_)) => Self::Paused,
            (None, None) => Self::Running,
        }
    }
}

/// Lanes of one job type, source and project, which share pauses and limits; those of urgent work are apart, since hosts
/// keep something for them, and those of backfills, which only get what nobody else wants.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub job_type: String,
    pub source: Option<String>,
    pub project: String,
    pub urgent: bool,
    pub backfill: bool,
    /// Lanes that could be granted from, the least served first.
    pub active: BTreeSet<(u64, LaneNo)>,
    /// Jobs handed out.
    pub leased: u32,
    /// Jobs that wait in its lanes.
    pub waiting: u64,
    /// Quotas that cover it, by name.
    pub quotas: Vec<String>,
    /// Throttles that cover it, by what they throttle.
    pub throttles: Vec<PauseTarget>,
    /// Buckets of its source's host, by name.
    pub buckets: Vec<String>,
    /// Those that limit what is under way, with their ceilings.
    pub flights: Vec<(String, u32)>,
    /// Whether the platform's buckets govern that host, too.
    pub shared: Shared,
    /// Breakers that govern its job type or its source's host, by name.
    pub breakers: Vec<String>,
    /// Blackouts that may hold it.
    pub shade: Shade,
}

/// The state of a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub no: TenantNo,
    pub id: TenantId,
    pub name: String,
    pub created_at: Timestamp,
    /// Seq of the last fact.
    pub seq: u64,
    pub config_version: u64,
    pub configs: Configs,
    pub lanes: Vec<Lane>,
    /// Open jobs that are more than fresh in their lane.
    pub jobs: BTreeMap<JobId, Job>,
    /// Open parent → the jobs that wait for it.
    pub dependents: BTreeMap<JobId, Vec<(JobId, DependsOn)>>,
    pub pauses: BTreeMap<PauseTarget, Pause>,
    /// What was spent of each bucket, by its name.
    pub buckets: BTreeMap<String, Bucket>,
    /// Whose turn it is at each host that all share, by the host; only in `system`.
    pub hosts: BTreeMap<String, Host>,
    /// What began within an hour under each quota that limits that, by its name.
    pub hours: BTreeMap<String, Bucket>,
    /// The last versions of what is declared no more.
    pub gone: BTreeMap<(ConfigKind, String), u64>,
    /// What is known of each breaker, by its name.
    pub breakers: BTreeMap<String, Kept>,
    /// What operators hold to limits for a while.
    pub throttles: BTreeMap<PauseTarget, Throttle>,
    /// How long attempts take that end well, by job type.
    pub run_times: BTreeMap<String, RunTimes>,
    /// Its open runs.
    pub runs: BTreeMap<RunId, OpenRun>,
    /// The graphs that they follow.
    pub graphs: BTreeMap<GraphKey, Followed>,
    /// Its open backfills.
    pub backfills: BTreeMap<BackfillId, OpenBackfill>,
    /// What backfills read, and what they could not.
    pub all_read: AllRead,
    /// What is known of each schedule, by its name.
    pub schedules: BTreeMap<String, Course>,
    /// Priorities that operators gave for a while.
    pub priorities: BTreeMap<PauseTarget, Precedence>,
    /// Jobs accepted under the default key, by job type.
    pub keyless: BTreeMap<String, u64>,
    /// How far its sources have been read, in event time.
    pub watermarks: Watermarks,
    /// Virtual time of the last lane served.
    pub vtime: u64,
    /// Its share beside others.
    #[serde(with = "json_text")]
    pub allotment: Allotment,
    /// What it was due and received, as it was noted.
    pub receipts: Receipts,
    /// It is marked for deletion, and can be restored until then.
    pub erase_at: Option<Timestamp>,
    #[serde(skip)]
    pub index: Index,
    #[serde(skip)]
    pub warm: Warm,
}

/// What is rebuilt from the state, and never saved.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub lane_by_key: BTreeMap<LaneKey, LaneNo>,
    pub groups: Vec<Group>,
    pub group_by_key: BTreeMap<(String, Option<String>, String, bool, bool), usize>,
    /// What is used of each quota.
    pub quotas: BTreeMap<String, Use>,
    pub group_of_lane: Vec<usize>,
    pub leased_by_type: BTreeMap<String, u32>,
    pub leased_by_source: BTreeMap<String, u32>,
    pub leased_by_key: BTreeMap<(String, String), u32>,
    /// Attempts under way that each breaker governs.
    pub under_way: BTreeMap<String, u32>,
    /// Attempts under way at the host of each bucket that limits them.
    pub in_flight: BTreeMap<String, u32>,
    /// What is known of the answers of each host that has a bucket. A new owner learns anew.
    pub latencies: BTreeMap<String, Latency>,
    pub lanes_by_key: BTreeMap<(String, String), Vec<LaneNo>>,
    /// Open jobs held in memory, by job type and concurrency key; only those of kept lanes.
    pub by_key: BTreeMap<(String, String), KeyJobs>,
    pub by_claim: BTreeSet<(SessionId, ClaimId, JobId)>,
    pub by_session: BTreeMap<SessionId, u32>,
    pub counts: OpenCounts,
    pub blackouts: Blackouts,
    pub timetables: Timetables,
    pub runs: RunIndex,
    pub backfills: BackfillIndex,
    /// Children that a parent's end has settled; the command that ended it goes on with them.
    pub resolved: Vec<JobId>,
    /// Lanes whose windows want filling.
    pub hungry: BTreeSet<LaneNo>,
    /// Something may have become grantable: parked claims are worth a look.
    pub stirred: bool,
    /// There are throttles of single lanes.
    pub lane_throttles: bool,
    /// Hosts that the platform's buckets govern.
    pub governed: Governed,
    /// There are groups whose host is one of them.
    pub any_shared: bool,
    /// Permits that were not used yet. They are in memory alone.
    pub hand: Hand,
    /// What it was due and received since that was noted last. It is in memory alone.
    pub account: Account,
}

impl Tenant {
    pub fn new(no: TenantNo, id: TenantId, name: String, created_at: Timestamp) -> Self {
        Self {
            no,
            id,
            name,
            created_at,
            seq: 0,
            config_version: 0,
            configs: BTreeMap::new(),
            lanes: Vec::new(),
            jobs: BTreeMap::new(),
            dependents: BTreeMap::new(),
            pauses: BTreeMap::new(),
            buckets: BTreeMap::new(),
            hosts: BTreeMap::new(),
            hours: BTreeMap::new(),
            gone: BTreeMap::new(),
            breakers: BTreeMap::new(),
            throttles: BTreeMap::new(),
            run_times: BTreeMap::new(),
            runs: BTreeMap::new(),
            graphs: BTreeMap::new(),
            backfills: BTreeMap::new(),
            all_read: AllRead::new(),
            schedules: BTreeMap::new(),
            priorities: BTreeMap::new(),
            keyless: BTreeMap::new(),
            watermarks: Watermarks::new(),
            vtime: 0,
            allotment: Allotment::default(),
            receipts: Receipts::default(),
            erase_at: None,
            index: Index::default(),
            warm: Warm::default(),
        }
    }

    pub fn lane(&self, no: LaneNo) -> &Lane {
        &self.lanes[no.0 as usize - 1]
    }

    pub fn lane_mut(&mut self, no: LaneNo) -> &mut Lane {
        &mut self.lanes[no.0 as usize - 1]
    }

    pub fn job_type(&self, name: &str) -> Option<&JobType> {
        match self.configs.get(&(ConfigKind::JobType, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::JobType(doc)) => Some(doc),
            _ => None,
        }
    }

    pub fn source(&self, name: &str) -> Option<&Source> {
        match self.configs.get(&(ConfigKind::Source, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::Source(doc)) => Some(doc),
            _ => None,
        }
    }

    pub fn config(&self, kind: ConfigKind, name: &str) -> Option<ConfigFound> {
        self.configs.get(&(kind, name.to_owned())).map(Versioned::found)
    }

    /// The policy of a lane's jobs. A job type is never deleted, so it is there.
    pub fn policy(&self, lane: LaneNo) -> &JobType {
        self.job_type(&self.lane(lane).key.job_type)
            .expect("a lane is opened only for a known job type, and none is ever deleted")
    }

    /// Is work of this kind held by a pause of the tenant, the type or the source?
    pub fn group_paused(&self, job_type: &str, source: Option<&str>) -> bool {
        !self.pauses.is_empty()
            && (self.pauses.contains_key(&PauseTarget::Tenant)
                || self.pauses.contains_key(&PauseTarget::JobType(job_type.to_owned()))
                || source.is_some_and(|name| self.pauses.contains_key(&PauseTarget::Source(name.to_owned()))))
    }

    /// Is a concurrency limit of the type or the source reached?
    pub fn group_full(&self, job_type: &str, source: Option<&str>) -> bool {
        let of_type = self.job_type(job_type).and_then(|doc| doc.concurrency_max);
        let type_full = of_type.is_some_and(|max| self.index.leased_by_type.get(job_type).copied().unwrap_or(0) >= max);
        let of_source = source.and_then(|name| self.source(name)).and_then(|doc| doc.concurrency_max);
        let in_source = || source.and_then(|name| self.index.leased_by_source.get(name)).copied().unwrap_or(0);
        type_full || of_source.is_some_and(|max| in_source() >= max)
    }

    /// Is the concurrency limit of the lane's key reached?
    pub fn key_full(&self, lane: &Lane) -> bool {
        let Some(key) = &lane.key.concurrency_key else { return false };
        let Some(max) = self.job_type(&lane.key.job_type).and_then(|doc| doc.concurrency_per_key_max) else {
            return false;
        };
        let of = (lane.key.job_type.clone(), key.clone());
        self.index.leased_by_key.get(&of).copied().unwrap_or(0) >= max
    }

    /// Attempts under way of a lane's key.
    pub fn leased_of_key(&self, no: LaneNo) -> u32 {
        let key = &self.lane(no).key;
        let of = (key.job_type.clone(), key.concurrency_key.clone().unwrap_or_default());
        self.index.leased_by_key.get(&of).copied().unwrap_or(0)
    }

    /// Is this lane held by a pause, its own or one of its kind?
    pub fn lane_paused(&self, no: LaneNo) -> bool {
        let key = &self.lane(no).key;
        self.pauses.contains_key(&PauseTarget::Lane(no))
            || self.group_paused(&key.job_type, key.source.as_deref())
            || self.quota_paused(self.group(no))
    }

    /// The group of a lane.
    pub fn group(&self, no: LaneNo) -> &Group {
        &self.index.groups[self.index.group_of_lane[no.0 as usize - 1]]
    }

    /// Brings a lane's place among those that can be granted from up to date. Call after whatever may change it.
    pub fn refresh_lane(&mut self, no: LaneNo) {
        let lane = self.lane(no);
        let open = lane.next().is_some() && !self.pauses.contains_key(&PauseTarget::Lane(no)) && !self.key_full(lane);
        let (pass, was) = (lane.place(lane.aged), lane.active);
        let hungry = lane.unloaded() > 0 && lane.window.len() < 512;
        let (waiting, counted) = (lane.waiting(), lane.counted);
        let wanted = open.then_some(pass);
        if waiting != counted {
            let group = self.index.group_of_lane[no.0 as usize - 1];
            let moved = |count: u64| (count + waiting).saturating_sub(counted);
            self.index.groups[group].waiting = moved(self.index.groups[group].waiting);
            self.count_quotas(group, |of| of.waiting = moved(of.waiting));
            self.lane_mut(no).counted = waiting;
        }
        if was != wanted {
            let group = self.index.group_of_lane[no.0 as usize - 1];
            let active = &mut self.index.groups[group].active;
            if let Some(pass) = was {
                active.remove(&(pass, no));
            }
            if let Some(pass) = wanted {
                active.insert((pass, no));
                self.index.stirred |= was.is_none();
            }
            self.lane_mut(no).active = wanted;
        }
        if hungry {
            self.index.hungry.insert(no);
        } else {
            self.index.hungry.remove(&no);
        }
    }

    /// Makes the indexes anew from the state. For recovery.
    pub fn rebuild(&mut self) {
        let mut index = Index::default();
        std::mem::swap(&mut self.index, &mut index);
        if !mutant::on(Mutant::BlackoutIgnoredAfterRecovery) {
            self.index.blackouts.declared(&self.configs);
        }
        self.index_schedules();
        self.index_runs();
        self.index_backfills();
        if mutant::on(Mutant::ThrottleLostAtRecovery) {
            self.throttles.clear();
        }
        for no in 1..=self.lanes.len() {
            self.index_lane(LaneNo(u32::try_from(no).unwrap_or(u32::MAX)));
        }
        let jobs = std::mem::take(&mut self.jobs);
        for (id, job) in &jobs {
            self.count(job.state, 1);
            match (&job.lease, job.state) {
                (Some(lease), _) => self.index_lease(*id, job.lane, lease.session, lease.claim),
                (None, JobState::Ready) if !job.held => {
                    self.lane_mut(job.lane).again.insert(job.order_key, *id);
                }
                _ => {}
            }
        }
        self.jobs = jobs;
        for no in 1..=self.lanes.len() {
            let no = LaneNo(u32::try_from(no).unwrap_or(u32::MAX));
            let lane = self.lane_mut(no);
            lane.window_end = lane.head;
            let fresh = lane.fresh;
            self.index.counts.ready += fresh;
            self.refresh_lane(no);
        }
        if !mutant::on(Mutant::KeysForgottenAtRecovery) {
            self.index_keys();
        }
    }

    /// Puts a lane into the indexes.
    pub fn index_lane(&mut self, no: LaneNo) {
        let key = self.lane(no).key.clone();
        self.lane_mut(no).kept = self.is_kept(&key);
        let urgent = key.priority == Priority::Urgent;
        let backfill = key.priority == Priority::Backfill;
        let group_key = (key.job_type.clone(), key.source.clone(), key.project.clone(), urgent, backfill);
        let next = self.index.groups.len();
        let group = *self.index.group_by_key.entry(group_key).or_insert(next);
        if group == next {
            let (job_type, source, project) = (key.job_type.clone(), key.source.clone(), key.project.clone());
            self.index.groups.push(Group { job_type, source, project, urgent, backfill, ..Group::default() });
            self.index_group(group);
            self.note_declared();
        }
        self.index.group_of_lane.push(group);
        if let Some(concurrency) = &key.concurrency_key {
            let of = (key.job_type.clone(), concurrency.clone());
            self.index.lanes_by_key.entry(of).or_default().push(no);
        }
        self.index.lane_by_key.insert(key, no);
    }

    /// Finds out anew which declared things and throttles each group of lanes has to do with.
    pub fn index_groups(&mut self) {
        (0..self.index.groups.len()).for_each(|group| self.index_group(group));
        self.note_declared();
        self.index.quotas.clear();
        self.index.under_way.clear();
        self.index.in_flight.clear();
        for group in &self.index.groups {
            for name in &group.quotas {
                let of = self.index.quotas.entry(name.clone()).or_default();
                of.active += group.leased;
                of.waiting += group.waiting;
            }
            for name in &group.breakers {
                *self.index.under_way.entry(name.clone()).or_default() += group.leased;
            }
            for (name, _) in &group.flights {
                *self.index.in_flight.entry(name.clone()).or_default() += group.leased;
            }
        }
    }

    /// The same for one group. What quotas and breakers count stays: nothing of a new group is under way or waits.
    fn index_group(&mut self, place: usize) {
        let configs = &self.configs;
        let of = &self.index.groups[place];
        let (job_type, source) = (&of.job_type, of.source.as_deref());
        let host = host_of(configs, source);
        let shade = self.index.blackouts.shade(job_type, source, host);
        let shared = self.index.governed.of(host);
        let breakers = breaker::governing(configs, job_type, host);
        let (buckets, quotas) = (self.own_buckets(host), self.quotas_of(job_type, &of.project));
        let (flights, throttles) = (self.flights_of(&buckets), self.throttles_of(of, &quotas));
        let group = &mut self.index.groups[place];
        (group.shade, group.shared, group.breakers) = (shade, shared, breakers);
        (group.buckets, group.quotas, group.throttles, group.flights) = (buckets, quotas, throttles, flights);
    }

    /// Notes whether there is a governed host, or a throttled lane, at all.
    pub fn note_declared(&mut self) {
        let is_host = |group: &Group| matches!(group.shared, Shared::Host(_));
        self.index.any_shared = self.index.groups.iter().any(is_host);
        self.index.lane_throttles = self.throttles.keys().any(|target| matches!(target, PauseTarget::Lane(_)));
    }

    /// Takes a slot for a lease: the slot is the lease itself.
    pub fn index_lease(&mut self, job: JobId, no: LaneNo, session: SessionId, claim: ClaimId) {
        let key = self.lane(no).key.clone();
        self.index.by_claim.insert((session, claim, job));
        *self.index.by_session.entry(session).or_default() += 1;
        let group = self.index.group_of_lane[no.0 as usize - 1];
        self.count_quotas(group, |of| of.active += 1);
        let group = &mut self.index.groups[group];
        group.leased += 1;
        for name in &group.breakers {
            bump(&mut self.index.under_way, name);
        }
        for (name, _) in &group.flights {
            bump(&mut self.index.in_flight, name);
        }
        bump(&mut self.index.leased_by_type, &key.job_type);
        if let Some(source) = &key.source {
            bump(&mut self.index.leased_by_source, source);
        }
        if let Some(concurrency) = key.concurrency_key {
            let of = (key.job_type, concurrency);
            *self.index.leased_by_key.entry(of.clone()).or_default() += 1;
            if !mutant::on(Mutant::SiblingLaneOpen) {
                self.refresh_siblings(&of);
            }
        }
    }

    /// The lanes of a concurrency key share its limit.
    fn refresh_siblings(&mut self, of: &(String, String)) {
        for sibling in self.index.lanes_by_key.get(of).cloned().unwrap_or_default() {
            self.refresh_lane(sibling);
        }
    }

    /// The slot of a lease is one of another lane from now on, which differs in its class alone.
    pub fn move_lease(&mut self, from: LaneNo, to: LaneNo) {
        for (no, by) in [(from, -1), (to, 1)] {
            let group = self.index.group_of_lane[no.0 as usize - 1];
            let leased = &mut self.index.groups[group].leased;
            *leased = leased.saturating_add_signed(by);
        }
    }

    /// Frees the slot of a lease.
    pub fn unindex_lease(&mut self, job: JobId, no: LaneNo, session: SessionId, claim: ClaimId) {
        self.index.by_claim.remove(&(session, claim, job));
        if let Some(leases) = self.index.by_session.get_mut(&session) {
            *leases -= 1;
            if *leases == 0 {
                self.index.by_session.remove(&session);
            }
        }
        let key = self.lane(no).key.clone();
        // A slot that comes free is work for a parked claim only where the limit was reached.
        self.index.stirred |= self.group_full(&key.job_type, key.source.as_deref()) && !mutant::on(Mutant::SlotUnheard);
        let group = self.index.group_of_lane[no.0 as usize - 1];
        let of = &self.index.groups[group];
        self.index.stirred |= !of.quotas.is_empty() || !of.flights.is_empty() || !self.throttles.is_empty();
        self.index.stirred |= self.allotment.active_max.is_some();
        if !mutant::on(Mutant::QuotaSlotLeaked) {
            self.count_quotas(group, |of| of.active -= 1);
        }
        let group = &mut self.index.groups[group];
        group.leased -= 1;
        for name in &group.breakers {
            drop_one(&mut self.index.under_way, name);
        }
        for (name, _) in group.flights.iter().filter(|_| !mutant::on(Mutant::FlightSlotLeaked)) {
            drop_one(&mut self.index.in_flight, name);
        }
        drop_one(&mut self.index.leased_by_type, &key.job_type);
        if let Some(source) = &key.source {
            drop_one(&mut self.index.leased_by_source, source);
        }
        if let Some(concurrency) = key.concurrency_key {
            let of = (key.job_type, concurrency);
            if let Some(count) = self.index.leased_by_key.get_mut(&of) {
                *count -= 1;
            }
            self.refresh_siblings(&of);
        }
    }

    /// Counts a job that enters (+1) or leaves (−1) a state.
    pub fn count(&mut self, state: JobState, by: i64) {
        let counts = &mut self.index.counts;
        let count = match state {
            JobState::Blocked => &mut counts.blocked,
            JobState::Scheduled => &mut counts.scheduled,
            JobState::Ready => &mut counts.ready,
            JobState::Leased => &mut counts.leased,
            JobState::Running => &mut counts.running,
            _ => return,
        };
        *count = count.saturating_add_signed(by);
    }
}

fn bump(counts: &mut BTreeMap<String, u32>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
    } else {
        counts.insert(name.to_owned(), 1);
    }
}

fn drop_one(counts: &mut BTreeMap<String, u32>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
    }
}
