//! What may be under way falls by refusals, rises by successes, and is told; slow answers cut once they are many.

use std::collections::BTreeMap;

use orch_core::config::{Bucket, ConfigDoc, ConfigKind, JobType, Source};
use orch_core::fact::Fact;
use orch_core::ids::{ClaimId, Incarnation, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{LaneKey, Priority};
use orch_core::lease::Token;
use orch_core::port::{Commit, TenantRow};
use orch_core::term::{CutCause, Slow, Term};
use uuid::Uuid;

use super::*;
use crate::answer::{Answer, BucketFound, Explained, Grant};
use crate::command::{
    Actor, ClaimParams, Command, Completion, Expect, NewJob, Read, Report, SessionParams, Took, UpstreamSaid,
};
use crate::prepared::Readings;
use crate::shard::{Identity, Reply, Shard};
use crate::waiting::Held;

const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const TENANT: TenantNo = TenantNo(2);
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0002_0001));
const HOST: &str = "feed.example";

fn identity(epoch: u64) -> Identity {
    Identity { shard: ShardNo(0), epoch, incarnation: Incarnation(Uuid::nil()) }
}

fn bucket(in_flight_max: Option<u32>) -> Bucket {
    let terms = vec![Term::window(10_000, 1_000)];
    Bucket { name: "feed".into(), host: HOST.into(), in_flight_max, terms, ..Bucket::default() }
}

/// A shard with a tenant, a worker session, a source and its bucket.
struct Stage {
    shard: Shard,
    now: Timestamp,
    next: u128,
    commits: Vec<Commit>,
}

impl Stage {
    fn new(doc: Bucket, jobs: usize) -> Self {
        Self::of(TENANT, doc, jobs)
    }

    /// The bucket is this tenant's.
    fn of(owner: TenantNo, doc: Bucket, jobs: usize) -> Self {
        let mut shard = Shard::empty(identity(1));
        shard.serve_from(START);
        let mut stage = Self { shard, now: START, next: 0, commits: Vec::new() };
        for n in 1..=2_u32 {
            let (id, name) = (TenantId(Uuid::from_u128(n.into())), format!("t{n}"));
            stage.ask(Command::CreateTenant(TenantRow {
                no: TenantNo::SYSTEM,
                id,
                name,
                shard: ShardNo(0),
                created_at: START,
            }));
        }
        stage.declare(ConfigDoc::JobType(JobType::named("fetch")));
        let (name, host, kind) = ("feed".to_owned(), Some(HOST.to_owned()), "csaf".to_owned());
        stage.declare(ConfigDoc::Source(Source { name, kind, host, ..Source::default() }));
        let doc = ConfigDoc::Bucket(doc);
        stage.ask(Command::PutConfig { tenant: owner, doc, expect: Expect::Any });
        stage.announce();
        let jobs: Vec<_> = (0..jobs).map(|_| stage.job()).collect();
        stage.ask(Command::Enqueue { tenant: TENANT, jobs, key: None });
        stage
    }

    fn announce(&mut self) {
        self.ask(Command::OpenSession(SessionParams {
            session: SESSION,
            tenants: vec![TENANT],
            worker: "w".to_owned(),
            boot: "b".to_owned(),
            job_types: vec!["fetch".to_owned()],
            capacity: 1_000,
            sdk: "test".to_owned(),
        }));
    }

    fn job(&mut self) -> NewJob {
        NewJob {
            id: JobId(self.uuid()),
            id_given: false,
            key: None,
            payload: "{}".into(),
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
            lane: LaneKey {
                concurrency_key: None,
                job_type: "fetch".to_owned(),
                priority: Priority::Normal,
                project: "default".to_owned(),
                source: Some("feed".to_owned()),
            },
        }
    }

    fn uuid(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128((0x0190 << 112) | (7 << 76) | (1 << 63) | self.next)
    }

