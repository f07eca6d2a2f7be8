//! What becomes of a key's jobs under each strategy, one shard and no ledger.

use std::collections::BTreeMap;

use orch_core::config::{ConfigDoc, JobType};
use orch_core::ids::{ClaimId, Incarnation, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{Dependency, DependsOn, LaneKey, Priority};
use orch_core::port::{SnapshotRow, TenantRow};
use uuid::Uuid;

use super::*;
use crate::answer::{Answer, Enqueued, Grant, OpenJob};
use crate::command::{ClaimParams, Command, Completion, Expect, NewJob, Read, Report, SessionParams};
use crate::prepared::Readings;
use crate::shard::{Identity, Reply, SNAPSHOT_FORMAT, Shard};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);
pub(crate) const TENANT: TenantNo = TenantNo(2);
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0002_0001));
const IDENTITY: Identity = Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) };

/// A shard with a tenant, a job type and a worker session.
pub(crate) struct Stage {
    pub shard: Shard,
    now: Timestamp,
    next: u128,
}

impl Stage {
    pub fn new(strategy: PerKeyStrategy, max: u32) -> Self {
        let mut shard = Shard::empty(IDENTITY);
        shard.serve_from(START);
        let mut stage = Self { shard, now: START, next: 0 };
        for n in 1..=2_u32 {
            let id = TenantId(Uuid::from_u128(n.into()));
            let name = format!("t{n}");
            let row = TenantRow { no: TenantNo::SYSTEM, id, name, shard: ShardNo(0), created_at: START };
            stage.ask(Command::CreateTenant(row));
        }
        stage.declare(strategy, Some(max));
        stage.announce();
        stage
    }

    pub fn declare(&mut self, strategy: PerKeyStrategy, max: Option<u32>) {
        let doc = JobType {
            concurrency_per_key_max: max,
            concurrency_per_key_strategy: strategy,
            ..JobType::named("deploy")
        };
        let doc = ConfigDoc::JobType(doc);
        self.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any });
    }

    fn announce(&mut self) {
        self.ask(Command::OpenSession(SessionParams {
            session: SESSION,
            tenants: vec![TENANT],
            worker: "w".to_owned(),
            boot: "b".to_owned(),
            job_types: vec!["deploy".to_owned()],
            capacity: 1_000,
            sdk: "test".to_owned(),
        }));
    }

    /// Asks, and everything stays consistent.
    pub fn ask(&mut self, command: Command) -> Answer {
        let answer = match self.shard.execute(command, &Readings::default(), self.now) {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => panic!("nothing waits here"),
        };
        self.shard.check().unwrap();
        answer
    }

    /// Time passes.
    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The same state, read from its snapshot.
    pub fn recover(&mut self) {
        let _ = self.shard.take();
        let state = self.shard.save().into();
        let row = SnapshotRow { commit_no: self.shard.taken(), format: SNAPSHOT_FORMAT, state };
        self.shard = Shard::begin(IDENTITY, Some(&row)).unwrap();
        self.shard.serve_from(START);
        self.shard.check().unwrap();
        assert_eq!(self.shard.save(), row.state);
        self.announce();
    }

    fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.next)
    }

    pub fn job(&mut self, key: &str) -> NewJob {
        NewJob {
            id: JobId(self.id()),
            id_given: false,
            key: None,
            lane: LaneKey {
                concurrency_key: Some(key.to_owned()),
                job_type: "deploy".to_owned(),
                priority: Priority::Normal,
                project: "default".to_owned(),
                source: None,
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

    fn enqueue(&mut self, jobs: Vec<NewJob>) -> Vec<Enqueued> {
        match self.ask(Command::Enqueue { tenant: TENANT, jobs, key: None }) {
            Answer::Enqueued(enqueued) => enqueued,
            answer => panic!("{answer:?}"),
        }
    }

    /// A new job of this key.
    pub fn submit(&mut self, key: &str) -> Enqueued {
        let job = self.job(key);
        self.enqueue(vec![job]).remove(0)
    }

    pub fn claim(&mut self, max: usize) -> Vec<Grant> {
        let claim = ClaimId(self.id());
        let params =
            ClaimParams { session: SESSION, claim, max, job_types: Vec::new(), auto_ack: true, wait_until: None };
        match self.ask(Command::Claim(params)) {
            Answer::Claimed(grants) => grants,
            answer => panic!("{answer:?}"),
        }
    }

    pub fn complete(&mut self, grant: &Grant, follow_ups: Vec<NewJob>) {
        let outcome = Report::Succeeded { result: None, result_sha256: None };
        let completion = Completion {
            token: grant.token,
            outcome,
            fingerprint: [1; 16],
            artifacts: Vec::new(),
            follow_ups,
            took: Vec::new(),
            watermark: None,
        };
        let Answer::Completed(done) =
            self.ask(Command::Complete { tenants: vec![TENANT], completions: vec![completion] })
        else {
            panic!("a completion is answered")
        };
        assert!(done[0].is_ok(), "{done:?}");
    }

    pub fn seen(&mut self, id: JobId) -> Option<OpenJob> {
        match self.ask(Command::Read(Read::Jobs { tenant: TENANT, ids: vec![id] })) {
            Answer::Jobs(mut jobs) => jobs.remove(0),
            answer => panic!("{answer:?}"),
        }
    }

    /// The end's cause and error's code, of a job that was canceled.
    fn canceled(&self, id: JobId) -> Option<(JobState, String)> {
        let row = self.shard.output().rows.done.iter().find(|row| row.job == id)?;
        let output: orch_core::port::JobOutput = serde_json::from_slice(row.output.as_ref()?).unwrap();
        Some((row.state, output.error?.code))
    }
}

fn because(code: &str) -> Option<(JobState, String)> {
    Some((JobState::Canceled, code.to_owned()))
}

#[test]
fn drop_newest_ends_what_is_one_too_many_at_once() {
    let mut stage = Stage::new(PerKeyStrategy::DropNewest, 2);
    let kept = [stage.submit("a"), stage.submit("a")];
    assert!(kept.iter().all(|job| !job.canceled));
    let (dropped, other) = (stage.submit("a"), stage.submit("b"));
    assert!(dropped.canceled && !other.canceled);
    assert_eq!(stage.canceled(dropped.id), because("dropped"));
    // Handed out or not, they are open.
    let grants = stage.claim(10);
    assert_eq!(grants.len(), 3);
    assert!(stage.submit("a").canceled);
    stage.recover();
    assert!(stage.submit("a").canceled, "a recovered owner knows what is open");
    stage.complete(&grants[0], Vec::new());
    assert!(!stage.submit("a").canceled, "one has ended");
}

#[test]
fn blocked_and_scheduled_jobs_are_open_too() {
    let mut stage = Stage::new(PerKeyStrategy::DropNewest, 1);
    let parent = stage.submit("p").id;
    let child = NewJob { depends_on: vec![Dependency { job: parent, on: DependsOn::Done }], ..stage.job("a") };
    let later = NewJob { not_before: Some(START.plus_ms(1_000)), ..stage.job("b") };
    assert!(stage.enqueue(vec![child, later]).iter().all(|job| !job.canceled));
    assert!(stage.submit("a").canceled && stage.submit("b").canceled);
}

#[test]
fn the_newest_takes_the_place_of_who_waits_and_asks_who_runs() {
    let mut stage = Stage::new(PerKeyStrategy::CancelRunning, 1);
    let first = stage.submit("a").id;
    let second = stage.submit("a").id;
    assert_eq!(stage.canceled(first), because("superseded"));
    let grant = stage.claim(1).remove(0);
    assert_eq!(grant.token.job, second);
    let third = stage.submit("a");
    assert!(!third.canceled);
    assert!(stage.seen(second).is_some_and(|job| job.canceling), "its worker is asked to stop");
    assert_eq!(stage.claim(1).len(), 0, "and runs until it has");
    stage.recover();
    let fourth = stage.submit("a").id;
    assert_eq!(stage.canceled(third.id), because("superseded"));
    stage.complete(&grant, Vec::new());
    assert_eq!(stage.claim(1).remove(0).token.job, fourth);
}

#[test]
fn within_a_call_the_last_of_a_key_stays() {
    let mut stage = Stage::new(PerKeyStrategy::CancelRunning, 2);
    let jobs = (0..5).map(|_| stage.job("a")).collect();
    let canceled: Vec<_> = stage.enqueue(jobs).iter().map(|job| job.canceled).collect();
    assert_eq!(canceled, [true, true, true, false, false]);
}

#[test]
fn jobs_of_before_the_strategy_count_and_make_way() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 1);
    let before: Vec<_> = (0..3).map(|_| stage.submit("a").id).collect();
    stage.declare(PerKeyStrategy::DropNewest, Some(2));
    assert!(stage.submit("a").canceled, "three are open");
    stage.declare(PerKeyStrategy::CancelRunning, Some(2));
    stage.submit("a");
    let ended: Vec<_> = before.iter().map(|id| stage.canceled(*id).is_some()).collect();
    assert_eq!(ended, [true, true, false], "two are left, the new one among them");
    stage.declare(PerKeyStrategy::Queue, None);
    assert!((0..5).all(|_| !stage.submit("a").canceled));
    assert_eq!(stage.claim(10).len(), 7);
}

