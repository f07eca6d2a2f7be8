//! Marks over time: what they refuse, and until when they can be taken back.

use orch_core::fact::PauseTarget;
use orch_core::ids::{Incarnation, ShardNo, TenantId};
use orch_core::port::{SnapshotRow, TenantRow};
use orch_core::time::Timestamp;
use uuid::Uuid;

use super::*;
use crate::command::{Command, Read};
use crate::prepared::Readings;
use crate::shard::{Identity, RecoverError, Reply, Shard};

const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);

fn tenants() -> Shard {
    let identity = Identity { shard: ShardNo(0), epoch: 1, incarnation: Incarnation(Uuid::nil()) };
    let mut shard = Shard::empty(identity);
    shard.serve_from(START);
    for n in 1..=2_u32 {
        let row = TenantRow {
            no: TenantNo::SYSTEM,
            id: TenantId(Uuid::from_u128(n.into())),
            name: format!("t{n}"),
            shard: ShardNo(0),
            created_at: START,
        };
        ask(&mut shard, Command::CreateTenant(row), START);
    }
    shard
}

fn ask(shard: &mut Shard, command: Command, now: Timestamp) -> Answer {
    match shard.execute(command, &Readings::default(), now) {
        Reply::Now(answer) => answer,
        Reply::Parked(_) => Answer::Done,
    }
}

fn mark(no: u32) -> Command {
    Command::MarkTenant { tenant: TenantNo(no), actor: Actor::default() }
}

fn restore(no: u32) -> Command {
    Command::RestoreTenant { tenant: TenantNo(no), actor: Actor::default() }
}

fn code(answer: Answer) -> Option<Code> {
    match answer {
        Answer::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn a_mark_can_be_taken_back_until_its_period_is_over() {
    let end = START.plus_ms(limits::TENANT_RESTORE_DAYS * DAY_MS);
    for (now, expected) in [(Timestamp::from_millis(end.millis() - 1), None), (end, Some(Code::StateConflict))] {
        let mut shard = tenants();
        assert_eq!(ask(&mut shard, mark(2), START), Answer::Done);
        assert_eq!(ask(&mut shard, Command::Read(Read::Marks), now), Answer::Marks(vec![(TenantNo(2), end)]));
        assert_eq!(code(ask(&mut shard, restore(2), now)), expected);
        let left = if expected.is_none() { vec![] } else { vec![(TenantNo(2), end)] };
        assert_eq!(ask(&mut shard, Command::Read(Read::Marks), now), Answer::Marks(left));
    }
}

#[test]
fn a_second_mark_does_not_move_the_end_and_a_needless_restore_changes_nothing() {
    let mut shard = tenants();
    ask(&mut shard, restore(2), START);
    ask(&mut shard, mark(2), START);
    let facts = shard.output().facts();
    ask(&mut shard, mark(2), START.plus_ms(DAY_MS));
    assert_eq!(shard.output().facts(), facts);
}

#[test]
fn the_platforms_own_tenant_is_never_marked_and_others_can_still_be_paused() {
    let mut shard = tenants();
    assert_eq!(code(ask(&mut shard, mark(1), START)), Some(Code::StateConflict));
    ask(&mut shard, mark(2), START);
    let pause = Command::Pause { tenant: TenantNo(2), target: PauseTarget::Tenant, actor: Actor::default() };
    assert_eq!(ask(&mut shard, pause, START), Answer::Done);
}

#[test]
fn a_mark_outlives_a_snapshot() {
    let mut shard = tenants();
    ask(&mut shard, mark(2), START);
    let row = SnapshotRow { commit_no: 1, format: crate::shard::SNAPSHOT_FORMAT, state: shard.save().into() };
    let loaded = Shard::begin(shard.identity(), Some(&row)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.save(), row.state);
    let newer = SnapshotRow { format: row.format + 1, ..row };
    assert!(matches!(Shard::begin(shard.identity(), Some(&newer)), Err(RecoverError::Newer(_))));
    assert!(loaded.tenants.get(TenantNo(2)).unwrap().erase_at.is_some());
}
