//! Rotation: a step of a tenant's finished jobs, or of its old keys, goes between two appends.
//!
//! The walk is a read; only what goes is done by the writer, which looks again.

use std::collections::BTreeMap;

use orch_core::ids::{JobId, TenantNo};
use orch_core::port::{KeyPlace, KeysRotated, RollupRow, RotateParams, StoreError};
use orch_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::connection::store_error;
use super::reads::{all, one};
use super::rows;
use crate::codec::{day, final_state, from_hour, hour, lane_of, signed, unsigned};
use crate::rotation::{Chunk, STEP_ROWS, Walked};

/// Which of the next jobs go.
pub fn walk(connection: &Connection, params: &RotateParams) -> Result<Chunk, StoreError> {
    let statement = include_str!("../../sql/sqlite/job/rotate_walk.sql");
    let bounds = params![params.tenant.0, &params.above.0.as_bytes()[..], &params.upto.0.as_bytes()[..]];
    Ok(Chunk::sort(params, &all(connection, statement, bounds, walked)?))
}

fn walked(row: &Row<'_>) -> Result<Walked, StoreError> {
    Ok(Walked {
        id: rows::job_id(row, 0)?,
        lane: lane_of(rows::get(row, 1)?),
        seq: unsigned(rows::get(row, 2)?)?,
        fresh: rows::get(row, 3)?,
        ended_at: rows::get::<Option<i64>>(row, 4)?.map(Timestamp::from_millis),
        open_letter: rows::get(row, 5)?,
    })
}

/// Removes what there may be much of: log lines and artifacts. Returns how many; at most `STEP_ROWS`.
pub fn remove_rows(connection: &mut Connection, params: &RotateParams, jobs: &[JobId]) -> Result<u64, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let mut removed = 0;
    for statement in
        [include_str!("../../sql/sqlite/log_chunk/remove.sql"), include_str!("../../sql/sqlite/artifact/remove.sql")]
    {
        let mut statement = tx.prepare_cached(statement).map_err(store_error)?;
        for job in jobs {
            let (id, before, room) = (job.0.as_bytes(), params.before.millis(), signed(STEP_ROWS - removed));
            let gone = statement.execute(params![params.tenant.0, &id[..], before, room]).map_err(store_error)?;
            removed += gone as u64;
        }
    }
    tx.commit().map_err(store_error)?;
    Ok(removed)
}

/// Removes jobs that ended before the moment, with all else that is theirs, and counts them. Returns how many went.
pub fn remove_jobs(connection: &mut Connection, params: &RotateParams, jobs: &[JobId]) -> Result<u64, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let removed = remove(&tx, params, jobs).map_err(store_error)?;
    tx.commit().map_err(store_error)?;
    Ok(removed)
}

fn remove(tx: &Transaction<'_>, params: &RotateParams, jobs: &[JobId]) -> rusqlite::Result<u64> {
    let tenant = params.tenant.0;
    let mut ends: BTreeMap<(i64, i64, i64, String), i64> = BTreeMap::new();
    let mut gone = Vec::with_capacity(jobs.len());
    let mut drop_done = tx.prepare_cached(include_str!("../../sql/sqlite/done/remove.sql"))?;
    for job in jobs {
        let of = params![tenant, &job.0.as_bytes()[..], params.before.millis()];
        let end = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        if let Some(end) = drop_done.query_row(of, end).optional()? {
            *ends.entry(end).or_default() += 1;
            gone.push(job);
        }
    }
    for statement in [
        include_str!("../../sql/sqlite/job_label/remove.sql"),
        include_str!("../../sql/sqlite/checkpoint/remove.sql"),
        include_str!("../../sql/sqlite/dead_letter/remove.sql"),
        include_str!("../../sql/sqlite/settlement/remove.sql"),
        include_str!("../../sql/sqlite/job/remove.sql"),
    ] {
        let mut statement = tx.prepare_cached(statement)?;
        for job in &gone {
            statement.execute(params![tenant, &job.0.as_bytes()[..]])?;
        }
    }
    let mut add = tx.prepare_cached(include_str!("../../sql/sqlite/rollup/add.sql"))?;
    for ((hour, lane, state, class), jobs) in ends {
        add.execute(params![tenant, hour, lane, state, class, jobs])?;
    }
    Ok(gone.len() as u64)
}

