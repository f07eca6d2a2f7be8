//! Reads of an owner: recovery, windows, and what a command's preparation needs.
//!
//! Each is one statement on a pooled connection, so no transaction outlives a dropped future.

use orch_core::block::Block;
use orch_core::ids::{JobId, ShardNo, Stream, TenantNo};
use orch_core::port::{
    CheckpointRow, Commit, DoneRow, JobFound, KeyPlace, KeyRow, SnapshotRow, StoreError, TenantRow, WindowParams,
    WindowRow,
};
use orch_core::time::Timestamp;
use sqlx::postgres::{PgBindIterExt, PgPool, PgRow};
use uuid::Uuid;

use super::rows;
use super::session::store_error;
use crate::codec::{EMPTY_STREAM, day, limit, signed, small, unsigned, unsigned_small};

type Result<T> = std::result::Result<T, StoreError>;

/// Turns each row.
pub fn all<T>(rows: &[PgRow], turn: impl Fn(&PgRow) -> Result<T>) -> Result<Vec<T>> {
    let mut turned = Vec::with_capacity(rows.len());
    for row in rows {
        turned.push(turn(row)?);
    }
    Ok(turned)
}

fn uuids(ids: &[JobId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}

pub async fn snapshot_get(pool: &PgPool, shard: ShardNo) -> Result<Option<SnapshotRow>> {
    let found: Option<(i64, i64, Vec<u8>)> = sqlx::query_as(include_str!("../../sql/postgres/snapshot/get.sql"))
        .bind(i32::from(shard.0))
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    let Some((commit_no, format, state)) = found else { return Ok(None) };
    Ok(Some(SnapshotRow { commit_no: unsigned(commit_no)?, format: unsigned_small(format)?, state: state.into() }))
}

pub async fn tail_read(pool: &PgPool, shard: ShardNo, after: u64, wanted: usize) -> Result<Vec<Commit>> {
    let after = signed(after);
    let found = sqlx::query(include_str!("../../sql/postgres/history/tail.sql"))
        .bind(i32::from(shard.0))
        .bind(after)
        .bind(after.saturating_add(limit(wanted)))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let mut commits = Vec::new();
    for row in &found {
        let commit_no = unsigned(rows::get(row, 0)?)?;
        let block = if rows::get::<i32>(row, 1)? == EMPTY_STREAM { None } else { Some(rows::block(row, 1)?) };
        crate::tail::push(&mut commits, after, commit_no, block)?;
    }
    Ok(commits)
}

pub async fn window_read(pool: &PgPool, wishes: &[WindowParams]) -> Result<Vec<Vec<WindowRow>>> {
    let mut windows = vec![Vec::new(); wishes.len()];
    if wishes.is_empty() {
        return Ok(windows);
    }
    let found = sqlx::query(include_str!("../../sql/postgres/job/window.sql"))
        .bind(wishes.iter().map(|wish| wish.lane.in_ledger(wish.tenant)).bind_iter())
        .bind(wishes.iter().map(|wish| small(wish.tenant.0)).bind_iter())
        .bind(wishes.iter().map(|wish| signed(wish.after)).bind_iter())
        .bind(wishes.iter().map(|wish| limit(wish.limit)).bind_iter())
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    for row in &found {
        let (wish, row) = rows::window(row)?;
        let window = wish
            .checked_sub(1)
            .and_then(|at| windows.get_mut(at))
            .ok_or_else(|| StoreError::Corrupt(format!("a window for wish {wish} that nobody had")))?;
        window.push(row);
    }
    Ok(windows)
}

pub async fn job_lookup(pool: &PgPool, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobFound>> {
    let found = sqlx::query(include_str!("../../sql/postgres/job/lookup.sql"))
        .bind(small(tenant.0))
        .bind(uuids(ids))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    all(&found, rows::job_found)
}

pub async fn done_lookup(pool: &PgPool, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<DoneRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/done/lookup.sql"))
        .bind(small(tenant.0))
        .bind(uuids(ids))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    all(&found, rows::done)
}

pub async fn key_lookup(pool: &PgPool, tenant: TenantNo, keys: &[[u8; 16]], since: Timestamp) -> Result<Vec<KeyRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/idempotency/lookup.sql"))
        .bind(small(tenant.0))
        .bind(keys.iter().map(|key| Uuid::from_bytes(*key)).bind_iter())
        .bind(since.millis())
        .bind(day(since))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    all(&found, rows::key)
}

pub async fn key_page(pool: &PgPool, tenant: TenantNo, from: KeyPlace, limit: usize) -> Result<Vec<[u8; 16]>> {
    let found: Vec<Uuid> = sqlx::query_scalar(include_str!("../../sql/postgres/idempotency/page.sql"))
        .bind(small(tenant.0))
        .bind(small(from.day))
        .bind(Uuid::from_bytes(from.key))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    Ok(found.into_iter().map(Uuid::into_bytes).collect())
}

pub async fn checkpoint_lookup(pool: &PgPool, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<CheckpointRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/checkpoint/lookup.sql"))
        .bind(small(tenant.0))
        .bind(uuids(ids))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    all(&found, rows::checkpoint)
}

pub async fn block_lookup(pool: &PgPool, stream: Stream, seqs: &[u64]) -> Result<Vec<Block>> {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    let found = sqlx::query(include_str!("../../sql/postgres/history/block_lookup.sql"))
        .bind(small(stream.0))
        .bind(seqs.iter().map(|seq| signed(*seq)).bind_iter())
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let mut blocks = all(&found, |row| rows::block(row, 0))?;
    blocks.dedup_by_key(|block| block.first_seq);
    Ok(blocks)
}

pub async fn stream_read(pool: &PgPool, stream: Stream, after: u64, wanted: usize) -> Result<Vec<Block>> {
    let found = sqlx::query(include_str!("../../sql/postgres/history/stream.sql"))
        .bind(small(stream.0))
        .bind(signed(after))
        .bind(limit(wanted))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    all(&found, |row| rows::block(row, 0))
}

pub async fn tenant_list(pool: &PgPool) -> Result<Vec<TenantRow>> {
    let found =
        sqlx::query(include_str!("../../sql/postgres/tenant/list.sql")).fetch_all(pool).await.map_err(store_error)?;
    all(&found, rows::tenant_row)
}
