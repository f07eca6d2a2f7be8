//! The processes of one run: PostgreSQL behind a proxy a node, server nodes, the feeds' worker, and their ledger's disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;
use xtask::http::exchange;
use xtask::postgres::{Cluster, Durability, find_or_install};
use xtask::process::{Daemon, capture, tail};
use xtask::scratch::{Scratch, free_port};

use crate::disk::SmallDisk;
use crate::load::Access;
use crate::preload::Preloads;
use crate::proxy::{Proxy, Trick};

/// Recovery of a ledger, and the wait for a dead owner's lease, are part of it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Which ledger, and how many servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `orch dev`.
    Sqlite,
    /// One `orch serve`.
    Postgres,
    /// Two `orch serve` on one shard; the second stands by.
    PostgresTwo,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::PostgresTwo];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::PostgresTwo => "postgres-two",
        }
    }

    fn nodes(self) -> usize {
        if self == Self::PostgresTwo { 2 } else { 1 }
    }
}

/// The compiled programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `orch`.
    pub orch: PathBuf,
    /// `orch-feeds`.
    pub feeds: PathBuf,
    /// `orch-chaos-worker`.
    pub worker: PathBuf,
}

/// A server.
#[derive(Debug)]
struct Node {
    name: String,
    port: u16,
    proxy: Option<Proxy>,
    daemon: Option<Daemon>,
}

/// The running whole. Dropping it ends everything.
// Fields are dropped in order: users before what they use.
#[derive(Debug)]
pub struct Site {
    form: Form,
    programs: Programs,
    preloads: Preloads,
    worker: Option<Daemon>,
    nodes: Vec<Node>,
    cluster: Option<Cluster>,
    disk: Option<SmallDisk>,
    token: String,
    plant: Option<String>,
    folder: Scratch,
}

impl Site {
    /// Makes a ledger and starts the servers; no worker yet.
    ///
    /// # Errors
    /// Something does not start.
    pub fn open(form: Form, programs: &Programs, runtime: &Handle, plant: Option<&str>, keep: bool) -> Result<Self> {
        let folder = Scratch::new("orch-chaos", keep)?;
        // PostgreSQL runs as another account and must get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let preloads = Preloads::prepare(folder.path());
        let disk = match SmallDisk::mount(&folder.path().join("disk"), 640) {
            Ok(disk) => Some(disk),
            Err(error) => {
                println!("SKIPPED full disk: {error:#}");
                None
            }
        };
        let mut site = Self {
            form,
            programs: programs.clone(),
            preloads,
            worker: None,
            nodes: Vec::new(),
            cluster: None,
            disk,
            token: String::new(),
            plant: plant.map(str::to_owned),
            folder,
        };
        site.slow_sync(0)?;
        site.step_clock(0)?;
        if form != Form::Sqlite {
            site.make_cluster()?;
        }
        for number in 0..form.nodes() {
            let proxy = match &site.cluster {
                Some(cluster) => Some(Proxy::start(runtime, cluster.port())?),
                None => None,
            };
            let name = format!("server-{number}");
            site.nodes.push(Node { name, port: free_port()?, proxy, daemon: None });
            site.start_node(number)?;
        }
        Ok(site)
    }

    fn make_cluster(&mut self) -> Result<()> {
        let place = self.folder.path().join(if self.disk.is_some() { "disk/pg" } else { "pg" });
        let mut environment = Vec::new();
        if let Some(slow) = &self.preloads.slow {
            environment.push(("LD_PRELOAD".to_owned(), slow.display().to_string()));
            environment.push(("CHAOS_SLOW_SYNC".to_owned(), self.slow_file().display().to_string()));
        }
        let scratch = Scratch::at(&place, true)?;
        let cluster = Cluster::start_in(&find_or_install()?, Durability::SynchronousSmall, scratch, &environment)?;
        let mut command = Command::new(&self.programs.orch);
        command.args(["migrate", "--database", &cluster.url(), "--bootstrap", "--json"]);
        let printed = capture(&mut command).context("could not migrate the database")?;
        let made = printed.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
        self.token = text(&made.unwrap_or_default(), "token")?;
        self.cluster = Some(cluster);
        Ok(())
    }

