//! Reads of an owner: recovery, windows, and what a command's preparation needs.
//!
//! Runs on a reading connection, on a blocking thread.

use orch_core::block::Block;
use orch_core::ids::{JobId, ShardNo, Stream, TenantNo};
use orch_core::port::{
    CheckpointRow, Commit, DoneRow, JobFound, KeyPlace, KeyRow, SnapshotRow, StoreError, TenantRow, WindowParams,
    WindowRow,
};
use orch_core::time::Timestamp;
use rusqlite::{Connection, Params, Row, params};

use super::connection::store_error;
use super::rows;
use crate::codec::{EMPTY_STREAM, day, limit, signed, unsigned, unsigned_small};

type Result<T> = std::result::Result<T, StoreError>;

/// All rows of a statement.
pub fn all<T>(
    connection: &Connection,
    statement: &str,
    params: impl Params,
    turn: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(statement).map_err(store_error)?;
    let mut found = statement.query(params).map_err(store_error)?;
    let mut turned = Vec::new();
    while let Some(row) = found.next().map_err(store_error)? {
        turned.push(turn(row)?);
    }
    Ok(turned)
}

/// The first row of a statement.
pub fn one<T>(
    connection: &Connection,
    statement: &str,
    params: impl Params,
    turn: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    Ok(all(connection, statement, params, turn)?.into_iter().next())
}

/// The rows that a statement finds for each id.
fn each<T>(
    connection: &Connection,
    statement: &str,
    tenant: TenantNo,
    ids: &[JobId],
    turn: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(statement).map_err(store_error)?;
    let mut turned = Vec::with_capacity(ids.len());
    for id in ids {
        let mut found = statement.query(params![tenant.0, &id.0.as_bytes()[..]]).map_err(store_error)?;
        if let Some(row) = found.next().map_err(store_error)? {
            turned.push(turn(row)?);
        }
    }
    Ok(turned)
}

pub fn snapshot_get(connection: &Connection, shard: ShardNo) -> Result<Option<SnapshotRow>> {
    one(connection, include_str!("../../sql/sqlite/snapshot/get.sql"), params![shard.0], |row| {
        Ok(SnapshotRow {
            commit_no: unsigned(rows::get(row, 0)?)?,
            format: unsigned_small(rows::get(row, 1)?)?,
            state: rows::get::<Vec<u8>>(row, 2)?.into(),
        })
    })
}

pub fn tail_read(connection: &Connection, shard: ShardNo, after: u64, wanted: usize) -> Result<Vec<Commit>> {
    let after = signed(after);
    let until = after.saturating_add(limit(wanted));
    let statement = include_str!("../../sql/sqlite/history/tail.sql");
    let found = all(connection, statement, params![shard.0, after, until], |row| {
        let commit_no = unsigned(rows::get(row, 0)?)?;
        let block = if rows::get::<i32>(row, 1)? == EMPTY_STREAM { None } else { Some(rows::block(row, 1)?) };
        Ok((commit_no, block))
    })?;
    let mut commits = Vec::new();
    for (commit_no, block) in found {
        crate::tail::push(&mut commits, after, commit_no, block)?;
    }
    Ok(commits)
}

pub fn window_read(connection: &Connection, wishes: &[WindowParams]) -> Result<Vec<Vec<WindowRow>>> {
    let mut windows = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let params = params![wish.lane.in_ledger(wish.tenant), wish.tenant.0, signed(wish.after), limit(wish.limit)];
        windows.push(all(connection, include_str!("../../sql/sqlite/job/window.sql"), params, rows::window)?);
    }
    Ok(windows)
}

pub fn job_lookup(connection: &Connection, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobFound>> {
    each(connection, include_str!("../../sql/sqlite/job/lookup.sql"), tenant, ids, rows::job_found)
}

pub fn done_lookup(connection: &Connection, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<DoneRow>> {
    each(connection, include_str!("../../sql/sqlite/done/lookup.sql"), tenant, ids, rows::done)
}

pub fn checkpoint_lookup(connection: &Connection, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<CheckpointRow>> {
    each(connection, include_str!("../../sql/sqlite/checkpoint/lookup.sql"), tenant, ids, rows::checkpoint)
}

/// Looks on each day from the one of `since`, or the first kept, to the last one written.
pub fn key_lookup(
    connection: &Connection,
    tenant: TenantNo,
    keys: &[[u8; 16]],
    since: Timestamp,
) -> Result<Vec<KeyRow>> {
    let days = one(connection, include_str!("../../sql/sqlite/idempotency/days.sql"), [], |row| {
        Ok((rows::get::<Option<i32>>(row, 0)?, rows::get::<Option<i32>>(row, 1)?))
    })?;
    let Some((Some(first), Some(last))) = days else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for on in first.max(day(since))..=last {
        for key in keys {
            let params = params![on, tenant.0, &key[..], since.millis()];
            found.extend(one(connection, include_str!("../../sql/sqlite/idempotency/lookup.sql"), params, rows::key)?);
        }
    }
    Ok(found)
}

pub fn key_page(connection: &Connection, tenant: TenantNo, from: KeyPlace, limit: usize) -> Result<Vec<[u8; 16]>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let params = params![tenant.0, from.day, &from.key[..], limit];
    all(connection, include_str!("../../sql/sqlite/idempotency/page.sql"), params, |row| rows::get::<[u8; 16]>(row, 0))
}

pub fn block_lookup(connection: &Connection, stream: Stream, seqs: &[u64]) -> Result<Vec<Block>> {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    let mut blocks: Vec<Block> = Vec::new();
    for seq in seqs {
        if blocks.last().is_some_and(|block| seq <= block.last_seq) {
            continue;
        }
        let statement = include_str!("../../sql/sqlite/history/block_lookup.sql");
        let found = one(connection, statement, params![stream.0, signed(seq)], |row| rows::block(row, 0))?;
        blocks.extend(found.filter(|block| block.first_seq <= seq));
    }
    Ok(blocks)
}

pub fn stream_read(connection: &Connection, stream: Stream, after: u64, wanted: usize) -> Result<Vec<Block>> {
    let params = params![stream.0, signed(after), limit(wanted)];
    all(connection, include_str!("../../sql/sqlite/history/stream.sql"), params, |row| rows::block(row, 0))
}

pub fn tenant_list(connection: &Connection) -> Result<Vec<TenantRow>> {
    all(connection, include_str!("../../sql/sqlite/tenant/list.sql"), [], rows::tenant_row)
}
