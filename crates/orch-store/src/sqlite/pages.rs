//! Reads of requests: pages and single objects of one tenant.
//!
//! Every statement names the tenant, but for the token's, which looks the tenant up.

use bytes::Bytes;
use orch_core::config::ConfigKind;
use orch_core::ids::{BackfillId, JobId, RunId, TenantNo, TokenId};
use orch_core::port::{
    ArtifactRow, BackfillFound, DeadLetterFound, DeadLetterPageParams, DoneCount, FiringPageParams, FiringRow, JobPage,
    JobPageParams, LogRow, RunFound, RunPageParams, StoreError, TokenRow,
};
use orch_core::time::Timestamp;
use rusqlite::{Connection, Row, ToSql, params};
use serde_json::json;
use uuid::Uuid;

use super::reads::{all, one};
use super::rows;
use crate::codec::{declared, final_state, kind_word, lane_of, limit, outcome_number, signed, unsigned};
use crate::job_page::{self, Walk};
use crate::run_page;

type Result<T> = std::result::Result<T, StoreError>;

pub fn job_page(connection: &Connection, tenant: TenantNo, params: &JobPageParams) -> Result<JobPage> {
    if params.limit == 0 {
        return Ok(JobPage { jobs: Vec::new(), next: params.before });
    }
    let statement = match job_page::walk(params) {
        Walk::Jobs => include_str!("../../sql/sqlite/job/page.sql"),
        Walk::Labelled => include_str!("../../sql/sqlite/job/page_labelled.sql"),
        Walk::Ended => include_str!("../../sql/sqlite/job/page_ended.sql"),
        Walk::Unsuccessful => include_str!("../../sql/sqlite/job/page_unsuccessful.sql"),
        Walk::Failed => include_str!("../../sql/sqlite/job/page_failed.sql"),
    };
    let lanes = params.lanes.as_ref().map(|lanes| lanes.iter().map(|lane| lane.in_ledger(tenant)).collect::<Vec<_>>());
    let before = params.before.map_or(Uuid::max(), |before| before.0);
    let errors = json!(params.errors).to_string();
    let bound = params![
        tenant.0,
        &before.as_bytes()[..],
        lanes.map(|lanes| json!(lanes).to_string()),
        job_page::states(params).map(|states| json!(states).to_string()),
        params.open_only,
        params.since.map(Timestamp::millis),
        params.until.map(Timestamp::millis),
        json!(params.labels).to_string(),
        job_page::rows_wanted(params),
        job_page::rows_walked(params),
    ];
    let more = (job_page::walk(params) == Walk::Failed).then_some(&errors as &dyn ToSql);
    let bound: Vec<&dyn ToSql> = bound.iter().copied().chain(more).collect();
    let found = all(connection, statement, bound.as_slice(), |row| {
        let id: Option<[u8; 16]> = rows::get(row, 0)?;
        let job = id.map(|_| rows::job_found(row)).transpose()?;
        let last: Option<[u8; 16]> = rows::get(row, 18)?;
        Ok((job, rows::get::<i64>(row, 17)?, last.map(|id| JobId(Uuid::from_bytes(id)))))
    })?;
    let Some((_, walked, last)) = found.first() else { return Ok(JobPage { jobs: Vec::new(), next: None }) };
    let (walked, last) = (*walked, *last);
    let jobs = found.into_iter().filter_map(|(job, ..)| job).collect();
    Ok(job_page::page(params, jobs, walked, last))
}

pub fn dead_letter_page(
    connection: &Connection,
    tenant: TenantNo,
    params: &DeadLetterPageParams,
) -> Result<Vec<DeadLetterFound>> {
    let statement = if params.settled {
        include_str!("../../sql/sqlite/dead_letter/page_all.sql")
    } else {
        include_str!("../../sql/sqlite/dead_letter/page.sql")
    };
    let (at, job) = params.before.map_or((i64::MAX, Uuid::max()), |(at, job)| (at.millis(), job.0));
    let bound = params![tenant.0, at, &job.as_bytes()[..], limit(params.limit)];
    all(connection, statement, bound, rows::dead_letter)
}

pub fn dead_letter_get(connection: &Connection, tenant: TenantNo, job: JobId) -> Result<Option<DeadLetterFound>> {
    let statement = include_str!("../../sql/sqlite/dead_letter/get.sql");
    one(connection, statement, params![tenant.0, &job.0.as_bytes()[..]], rows::dead_letter)
}

pub fn firing_page(connection: &Connection, tenant: TenantNo, params: &FiringPageParams) -> Result<Vec<FiringRow>> {
    let before = params.before.map_or(i64::MAX, Timestamp::millis);
    let bound = params![tenant.0, params.schedule, before, limit(params.limit)];
    all(connection, include_str!("../../sql/sqlite/firing/page.sql"), bound, rows::firing)
}

