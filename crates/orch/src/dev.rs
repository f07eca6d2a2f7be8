//! `orch dev`: ledger, server and everything else in one process and one folder.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use orch_engine::{Engine, EngineOptions};
use orch_server::AppState;
use orch_store::FolderBlobs;
use orch_store::sqlite::SqliteLedger;
use serde::Serialize;

use crate::access::TokenFile;
use crate::bootstrap::{self, Access};
use crate::failure::Failure;
use crate::logging;
use crate::output::Output;
use crate::replica::{End, Replica, listen};
use crate::settings::{Flags, Settings};

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of ledger, artifacts and token; made if it is not there. Setting `data`, else orch-data.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where to listen; port 0 takes a free one. Setting `listen`, else 127.0.0.1:7400.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    flags: Flags,
    /// Say that it serves in one line of JSON: address, token, and the tenant's id.
    #[arg(long)]
    json: bool,
}

/// What is said when it serves.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    address: &'a str,
    token: &'a str,
    tenant: &'a str,
}

/// Serves until a signal comes.
pub async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let settings = Settings::find(&args.flags, &[("data", args.data.as_ref()), ("listen", args.listen.as_ref())])?;
    logging::start_server(&settings);
    let mut end = End::watch()?;
    let (listener, address) = listen(settings.listen()).await?;
    let engine = engine(&settings, &address)?;
    let access = tokio::select! {
        access = prepare(&engine, &settings) => access,
        () = end.comes() => {
            engine.shutdown().await;
            return Ok(());
        }
    };
    let access = match access {
        Ok(access) => access,
        Err(error) => {
            engine.shutdown().await;
            return Err(error.into());
        }
    };
    let replica = Replica::start(listener, AppState::new(engine));
    let ready = Ready { address: &address, token: &access.token, tenant: &access.tenant };
    say(args.json || output.is_json(), &settings.data(), &ready)?;
    Ok(replica.run(&mut end).await?)
}

fn engine(settings: &Settings, address: &str) -> Result<Engine> {
    let folder = &settings.data();
    std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    let ledger = SqliteLedger::open(folder.join("ledger.sqlite"));
    let ledger = ledger.with_context(|| format!("could not open the ledger in {}", folder.display()))?;
    let blobs = FolderBlobs::open(folder.join("artifacts")).context("could not open the folder of artifacts")?;
    let mut options = EngineOptions::new(Arc::new(ledger), Arc::new(blobs));
    options.address = address.to_owned();
    options.node_lease_ms = settings.number("node_lease_ms");
    options.ageing = settings.ageing();
    options.memory = settings.memory();
    Ok(Engine::start(options))
}

/// The token that is kept, if the ledger knows it; else a new one.
async fn prepare(engine: &Engine, settings: &Settings) -> Result<Access> {
    bootstrap::serving(engine, Duration::from_secs(settings.number("start_seconds_max"))).await?;
    let tenant = bootstrap::first_tenant(engine).await?;
    let file = TokenFile::in_folder(&settings.data());
    if let Some(token) = file.read()
        && bootstrap::is_good(engine, &tenant, &token).await?
    {
        return Ok(Access { tenant: tenant.id.to_string(), token });
    }
    let token = bootstrap::make_token(engine, &tenant, "orch dev").await?;
    file.write(&token)?;
    Ok(Access { tenant: tenant.id.to_string(), token })
}

fn say(json: bool, data: &Path, ready: &Ready<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(ready).context("could not write the line")?)?;
    } else {
        writeln!(out, "orch dev serves on {}", ready.address)?;
        writeln!(out, "data    {}", data.display())?;
        writeln!(out, "tenant  {} ({})", bootstrap::TENANT, ready.tenant)?;
        writeln!(out, "\n  export ORCH_ADDRESS={} ORCH_TOKEN={}\n", ready.address, ready.token)?;
    }
    Ok(out.flush()?)
}
