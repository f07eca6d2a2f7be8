//! Rows of SQLite as the port has them.
//!
//! Columns are taken by place; each function says in which order.

use bytes::Bytes;
use orch_core::block::Block;
use orch_core::ids::{BackfillId, JobId, RunId, ShardNo, Stream, TenantId, TenantNo, TokenId};
use orch_core::job::ArtifactRef;
use orch_core::port::{
    ArtifactRow, BackfillEndRow, BackfillFound, BackfillRow, CheckpointRow, DeadLetterFound, DeadLetterRow, DoneRow,
    FiringRow, JobFound, JobRow, KeyRow, LogRow, RunEndRow, RunFound, RunRow, SettlementRow, StoreError, TenantRow,
    TokenRow, WindowRow,
};
use orch_core::time::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use uuid::Uuid;

use super::connection::store_error;
use crate::codec::{final_state, json, labels_of, lane_of, outcome_of, unpack_ids, unsigned, unsigned_small};

type Result<T> = std::result::Result<T, StoreError>;

/// The column at `place`.
pub fn get<T: FromSql>(row: &Row<'_>, place: usize) -> Result<T> {
    row.get(place).map_err(store_error)
}

fn slice<'r>(row: &'r Row<'_>, place: usize) -> Result<&'r [u8]> {
    slice_or_none(row, place)?.ok_or_else(|| StoreError::Corrupt(format!("column {place} is empty")))
}

fn slice_or_none<'r>(row: &'r Row<'_>, place: usize) -> Result<Option<&'r [u8]>> {
    match row.get_ref(place).map_err(store_error)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(Some(bytes)),
        other => Err(StoreError::Corrupt(format!("column {place} holds {:?}", other.data_type()))),
    }
}

fn bytes(row: &Row<'_>, place: usize) -> Result<Bytes> {
    slice(row, place).map(Bytes::copy_from_slice)
}

fn bytes_or_none(row: &Row<'_>, place: usize) -> Result<Option<Bytes>> {
    Ok(slice_or_none(row, place)?.map(Bytes::copy_from_slice))
}

fn uuid(row: &Row<'_>, place: usize) -> Result<Uuid> {
    get(row, place).map(Uuid::from_bytes)
}

fn time(row: &Row<'_>, place: usize) -> Result<Timestamp> {
    get(row, place).map(Timestamp::from_millis)
}

fn time_or_none(row: &Row<'_>, place: usize) -> Result<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, place)?.map(Timestamp::from_millis))
}

/// The job's id at `place`.
pub fn job_id(row: &Row<'_>, place: usize) -> Result<JobId> {
    uuid(row, place).map(JobId)
}

fn tenant(row: &Row<'_>, place: usize) -> Result<TenantNo> {
    small(row, place).map(TenantNo)
}

fn small(row: &Row<'_>, place: usize) -> Result<u32> {
    unsigned_small(get(row, place)?)
}

fn number(row: &Row<'_>, place: usize) -> Result<u64> {
    unsigned(get(row, place)?)
}

/// stream, `first_seq`, `last_seq`, at, facts, leaves from `at` on.
pub fn block(row: &Row<'_>, at: usize) -> Result<Block> {
    Ok(Block {
        stream: Stream(small(row, at)?),
        first_seq: number(row, at + 1)?,
        last_seq: number(row, at + 2)?,
        at: time(row, at + 3)?,
        facts: bytes(row, at + 4)?,
        leaves: bytes(row, at + 5)?,
    })
}

/// id, seq, extra, payload.
pub fn window(row: &Row<'_>) -> Result<WindowRow> {
    Ok(WindowRow { job: job_id(row, 0)?, seq: number(row, 1)?, extra: bytes_or_none(row, 2)?, payload: bytes(row, 3)? })
}

/// The eight columns of a job, the eight of its end but job and tenant, and whether its dead letter was settled.
pub fn job_found(row: &Row<'_>) -> Result<JobFound> {
    let extra = bytes_or_none(row, 6)?;
    let job = JobRow {
        id: job_id(row, 0)?,
        tenant: tenant(row, 1)?,
        lane: lane_of(get(row, 2)?),
        seq: number(row, 3)?,
        fresh: get(row, 4)?,
        created_at: time(row, 5)?,
        labels: labels_of(extra.as_deref())?,
        extra,
        payload: bytes(row, 7)?,
    };
    let done = match get::<Option<i64>>(row, 8)? {
        Some(_) => Some(done_columns(row, 8, job.id, job.tenant)?),
        None => None,
    };
    Ok(JobFound { job, done, settled: get(row, 16)? })
}

/// job, tenant, and the rest of an end.
pub fn done(row: &Row<'_>) -> Result<DoneRow> {
    done_columns(row, 2, job_id(row, 0)?, tenant(row, 1)?)
}

fn done_columns(row: &Row<'_>, at: usize, job: JobId, tenant: TenantNo) -> Result<DoneRow> {
    Ok(DoneRow {
        job,
        tenant,
        lane: lane_of(get(row, at)?),
        state: final_state(get(row, at + 1)?)?,
        at: time(row, at + 2)?,
        seq: number(row, at + 3)?,
        attempt: small(row, at + 4)?,
        epoch: number(row, at + 5)?,
        report: get(row, at + 6)?,
        output: bytes_or_none(row, at + 7)?,
    })
}

/// tenant, key, fingerprint, jobs, at.
pub fn key(row: &Row<'_>) -> Result<KeyRow> {
    Ok(KeyRow {
        tenant: tenant(row, 0)?,
        key: get(row, 1)?,
        fingerprint: get(row, 2)?,
        jobs: unpack_ids(slice(row, 3)?)?,
        at: time(row, 4)?,
    })
}

