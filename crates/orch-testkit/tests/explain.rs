//! `explain` in ten thousand small worlds in which nothing else changes: the gate that it names is the one that holds,
//! and where it says when that opens, work is handed out then and not before.
//! `ORCH_EXPLAIN_WORLDS` says how many (10,000), `ORCH_EXPLAIN_WORLD` repeats one.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::collections::BTreeMap;

use bytes::Bytes;
use orch_core::blackout::Blackout;
use orch_core::calendar::CalendarRule;
use orch_core::config::{Breaker, Bucket, ConfigDoc, ConfigKind, JobType, Source};
use orch_core::fact::PauseTarget;
use orch_core::ids::{ClaimId, Incarnation, JobId, LaneNo, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{JobError, LaneKey, Priority};
use orch_core::lease::Token;
use orch_core::port::TenantRow;
use orch_core::quota::Quota;
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::answer::{Explained, Gate, Grant, Hold};
use orch_dispatch::command::{Actor, ClaimParams, Completion, Expect, NewJob, Read, Report, SessionParams};
use orch_dispatch::prepared::Readings;
use orch_dispatch::shard::{Identity, Reply, Shard};
use orch_dispatch::{Answer, Command};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

const BEGIN: i64 = 1_900_000_000_000;
const TENANT: TenantNo = TenantNo(2);
const TYPES: [&str; 3] = ["a", "b", "c"];
/// The width of a slot of the owner's timer wheel, and the moment after it.
const SLOT_MS: u64 = 17;
/// How long a world is watched.
const WATCHED_MS: u64 = 40_000;

struct World {
    rng: SmallRng,
    shard: Shard,
    now: Timestamp,
    jobs: u128,
    claims: u128,
    leased: Vec<(Token, LaneKey)>,
    /// Whether completions and new claims go on.
    frozen: bool,
}

fn actor() -> Actor {
    Actor { by: "me".to_owned(), reason: None }
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Timestamp::from_millis(BEGIN);
        let mut shard = Shard::empty(Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) });
        shard.serve_from(now);
        let rng = SmallRng::seed_from_u64(seed);
        let mut world = Self { rng, shard, now, jobs: 0, claims: 0, leased: Vec::new(), frozen: false };
        for (n, name) in [(1, "system"), (2, "t")] {
            let (no, id) = (TenantNo(n), TenantId(Uuid::from_u128(n.into())));
            let row = TenantRow { no, id, name: name.to_owned(), shard: ShardNo(0), created_at: now };
            world.run(Command::CreateTenant(row));
        }
        world.declare();
        let session = world.session();
        let job_types = TYPES.map(str::to_owned).to_vec();
        let (worker, boot, sdk) = ("w".to_owned(), "b".to_owned(), "test".to_owned());
        let params = SessionParams { session, tenants: vec![TENANT], worker, boot, job_types, capacity: 999, sdk };
        world.run(Command::OpenSession(params));
        world
    }

    fn session(&self) -> SessionId {
        SessionId::of(TENANT, "w", "b")
    }

    fn run(&mut self, command: Command) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now);
        let _ = self.shard.take();
        self.woken();
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    fn woken(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (_, answer) in self.shard.take_woken() {
            if let Answer::Claimed(more) = answer {
                grants.extend(more);
            }
        }
        self.leased.extend(grants.iter().map(|grant| (grant.token, grant.lane.clone())));
        grants
    }

    fn put(&mut self, doc: ConfigDoc) {
        let answer = self.run(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any });
        assert!(matches!(answer, Answer::Config { .. }), "{answer:?}");
    }

    /// Each gate in some of the worlds.
    fn declare(&mut self) {
        for name in TYPES {
            let concurrency_max = self.rng.random_ratio(1, 4).then(|| self.rng.random_range(1..4));
            let (lease_ms, backoff_ms) = (600_000, self.rng.random_range(500..8_000));
            let cost = if self.rng.random_ratio(1, 5) { 2 } else { 1 };
            let doc = JobType { concurrency_max, lease_ms, backoff_ms, cost, ..JobType::named(name) };
            self.put(ConfigDoc::JobType(doc));
        }
        let concurrency_max = self.rng.random_ratio(1, 5).then(|| self.rng.random_range(1..4));
        let host = Some("h".to_owned());
        let source = Source { name: "s".into(), kind: "k".into(), host, concurrency_max, ..Source::default() };
        self.put(ConfigDoc::Source(source));
        if self.rng.random_ratio(1, 2) {
            let terms = (0..self.rng.random_range(1..3)).map(|_| {
                let (limit, window_ms) = (self.rng.random_range(2..6), self.rng.random_range(500..12_000));
                let burst = self.rng.random_ratio(1, 3).then(|| self.rng.random_range(2..=limit));
                Term { burst, limit, window_ms }
            });
            let terms = terms.collect();
            let in_flight_max = self.rng.random_ratio(1, 4).then(|| self.rng.random_range(1..4));
            let (name, host) = ("u".into(), "h".into());
            self.put(ConfigDoc::Bucket(Bucket { name, host, terms, in_flight_max, ..Bucket::default() }));
        }
        if self.rng.random_ratio(1, 3) {
            let cron = Some(format!("*/{} * * * * *", [10, 15, 20, 30][self.rng.random_range(0..4)]));
            let duration_ms = self.rng.random_range(1_000..9_000);
            let calendar = CalendarRule { cron, duration_ms, zone: "UTC".into(), ..CalendarRule::default() };
            let job_type = self.rng.random_ratio(2, 3).then(|| self.any_type());
            self.put(ConfigDoc::Blackout(Box::new(Blackout {
                name: "dark".into(),
                calendar,
                job_type,
                ..Blackout::default()
            })));
        }
        if self.rng.random_ratio(1, 3) {
            let (job_type, open_ms) = (Some(self.any_type()), self.rng.random_range(1_000..9_000));
            let doc = Breaker { name: "fuse".into(), job_type, outcomes_min: 2, open_ms, ..Breaker::default() };
            self.put(ConfigDoc::Breaker(doc));
        }
        if self.rng.random_ratio(1, 3) {
            let job_type = self.rng.random_ratio(1, 2).then(|| self.any_type());
            let active_max = Some(self.rng.random_range(2..5));
            self.put(ConfigDoc::Quota(Quota { name: "few".into(), job_type, active_max, ..Quota::default() }));
        }
    }

    fn any_type(&mut self) -> String {
        TYPES[self.rng.random_range(0..TYPES.len())].to_owned()
    }

    fn enqueue(&mut self, jobs: usize) {
        let jobs = (0..jobs).map(|_| {
            self.jobs += 1;
            let later = self.rng.random_ratio(1, 8);
            NewJob {
                id: JobId::v7(self.now, self.jobs),
                id_given: false,
                key: None,
                payload: Bytes::from_static(b"{}"),
                payload_sha256: String::new(),
                misfit: None,
                labels: BTreeMap::new(),
                not_before: later.then(|| self.now.plus_ms(self.rng.random_range(1_000..20_000))),
                deadline: None,
                depends_on: Vec::new(),
                correlation_id: None,
                origin: None,
                firing: None,
                part: None,
                window: None,
                lane: LaneKey {
                    concurrency_key: None,
                    job_type: self.any_type(),
                    priority: Priority::Normal,
                    project: "default".to_owned(),
                    source: self.rng.random_ratio(1, 2).then(|| "s".to_owned()),
                },
            }
        });
        let jobs = jobs.collect();
        self.run(Command::Enqueue { tenant: TENANT, jobs, key: None });
    }

    /// A claim that waits is always there.
    fn claim(&mut self) {
        self.claims += 1;
        let (session, claim) = (self.session(), ClaimId(Uuid::from_u128(self.claims)));
        let wait_until = Some(self.now.plus_ms(10 * WATCHED_MS));
        let params = ClaimParams { session, claim, max: 1, job_types: Vec::new(), auto_ack: true, wait_until };
        let reply = self.shard.execute(Command::Claim(params), &Readings::default(), self.now);
        let _ = self.shard.take();
        if let Reply::Now(Answer::Claimed(grants)) = reply {
            self.leased.extend(grants.iter().map(|grant| (grant.token, grant.lane.clone())));
        }
        self.woken();
    }

    fn complete(&mut self, place: usize, good: bool) {
        let (token, _) = self.leased.swap_remove(place);
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
        self.run(Command::Complete { tenants: vec![TENANT], completions: vec![completion] });
    }

    /// Work comes, is taken and ends, now well and now badly.
    fn live(&mut self) {
        for _ in 0..self.rng.random_range(20..60) {
            match self.rng.random_range(0..10) {
                0..3 => {
                    let jobs = self.rng.random_range(1..5);
                    self.enqueue(jobs);
                }
                3..7 => self.claim(),
                7..9 if !self.leased.is_empty() => {
                    let (place, good) = (self.rng.random_range(0..self.leased.len()), self.rng.random_ratio(1, 2));
                    self.complete(place, good);
                }
                _ => {}
            }
            self.now = self.now.plus_ms(self.rng.random_range(1..240));
            self.run(Command::Tick);
        }
        if self.rng.random_ratio(1, 4) {
            let target = if self.rng.random_ratio(1, 2) {
                PauseTarget::JobType(self.any_type())
            } else {
                PauseTarget::Source("s".to_owned())
            };
            self.run(Command::Pause { tenant: TENANT, target, actor: actor() });
        }
        // So many claims wait that nothing waits for one.
        for _ in 0..60 {
            self.claim();
        }
        self.frozen = true;
    }

    fn explain(&mut self, lane: LaneNo) -> Explained {
        match self.run(Command::Read(Read::Explain { tenant: TENANT, lane, job: None })) {
            Answer::Explained(Some(explained)) => explained,
            answer => panic!("{answer:?}"),
        }
    }

    /// Lanes in which something waits.
    fn waiting(&mut self) -> Vec<(LaneNo, LaneKey)> {
        match self.run(Command::Read(Read::Lanes(TENANT))) {
            Answer::Lanes(lanes) => {
                lanes.into_iter().filter(|lane| lane.ready > 0).map(|lane| (lane.no, lane.key)).collect()
            }
            answer => panic!("{answer:?}"),
        }
    }

    /// Lets time pass until something is handed out; when, and from which lanes.
    fn next_grants(&mut self, until: Timestamp) -> Option<(Timestamp, Vec<LaneKey>)> {
        loop {
            let next = self.shard.next_moment().filter(|at| *at <= until)?;
            self.now = self.now.max(next);
            let _ = self.shard.execute(Command::Tick, &Readings::default(), self.now);
            let _ = self.shard.take();
            let grants = self.woken();
            if !grants.is_empty() {
                return Some((self.now, grants.into_iter().map(|grant| grant.lane).collect()));
            }
        }
    }
}

