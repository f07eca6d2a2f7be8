//! Rotation: finished jobs and old keys go, a step at a time.
//!
//! A lock that is not free ends a step, to be tried again another time. Each statement is whole by itself: what an
//! interrupted step leaves of a job is found again by the next.

use orch_core::ids::{JobId, TenantNo};
use orch_core::port::{KeyPlace, KeysRotated, RollupRow, RotateParams, Rotated, StoreError};
use orch_core::time::Timestamp;
use sqlx::postgres::{PgBindIterExt, PgPool, PgRow};
use uuid::Uuid;

use super::reads::all;
use super::rows;
use super::session::{for_tenant, store_error};
use crate::codec::{day, final_state, from_hour, hour, lane_of, small, unsigned, unsigned_small};
use crate::rotation::{Chunk, STEP_ROWS, Walked};

/// One step over a tenant's jobs.
pub async fn job_rotate(pool: &PgPool, params: &RotateParams) -> Result<Rotated, StoreError> {
    let found = sqlx::query(include_str!("../../sql/postgres/job/rotate_walk.sql"))
        .bind(small(params.tenant.0))
        .bind(params.above.0)
        .bind(params.upto.0)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let chunk = Chunk::sort(params, &all(&found, walked)?);
    if chunk.going.is_empty() {
        return Ok(chunk.rotated(0));
    }
    // What there may be much of goes before the jobs, so that no job leaves any behind.
    for statement in [
        include_str!("../../sql/postgres/log_chunk/remove.sql"),
        include_str!("../../sql/postgres/artifact/remove.sql"),
    ] {
        if remove_rows(pool, statement, params, &chunk.going).await? >= STEP_ROWS {
            return Ok(Chunk::again(params));
        }
    }
    let gone = sqlx::query(include_str!("../../sql/postgres/job/remove.sql"))
        .bind(small(params.tenant.0))
        .bind(chunk.going.iter().map(|job| job.0).bind_iter())
        .bind(params.before.millis())
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(chunk.rotated(gone.rows_affected()))
}

async fn remove_rows(
    pool: &PgPool,
    statement: &'static str,
    params: &RotateParams,
    jobs: &[JobId],
) -> Result<u64, StoreError> {
    let gone = sqlx::query(statement)
        .bind(small(params.tenant.0))
        .bind(jobs.iter().map(|job| job.0).bind_iter())
        .bind(params.before.millis())
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(gone.rows_affected())
}

fn walked(row: &PgRow) -> Result<Walked, StoreError> {
    Ok(Walked {
        id: JobId(rows::get(row, 0)?),
        lane: lane_of(rows::get(row, 1)?),
        seq: unsigned(rows::get(row, 2)?)?,
        fresh: rows::get(row, 3)?,
        ended_at: rows::get::<Option<i64>>(row, 4)?.map(Timestamp::from_millis),
        open_letter: rows::get(row, 5)?,
    })
}

/// One step over a tenant's keys.
pub async fn key_rotate(
    pool: &PgPool,
    tenant: TenantNo,
    before: Timestamp,
    above: KeyPlace,
) -> Result<KeysRotated, StoreError> {
    let (removed, day, key): (i64, Option<i32>, Option<Uuid>) =
        sqlx::query_as(include_str!("../../sql/postgres/idempotency/remove.sql"))
            .bind(small(tenant.0))
            .bind(day(before))
            .bind(small(above.day))
            .bind(Uuid::from_bytes(above.key))
            .fetch_one(pool)
            .await
            .map_err(store_error)?;
    let next = match (day, key) {
        (Some(day), Some(key)) => Some(KeyPlace { day: unsigned_small(day.into())?, key: key.into_bytes() }),
        _ => None,
    };
    Ok(KeysRotated { removed: unsigned(removed)?, next })
}

/// One step over what became of a tenant's nominal instants.
pub async fn firing_rotate(pool: &PgPool, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
    let gone = sqlx::query(include_str!("../../sql/postgres/firing/remove.sql"))
        .bind(small(tenant.0))
        .bind(before.millis())
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(gone.rows_affected())
}

/// One step over a tenant's ended backfills.
pub async fn backfill_rotate(pool: &PgPool, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
    let gone = sqlx::query(include_str!("../../sql/postgres/backfill/remove.sql"))
        .bind(small(tenant.0))
        .bind(before.millis())
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(gone.rows_affected())
}

/// One step over a tenant's ended runs.
pub async fn run_rotate(pool: &PgPool, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
    let gone = sqlx::query(include_str!("../../sql/postgres/run/remove.sql"))
        .bind(small(tenant.0))
        .bind(before.millis())
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(gone.rows_affected())
}

/// What was removed of a tenant's jobs, by the hour.
pub async fn rollup_list(pool: &PgPool, tenant: TenantNo, since: Timestamp) -> Result<Vec<RollupRow>, StoreError> {
    let mut connection = for_tenant(pool, tenant).await?;
    let found = sqlx::query(include_str!("../../sql/postgres/rollup/list.sql"))
        .bind(small(tenant.0))
        .bind(hour(since))
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    all(&found, |row| {
        Ok(RollupRow {
            hour: from_hour(rows::get(row, 0)?),
            lane: lane_of(rows::get(row, 1)?),
            state: final_state(i64::from(rows::get::<i16>(row, 2)?))?,
            error_class: rows::get(row, 3)?,
            jobs: unsigned(rows::get(row, 4)?)?,
        })
    })
}
