//! Rows of PostgreSQL as the port has them.
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
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};
use uuid::Uuid;

use super::session::store_error;
use crate::codec::{final_state, json, labels_of, lane_of, outcome_of, unpack_ids, unsigned, unsigned_small};

type Result<T> = std::result::Result<T, StoreError>;

/// The column at `place`.
pub fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, place: usize) -> Result<T> {
    row.try_get(place).map_err(store_error)
}

fn bytes(row: &PgRow, place: usize) -> Result<Bytes> {
    get::<&[u8]>(row, place).map(Bytes::copy_from_slice)
}

fn bytes_or_none(row: &PgRow, place: usize) -> Result<Option<Bytes>> {
    Ok(get::<Option<&[u8]>>(row, place)?.map(Bytes::copy_from_slice))
}

fn time(row: &PgRow, place: usize) -> Result<Timestamp> {
    get(row, place).map(Timestamp::from_millis)
}

fn time_or_none(row: &PgRow, place: usize) -> Result<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, place)?.map(Timestamp::from_millis))
}

fn job_id(row: &PgRow, place: usize) -> Result<JobId> {
    get(row, place).map(JobId)
}

fn tenant(row: &PgRow, place: usize) -> Result<TenantNo> {
    small(row, place).map(TenantNo)
}

fn small(row: &PgRow, place: usize) -> Result<u32> {
    unsigned_small(i64::from(get::<i32>(row, place)?))
}

fn number(row: &PgRow, place: usize) -> Result<u64> {
    unsigned(get(row, place)?)
}

/// stream, `first_seq`, `last_seq`, at, facts, leaves from `at` on.
pub fn block(row: &PgRow, at: usize) -> Result<Block> {
    Ok(Block {
        stream: Stream(small(row, at)?),
        first_seq: number(row, at + 1)?,
        last_seq: number(row, at + 2)?,
        at: time(row, at + 3)?,
        facts: bytes(row, at + 4)?,
        leaves: bytes(row, at + 5)?,
    })
}

/// wish, id, seq, extra, payload.
pub fn window(row: &PgRow) -> Result<(usize, WindowRow)> {
    let wish = usize::try_from(get::<i64>(row, 0)?).unwrap_or(0);
    let row = WindowRow {
        job: job_id(row, 1)?,
        seq: number(row, 2)?,
        extra: bytes_or_none(row, 3)?,
        payload: bytes(row, 4)?,
    };
    Ok((wish, row))
}

