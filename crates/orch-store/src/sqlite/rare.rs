//! What few commits write besides history, jobs, ends and keys.
//!
//! Runs inside the append's transaction, behind its fence.

use orch_core::port::Append;
use rusqlite::{Transaction, params};

use crate::codec::{kind_word, labels, outcome_number, signed, to_json};

/// Inserts all of it.
pub fn insert(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    tenants(tx, append)?;
    configs(tx, append)?;
    tokens(tx, append)?;
    job_labels(tx, append)?;
    dead_letters(tx, append)?;
    settlements(tx, append)?;
    checkpoints(tx, append)?;
    logs(tx, append)?;
    artifacts(tx, append)?;
    firings(tx, append)?;
    runs(tx, append)?;
    run_ends(tx, append)?;
    backfills(tx, append)?;
    backfill_ends(tx, append)?;
    snapshot(tx, append)
}

fn tenants(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/tenant/insert.sql"))?;
    for row in &append.tenants {
        let id = &row.id.0.as_bytes()[..];
        statement.execute(params![row.no.0, id, row.name, row.shard.0, row.created_at.millis()])?;
    }
    Ok(())
}

fn configs(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/config/insert.sql"))?;
    for row in &append.configs {
        statement.execute(params![
            row.tenant.0,
            kind_word(row.kind),
            row.name,
            signed(row.version),
            row.at.millis(),
            &row.doc[..],
        ])?;
    }
    Ok(())
}

fn tokens(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/token/put.sql"))?;
    for row in &append.tokens {
        statement.execute(params![
            &row.id.0.as_bytes()[..],
            row.tenant.0,
            row.name,
            &row.secret_sha256[..],
            serde_json::json!(row.scopes).to_string(),
            row.created_at.millis(),
            row.expires_at.map(|at| at.millis()),
            row.revoked_at.map(|at| at.millis()),
        ])?;
    }
    Ok(())
}

fn job_labels(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/job_label/insert.sql"))?;
    for (tenant, job, key, value) in labels(&append.jobs) {
        statement.execute(params![tenant.0, &job.0.as_bytes()[..], key, value])?;
    }
    Ok(())
}

fn dead_letters(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/dead_letter/insert.sql"))?;
    for row in &append.dead_letters {
        statement.execute(params![
            row.tenant.0,
            &row.job.0.as_bytes()[..],
            row.lane.in_ledger(row.tenant),
            row.at.millis(),
            row.cause,
            to_json(&row.error),
            row.attempts,
        ])?;
    }
    Ok(())
}

fn settlements(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(include_str!("../../sql/sqlite/settlement/insert.sql"))?;
    let mut settle = tx.prepare_cached(include_str!("../../sql/sqlite/dead_letter/settle.sql"))?;
    for row in &append.settlements {
        let job = &row.job.0.as_bytes()[..];
        let replayed_as = row.replayed_as.as_ref().map(|job| &job.0.as_bytes()[..]);
        insert.execute(params![row.tenant.0, job, row.at.millis(), row.by, row.reason, replayed_as])?;
        settle.execute(params![row.tenant.0, job])?;
    }
    Ok(())
}

fn checkpoints(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/checkpoint/put.sql"))?;
    for row in &append.checkpoints {
        let job = &row.job.0.as_bytes()[..];
        statement.execute(params![row.tenant.0, job, row.attempt, row.at.millis(), &row.data[..]])?;
    }
    Ok(())
}

fn logs(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/log_chunk/insert.sql"))?;
    for row in &append.logs {
        statement.execute(params![
            row.tenant.0,
            &row.job.0.as_bytes()[..],
            row.attempt,
            signed(row.order),
            row.at.millis(),
            &row.lines[..],
        ])?;
    }
    Ok(())
}

fn artifacts(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/artifact/insert.sql"))?;
    for row in &append.artifacts {
        statement.execute(params![
            row.tenant.0,
            &row.job.0.as_bytes()[..],
            row.attempt,
            row.at.millis(),
            row.artifact.sha256,
            row.artifact.media_type,
            signed(row.artifact.size_bytes),
            row.artifact.uri,
        ])?;
    }
    Ok(())
}

fn firings(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/firing/insert.sql"))?;
    for row in &append.firings {
        statement.execute(params![
            row.tenant.0,
            row.schedule,
            row.nominal_at.millis(),
            row.last_at.millis(),
            signed(row.count),
            row.at.millis(),
            row.job.as_ref().map(|job| &job.0.as_bytes()[..]),
            row.run.as_ref().map(|run| &run.0.as_bytes()[..]),
            row.cause,
        ])?;
    }
    Ok(())
}

fn runs(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/run/insert.sql"))?;
    for row in &append.runs {
        statement.execute(params![
            row.tenant.0,
            &row.id.0.as_bytes()[..],
            signed(row.seq),
            row.at.millis(),
            row.graph,
            signed(row.version),
            to_json(&row.spec),
        ])?;
    }
    Ok(())
}

fn backfills(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/backfill/insert.sql"))?;
    for row in &append.backfills {
        let (id, seq, at) = (&row.id.0.as_bytes()[..], signed(row.seq), row.at.millis());
        statement.execute(params![row.tenant.0, id, seq, at, to_json(&row.spec)])?;
    }
    Ok(())
}

fn backfill_ends(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/backfill_end/insert.sql"))?;
    for row in &append.backfill_ends {
        let (id, at, outcome) = (&row.id.0.as_bytes()[..], row.at.millis(), outcome_number(row.outcome));
        statement.execute(params![row.tenant.0, id, at, outcome, to_json(&row.course)])?;
    }
    Ok(())
}

fn run_ends(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(include_str!("../../sql/sqlite/run_end/insert.sql"))?;
    for row in &append.run_ends {
        statement.execute(params![
            row.tenant.0,
            &row.id.0.as_bytes()[..],
            signed(row.seq),
            row.at.millis(),
            outcome_number(row.outcome),
            &row.course[..],
        ])?;
    }
    Ok(())
}

fn snapshot(tx: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
    let Some(row) = &append.snapshot else { return Ok(()) };
    tx.prepare_cached(include_str!("../../sql/sqlite/snapshot/put.sql"))?
        .execute(params![append.shard.0, signed(row.commit_no), row.format, &row.state[..]])
        .map(drop)
}