/// When the last of these gates opens, if that is known of all.
fn opens(holds: &[Hold]) -> Option<Timestamp> {
    holds.iter().map(|hold| hold.opens_at).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What was seen, by gate: how often it was named, and how often its moment was met.
#[derive(Default)]
struct Seen {
    named: BTreeMap<String, u32>,
    met: BTreeMap<String, u32>,
    ended: BTreeMap<String, u32>,
}

fn judge(seed: u64, seen: &mut Seen) {
    let mut world = World::new(seed);
    world.live();
    let lanes = world.waiting();
    let explained: Vec<_> = lanes.into_iter().map(|(no, key)| (key, world.explain(no).holds)).collect();
    for (key, holds) in &explained {
        assert!(!holds.is_empty(), "world {seed}: {key:?} waits, claims wait for it, and nothing holds it");
        for hold in holds {
            *seen.named.entry(format!("{:?}", hold.gate)).or_default() += 1;
            assert!(!matches!(hold.gate, Gate::Worker | Gate::Turn), "world {seed}: {holds:?} and claims wait");
        }
    }
    let from = world.now;
    if number("ORCH_EXPLAIN_WORLD").is_some() {
        println!("{from}: {explained:#?}");
    }
    // The first lane to open opens when it was said, and none opens before that.
    let first = explained.iter().filter_map(|(key, holds)| Some((opens(holds)?, key))).min_by_key(|(at, _)| *at);
    let due = due_moments(&mut world);
    let granted = world.next_grants(from.plus_ms(WATCHED_MS));
    if let Some((at, keys)) = &granted {
        for key in keys {
            let said = explained.iter().find(|(known, _)| known == key);
            let said = said.and_then(|(_, holds)| opens(holds));
            // A job whose own moment came may bring a lane to life in which nothing waited.
            let may = said.is_some_and(|said| *at >= said) || due.iter().any(|due| due <= at);
            assert!(may, "world {seed}: {key:?} got work at {at}, and was said to open at {said:?}");
        }
    }
    if let Some((said, key)) = first.filter(|(said, _)| *said <= from.plus_ms(WATCHED_MS)) {
        let (at, _) = granted.unwrap_or_else(|| panic!("world {seed}: {key:?} was to open at {said} and did not"));
        assert!(
            at <= said.plus_ms(SLOT_MS),
            "world {seed}: {key:?} was to open at {said}, and nothing moved until {at}"
        );
        let holds = explained.iter().find(|(known, _)| known == key).map(|(_, holds)| holds).unwrap();
        let last = holds.iter().max_by_key(|hold| hold.opens_at).unwrap();
        *seen.met.entry(format!("{:?}", last.gate)).or_default() += 1;
    }
    ends_with_its_gate(seed, seen);
}

/// When jobs that wait for their moment have it, whatever their lanes say.
fn due_moments(world: &mut World) -> Vec<Timestamp> {
    let state = orch_core::JobState::Scheduled;
    let read = Read::OpenJobs { tenant: TENANT, state, before: None, limit: 200 };
    let Answer::OpenJobs(jobs) = world.run(Command::Read(read)) else { panic!("open jobs") };
    let mut due = Vec::new();
    for job in jobs {
        let read = Read::Explain { tenant: TENANT, lane: LaneNo(1), job: Some((job.id, 0)) };
        let Answer::Explained(Some(explained)) = world.run(Command::Read(read)) else { panic!("explained") };
        assert_eq!(explained.holds.len(), 1);
        assert_eq!(explained.holds[0].gate, Gate::Time);
        due.push(explained.holds[0].opens_at.unwrap());
    }
    due
}

/// The same world again: where one gate alone holds a lane, taking that gate away lets it go at once.
fn ends_with_its_gate(seed: u64, seen: &mut Seen) {
    let mut world = World::new(seed);
    world.live();
    for (no, key) in world.waiting() {
        let holds = world.explain(no).holds;
        let [hold] = &holds[..] else { continue };
        let before = world.leased.len();
        let tenant = TENANT;
        let delete = |kind, name: &str| Command::DeleteConfig {
            tenant,
            kind,
            name: name.to_owned(),
            expect: Expect::Any,
            actor: actor(),
        };
        let command = match hold.gate {
            Gate::Paused if hold.by.starts_with("job type") => {
                Command::Resume { tenant, target: PauseTarget::JobType(key.job_type.clone()), actor: actor() }
            }
            Gate::Paused => Command::Resume { tenant, target: PauseTarget::Source("s".into()), actor: actor() },
            Gate::Blackout => delete(ConfigKind::Blackout, "dark"),
            Gate::Quota => delete(ConfigKind::Quota, "few"),
            Gate::Breaker => Command::ResetBreaker { tenant, breaker: "fuse".into(), actor: actor() },
            Gate::Bucket => delete(ConfigKind::Bucket, "u"),
            Gate::Concurrency => {
                let of_source = hold.by.contains("for source") || hold.by.starts_with("bucket");
                let alike = |(_, other): &(Token, LaneKey)| {
                    if of_source { other.source == key.source } else { other.job_type == key.job_type }
                };
                let place = world.leased.iter().position(alike).unwrap();
                world.complete(place, true);
                assert!(world.leased.len() >= before, "world {seed}: an attempt ended, and {key:?} got none");
                *seen.ended.entry("Concurrency".to_owned()).or_default() += 1;
                return;
            }
            _ => continue,
        };
        world.run(command);
        // Another lane that it held as well may be quicker, and take what both were given.
        let more = world.leased.len() > before;
        assert!(more, "world {seed}: {hold:?} is gone, and {key:?} still waits for {:?}", world.explain(no));
        *seen.ended.entry(format!("{:?}", hold.gate)).or_default() += 1;
        return;
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_named_gate_is_the_one_that_holds_and_opens_when_it_was_said() {
    let mut seen = Seen::default();
    if let Some(seed) = number("ORCH_EXPLAIN_WORLD") {
        return judge(seed, &mut seen);
    }
    let worlds = number("ORCH_EXPLAIN_WORLDS").unwrap_or(10_000);
    (0..worlds).for_each(|seed| judge(seed, &mut seen));
    println!("named {:?}\nmet {:?}\nended {:?}", seen.named, seen.met, seen.ended);
    for gate in ["Paused", "Blackout", "Breaker", "Bucket", "Quota", "Concurrency"] {
        assert!(worlds < 1_000 || seen.ended.contains_key(gate), "{gate} alone never held a lane");
    }
    for gate in ["Blackout", "Breaker", "Bucket"] {
        assert!(worlds < 1_000 || seen.met.contains_key(gate), "the moment of {gate} was never met");
    }
}