/// The eight columns of a job, the eight of its end but job and tenant, and whether its dead letter was settled.
pub fn job_found(row: &PgRow) -> Result<JobFound> {
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
pub fn done(row: &PgRow) -> Result<DoneRow> {
    done_columns(row, 2, job_id(row, 0)?, tenant(row, 1)?)
}

fn done_columns(row: &PgRow, at: usize, job: JobId, tenant: TenantNo) -> Result<DoneRow> {
    Ok(DoneRow {
        job,
        tenant,
        lane: lane_of(get(row, at)?),
        state: final_state(i64::from(get::<i16>(row, at + 1)?))?,
        at: time(row, at + 2)?,
        seq: number(row, at + 3)?,
        attempt: small(row, at + 4)?,
        epoch: number(row, at + 5)?,
        report: get::<Option<Uuid>>(row, at + 6)?.map(Uuid::into_bytes),
        output: bytes_or_none(row, at + 7)?,
    })
}

/// tenant, key, fingerprint, jobs, at.
pub fn key(row: &PgRow) -> Result<KeyRow> {
    Ok(KeyRow {
        tenant: tenant(row, 0)?,
        key: get::<Uuid>(row, 1)?.into_bytes(),
        fingerprint: get::<Uuid>(row, 2)?.into_bytes(),
        jobs: unpack_ids(get(row, 3)?)?,
        at: time(row, 4)?,
    })
}

/// job, tenant, attempt, at, data.
pub fn checkpoint(row: &PgRow) -> Result<CheckpointRow> {
    Ok(CheckpointRow {
        job: job_id(row, 0)?,
        tenant: tenant(row, 1)?,
        attempt: small(row, 2)?,
        at: time(row, 3)?,
        data: bytes(row, 4)?,
    })
}

/// job, tenant, attempt, place, at, lines.
pub fn log(row: &PgRow) -> Result<LogRow> {
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
pub fn artifact(row: &PgRow) -> Result<ArtifactRow> {
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
pub fn dead_letter(row: &PgRow) -> Result<DeadLetterFound> {
    let row_of_job = DeadLetterRow {
        job: job_id(row, 0)?,
        tenant: tenant(row, 1)?,
        lane: lane_of(get(row, 2)?),
        at: time(row, 3)?,
        cause: get(row, 4)?,
        error: json(get(row, 5)?)?,
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
            replayed_as: get::<Option<Uuid>>(row, 10)?.map(JobId),
        }),
    };
    Ok(DeadLetterFound { row: row_of_job, settlement })
}

/// tenant, schedule, `nominal_at`, `last_at`, count, at, job, run, cause.
pub fn firing(row: &PgRow) -> Result<FiringRow> {
    Ok(FiringRow {
        tenant: tenant(row, 0)?,
        schedule: get(row, 1)?,
        nominal_at: time(row, 2)?,
        last_at: time(row, 3)?,
        count: unsigned(get(row, 4)?)?,
        at: time(row, 5)?,
        job: get::<Option<Uuid>>(row, 6)?.map(JobId),
        run: get::<Option<Uuid>>(row, 7)?.map(RunId),
        cause: get(row, 8)?,
    })
}

/// tenant, id, seq, at, spec, and at, outcome, course of the end.
pub fn backfill_found(row: &PgRow) -> Result<BackfillFound> {
    let asked = BackfillRow {
        tenant: tenant(row, 0)?,
        id: get(row, 1).map(BackfillId)?,
        seq: number(row, 2)?,
        at: time(row, 3)?,
        spec: json(get(row, 4)?)?,
    };
    let end = match time_or_none(row, 5)? {
        None => None,
        Some(at) => Some(BackfillEndRow {
            tenant: asked.tenant,
            id: asked.id,
            at,
            outcome: outcome_of(i64::from(get::<i16>(row, 6)?))?,
            course: json(get(row, 7)?)?,
        }),
    };
    Ok(BackfillFound { row: asked, end })
}

/// tenant, id, seq, at, graph, version, spec, and at, outcome, course of the end.
pub fn run_found(row: &PgRow) -> Result<RunFound> {
    let row_of_run = RunRow {
        tenant: tenant(row, 0)?,
        id: get(row, 1).map(RunId)?,
        seq: number(row, 2)?,
        at: time(row, 3)?,
        graph: get(row, 4)?,
        version: number(row, 5)?,
        spec: json(get(row, 6)?)?,
    };
    let end = match time_or_none(row, 7)? {
        None => None,
        Some(at) => Some(RunEndRow {
            tenant: row_of_run.tenant,
            id: row_of_run.id,
            seq: row_of_run.seq,
            at,
            outcome: outcome_of(i64::from(get::<i16>(row, 8)?))?,
            course: bytes(row, 9)?,
        }),
    };
    Ok(RunFound { row: row_of_run, end })
}

/// tenant, id, name, shard, `created_at`.
pub fn tenant_row(row: &PgRow) -> Result<TenantRow> {
    let shard: i32 = get(row, 3)?;
    Ok(TenantRow {
        no: tenant(row, 0)?,
        id: TenantId(get(row, 1)?),
        name: get(row, 2)?,
        shard: u16::try_from(shard)
            .map(ShardNo)
            .map_err(|_| StoreError::Corrupt(format!("{shard} is no shard's number")))?,
        created_at: time(row, 4)?,
    })
}

/// id, tenant, name, `secret_sha256`, scopes, `created_at`, `expires_at`, `revoked_at`.
pub fn token(row: &PgRow) -> Result<TokenRow> {
    let secret: &[u8] = get(row, 3)?;
    Ok(TokenRow {
        id: TokenId(get(row, 0)?),
        tenant: tenant(row, 1)?,
        name: get(row, 2)?,
        secret_sha256: secret
            .try_into()
            .map_err(|_| StoreError::Corrupt("a token's hash has not 32 bytes".to_owned()))?,
        scopes: json(get::<&str>(row, 4)?.as_bytes())?,
        created_at: time(row, 5)?,
        expires_at: time_or_none(row, 6)?,
        revoked_at: time_or_none(row, 7)?,
    })
}
