//! Accounts and receipts of two tenants: what is due, what is received, what holds work, and what a recovery keeps.

use orch_core::allotment::Allotment;
use orch_core::fact::PauseTarget;
use orch_core::job::Priority;

use super::*;
use crate::allotment::tests::{A, B, START, Stage};
use crate::answer::Answer;
use crate::command::{Actor, Command, Read};

fn receipts(stage: &mut Stage, tenant: TenantNo) -> Vec<Receipt> {
    match stage.ask(Command::Read(Read::Fairness(tenant))) {
        Answer::Fairness(receipts) => receipts,
        answer => panic!("{answer:?}"),
    }
}

fn open(stage: &mut Stage, tenant: TenantNo) -> Receipt {
    receipts(stage, tenant).pop().expect("there is always one that is open")
}

/// Lets so many seconds pass, and the worker speak.
fn seconds(stage: &mut Stage, count: u64) {
    for _ in 0..count {
        stage.tick(1_000);
        stage.announce();
    }
}

#[test]
fn due_is_by_weight_among_those_who_wait_and_adds_up_to_what_was_granted() {
    let mut stage = Stage::new();
    stage.allot(B, Allotment::weighing(300));
    stage.enqueue(A, 500, Priority::Normal, None);
    stage.enqueue(B, 500, Priority::Normal, None);
    (0..40).for_each(|_| drop(stage.claim(10)));
    let (a, b) = (open(&mut stage, A), open(&mut stage, B));
    assert_eq!((a.due_milli.div_ceil(1_000), b.due_milli.div_ceil(1_000)), (100, 300));
    assert_eq!(a.received + b.received, 400);
    assert!(b.received.abs_diff(300) <= 10, "{b:?}");
}

#[test]
fn who_waits_alone_is_due_all_and_who_does_not_wait_nothing() {
    let mut stage = Stage::new();
    stage.enqueue(A, 50, Priority::Normal, None);
    stage.claim(30);
    assert_eq!(open(&mut stage, A).due_milli.div_ceil(1_000), 30);
    assert_eq!(open(&mut stage, B), Receipt { hour: hour_of(START), ..Receipt::default() });
    // One that comes later has no part in what was granted before.
    stage.enqueue(B, 50, Priority::Normal, None);
    stage.claim(20);
    let (a, b) = (open(&mut stage, A), open(&mut stage, B));
    assert_eq!((a.due_milli.div_ceil(1_000), b.due_milli.div_ceil(1_000)), (40, 10));
}

#[test]
fn what_holds_all_of_it_is_counted_by_its_gate() {
    let mut stage = Stage::new();
    stage.enqueue(A, 5, Priority::Normal, None);
    seconds(&mut stage, 10);
    let free = open(&mut stage, A);
    assert!(free.waited_ms >= 9_000 && free.short_ms.is_empty(), "a worker could take it: {free:?}");
    let pause = Command::Pause { tenant: A, target: PauseTarget::Tenant, actor: Actor::default() };
    stage.ask(pause);
    seconds(&mut stage, 30);
    let paused = open(&mut stage, A).short_ms;
    assert_eq!(paused.get(&Short::Paused), Some(&30_000), "{paused:?}");
    stage.ask(Command::Resume { tenant: A, target: PauseTarget::Tenant, actor: Actor::default() });
    stage.ask(Command::Drain { tenant: TenantNo::SYSTEM, session: crate::allotment::tests::session() });
    (0..20).for_each(|_| stage.tick(1_000));
    let worker = open(&mut stage, A).short_ms;
    assert_eq!(worker.get(&Short::Worker), Some(&20_000), "{worker:?}");
}

