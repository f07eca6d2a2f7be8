//! Tenants side by side: weights, priorities, what is reserved, what is the most; and a worker of the platform.

use std::collections::BTreeMap;

use orch_core::config::{Bucket, ConfigDoc, JobType, Source};
use orch_core::ids::{ClaimId, Incarnation, JobId, SessionId, ShardNo, TenantId};
use orch_core::job::{LaneKey, Priority};
use orch_core::port::{SnapshotRow, TenantRow};
use orch_core::time::Timestamp;
use uuid::Uuid;

use super::*;
use crate::answer::Grant;
use crate::command::{ClaimParams, Command, Completion, Expect, NewJob, Read, Report, SessionParams};
use crate::prepared::Readings;
use crate::shard::{Identity, Reply, SNAPSHOT_FORMAT};

pub(crate) const A: TenantNo = TenantNo(2);
pub(crate) const B: TenantNo = TenantNo(3);
pub(crate) const START: Timestamp = Timestamp::from_millis(1_900_000_800_000);

/// A shard with two tenants and one worker for both.
pub(crate) struct Stage {
    pub shard: Shard,
    pub now: Timestamp,
    next: u128,
    pub held: Vec<Grant>,
}

fn identity() -> Identity {
    Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) }
}

impl Stage {
    pub fn new() -> Self {
        let mut shard = Shard::empty(identity());
        shard.serve_from(START);
        let mut stage = Self { shard, now: START, next: 0, held: Vec::new() };
        for n in 1..=3_u32 {
            let (id, name) = (TenantId(Uuid::from_u128(n.into())), format!("t{n}"));
            let row = TenantRow { no: TenantNo::SYSTEM, id, name, shard: ShardNo(0), created_at: START };
            stage.ask(Command::CreateTenant(row));
        }
        for tenant in [A, B] {
            stage.declare(tenant, ConfigDoc::JobType(JobType { lease_ms: 3_600_000, ..JobType::named("fetch") }));
            let source = Source { name: "feed".to_owned(), host: Some("feed.example".to_owned()), ..Source::default() };
            stage.declare(tenant, ConfigDoc::Source(source));
        }
        stage.announce();
        stage
    }

    pub fn announce(&mut self) {
        self.ask(Command::OpenSession(SessionParams {
            session: session(),
            tenants: vec![TenantNo::SYSTEM],
            worker: "w".to_owned(),
            boot: "b".to_owned(),
            job_types: vec!["fetch".to_owned()],
            capacity: 100_000,
            sdk: "test".to_owned(),
        }));
    }

    pub fn ask(&mut self, command: Command) -> Answer {
        match self.shard.execute(command, &Readings::default(), self.now) {
            Reply::Now(Answer::Refused(refusal)) => panic!("{refusal:?}"),
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    pub fn declare(&mut self, tenant: TenantNo, doc: ConfigDoc) {
        self.ask(Command::PutConfig { tenant, doc, expect: Expect::Any });
    }

    pub fn allot(&mut self, tenant: TenantNo, allotment: Allotment) {
        self.ask(Command::AllotTenant { tenant, allotment, actor: Actor::default() });
    }

    fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self.next)
    }

    pub fn enqueue(&mut self, tenant: TenantNo, jobs: usize, priority: Priority, source: Option<&str>) {
        self.put_in(tenant, jobs, (priority, source, None));
    }

    pub fn enqueue_keyed(&mut self, tenant: TenantNo, jobs: usize, priority: Priority, key: Option<&str>) {
        self.put_in(tenant, jobs, (priority, None, key));
    }

