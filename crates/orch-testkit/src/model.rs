//! The judge of the simulated world: what a ledger's facts and the callers' log allow, by DESIGN §4.
//!
//! It reads only commits and calls, never the dispatcher's state. `facts.rs` judges commits, `answers.rs` judges what
//! callers are told, `clock.rs` knows how long a lease may live at most.

mod answers;
mod blackouts;
mod breakers;
mod buckets;
mod clock;
mod facts;
mod fairness;
mod hosts;
mod idle;
mod keys;
mod log;
mod quotas;
mod rows;
mod run_times;
mod schedules;
mod throttles;
mod voices;
mod watermarks;

use std::collections::{BTreeMap, BTreeSet};

use orch_core::allotment::Allotment;
use orch_core::config::{ConfigDoc, ConfigKind, JobType, Source};
use orch_core::fact::{PauseTarget, Record};
use orch_core::ids::{ClaimId, JobId, LaneNo, SessionId, Stream, TenantNo};
use orch_core::job::{AttemptOutcome, Dependency, JobState, LaneKey, Origin};
use orch_core::lease::Token;
use orch_core::port::Append;
use orch_core::time::Timestamp;
use orch_core::watermark::Axis;

pub use breakers::{Breaker, Phase};
pub use buckets::Bucket;
pub use clock::LeaseClock;
pub use idle::{CALM_MS, Waits};
pub use log::{CallLog, Said};
pub use run_times::RunTimes;
pub use throttles::Throttle;
pub use voices::Voices;
pub use watermarks::Moved;

/// A promise that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// How.
    pub text: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.promise, self.text)
    }
}

/// The outcome of a judgement.
pub type Judged = Result<(), Violation>;

/// Holds, or is a violation of `promise`.
pub(crate) fn ensure(holds: bool, promise: &'static str, text: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { Err(Violation { promise, text: text() }) }
}

/// The end of an attempt, as history tells it.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// Epoch of its grant.
    pub epoch: u64,
    /// Which.
    pub attempt: u32,
    /// How; `None` when a job ended while it was open and the fact names no outcome.
    pub outcome: Option<AttemptOutcome>,
    /// Fingerprint of the report that ended it.
    pub report: Option<[u8; 16]>,
}

/// An open lease, as history tells it.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Epoch of the grant.
    pub epoch: u64,
    /// Who has it.
    pub session: SessionId,
    /// For which claim.
    pub claim: ClaimId,
    /// Since when.
    pub granted_at: Timestamp,
    /// Its length at the grant.
    pub lease_ms: u64,
    /// How long the attempt may run.
    pub execution_ms: u64,
    /// The latest end that anybody was told.
    pub told_until: Timestamp,
    /// The longest length that anybody was told.
    pub told_ms: u64,
    /// Somebody was told that a sign of life of it was taken.
    pub told_heard: bool,
    /// The breakers whose canary it is.
    pub probes: Vec<String>,
}

impl Lease {
    /// Nobody was told that anything was heard of it, for two heartbeats from its grant.
    #[must_use]
    pub fn is_unheard(&self, at: Timestamp) -> bool {
        !self.told_heard && at.ms_since(self.granted_at) >= self.lease_ms * 2 / 3
    }
}

/// A job, as history tells it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its lane.
    pub lane: LaneNo,
    /// Seq of the fact that accepted it.
    pub accepted: u64,
    /// It was accepted as one that only the ledger need know.
    pub fresh: bool,
    /// Its state.
    pub state: JobState,
    /// Each state with the seq that led to it.
    pub states: Vec<(u64, JobState)>,
    /// The commit that brought its state.
    pub state_commit: u64,
    /// The commit that accepted it.
    pub commit: u64,
    /// Seq of its last fact.
    pub last_seq: u64,
    /// Hand-outs.
    pub attempt: u32,
    /// Those that count.
    pub tries: u32,
    /// Lost leases.
    pub lost: u32,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// Final by then.
    pub deadline: Option<Timestamp>,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Scheduled: until when.
    pub due_at: Option<Timestamp>,
    /// The open lease.
    pub lease: Option<Lease>,
    /// A cancel was asked for: when its grace ends.
    pub cancel: Option<Timestamp>,
    /// Place in its lane while ready.
    pub order_key: u64,
    /// Ended attempts.
    pub ends: Vec<AttemptEnd>,
    /// Its dead letter was settled.
    pub settled: bool,
    /// Where it comes from.
    pub origin: Option<Origin>,
}

impl Job {
    /// The open lease, if `token` is its token.
    #[must_use]
    pub fn current(&self, token: Token) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.epoch == token.epoch && self.attempt == token.attempt)
    }

    /// How the token's attempt ended.
    #[must_use]
    pub fn end_of(&self, token: Token) -> Option<&AttemptEnd> {
        self.ends.iter().find(|end| (end.epoch, end.attempt) == (token.epoch, token.attempt))
    }
}

/// A lane, as history tells it.
#[derive(Debug)]
pub struct Lane {
    /// What its jobs have in common.
    pub key: LaneKey,
    /// Those that wait, by order key.
    pub ready: BTreeMap<u64, JobId>,
    /// Order key of the last first grant.
    pub head: u64,
    /// Highest order key that was ever given.
    pub tail: u64,
}

