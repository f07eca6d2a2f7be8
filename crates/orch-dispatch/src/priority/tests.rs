//! Jobs that get another priority while they wait, are fresh, or are handed out.

use orch_core::concurrency::PerKeyStrategy;
use orch_core::time::Timestamp;

use super::*;
use crate::command::{Command, NewJob};
use crate::concurrency::tests::{START, Stage, TENANT};

fn put(stage: &mut Stage, job: JobId, priority: Priority) -> Answer {
    let actor = Actor { by: "op".to_owned(), reason: None };
    stage.ask(Command::Reprioritize { tenant: TENANT, job, priority, actor })
}

fn jobs(stage: &mut Stage) -> Vec<JobId> {
    (0..3).map(|_| stage.submit("a").id).collect()
}

fn next(stage: &mut Stage) -> JobId {
    stage.claim(1).remove(0).token.job
}

#[test]
fn a_fresh_job_goes_before_the_others_of_its_lane() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 10);
    let ids = jobs(&mut stage);
    assert_eq!(put(&mut stage, ids[2], Priority::Urgent), Answer::Done);
    assert_eq!(put(&mut stage, ids[2], Priority::Urgent), Answer::Done, "the same again changes nothing");
    stage.recover();
    let lane = stage.seen(ids[2]).map(|job| job.lane);
    assert_eq!(lane, Some(LaneNo(2)));
    assert_eq!(next(&mut stage), ids[2]);
}

#[test]
fn one_that_waits_for_its_moment_enters_the_new_lane() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 10);
    let first = stage.submit("a").id;
    let due: Timestamp = START.plus_ms(60_000);
    let later = NewJob { not_before: Some(due), ..stage.job("a") };
    let id = later.id;
    stage.ask(Command::Enqueue { tenant: TENANT, jobs: vec![later], key: None });
    put(&mut stage, id, Priority::High);
    put(&mut stage, first, Priority::High);
    assert_eq!(stage.seen(id).map(|job| (job.state, job.lane)), Some((JobState::Scheduled, LaneNo(2))));
    assert_eq!(next(&mut stage), first);
}

#[test]
fn one_that_is_handed_out_comes_back_into_the_new_lane() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 1);
    let ids = jobs(&mut stage);
    let grant = stage.claim(1).remove(0);
    assert_eq!(put(&mut stage, ids[0], Priority::Low), Answer::Done);
    stage.recover();
    assert_eq!(stage.claim(1).len(), 0, "its key is in use whatever its lane");
    let Answer::Items(items) = stage.ask(Command::Release { tenants: vec![TENANT], tokens: vec![grant.token] }) else {
        panic!("a release is answered")
    };
    assert!(items[0].is_ok());
    assert_eq!(stage.seen(ids[0]).map(|job| job.lane), Some(LaneNo(2)));
}

#[test]
fn what_is_final_or_unknown_is_refused() {
    let mut stage = Stage::new(PerKeyStrategy::Queue, 1);
    stage.submit("a");
    let grant = stage.claim(1).remove(0);
    stage.complete(&grant, Vec::new());
    let code = |answer| match answer {
        Answer::Refused(refusal) => refusal.code,
        answer => panic!("{answer:?}"),
    };
    assert_eq!(code(put(&mut stage, grant.token.job, Priority::Low)), Code::StateConflict);
    let stranger = stage.job("a").id;
    assert_eq!(code(put(&mut stage, stranger, Priority::Low)), Code::NotFound);
}