    /// Starts a server on its own port and waits until it serves or stands by.
    ///
    /// # Errors
    /// It does not.
    pub fn start_node(&mut self, number: usize) -> Result<()> {
        let mut command = Command::new(&self.programs.orch);
        let node = &self.nodes[number];
        match &node.proxy {
            None => {
                command.arg("dev").arg("--data").arg(self.data());
            }
            Some(proxy) => {
                let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
                command.args(["serve", "--database", &url]);
            }
        }
        command.args(["--listen", &format!("127.0.0.1:{}", node.port), "--json"]);
        let mut preload = Vec::new();
        if let Some(slow) = self.preloads.slow.as_ref().filter(|_| self.form == Form::Sqlite) {
            preload.push(slow.display().to_string());
            command.env("CHAOS_SLOW_SYNC", self.slow_file());
        }
        // One node only: the other one's clock goes on as it is.
        if let Some(clock) = self.preloads.clock.as_ref().filter(|_| number == 0) {
            preload.push(clock.display().to_string());
            command.env("FAKETIME_TIMESTAMP_FILE", self.clock_file());
            command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_RESET", "1");
            command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if !preload.is_empty() {
            command.env("LD_PRELOAD", preload.join(":"));
        }
        if let Some(plant) = &self.plant {
            command.env("ORCH_PLANT", plant);
        }
        let log = self.folder.path().join(format!("{}.log", node.name));
        let daemon = Daemon::spawn(&node.name, command, &log)?;
        let ready = daemon.ready(READY_LIMIT)?;
        if let Ok(token) = text(&ready, "token") {
            self.token = token;
        }
        self.nodes[number].daemon = Some(daemon);
        Ok(())
    }

    /// Starts the feeds' worker.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_worker(&mut self) -> Result<()> {
        let mut command = self.feeds("worker");
        command.args(["--capacity", "16"]);
        self.worker = Some(Daemon::spawn("the worker", command, &self.folder.path().join("worker.log"))?);
        Ok(())
    }

