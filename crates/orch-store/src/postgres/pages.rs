//! Reads of requests: pages and single objects of one tenant.
//!
//! Every statement names the tenant, and its connection may read no other's rows. The token's does neither: it looks
//! the tenant up.

use bytes::Bytes;
use orch_core::config::ConfigKind;
use orch_core::ids::{BackfillId, JobId, RunId, TenantNo, TokenId};
use orch_core::port::{
    ArtifactRow, BackfillFound, DeadLetterFound, DeadLetterPageParams, DoneCount, FiringPageParams, FiringRow, JobPage,
    JobPageParams, LogRow, RunFound, RunPageParams, StoreError, TokenRow,
};
use orch_core::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::{PgBindIterExt, PgPool, PgRow};
use uuid::Uuid;

use super::reads::all;
use super::rows;
use super::session::{for_tenant, store_error};
use crate::codec::{declared, final_state, kind_word, lane_of, limit, outcome_number, signed, small, unsigned};
use crate::job_page::{self, Walk};
use crate::run_page;

type Result<T> = std::result::Result<T, StoreError>;

pub async fn job_page(requests: &PgPool, tenant: TenantNo, params: &JobPageParams) -> Result<JobPage> {
    if params.limit == 0 {
        return Ok(JobPage { jobs: Vec::new(), next: params.before });
    }
    let statement = match job_page::walk(params) {
        Walk::Jobs => include_str!("../../sql/postgres/job/page.sql"),
        Walk::Labelled => include_str!("../../sql/postgres/job/page_labelled.sql"),
        Walk::Ended => include_str!("../../sql/postgres/job/page_ended.sql"),
        Walk::Unsuccessful => include_str!("../../sql/postgres/job/page_unsuccessful.sql"),
        Walk::Failed => include_str!("../../sql/postgres/job/page_failed.sql"),
    };
    let lanes = params.lanes.as_ref().map(|lanes| lanes.iter().map(|lane| lane.in_ledger(tenant)).collect::<Vec<_>>());
    let errors = params.errors.iter().map(String::as_str);
    let query = sqlx::query(statement)
        .bind(small(tenant.0))
        .bind(params.before.map_or(Uuid::max(), |before| before.0))
        .bind(lanes)
        .bind(job_page::states(params))
        .bind(params.open_only)
        .bind(params.since.map(Timestamp::millis))
        .bind(params.until.map(Timestamp::millis))
        .bind(params.labels.iter().map(|(key, _)| key.as_str()).bind_iter())
        .bind(params.labels.iter().map(|(_, value)| value.as_str()).bind_iter())
        .bind(job_page::rows_wanted(params))
        .bind(job_page::rows_walked(params));
    let query = if job_page::walk(params) == Walk::Failed { query.bind(errors.bind_iter()) } else { query };
    let found = query.fetch_all(&mut *for_tenant(requests, tenant).await?).await.map_err(store_error)?;
    let Some(first) = found.first() else { return Ok(JobPage { jobs: Vec::new(), next: None }) };
    let walked = rows::get(first, 17)?;
    let last = rows::get::<Option<Uuid>>(first, 18)?.map(JobId);
    let matched = |row: &&PgRow| row.try_get::<Option<Uuid>, _>(0).ok().flatten().is_some();
    let jobs = found.iter().filter(matched).map(rows::job_found).collect::<Result<Vec<_>>>()?;
    Ok(job_page::page(params, jobs, walked, last))
}