pub fn config_get(
    connection: &Connection,
    tenant: TenantNo,
    kind: ConfigKind,
    name: &str,
    version: u64,
) -> Result<Option<Bytes>> {
    let bound = params![tenant.0, kind_word(kind), name, signed(version)];
    let doc = |row: &Row<'_>| rows::get::<Vec<u8>>(row, 0);
    let found = one(connection, include_str!("../../sql/sqlite/config/get.sql"), bound, doc)?;
    Ok(found.and_then(|doc| declared(doc.into())))
}

pub fn run_get(connection: &Connection, tenant: TenantNo, run: RunId) -> Result<Option<RunFound>> {
    let bound = params![tenant.0, &run.0.as_bytes()[..]];
    one(connection, include_str!("../../sql/sqlite/run/get.sql"), bound, rows::run_found)
}

pub fn backfill_get(connection: &Connection, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillFound>> {
    let bound = params![tenant.0, &backfill.0.as_bytes()[..]];
    one(connection, include_str!("../../sql/sqlite/backfill/get.sql"), bound, rows::backfill_found)
}

pub fn backfill_page(
    connection: &Connection,
    tenant: TenantNo,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<BackfillFound>> {
    let bound = params![tenant.0, before.map_or(i64::MAX, signed), limit(most)];
    all(connection, include_str!("../../sql/sqlite/backfill/page.sql"), bound, rows::backfill_found)
}

pub fn run_page(connection: &Connection, tenant: TenantNo, params: &RunPageParams) -> Result<Vec<RunFound>> {
    let walk = run_page::walk(params);
    let (tenant, before, limit) = (tenant.0, params.before.map_or(i64::MAX, signed), limit(params.limit));
    match walk {
        run_page::Walk::Runs => {
            let statement = include_str!("../../sql/sqlite/run/page.sql");
            all(connection, statement, params![tenant, before, limit], rows::run_found)
        }
        run_page::Walk::Graph(graph) => {
            let statement = include_str!("../../sql/sqlite/run/page_graph.sql");
            let outcome = params.outcome.map(outcome_number);
            let bound = params![tenant, before, limit, graph, outcome];
            all(connection, statement, bound, rows::run_found)
        }
        run_page::Walk::Ended(outcome) => {
            let statement = include_str!("../../sql/sqlite/run/page_outcome.sql");
            let bound = params![tenant, before, limit, outcome_number(outcome)];
            all(connection, statement, bound, rows::run_found)
        }
    }
}

pub fn done_count(connection: &Connection, tenant: TenantNo) -> Result<Vec<DoneCount>> {
    all(connection, include_str!("../../sql/sqlite/done_total/list.sql"), params![tenant.0], |row| {
        Ok(DoneCount {
            lane: lane_of(rows::get(row, 0)?),
            state: final_state(rows::get(row, 1)?)?,
            jobs: unsigned(rows::get(row, 2)?)?,
        })
    })
}

pub fn log_page(
    connection: &Connection,
    tenant: TenantNo,
    job: JobId,
    after: (u32, u64),
    wanted: usize,
) -> Result<Vec<LogRow>> {
    let bound = params![tenant.0, &job.0.as_bytes()[..], after.0, signed(after.1), limit(wanted)];
    all(connection, include_str!("../../sql/sqlite/log_chunk/page.sql"), bound, rows::log)
}

pub fn artifact_get(connection: &Connection, tenant: TenantNo, sha256: &str) -> Result<Option<ArtifactRow>> {
    one(connection, include_str!("../../sql/sqlite/artifact/get.sql"), params![tenant.0, sha256], rows::artifact)
}

pub fn token_page(
    connection: &Connection,
    tenant: TenantNo,
    after: Option<TokenId>,
    wanted: usize,
) -> Result<Vec<TokenRow>> {
    let after = after.map_or(Uuid::nil(), |after| after.0);
    let bound = params![tenant.0, &after.as_bytes()[..], limit(wanted)];
    all(connection, include_str!("../../sql/sqlite/token/page.sql"), bound, rows::token)
}

pub fn token_get(connection: &Connection, tenant: TenantNo, id: TokenId) -> Result<Option<TokenRow>> {
    let bound = params![tenant.0, &id.0.as_bytes()[..]];
    one(connection, include_str!("../../sql/sqlite/token/get.sql"), bound, rows::token)
}

pub fn token_lookup(connection: &Connection, secret_sha256: &[u8]) -> Result<Option<TokenRow>> {
    one(connection, include_str!("../../sql/sqlite/token/lookup.sql"), params![secret_sha256], rows::token)
}
