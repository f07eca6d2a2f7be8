//! `orch dev`: ledger, server and everything else in one process and one folder.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use orch_engine::{Engine, EngineOptions};
use orch_store::FolderBlobs;
use orch_store::sqlite::SqliteLedger;
use serde::Serialize;

use crate::access::TokenFile;
use crate::bootstrap::{self, Access};
use crate::failure::Failure;
use crate::node::{End, Node, listen};
use crate::output::Output;

/// How long the engine may take to own and recover its ledger.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of ledger, artifacts and token; made if it is not there.
    #[arg(long, default_value = "orch-data", env = "ORCH_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7400", env = "ORCH_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,
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
    let mut end = End::watch()?;
    let (listener, address) = listen(args.listen).await?;
    let engine = engine(args, &address)?;
    let access = tokio::select! {
        access = prepare(&engine, args) => access,
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
    let node = Node::start(listener, engine);
    say(args, output, &Ready { address: &address, token: &access.token, tenant: &access.tenant })?;
    Ok(node.run(&mut end).await?)
}

fn engine(args: &Args, address: &str) -> Result<Engine> {
    let folder = &args.data;
    std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    let ledger = SqliteLedger::open(folder.join("ledger.sqlite"));
    let ledger = ledger.with_context(|| format!("could not open the ledger in {}", folder.display()))?;
    let blobs = FolderBlobs::open(folder.join("artifacts")).context("could not open the folder of artifacts")?;
    let mut options = EngineOptions::new(Arc::new(ledger), Arc::new(blobs));
    options.address = address.to_owned();
    Ok(Engine::start(options))
}

/// The token that is kept, if the ledger knows it; else a new one.
async fn prepare(engine: &Engine, args: &Args) -> Result<Access> {
    bootstrap::serving(engine, START_LIMIT).await?;
    let tenant = bootstrap::first_tenant(engine).await?;
    let file = TokenFile::in_folder(&args.data);
    if let Some(token) = file.read()
        && bootstrap::is_good(engine, &tenant, &token).await?
    {
        return Ok(Access { tenant: tenant.id.to_string(), token });
    }
    let token = bootstrap::make_token(engine, &tenant, "orch dev").await?;
    file.write(&token)?;
    Ok(Access { tenant: tenant.id.to_string(), token })
}

fn say(args: &Args, output: &Output, ready: &Ready<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if args.json || output.is_json() {
        writeln!(out, "{}", serde_json::to_string(ready).context("could not write the line")?)?;
    } else {
        writeln!(out, "orch dev serves on {}", ready.address)?;
        writeln!(out, "data    {}", args.data.display())?;
        writeln!(out, "tenant  {} ({})", bootstrap::TENANT, ready.tenant)?;
        writeln!(out, "\n  export ORCH_ADDRESS={} ORCH_TOKEN={}\n", ready.address, ready.token)?;
    }
    Ok(out.flush()?)
}