/// What a key answered: jobs, fingerprint, when, in which commit.
type KeyAnswer = (Vec<JobId>, [u8; 16], Timestamp, u64);

/// Jobs accepted under one key, with their times.
type Accepted = Vec<(JobId, Timestamp)>;

/// A tenant, as history tells it.
#[derive(Debug, Default)]
pub struct Tenant {
    /// Seq of the last fact.
    pub seq: u64,
    /// The commit of the last fact.
    pub commit: u64,
    /// When something happened to it last.
    pub touched_at: Timestamp,
    /// Config changes.
    pub config_version: u64,
    /// Declared things: document, version, commit.
    pub configs: BTreeMap<(ConfigKind, String), (ConfigDoc, u64, u64)>,
    /// Lanes.
    pub lanes: Vec<Lane>,
    /// Jobs.
    pub jobs: BTreeMap<JobId, Job>,
    /// Parent → children.
    pub children: BTreeMap<JobId, BTreeSet<JobId>>,
    /// What is paused.
    pub pauses: BTreeSet<PauseTarget>,
    /// What is throttled.
    pub throttles: BTreeMap<PauseTarget, Throttle>,
    /// Buckets, by name.
    pub buckets: BTreeMap<String, Bucket>,
    /// When attempts under each hourly quota began: under which version of it.
    pub hours: BTreeMap<String, Vec<(u64, Timestamp)>>,
    /// The last versions of what is declared no more.
    pub gone: BTreeMap<(ConfigKind, String), u64>,
    /// Breakers, by name.
    pub breakers: BTreeMap<String, Breaker>,
    /// What strategies of concurrency keys owe.
    pub keys_owe: keys::Keys,
    /// When something was declared last.
    pub configured_at: Timestamp,
    /// Keys: fingerprint, jobs, when, commit.
    pub keys: BTreeMap<[u8; 16], KeyAnswer>,
    /// Longest lease that a job type ever had.
    pub lease_ms_most: BTreeMap<String, u64>,
    /// It is marked for deletion.
    pub marked: bool,
    /// How long attempts took, by job type.
    pub run_times: BTreeMap<String, RunTimes>,
    /// What the platform allots it.
    pub allotment: Allotment,
    /// Schedules, by name.
    pub schedules: schedules::Courses,
    /// Grants by hour.
    pub grants: BTreeMap<Timestamp, u64>,
    /// Watermarks, by source and axis.
    pub watermarks: BTreeMap<(String, Axis), Moved>,
    /// Attempts that moved a watermark, and where to.
    pub advanced: BTreeSet<(JobId, u32, Axis, Option<Timestamp>)>,
}

impl Tenant {
    /// A lane of this tenant.
    #[must_use]
    pub fn lane(&self, no: LaneNo) -> Option<&Lane> {
        self.lanes.get((no.0 as usize).wrapping_sub(1))
    }

    /// The declared quota of this name covers a lane.
    fn quota_covers(&self, name: &str, lane: &Lane) -> bool {
        let found = self.configs.get(&(ConfigKind::Quota, name.to_owned())).map(|(doc, _, _)| doc);
        matches!(found, Some(ConfigDoc::Quota(doc)) if doc.covers(&lane.key.job_type, &lane.key.project))
    }

    /// The longest lease that the job's type ever had.
    fn longest_lease_ms(&self, job: JobId) -> u64 {
        let lane = self.jobs.get(&job).and_then(|job| self.lane(job.lane));
        lane.and_then(|lane| self.lease_ms_most.get(&lane.key.job_type)).copied().unwrap_or(0)
    }

    fn lane_mut(&mut self, no: LaneNo) -> Option<&mut Lane> {
        self.lanes.get_mut((no.0 as usize).wrapping_sub(1))
    }

    /// A job type's document.
    #[must_use]
    pub fn job_type(&self, name: &str) -> Option<&JobType> {
        match &self.configs.get(&(ConfigKind::JobType, name.to_owned()))?.0 {
            ConfigDoc::JobType(doc) => Some(doc),
            _ => None,
        }
    }

    /// A source's document.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        match &self.configs.get(&(ConfigKind::Source, name.to_owned()))?.0 {
            ConfigDoc::Source(doc) => Some(doc),
            _ => None,
        }
    }

    /// The policy of a job.
    #[must_use]
    pub fn policy(&self, job: &Job) -> Option<&JobType> {
        self.job_type(&self.lane(job.lane)?.key.job_type)
    }
}

/// What a run has shown of facts and races, by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// The judge.
#[derive(Debug, Default)]
pub struct Model {
    /// Tenants.
    pub tenants: BTreeMap<TenantNo, Tenant>,
    /// What callers did.
    pub log: CallLog,
    /// How long leases may live.
    pub clock: LeaseClock,
    /// When the owner began to serve.
    pub served_since: Timestamp,
    /// When workers spoke.
    pub voices: Voices,
    /// What was seen.
    pub counts: Counts,
    /// The last commit.
    pub commit: u64,
    /// The latest time in the ledger.
    pub time: Timestamp,
    /// The epoch of the last commit.
    pub epoch: u64,
    arbiter_seq: u64,
    hosts: hosts::Hosts,
    /// What claims wait for.
    pub waits: idle::Waits,
    /// Jobs accepted by key: for promise 2.
    accepted: BTreeMap<(TenantNo, [u8; 16]), Accepted>,
}

