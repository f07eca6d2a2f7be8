//! `orch dev`: everything in one process over a SQLite file, with no set-up.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use orch_core::port::Ledger;
use orch_store::FolderBlobs;
use orch_store::sqlite::SqliteLedger;
use serde::Serialize;

use crate::bootstrap::{bootstrap, first_tenant};
use crate::node;

/// Where to keep it and where to listen.
#[derive(Debug, Args)]
pub struct DevArguments {
    /// The folder of the ledger; made if it is not there.
    #[arg(long, default_value = "orch-data", env = "ORCH_DATA")]
    data: PathBuf,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7400", env = "ORCH_LISTEN")]
    listen: SocketAddr,
    /// Prints one JSON line when ready.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Ready<'a> {
    address: &'a str,
    tenant: String,
    token: Option<String>,
}

/// Runs until told to stop.
///
/// # Errors
/// When the folder, the ledger or the address cannot be had.
pub async fn run(arguments: DevArguments) -> Result<()> {
    fs::create_dir_all(&arguments.data).with_context(|| format!("could not make {}", arguments.data.display()))?;
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(arguments.data.join("ledger.sqlite"))?);
    let blobs = Arc::new(FolderBlobs::open(arguments.data.join("artifacts"))?);
    let (listener, address) = node::listen(arguments.listen).await?;
    let engine = node::start(ledger, blobs, &address);
    node::serving(&engine).await?;
    let kept = arguments.data.join("token");
    let (tenant, token, first) = match first_tenant(&engine).await? {
        Some(tenant) => (tenant.id, fs::read_to_string(&kept).ok(), false),
        None => {
            let access = bootstrap(&engine).await?;
            keep_token(&kept, &access.token)?;
            (access.tenant, Some(access.token), true)
        }
    };
    let ready = Ready { address: &address, tenant: tenant.to_string(), token };
    if arguments.json {
        println!("{}", serde_json::to_string(&ready)?);
    } else {
        print_ready(&ready, first, &kept);
    }
    node::serve(listener, engine).await
}

fn print_ready(ready: &Ready<'_>, first: bool, kept: &Path) {
    println!("orch dev at {}", ready.address);
    match &ready.token {
        Some(token) if first => {
            println!("tenant {} was made, with this token (kept in {}):\n", ready.tenant, kept.display());
            println!("  export ORCH_ADDRESS={} ORCH_TOKEN={token}\n", ready.address);
        }
        Some(_) => println!("tenant {}; its token is in {}", ready.tenant, kept.display()),
        None => println!("tenant {}; its token was shown when it was made", ready.tenant),
    }
}

/// Keeps the token beside the ledger, for the owner of the folder alone.
fn keep_token(file: &Path, token: &str) -> Result<()> {
    let mut kept = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("could not write {}", file.display()))?;
    kept.write_all(token.as_bytes()).with_context(|| format!("could not write {}", file.display()))
}