pub async fn dead_letter_page(
    requests: &PgPool,
    tenant: TenantNo,
    params: &DeadLetterPageParams,
) -> Result<Vec<DeadLetterFound>> {
    let statement = if params.settled {
        include_str!("../../sql/postgres/dead_letter/page_all.sql")
    } else {
        include_str!("../../sql/postgres/dead_letter/page.sql")
    };
    let (at, job) = params.before.map_or((i64::MAX, Uuid::max()), |(at, job)| (at.millis(), job.0));
    let found = sqlx::query(statement)
        .bind(small(tenant.0))
        .bind(at)
        .bind(job)
        .bind(limit(params.limit))
        .fetch_all(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    all(&found, rows::dead_letter)
}

pub async fn dead_letter_get(requests: &PgPool, tenant: TenantNo, job: JobId) -> Result<Option<DeadLetterFound>> {
    let found = sqlx::query(include_str!("../../sql/postgres/dead_letter/get.sql"))
        .bind(small(tenant.0))
        .bind(job.0)
        .fetch_optional(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    found.as_ref().map(rows::dead_letter).transpose()
}

pub async fn firing_page(requests: &PgPool, tenant: TenantNo, params: &FiringPageParams) -> Result<Vec<FiringRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/firing/page.sql"))
        .bind(small(tenant.0))
        .bind(&params.schedule)
        .bind(params.before.map_or(i64::MAX, Timestamp::millis))
        .bind(limit(params.limit))
        .fetch_all(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    all(&found, rows::firing)
}

pub async fn config_get(
    requests: &PgPool,
    tenant: TenantNo,
    kind: ConfigKind,
    name: &str,
    version: u64,
) -> Result<Option<Bytes>> {
    let found: Option<Vec<u8>> = sqlx::query_scalar(include_str!("../../sql/postgres/config/get.sql"))
        .bind(small(tenant.0))
        .bind(kind_word(kind))
        .bind(name)
        .bind(signed(version))
        .fetch_optional(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    Ok(found.and_then(|doc| declared(doc.into())))
}

pub async fn run_get(requests: &PgPool, tenant: TenantNo, run: RunId) -> Result<Option<RunFound>> {
    let found = sqlx::query(include_str!("../../sql/postgres/run/get.sql"))
        .bind(small(tenant.0))
        .bind(run.0)
        .fetch_optional(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    found.as_ref().map(rows::run_found).transpose()
}

pub async fn backfill_get(requests: &PgPool, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillFound>> {
    let found = sqlx::query(include_str!("../../sql/postgres/backfill/get.sql"))
        .bind(small(tenant.0))
        .bind(backfill.0)
        .fetch_optional(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    found.as_ref().map(rows::backfill_found).transpose()
}

pub async fn backfill_page(
    requests: &PgPool,
    tenant: TenantNo,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<BackfillFound>> {
    let found = sqlx::query(include_str!("../../sql/postgres/backfill/page.sql"))
        .bind(small(tenant.0))
        .bind(before.map_or(i64::MAX, signed))
        .bind(limit(most))
        .fetch_all(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    all(&found, rows::backfill_found)
}

pub async fn run_page(requests: &PgPool, tenant: TenantNo, params: &RunPageParams) -> Result<Vec<RunFound>> {
    let walk = run_page::walk(params);
    let statement = match walk {
        run_page::Walk::Runs => include_str!("../../sql/postgres/run/page.sql"),
        run_page::Walk::Graph(_) => include_str!("../../sql/postgres/run/page_graph.sql"),
        run_page::Walk::Ended(_) => include_str!("../../sql/postgres/run/page_outcome.sql"),
    };
    let query = sqlx::query(statement)
        .bind(small(tenant.0))
        .bind(params.before.map_or(i64::MAX, signed))
        .bind(limit(params.limit));
    let query = match walk {
        run_page::Walk::Runs => query,
        run_page::Walk::Graph(graph) => query.bind(graph).bind(params.outcome.map(outcome_number)),
        run_page::Walk::Ended(outcome) => query.bind(outcome_number(outcome)),
    };
    let found = query.fetch_all(&mut *for_tenant(requests, tenant).await?).await.map_err(store_error)?;
    all(&found, rows::run_found)
}

pub async fn done_count(requests: &PgPool, tenant: TenantNo) -> Result<Vec<DoneCount>> {
    let found: Vec<(i64, i16, i64)> = sqlx::query_as(include_str!("../../sql/postgres/done_total/list.sql"))
        .bind(small(tenant.0))
        .fetch_all(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    let mut counts = Vec::with_capacity(found.len());
    for (lane, state, jobs) in found {
        counts.push(DoneCount { lane: lane_of(lane), state: final_state(i64::from(state))?, jobs: unsigned(jobs)? });
    }
    Ok(counts)
}

pub async fn log_page(
    requests: &PgPool,
    tenant: TenantNo,
    job: JobId,
    after: (u32, u64),
    wanted: usize,
) -> Result<Vec<LogRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/log_chunk/page.sql"))
        .bind(small(tenant.0))
        .bind(job.0)
        .bind(i32::try_from(after.0).unwrap_or(i32::MAX))
        .bind(signed(after.1))
        .bind(limit(wanted))
        .fetch_all(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    all(&found, rows::log)
}

pub async fn artifact_get(requests: &PgPool, tenant: TenantNo, sha256: &str) -> Result<Option<ArtifactRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/artifact/get.sql"))
        .bind(small(tenant.0))
        .bind(sha256)
        .fetch_optional(&mut *for_tenant(requests, tenant).await?)
        .await
        .map_err(store_error)?;
    found.as_ref().map(rows::artifact).transpose()
}

/// Tokens are read by the engine's role: in a request's own session nobody may read them.
pub async fn token_page(
    pool: &PgPool,
    tenant: TenantNo,
    after: Option<TokenId>,
    wanted: usize,
) -> Result<Vec<TokenRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/token/page.sql"))
        .bind(small(tenant.0))
        .bind(after.map_or(Uuid::nil(), |after| after.0))
        .bind(limit(wanted))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    all(&found, rows::token)
}

pub async fn token_get(pool: &PgPool, tenant: TenantNo, id: TokenId) -> Result<Option<TokenRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/token/get.sql"))
        .bind(small(tenant.0))
        .bind(id.0)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    found.as_ref().map(rows::token).transpose()
}

pub async fn token_lookup(pool: &PgPool, secret_sha256: &[u8]) -> Result<Option<TokenRow>> {
    let found = sqlx::query(include_str!("../../sql/postgres/token/lookup.sql"))
        .bind(secret_sha256)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    found.as_ref().map(rows::token).transpose()
}