impl Model {
    /// Counts something that was seen.
    pub fn saw(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A job of a tenant.
    #[must_use]
    pub fn job(&self, tenant: TenantNo, id: JobId) -> Option<&Job> {
        self.tenants.get(&tenant)?.jobs.get(&id)
    }

    /// A new owner begins to serve: each lease gets a full length of its time. Its time may lie behind what the
    /// owner before it told without a fact (the database's clock stepped back), but not behind the ledger's; more than
    /// that full length nobody can hold it to.
    ///
    /// # Errors
    /// `end_of` a lease lies before that full length.
    pub fn serve(
        &mut self,
        now: Timestamp,
        end_of: impl Fn(TenantNo, JobId) -> Option<Timestamp>,
    ) -> Result<(), Violation> {
        self.voices = Voices::default();
        self.hosts.new_owner();
        self.served_since = now;
        let tenants = &self.tenants;
        self.clock.serve(now, |(no, job, _)| tenants.get(&no).map_or(0, |tenant| tenant.longest_lease_ms(job)));
        for (no, tenant) in &mut self.tenants {
            for (id, job) in &mut tenant.jobs {
                let Some(lease) = &mut job.lease else { continue };
                let full = now.plus_ms(lease.told_ms);
                let end = end_of(*no, *id);
                ensure(end.is_some_and(|end| end >= full), "7: no live worker is robbed", || {
                    format!("after a recovery {id}'s lease ends at {end:?}, and was told to last until {full}")
                })?;
                lease.told_until = lease.told_until.min(full);
            }
        }
        Ok(())
    }

    /// Takes a commit that has become visible.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn absorb(&mut self, append: &Append) -> Judged {
        ensure(append.commit_no == self.commit + 1, "gapless", || format!("commit {}", append.commit_no))?;
        ensure(append.epoch >= self.epoch, "fence", || format!("epoch fell to {}", append.epoch))?;
        self.commit = append.commit_no;
        self.epoch = append.epoch;
        let floor = self.time;
        for block in &append.blocks {
            let records = block.records().map_err(|error| Violation { promise: "facts", text: error.to_string() })?;
            let mut last = floor;
            for record in &records {
                ensure(record.at >= last, "9: time never falls", || format!("{} after {last}", record.at))?;
                last = record.at;
                self.fact(block.stream, record, append)?;
            }
            self.time = self.time.max(last);
        }
        self.rows(append)?;
        for no in append.blocks.iter().filter_map(|block| block.stream.tenant()) {
            keys::settled(self.tenants.entry(no).or_default())?;
        }
        self.settled(append)
    }

    fn fact(&mut self, stream: Stream, record: &Record, append: &Append) -> Judged {
        self.saw(record.body.kind());
        ensure(record.rules_version == orch_core::fact::RULES_VERSION, "facts", || "another rules version".to_owned())?;
        let Some(no) = stream.tenant() else {
            ensure(record.seq == self.arbiter_seq + 1, "gapless", || format!("arbiter seq {}", record.seq))?;
            self.arbiter_seq = record.seq;
            return Ok(());
        };
        let tenant = self.tenants.entry(no).or_default();
        ensure(record.seq == tenant.seq + 1, "gapless", || format!("seq {} of {no:?}", record.seq))?;
        ensure(record.config_version == tenant.config_version, "facts", || {
            format!("config_version at {}", record.seq)
        })?;
        tenant.seq = record.seq;
        tenant.commit = append.commit_no;
        keys::next(tenant, &record.body)?;
        self.tenant_fact(no, record, append)?;
        self.tenants.entry(no).or_default().touched_at = record.at;
        Ok(())
    }

    /// What must hold between commits: no child waits for nothing.
    fn settled(&self, append: &Append) -> Judged {
        for block in &append.blocks {
            let Some(tenant) = block.stream.tenant().and_then(|no| self.tenants.get(&no)) else { continue };
            for (id, job) in tenant.jobs.iter().filter(|(_, job)| job.state == JobState::Blocked) {
                let open = job.depends_on.iter().filter(|edge| !tenant.jobs[&edge.job].state.is_final()).count();
                ensure(open > 0 && !facts::doomed(tenant, job), "edges count once", || format!("{id} stays blocked"))?;
            }
        }
        Ok(())
    }

    /// Jobs that are not final.
    #[must_use]
    pub fn open_jobs(&self) -> Vec<(TenantNo, JobId, JobState)> {
        let all =
            self.tenants.iter().flat_map(|(no, tenant)| tenant.jobs.iter().map(|(id, job)| (*no, *id, job.state)));
        all.filter(|(_, _, state)| !state.is_final()).collect()
    }
}