    fn ask(&mut self, command: Command) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now);
        let _ = self.shard.take_woken();
        if let Some(append) = self.shard.take() {
            self.commits.push(Commit { commit_no: append.commit_no, blocks: append.blocks });
        }
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    fn declare(&mut self, doc: ConfigDoc) {
        let answer = self.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any });
        assert!(matches!(answer, Answer::Config { .. }), "{answer:?}");
    }

    fn claim(&mut self) -> Vec<Grant> {
        let claim = ClaimId(self.uuid());
        let params = ClaimParams {
            session: SESSION,
            claim,
            max: 1_000,
            job_types: Vec::new(),
            auto_ack: true,
            wait_until: None,
        };
        let Answer::Claimed(grants) = self.ask(Command::Claim(params)) else { panic!("claimed") };
        grants
    }

    fn refused(&mut self, token: Token) {
        let said = UpstreamSaid { throttled: Some(429), sent_ms_ago: Some(0), ..UpstreamSaid::default() };
        self.ask(Command::Upstream { tenants: vec![TENANT], token, said });
    }

    fn complete(&mut self, token: Token, took: &[u64]) {
        let took = took.iter().map(|ms| Took { host: HOST.to_owned(), latency_ms: *ms }).collect();
        let (outcome, fingerprint) = (Report::Succeeded { result: None, result_sha256: None }, [1; 16]);
        let (artifacts, follow_ups) = (Vec::new(), Vec::new());
        let completions =
            vec![Completion { token, outcome, fingerprint, artifacts, follow_ups, took, watermark: None }];
        self.ask(Command::Complete { tenants: vec![TENANT], completions });
    }

    fn later(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.ask(Command::Tick);
    }

    fn found(&mut self) -> BucketFound {
        let read = Read::Bucket { tenant: TENANT, name: "feed".to_owned() };
        let Answer::Bucket(Some(found)) = self.ask(Command::Read(read)) else { panic!("a bucket") };
        found
    }

    /// What is under way, what may be, and at most.
    fn in_flight(&mut self) -> (u32, u32, u32) {
        let InFlight { under_way, most, max } = self.found().in_flight.unwrap();
        (under_way, most, max)
    }

    /// Another owner takes the shard: its state is what the one before had.
    fn fail_over(&mut self) {
        let mut shard = Shard::empty(identity(self.shard.identity().epoch + 1));
        self.commits.iter().for_each(|commit| shard.replay(commit).unwrap());
        assert_eq!(shard.save(), self.shard.save());
        shard.serve_from(self.now);
        self.shard = shard;
        self.announce();
    }

    fn latency_cuts(&self) -> Vec<Slow> {
        let records = self.commits.iter().flat_map(|commit| &commit.blocks).flat_map(|block| block.records().unwrap());
        let cuts = records.filter_map(|record| match record.body {
            Fact::BucketCut { cause: CutCause::Latency, slow, .. } => slow,
            _ => None,
        });
        cuts.collect()
    }
}

#[test]
fn a_refusal_halves_what_may_be_under_way_and_successes_raise_it() {
    let mut stage = Stage::new(bucket(Some(8)), 200);
    let mut held = stage.claim();
    assert_eq!((held.len(), stage.in_flight()), (8, (8, 8, 8)));
    stage.later(1);
    stage.refused(held[0].token);
    stage.refused(held[1].token);
    assert_eq!(stage.in_flight(), (8, 4, 8), "both were under way together");
    assert_eq!(stage.found().cuts[0].in_flight, Some(4));
    for grant in held.split_off(3) {
        stage.complete(grant.token, &[]);
    }
    // Five ended well while no more than four might be under way: a limit's worth.
    assert_eq!((stage.claim().len(), stage.in_flight()), (2, (5, 5, 8)));
    stage.later(1);
    stage.refused(held[0].token);
    assert_eq!(stage.in_flight(), (5, 2, 8));
    stage.ask(Command::ResetBucket { tenant: TENANT, bucket: "feed".to_owned(), actor: Actor::default() });
    assert_eq!((stage.claim().len(), stage.in_flight()), (3, (8, 8, 8)));
}

#[test]
fn what_a_new_owner_counts_is_what_is_under_way() {
    let mut stage = Stage::new(bucket(Some(6)), 50);
    let held = stage.claim();
    stage.later(1);
    stage.refused(held[0].token);
    stage.complete(held[1].token, &[]);
    stage.fail_over();
    assert_eq!(stage.in_flight(), (5, 3, 6));
    assert!(stage.claim().is_empty());
    for grant in &held[2..5] {
        stage.complete(grant.token, &[]);
    }
    assert_eq!(stage.in_flight(), (2, 4, 6), "and they raised what may be");
}

