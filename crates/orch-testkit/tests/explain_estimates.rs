//! What `explain` estimates, in thousands of small worlds in which nothing else changes: workers go on with what waits,
//! attempts take as long as their kind does, give or take half, and each estimate is held against what came.
//! `ORCH_ESTIMATE_WORLDS` says how many (2,000), `ORCH_ESTIMATE_WORLD` repeats one.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use orch_core::config::{Bucket, ConfigDoc, JobType, Source};
use orch_core::ids::{ClaimId, Incarnation, JobId, LaneNo, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{JobError, LaneKey, Priority};
use orch_core::lease::Token;
use orch_core::port::TenantRow;
use orch_core::quota::Quota;
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::answer::{Estimate, Explained, Gate, Grant, Hold};
use orch_dispatch::command::{ClaimParams, Completion, Expect, NewJob, Read, Report, SessionParams};
use orch_dispatch::prepared::Readings;
use orch_dispatch::shard::{Identity, Reply, Shard};
use orch_dispatch::{Answer, Command};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

const BEGIN: i64 = 1_900_000_000_000;
const TYPES: [&str; 3] = ["a", "b", "c"];
/// The width of a slot of the owner's timer wheel, and the moment after it.
const SLOT_MS: u64 = 17;
/// One standard deviation of the logarithm of run times: half more.
const SPREAD: f64 = 0.405;
/// Jobs that a world is asked about.
const ASKED: usize = 4;

struct Worker {
    session: SessionId,
    capacity: usize,
    busy: usize,
    /// It has a claim that waits for so many.
    parked: usize,
    /// The id of its last claim.
    claim: u128,
}

struct World {
    rng: SmallRng,
    shard: Shard,
    now: Timestamp,
    numbers: u128,
    tenants: Vec<TenantNo>,
    /// The median run time of each type.
    medians: [f64; 3],
    workers: Vec<Worker>,
    /// Attempts under way: when they end, of which worker.
    ends: BinaryHeap<Reverse<(Timestamp, u128, usize)>>,
    tokens: BTreeMap<u128, Token>,
    /// Where jobs that were never handed out stand: tenant, lane, order key.
    fresh: BTreeMap<JobId, (TenantNo, LaneNo, u64)>,
    /// What was handed out first, and when.
    started: BTreeMap<JobId, (Timestamp, TenantNo, LaneKey)>,
    /// Each attempt from now on ends well.
    frozen: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::from_millis(BEGIN);
        let mut shard = Shard::empty(Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) });
        shard.serve_from(now);
        let mut rng = SmallRng::seed_from_u64(seed);
        let medians = std::array::from_fn(|_| 200.0 * 60_f64.powf(rng.random::<f64>()));
        let count = if rng.random_ratio(1, 4) { rng.random_range(2..4) } else { 1 };
        let tenants = (0..count).map(|n| TenantNo(n + 2)).collect();
        let mut world = Self {
            rng,
            shard,
            now,
            numbers: 0,
            tenants,
            medians,
            workers: Vec::new(),
            ends: BinaryHeap::new(),
            tokens: BTreeMap::new(),
            fresh: BTreeMap::new(),
            started: BTreeMap::new(),
            frozen: false,
        };
        for n in 1..count + 2 {
            let (no, id) = (TenantNo(n), TenantId(Uuid::from_u128(n.into())));
            let row = TenantRow { no, id, name: format!("t{n}"), shard: ShardNo(0), created_at: now };
            world.run(Command::CreateTenant(row));
        }
        for no in world.tenants.clone() {
            world.declare(no);
        }
        for n in 0..world.rng.random_range(1..4) {
            world.hire(n, count > 1);
        }
        world
    }

    /// A worker; the first one takes everything.
    fn hire(&mut self, n: usize, platform: bool) {
        let tenant = if platform { TenantNo::SYSTEM } else { self.tenants[0] };
        let (worker, boot, sdk) = (format!("w{n}"), "b".to_owned(), "test".to_owned());
        let session = SessionId::of(tenant, &worker, &boot);
        let takes = |_: &&str| n == 0 || self.rng.random_ratio(2, 3);
        let job_types = TYPES.iter().copied().filter(takes).map(str::to_owned).collect();
        let capacity = self.rng.random_range(1..8_u32);
        let params = SessionParams { session, tenants: vec![tenant], worker, boot, job_types, capacity, sdk };
        self.run(Command::OpenSession(params));
        self.workers.push(Worker { session, capacity: capacity as usize, busy: 0, parked: 0, claim: 0 });
    }

    fn run(&mut self, command: Command) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now);
        if let Some(append) = self.shard.take() {
            self.fresh.extend(append.jobs.iter().map(|row| (row.id, (row.tenant, row.lane, row.seq))));
        }
        self.woken();
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    fn woken(&mut self) {
        for (_, answer) in self.shard.take_woken() {
            if let Answer::Claimed(grants) = answer {
                self.take(grants);
            }
        }
    }

    /// Its worker begins what was handed out.
    fn take(&mut self, grants: Vec<Grant>) {
        for grant in grants {
            let Grant { token, lane, .. } = grant;
            // Only one worker's claims are ever answered at a time, and each job names its session.
            let read = Read::Jobs { tenant: token.tenant, ids: vec![token.job] };
            let reply = self.shard.execute(Command::Read(read), &Readings::default(), self.now);
            let Reply::Now(Answer::Jobs(jobs)) = reply else { panic!("{reply:?}") };
            let session = jobs[0].as_ref().unwrap().session.unwrap();
            let worker = self.workers.iter().position(|worker| worker.session == session).unwrap();
            self.workers[worker].busy += 1;
            self.workers[worker].parked = 0;
            let kind = TYPES.iter().position(|name| *name == lane.job_type).unwrap();
            let normal = (0..12).map(|_| self.rng.random::<f64>()).sum::<f64>() - 6.0;
            let ms = (self.medians[kind] * (SPREAD * normal).exp()).max(1.0) as u64;
            self.numbers += 1;
            self.ends.push(Reverse((self.now.plus_ms(ms), self.numbers, worker)));
            self.tokens.insert(self.numbers, token);
            self.fresh.remove(&token.job);
            self.started.entry(token.job).or_insert((self.now, token.tenant, lane));
        }
    }

    fn put(&mut self, tenant: TenantNo, doc: ConfigDoc) {
        let answer = self.run(Command::PutConfig { tenant, doc, expect: Expect::Any });
        assert!(matches!(answer, Answer::Config { .. }), "{answer:?}");
    }

    fn some(&mut self, one_in: u32, from: u32, to: u32) -> Option<u32> {
        self.rng.random_ratio(1, one_in).then(|| self.rng.random_range(from..to))
    }

    /// Each gate that opens when attempts end, in some of the worlds.
    fn declare(&mut self, tenant: TenantNo) {
        for name in TYPES {
            let (concurrency_max, concurrency_per_key_max) = (self.some(2, 1, 6), self.some(3, 1, 3));
            let (lease_ms, backoff_ms) = (3_600_000, 1_000);
            let doc =
                JobType { concurrency_max, concurrency_per_key_max, lease_ms, backoff_ms, ..JobType::named(name) };
            self.put(tenant, ConfigDoc::JobType(doc));
        }
        let (host, concurrency_max) = (Some("h".to_owned()), self.some(3, 1, 6));
        let source = Source { name: "s".into(), kind: "k".into(), host, concurrency_max, ..Source::default() };
        self.put(tenant, ConfigDoc::Source(source));
        if self.rng.random_ratio(1, 6) {
            let terms = vec![Term { burst: None, limit: self.rng.random_range(2..8), window_ms: 4_000 }];
            self.put(
                tenant,
                ConfigDoc::Bucket(Bucket { name: "u".into(), host: "h".into(), terms, ..Bucket::default() }),
            );
        }
        if self.rng.random_ratio(1, 3) {
            let active_max = Some(self.rng.random_range(2..7));
            self.put(tenant, ConfigDoc::Quota(Quota { name: "few".into(), active_max, ..Quota::default() }));
        }
        if self.rng.random_ratio(1, 3) {
            let job_type = Some(TYPES[self.rng.random_range(0..3)].to_owned());
            let (active_max, weight, reserved) = (self.some(2, 1, 5), self.some(2, 1, 4), self.some(3, 1, 3));
            let quota = Quota { name: "part".into(), job_type, active_max, weight, reserved, ..Quota::default() };
            if quota.active_max.is_some() || quota.weight.is_some() || quota.reserved.is_some() {
                self.put(tenant, ConfigDoc::Quota(quota));
            }
        }
    }

    fn enqueue(&mut self, tenant: TenantNo, jobs: usize) {
        let jobs = (0..jobs).map(|_| {
            self.numbers += 1;
            NewJob {
                id: JobId::v7(self.now, self.numbers),
                id_given: false,
                key: None,
                payload: Bytes::from_static(b"{}"),
                payload_sha256: String::new(),
                misfit: None,
                labels: BTreeMap::new(),
                not_before: None,
                deadline: None,
                depends_on: Vec::new(),
                correlation_id: None,
                origin: None,
                firing: None,
                part: None,
                window: None,
                lane: LaneKey {
                    concurrency_key: self.some(3, 0, 3).map(|n| format!("k{n}")),
                    job_type: TYPES[self.rng.random_range(0..3)].to_owned(),
                    priority: if self.rng.random_ratio(1, 4) { Priority::High } else { Priority::Normal },
                    project: "default".to_owned(),
                    source: self.rng.random_ratio(1, 2).then(|| "s".to_owned()),
                },
            }
        });
        let jobs = jobs.collect();
        self.run(Command::Enqueue { tenant, jobs, key: None });
    }

    /// Workers with room ask for work, and wait for it.
    fn claim(&mut self) {
        for place in 0..self.workers.len() {
            let Worker { session, capacity, busy, parked, claim } = self.workers[place];
            let max = capacity - busy;
            if max == 0 || parked == max {
                continue;
            }
            // One that waits is asked anew under its id, and gives way to the new one.
            self.numbers += 1;
            let number = if parked > 0 { claim } else { self.numbers };
            self.workers[place].claim = number;
            let claim = ClaimId(Uuid::from_u128(number));
            let wait_until = Some(self.now.plus_ms(36_000_000));
            let params = ClaimParams { session, claim, max, job_types: Vec::new(), auto_ack: true, wait_until };
            let reply = self.shard.execute(Command::Claim(params), &Readings::default(), self.now);
            let _ = self.shard.take();
            self.woken();
            match reply {
                Reply::Now(Answer::Claimed(grants)) => self.take(grants),
                _ => self.workers[place].parked = max,
            }
        }
    }

    /// Lets time pass to the next end, or to `until` if that is earlier. False: nothing goes on.
    fn pass(&mut self, until: Timestamp) -> bool {
        let end = self.ends.peek().map(|Reverse((at, _, _))| *at);
        let tick = self.shard.next_moment().filter(|at| *at > self.now);
        let Some(next) = [end, tick].into_iter().flatten().min() else { return false };
        self.now = next.min(until).max(self.now);
        while let Some(Reverse((at, number, worker))) = self.ends.peek().copied().filter(|end| end.0.0 <= self.now) {
            debug_assert!(at <= self.now);
            self.ends.pop();
            self.workers[worker].busy -= 1;
            let token = self.tokens.remove(&number).unwrap();
            let good = self.frozen || self.rng.random_ratio(9, 10);
            let outcome = if good {
                Report::Succeeded { result: None, result_sha256: None }
            } else {
                Report::Failed(JobError::own("handler", "it did not work", true))
            };
            let (artifacts, follow_ups) = (Vec::new(), Vec::new());
            let completion = Completion {
                token,
                outcome,
                fingerprint: [0; 16],
                artifacts,
                follow_ups,
                took: Vec::new(),
                watermark: None,
            };
            self.run(Command::Complete { tenants: vec![token.tenant], completions: vec![completion] });
        }
        self.run(Command::Tick);
        true
    }

    /// The same, and workers ask for more.
    fn go_on(&mut self, until: Timestamp) -> bool {
        let passed = self.pass(until);
        self.claim();
        passed
    }

    /// Work comes, a little more than is done.
    fn live(&mut self) {
        let mean = self.medians.iter().sum::<f64>() / 3.0;
        let hands: usize = self.workers.iter().map(|worker| worker.capacity).sum();
        let gap = (mean / hands as f64) as u64 + 1;
        for _ in 0..self.rng.random_range(30..90) {
            let tenant = self.tenants[self.rng.random_range(0..self.tenants.len())];
            let jobs = self.rng.random_range(1..4);
            self.enqueue(tenant, jobs);
            self.claim();
            let until = self.now.plus_ms(self.rng.random_range(1..2 * gap));
            while self.now < until && self.go_on(until) {}
            self.now = until;
        }
        for place in 0..self.workers.len() {
            let (tenants, session) = (vec![TenantNo::SYSTEM], self.workers[place].session);
            self.run(Command::Heartbeat { tenants, session, beats: Vec::new() });
        }
        self.claim();
        self.frozen = true;
        // In some worlds an attempt has just ended, and its worker has not asked again: what waits, waits for its turn.
        if self.rng.random_ratio(1, 4) {
            self.pass(self.now.plus_ms(3_600_000));
        }
    }

    fn explain(&mut self, tenant: TenantNo, lane: LaneNo, job: Option<(JobId, u64)>) -> Explained {
        match self.run(Command::Read(Read::Explain { tenant, lane, job })) {
            Answer::Explained(Some(explained)) => explained,
            answer => panic!("{answer:?}"),
        }
    }
}

