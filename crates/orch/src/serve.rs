//! `orch serve`: one replica on a PostgreSQL.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orch_engine::{Engine, EngineOptions, Role};
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use serde_json::json;

use crate::failure::Failure;
use crate::node::{End, Node, listen};
use crate::output::Output;

/// How long a replica that may become the owner waits with its word; then it says what it is.
const OWNER_LIMIT: Duration = Duration::from_secs(10);

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database, as postgres://user:password@host/name.
    #[arg(long, env = "ORCH_DATABASE", hide_env_values = true, value_name = "URL")]
    database: String,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7400", env = "ORCH_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where other replicas and clients reach this one, if not at the address it listens on.
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,
    /// Say that it serves in one line of JSON: address, role.
    #[arg(long)]
    json: bool,
}

/// Serves until a signal comes, then drains.
pub async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let mut end = End::watch()?;
    let ledger = PostgresLedger::connect(&args.database, PostgresOptions::default()).await;
    let ledger = ledger.context("could not open the ledger")?;
    let (listener, address) = listen(args.listen).await?;
    let blobs = Arc::new(ledger.blobs());
    let mut options = EngineOptions::new(Arc::new(ledger), blobs);
    options.address = args.advertise.clone().unwrap_or_else(|| address.clone());
    let engine = Engine::start(options);
    let node = Node::start(listener, engine.clone());
    let say = async {
        // A standby serves too: it tells its health, and takes over when the owner dies.
        let _ = tokio::time::timeout(OWNER_LIMIT, engine.serving()).await;
        say(args.json || output.is_json(), &address, &engine)
    };
    let run = node.run(&mut end);
    tokio::pin!(run);
    tokio::select! {
        said = say => said?,
        ended = &mut run => return Ok(ended?),
    }
    Ok(run.await?)
}

fn say(json: bool, address: &str, engine: &Engine) -> Result<(), Failure> {
    let role = match engine.status().role {
        Role::Owner { .. } => "owner",
        Role::Standby { .. } => "standby",
        Role::Starting => "starting",
        Role::Stopped => "stopped",
    };
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", json!({ "address": address, "role": role }))?;
    } else {
        writeln!(out, "orch serve serves on {address} as {role}")?;
    }
    Ok(out.flush()?)
}
