//! `orch migrate`: brings a database to this program's schema, and makes the first tenant if asked to.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use orch_store::postgres::{PostgresLedger, PostgresOptions};

use crate::bootstrap::bootstrap;
use crate::node;

/// Which database.
#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// The database, `postgres://…`.
    #[arg(long, env = "ORCH_DATABASE", hide_env_values = true)]
    database: String,
    /// Makes the tenant `default` and prints a token for it, once.
    #[arg(long)]
    bootstrap: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Migrates, and bootstraps if asked to.
///
/// # Errors
/// When the schema is newer than this program, the database does not answer, or the first tenant exists.
pub async fn run(arguments: MigrateArguments) -> Result<()> {
    let done = PostgresLedger::migrate(&arguments.database).await.context("could not migrate the database")?;
    if !arguments.json {
        match done.len() {
            0 => println!("the schema is up to date"),
            _ => println!("applied: {}", done.join(", ")),
        }
    }
    if !arguments.bootstrap {
        return Ok(());
    }
    let ledger = PostgresLedger::connect(&arguments.database, PostgresOptions::default())
        .await
        .context("could not open the ledger")?;
    let blobs = Arc::new(ledger.blobs());
    let engine = node::start(Arc::new(ledger), blobs, "");
    node::serving(&engine).await?;
    let access = bootstrap(&engine).await;
    engine.shutdown().await;
    let access = access?;
    if arguments.json {
        println!("{}", serde_json::to_string(&access)?);
    } else {
        println!("tenant {} was made, with this token:\n\n  export ORCH_TOKEN={}\n", access.tenant, access.token);
    }
    Ok(())
}