/// What was asked: of a job, or of a lane's next one.
struct Asked {
    gate: Option<Gate>,
    tenant: TenantNo,
    lane: LaneKey,
    job: Option<JobId>,
    said: Option<Estimate>,
    exact: bool,
}

/// Errors in parts of a thousand, by what was asked.
#[derive(Default)]
struct Seen {
    errors: BTreeMap<String, Vec<u64>>,
    unknown: BTreeMap<String, u64>,
    signed: Vec<i64>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (of, errors) in other.errors {
            self.errors.entry(of).or_default().extend(errors);
        }
        for (of, count) in other.unknown {
            *self.unknown.entry(of).or_default() += count;
        }
        self.signed.extend(other.signed);
    }

    fn note(&mut self, of: &[String], error: Option<u64>) {
        for of in of {
            match error {
                Some(error) => self.errors.entry(of.clone()).or_default().push(error),
                None => *self.unknown.entry(of.clone()).or_default() += 1,
            }
        }
    }

    /// The median error, and how many of a thousand were unknown.
    fn of(&mut self, of: &str) -> (u64, u64, usize) {
        let errors = self.errors.entry(of.to_owned()).or_default();
        errors.sort_unstable();
        let unknown = self.unknown.get(of).copied().unwrap_or(0);
        let all = errors.len() as u64 + unknown;
        let median = errors.get(errors.len() / 2).copied().unwrap_or(u64::MAX);
        (median, (unknown * 1_000).checked_div(all).unwrap_or(0), errors.len())
    }
}

