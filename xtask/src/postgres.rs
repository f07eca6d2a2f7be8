//! A PostgreSQL of our own: a temporary cluster on a free loopback port, started, killed and removed by us.
//!
//! It never touches a cluster that is already there. Where the server programs come from is in `postgres/binaries.rs`.

mod binaries;
#[cfg(test)]
mod tests;

use std::fs;
use std::fs::File;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::clock::{pause, wait_for};
use crate::guard;
use crate::process::{capture, signal, tail};
use crate::scratch::{Scratch, free_port};

pub use binaries::{Binaries, Missing, find_or_install};

/// How long a start may take; recovery after a kill is part of it.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is flushed: for tests that never kill the machine.
    Fast,
    /// As in production: every commit is on the disk.
    Synchronous,
    /// The same, with the shared memory that the speed table is about: a quarter of 24 GiB, taken as it is used.
    SynchronousLarge,
    /// The same, on a disk of a few hundred megabytes.
    SynchronousSmall,
}

impl Durability {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Fast => &["fsync=off", "full_page_writes=off", "shared_buffers=128MB", "max_connections=300"],
            Self::Synchronous => &[
                "fsync=on",
                "synchronous_commit=on",
                "shared_buffers=1GB",
                "max_wal_size=4GB",
                "checkpoint_timeout=15min",
                "max_connections=200",
            ],
            Self::SynchronousLarge => &[
                "fsync=on",
                "synchronous_commit=on",
                "shared_buffers=6GB",
                "max_wal_size=4GB",
                "checkpoint_timeout=15min",
                "max_connections=200",
            ],
            Self::SynchronousSmall => &[
                "fsync=on",
                "synchronous_commit=on",
                "shared_buffers=64MB",
                "max_wal_size=128MB",
                "min_wal_size=32MB",
                "max_connections=200",
            ],
        }
    }
}

/// The account that the server runs as: PostgreSQL refuses to be root.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

/// A temporary cluster. Dropping it stops the server and removes the folder.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    account: Option<Account>,
    durability: Durability,
    port: u16,
    server: Option<Child>,
    environment: Vec<(String, String)>,
    scratch: Scratch,
}

impl Cluster {
    /// Makes a cluster and starts it.
    pub fn start(binaries: &Binaries, durability: Durability) -> Result<Self> {
        Self::start_in(binaries, durability, Scratch::new("orch-pg", false)?, &[])
    }

    /// The same in a folder that is there, with these variables in the server's environment.
    pub fn start_in(
        binaries: &Binaries,
        durability: Durability,
        scratch: Scratch,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let account = unprivileged_account()?;
        let socket = scratch.path().join("socket");
        fs::create_dir(&socket)?;
        if let Some(account) = account {
            for path in [scratch.path(), &socket] {
                chown(path, Some(account.uid), Some(account.gid))?;
            }
        }
        let port = free_port()?;
        let mut cluster = Self {
            programs: binaries.folder.clone(),
            account,
            durability,
            port,
            server: None,
            environment: environment.to_vec(),
            scratch,
        };
        cluster.initialise()?;
        cluster.start_again()?;
        Ok(cluster)
    }

    /// Where tests and servers find it. The database `postgres` is there; others are the caller's to make.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the postmaster has ended without being told to.
    pub fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| server.try_wait().ok().flatten().is_some())
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        tail(&self.scratch.path().join("log"), 12)
    }

    /// The server's process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// SIGKILL to the postmaster: its backends notice and end by themselves, nothing is flushed.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        server.kill()?;
        server.wait()?;
        guard::forget(server.id())
    }

    /// The immediate shutdown (SIGQUIT): every backend ends at once, and the next start recovers.
    pub fn stop_immediately(&mut self) -> Result<()> {
        self.stop_with("QUIT")
    }

    /// The fast shutdown (SIGINT).
    pub fn stop(&mut self) -> Result<()> {
        self.stop_with("INT")
    }

    /// Starts the same cluster on the same port, after a stop or a kill.
    pub fn start_again(&mut self) -> Result<()> {
        // After a SIGKILL of the postmaster the last backends may still hold its shared memory for a moment.
        let mut last = String::new();
        let started = wait_for(START_LIMIT, || match self.try_start() {
            Ok(server) => Some(server),
            Err(error) => {
                last = format!("{error:#}");
                pause(Duration::from_millis(200));
                None
            }
        });
        self.server = started;
        if self.server.is_none() {
            bail!("PostgreSQL did not start: {last}");
        }
        Ok(())
    }

    fn try_start(&self) -> Result<Child> {
        let log = self.scratch.path().join("log");
        let file = File::options().create(true).append(true).open(&log)?;
        let data = self.data();
        let mut command = self.program("postgres");
        command.arg("-D").arg(&data).args(["-p", &self.port.to_string()]);
        for setting in self.durability.settings() {
            command.args(["-c", setting]);
        }
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "jit=off", "-c", "lc_messages=C"]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.scratch.path().join("socket").display()));
        command.envs(self.environment.iter().cloned()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut server = command.spawn().context("could not start the server program")?;
        guard::watch(server.id())?;
        let ready = wait_for(START_LIMIT, || {
            let ended = server.try_wait().ok().flatten().is_some();
            (ended || is_ready(&data, server.id())).then_some(!ended)
        });
        if ready == Some(true) {
            return Ok(server);
        }
        // It has ended already, or takes too long; both are failures, and both must leave no process.
        let _ = server.kill();
        server.wait()?;
        guard::forget(server.id())?;
        bail!("{}", tail(&log, 8))
    }

    fn initialise(&self) -> Result<()> {
        let mut command = self.program("initdb");
        command.arg("-D").arg(self.data()).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        capture(&mut command).context("could not make a PostgreSQL cluster")?;
        Ok(())
    }

    fn stop_with(&mut self, name: &str) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        if server.try_wait()?.is_none() {
            signal(server.id(), name)?;
        }
        if wait_for(Duration::from_secs(10), || server.try_wait().ok().flatten()).is_none() {
            server.kill()?;
            server.wait()?;
        }
        guard::forget(server.id())
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.scratch.path()).env("LC_ALL", "C");
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nothing in it is wanted any more.
        if let Err(error) = self.stop_immediately() {
            eprintln!("PostgreSQL: {error:#}");
        }
    }
}

/// The eighth line of `postmaster.pid` says `ready`; the first is the process that wrote it.
fn is_ready(data: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

/// `None` when we are not root and the server runs as ourselves.
fn unprivileged_account() -> Result<Option<Account>> {
    if !crate::apt::is_root()? {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        let number = |flag| -> Result<u32> { Ok(capture(Command::new("id").args([flag, name]))?.trim().parse()?) };
        if let (Ok(uid), Ok(gid)) = (number("-u"), number("-g")) {
            return Ok(Some(Account { uid, gid }));
        }
    }
    bail!("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")
}
