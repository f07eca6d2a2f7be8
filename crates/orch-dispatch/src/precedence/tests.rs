//! What another priority for a target does to turns, how long, and which of several counts.

use orch_core::concurrency::PerKeyStrategy;
use orch_core::job::LaneKey;

use super::*;
use crate::command::{Command, NewJob, Read};
use crate::concurrency::tests::{START, Stage, TENANT};

/// Jobs of two lanes, `high` and `low`, that are held in memory.
fn stage() -> Stage {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 1_000);
    for priority in [Priority::High, Priority::Low] {
        let jobs = (0..200).map(|_| {
            let job = stage.job("a");
            NewJob { lane: LaneKey { priority, concurrency_key: None, ..job.lane.clone() }, ..job }
        });
        let jobs = jobs.collect();
        stage.ask(Command::Enqueue { tenant: TENANT, jobs, key: None });
    }
    stage
}

fn put(stage: &mut Stage, target: PauseTarget, priority: Priority, ms: u64) -> Answer {
    let (until, actor) = (START.plus_ms(ms), Actor { by: "op".to_owned(), reason: None });
    stage.ask(Command::Prioritize { tenant: TENANT, target, priority, until, actor })
}

/// Of the next 34 grants, how many are of the low lane.
fn low(stage: &mut Stage) -> usize {
    let grants = stage.claim(34);
    assert_eq!(grants.len(), 34);
    grants.iter().filter(|grant| grant.lane.priority == Priority::Low).count()
}

fn code(answer: Answer) -> Code {
    match answer {
        Answer::Refused(refusal) => refusal.code,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_lane_weighs_as_its_target_until_that_ends() {
    let mut stage = stage();
    let share = low(&mut stage);
    assert!((1..=3).contains(&share), "one in seventeen: {share}");
    assert_eq!(put(&mut stage, PauseTarget::Lane(LaneNo(2)), Priority::High, 1_000), Answer::Done);
    let even = low(&mut stage);
    assert!((16..=18).contains(&even), "they weigh the same: {even}");
    stage.pass(1_000);
    let after = low(&mut stage);
    assert!(after <= 3, "its own priority counts again: {after}");
}

#[test]
fn the_most_particular_counts_and_an_operator_ends_it() {
    let mut stage = stage();
    put(&mut stage, PauseTarget::Tenant, Priority::Normal, 1_000);
    let even = low(&mut stage);
    assert!((16..=18).contains(&even), "all lanes of the tenant are alike: {even}");
    put(&mut stage, PauseTarget::Lane(LaneNo(1)), Priority::Urgent, 1_000);
    let beside = low(&mut stage);
    assert!(beside <= 3, "{beside}");
    put(&mut stage, PauseTarget::JobType("deploy".to_owned()), Priority::Urgent, 1_000);
    let even = low(&mut stage);
    assert!((15..=18).contains(&even), "the type is urgent, and so is the lane: {even}");
    for target in [PauseTarget::JobType("deploy".to_owned()), PauseTarget::Tenant, PauseTarget::Lane(LaneNo(1))] {
        let actor = Actor::default();
        assert_eq!(stage.ask(Command::EndPriority { tenant: TENANT, target, actor }), Answer::Done);
    }
    assert_eq!(stage.ask(Command::Read(Read::Priorities(TENANT))), Answer::Priorities(Vec::new()));
    let after = low(&mut stage);
    assert!(after <= 3, "{after}");
}

#[test]
fn it_outlives_what_is_declared_and_a_recovery() {
    let mut stage = stage();
    put(&mut stage, PauseTarget::JobType("deploy".to_owned()), Priority::Urgent, 1_000);
    stage.declare(PerKeyStrategy::Queue, None);
    stage.recover();
    let Answer::Priorities(found) = stage.ask(Command::Read(Read::Priorities(TENANT))) else {
        panic!("it is answered")
    };
    assert_eq!(found.iter().map(|found| found.priority).collect::<Vec<_>>(), [Priority::Urgent]);
}

#[test]
fn what_is_not_there_or_has_no_good_end_is_refused() {
    let mut stage = stage();
    let of = |n: u32| PauseTarget::Lane(LaneNo(n));
    assert_eq!(code(put(&mut stage, of(3), Priority::High, 1_000)), Code::NotFound);
    assert_eq!(code(put(&mut stage, of(1), Priority::High, 0)), Code::InvalidField);
    assert_eq!(put(&mut stage, of(1), Priority::High, PRIORITY_MS_MAX), Answer::Done);
    assert_eq!(code(put(&mut stage, of(1), Priority::High, PRIORITY_MS_MAX + 1)), Code::LimitExceeded);
}