/// job, tenant, attempt, at, data.
pub fn checkpoint(row: &Row<'_>) -> Result<CheckpointRow> {
    Ok(CheckpointRow {
        job: job_id(row, 0)?,
        tenant: tenant(row, 1)?,
        attempt: small(row, 2)?,
        at: time(row, 3)?,
        data: bytes(row, 4)?,
    })
}

/// job, tenant, attempt, place, at, lines.
pub fn log(row: &Row<'_>) -> Result<LogRow> {
    Ok(LogRow {
        job: job_id(row, 0)?,
        tenant: tenant(row, 1)?,
        attempt: small(row, 2)?,
        order: number(row, 3)?,
        at: time(row, 4)?,
        lines: bytes(row, 5)?,
    })
}

/// tenant, job, attempt, at, sha256, `media_type`, `size_bytes`, uri.
pub fn artifact(row: &Row<'_>) -> Result<ArtifactRow> {
    Ok(ArtifactRow {
        tenant: tenant(row, 0)?,
        job: job_id(row, 1)?,
        attempt: small(row, 2)?,
        at: time(row, 3)?,
        artifact: ArtifactRef {
            sha256: get(row, 4)?,
            media_type: get(row, 5)?,
            size_bytes: number(row, 6)?,
            uri: get(row, 7)?,
        },
    })
}

/// job, tenant, lane, at, cause, error, attempts, and at, by, reason, `replayed_as` of the settlement.
pub fn dead_letter(row: &Row<'_>) -> Result<DeadLetterFound> {
    let row_of_job = DeadLetterRow {
        job: job_id(row, 0)?,
        tenant: tenant(row, 1)?,
        lane: lane_of(get(row, 2)?),
        at: time(row, 3)?,
        cause: get(row, 4)?,
        error: json(slice(row, 5)?)?,
        attempts: small(row, 6)?,
    };
    let settlement = match time_or_none(row, 7)? {
        None => None,
        Some(at) => Some(SettlementRow {
            job: row_of_job.job,
            tenant: row_of_job.tenant,
            at,
            by: get(row, 8)?,
            reason: get(row, 9)?,
            replayed_as: get::<Option<[u8; 16]>>(row, 10)?.map(|id| JobId(Uuid::from_bytes(id))),
        }),
    };
    Ok(DeadLetterFound { row: row_of_job, settlement })
}

/// tenant, schedule, `nominal_at`, `last_at`, count, at, job, run, cause.
pub fn firing(row: &Row<'_>) -> Result<FiringRow> {
    Ok(FiringRow {
        tenant: tenant(row, 0)?,
        schedule: get(row, 1)?,
        nominal_at: time(row, 2)?,
        last_at: time(row, 3)?,
        count: unsigned(get(row, 4)?)?,
        at: time(row, 5)?,
        job: get::<Option<[u8; 16]>>(row, 6)?.map(|id| JobId(Uuid::from_bytes(id))),
        run: get::<Option<[u8; 16]>>(row, 7)?.map(|id| RunId(Uuid::from_bytes(id))),
        cause: get(row, 8)?,
    })
}

/// tenant, id, seq, at, spec, and at, outcome, course of the end.
pub fn backfill_found(row: &Row<'_>) -> Result<BackfillFound> {
    let asked = BackfillRow {
        tenant: tenant(row, 0)?,
        id: uuid(row, 1).map(BackfillId)?,
        seq: number(row, 2)?,
        at: time(row, 3)?,
        spec: json(slice(row, 4)?)?,
    };
    let end = match time_or_none(row, 5)? {
        None => None,
        Some(at) => Some(BackfillEndRow {
            tenant: asked.tenant,
            id: asked.id,
            at,
            outcome: outcome_of(get(row, 6)?)?,
            course: json(slice(row, 7)?)?,
        }),
    };
    Ok(BackfillFound { row: asked, end })
}

/// tenant, id, seq, at, graph, version, spec, and at, outcome, course of the end.
pub fn run_found(row: &Row<'_>) -> Result<RunFound> {
    let row_of_run = RunRow {
        tenant: tenant(row, 0)?,
        id: uuid(row, 1).map(RunId)?,
        seq: number(row, 2)?,
        at: time(row, 3)?,
        graph: get(row, 4)?,
        version: number(row, 5)?,
        spec: json(slice(row, 6)?)?,
    };
    let end = match time_or_none(row, 7)? {
        None => None,
        Some(at) => Some(RunEndRow {
            tenant: row_of_run.tenant,
            id: row_of_run.id,
            seq: row_of_run.seq,
            at,
            outcome: outcome_of(get(row, 8)?)?,
            course: bytes(row, 9)?,
        }),
    };
    Ok(RunFound { row: row_of_run, end })
}

/// tenant, id, name, shard, `created_at`.
pub fn tenant_row(row: &Row<'_>) -> Result<TenantRow> {
    Ok(TenantRow {
        no: tenant(row, 0)?,
        id: uuid(row, 1).map(TenantId)?,
        name: get(row, 2)?,
        shard: get(row, 3).map(ShardNo)?,
        created_at: time(row, 4)?,
    })
}

/// id, tenant, name, `secret_sha256`, scopes, `created_at`, `expires_at`, `revoked_at`.
pub fn token(row: &Row<'_>) -> Result<TokenRow> {
    Ok(TokenRow {
        id: uuid(row, 0).map(TokenId)?,
        tenant: tenant(row, 1)?,
        name: get(row, 2)?,
        secret_sha256: get(row, 3)?,
        scopes: json(slice(row, 4)?)?,
        created_at: time(row, 5)?,
        expires_at: time_or_none(row, 6)?,
        revoked_at: time_or_none(row, 7)?,
    })
}
