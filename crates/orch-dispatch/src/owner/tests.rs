//! Who waits for whom: a flood beside one who asks for little, and how many appends are under way.

use bytes::Bytes;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::ids::{Incarnation, JobId, ShardNo, Stream, TenantId};
use orch_core::job::{LaneKey, Priority};
use orch_core::port::TenantRow;
use uuid::Uuid;

use super::*;
use crate::command::{Expect, NewJob};

const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const FLOOD: TenantNo = TenantNo(2);
const QUIET: TenantNo = TenantNo(3);

/// An owner with two tenants, everything so far committed.
struct Stage {
    owner: Owner,
    now: Timestamp,
    next: u64,
    answered: Vec<u64>,
}

impl Stage {
    fn new(sizes: Sizes) -> Self {
        let identity = Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) };
        let mut owner = Owner::recover(identity, None, [], START, SnapshotPolicy::default()).unwrap();
        owner.resize(sizes);
        let mut stage = Self { owner, now: START, next: 0, answered: Vec::new() };
        for n in 1..=3_u32 {
            let row = TenantRow {
                no: TenantNo::SYSTEM,
                id: TenantId(Uuid::from_u128(n.into())),
                name: format!("t{n}"),
                shard: ShardNo(0),
                created_at: START,
            };
            stage.ask(Command::CreateTenant(row));
            let doc = ConfigDoc::JobType(JobType::named("t"));
            stage.ask(Command::PutConfig { tenant: TenantNo(n), doc, expect: Expect::Absent });
        }
        while !stage.owner.idle() {
            let appends = stage.carry_out();
            appends.iter().for_each(|append| stage.commit(append));
        }
        stage.carry_out();
        stage.answered.clear();
        stage
    }

    fn ask(&mut self, command: Command) -> u64 {
        self.next += 1;
        self.owner.submit(CallId(self.next), command, self.now);
        self.next
    }

    fn enqueue(&mut self, tenant: TenantNo, jobs: usize) -> u64 {
        let jobs = (0..jobs).map(|n| job(u128::from(self.next + 1) << 32 | n as u128)).collect();
        self.ask(Command::Enqueue { tenant, jobs, key: None })
    }

    /// The appends that the owner has begun since.
    fn carry_out(&mut self) -> Vec<Append> {
        let mut appends = Vec::new();
        for effect in self.owner.take_effects() {
            match effect {
                Effect::Append(append) => appends.push(*append),
                Effect::Answer(CallId(call), _) => self.answered.push(call),
                Effect::Prepare(..) | Effect::Windows(..) | Effect::Keys(..) | Effect::Ask(_) => {}
            }
        }
        appends
    }

    fn commit(&mut self, append: &Append) {
        self.owner.appended(append.commit_no, self.now);
    }
}

fn job(n: u128) -> NewJob {
    NewJob {
        id: JobId::v7(START, n),
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
            concurrency_key: None,
            job_type: "t".to_owned(),
            priority: Priority::Normal,
            project: "default".to_owned(),
            source: None,
        },
    }
}

fn facts_of(append: &Append, tenant: TenantNo) -> u64 {
    let of = |block: &&orch_core::block::Block| block.stream == Stream::from(tenant);
    append.blocks.iter().filter(of).map(|block| block.last_seq + 1 - block.first_seq).sum()
}

/// How many facts of the flood are committed between the quiet tenant's call and its answer.
fn flood_before_answer(appends: usize) -> u64 {
    let mut stage = Stage::new(Sizes { appends, ..Sizes::default() });
    for _ in 0..100 {
        stage.enqueue(FLOOD, 500);
    }
    let mut under_way = stage.carry_out();
    let call = stage.enqueue(QUIET, 1);
    let mut flood = 0;
    for _ in 0..1_000 {
        under_way.extend(stage.carry_out());
        if stage.answered.contains(&call) {
            return flood;
        }
        let append = under_way.remove(0);
        flood += facts_of(&append, FLOOD);
        stage.commit(&append);
    }
    panic!("the quiet tenant was never answered");
}

#[test]
fn who_asks_for_little_waits_for_what_is_under_way_and_no_more() {
    // The first command of the flood went off alone, the next commit is full, and a command of the flood has its turn.
    assert!(flood_before_answer(1) <= 501 + 4_500 + 500, "{}", flood_before_answer(1));
    assert!(flood_before_answer(2) <= 501 + 2 * 4_500 + 500, "{}", flood_before_answer(2));
}

#[test]
fn beside_a_flood_commits_are_small_while_others_ask() {
    let mut stage = Stage::new(Sizes::default());
    let (mut most, mut quiet_alone) = (0, 0);
    for _ in 0..300 {
        for _ in 0..20 {
            stage.enqueue(FLOOD, 100);
        }
        stage.now = stage.now.plus_ms(10);
        stage.enqueue(QUIET, 1);
        for append in stage.carry_out() {
            if stage.next > 1_000 {
                most = most.max(facts_of(&append, FLOOD));
                quiet_alone += u64::from(facts_of(&append, QUIET) > 0 && facts_of(&append, FLOOD) == 0);
            }
            stage.commit(&append);
        }
    }
    assert!(most <= limits::FACTS_PER_MIXED_COMMIT + 100, "{most} facts of the flood in one commit");
    assert!(quiet_alone > 50, "{quiet_alone} commits were the quiet tenant's alone");
}

#[test]
fn a_second_append_waits_until_it_is_worth_a_commit() {
    let mut stage = Stage::new(Sizes { appends: 2, second_append_facts: 100, ..Sizes::default() });
    stage.enqueue(FLOOD, 1);
    assert_eq!(stage.carry_out().len(), 1);
    stage.enqueue(FLOOD, 98);
    assert_eq!(stage.carry_out().len(), 0, "there is little to write, and an append under way");
    stage.enqueue(FLOOD, 2);
    assert_eq!(stage.carry_out().len(), 1);
    stage.enqueue(FLOOD, 500);
    assert_eq!(stage.carry_out().len(), 0, "two are under way");
}

#[test]
fn an_answer_leaves_with_its_own_commit() {
    let mut stage = Stage::new(Sizes { appends: 2, second_append_facts: 1, ..Sizes::default() });
    let first = stage.enqueue(FLOOD, 1);
    let second = stage.enqueue(FLOOD, 1);
    let appends = stage.carry_out();
    assert_eq!(appends.len(), 2);
    stage.commit(&appends[0]);
    stage.carry_out();
    assert_eq!(stage.answered, [first]);
    stage.commit(&appends[1]);
    stage.carry_out();
    assert_eq!(stage.answered, [first, second]);
}

#[test]
fn one_sender_cannot_take_the_whole_queue() {
    let mut stage = Stage::new(Sizes { commit_facts: 1, ..Sizes::default() });
    for _ in 0..limits::COMMANDS_QUEUED_SENDER_MAX + 10 {
        stage.enqueue(FLOOD, 1);
    }
    let enqueue = |tenant| Command::Enqueue { tenant, jobs: vec![job(1)], key: None };
    assert!(stage.owner.sheds(&enqueue(FLOOD)));
    assert!(!stage.owner.sheds(&enqueue(QUIET)));
}
