//! Who owns a shard: announcing and renewing a node, taking a shard over, giving it up.
//!
//! All on the writing connection. Only nodes of this process can be alive: the OS lock keeps every other one out.

use orch_core::ids::{Incarnation, NodeId, ShardNo};
use orch_core::port::{NodeParams, Ownership, Renewal, StoreError, TakeOver};
use orch_core::time::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::connection::store_error;
use crate::codec::{signed, unsigned};

/// Forgets nodes of earlier processes. Only under the OS lock.
pub fn forget_nodes(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(include_str!("../../sql/sqlite/node/forget.sql"), []).map(drop).map_err(store_error)
}

pub fn renew(connection: &mut Connection, params: &NodeParams) -> Result<Renewal, StoreError> {
    let (now, rows) = renew_rows(connection, params).map_err(store_error)?;
    let mut owned = Vec::with_capacity(rows.len());
    for (shard, epoch) in rows {
        owned.push((ShardNo(shard), unsigned(epoch)?));
    }
    Ok(Renewal { now: Timestamp::from_millis(now), owned })
}

fn renew_rows(connection: &mut Connection, params: &NodeParams) -> rusqlite::Result<(i64, Vec<(u16, i64)>)> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = now(&tx)?;
    let node = &params.node.0.as_bytes()[..];
    tx.prepare_cached(include_str!("../../sql/sqlite/node/renew.sql"))?.execute(params![
        node,
        params.address,
        now.saturating_add(signed(params.lease_ms)),
    ])?;
    let owned = tx
        .prepare_cached(include_str!("../../sql/sqlite/shard_owner/owned.sql"))?
        .query_map(params![node], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    tx.commit()?;
    Ok((now, owned))
}

pub fn take_over(connection: &mut Connection, shard: ShardNo, node: NodeId) -> Result<TakeOver, StoreError> {
    take_over_rows(connection, shard, node).map_err(store_error)
}

/// Commits before the caller reads anything.
fn take_over_rows(connection: &mut Connection, shard: ShardNo, node: NodeId) -> rusqlite::Result<TakeOver> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = now(&tx)?;
    tx.prepare_cached(include_str!("../../sql/sqlite/shard_owner/make.sql"))?.execute(params![shard.0])?;
    let (epoch, held) = holder(&tx, shard, node, now)?;
    if let Some(held) = held {
        return Ok(held);
    }
    let epoch: i64 = tx
        .prepare_cached(include_str!("../../sql/sqlite/shard_owner/take.sql"))?
        .query_row(params![shard.0, &node.0.as_bytes()[..], epoch], |row| row.get(0))?;
    let incarnation: [u8; 16] = tx.query_row(include_str!("../../sql/sqlite/ledger/get.sql"), [], |row| row.get(0))?;
    tx.commit()?;
    Ok(TakeOver::Taken(Ownership {
        shard,
        epoch: u64::try_from(epoch).unwrap_or(0),
        now: Timestamp::from_millis(now),
        incarnation: Incarnation(Uuid::from_bytes(incarnation)),
    }))
}

/// The shard's epoch, and who holds it against `node`, if somebody alive does.
fn holder(tx: &Transaction<'_>, shard: ShardNo, node: NodeId, now: i64) -> rusqlite::Result<(i64, Option<TakeOver>)> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/shard_owner/get.sql"))?;
    statement.query_row(params![shard.0], |row| {
        let epoch: i64 = row.get(0)?;
        let owner = row.get::<_, Option<[u8; 16]>>(1)?.map(|owner| NodeId(Uuid::from_bytes(owner)));
        let address: Option<String> = row.get(2)?;
        let for_ms = row.get::<_, Option<i64>>(3)?.and_then(|at| u64::try_from(at - now).ok()).filter(|ms| *ms > 0);
        let held = match (owner, for_ms) {
            (Some(owner), Some(for_ms)) if owner != node => {
                Some(TakeOver::Held { node: owner, address: address.unwrap_or_default(), for_ms })
            }
            _ => None,
        };
        Ok((epoch, held))
    })
}

pub fn release(connection: &mut Connection, shard: ShardNo, node: NodeId, epoch: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached(include_str!("../../sql/sqlite/shard_owner/release.sql"))
        .and_then(|mut release| release.execute(params![shard.0, &node.0.as_bytes()[..], signed(epoch)]))
        .map(drop)
        .map_err(store_error)
}

fn now(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    tx.prepare_cached(include_str!("../../sql/sqlite/ledger/now.sql"))?.query_row([], |row| row.get(0))
}