#[test]
fn who_waits_for_it_is_told_so() {
    let mut stage = Stage::new(bucket(Some(4)), 9);
    let held = stage.claim();
    let read = Read::Explain { tenant: TENANT, lane: orch_core::ids::LaneNo(1), job: None };
    let hold = |stage: &mut Stage| {
        let Answer::Explained(Some(Explained { holds, .. })) = stage.ask(Command::Read(read.clone())) else {
            panic!("explained")
        };
        let [hold] = &holds[..] else { panic!("{holds:?}") };
        hold.clone()
    };
    let Hold { gate, by, since, .. } = hold(&mut stage);
    let says = "bucket `feed`: 4 of 4 attempts are under way at its host";
    assert_eq!((gate, by.as_str(), since), (Gate::Concurrency, says, None));
    stage.later(10);
    stage.refused(held[0].token);
    let cut_at = stage.now;
    stage.complete(held[0].token, &[]);
    stage.later(10_000);
    let Hold { gate, by, since, .. } = hold(&mut stage);
    let says = "bucket `feed`: 3 of 2 attempts are under way at its host; 4 before the upstream refused or was slow";
    assert_eq!((gate, by.as_str(), since), (Gate::Concurrency, says, Some(cut_at)));
    let tenant = stage.shard.tenants.get(TENANT).unwrap();
    assert_eq!(Held::new(tenant, stage.now).by(orch_core::ids::LaneNo(1)), Some(Gate::Concurrency));
}

#[test]
fn a_limit_that_is_declared_later_counts_what_is_under_way_already() {
    let mut stage = Stage::new(bucket(None), 10);
    let held: Vec<_> = stage.claim().into_iter().take(10).collect();
    let jobs: Vec<_> = (0..10).map(|_| stage.job()).collect();
    stage.ask(Command::Enqueue { tenant: TENANT, jobs, key: None });
    stage.declare(ConfigDoc::Bucket(bucket(Some(4))));
    assert_eq!((stage.claim().len(), stage.in_flight()), (0, (10, 4, 4)));
    for grant in &held[..7] {
        stage.complete(grant.token, &[]);
    }
    assert_eq!((stage.claim().len(), stage.in_flight()), (1, (4, 4, 4)));
    let (kind, name, actor) = (ConfigKind::Bucket, "feed".to_owned(), Actor::default());
    stage.ask(Command::DeleteConfig { tenant: TENANT, kind, name, expect: Expect::Any, actor });
    assert_eq!(stage.claim().len(), 9, "what was held goes");
}

#[test]
fn the_platform_declares_none() {
    let mut stage = Stage::new(bucket(None), 0);
    let doc = ConfigDoc::Bucket(bucket(Some(4)));
    let answer = stage.ask(Command::PutConfig { tenant: TenantNo::SYSTEM, doc, expect: Expect::Any });
    let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.field.as_deref(), Some("in_flight_max"));
}

#[test]
fn slow_answers_cut_once_and_not_again_until_what_queued_has_drained() {
    let mut stage = Stage::new(Bucket { ramp_ms: 60_000, ..bucket(Some(8)) }, 500);
    let answers = |stage: &mut Stage, ms: u64, attempts: usize| {
        let mut held = std::collections::VecDeque::from(stage.claim());
        for _ in 0..attempts {
            let grant = held.pop_front().unwrap();
            stage.later(ms);
            stage.complete(grant.token, &[ms; 5]);
            held.extend(stage.claim());
        }
        for grant in held {
            stage.ask(Command::Release { tenants: vec![TENANT], tokens: vec![grant.token] });
        }
    };
    answers(&mut stage, 40, 12);
    assert_eq!((stage.found().baseline_ms, stage.latency_cuts()), (Some(40), vec![]));
    answers(&mut stage, 200, 16);
    assert_eq!(stage.latency_cuts(), [Slow { baseline_ms: 40, latency_ms: 200 }]);
    let found = stage.found();
    assert_eq!((found.latency_ms, found.cuts[0].slow), (Some(200), Some(Slow { baseline_ms: 40, latency_ms: 200 })));
    stage.later(7_000);
    answers(&mut stage, 200, 8);
    assert_eq!(stage.latency_cuts().len(), 2, "it is slow still");
    stage.fail_over();
    assert_eq!((stage.found().baseline_ms, stage.found().cuts.len()), (None, 2), "it is learnt anew");
}

