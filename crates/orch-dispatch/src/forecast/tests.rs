//! Estimates where every attempt takes as long as the last, so that they are exact.

use std::collections::BTreeMap;

use bytes::Bytes;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::fact::PauseTarget;
use orch_core::ids::{ClaimId, Incarnation, JobId, LaneNo, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{JobError, LaneKey, Priority};
use orch_core::port::TenantRow;
use orch_core::quota::Quota;
use orch_core::time::Timestamp;
use uuid::Uuid;

use crate::answer::{Answer, Estimate, Explained, Gate, Grant, WorkersWanted};
use crate::command::{Actor, ClaimParams, Command, Completion, Expect, NewJob, Read, Report, SessionParams};
use crate::prepared::Readings;
use crate::shard::{Identity, Reply, Shard};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);
pub(crate) const TENANT: TenantNo = TenantNo(2);
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0002_0001));

/// A shard with a tenant whose job type is `t`, and a worker.
pub(crate) struct Stage {
    pub shard: Shard,
    pub now: Timestamp,
    /// What is enqueued is of this source.
    pub source: Option<String>,
    capacity: u32,
    next: u128,
}

impl Stage {
    pub fn new(doc: JobType, capacity: u32) -> Self {
        let mut shard = Shard::empty(Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) });
        shard.serve_from(START);
        let mut stage = Self { shard, now: START, source: None, capacity, next: 0 };
        for n in 1..=2 {
            let (no, id) = (TenantNo(n), TenantId(Uuid::from_u128(n.into())));
            let row = TenantRow { no, id, name: format!("t{n}"), shard: ShardNo(0), created_at: START };
            stage.ask(Command::CreateTenant(row));
        }
        stage.declare(ConfigDoc::JobType(doc));
        stage.announce();
        stage
    }

    /// A worker says that it is there: an owner knows none at first.
    pub fn announce(&mut self) {
        let (worker, boot, sdk) = ("w".to_owned(), "b".to_owned(), "test".to_owned());
        let (tenants, job_types) = (vec![TENANT], vec!["t".to_owned(), "u".to_owned()]);
        self.ask(Command::OpenSession(SessionParams {
            session: SESSION,
            tenants,
            worker,
            boot,
            job_types,
            capacity: self.capacity,
            sdk,
        }));
    }

    pub fn ask(&mut self, command: Command) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now);
        let _ = self.shard.take();
        let _ = self.shard.take_woken();
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    pub fn declare(&mut self, doc: ConfigDoc) {
        let answer = self.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any });
        assert!(matches!(answer, Answer::Config { .. }), "{answer:?}");
    }

    pub fn enqueue(&mut self, job_type: &str, key: Option<&str>, jobs: usize) {
        let jobs = (0..jobs).map(|_| {
            self.next += 1;
            NewJob {
                id: JobId::v7(self.now, self.next),
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
                    concurrency_key: key.map(str::to_owned),
                    job_type: job_type.to_owned(),
                    priority: Priority::Normal,
                    project: "default".to_owned(),
                    source: self.source.clone(),
                },
            }
        });
        let jobs = jobs.collect();
        let answer = self.ask(Command::Enqueue { tenant: TENANT, jobs, key: None });
        assert!(matches!(answer, Answer::Enqueued(_)), "{answer:?}");
    }

    pub fn claim(&mut self, max: usize) -> Vec<Grant> {
        self.next += 1;
        let claim = ClaimId(Uuid::from_u128(self.next));
        let params =
            ClaimParams { session: SESSION, claim, max, job_types: Vec::new(), auto_ack: true, wait_until: None };
        match self.ask(Command::Claim(params)) {
            Answer::Claimed(grants) => grants,
            answer => panic!("{answer:?}"),
        }
    }

    pub fn complete(&mut self, grant: &Grant, good: bool) {
        let outcome = if good {
            Report::Succeeded { result: None, result_sha256: None }
        } else {
            Report::Failed(JobError::own("handler", "it did not work", false))
        };
        let (token, artifacts, follow_ups) = (grant.token, Vec::new(), Vec::new());
        let completion = Completion {
            token,
            outcome,
            fingerprint: [0; 16],
            artifacts,
            follow_ups,
            took: Vec::new(),
            watermark: None,
        };
        self.ask(Command::Complete { tenants: vec![TENANT], completions: vec![completion] });
    }

    /// `jobs` attempts that take so long, one after the other.
    pub fn learn(&mut self, job_type: &str, jobs: usize, ms: u64) {
        for _ in 0..jobs {
            self.enqueue(job_type, None, 1);
            let grants = self.claim(1);
            self.now = self.now.plus_ms(ms);
            grants.iter().for_each(|grant| self.complete(grant, true));
        }
    }

    fn explain(&mut self, lane: u32) -> Explained {
        match self.ask(Command::Read(Read::Explain { tenant: TENANT, lane: LaneNo(lane), job: None })) {
            Answer::Explained(Some(explained)) => explained,
            answer => panic!("{answer:?}"),
        }
    }

    pub fn wanted(&mut self, job_type: &str, target_ms: u64) -> WorkersWanted {
        let job_type = Some(job_type.to_owned());
        match self.ask(Command::Read(Read::WorkersWanted { tenant: TENANT, job_type, target_ms })) {
            Answer::WorkersWanted(mut all) => all.remove(0),
            answer => panic!("{answer:?}"),
        }
    }

    /// When the job behind so many others of lane 1 starts, in milliseconds from now.
    fn starts_in(&mut self, ahead: u64) -> Option<u64> {
        let forecast = self.shard.forecast(TENANT, LaneNo(1), Some(ahead))?;
        Some(forecast.starts?.at.ms_since(self.now))
    }
}