    fn put_in(&mut self, tenant: TenantNo, jobs: usize, of: (Priority, Option<&str>, Option<&str>)) {
        let (priority, source, key) = of;
        let jobs = (0..jobs).map(|_| NewJob {
            id: JobId(self.id()),
            id_given: false,
            key: None,
            lane: LaneKey {
                concurrency_key: key.map(str::to_owned),
                job_type: "fetch".to_owned(),
                priority,
                project: "default".to_owned(),
                source: source.map(str::to_owned),
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
        });
        let jobs = jobs.collect();
        self.ask(Command::Enqueue { tenant, jobs, key: None });
    }

    /// Claims, and says who got how much.
    pub fn claim(&mut self, max: usize) -> Vec<TenantNo> {
        let claim = ClaimId(self.id());
        let params =
            ClaimParams { session: session(), claim, max, job_types: Vec::new(), auto_ack: true, wait_until: None };
        let Answer::Claimed(grants) = self.ask(Command::Claim(params)) else { return Vec::new() };
        let whose = grants.iter().map(|grant| grant.token.tenant).collect();
        self.held.extend(grants);
        whose
    }

    /// The first attempt of a tenant ends.
    pub fn complete(&mut self, tenant: TenantNo) {
        let place = self.held.iter().position(|grant| grant.token.tenant == tenant).expect("it has one");
        let token = self.held.remove(place).token;
        let outcome = Report::Succeeded { result: None, result_sha256: None };
        let (artifacts, follow_ups) = (Vec::new(), Vec::new());
        let fingerprint = self.id().into_bytes();
        let completions =
            vec![Completion { token, outcome, fingerprint, artifacts, follow_ups, took: Vec::new(), watermark: None }];
        self.ask(Command::Complete { tenants: vec![TenantNo::SYSTEM], completions });
    }

    pub fn tick(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.ask(Command::Tick);
    }

    /// Another owner takes over: from a snapshot of now.
    pub fn recover(&mut self) {
        let _ = self.shard.take();
        let state = self.shard.save();
        let row = SnapshotRow { format: SNAPSHOT_FORMAT, commit_no: self.shard.taken(), state: state.clone().into() };
        let mut shard = Shard::begin(identity(), Some(&row)).expect("the snapshot is read");
        shard.serve_from(self.now);
        assert_eq!(shard.save(), state);
        self.shard = shard;
        self.announce();
    }

    /// The same, and what waits is in the windows again.
    pub fn recover_with_windows(&mut self) {
        let held = self.shard.held;
        let windows: Vec<_> = self.shard.tenants.iter().map(|(no, tenant)| (*no, tenant.lanes.clone())).collect();
        self.recover();
        self.shard.held = held;
        for (no, lanes) in windows {
            let tenant = self.shard.tenants.get_mut(no).expect("it was recovered");
            for (place, lane) in lanes.into_iter().enumerate() {
                tenant.lanes[place].window = lane.window;
                tenant.refresh_lane(orch_core::ids::LaneNo(u32::try_from(place + 1).expect("few lanes")));
            }
        }
    }
}

pub(crate) fn session() -> SessionId {
    SessionId::of(TenantNo::SYSTEM, "w", "b")
}

fn of(got: &[TenantNo], tenant: TenantNo) -> usize {
    got.iter().filter(|no| **no == tenant).count()
}

fn both(jobs: usize) -> Stage {
    let mut stage = Stage::new();
    for tenant in [A, B] {
        stage.enqueue(tenant, jobs, Priority::Normal, None);
    }
    stage
}

#[test]
fn three_times_the_weight_gets_three_times_as_much_and_a_recovery_keeps_it() {
    let mut stage = both(900);
    stage.allot(B, Allotment::weighing(300));
    let mut got = Vec::new();
    for _ in 0..40 {
        got.extend(stage.claim(10));
    }
    stage.recover();
    assert_eq!(got.len(), 400);
    assert!(of(&got, B).abs_diff(300) <= 10, "{} of 400", of(&got, B));
    let found = stage.ask(Command::Read(Read::Allotments));
    assert_eq!(found, Answer::Allotments(vec![TenantAllotted { tenant: B, allotment: Allotment::weighing(300) }]));
}

#[test]
fn who_has_a_priority_is_served_before_whoever_has_less() {
    let mut stage = both(100);
    stage.allot(B, Allotment { strategy: Strategy::Priority, priority: Some(3), ..Allotment::default() });
    let got = stage.claim(120);
    assert_eq!((of(&got[..100], B), of(&got[100..], A)), (100, 20), "nothing is idle that is wanted");
}

#[test]
fn what_is_reserved_comes_first_and_is_lent_while_it_is_not_wanted() {
    let mut stage = Stage::new();
    stage.enqueue(A, 300, Priority::Normal, None);
    stage.allot(B, Allotment { strategy: Strategy::Reserved, reserved: Some(5), ..Allotment::default() });
    assert_eq!(of(&stage.claim(20), A), 20, "it is lent");
    stage.enqueue(B, 300, Priority::Normal, None);
    let got: Vec<_> = (0..12).flat_map(|_| stage.claim(1)).collect();
    assert_eq!(of(&got[..5], B), 5, "{got:?}");
    // A is twenty ahead in virtual time until B has caught up.
    (0..40).for_each(|_| drop(stage.claim(1)));
    let held = |stage: &Stage| stage.held.iter().filter(|grant| grant.token.tenant == B).count();
    while held(&stage) > 4 {
        stage.complete(B);
    }
    assert_eq!(stage.claim(1), [B], "it has less than what is reserved for it");
}

#[test]
fn no_more_than_its_most_is_under_way_whatever_is_idle() {
    let mut stage = both(10);
    stage.allot(B, Allotment { strategy: Strategy::MaxLimit, active_max: Some(3), ..Allotment::default() });
    let got = stage.claim(100);
    assert_eq!((of(&got, A), of(&got, B)), (10, 3));
    let Answer::TenantExplained(why) = stage.ask(Command::Read(Read::ExplainTenant(B))) else { panic!() };
    assert_eq!(why.holds.first().map(|hold| hold.gate), Some(Gate::Quota), "{why:?}");
    stage.complete(B);
    assert_eq!(stage.claim(100), [B]);
    stage.allot(B, Allotment::default());
    assert_eq!(stage.claim(100).len(), 6);
}

#[test]
fn what_is_not_acceptable_is_refused_and_the_same_again_changes_nothing() {
    let mut stage = Stage::new();
    let allot = |allotment| Command::AllotTenant { tenant: B, allotment, actor: Actor::default() };
    let reply = stage.shard.execute(allot(Allotment::weighing(0)), &Readings::default(), stage.now);
    assert!(matches!(reply, Reply::Now(Answer::Refused(refusal)) if refusal.field.as_deref() == Some("weight")));
    stage.allot(B, Allotment::weighing(50));
    let before = stage.shard.save();
    stage.allot(B, Allotment::weighing(50));
    assert_eq!(stage.shard.save(), before);
}

#[test]
fn what_a_bucket_keeps_is_for_urgent_work_alone() {
    let mut stage = Stage::new();
    let terms = vec![orch_core::term::Term::window(10, 60_000)];
    let (name, host) = ("feed".to_owned(), "feed.example".to_owned());
    stage.declare(A, ConfigDoc::Bucket(Bucket { name, host, terms, urgent_reserve_percent: 25, ..Bucket::default() }));
    stage.enqueue(A, 20, Priority::High, Some("feed"));
    assert_eq!(stage.claim(100).len(), 8, "two of ten are kept: 25 %, rounded down");
    let Answer::Explained(Some(why)) =
        stage.ask(Command::Read(Read::Explain { tenant: A, lane: orch_core::ids::LaneNo(1), job: None }))
    else {
        panic!("there is such a lane")
    };
    let by = &why.holds.first().expect("the bucket holds it").by;
    assert!(by.contains("kept for urgent work"), "{by}");
    stage.enqueue(A, 5, Priority::Urgent, Some("feed"));
    assert_eq!(stage.claim(100).len(), 2);
    stage.tick(61_801);
    // Three are urgent, and others come until two of ten are left.
    assert_eq!(stage.claim(100).len(), 8);
}