#[test]
fn slow_answers_cut_nothing_where_that_is_switched_off_or_of_another_host() {
    let mut stage = Stage::new(Bucket { latency_cut: false, ..bucket(None) }, 80);
    let held = stage.claim();
    for (place, grant) in held.iter().enumerate() {
        stage.later(10);
        stage.complete(grant.token, &[if place < 20 { 10 } else { 900 }; 5]);
    }
    let found = stage.found();
    assert_eq!((stage.latency_cuts(), found.baseline_ms, found.latency_ms), (vec![], Some(10), Some(900)));
}

#[test]
fn slow_answers_of_a_shared_host_cut_the_bucket_of_the_platform() {
    let mut stage = Stage::of(TenantNo::SYSTEM, bucket(None), 60);
    let held = stage.claim();
    assert!(held.len() >= 40, "the home of the host is here: {}", held.len());
    for (place, grant) in held.iter().take(40).enumerate() {
        stage.later(10);
        stage.complete(grant.token, &[if place < 20 { 10 } else { 900 }; 5]);
    }
    assert_eq!(stage.latency_cuts(), [Slow { baseline_ms: 10, latency_ms: 900 }]);
    let read = Read::Bucket { tenant: TenantNo::SYSTEM, name: "feed".to_owned() };
    let Answer::Bucket(Some(found)) = stage.ask(Command::Read(read)) else { panic!("a bucket") };
    assert!(found.share < 600 && found.cuts.len() == 1, "{found:?}");
}

/// An upstream that answers one request after another, each within so many milliseconds, and what of it is under way.
struct Queue {
    each_ms: i64,
    free_at: i64,
    /// When it answers, whom, and how long that took.
    answers: std::collections::BTreeMap<(i64, u128), (Token, u64)>,
    took: Vec<(Timestamp, u64)>,
}

impl Queue {
    /// A second of work: claims each ten milliseconds, requests that leave when they may.
    fn second(&mut self, stage: &mut Stage) {
        for _ in 0..100 {
            stage.later(10);
            for grant in stage.claim() {
                let arrives = grant.not_before.map_or(stage.now, |at| at.max(stage.now)).millis() + 2;
                self.free_at = self.free_at.max(arrives) + self.each_ms;
                let took = u64::try_from(self.free_at - arrives).unwrap() + 30;
                self.answers.insert((self.free_at + 30, grant.token.job.0.as_u128()), (grant.token, took));
            }
            while let Some(first) = self.answers.first_entry().filter(|first| first.key().0 <= stage.now.millis()) {
                let (token, took) = first.remove();
                self.took.push((stage.now, took));
                stage.complete(token, &[took]);
            }
        }
    }
}

#[test]
fn an_upstream_that_slows_down_at_a_rate_settles_below_it() {
    // It bears forty requests a second, its terms say a hundred, and it refuses nothing.
    let terms = vec![Term::window(100, 1_000)];
    let mut stage = Stage::new(Bucket { terms, ramp_ms: 60_000, ..bucket(None) }, 0);
    let mut queue = Queue { each_ms: 25, free_at: 0, answers: Default::default(), took: Vec::new() };
    let mut live = |stage: &mut Stage, seconds: u64, jobs: usize| {
        for _ in 0..seconds {
            let waiting = stage.shard.tenants.get(TENANT).unwrap().index.counts.ready;
            let jobs = if waiting > 300 { 0 } else { jobs };
            let jobs: Vec<_> = (0..jobs).map(|_| stage.job()).collect();
            stage.ask(Command::Enqueue { tenant: TENANT, jobs, key: None });
            queue.second(stage);
        }
        let since = stage.now.millis() - i64::try_from(seconds).unwrap() * 1_000;
        let mut took: Vec<_> = queue.took.iter().filter(|(at, _)| at.millis() > since).map(|(_, ms)| *ms).collect();
        took.sort_unstable();
        (took.len() as u64 / seconds, took[took.len() / 2])
    };
    let (rate, usual) = live(&mut stage, 20, 10);
    assert_eq!((rate, stage.latency_cuts().len()), (10, 0));
    live(&mut stage, 60, 120);
    let (rate, median) = live(&mut stage, 240, 120);
    println!("{rate} a second of 40, half within {median} ms, usually {usual}; {} cuts", stage.latency_cuts().len());
    assert!((20..40).contains(&rate), "{rate}");
    assert!(median <= 10 * usual, "{median} ms, and usually {usual}");
    assert!(stage.latency_cuts().len() <= 50, "{}", stage.latency_cuts().len());
}
