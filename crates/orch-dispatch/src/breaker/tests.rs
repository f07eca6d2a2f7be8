//! An upstream that is dead for ten minutes, and what operators do to breakers.

use std::collections::BTreeMap;

use orch_core::config::{JobType, Source};
use orch_core::ids::{ClaimId, Incarnation, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{JobError, JobState, LaneKey, Priority};
use orch_core::port::TenantRow;
use orch_core::term::Term;
use uuid::Uuid;

use super::*;
use crate::answer::{Gate, Grant};
use crate::command::{ClaimParams, Command, Completion, Expect, NewJob, Read, Report, SessionParams};
use crate::prepared::Readings;
use crate::shard::{Identity, Reply, Shard};
use crate::waiting::Held;

const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const TENANT: TenantNo = TenantNo(2);
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0002_0001));
const STEP_MS: u64 = 50;

/// A shard with a tenant, a worker session, a source and its breaker.
struct Stage {
    shard: Shard,
    now: Timestamp,
    next: u128,
    /// What is under way, and until when.
    held: Vec<(Grant, Timestamp)>,
    parked: usize,
}

fn policy(open_ms: u64) -> config::Breaker {
    let host = Some("feed.example".to_owned());
    config::Breaker {
        name: "feed".to_owned(),
        host,
        outcomes_min: 5,
        open_ms,
        open_ms_max: 40_000,
        ramp_max: 8,
        ..Default::default()
    }
}

impl Stage {
    fn new(doc: config::Breaker, jobs: usize) -> Self {
        let identity = Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) };
        let mut shard = Shard::empty(identity);
        shard.serve_from(START);
        let mut stage = Self { shard, now: START, next: 0, held: Vec::new(), parked: 0 };
        for n in 1..=2_u32 {
            let id = TenantId(Uuid::from_u128(n.into()));
            let name = format!("t{n}");
            let row = TenantRow { no: TenantNo::SYSTEM, id, name, shard: ShardNo(0), created_at: START };
            stage.ask(Command::CreateTenant(row));
        }
        let job_type = JobType { tries_max: 2, backoff_ms: 1_000, backoff_ms_max: 5_000, ..JobType::named("fetch") };
        stage.declare(ConfigDoc::JobType(job_type));
        stage.source("feed.example");
        stage.declare(ConfigDoc::Breaker(doc));
        stage.ask(Command::OpenSession(SessionParams {
            session: SESSION,
            tenants: vec![TENANT],
            worker: "w".to_owned(),
            boot: "b".to_owned(),
            job_types: vec!["fetch".to_owned()],
            capacity: 1_000,
            sdk: "test".to_owned(),
        }));
        let jobs = (0..jobs).map(|_| stage.job()).collect();
        stage.ask(Command::Enqueue { tenant: TENANT, jobs, key: None });
        stage
    }

    fn ask(&mut self, command: Command) -> Answer {
        match self.shard.execute(command, &Readings::default(), self.now) {
            Reply::Now(Answer::Refused(refusal)) => panic!("{refusal:?}"),
            Reply::Now(answer) => answer,
            Reply::Parked(_) => {
                self.parked += 1;
                Answer::Done
            }
        }
    }

    fn declare(&mut self, doc: ConfigDoc) {
        self.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any });
    }

    fn source(&mut self, host: &str) {
        let (name, host) = ("feed".to_owned(), Some(host.to_owned()));
        self.declare(ConfigDoc::Source(Source { name, host, ..Source::default() }));
    }

    fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.next)
    }

    fn job(&mut self) -> NewJob {
        NewJob {
            id: JobId(self.id()),
            id_given: false,
            key: None,
            lane: LaneKey {
                concurrency_key: None,
                job_type: "fetch".to_owned(),
                priority: Priority::Normal,
                project: "default".to_owned(),
                source: Some("feed".to_owned()),
            },
            payload: bytes::Bytes::from_static(b"{}"),
            payload_sha256: "0".repeat(64),
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
        }
    }

    /// Claims, and takes what is granted at once.
    fn claim(&mut self, max: usize, wait_ms: u64) -> usize {
        let claim = ClaimId(self.id());
        let wait_until = (wait_ms > 0).then(|| self.now.plus_ms(wait_ms));
        let params = ClaimParams { session: SESSION, claim, max, job_types: Vec::new(), auto_ack: true, wait_until };
        match self.ask(Command::Claim(params)) {
            Answer::Claimed(grants) => self.take(grants),
            _ => 0,
        }
    }

    fn take(&mut self, grants: Vec<Grant>) -> usize {
        let until = self.now.plus_ms(200);
        let taken = grants.len();
        self.held.extend(grants.into_iter().map(|grant| (grant, until)));
        taken
    }

    /// Time passes; parked claims may be answered.
    fn step(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.ask(Command::Tick);
        self.woken();
    }

    fn woken(&mut self) {
        for (_, answer) in self.shard.out.take_woken() {
            self.parked -= 1;
            if let Answer::Claimed(grants) = answer {
                self.take(grants);
            }
        }
    }

    /// Reports what is over by now.
    fn report(&mut self, good: bool) {
        let now = self.now;
        let (over, held) = std::mem::take(&mut self.held).into_iter().partition(|(_, until)| *until <= now);
        self.held = held;
        let over: Vec<(Grant, Timestamp)> = over;
        for (grant, _) in over {
            let outcome = if good {
                Report::Succeeded { result: None, result_sha256: None }
            } else {
                Report::Failed(JobError::own("upstream", "503", true))
            };
            let fingerprint = self.id().into_bytes();
            let (artifacts, follow_ups) = (Vec::new(), Vec::new());
            let completion = Completion {
                token: grant.token,
                outcome,
                fingerprint,
                artifacts,
                follow_ups,
                took: Vec::new(),
                watermark: None,
            };
            self.ask(Command::Complete { tenants: vec![TENANT], completions: vec![completion] });
            self.woken();
        }
    }

    /// Attempts that fail or succeed, one after another.
    fn attempts(&mut self, most: usize, good: bool) -> usize {
        let taken = self.claim(most, 0);
        self.step(200);
        self.report(good);
        taken
    }

    fn tenant(&self) -> &Tenant {
        self.shard.tenants.get(TENANT).unwrap()
    }

    fn held_by(&self) -> Option<Gate> {
        Held::new(self.tenant(), self.now).by(LaneNo(1))
    }

    fn found(&self) -> BreakerFound {
        found(self.tenant(), "feed", self.now).unwrap()
    }

    fn tries(&self) -> u32 {
        self.tenant().jobs.values().map(|job| job.tries).sum()
    }

    fn trip(&mut self) {
        let actor = Actor { by: "me".to_owned(), reason: Some("a flood of errors".to_owned()) };
        self.ask(Command::TripBreaker { tenant: TENANT, breaker: "feed".to_owned(), actor });
    }

    fn reset(&mut self) {
        let breaker = "feed".to_owned();
        self.ask(Command::ResetBreaker { tenant: TENANT, breaker, actor: Actor::default() });
    }
}

