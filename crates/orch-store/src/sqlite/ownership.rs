//! Who owns a shard: announcing and renewing a node, taking a shard over, giving it up.
//!
//! All on the writing connection. Only nodes of this process can be alive: the OS lock keeps every other one out.

use orch_core::ids::{Incarnation, NodeId, ShardNo};
use orch_core::port::{
    Cluster, LedgerIdentity, NodeParams, NodeRow, Ownership, Renewal, ShardRow, StoreError, TakeOver,
};
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

/// Makes the rows of the shards below `count`.
pub fn make(connection: &mut Connection, count: u16) -> Result<(), StoreError> {
    let make = |connection: &mut Connection| {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for shard in 0..count {
            tx.prepare_cached(include_str!("../../sql/sqlite/shard_owner/make.sql"))?.execute(params![shard])?;
        }
        tx.commit()
    };
    make(connection).map_err(store_error)
}

pub fn wish(connection: &mut Connection, shard: ShardNo, node: NodeId) -> Result<bool, StoreError> {
    let wish = |connection: &mut Connection| {
        let now = now(connection)?;
        let statement = include_str!("../../sql/sqlite/shard_owner/wish.sql");
        connection.prepare_cached(statement)?.execute(params![shard.0, &node.0.as_bytes()[..], now])
    };
    wish(connection).map(|rows| rows == 1).map_err(store_error)
}

pub fn drain(connection: &mut Connection, node: NodeId, draining: bool) -> Result<bool, StoreError> {
    let drain = |connection: &mut Connection| {
        let now = now(connection)?;
        let statement = include_str!("../../sql/sqlite/node/drain.sql");
        connection.prepare_cached(statement)?.execute(params![&node.0.as_bytes()[..], draining, now])
    };
    drain(connection).map(|rows| rows == 1).map_err(store_error)
}

/// Who is there, and who owns what.
pub fn cluster(connection: &Connection) -> Result<Cluster, StoreError> {
    cluster_rows(connection).map_err(store_error)
}

fn cluster_rows(connection: &Connection) -> rusqlite::Result<Cluster> {
    let node = |bytes: [u8; 16]| NodeId(Uuid::from_bytes(bytes));
    let natural = |number: i64| u64::try_from(number).unwrap_or(0);
    let now = now(connection)?;
    let nodes = connection
        .prepare_cached(include_str!("../../sql/sqlite/node/list.sql"))?
        .query_map(params![now], |row| {
            let (node, address, for_ms) = (node(row.get(0)?), row.get(1)?, natural(row.get(2)?));
            Ok(NodeRow { node, address, for_ms, draining: row.get(3)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let shards = connection
        .prepare_cached(include_str!("../../sql/sqlite/shard_owner/list.sql"))?
        .query_map([], |row| {
            let (owner, wish) = (row.get::<_, Option<_>>(2)?.map(node), row.get::<_, Option<_>>(3)?.map(node));
            Ok(ShardRow { shard: ShardNo(row.get(0)?), epoch: natural(row.get(1)?), owner, wish })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Cluster { nodes, shards })
}

pub fn identity(connection: &Connection) -> Result<LedgerIdentity, StoreError> {
    let statement = include_str!("../../sql/sqlite/ledger/identity.sql");
    let read = |row: &rusqlite::Row<'_>| {
        let incarnation = Incarnation(Uuid::from_bytes(row.get(0)?));
        Ok(LedgerIdentity { incarnation, node_secret: row.get(1)? })
    };
    connection.query_row(statement, [], read).map_err(store_error)
}

fn now(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(include_str!("../../sql/sqlite/ledger/now.sql"))?.query_row([], |row| row.get(0))
}