pub(crate) fn kind(concurrency_max: Option<u32>) -> JobType {
    JobType { concurrency_max, ..JobType::named("t") }
}

fn actor() -> Actor {
    Actor { by: "me".to_owned(), reason: None }
}

#[test]
fn the_next_slot_comes_when_the_attempt_that_has_it_ends() {
    let mut stage = Stage::new(kind(Some(1)), 100);
    stage.learn("t", 3, 10_000);
    stage.enqueue("t", None, 4);
    assert_eq!(stage.claim(10).len(), 1);
    stage.now = stage.now.plus_ms(4_000);
    let said = stage.explain(1);
    assert_eq!(said.holds[0].gate, Gate::Concurrency);
    assert_eq!(said.holds[0].opens_at, None, "no clock says it");
    let at = stage.now.plus_ms(6_000);
    assert_eq!(said.front, Some(Estimate { at, run_times: 3 }));
    assert_eq!((stage.starts_in(0), stage.starts_in(2)), (Some(6_000), Some(26_000)));
}

#[test]
fn slots_are_shared_by_those_ahead() {
    let mut stage = Stage::new(kind(None), 2);
    stage.learn("t", 2, 10_000);
    stage.enqueue("t", None, 9);
    assert_eq!(stage.claim(2).len(), 2);
    assert_eq!(stage.explain(1).holds[0].gate, Gate::Worker);
    assert_eq!([0, 1, 2, 5].map(|ahead| stage.starts_in(ahead)), [10_000, 10_000, 20_000, 30_000].map(Some));
}

#[test]
fn what_no_end_opens_has_no_estimate() {
    let mut stage = Stage::new(kind(Some(1)), 100);
    stage.enqueue("t", None, 2);
    stage.claim(1);
    assert_eq!(stage.explain(1).front, None, "nothing ever ended");
    let mut stage = Stage::new(kind(Some(1)), 100);
    stage.learn("t", 1, 1_000);
    stage.enqueue("t", None, 2);
    stage.claim(1);
    assert!(stage.explain(1).front.is_some());
    let target = PauseTarget::JobType("t".to_owned());
    stage.ask(Command::Pause { tenant: TENANT, target, actor: actor() });
    assert_eq!(stage.explain(1).front, None, "a pause ends when somebody ends it");
}

#[test]
fn failures_say_nothing_of_how_long_work_takes() {
    let mut stage = Stage::new(kind(Some(1)), 100);
    stage.learn("t", 2, 1_000);
    stage.enqueue("t", None, 1);
    let grants = stage.claim(1);
    stage.now = stage.now.plus_ms(50_000);
    stage.complete(&grants[0], false);
    let wanted = stage.wanted("t", 1_000);
    assert_eq!((wanted.mean_ms, wanted.run_times), (Some(1_000), 2));
}

#[test]
fn what_lies_beyond_the_steps_is_reckoned_in_proportion() {
    let mut stage = Stage::new(kind(Some(2)), 100);
    stage.learn("t", 2, 10_000);
    stage.enqueue("t", None, 3);
    stage.claim(2);
    // One more job waits; those that are said to be ahead are not there, and two slots would have to do them.
    let far = 1_000_000;
    stage.enqueue("t", None, 60_000);
    let starts = stage.starts_in(far).expect("a bounded run has an estimate");
    let right = 10_000 * far / 2;
    assert!(starts.abs_diff(right) < right / 10, "{starts} is far from {right}");
}

#[test]
fn a_quotas_slots_are_waited_for_as_well() {
    let mut stage = Stage::new(kind(None), 100);
    stage.declare(ConfigDoc::JobType(JobType::named("u")));
    stage.declare(ConfigDoc::Quota(Quota { name: "few".into(), active_max: Some(2), ..Quota::default() }));
    stage.learn("t", 2, 10_000);
    stage.learn("u", 2, 40_000);
    stage.enqueue("u", None, 2);
    assert_eq!(stage.claim(9).len(), 2);
    stage.enqueue("t", None, 2);
    let said = stage.explain(1);
    assert_eq!((said.holds[0].gate, said.front.map(|front| front.at)), (Gate::Quota, Some(stage.now.plus_ms(40_000))));
}
