//! Rotation: one chunk of a tenant's finished jobs goes, between two appends.

use orch_core::ids::{JobId, TenantNo};
use orch_core::port::StoreError;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::connection::store_error;
use super::reads::all;
use super::rows;
use crate::codec::{lane_of, unsigned};
use crate::rotation::{Chunk, Rotation, Walked};

/// One chunk, in a transaction of its own.
pub fn rotate_chunk(
    connection: &mut Connection,
    rotation: &Rotation,
    tenant: TenantNo,
    above: JobId,
) -> Result<Chunk, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let walk = include_str!("../../sql/sqlite/job/rotate_walk.sql");
    let found = all(&tx, walk, params![tenant.0, &above.0.as_bytes()[..]], walked)?;
    let chunk = rotation.sort(tenant, &found);
    remove(&tx, tenant, &chunk.going).map_err(store_error)?;
    tx.commit().map_err(store_error)?;
    Ok(chunk)
}

fn walked(row: &Row<'_>) -> Result<Walked, StoreError> {
    Ok(Walked {
        id: rows::job_id(row, 0)?,
        lane: lane_of(rows::get(row, 1)?),
        seq: unsigned(rows::get(row, 2)?)?,
        fresh: rows::get(row, 3)?,
        created_at: rows::get(row, 4)?,
        ended: rows::get(row, 5)?,
        open_letter: rows::get(row, 6)?,
    })
}

fn remove(tx: &Transaction<'_>, tenant: TenantNo, jobs: &[JobId]) -> rusqlite::Result<()> {
    for statement in [
        include_str!("../../sql/sqlite/done/remove.sql"),
        include_str!("../../sql/sqlite/job_label/remove.sql"),
        include_str!("../../sql/sqlite/checkpoint/remove.sql"),
        include_str!("../../sql/sqlite/job/remove.sql"),
    ] {
        let mut statement = tx.prepare_cached(statement)?;
        for job in jobs {
            statement.execute(params![tenant.0, &job.0.as_bytes()[..]])?;
        }
    }
    Ok(())
}
