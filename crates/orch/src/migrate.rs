//! `orch migrate`: the schema, and with `--bootstrap` the first tenant and token.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use orch_engine::{Engine, EngineOptions};
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use serde::Serialize;

use crate::bootstrap;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::{Flags, Settings};

/// How long a server that has just died may still own the ledger.
const OWNER_LIMIT: Duration = Duration::from_secs(30);

/// What to prepare.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database, as postgres://user@host/name; with its password only in ORCH_DATABASE, or by reference: env:NAME or
    /// file:PATH. Setting `database`.
    #[arg(long, value_name = "URL|REFERENCE")]
    database: Option<String>,
    #[command(flatten)]
    flags: Flags,
    /// Make the first tenant, `default`, and a token that may do everything; needs that no server runs.
    #[arg(long)]
    bootstrap: bool,
    /// With --bootstrap: make another such token although the tenant is there.
    #[arg(long, requires = "bootstrap")]
    new_token: bool,
    /// Say what was done in one line of JSON: applied, tenant, token.
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    applied: Vec<String>,
    /// The first tenant's id.
    tenant: Option<String>,
    /// `null`: the tenant was there, and its tokens are not known here.
    token: Option<String>,
}

/// Migrates, and makes what is asked for.
pub async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let database = Settings::find(&args.flags, &[("database", args.database.as_ref())])?.database()?;
    let applied = PostgresLedger::migrate(&database).await.context("could not migrate the database")?;
    let (tenant, token) = if args.bootstrap { bootstrap(args, &database).await? } else { (None, None) };
    say(args, output, &Report { applied, tenant, token })
}

/// The tenant's id, and a token if one was made.
type Made = (Option<String>, Option<String>);

async fn bootstrap(args: &Args, database: &str) -> Result<Made> {
    let ledger = PostgresLedger::connect(database, PostgresOptions::default()).await;
    let ledger = ledger.context("could not open the ledger")?;
    let blobs = Arc::new(ledger.blobs());
    let engine = Engine::start(EngineOptions::new(Arc::new(ledger), blobs));
    let made = make(&engine, args.new_token).await;
    engine.shutdown().await;
    made
}

async fn make(engine: &Engine, new_token: bool) -> Result<Made> {
    if let Some(tenant) = bootstrap::find_tenant(engine).await?.filter(|_| !new_token) {
        return Ok((Some(tenant.id.to_string()), None));
    }
    bootstrap::serving(engine, OWNER_LIMIT).await?;
    let tenant = bootstrap::first_tenant(engine).await?;
    let token = bootstrap::make_token(engine, &tenant, "orch migrate --bootstrap").await?;
    Ok((Some(tenant.id.to_string()), Some(token)))
}

fn say(args: &Args, output: &Output, report: &Report) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if args.json || output.is_json() {
        writeln!(out, "{}", serde_json::to_string(report).context("could not write the line")?)?;
        return Ok(());
    }
    match report.applied.as_slice() {
        [] => writeln!(out, "the schema is current")?,
        applied => applied.iter().try_for_each(|name| writeln!(out, "applied {name}"))?,
    }
    match (&report.tenant, &report.token) {
        (Some(tenant), Some(token)) => {
            writeln!(out, "tenant  {} ({tenant})\n\n  export ORCH_TOKEN={token}\n", bootstrap::TENANT)?;
        }
        (Some(tenant), None) => {
            writeln!(out, "tenant  {} ({tenant}) was there; --new-token makes another token", bootstrap::TENANT)?;
        }
        (None, _) => {}
    }
    Ok(())
}