#[test]
fn where_nothing_happens_nobody_looks_and_what_held_it_counts() {
    let mut stage = Stage::new();
    stage.enqueue(A, 5, Priority::Normal, None);
    stage.ask(Command::Pause { tenant: A, target: PauseTarget::Tenant, actor: Actor::default() });
    let (mut ticks, from) = (0, stage.now);
    while let Some(next) = stage.shard.next_moment().filter(|at| *at <= START.plus_ms(HOUR_MS)) {
        stage.now = stage.now.max(next);
        stage.ask(Command::Tick);
        ticks += 1;
    }
    assert!(ticks <= 20, "{ticks} ticks in an hour");
    let all = receipts(&mut stage, A);
    let paused = all[0].short_ms.get(&Short::Paused).copied().unwrap_or(0);
    let whole = hour_of(START).plus_ms(HOUR_MS).ms_since(from);
    assert!(all[0].closed && paused.abs_diff(whole) <= 2_000, "{paused} of {whole}: {all:?}");
}

#[test]
fn who_begins_to_wait_after_a_long_rest_waited_for_nothing_before() {
    let mut stage = Stage::new();
    stage.tick(1_000);
    stage.now = stage.now.plus_ms(1_200_000);
    stage.enqueue(A, 5, Priority::Normal, None);
    seconds(&mut stage, 3);
    assert!(open(&mut stage, A).waited_ms <= 4_000);
}

#[test]
fn an_hour_that_is_over_is_closed_by_a_fact_and_the_next_begins() {
    let mut stage = Stage::new();
    stage.enqueue(A, 50, Priority::Normal, None);
    stage.claim(10);
    seconds(&mut stage, 3_700);
    stage.claim(7);
    let all = receipts(&mut stage, A);
    let [first, second] = &all[..] else { panic!("{all:?}") };
    assert_eq!((first.closed, first.hour, first.received), (true, hour_of(START), 10));
    assert_eq!((second.closed, second.hour), (false, hour_of(START).plus_ms(HOUR_MS)));
    assert_eq!(second.received, 7);
    let waited = first.waited_ms + second.waited_ms;
    assert!((3_690_000..=3_701_000).contains(&waited), "{waited}");
    assert!(receipts(&mut stage, B).len() == 1, "who had nothing has no receipt");
}

#[test]
fn a_recovery_forgets_what_was_not_noted_and_nothing_else() {
    let mut stage = Stage::new();
    stage.enqueue(A, 50, Priority::Normal, None);
    stage.claim(10);
    seconds(&mut stage, FAIRNESS_NOTE_MS / 1_000 + 2);
    stage.claim(5);
    assert_eq!(open(&mut stage, A).received, 15);
    stage.recover();
    let kept = open(&mut stage, A);
    assert_eq!((kept.received, kept.due_milli.div_ceil(1_000)), (10, 10));
    seconds(&mut stage, 3_600);
    let all = receipts(&mut stage, A);
    assert_eq!((all.len(), all[0].closed, all[0].received), (2, true, 10));
}

#[test]
fn a_receipt_that_was_noted_before_a_long_outage_is_closed_as_it_was() {
    let mut stage = Stage::new();
    stage.enqueue(A, 50, Priority::Normal, None);
    stage.claim(10);
    seconds(&mut stage, FAIRNESS_NOTE_MS / 1_000 + 2);
    stage.now = stage.now.plus_ms(3 * HOUR_MS);
    stage.recover();
    seconds(&mut stage, 3);
    let all = receipts(&mut stage, A);
    assert_eq!((all.len(), all[0].closed, all[0].hour, all[0].received), (2, true, hour_of(START), 10));
    assert_eq!(all[1].hour, hour_of(stage.now));
}

#[test]
fn a_day_of_receipts_is_at_hand() {
    let mut receipts = Receipts::default();
    for n in 0..30 {
        let hour = START.plus_ms(n * HOUR_MS);
        receipts.noted(&Receipt { hour, ..Receipt::default() });
        receipts.noted(&Receipt { hour, closed: true, ..Receipt::default() });
    }
    assert_eq!((receipts.closed.len() as u64, receipts.open), (FAIRNESS_RECEIPTS, None));
    assert_eq!(receipts.closed.back().map(|last| last.hour), Some(START.plus_ms(29 * HOUR_MS)));
}
