//! Rotation: finished jobs that nobody needs any more go, chunk by chunk.
//!
//! A lock that is not free ends it, to be tried again another time.

use orch_core::ids::{JobId, TenantNo};
use orch_core::port::{RotateParams, StoreError};
use sqlx::postgres::{PgBindIterExt, PgPool, PgRow};

use super::reads::all;
use super::rows;
use super::session::store_error;
use crate::codec::{lane_of, small, unsigned};
use crate::rotation::{Chunk, Rotation, Walked, lowest};

/// Rotates; each chunk is removed in a transaction of its own.
pub async fn job_rotate(pool: &PgPool, params: &RotateParams) -> Result<(u64, u64), StoreError> {
    let rotation = Rotation::new(params);
    let (mut kept, mut removed) = (0, 0);
    for tenant in rotation.tenants() {
        let mut above = Some(lowest());
        while let Some(id) = above {
            let chunk = rotate_chunk(pool, &rotation, tenant, id).await?;
            kept += chunk.kept;
            removed += chunk.going.len() as u64;
            above = chunk.next;
        }
    }
    Ok((kept, removed))
}

async fn rotate_chunk(pool: &PgPool, rotation: &Rotation, tenant: TenantNo, above: JobId) -> Result<Chunk, StoreError> {
    let found = sqlx::query(include_str!("../../sql/postgres/job/rotate_walk.sql"))
        .bind(small(tenant.0))
        .bind(above.0)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let chunk = rotation.sort(tenant, &all(&found, walked)?);
    if !chunk.going.is_empty() {
        sqlx::query(include_str!("../../sql/postgres/job/remove.sql"))
            .bind(small(tenant.0))
            .bind(chunk.going.iter().map(|job| job.0).bind_iter())
            .execute(pool)
            .await
            .map_err(store_error)?;
    }
    Ok(chunk)
}

fn walked(row: &PgRow) -> Result<Walked, StoreError> {
    Ok(Walked {
        id: JobId(rows::get(row, 0)?),
        lane: lane_of(rows::get(row, 1)?),
        seq: unsigned(rows::get(row, 2)?)?,
        fresh: rows::get(row, 3)?,
        created_at: rows::get(row, 4)?,
        ended: rows::get(row, 5)?,
        open_letter: rows::get(row, 6)?,
    })
}
