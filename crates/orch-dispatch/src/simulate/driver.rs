//! One sample: events in the order of their times, and between them whatever the shard does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bytes::Bytes;
use orch_core::fact::{Fact, NextTry};
use orch_core::ids::{ClaimId, JobId, LaneNo, SessionId, Stream, TenantNo};
use orch_core::job::{JobState, Priority};
use orch_core::lease::Token;
use orch_core::port::{Append, WindowRow};
use orch_core::refusal::Refusal;
use orch_core::run::Counts;
use orch_core::time::Timestamp;
use orch_gates::run_times::{mix, quantile, remaining_ms};
use uuid::Uuid;

use super::{Copied, Holder, MoreWorkers, Sample, Scenario, Until, Waits};
use crate::answer::Answer;
use crate::bucket::host_of;
use crate::command::{Beat, ClaimParams, Command, Completion, Report, SessionParams};
use crate::prepared::Readings;
use crate::shard::{Reply, Shard};
use crate::waiting::Held;

/// What takes no known time takes so long.
const UNKNOWN_MS: u32 = 1_000;
/// Groups of lanes whose holds are looked at.
const GROUPS_LOOKED_AT: usize = 64;
/// Waits that are kept, of each kind.
const WAITS_KEPT: usize = 20_000;
/// Leases of one claim.
const CLAIM_MAX: usize = 1_000;
/// A claim and a report are under way so long together, beside the wait for their commits: what a worker on the same
/// network needs.
const WAY_MS: u64 = 2;

/// What happens at a moment. Tokens make events of the same moment come in the same order each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(u64),
    Beats(u64),
}

/// An attempt under way.
#[derive(Debug)]
struct Attempt {
    token: Token,
    session: SessionId,
}

struct Driver<'a> {
    shard: Shard,
    tenant: TenantNo,
    scenario: &'a Scenario,
    now: Timestamp,
    /// From the report of an attempt to the next claim. The claim's own commit is part of what attempts took.
    way_ms: u64,
    events: BinaryHeap<Reverse<(Timestamp, Event)>>,
    attempts: BTreeMap<u64, Attempt>,
    next_attempt: u64,
    /// What each session may still take.
    free: BTreeMap<SessionId, usize>,
    draws: u64,
    claims: u128,
    facts: usize,
    times: BTreeMap<(TenantNo, String), Vec<u32>>,
    pool: Vec<u32>,
    unknown: BTreeSet<String>,
    /// Since when jobs of the tenant can start, and whether they are a backfill's.
    ready: BTreeMap<JobId, (Timestamp, bool)>,
    waits: [Vec<u64>; 2],
    backfills: BTreeSet<LaneNo>,
    lanes: u32,
    sample: Sample,
    ended: bool,
}

pub(super) fn run(
    copied: &Copied,
    tenant: TenantNo,
    scenario: &Scenario,
    seed: u64,
    facts_max: usize,
) -> Result<Sample, Refusal> {
    let shard = copied.shard()?;
    let mut driver = Driver {
        shard,
        tenant,
        scenario,
        now: copied.now,
        way_ms: WAY_MS + copied.answers_wait_ms,
        events: BinaryHeap::new(),
        attempts: BTreeMap::new(),
        next_attempt: 0,
        free: copied.sessions.iter().map(|of| (of.session, of.capacity as usize)).collect(),
        draws: seed,
        claims: 0,
        facts: 0,
        times: BTreeMap::new(),
        pool: Vec::new(),
        unknown: BTreeSet::new(),
        ready: BTreeMap::new(),
        waits: [Vec::new(), Vec::new()],
        backfills: BTreeSet::new(),
        lanes: 0,
        sample: Sample::default(),
        ended: false,
    };
    driver.begin()?;
    driver.go(facts_max);
    Ok(driver.end())
}

