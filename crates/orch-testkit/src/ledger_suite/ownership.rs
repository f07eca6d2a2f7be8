//! Nodes and shards: who may write.

use std::collections::BTreeSet;
use std::sync::Arc;

use orch_core::ids::ShardNo;
use orch_core::port::{Append, NodeParams, StoreError, TakeOver};

use super::Backend;
use super::fixture::{LONG_MS, Owner, SHARD, TENANT, announce, job, log, node};

/// Each take-over, also of one's own shard, raises the epoch and ends the one before.
pub async fn epochs_rise_with_every_take_over(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut last = Owner::first(&ledger).await;
    for _ in 0..3 {
        let append = last.with_fact();
        last.write(&append).await;
        let next = Owner::first(&ledger).await;
        assert!(next.epoch > last.epoch);
        assert_eq!(next.commit_no, last.commit_no);
        let stale = last.with_fact();
        assert!(matches!(last.try_write(&stale).await, Err(StoreError::Stale)));
        last = next;
    }
}

/// A renewal returns the database's time, and the shards with the epochs that still name the node.
pub async fn a_renewal_names_what_the_node_owns(backend: impl Backend) {
    let ledger = backend.open().await;
    let params = NodeParams { node: node(1), address: "http://one".to_owned(), lease_ms: LONG_MS };
    let first = ledger.node_renew(&params).await.expect("a node can be announced");
    assert_eq!(first.owned, []);
    let one = Owner::take(&ledger, ShardNo(1), node(1)).await;
    let two = Owner::take(&ledger, ShardNo(2), node(1)).await;
    Owner::take(&ledger, ShardNo(3), node(2)).await;
    let mut second = ledger.node_renew(&params).await.expect("a node can renew");
    second.owned.sort_unstable();
    assert_eq!(second.owned, [(ShardNo(1), one.epoch), (ShardNo(2), two.epoch)]);
    assert!(second.now >= first.now);
}

/// Nobody takes a shard from a node that is alive; it says who, where and how long.
pub async fn a_live_node_keeps_its_shard(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    announce(&ledger, node(2), LONG_MS).await;
    let held = ledger.shard_take_over(SHARD, node(2)).await.expect("a take-over is answered");
    let TakeOver::Held { node: named, address, for_ms } = held else { panic!("taken from a live node") };
    assert_eq!((named, address), (node(1), format!("http://{}", node(1))));
    assert!((1..=LONG_MS).contains(&for_ms));
    let append = owner.with_fact();
    owner.write(&append).await;
}

/// Once a node's time is up its shard can be taken; then its appends are stale and its renewal does not name it.
pub async fn an_expired_node_loses_its_shard(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut old = Owner::first(&ledger).await;
    announce(&ledger, node(1), 0).await;
    let new = Owner::take(&ledger, SHARD, node(2)).await;
    assert!(new.epoch > old.epoch);
    let append = old.with_fact();
    assert!(matches!(old.try_write(&append).await, Err(StoreError::Stale)));
    let params = NodeParams { node: node(1), address: "http://back".to_owned(), lease_ms: LONG_MS };
    assert_eq!(ledger.node_renew(&params).await.expect("a node can come back").owned, []);
    assert!(matches!(ledger.shard_take_over(SHARD, node(1)).await, Ok(TakeOver::Held { .. })));
}

/// A released shard is taken at once, though its last owner lives.
pub async fn a_released_shard_is_free_at_once(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut old = Owner::first(&ledger).await;
    let append = old.with_fact();
    old.write(&append).await;
    ledger.shard_release(SHARD, old.node, old.epoch).await.expect("a shard can be given up");
    let new = Owner::take(&ledger, SHARD, node(2)).await;
    assert!(new.epoch > old.epoch);
    assert_eq!(new.commit_no, 1);
}

/// Who is no longer the owner cannot give the shard up.
pub async fn a_release_with_an_old_epoch_does_nothing(backend: impl Backend) {
    let ledger = backend.open().await;
    let old = Owner::first(&ledger).await;
    let mut new = Owner::first(&ledger).await;
    ledger.shard_release(SHARD, old.node, old.epoch).await.expect("an old release is no error");
    ledger.shard_release(SHARD, node(2), new.epoch).await.expect("a stranger's release is no error");
    announce(&ledger, node(2), LONG_MS).await;
    assert!(matches!(ledger.shard_take_over(SHARD, node(2)).await, Ok(TakeOver::Held { .. })));
    let append = new.with_fact();
    new.write(&append).await;
}

/// Of many takers at the same time no two get the same epoch, and only the last can write.
pub async fn of_many_takers_at_once_each_epoch_has_one(backend: impl Backend) {
    let ledger = backend.open().await;
    announce(&ledger, node(1), 0).await;
    let takers: Vec<_> = (2..6)
        .map(|n| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                announce(&ledger, node(n), 0).await;
                ledger.shard_take_over(SHARD, node(n)).await
            })
        })
        .collect();
    let mut epochs = BTreeSet::new();
    let mut taken = 0;
    for taker in takers {
        match taker.await.expect("a taker does not panic") {
            Ok(TakeOver::Taken(ownership)) => {
                taken += 1;
                epochs.insert(ownership.epoch);
            }
            // Whoever lost too often is told to try again.
            Ok(TakeOver::Held { .. }) | Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken > 0);
    assert_eq!(epochs.len(), taken);
    for epoch in 1..=*epochs.last().expect("somebody took it") {
        let append = Append { shard: SHARD, epoch, commit_no: 1, ..Append::default() };
        let last = Some(&epoch) == epochs.last();
        assert_eq!(ledger.append(&append).await.is_ok(), last, "epoch {epoch}");
    }
}

/// An append whose caller went away is there whole or not at all, and the shard goes on after a take-over.
pub async fn a_dropped_append_is_there_whole_or_not_at_all(backend: impl Backend) {
    let ledger = backend.open().await;
    for n in 1..=6 {
        let mut owner = Owner::first(&ledger).await;
        let append = Append { jobs: vec![job(n)], logs: vec![log(&job(n), 1, n)], ..owner.with_fact() };
        let dropped = tokio::spawn({
            let (ledger, append) = (Arc::clone(&ledger), append.clone());
            async move { ledger.append(&append).await }
        });
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        dropped.abort();
        // Whether it was written, cut, or never begun does not matter.
        let _ = dropped.await;
        let next = Owner::first(&ledger).await;
        let written = next.commit_no == append.commit_no;
        let jobs = ledger.job_lookup(TENANT, &[job(n).id]).await.expect("jobs are looked up");
        let logs = ledger.log_page(TENANT, job(n).id, (0, 0), 9).await.expect("logs are looked up");
        assert_eq!((jobs.len() == 1, logs.len() == 1), (written, written));
    }
}
