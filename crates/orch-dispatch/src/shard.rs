//! A shard: its tenants, the arbiter, the sessions and the parked claims. Commands come in here.
//!
//! The engine calls `needs`, reads, then `execute`; takes the `Output` into an append; and tells when it committed.

use std::collections::{BTreeMap, VecDeque};

use orch_core::block::BlockError;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::fact::{Fact, Record};
use orch_core::ids::{Incarnation, JobId, SessionId, ShardNo, Stream, TenantNo};
use orch_core::limits;
use orch_core::port::{Append, Commit, SnapshotRow};
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::arbiter::Arbiter;
use crate::command::{ClaimParams, Command, NewJob, speaks_for};
use crate::decide::{Desk, Moment};
use crate::fairness::Sampled;
use crate::key_filter::{KeyFilter, KeyWish};
use crate::lane::Held;
use crate::mutant::{self, Mutant};
use crate::output::Output;
use crate::permit::Hosts;
use crate::prepared::{Needs, Prepared, Readings};
use crate::report::stale;
use crate::session::Session;
use crate::tenant::Tenant;
use crate::tenants::Tenants;
use crate::tick::GAP_MS;
use crate::warm;
use crate::wheel::{Watched, Wheel};

/// The form of snapshots that this code writes and reads.
pub const SNAPSHOT_FORMAT: u32 = 8;

/// A parked claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub u64);

/// What a command returns at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The answer; to be sent when the position is committed.
    Now(Answer),
    /// A claim that waits for work; its answer comes through `Output::take_woken`.
    Parked(WaiterId),
}

#[derive(Debug)]
pub(crate) struct Waiter {
    pub id: WaiterId,
    pub until: Timestamp,
    pub params: ClaimParams,
}

/// Which life of which shard this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The shard.
    pub shard: ShardNo,
    /// The epoch of this ownership.
    pub epoch: u64,
    /// The ledger's life.
    pub incarnation: Incarnation,
}

/// Sizes that bound a commit and the memory of windows. Tests make them small, so that their edges are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Facts in one commit, whole commands.
    pub commit_facts: usize,
    /// The same while one who asks for little waits beside one who asks for much.
    pub mixed_commit_facts: usize,
    /// Entries in all lanes' windows together.
    pub window_budget: usize,
    /// Bytes of payloads in all lanes' windows together.
    pub window_bytes: usize,
    /// Rows of one window read.
    pub window_read: usize,
    /// Keys in one page that fills the filter.
    pub key_read: usize,
    /// Appends under way at most.
    pub appends: usize,
    /// Facts that are worth an append while another is under way.
    pub second_append_facts: usize,
    /// Jobs and keys that may be read ahead for commands that have not run yet.
    pub reading_ahead: usize,
    /// Facts of runs that one command leads to at once.
    pub run_facts: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            commit_facts: size(limits::FACTS_PER_COMMIT),
            mixed_commit_facts: size(limits::FACTS_PER_MIXED_COMMIT),
            window_budget: size(limits::WINDOW_BUDGET),
            window_bytes: size(limits::WINDOW_BYTES),
            window_read: size(limits::WINDOW_READ),
            key_read: size(limits::KEY_READ),
            appends: 1,
            second_append_facts: size(limits::SECOND_APPEND_FACTS),
            reading_ahead: size(limits::READING_AHEAD),
            run_facts: size(limits::RUN_FACTS_AT_ONCE),
        }
    }
}

/// Why a shard could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The snapshot was written by a newer program.
    #[error("the snapshot's form is {0}, and this program knows {SNAPSHOT_FORMAT}: run the newer program")]
    Newer(u32),
    /// The snapshot is not readable.
    #[error("the snapshot cannot be read: {0}")]
    Snapshot(String),
    /// A block is not what was written.
    #[error("the tail cannot be read")]
    Block(#[from] BlockError),
    /// Facts that do not follow each other.
    #[error("the tail has a gap: {0}")]
    Gap(String),
}