#[test]
fn an_upstream_that_is_dead_for_ten_minutes_costs_no_tries_and_is_not_flooded_when_it_is_back() {
    const JOBS: usize = 200;
    const DEAD_MS: u64 = 600_000;
    let mut stage = Stage::new(policy(5_000), JOBS);
    let (mut probes, mut tries_at_opening, mut good) = (Vec::new(), None, 0_u32);
    while stage.now.ms_since(START) < DEAD_MS + 60_000 {
        let dead = stage.now.ms_since(START) < DEAD_MS;
        let before = stage.held.len();
        stage.step(STEP_MS);
        while stage.parked + stage.held.len() < 10 && stage.claim(1, 20_000) > 0 {}
        let (found, under_way) = (stage.found(), stage.held.len());
        if tries_at_opening.is_none() && found.state != BreakerState::Closed {
            tries_at_opening = Some(stage.tries());
        }
        if let Some(tries) = tries_at_opening.filter(|_| dead) {
            assert_eq!(stage.tries(), tries, "at {}", stage.now);
            if stage.held.iter().any(|(grant, _)| stage.tenant().jobs[&grant.token.job].state == JobState::Running)
                && matches!(found.state, BreakerState::Probing { .. })
                && probes.last() != Some(&found.since)
            {
                probes.push(found.since);
            }
        }
        if let BreakerState::Ramp { most, .. } = found.state {
            assert!(most <= good.max(1), "{most} may be under way after {good} successes");
            assert!(under_way <= most as usize || under_way <= before, "{under_way} under way in a ramp of {most}");
        }
        let over = stage.held.iter().filter(|(_, until)| *until <= stage.now).count();
        stage.report(!dead);
        good += if dead { 0 } else { u32::try_from(over).unwrap() };
    }
    assert!(probes.len() > 10, "it was probed {} times", probes.len());
    let gaps: Vec<_> = probes.windows(2).map(|pair| pair[1].ms_since(pair[0])).collect();
    assert!(gaps.iter().all(|gap| *gap >= 5_000), "{gaps:?}");
    assert!(gaps.iter().rev().take(8).all(|gap| (40_000..41_000).contains(gap)), "at most 40 s: {gaps:?}");
    let done = &stage.shard.out.rows.done;
    assert_eq!(done.len(), JOBS);
    assert!(done.iter().all(|row| row.state == JobState::Succeeded));
    assert!(stage.shard.out.rows.dead_letters.is_empty());
    assert_eq!(stage.found().state, BreakerState::Closed);
}