impl Driver<'_> {
    fn draw(&mut self) -> u32 {
        self.draws = self.draws.wrapping_add(1);
        u32::try_from(mix(self.draws) >> 32).unwrap_or(0)
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        for (number, workers) in self.scenario.workers.iter().enumerate() {
            for place in 0..workers.count {
                self.more_workers(number, place, workers);
            }
        }
        self.under_way();
        if let Some(tenant) = self.shard.tenants.get(self.tenant) {
            self.lanes = u32::try_from(tenant.lanes.len()).unwrap_or(u32::MAX);
            let of =
                |(lane, no): (&crate::lane::Lane, u32)| (lane.key.priority == Priority::Backfill).then_some(LaneNo(no));
            self.backfills = tenant.lanes.iter().zip(1u32..).filter_map(of).collect();
        }
        for (place, change) in self.scenario.changes.iter().enumerate() {
            if let Answer::Refused(refusal) = self.ask(change.clone()) {
                return Err(refusal.under(&format!("changes[{place}]")));
            }
        }
        Ok(())
    }

    fn more_workers(&mut self, number: usize, place: u32, workers: &MoreWorkers) {
        let (worker, boot) = (format!("supposed-{number}-{place}"), "0".to_owned());
        let session = SessionId::of(self.tenant, &worker, &boot);
        let params = SessionParams {
            session,
            tenants: vec![self.tenant],
            worker,
            boot,
            job_types: workers.job_types.clone(),
            capacity: workers.capacity,
            sdk: "none".to_owned(),
        };
        self.ask(Command::OpenSession(params));
        self.free.insert(session, workers.capacity as usize);
    }

    /// What is under way already ends, too.
    fn under_way(&mut self) {
        let numbers: Vec<TenantNo> = self.shard.tenant_numbers().collect();
        for no in numbers {
            let Some(tenant) = self.shard.tenants.get(no) else { continue };
            let leased = tenant.jobs.iter().filter_map(|(id, job)| {
                let lease = job.lease.as_ref()?;
                let kind = tenant.lane(job.lane).key.job_type.clone();
                Some((*id, job.attempt, lease.epoch, lease.session, lease.granted_at, kind))
            });
            for (id, attempt, epoch, session, granted_at, kind) in leased.collect::<Vec<_>>() {
                let draw = self.draw();
                let times = self.times_of(no, &kind);
                let left = remaining_ms(&times, self.now.ms_since(granted_at), draw).unwrap_or(1);
                let identity = self.shard.identity;
                let (incarnation, shard) = (identity.incarnation, identity.shard);
                let token = Token { incarnation, shard, epoch, tenant: no, job: id, attempt };
                self.begins(token, session, left, None);
            }
        }
    }

    /// How long attempts of a type take.
    fn times_of(&mut self, no: TenantNo, kind: &str) -> Vec<u32> {
        if let Some(times) = self.times.get(&(no, kind.to_owned())) {
            return times.clone();
        }
        let of = |tenant: &crate::tenant::Tenant| tenant.run_times.get(kind).map(orch_gates::RunTimes::sorted);
        let known = self.shard.tenants.get(no).and_then(of).filter(|times| !times.is_empty());
        let times = known.unwrap_or_else(|| {
            if no == self.tenant {
                self.unknown.insert(kind.to_owned());
            }
            self.pool()
        });
        let times = self.drawn_anew(&times);
        self.times.insert((no, kind.to_owned()), times.clone());
        times
    }

    /// As many of them, each drawn anew (Efron 1979, *Bootstrap methods*): a few run times do not say how long attempts
    /// take on average, and samples differ by that, too.
    fn drawn_anew(&mut self, times: &[u32]) -> Vec<u32> {
        let place = |draw: u32| usize::try_from((u64::from(draw) * times.len() as u64) >> 32).unwrap_or(0);
        let mut drawn: Vec<u32> = times.iter().map(|_| times[place(self.draw())]).collect();
        drawn.sort_unstable();
        drawn
    }

    /// What is known of the tenant's other work.
    fn pool(&mut self) -> Vec<u32> {
        if self.pool.is_empty() {
            let tenant = self.shard.tenants.get(self.tenant);
            let all = tenant.into_iter().flat_map(|tenant| tenant.run_times.values());
            self.pool = all.flat_map(orch_gates::RunTimes::sorted).collect();
            self.pool.sort_unstable();
            if self.pool.is_empty() {
                self.pool.push(UNKNOWN_MS);
            }
        }
        self.pool.clone()
    }

    fn begins(&mut self, token: Token, session: SessionId, takes_ms: u64, lease_ms: Option<u64>) {
        let number = self.next_attempt;
        self.next_attempt += 1;
        self.attempts.insert(number, Attempt { token, session });
        if let Some(free) = self.free.get_mut(&session) {
            *free = free.saturating_sub(1);
        }
        let ends = self.now.plus_ms(takes_ms);
        self.events.push(Reverse((ends, Event::Ends(number))));
        // One that is recovered gets a whole lease from now.
        let third = lease_ms.unwrap_or(60_000) / 3;
        if takes_ms > third {
            self.events.push(Reverse((self.now.plus_ms(third), Event::Beats(number))));
        }
    }

    fn ask(&mut self, command: Command) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now);
        if let Some(append) = self.shard.take() {
            self.note(&append);
            let taken = self.shard.taken();
            self.shard.committed(taken, None);
        }
        let _ = self.shard.take_woken();
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(waiter) => {
                self.shard.forget_waiter(waiter);
                Answer::Done
            }
        }
    }

    fn note(&mut self, append: &Append) {
        let own = Stream::from(self.tenant);
        for block in append.blocks.iter().filter(|block| block.stream == own) {
            for record in block.records().unwrap_or_default() {
                self.facts += 1;
                self.fact(&record.body);
            }
        }
    }

    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::LaneOpened { key, lane } if key.priority == Priority::Backfill => {
                self.backfills.insert(*lane);
            }
            Fact::JobEnqueued { job, lane, state: JobState::Ready, .. } => {
                self.ready.insert(*job, (self.now, self.backfills.contains(lane)));
            }
            Fact::JobReady { job, .. } | Fact::AttemptEnded { job, next: NextTry::Now, .. } => {
                let backfill = self.ready.get(job).is_some_and(|(_, backfill)| *backfill);
                self.ready.insert(*job, (self.now, backfill));
            }
            Fact::LeaseGranted { job, .. } => {
                self.sample.attempts += 1;
                if let Some((since, backfill)) = self.ready.remove(job) {
                    let waits = &mut self.waits[usize::from(!backfill)];
                    if waits.len() < WAITS_KEPT {
                        waits.push(self.now.ms_since(since));
                    }
                }
            }
            Fact::JobFinished { job, .. } => {
                self.ready.remove(job);
            }
            Fact::BackfillFinished { backfill, .. } if self.scenario.until == Until::Backfill(*backfill) => {
                self.ended = true;
            }
            Fact::RunFinished { run, .. } if self.scenario.until == Until::Run(*run) => self.ended = true,
            _ => {}
        }
    }

    /// Goes on until what is waited for is there.
    fn go(&mut self, facts_max: usize) {
        let horizon = self.now.plus_ms(self.scenario.horizon_ms);
        loop {
            self.claim_all();
            if self.is_there() {
                self.sample.ended_at = Some(self.now);
                return;
            }
            // A step without a fact costs something, too.
            self.facts += 1;
            if self.facts > facts_max {
                self.in_proportion();
                return;
            }
            let next = self.events.peek().map(|Reverse((at, _))| *at);
            let Some(at) = [next, self.shard.next_moment()].into_iter().flatten().min() else { return };
            let at = at.max(self.now);
            if at > horizon {
                return;
            }
            self.hold(at);
            self.now = at;
            self.happen();
            self.ask(Command::Tick);
        }
    }

    fn happen(&mut self) {
        while let Some(Reverse((at, event))) = self.events.peek().copied() {
            if at > self.now {
                return;
            }
            self.events.pop();
            match event {
                Event::Ends(number) => self.ends(number),
                Event::Beats(number) => self.beats(number),
            }
        }
    }

    fn ends(&mut self, number: u64) {
        let Some(attempt) = self.attempts.remove(&number) else { return };
        if let Some(free) = self.free.get_mut(&attempt.session) {
            *free += 1;
        }
        let completion = Completion {
            token: attempt.token,
            outcome: Report::Succeeded { result: None, result_sha256: None },
            fingerprint: [0; 16],
            artifacts: Vec::new(),
            follow_ups: Vec::new(),
            took: Vec::new(),
            watermark: None,
        };
        self.ask(Command::Complete { tenants: vec![attempt.token.tenant], completions: vec![completion] });
    }

    fn beats(&mut self, number: u64) {
        let Some(attempt) = self.attempts.get(&number) else { return };
        let (tenants, session) = (vec![attempt.token.tenant], attempt.session);
        let beats = vec![Beat { token: attempt.token, progress: None, checkpoint: None }];
        let answer = self.ask(Command::Heartbeat { tenants, session, beats });
        if let Answer::Beats { leases, .. } = answer
            && let Some(crate::answer::BeatAnswer::Continue(until)) = leases.first()
        {
            let third = until.ms_since(self.now) / 3;
            self.events.push(Reverse((self.now.plus_ms(third.max(1)), Event::Beats(number))));
        }
    }

    /// Whoever has room takes what it gets.
    fn claim_all(&mut self) {
        loop {
            self.load_windows();
            let free: Vec<(SessionId, usize)> =
                self.free.iter().filter(|(_, free)| **free > 0).map(|(session, free)| (*session, *free)).collect();
            let mut got = false;
            for (session, free) in free {
                got |= self.claim(session, free.min(CLAIM_MAX));
            }
            if !got {
                return;
            }
        }
    }

    fn claim(&mut self, session: SessionId, max: usize) -> bool {
        self.claims += 1;
        let claim = ClaimId(Uuid::from_u128(self.claims));
        let params = ClaimParams { session, claim, max, job_types: Vec::new(), auto_ack: true, wait_until: None };
        let Answer::Claimed(grants) = self.ask(Command::Claim(params)) else { return false };
        for grant in &grants {
            let draw = self.draw();
            let times = self.times_of(grant.token.tenant, &grant.lane.job_type);
            let takes = u64::from(quantile(&times, draw).unwrap_or(UNKNOWN_MS)) + self.way_ms;
            let held = grant.not_before.map_or(0, |at| at.ms_since(self.now));
            self.begins(grant.token, session, takes + held, Some(grant.lease_ms));
        }
        !grants.is_empty()
    }

    /// What lies in the ledger alone is not looked up: how many there are is known, and they are alike.
    fn load_windows(&mut self) {
        let taken = self.shard.taken();
        for wish in self.shard.window_wishes(taken, 64) {
            let row = |number: usize| {
                let seq = wish.after + 1 + number as u64;
                let lane = u128::from(wish.tenant.0) << 96 | u128::from(wish.lane.0) << 64;
                WindowRow {
                    job: JobId(Uuid::from_u128(lane | u128::from(seq))),
                    seq,
                    payload: Bytes::new(),
                    extra: None,
                }
            };
            let rows = (0..wish.limit).map(row).collect();
            self.shard.window_loaded(&wish, taken, rows);
        }
    }

    fn is_there(&self) -> bool {
        if self.scenario.until != Until::Idle {
            return self.ended;
        }
        let Some(tenant) = self.shard.tenants.get(self.tenant) else { return true };
        let counts = tenant.index.counts;
        counts.ready + counts.leased + counts.running == 0 && tenant.backfills.is_empty()
    }

    /// Too much to try it all: the rest of the backfill takes as long, window for window.
    fn in_proportion(&mut self) {
        self.sample.in_proportion = true;
        let Until::Backfill(backfill) = self.scenario.until else { return };
        let Some(open) = self.shard.tenants.get(self.tenant).and_then(|tenant| tenant.backfills.get(&backfill)) else {
            return;
        };
        let Counts { total, skipped, .. } = open.counts;
        // What is open is half read.
        let halves = 2 * u64::from(total - skipped) + open.open.len() as u64;
        let all = 2 * u64::from(open.spec.places() - skipped);
        if total > skipped {
            let took = u128::from(self.now.ms_since(open.at)) * u128::from(all) / u128::from(halves);
            self.sample.ended_at = Some(open.at.plus_ms(u64::try_from(took).unwrap_or(u64::MAX)));
        }
    }

    /// What holds the tenant's work until the next thing happens.
    fn hold(&mut self, until: Timestamp) {
        let ms = until.ms_since(self.now);
        let Some(tenant) = self.shard.tenants.get_mut(self.tenant).filter(|_| ms > 0) else { return };
        tenant.look_at_blackouts(self.now);
        let tenant = &*tenant;
        let mut held = Held::new(tenant, self.now);
        // Groups that wait for the same wait at the same time.
        let mut holders = BTreeSet::new();
        let first = |group: &crate::tenant::Group| group.active.first().map(|(_, no)| *no);
        for group in tenant.index.groups.iter().filter(|group| group.waiting > 0).take(GROUPS_LOOKED_AT) {
            let gate = match first(group).map(|no| held.by(no)) {
                Some(None) => Some(crate::answer::Gate::Worker),
                Some(gate) => gate,
                None => None,
            };
            let Some(gate) = gate else { continue };
            let host = host_of(&tenant.configs, group.source.as_deref()).map(str::to_owned);
            let of = match gate {
                crate::answer::Gate::Bucket | crate::answer::Gate::Breaker => host,
                _ => None,
            };
            holders.insert(Holder { gate, of: of.unwrap_or_else(|| group.job_type.clone()) });
        }
        for holder in holders {
            *self.sample.held_ms.entry(holder).or_default() += ms;
        }
    }

    fn end(mut self) -> Sample {
        let waits = |mut all: Vec<u64>| {
            all.sort_unstable();
            let at = |parts: usize| all.get(all.len().saturating_sub(1) * parts / 100).copied().unwrap_or(0);
            Waits { jobs: all.len() as u64, p50_ms: at(50), p95_ms: at(95) }
        };
        let [backfills, others] = std::mem::take(&mut self.waits);
        self.sample.waits = [waits(backfills), waits(others)];
        self.sample.unknown = self.unknown.into_iter().collect();
        self.sample
    }
}
