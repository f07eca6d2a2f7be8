//! A running orchestrator of our own: ledger, server and feeds worker, each of which can be killed and restarted.
//!
//! Used by the demo, the end-to-end step and the kill test. It knows the programs only by their command lines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cargo::{Profile, build, copied};
use crate::postgres::{Cluster, Durability, find_or_install};
use crate::process::{Daemon, capture};
use crate::scratch::{Scratch, free_port};

/// How long a server may take until it answers; recovery of a ledger is part of it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Where history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ledger {
    /// A SQLite file in the site's folder, served by `orch dev`.
    Sqlite,
    /// A PostgreSQL of our own, served by `orch serve`.
    OwnPostgres,
    /// A database that is there already, served by `orch serve`.
    Postgres(String),
}

impl Ledger {
    /// From the command line: nothing, `auto`, or a URL.
    pub fn from_option(option: Option<&str>) -> Self {
        match option {
            None => Self::Sqlite,
            Some("auto") => Self::OwnPostgres,
            Some(url) => Self::Postgres(url.to_owned()),
        }
    }

    /// As it stands in reports: never with a password in it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::OwnPostgres | Self::Postgres(_) => "postgres",
        }
    }
}

/// The compiled programs.
#[derive(Debug, Clone)]
pub struct Programs {
    orch: PathBuf,
    feeds: PathBuf,
}

impl Programs {
    /// Builds them.
    pub fn build(profile: &Profile) -> Result<Self> {
        Self::of(&build(profile, &["orch", "orch-feeds"])?)
    }

    /// `orch` and `orch-feeds`, as they were built.
    pub fn of(built: &[PathBuf]) -> Result<Self> {
        let [orch, feeds] = built else { bail!("two programs were to be built") };
        Ok(Self { orch: orch.clone(), feeds: feeds.clone() })
    }

    /// Copies of them in a folder, which no build changes.
    pub fn copied(&self, folder: &Path) -> Result<Self> {
        Ok(Self { orch: copied(&self.orch, folder, "orch")?, feeds: copied(&self.feeds, folder, "orch-feeds")? })
    }

    /// `orch-feeds` with a subcommand.
    pub fn feeds(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.feeds);
        command.arg(subcommand);
        command
    }

    /// `orch-feeds SUBCOMMAND --address … --token …`.
    pub fn feeds_at(&self, access: &Access, subcommand: &str) -> Command {
        let mut command = self.feeds(subcommand);
        command.args(["--address", &access.address, "--token", &access.token]);
        command
    }
}

/// Who we are to the server.
#[derive(Debug, Clone)]
pub struct Access {
    /// Base address.
    pub address: String,
    /// Bearer token of a tenant.
    pub token: String,
}

/// The running whole. Dropping it ends the worker, the server and the ledger, and removes the folder.
// Fields are dropped in order: the worker before the server, the server before its ledger.
#[derive(Debug)]
pub struct Site {
    programs: Programs,
    worker: Option<Daemon>,
    server: Option<Daemon>,
    cluster: Option<Cluster>,
    ledger: Ledger,
    access: Access,
    port: u16,
    handlers: u32,
    scratch: Scratch,
}

impl Site {
    /// Makes a ledger and starts a server on it; no worker yet.
    pub fn open(programs: &Programs, ledger: &Ledger, handlers: u32, keep: bool) -> Result<Self> {
        let scratch = Scratch::new("orch-site", keep)?;
        std::fs::create_dir(scratch.path().join("data"))?;
        let mut site = Self {
            programs: programs.clone(),
            worker: None,
            server: None,
            cluster: None,
            ledger: ledger.clone(),
            access: Access { address: String::new(), token: String::new() },
            port: free_port()?,
            handlers,
            scratch,
        };
        site.prepare_ledger()?;
        site.start_server()?;
        if site.access.token.is_empty() {
            bail!("the server gave no token");
        }
        Ok(site)
    }