fn exact(holds: &[Hold]) -> bool {
    !holds.is_empty() && holds.iter().all(|hold| hold.opens_at.is_some())
}

fn judge(seed: u64, seen: &mut Seen) {
    let mut world = World::new(seed);
    world.live();
    let from = world.now;
    let fresh: Vec<_> = world.fresh.iter().map(|(id, at)| (*id, *at)).collect();
    if fresh.is_empty() {
        return;
    }
    let mut asked = Vec::new();
    for n in 0..ASKED {
        let (id, (tenant, lane, key)) = fresh[world.rng.random_range(0..fresh.len())];
        let Answer::Lanes(lanes) = world.run(Command::Read(Read::Lanes(tenant))) else { panic!("lanes") };
        let found = lanes.into_iter().find(|found| found.no == lane).unwrap().key;
        // Half are asked of a lane's next job.
        let job = (n % 2 == 0).then_some(id);
        let Explained { holds, ahead, front, starts } = world.explain(tenant, lane, job.map(|id| (id, key)));
        // It can go: a worker that has room has not asked yet.
        if holds.is_empty() && ahead.is_none_or(|ahead| ahead == 0) {
            continue;
        }
        let gate = holds.first().map(|hold| hold.gate);
        let said = if job.is_some() { starts } else { front };
        let exact = exact(&holds) && ahead.is_none_or(|ahead| ahead == 0);
        asked.push(Asked { gate, tenant, lane: found, job, said, exact });
    }
    let horizon = from.plus_ms(4 * 3_600_000);
    world.started.clear();
    world.claim();
    while world.now < horizon && world.ends.len() + world.fresh.len() > 0 && world.go_on(horizon) {}
    for Asked { gate, tenant, lane, job, said, exact } in asked {
        if exact {
            continue;
        }
        let came = match job {
            Some(id) => world.started.get(&id).map(|(at, _, _)| *at),
            None => {
                let of_lane = world.started.values().filter(|(_, no, key)| (*no, key) == (tenant, &lane));
                of_lane.map(|(at, _, _)| *at).min()
            }
        };
        let came = came.unwrap_or_else(|| panic!("world {seed}: {lane:?} got nothing, {job:?}"));
        let waited = came.ms_since(from).max(SLOT_MS);
        let error = said.map(|said| {
            let off = said.at.millis() - came.millis();
            seen.signed.push(off * 1_000 / i64::try_from(waited).unwrap());
            off.unsigned_abs() * 1_000 / waited
        });
        if number("ORCH_ESTIMATE_WORLD").is_some() {
            println!("{gate:?} {lane:?} {job:?}: waited {waited}, said {said:?}, off by {error:?}");
        }
        let what = if job.is_some() { "a job" } else { "a lane's next" };
        let gate = gate.map_or("behind others".to_owned(), |gate| format!("{gate:?}"));
        seen.note(&["all".to_owned(), what.to_owned(), gate.clone(), format!("{gate}, {what}")], error);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn estimates_are_right_within_a_quarter_for_half_of_what_waits() {
    let mut seen = Seen::default();
    if let Some(seed) = number("ORCH_ESTIMATE_WORLD") {
        return judge(seed, &mut seen);
    }
    let worlds = number("ORCH_ESTIMATE_WORLDS").unwrap_or(2_000);
    let halves = [0, 1].map(|half| {
        std::thread::spawn(move || {
            let mut seen = Seen::default();
            (half..worlds).step_by(2).for_each(|seed| judge(seed, &mut seen));
            seen
        })
    });
    halves.into_iter().for_each(|half| seen.add(half.join().unwrap()));
    let names: Vec<_> = seen.errors.keys().chain(seen.unknown.keys()).cloned().collect();
    for name in std::collections::BTreeSet::from_iter(names) {
        let (median, unknown, count) = seen.of(&name);
        println!("{name}: {count} estimates, median error {median} of 1,000, unknown {unknown} of 1,000");
    }
    seen.signed.sort_unstable();
    println!("the median of all that is over or under: {:?} of 1,000", seen.signed.get(seen.signed.len() / 2));
    let (median, unknown, _) = seen.of("all");
    assert!(median <= 250, "half of the estimates are off by more than {median} of 1,000");
    assert!(unknown <= 100, "{unknown} of 1,000 have no estimate");
}
