//! The simulated ledger keeps the promises of the port.

use orch_core::block::BlockWriter;
use orch_core::fact::{Fact, RULES_VERSION, Record};
use orch_core::ids::Stream;
use orch_core::port::TakeOver;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

fn ledger() -> SimLedger {
    SimLedger::new(ShardNo(1), Incarnation::v7(at(0), 1))
}

fn append(epoch: u64, commit_no: u64) -> Box<Append> {
    let mut block = BlockWriter::new(Stream::ARBITER, commit_no);
    let body = Fact::RowsKept { checkpoints: 0, logs: 1 };
    block.push(&Record { at: at(1), body, config_version: 0, rules_version: RULES_VERSION, seq: commit_no });
    Box::new(Append { shard: ShardNo(1), epoch, commit_no, blocks: vec![block.finish()], ..Append::default() })
}

#[test]
fn a_take_over_cuts_open_appends_off_and_the_old_epoch_is_refused() {
    let (mut ledger, a, b) = (ledger(), NodeId::v7(at(0), 1), NodeId::v7(at(0), 2));
    ledger.node_renew(a, 1_000, at(0));
    assert!(matches!(ledger.shard_take_over(a, at(0)), TakeOver::Taken(taken) if taken.epoch == 1));
    let open = ledger.append_begin(append(1, 1)).unwrap();
    assert!(matches!(ledger.shard_take_over(b, at(999)), TakeOver::Held { for_ms: 1, .. }));
    assert!(matches!(ledger.shard_take_over(b, at(1_000)), TakeOver::Taken(taken) if taken.epoch == 2));
    assert_eq!(ledger.append_commit(open).unwrap(), None);
    assert!(matches!(ledger.append_begin(append(1, 1)), Err(StoreError::Stale)));
    let open = ledger.append_begin(append(2, 1)).unwrap();
    assert!(ledger.append_commit(open).unwrap().is_some());
    assert_eq!(ledger.last_commit(), 1);
}

#[test]
fn a_commit_out_of_order_is_a_broken_constraint() {
    let mut ledger = ledger();
    assert!(matches!(ledger.shard_take_over(NodeId::v7(at(0), 1), at(0)), TakeOver::Taken(_)));
    let open = ledger.append_begin(append(1, 2)).unwrap();
    assert!(matches!(ledger.append_commit(open), Err(StoreError::Corrupt(_))));
}