#[test]
fn a_call_cancels_a_bounded_number_of_jobs_of_before() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 1);
    for _ in 0..3 {
        let jobs = (0..500).map(|_| stage.job("a")).collect();
        stage.enqueue(jobs);
    }
    stage.declare(PerKeyStrategy::CancelRunning, Some(1));
    let ended = |stage: &Stage| stage.shard.output().rows.done.len() as u64;
    stage.submit("a");
    assert_eq!(ended(&stage), orch_core::limits::SUPERSEDED_PER_CALL_MAX + 1);
    stage.submit("a");
    assert_eq!(ended(&stage), 1_501, "the next call goes on");
}

#[test]
fn what_a_completion_adds_does_not_count_its_own_job() {
    for strategy in [PerKeyStrategy::DropNewest, PerKeyStrategy::CancelRunning] {
        let mut stage = Stage::new(strategy, 1);
        stage.submit("a");
        let grant = stage.claim(1).remove(0);
        let next = stage.job("a");
        let id = next.id;
        stage.complete(&grant, vec![next]);
        let parent = stage.shard.output().rows.done.iter().find(|row| row.job == grant.token.job).unwrap();
        assert_eq!(parent.state, JobState::Succeeded, "{strategy:?}");
        assert_eq!(stage.claim(1).remove(0).token.job, id);
    }
}

#[test]
fn jobs_of_the_default_key_are_counted_by_type() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 1);
    for _ in 0..3 {
        stage.submit(DEFAULT_KEY);
    }
    stage.submit("a");
    stage.recover();
    let answer = stage.ask(Command::Read(Read::Keyless(TENANT)));
    assert_eq!(answer, Answer::Keyless(vec![("deploy".to_owned(), 3)]));
}