    /// `orch-feeds SUBCOMMAND` for this site.
    #[must_use]
    pub fn feeds(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.programs.feeds);
        let access = self.access();
        command.args([subcommand, "--address", &access.addresses.join(","), "--token", &access.token]);
        command
    }

    /// `orch-chaos-worker` in this mode, with at most so many megabytes to its name.
    ///
    /// # Errors
    /// It does not start.
    pub fn bad_worker(&self, mode: &str) -> Result<Daemon> {
        let access = self.access();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -v 1500000; exec \"$@\"", "bad-worker"]).arg(&self.programs.worker);
        command.args(["--mode", mode, "--address", &access.addresses.join(","), "--token", &access.token]);
        Daemon::spawn("the bad worker", command, &self.folder.path().join("bad-worker.log"))
    }

    /// How to reach it.
    #[must_use]
    pub fn access(&self) -> Access {
        let addresses = self.nodes.iter().map(|node| format!("http://127.0.0.1:{}", node.port)).collect();
        Access { addresses, token: self.token.clone() }
    }

    /// Which ledger it is.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Its folder: logs and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What can be preloaded here.
    #[must_use]
    pub fn preloads(&self) -> &Preloads {
        &self.preloads
    }

    /// The small disk, if it could be mounted.
    #[must_use]
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// The PostgreSQL under it.
    pub fn cluster(&mut self) -> Option<&mut Cluster> {
        self.cluster.as_mut()
    }

    /// Where its SQLite file is.
    #[must_use]
    pub fn sqlite_file(&self) -> PathBuf {
        self.data().join("ledger.sqlite")
    }

    /// The server that owns the shard; the first one when none says so.
    #[must_use]
    pub fn owner(&self) -> usize {
        let role = |address: &String| {
            let access = xtask::site::Access { address: address.clone(), token: String::new() };
            let health = "/api/v1/orchestrator/health";
            let answer = exchange(&access, "GET", health, None, "", Duration::from_secs(1));
            answer.is_ok_and(|answer| answer.body["role"] == "owner")
        };
        self.access().addresses.iter().position(role).unwrap_or(0)
    }

    /// How many servers there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// SIGKILL to a server. False when it was gone already.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill_node(&mut self, number: usize) -> Result<bool> {
        kill(&mut self.nodes[number].daemon)
    }

    /// SIGKILL to the worker. False when it was gone already.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill_worker(&mut self) -> Result<bool> {
        kill(&mut self.worker)
    }

    /// A server's process.
    #[must_use]
    pub fn node_pid(&self, number: usize) -> Option<u32> {
        self.nodes[number].daemon.as_ref().map(Daemon::pid)
    }

    /// The worker's process.
    #[must_use]
    pub fn worker_pid(&self) -> Option<u32> {
        self.worker.as_ref().map(Daemon::pid)
    }

    /// Holds the next append of any node; true once one is held.
    #[must_use]
    pub fn hold_append(&self, limit: Duration) -> bool {
        let owner = self.owner();
        let Some(proxy) = &self.nodes[owner].proxy else { return false };
        proxy.arm(Trick::Hold);
        proxy.wait_held(limit)
    }

    /// Lets held appends go.
    pub fn release_appends(&self) {
        self.nodes.iter().filter_map(|node| node.proxy.as_ref()).for_each(Proxy::release);
    }

    /// Cuts the owner's connection at its next append; true once it is cut.
    #[must_use]
    pub fn cut_append(&self, trick: Trick, limit: Duration) -> bool {
        let owner = self.owner();
        let Some(proxy) = &self.nodes[owner].proxy else { return false };
        let before = proxy.cuts();
        proxy.arm(trick);
        proxy.wait_cut(before, limit)
    }

    /// Makes each sync of the ledger so much slower.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn slow_sync(&self, ms: u32) -> Result<()> {
        let file = self.slow_file();
        fs::write(&file, ms.to_string())?;
        Ok(fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?)
    }

    /// Steps the first node's wall clock away from the truth.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn step_clock(&self, seconds: i32) -> Result<()> {
        Ok(fs::write(self.clock_file(), format!("{seconds:+}\n"))?)
    }

    /// Starts again whatever has ended without being told to, and says what that was.
    ///
    /// # Errors
    /// Something does not start again.
    pub fn revive(&mut self) -> Result<Vec<String>> {
        let mut dead = Vec::new();
        if let Some(cluster) = self.cluster.as_mut()
            && cluster.has_ended()
        {
            dead.push(format!("PostgreSQL had ended: {}", cluster.last_words()));
            cluster.stop_immediately()?;
            cluster.start_again()?;
        }
        for number in 0..self.nodes.len() {
            if let Some(said) = ended(&mut self.nodes[number].daemon) {
                dead.push(format!("{} had ended: {said}", self.nodes[number].name));
                kill(&mut self.nodes[number].daemon)?;
                self.start_node(number)?;
            }
        }
        if let Some(said) = ended(&mut self.worker) {
            dead.push(format!("the worker had ended: {said}"));
            kill(&mut self.worker)?;
            self.start_worker()?;
        }
        Ok(dead)
    }

    /// Ends worker and servers in order; the ledger stays. Says what had to be killed.
    ///
    /// # Errors
    /// Something cannot be ended.
    pub fn quiet(&mut self) -> Result<Vec<String>> {
        let mut killed = Vec::new();
        if let Some(mut worker) = self.worker.take()
            && !worker.terminate()?
        {
            killed.push("the worker did not end within 10 s of SIGTERM".to_owned());
        }
        for node in &mut self.nodes {
            if let Some(mut daemon) = node.daemon.take()
                && !daemon.terminate()?
            {
                killed.push(format!("{} did not end within 10 s of SIGTERM", node.name));
            }
        }
        Ok(killed)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(if self.disk.is_some() { "disk/data" } else { "data" })
    }

    fn slow_file(&self) -> PathBuf {
        self.folder.path().join("slow_sync_ms")
    }

    fn clock_file(&self) -> PathBuf {
        self.folder.path().join("clock_offset")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The SQLite ledger lies on a disk that goes away with us.
        if let Err(error) = self.quiet() {
            eprintln!("{error:#}");
        }
    }
}

fn ended(slot: &mut Option<Daemon>) -> Option<String> {
    let daemon = slot.as_mut()?;
    let status = daemon.exited()?;
    Some(format!("{status}\n{}", tail(daemon.log(), 20)))
}

fn kill(slot: &mut Option<Daemon>) -> Result<bool> {
    let Some(mut daemon) = slot.take() else { return Ok(false) };
    let alive = daemon.exited().is_none();
    daemon.kill()?;
    Ok(alive)
}

fn text(value: &Value, member: &str) -> Result<String> {
    match value[member].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("no `{member}` in {value}"),
    }
}
