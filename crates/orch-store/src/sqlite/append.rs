//! The append: one commit in one IMMEDIATE transaction, fenced by reading the shard's row inside it.

use std::collections::BTreeMap;

use orch_core::port::{Append, DoneRow, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::connection::store_error;
use super::rare;
use crate::codec::{self, day, pack_ids, signed};

/// Writes one commit, or nothing.
pub fn append(connection: &mut Connection, append: &Append) -> Result<(), StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let last: Option<i64> = tx
        .prepare_cached(include_str!("../../sql/sqlite/shard_owner/fence.sql"))
        .and_then(|mut fence| {
            fence.query_row(params![append.shard.0, signed(append.epoch)], |row| row.get(0)).optional()
        })
        .map_err(store_error)?;
    let Some(last) = last else { return Err(StoreError::Stale) };
    if signed(append.commit_no) != last + 1 {
        return Err(StoreError::Corrupt(format!(
            "commit {} of shard {} does not follow {last}",
            append.commit_no, append.shard.0
        )));
    }
    insert(&tx, append).map_err(store_error)?;
    tx.commit().map_err(store_error)
}

fn insert(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    history(tx, append)?;
    jobs(tx, append)?;
    done(tx, append)?;
    totals(tx, &append.done)?;
    keys(tx, append)?;
    if codec::has_rare_rows(append) { rare::insert(tx, append) } else { Ok(()) }
}

fn history(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/history/insert.sql"))?;
    let (shard, commit_no) = (append.shard.0, signed(append.commit_no));
    let nothing: &[u8] = &[];
    if append.blocks.is_empty() {
        statement.execute(params![shard, commit_no, codec::EMPTY_STREAM, 0, 0, 0, nothing, nothing])?;
    }
    for block in &append.blocks {
        statement.execute(params![
            shard,
            commit_no,
            block.stream.0,
            signed(block.first_seq),
            signed(block.last_seq),
            block.at.millis(),
            &block.facts[..],
            &block.leaves[..],
        ])?;
    }
    Ok(())
}

fn jobs(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    if append.jobs.is_empty() {
        return Ok(());
    }
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/job/insert.sql"))?;
    for row in &append.jobs {
        statement.execute(params![
            &row.id.0.as_bytes()[..],
            row.tenant.0,
            row.lane.in_ledger(row.tenant),
            signed(row.seq),
            row.fresh,
            row.created_at.millis(),
            row.extra.as_deref(),
            &row.payload[..],
        ])?;
    }
    Ok(())
}

fn done(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    if append.done.is_empty() {
        return Ok(());
    }
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/done/insert.sql"))?;
    for row in &append.done {
        statement.execute(params![
            &row.job.0.as_bytes()[..],
            row.tenant.0,
            row.lane.in_ledger(row.tenant),
            row.state.number(),
            row.at.millis(),
            signed(row.seq),
            row.attempt,
            signed(row.epoch),
            row.report.as_ref().map(|report| &report[..]),
            row.output.as_deref(),
        ])?;
    }
    Ok(())
}

fn totals(tx: &Transaction<'_>, done: &[DoneRow]) -> rusqlite::Result<()> {
    let mut totals: BTreeMap<(u32, i64, i16), i64> = BTreeMap::new();
    for row in done {
        *totals.entry((row.tenant.0, row.lane.in_ledger(row.tenant), row.state.number())).or_default() += 1;
    }
    if totals.is_empty() {
        return Ok(());
    }
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/done_total/add.sql"))?;
    for ((tenant, lane, state), jobs) in totals {
        statement.execute(params![tenant, lane, state, jobs])?;
    }
    Ok(())
}

fn keys(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    if append.keys.is_empty() {
        return Ok(());
    }
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/idempotency/insert.sql"))?;
    for row in &append.keys {
        statement.execute(params![
            day(row.at),
            row.tenant.0,
            &row.key[..],
            &row.fingerprint[..],
            pack_ids(&row.jobs),
            row.at.millis(),
        ])?;
    }
    Ok(())
}
