//! `orch serve`: a node over PostgreSQL.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use orch_store::postgres::{PostgresLedger, PostgresOptions};

use crate::node;

/// Which ledger and where to listen.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The database, `postgres://…`.
    #[arg(long, env = "ORCH_DATABASE", hide_env_values = true)]
    database: String,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7400", env = "ORCH_LISTEN")]
    listen: SocketAddr,
    /// Prints one JSON line when ready.
    #[arg(long)]
    json: bool,
}

/// Runs until told to stop.
///
/// # Errors
/// When the database is not migrated, or the address cannot be had.
pub async fn run(arguments: ServeArguments) -> Result<()> {
    let ledger = PostgresLedger::connect(&arguments.database, PostgresOptions::default())
        .await
        .context("could not open the ledger")?;
    let blobs = Arc::new(ledger.blobs());
    let (listener, address) = node::listen(arguments.listen).await?;
    let engine = node::start(Arc::new(ledger), blobs, &address);
    if arguments.json {
        println!("{}", serde_json::json!({ "address": address }));
    } else {
        println!("orch serve at {address}");
    }
    node::serve(listener, engine).await
}