/// The state of a shard.
#[derive(Debug)]
pub struct Shard {
    pub(crate) identity: Identity,
    pub(crate) tenants: Tenants,
    pub(crate) arbiter: Arbiter,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) waiters: VecDeque<Waiter>,
    pub(crate) next_waiter: u64,
    pub(crate) wheel: Wheel,
    /// When each tenant that waits for a bucket, a breaker or a blackout is looked at again.
    pub(crate) openings: BTreeMap<TenantNo, Timestamp>,
    pub(crate) now: Timestamp,
    pub(crate) served: bool,
    /// The clock that it was given last was behind its own time, which waits for it.
    pub(crate) stands_still: bool,
    pub(crate) out: Output,
    /// Number of the last commit whose facts are in the state, the one being filled not counted.
    pub(crate) taken: u64,
    /// The latest time in the ledger.
    pub(crate) ledger_time: Timestamp,
    pub(crate) sizes: Sizes,
    /// What all windows hold.
    pub(crate) held: Held,
    /// Which keys are certainly new.
    pub(crate) keys: KeyFilter,
    /// Hosts that all tenants share.
    pub(crate) hosts: Hosts,
    /// When it was last looked at what holds tenants.
    pub(crate) sampled: Sampled,
    /// How long answers wait for their commits, on average of late, in 256ths of a millisecond. Known to memory alone.
    pub(crate) answers_wait: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    tenants: BTreeMap<TenantNo, Tenant>,
    arbiter: Arbiter,
    ledger_time: Timestamp,
}

#[derive(Serialize)]
struct Saving<'a> {
    tenants: &'a BTreeMap<TenantNo, Tenant>,
    arbiter: &'a Arbiter,
    ledger_time: Timestamp,
}

impl Shard {
    /// The state before the first fact.
    #[must_use]
    pub fn empty(identity: Identity) -> Self {
        Self {
            identity,
            tenants: Tenants::default(),
            arbiter: Arbiter::default(),
            sessions: BTreeMap::new(),
            waiters: VecDeque::new(),
            next_waiter: 0,
            wheel: Wheel::default(),
            openings: BTreeMap::new(),
            now: Timestamp::ZERO,
            served: false,
            stands_still: false,
            out: Output::default(),
            taken: 0,
            ledger_time: Timestamp::ZERO,
            sizes: Sizes::default(),
            held: Held::default(),
            keys: KeyFilter::default(),
            hosts: Hosts::default(),
            sampled: Sampled::default(),
            answers_wait: 0,
        }
    }

    /// An answer waited so long for its commit.
    pub(crate) fn answered_in(&mut self, ms: u64) {
        let (waited, before) = (ms.min(60_000) << 8, self.answers_wait);
        // The older one is, the less it counts; one in 64 is the last.
        self.answers_wait = if before == 0 { waited } else { before - (before >> 6) + (waited >> 6) };
    }

    /// The state that the tail is replayed on: the snapshot's; or the empty one where there is none, or only one in an
    /// older form, and then the tail is the whole history.
    ///
    /// # Errors
    /// The snapshot is newer than this program, or its bytes are not a state.
    pub fn begin(identity: Identity, snapshot: Option<&SnapshotRow>) -> Result<Self, RecoverError> {
        match snapshot {
            Some(row) if row.format > SNAPSHOT_FORMAT => Err(RecoverError::Newer(row.format)),
            Some(row) if row.format == SNAPSHOT_FORMAT => Self::load(identity, row),
            _ => Ok(Self::empty(identity)),
        }
    }

    fn load(identity: Identity, row: &SnapshotRow) -> Result<Self, RecoverError> {
        let saved: Saved =
            postcard::from_bytes(&row.state).map_err(|error| RecoverError::Snapshot(error.to_string()))?;
        let mut shard = Self::empty(identity);
        shard.tenants = saved.tenants.into();
        shard.arbiter = saved.arbiter;
        shard.ledger_time = saved.ledger_time;
        shard.taken = row.commit_no;
        for tenant in shard.tenants.values_mut() {
            if mutant::on(Mutant::SnapshotWithoutDependants) {
                tenant.dependents.clear();
            }
            if mutant::on(Mutant::BucketNotSaved) {
                tenant.buckets.clear();
            }
            if mutant::on(Mutant::HourNotSaved) {
                tenant.hours.clear();
            }
            if mutant::on(Mutant::RunTimesNotSaved) {
                tenant.run_times.clear();
            }
            if mutant::on(Mutant::BreakerNotSaved) {
                tenant.breakers.clear();
            }
            if mutant::on(Mutant::SchedulesNotSaved) {
                tenant.schedules.values_mut().for_each(|course| course.decided = shard.ledger_time);
            }
            if mutant::on(Mutant::PriorityLostAtRecovery) {
                tenant.priorities.clear();
            }
            if mutant::on(Mutant::WatermarkNotSaved) {
                tenant.watermarks.clear();
            }
            tenant.rebuild();
        }
        Ok(shard)
    }

