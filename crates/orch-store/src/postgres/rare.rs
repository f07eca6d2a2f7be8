//! What few commits write besides history, jobs, ends and keys.
//!
//! Runs inside the append's transaction, behind its fence.

use orch_core::port::Append;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use crate::codec::{kind_word, labels, last_of_each, outcome_number, signed, small, to_json};

/// Inserts all of it.
pub async fn insert(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    declared(tx, append).await?;
    job_labels(tx, append).await?;
    dead_letters(tx, append).await?;
    settlements(tx, append).await?;
    checkpoints(tx, append).await?;
    logs(tx, append).await?;
    artifacts(tx, append).await?;
    firings(tx, append).await?;
    runs(tx, append).await?;
    run_ends(tx, append).await?;
    backfills(tx, append).await?;
    backfill_ends(tx, append).await?;
    snapshot(tx, append).await
}

async fn declared(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    tenants(tx, append).await?;
    configs(tx, append).await?;
    tokens(tx, append).await
}

async fn tenants(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.tenants;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/tenant/insert.sql"))
        .bind(rows.iter().map(|row| small(row.no.0)).bind_iter())
        .bind(rows.iter().map(|row| row.id.0).bind_iter())
        .bind(rows.iter().map(|row| row.name.as_str()).bind_iter())
        .bind(rows.iter().map(|row| i32::from(row.shard.0)).bind_iter())
        .bind(rows.iter().map(|row| row.created_at.millis()).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn configs(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.configs;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/config/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| kind_word(row.kind)).bind_iter())
        .bind(rows.iter().map(|row| row.name.as_str()).bind_iter())
        .bind(rows.iter().map(|row| signed(row.version)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| &row.doc[..]).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn tokens(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = last_of_each(&append.tokens, |row| row.id);
    if rows.is_empty() {
        return Ok(());
    }
    let scopes: Vec<String> = rows.iter().map(|row| serde_json::json!(row.scopes).to_string()).collect();
    sqlx::query(include_str!("../../sql/postgres/token/put.sql"))
        .bind(rows.iter().map(|row| row.id.0).bind_iter())
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.name.as_str()).bind_iter())
        .bind(rows.iter().map(|row| &row.secret_sha256[..]).bind_iter())
        .bind(scopes)
        .bind(rows.iter().map(|row| row.created_at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.expires_at.map(|at| at.millis())).bind_iter())
        .bind(rows.iter().map(|row| row.revoked_at.map(|at| at.millis())).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn job_labels(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = labels(&append.jobs);
    if rows.clone().next().is_none() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/job_label/insert.sql"))
        .bind(rows.clone().map(|(tenant, ..)| small(tenant.0)).bind_iter())
        .bind(rows.clone().map(|(_, job, ..)| job.0).bind_iter())
        .bind(rows.clone().map(|(_, _, key, _)| key).bind_iter())
        .bind(rows.map(|(.., value)| value).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn dead_letters(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.dead_letters;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/dead_letter/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.job.0).bind_iter())
        .bind(rows.iter().map(|row| row.lane.in_ledger(row.tenant)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.cause.as_str()).bind_iter())
        .bind(rows.iter().map(|row| to_json(&row.error)).bind_iter())
        .bind(rows.iter().map(|row| small(row.attempts)).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn settlements(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.settlements;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/settlement/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.job.0).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.by.as_str()).bind_iter())
        .bind(rows.iter().map(|row| row.reason.as_deref()).bind_iter())
        .bind(rows.iter().map(|row| row.replayed_as.map(|job| job.0)).bind_iter())
        .execute(&mut *tx)
        .await?;
    sqlx::query(include_str!("../../sql/postgres/dead_letter/settle.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.job.0).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn checkpoints(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = last_of_each(&append.checkpoints, |row| (row.tenant, row.job));
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/checkpoint/put.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.job.0).bind_iter())
        .bind(rows.iter().map(|row| small(row.attempt)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| &row.data[..]).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn logs(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.logs;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/log_chunk/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.job.0).bind_iter())
        .bind(rows.iter().map(|row| small(row.attempt)).bind_iter())
        .bind(rows.iter().map(|row| signed(row.order)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| &row.lines[..]).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn artifacts(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.artifacts;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/artifact/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.job.0).bind_iter())
        .bind(rows.iter().map(|row| small(row.attempt)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.artifact.sha256.as_str()).bind_iter())
        .bind(rows.iter().map(|row| row.artifact.media_type.as_str()).bind_iter())
        .bind(rows.iter().map(|row| signed(row.artifact.size_bytes)).bind_iter())
        .bind(rows.iter().map(|row| row.artifact.uri.as_str()).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn firings(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.firings;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/firing/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.schedule.as_str()).bind_iter())
        .bind(rows.iter().map(|row| row.nominal_at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.last_at.millis()).bind_iter())
        .bind(rows.iter().map(|row| signed(row.count)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.job.map(|job| job.0)).bind_iter())
        .bind(rows.iter().map(|row| row.run.map(|run| run.0)).bind_iter())
        .bind(rows.iter().map(|row| row.cause.as_deref()).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn runs(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.runs;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/run/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.id.0).bind_iter())
        .bind(rows.iter().map(|row| signed(row.seq)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| row.graph.as_str()).bind_iter())
        .bind(rows.iter().map(|row| signed(row.version)).bind_iter())
        .bind(rows.iter().map(|row| to_json(&row.spec)).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn backfills(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.backfills;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/backfill/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.id.0).bind_iter())
        .bind(rows.iter().map(|row| signed(row.seq)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| to_json(&row.spec)).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn backfill_ends(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.backfill_ends;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/backfill_end/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.id.0).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| outcome_number(row.outcome)).bind_iter())
        .bind(rows.iter().map(|row| to_json(&row.course)).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn run_ends(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let rows = &append.run_ends;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/run_end/insert.sql"))
        .bind(rows.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(rows.iter().map(|row| row.id.0).bind_iter())
        .bind(rows.iter().map(|row| signed(row.seq)).bind_iter())
        .bind(rows.iter().map(|row| row.at.millis()).bind_iter())
        .bind(rows.iter().map(|row| outcome_number(row.outcome)).bind_iter())
        .bind(rows.iter().map(|row| &row.course[..]).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

async fn snapshot(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let Some(row) = &append.snapshot else { return Ok(()) };
    sqlx::query(include_str!("../../sql/postgres/snapshot/put.sql"))
        .bind(i32::from(append.shard.0))
        .bind(signed(row.commit_no))
        .bind(i64::from(row.format))
        .bind(&row.state[..])
        .execute(tx)
        .await
        .map(drop)
}
