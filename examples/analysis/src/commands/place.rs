//! Where a check runs: a server that is given, or an `orch dev` of its own; and a worker in this process.

use std::{env, path::PathBuf, process::Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use orch_analysis::jobs;
use orch_client::{Client, Worker, WorkerSummary};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::oneshot,
    task::JoinHandle,
};

/// The server to use.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// A server that is there; without it, `orch dev` is started on a ledger of its own.
    #[arg(long, env = "ORCH_ADDRESS", value_delimiter = ',', requires = "token")]
    address: Vec<String>,
    /// The token of a tenant there.
    #[arg(long, env = "ORCH_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The `orch` to start; the one beside this program where absent, else the one on PATH.
    #[arg(long)]
    orch: Option<PathBuf>,
}

/// A server and a worker. The server ends when it is dropped.
pub(super) struct Place {
    pub client: Client,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Result<WorkerSummary, orch_client::Error>>,
    _server: Option<Server>,
}

struct Server {
    _process: Child,
    _data: TempDir,
}

/// What `orch dev --json` says when it serves.
#[derive(Deserialize)]
struct Ready {
    address: String,
    token: String,
}

impl Place {
    pub(super) async fn open(arguments: &PlaceArguments) -> anyhow::Result<Place> {
        let (client, server) = match &arguments.token {
            Some(token) if !arguments.address.is_empty() => (super::client(&arguments.address, token)?, None),
            _ => {
                let (server, ready) = Server::start(program(arguments.orch.clone())).await?;
                (super::client(&[ready.address], &ready.token)?, Some(server))
            }
        };
        let worker = jobs::handlers(Worker::builder(client.clone()).worker_id("analysis").capacity(8)).build();
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = tokio::spawn(worker.run(async { drop(stopped.await) }));
        Ok(Place { client, stop, worker, _server: server })
    }

    /// Drains the worker; the number of jobs that it did.
    pub(super) async fn close(self) -> anyhow::Result<u64> {
        drop(self.stop);
        Ok(self.worker.await?.context("the worker ended")?.completed)
    }
}

impl Server {
    async fn start(program: PathBuf) -> anyhow::Result<(Server, Ready)> {
        let data = tempfile::tempdir().context("could not make a folder")?;
        let mut command = Command::new(&program);
        command.args(["dev", "--listen", "127.0.0.1:0", "--json", "--data"]).arg(data.path());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORCH_")) {
            command.env_remove(name);
        }
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn();
        let mut process = started.with_context(|| {
            format!(
                "could not start {}; build it (cargo build -p orch), or give --address and --token",
                program.display()
            )
        })?;
        let stdout = process.stdout.take().context("the server has no output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        ensure!(!line.is_empty(), "{} dev ended before it served", program.display());
        let ready = serde_json::from_str(&line).with_context(|| format!("{} dev said {line}", program.display()))?;
        Ok((Server { _process: process, _data: data }, ready))
    }
}

fn program(given: Option<PathBuf>) -> PathBuf {
    let beside = || {
        let beside = env::current_exe().ok()?.with_file_name(format!("orch{}", env::consts::EXE_SUFFIX));
        beside.is_file().then_some(beside)
    };
    given.or_else(beside).unwrap_or_else(|| PathBuf::from("orch"))
}