    /// How to reach it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Its folder: logs, data, feeds.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts the server on the same ledger and the same port, and waits until it is ready.
    pub fn start_server(&mut self) -> Result<()> {
        let mut command = Command::new(&self.programs.orch);
        match self.database()? {
            None => command.arg("dev").arg("--data").arg(self.scratch.path().join("data")),
            Some(url) => command.args(["serve", "--database", &url]),
        };
        command.args(["--listen", &format!("127.0.0.1:{}", self.port), "--json"]);
        let server = Daemon::spawn("the server", command, &self.log("server"))?;
        let ready = server.ready(READY_LIMIT)?;
        self.access.address = text(&ready, "address")?;
        // A ledger that already has its first tenant does not show its token again.
        if let Ok(token) = text(&ready, "token") {
            self.access.token = token;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Kills server and worker, and starts those of other programs on the same ledger, migrated where that is a step
    /// of its own.
    pub fn replace_programs(&mut self, programs: &Programs) -> Result<()> {
        self.kill_worker()?;
        self.kill_server()?;
        self.programs = programs.clone();
        if let Some(url) = self.database()? {
            capture(Command::new(&self.programs.orch).args(["migrate", "--database", &url]))?;
        }
        self.start_server()?;
        self.start_worker()
    }

    /// Starts a worker.
    pub fn start_worker(&mut self) -> Result<()> {
        let mut command = self.programs.feeds_at(&self.access, "worker");
        command.args(["--capacity", &self.handlers.to_string()]);
        self.worker = Some(Daemon::spawn("the worker", command, &self.log("worker"))?);
        Ok(())
    }

    /// SIGKILL to the server. False when it was already gone, which is a fault of its own.
    pub fn kill_server(&mut self) -> Result<bool> {
        kill(&mut self.server)
    }

    /// SIGKILL to the worker.
    pub fn kill_worker(&mut self) -> Result<bool> {
        kill(&mut self.worker)
    }

    /// The PostgreSQL under it, if it is ours.
    pub fn cluster(&mut self) -> Option<&mut Cluster> {
        self.cluster.as_mut()
    }

    /// What has ended without being told to, with its last words.
    pub fn casualties(&mut self) -> Vec<String> {
        let mut dead = Vec::new();
        for (name, daemon) in [("the server", &mut self.server), ("the worker", &mut self.worker)] {
            if let Some(daemon) = daemon
                && let Some(status) = daemon.exited()
            {
                dead.push(format!("{name} ended: {status}\n{}", crate::process::tail(daemon.log(), 20)));
            }
        }
        dead
    }

    /// Ends worker, server and ledger in order; true when worker and server ended by themselves on SIGTERM.
    pub fn close(&mut self) -> Result<bool> {
        let mut orderly = true;
        for daemon in [&mut self.worker, &mut self.server] {
            if let Some(mut daemon) = daemon.take() {
                orderly &= daemon.terminate()?;
            }
        }
        if let Some(mut cluster) = self.cluster.take() {
            cluster.stop()?;
        }
        Ok(orderly)
    }

    fn prepare_ledger(&mut self) -> Result<()> {
        if self.ledger == Ledger::OwnPostgres {
            self.cluster = Some(Cluster::start(&find_or_install()?, Durability::Synchronous)?);
        }
        let Some(url) = self.database()? else {
            return Ok(());
        };
        let mut command = Command::new(&self.programs.orch);
        command.args(["migrate", "--database", &url, "--bootstrap", "--json"]);
        let printed = capture(&mut command).context("could not migrate the database")?;
        let made = printed.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        self.access.token = text(&made.unwrap_or_default(), "token")?;
        Ok(())
    }

    fn database(&self) -> Result<Option<String>> {
        match &self.ledger {
            Ledger::Sqlite => Ok(None),
            Ledger::Postgres(url) => Ok(Some(url.clone())),
            Ledger::OwnPostgres => Ok(Some(self.cluster.as_ref().context("the cluster is made first")?.url())),
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.scratch.path().join(format!("{name}.log"))
    }
}

fn kill(slot: &mut Option<Daemon>) -> Result<bool> {
    let Some(mut daemon) = slot.take() else {
        return Ok(false);
    };
    let alive = daemon.exited().is_none();
    daemon.kill()?;
    Ok(alive)
}

fn text(value: &Value, member: &str) -> Result<String> {
    let text = value[member].as_str().with_context(|| format!("no `{member}` in {value}"))?;
    Ok(text.to_owned())
}