    /// The state as bytes; equal states give equal bytes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let saving = Saving { tenants: self.tenants.all(), arbiter: &self.arbiter, ledger_time: self.ledger_time };
        postcard::to_allocvec(&saving).expect("the state holds only what postcard can write")
    }

    /// Applies a commit of the tail.
    ///
    /// # Errors
    /// When a block is not what was written, or facts do not follow each other.
    pub fn replay(&mut self, commit: &Commit) -> Result<(), RecoverError> {
        if commit.commit_no != self.taken + 1 {
            let gap = format!("commit {} follows {}", commit.commit_no, self.taken);
            return Err(RecoverError::Gap(gap));
        }
        for block in &commit.blocks {
            for record in block.records()? {
                self.ledger_time = self.ledger_time.max(record.at);
                self.replay_one(block.stream, &record)?;
            }
        }
        self.taken = commit.commit_no;
        Ok(())
    }

    fn replay_one(&mut self, stream: Stream, record: &Record) -> Result<(), RecoverError> {
        let Some(no) = stream.tenant() else {
            self.arbiter.apply(record);
            return Ok(());
        };
        if let Fact::TenantCreated { name, tenant } = &record.body {
            self.tenants.insert(Tenant::new(no, *tenant, name.clone(), record.at));
        }
        let gap = || RecoverError::Gap(format!("seq {} of stream {}", record.seq, stream.0));
        let tenant = self.tenants.get_mut(no).filter(|t| t.seq + 1 == record.seq).ok_or_else(gap)?;
        tenant.apply(record, &mut self.wheel);
        tenant.index.resolved.clear();
        Ok(())
    }

    /// Begins to serve after recovery: each lease gets one full length of served time from `now`.
    pub fn serve_from(&mut self, now: Timestamp) {
        self.now = if mutant::on(Mutant::LedgerTimeIgnored) { now } else { now.max(self.ledger_time) };
        self.served = true;
        self.wheel = Wheel::default();
        self.openings.clear();
        self.keys = KeyFilter::begin(self.tenants.iter().map(|(no, _)| *no), self.now);
        let now = self.now;
        for tenant in self.tenants.values_mut() {
            let mut jobs = std::mem::take(&mut tenant.jobs);
            for (id, job) in &mut jobs {
                if let Some(lease) = &mut job.lease {
                    lease.until = now.plus_ms(lease.longest_ms);
                    lease.execution_until = lease.granted_at.plus_ms(lease.execution_ms).max(lease.until);
                    lease.unheard_until = None;
                }
                if let Some(at) = job.next_moment() {
                    self.wheel.put(at, tenant.no, Watched::Job(*id));
                }
            }
            tenant.jobs = jobs;
            tenant.watch_blackouts_anew(now, &mut self.wheel);
            tenant.watch_schedules_anew(now, &mut self.wheel);
            tenant.watch_runs_anew(now, &mut self.wheel);
            tenant.watch_backfills_anew(now, &mut self.wheel);
            tenant.watch_ages_anew(now, &mut self.wheel);
        }
        self.begin_hosts();
    }

    /// Other sizes than the limits', for tests that want to meet the edges.
    pub fn resize(&mut self, sizes: Sizes) {
        self.sizes = sizes;
    }

    /// The job types of all tenants.
    pub fn job_types(&self) -> impl Iterator<Item = (TenantNo, &JobType)> {
        self.tenants.iter().flat_map(|(no, tenant)| {
            tenant.configs.values().filter_map(|found| match &found.doc {
                ConfigDoc::JobType(doc) => Some((*no, doc)),
                _ => None,
            })
        })
    }

    /// The owner's time of the last command.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Number of the last commit that was taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Which life of which shard this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// When a `Tick` has something to do, at the earliest.
    #[must_use]
    pub fn next_moment(&self) -> Option<Timestamp> {
        let waiters = self.waiters.iter().map(|waiter| waiter.until).chain(self.hosts.next_moment()).min();
        // While leases are out, time counts as served only as long as somebody looks at the clock.
        let served = self.tenants.any_leased().then(|| self.now.plus_ms(GAP_MS / 2));
        [self.wheel.next(), waiters, served, self.next_sample()].into_iter().flatten().min()
    }

    /// Facts and rows since the last `take`.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.out
    }

    /// Parked claims that can be answered with the position of the facts so far.
    #[must_use]
    pub fn take_woken(&mut self) -> Vec<(WaiterId, Answer)> {
        self.out.take_woken()
    }

    /// The append of everything since the last one; `None` when there is nothing.
    #[must_use]
    pub fn take(&mut self) -> Option<Append> {
        if self.out.is_empty() {
            return None;
        }
        if self.out.facts() == 0 {
            self.arbiter.rows_kept(self.now, &mut self.out);
        }
        self.taken += 1;
        self.ledger_time = self.ledger_time.max(self.out.latest);
        Some(self.out.take(self.identity.shard, self.identity.epoch, self.taken))
    }

    /// Forgets warm things up to `committed`, or up to the start of the oldest open prepare if that is lower.
    pub fn committed(&mut self, committed: u64, oldest_prepare: Option<u64>) {
        let low = warm::low_water(committed, oldest_prepare);
        for no in std::mem::take(&mut self.tenants.worth().warm) {
            if let Some(tenant) = self.tenants.get_mut(no) {
                tenant.warm.forget(low);
            }
        }
    }

    /// Warm things held, for tests and metrics.
    #[must_use]
    pub fn warm_len(&self) -> usize {
        self.tenants.values().map(|tenant| tenant.warm.len()).sum()
    }

    /// Drops a parked claim whose caller has gone.
    pub fn forget_waiter(&mut self, id: WaiterId) {
        self.waiters.retain(|waiter| waiter.id != id);
        self.hosts.forget_waiter(id);
    }

    /// Answers all parked claims empty: the shard is about to be given up.
    pub fn wake_all(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            self.out.woken.push((waiter.id, Answer::Claimed(Vec::new())));
        }
        self.wake_asks();
    }

    pub(crate) fn desk<'a>(&'a mut self, no: TenantNo, prepared: &'a Prepared) -> Option<Desk<'a>> {
        let at = Moment {
            now: self.now,
            shard: self.identity.shard,
            epoch: self.identity.epoch,
            incarnation: self.identity.incarnation,
            commit: self.taken + 1,
        };
        let tenant = self.tenants.get_mut(no)?;
        let (wheel, out, held, sizes) = (&mut self.wheel, &mut self.out, &mut self.held, self.sizes);
        let sessions = &self.sessions;
        Some(Desk { tenant, wheel, sessions, out, held, sizes, at, prepared, completes: None, supersedes: 0 })
    }

    /// What must be read before the command can be executed, tenant by tenant; empty when nothing is.
    #[must_use]
    pub fn needs(&self, command: &Command) -> Vec<Needs> {
        let needs = match command {
            Command::Complete { completions, .. } => self.needs_of_completions(completions),
            command => vec![self.needs_of_one(command)],
        };
        needs.into_iter().filter(|needs| !needs.is_empty()).collect()
    }

    fn needs_of_one(&self, command: &Command) -> Needs {
        match command {
            Command::Enqueue { tenant, jobs, key } => self.needs_of_jobs(*tenant, jobs, key.as_ref().map(|k| k.key)),
            Command::FollowUps { token, jobs, key, .. } => {
                self.needs_of_jobs(token.tenant, jobs, key.as_ref().map(|k| k.key))
            }
            Command::Cancel { tenant, job, .. }
            | Command::Reprioritize { tenant, job, .. }
            | Command::ReplayDeadLetter { tenant, job, .. }
            | Command::DiscardDeadLetter { tenant, job, .. } => self.needs_of_ids(*tenant, [*job], Vec::new()),
            Command::CreateBackfill { tenant, key, .. } => {
                self.needs_of_ids(*tenant, Vec::new(), key.iter().map(|used| used.key).collect())
            }
            Command::StartRun { tenant, new, key } => {
                let token = self.tenants.get(*tenant).and_then(|of| of.token_key(new));
                let keys = key.iter().copied().chain(token).map(|used| used.key).collect();
                self.needs_of_ids(*tenant, Vec::new(), keys)
            }
            Command::Retry { tenant, job, key, .. } | Command::Replay { tenant, job, key, .. } => {
                self.needs_of_ids(*tenant, [*job], key.iter().map(|used| used.key).collect())
            }
            _ => Needs::default(),
        }
    }

    fn needs_of_jobs(&self, tenant: TenantNo, jobs: &[NewJob], key: Option<[u8; 16]>) -> Needs {
        let own: std::collections::BTreeSet<_> = jobs.iter().map(|job| job.id).collect();
        let parents = jobs.iter().flat_map(|job| job.depends_on.iter().map(|dependency| dependency.job));
        let given = jobs.iter().filter(|job| job.id_given).map(|job| job.id);
        let ids = parents.filter(|id| !own.contains(id)).chain(given).collect::<std::collections::BTreeSet<_>>();
        let keys = jobs.iter().filter_map(|job| job.key.map(|used| used.key)).chain(key).collect();
        self.needs_of_ids(tenant, ids, keys)
    }

    fn needs_of_completions(&self, completions: &[crate::command::Completion]) -> Vec<Needs> {
        let mut by_tenant: BTreeMap<TenantNo, Needs> = BTreeMap::new();
        for completion in completions {
            let tenant = completion.token.tenant;
            let needs = by_tenant.entry(tenant).or_insert_with(|| Needs { tenant: Some(tenant), ..Needs::default() });
            needs.jobs.extend(self.needs_of_ids(tenant, [completion.token.job], Vec::new()).jobs);
            let more = self.needs_of_jobs(tenant, &completion.follow_ups, None);
            needs.jobs.extend(more.jobs);
            needs.keys.extend(more.keys);
            needs.keys.extend(crate::report::follow_ups_key(completion).map(|used| used.key));
        }
        let most = if mutant::on(Mutant::OtherTenantsUnread) { 1 } else { usize::MAX };
        by_tenant.into_values().take(most).collect()
    }

    fn needs_of_ids(&self, no: TenantNo, ids: impl IntoIterator<Item = JobId>, keys: Vec<[u8; 16]>) -> Needs {
        let Some(tenant) = self.tenants.get(no) else { return Needs::default() };
        let jobs = ids.into_iter().filter(|id| !tenant.jobs.contains_key(id)).collect();
        let keys = keys.into_iter().filter(|key| self.keys.may_hold(no, *key)).collect();
        Needs { tenant: Some(no), jobs, keys }
    }

    /// A page of keys that is to be read, so that keys are known that are certainly new.
    pub(crate) fn key_wish(&mut self) -> Option<KeyWish> {
        self.keys.wish(self.sizes.key_read)
    }

    /// Decides a command. `readings` hold what `needs` asked for, read at or after the committed position of then.
    pub fn execute(&mut self, command: Command, readings: &Readings, now: Timestamp) -> Reply {
        self.pass_time(now);
        self.look_at_waiting(matches!(command, Command::Tick));
        let keys = self.out.rows.keys.len();
        let reply = match command {
            Command::Claim(params) => self.claim(params),
            Command::Permits(ask) => self.permits(ask),
            command => Reply::Now(self.decide(command, readings)),
        };
        for used in self.out.rows.keys.iter().skip(keys).filter(|_| !mutant::on(Mutant::UsedKeysAreNew)) {
            self.keys.put(used.tenant, used.key, self.now);
        }
        self.look_at_system();
        self.serve_waiters();
        while self.hand_out() {
            self.serve_waiters();
        }
        reply
    }

    fn decide(&mut self, command: Command, readings: &Readings) -> Answer {
        match command {
            Command::CreateTenant(row) => self.create_tenant(row),
            Command::OpenSession(params) => {
                let draining = self.sessions.get(&params.session).is_some_and(|known| known.draining);
                let session = Session { heard_at: self.now, params, draining };
                self.sessions.insert(session.params.session, session);
                Answer::Done
            }
            Command::Tick => {
                self.tick();
                Answer::Done
            }
            Command::Read(read) => self.read(read),
            Command::TakePermits(permits) => self.take_permits(permits),
            Command::Drain { tenant, session } => self.drain_session(tenant, session),
            Command::Ack { .. }
            | Command::Heartbeat { .. }
            | Command::Complete { .. }
            | Command::Release { .. }
            | Command::FollowUps { .. }
            | Command::Log { .. }
            | Command::Upstream { .. }
            | Command::CheckLease { .. } => self.reported(command, readings),
            command => self.asked_of_tenant(command, readings),
        }
    }

    fn create_tenant(&mut self, row: orch_core::port::TenantRow) -> Answer {
        if self.tenants.values().any(|tenant| tenant.name == row.name) {
            let detail = format!("there is a tenant `{}` already", row.name);
            return Answer::Refused(Refusal::field(Code::StateConflict, "name", detail));
        }
        let created_at = self.now;
        let no = self.next_tenant_no();
        self.tenants.insert(Tenant::new(no, row.id, row.name.clone(), created_at));
        let nothing = Prepared::default();
        if let Some(mut desk) = self.desk(no, &nothing) {
            desk.emit(Fact::TenantCreated { name: row.name.clone(), tenant: row.id });
        }
        self.tell_governed(no);
        let row = orch_core::port::TenantRow { no, created_at, shard: self.identity.shard, ..row };
        self.out.rows.tenants.push(row.clone());
        Answer::Tenant(row)
    }

    /// The number that the next tenant gets.
    #[must_use]
    pub fn next_tenant_no(&self) -> TenantNo {
        self.tenants.last().map_or(self.identity.shard.first_tenant(), |no| TenantNo(no.0 + 1))
    }

    fn reported(&mut self, command: Command, readings: &Readings) -> Answer {
        match command {
            Command::Ack { tenants, tokens } => {
                let each =
                    tokens.into_iter().map(|token| self.at_desk(&tenants, token, readings, |desk| desk.ack(token)));
                Answer::Items(each.collect())
            }
            Command::Release { tenants, tokens } => {
                let each =
                    tokens.into_iter().map(|token| self.at_desk(&tenants, token, readings, |desk| desk.release(token)));
                Answer::Items(each.collect())
            }
            Command::Heartbeat { tenants, session, beats } => {
                let mut drain = false;
                if let Some(known) = self.sessions.get_mut(&session) {
                    known.heard_at = self.now;
                    drain = known.draining;
                }
                let each = beats.into_iter().map(|beat| {
                    let answer = self.at_desk(&tenants, beat.token, readings, |desk| Ok(desk.beat(session, beat)));
                    answer.unwrap_or(crate::answer::BeatAnswer::Lost)
                });
                Answer::Beats { leases: each.collect(), drain }
            }
            Command::Complete { tenants, completions } => {
                let by_platform = tenants.contains(&TenantNo::SYSTEM);
                let each = completions.into_iter().map(|mut completion| {
                    let token = completion.token;
                    if completion.watermark.is_some() {
                        self.at_desk(&tenants, token, readings, |desk| desk.watermark_fits(&completion))?;
                    }
                    if !completion.took.is_empty() {
                        let took = std::mem::take(&mut completion.took);
                        let said = self.at_desk(&tenants, token, readings, |desk| desk.answers_took(token, &took));
                        self.hosts_answered(said.unwrap_or_default(), by_platform);
                    }
                    self.at_desk(&tenants, token, readings, |desk| desk.complete(completion))
                });
                Answer::Completed(each.collect())
            }
            Command::FollowUps { tenants, token, jobs, key } => {
                match self.at_desk(&tenants, token, readings, |desk| desk.follow_ups(token, jobs, key)) {
                    Ok(enqueued) => Answer::Enqueued(enqueued),
                    Err(refusal) => Answer::Refused(refusal),
                }
            }
            Command::Log { tenants, token, lines } => {
                done(self.at_desk(&tenants, token, readings, |desk| desk.log(token, lines)))
            }
            Command::Upstream { tenants, token, said } => {
                let by_platform = tenants.contains(&TenantNo::SYSTEM);
                let said = self.at_desk(&tenants, token, readings, |desk| desk.upstream_said(token, said));
                done(said.map(|said| self.hosts_answered(said, by_platform)))
            }
            Command::CheckLease { tenants, token } => {
                done(self.at_desk(&tenants, token, readings, |desk| desk.current(token).map(|_| ())))
            }
            _ => Answer::Done,
        }
    }

    /// Runs one report at the desk of its token's tenant, if the caller may speak for it.
    fn at_desk<T>(
        &mut self,
        tenants: &[TenantNo],
        token: orch_core::lease::Token,
        readings: &Readings,
        report: impl FnOnce(&mut Desk<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if !speaks_for(tenants, token.tenant) {
            return Err(stale());
        }
        let mut desk = self.desk(token.tenant, readings.of(token.tenant)).ok_or_else(stale)?;
        let said = report(&mut desk);
        desk.drive_runs();
        said
    }

    fn asked_of_tenant(&mut self, command: Command, readings: &Readings) -> Answer {
        let no = command.home();
        let Some(mut desk) = self.desk(no, readings.of(no)) else {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is no such tenant"));
        };
        if is_new(&command)
            && let Err(refusal) = desk.takes_new()
        {
            return Answer::Refused(refusal);
        }
        let answer = match command {
            Command::Enqueue { jobs, key, .. } => desk.enqueue(jobs, key),
            Command::StartRun { new, key, .. } => desk.start_run(*new, key),
            Command::CancelRun { run, actor, .. } => desk.cancel_run(run, actor),
            Command::PauseRun { run, pause, actor, .. } => desk.pause_run(run, pause, actor),
            Command::DecideApproval { run, step, approve, scopes, actor, .. } => {
                desk.decide_approval(run, (&step, approve), &scopes, actor)
            }
            Command::CreateBackfill { backfill, spec, key, .. } => desk.create_backfill(backfill, spec.0, key),
            Command::PauseBackfill { backfill, pause, actor, .. } => desk.pause_backfill(backfill, pause, actor),
            Command::CancelBackfill { backfill, actor, .. } => desk.cancel_backfill(backfill, actor),
            Command::Replay { job, new_id, key, .. } => desk.replay(job, new_id, key),
            Command::Cancel { job, actor, .. } => desk.cancel(job, actor),
            Command::Reprioritize { job, priority, actor, .. } => desk.reprioritize(job, priority, actor),
            Command::Retry { job, new_id, key, .. } => desk.retry(job, new_id, key),
            Command::ReplayDeadLetter { job, new_id, actor, .. } => desk.settle_dead_letter(job, Some(new_id), actor),
            Command::DiscardDeadLetter { job, actor, .. } => desk.settle_dead_letter(job, None, actor),
            Command::Pause { target, actor, .. } => desk.pause(target, actor, true),
            Command::Resume { target, actor, .. } => desk.pause(target, actor, false),
            Command::Throttle { target, limits, actor, .. } => desk.throttle(target, limits, actor),
            Command::EndThrottle { target, actor, .. } => desk.end_throttle(target, actor),
            Command::Prioritize { target, priority, until, actor, .. } => {
                desk.prioritize(target, priority, until, actor)
            }
            Command::EndPriority { target, actor, .. } => desk.end_priority(target, actor),
            Command::PutConfig { doc, expect, .. } => desk.put_config(doc, expect),
            Command::DeleteConfig { kind, name, expect, actor, .. } => desk.delete_config(kind, name, expect, actor),
            Command::CreateToken(row) => desk.create_token(row),
            Command::RevokeToken { row, .. } => desk.revoke_token(row),
            Command::AllotTenant { allotment, actor, .. } => desk.allot(allotment, actor),
            Command::PutWatermark { source, axis, watermark, expect, actor, .. } => {
                desk.put_watermark((source, axis), watermark, expect, actor)
            }
            Command::MarkTenant { actor, .. } => desk.mark_tenant(actor),
            Command::RestoreTenant { actor, .. } => desk.restore_tenant(actor),
            Command::ResetBucket { bucket, actor, .. } => desk.reset_bucket(bucket, actor),
            Command::TripBreaker { breaker, actor, .. } => desk.trip_breaker(breaker, actor),
            Command::ResetBreaker { breaker, actor, .. } => desk.reset_breaker(breaker, actor),
            Command::PauseSchedule { schedule, pause, actor, .. } => desk.pause_schedule(schedule, pause, actor),
            _ => Answer::Done,
        };
        desk.drive_runs();
        answer
    }
}

/// What a tenant that is marked for deletion does not take.
fn is_new(command: &Command) -> bool {
    matches!(
        command,
        Command::Enqueue { .. }
            | Command::Retry { .. }
            | Command::Replay { .. }
            | Command::StartRun { .. }
            | Command::CreateBackfill { .. }
            | Command::ReplayDeadLetter { .. }
            | Command::PutConfig { .. }
            | Command::CreateToken(_)
    )
}

fn done(result: Result<(), Refusal>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(refusal) => Answer::Refused(refusal),
    }
}