/// One step over what became of a tenant's nominal instants.
pub fn firing_rotate(connection: &mut Connection, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
    let statement = include_str!("../../sql/sqlite/firing/remove.sql");
    let gone = connection.execute(statement, params![tenant.0, before.millis()]).map_err(store_error)?;
    Ok(gone as u64)
}

/// One step over a tenant's ended runs.
pub fn run_rotate(connection: &mut Connection, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
    let ends = include_str!("../../sql/sqlite/run_end/remove.sql");
    remove_ended(connection, (ends, include_str!("../../sql/sqlite/run/remove.sql")), tenant, before)
}

/// One step over a tenant's ended backfills.
pub fn backfill_rotate(connection: &mut Connection, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
    let ends = include_str!("../../sql/sqlite/backfill_end/remove.sql");
    remove_ended(connection, (ends, include_str!("../../sql/sqlite/backfill/remove.sql")), tenant, before)
}

/// Removes ends, and with each whose end it is.
fn remove_ended(
    connection: &mut Connection,
    (ends, each): (&'static str, &'static str),
    tenant: TenantNo,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let removed = remove_with_ends(&tx, (ends, each), tenant, before).map_err(store_error)?;
    tx.commit().map_err(store_error)?;
    Ok(removed)
}

fn remove_with_ends(
    tx: &Transaction<'_>,
    (ends, each): (&str, &str),
    tenant: TenantNo,
    before: Timestamp,
) -> rusqlite::Result<u64> {
    let mut drop_ends = tx.prepare_cached(ends)?;
    let gone = drop_ends.query_map(params![tenant.0, before.millis()], |row| row.get::<_, [u8; 16]>(0))?;
    let gone = gone.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut drop_one = tx.prepare_cached(each)?;
    for id in &gone {
        drop_one.execute(params![tenant.0, &id[..]])?;
    }
    Ok(gone.len() as u64)
}

/// One step over a tenant's keys.
pub fn key_rotate(
    connection: &mut Connection,
    tenant: TenantNo,
    before: Timestamp,
    above: KeyPlace,
) -> Result<KeysRotated, StoreError> {
    let first = one(connection, include_str!("../../sql/sqlite/idempotency/days.sql"), [], |row| {
        rows::get::<Option<u32>>(row, 0)
    })?;
    let Some(first) = first.flatten().map(|first| first.max(above.day)) else { return Ok(KeysRotated::default()) };
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let mut rotated = KeysRotated::default();
    for of in first..u32::try_from(day(before)).unwrap_or(0) {
        let statement = include_str!("../../sql/sqlite/idempotency/remove.sql");
        let removed = tx.execute(statement, params![tenant.0, of]).map_err(store_error)?;
        if removed > 0 {
            rotated = KeysRotated { removed: removed as u64, next: Some(KeyPlace { day: of, key: [0; 16] }) };
            break;
        }
    }
    tx.commit().map_err(store_error)?;
    Ok(rotated)
}

/// What was removed of a tenant's jobs, by the hour.
pub fn rollup_list(connection: &Connection, tenant: TenantNo, since: Timestamp) -> Result<Vec<RollupRow>, StoreError> {
    let statement = include_str!("../../sql/sqlite/rollup/list.sql");
    all(connection, statement, params![tenant.0, hour(since)], |row| {
        Ok(RollupRow {
            hour: from_hour(rows::get(row, 0)?),
            lane: lane_of(rows::get(row, 1)?),
            state: final_state(rows::get(row, 2)?)?,
            error_class: rows::get(row, 3)?,
            jobs: unsigned(rows::get(row, 4)?)?,
        })
    })
}
