//! `orch serve`: one replica on a PostgreSQL.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orch_core::port::Ledger as _;
use orch_engine::{Engine, EngineOptions, Role};
use orch_server::{AppState, HttpPeers, NodeSecret};
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use serde_json::json;

use crate::failure::Failure;
use crate::logging;
use crate::output::Output;
use crate::replica::{End, Replica, listen};
use crate::settings::{Flags, Settings};

/// How long a replica waits with its word until all shards have owners; then it says what it is.
const OWNER_LIMIT: Duration = Duration::from_secs(10);

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database, as postgres://user@host/name; with its password only in ORCH_DATABASE, or by reference: env:NAME or
    /// file:PATH. Setting `database`.
    #[arg(long, value_name = "URL|REFERENCE")]
    database: Option<String>,
    /// Where to listen; port 0 takes a free one. Setting `listen`, else 127.0.0.1:7400.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where other replicas and clients reach this one, if not at the address it listens on. Setting `advertise`.
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,
    /// Shards that the ledger is to have at least. Setting `shards`, else 1.
    #[arg(long, value_name = "NUMBER")]
    shards: Option<String>,
    #[command(flatten)]
    flags: Flags,
    /// Say that it serves in one line of JSON: address, role.
    #[arg(long)]
    json: bool,
}

/// Serves until a signal comes, then drains.
pub async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let named = [
        ("database", &args.database),
        ("listen", &args.listen),
        ("advertise", &args.advertise),
        ("shards", &args.shards),
    ];
    let settings = Settings::find(&args.flags, &named.map(|(name, value)| (name, value.as_ref())))?;
    let database = settings.database()?;
    logging::start_server(&settings);
    let mut end = End::watch()?;
    let ledger = PostgresLedger::connect(&database, postgres(&settings)).await;
    let ledger = ledger.context("could not open the ledger")?;
    let (listener, address) = listen(settings.listen()).await?;
    let secret = NodeSecret::new(ledger.identity().await.context("could not read the ledger")?.node_secret);
    let blobs = Arc::new(ledger.blobs());
    let mut options = EngineOptions::new(Arc::new(ledger), blobs);
    let peers = HttpPeers::new(secret.clone()).context("could not make the client that calls other nodes")?;
    options.peers = Some(Arc::new(peers));
    options.shards = u16::try_from(settings.number("shards")).expect("it fits because its largest value is small");
    options.address = settings.advertise().unwrap_or_else(|| address.clone());
    options.node_lease_ms = settings.number("node_lease_ms");
    options.ageing = settings.ageing();
    options.memory = settings.memory();
    let engine = Engine::start(options);
    let replica = Replica::start(listener, AppState::with_peers(engine.clone(), secret));
    let say = async {
        // A standby serves too: it passes calls on, and takes over when an owner dies.
        let _ = tokio::time::timeout(OWNER_LIMIT, engine.settled()).await;
        say(args.json || output.is_json(), &address, &engine)
    };
    let run = replica.run(&mut end);
    tokio::pin!(run);
    tokio::select! {
        said = say => said?,
        ended = &mut run => return Ok(ended?),
    }
    Ok(run.await?)
}

fn postgres(settings: &Settings) -> PostgresOptions {
    let connections = |name| u32::try_from(settings.number(name)).expect("it fits because its largest value is small");
    PostgresOptions {
        readers_max: connections("postgres_readers_max"),
        requests_max: connections("postgres_requests_max"),
    }
}

fn say(json: bool, address: &str, engine: &Engine) -> Result<(), Failure> {
    let role = match engine.role() {
        Role::Owner => "owner",
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