#[test]
fn one_that_is_declared_again_keeps_its_state_unless_it_governs_something_else() {
    let mut stage = Stage::new(policy(5_000), 20);
    stage.attempts(10, false);
    let opened = stage.found();
    assert!(matches!(opened.state, BreakerState::Open { spell: 1, .. }), "{opened:?}");
    stage.declare(ConfigDoc::Breaker(policy(9_000)));
    assert_eq!(stage.found(), opened);
    let other = config::Breaker { host: None, job_type: Some("fetch".to_owned()), ..policy(9_000) };
    stage.declare(ConfigDoc::Breaker(other));
    assert_eq!(stage.found().state, BreakerState::Closed);
    assert_eq!(stage.attempts(3, true), 3, "it governs the job type now, and has seen nothing");
    assert_eq!((stage.found().good, stage.found().bad), (3, 0));
}

#[test]
fn a_canary_whose_source_moves_away_is_still_heard() {
    let mut stage = Stage::new(policy(5_000), 20);
    stage.attempts(10, false);
    stage.step(5_000);
    assert_eq!(stage.claim(10, 0), 1, "one canary");
    assert!(matches!(stage.found().state, BreakerState::Probing { .. }));
    stage.source("elsewhere.example");
    stage.step(200);
    stage.report(true);
    assert!(matches!(stage.found().state, BreakerState::Ramp { most: 1, .. }), "{:?}", stage.found());
    assert!(stage.claim(100, 0) > 1, "the other host has no breaker");
}

#[test]
fn operators_open_and_close_it_and_every_hold_names_it() {
    let mut stage = Stage::new(policy(5_000), 20);
    stage.trip();
    let facts = stage.shard.out.facts();
    stage.trip();
    assert_eq!(stage.shard.out.facts(), facts, "it is tripped already");
    assert_eq!(stage.claim(10, 0), 0);
    assert_eq!(stage.found().tripped_by.as_deref(), Some("me"));
    let hold = stage.tenant().holds(LaneNo(1), stage.now).remove(0);
    assert_eq!(hold.by, "breaker `feed` was opened by me: a flood of errors");
    assert_eq!((hold.since, hold.opens_at), (Some(START), None));
    assert_eq!(stage.held_by(), Some(Gate::Breaker));
    assert_eq!(stage.claim(10, 20_000), 0);
    stage.reset();
    stage.woken();
    assert_eq!(stage.held.len(), 10, "whoever waited is looked at");
    assert_eq!(stage.held_by(), None);
    stage.step(200);
    stage.report(false);
    let BreakerState::Open { until, .. } = stage.found().state else { panic!("{:?}", stage.found()) };
    let hold = stage.tenant().holds(LaneNo(1), stage.now).remove(0);
    assert_eq!((hold.by.as_str(), hold.opens_at), ("breaker `feed` is open: too many attempts failed", Some(until)));
}

#[test]
fn who_waits_for_a_breaker_and_a_bucket_is_looked_at_when_both_are_open() {
    for (window_ms, expected_ms) in [(2_000, 5_000), (9_000, 9_000)] {
        let mut stage = Stage::new(policy(5_000), 20);
        let term = Term { burst: None, limit: 10, window_ms };
        let (name, host) = ("feed".to_owned(), "feed.example".to_owned());
        stage.declare(ConfigDoc::Bucket(config::Bucket { name, host, terms: vec![term], ..Default::default() }));
        let began = stage.now;
        assert_eq!(stage.claim(20, 0), 10, "the window is full");
        stage.step(200);
        stage.report(false);
        let BreakerState::Open { until, .. } = stage.found().state else { panic!("{:?}", stage.found()) };
        assert_eq!(until, began.plus_ms(5_200));
        assert_eq!((stage.claim(20, 20_000), stage.parked), (0, 1));
        while stage.held.is_empty() {
            stage.step(16);
        }
        let took = stage.now.ms_since(began);
        assert!((expected_ms..expected_ms + 600).contains(&took), "{took} ms with a window of {window_ms}");
        assert_eq!(stage.held.len(), 1, "it is a canary");
    }
}

#[test]
fn what_says_nothing_of_an_upstream_is_not_counted() {
    let mut stage = Stage::new(policy(5_000), 20);
    assert_eq!(stage.claim(10, 0), 10);
    let tokens = stage.held.drain(..).map(|(grant, _)| grant.token).collect();
    stage.ask(Command::Release { tenants: vec![TENANT], tokens });
    stage.claim(10, 0);
    (0..400).for_each(|_| stage.step(200));
    assert_eq!(stage.tenant().jobs.values().map(|job| job.lost).sum::<u32>(), 10, "their worker fell silent");
    assert_eq!((stage.found().good, stage.found().bad), (0, 0));
    let Answer::Breaker(None) = stage.ask(Command::Read(Read::Breaker { tenant: TENANT, name: "x".to_owned() })) else {
        panic!("there is no breaker of that name")
    };
}
