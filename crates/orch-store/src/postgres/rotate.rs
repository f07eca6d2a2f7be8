//! Rotation: finished jobs that nobody needs any more go, chunk by chunk.
//!
//! What must stay stays where it is, under the order key that it has; nothing is copied.

use std::collections::BTreeMap;

use orch_core::ids::TenantNo;
use orch_core::port::{RotateParams, StoreError};
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::session::store_error;
use crate::codec::{ROWS_WALKED_MAX, signed, small};

/// One tenant's lanes and their heads.
type Heads = (Vec<i64>, Vec<i64>);

/// Rotates; each chunk is a transaction of its own. A lock that is not free ends it, to be tried again another time.
pub async fn job_rotate(pool: &PgPool, params: &RotateParams) -> Result<(u64, u64), StoreError> {
    let mut tenants: BTreeMap<TenantNo, Heads> = BTreeMap::new();
    for (tenant, lane, head) in &params.heads {
        let heads = tenants.entry(*tenant).or_default();
        heads.0.push(lane.in_ledger(*tenant));
        heads.1.push(signed(*head));
    }
    let keep: Vec<Uuid> = params.keep.iter().map(|job| job.0).collect();
    let (mut kept, mut removed) = (0, 0);
    for (tenant, heads) in &tenants {
        let mut above = Some(Uuid::nil());
        while let Some(id) = above {
            let chunk = rotate_chunk(pool, *tenant, heads, params, &keep, id).await?;
            kept += u64::try_from(chunk.0).unwrap_or(0);
            removed += u64::try_from(chunk.1).unwrap_or(0);
            above = chunk.3.filter(|_| chunk.2 >= ROWS_WALKED_MAX);
        }
    }
    Ok((kept, removed))
}

/// (kept, removed, walked, last id).
async fn rotate_chunk(
    pool: &PgPool,
    tenant: TenantNo,
    heads: &Heads,
    params: &RotateParams,
    keep: &[Uuid],
    above: Uuid,
) -> Result<(i64, i64, i64, Option<Uuid>), StoreError> {
    sqlx::query_as(include_str!("../../sql/postgres/job/rotate.sql"))
        .bind(small(tenant.0))
        .bind(&heads.0)
        .bind(&heads.1)
        .bind(params.before.millis())
        .bind(keep)
        .bind(above)
        .fetch_one(pool)
        .await
        .map_err(store_error)
}
