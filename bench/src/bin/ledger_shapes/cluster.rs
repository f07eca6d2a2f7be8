//! A temporary PostgreSQL that is started, found and stopped by this program alone.
//! It deliberately has no TCP port: the socket lies in its own folder.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use orch_bench::clock;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=2GB",
    "max_wal_size=8GB",
    "wal_compression=lz4",
    "checkpoint_timeout=15min",
    // A vacuum that meets one shape and not the other would be read as a difference between them.
    "autovacuum=off",
];
const START_SECONDS_MAX: u64 = 30;

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Cluster {
    server: Child,
    folder: TempDir,
}

impl Cluster {
    /// Makes a cluster in a temporary folder and starts it.
    pub async fn start(binaries: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ledger_shapes").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let account = Account::for_server()?;
        account.give(folder.path())?;
        let data = folder.path().join("data");
        let log = File::create(folder.path().join("log"))?;
        let mut initdb = account.command(&binaries.join("initdb"), folder.path());
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"]).arg(&data);
        let made = initdb.stdout(log.try_clone()?).stderr(log.try_clone()?).status()?;
        if !made.success() {
            bail!("could not make a cluster: {}", fs::read_to_string(folder.path().join("log"))?);
        }
        let mut postgres = account.command(&binaries.join("postgres"), folder.path());
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in SETTINGS {
            postgres.arg("-c").arg(setting);
        }
        let server = postgres.stdout(log.try_clone()?).stderr(log).spawn()?;
        let cluster = Self { server, folder };
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// The process whose children do the work.
    pub fn postmaster(&self) -> u32 {
        self.server.id()
    }

    /// A new connection.
    pub async fn connect(&self) -> Result<PgConnection> {
        let options =
            PgConnectOptions::new_without_pgpass().socket(self.folder.path()).username("postgres").database("postgres");
        Ok(PgConnection::connect_with(&options).await?)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let deadline = clock::now() + Duration::from_secs(START_SECONDS_MAX);
        while let Err(error) = self.connect().await {
            if clock::now() > deadline {
                return Err(error.context("the server did not answer in time"));
            }
            clock::pause(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown; SIGKILL would leave its shared memory behind.
        let asked = Command::new("kill").arg("-INT").arg(self.server.id().to_string()).status();
        let stopped = asked.and_then(|_| self.server.wait());
        if let Err(error) = stopped {
            eprintln!("could not stop the server {}: {error}", self.server.id());
        }
    }
}

/// Whom the server runs as: it refuses root.
struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    fn for_server() -> Result<Self> {
        if id("-u", None)? != 0 {
            return Ok(Self { ids: None });
        }
        Ok(Self { ids: Some((id("-u", Some("postgres"))?, id("-g", Some("postgres"))?)) })
    }

    fn give(&self, path: &Path) -> Result<()> {
        match self.ids {
            Some((user, group)) => Ok(chown(path, Some(user), Some(group))?),
            None => Ok(()),
        }
    }

    fn command(&self, program: &PathBuf, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }
}

fn id(flag: &str, user: Option<&str>) -> Result<u32> {
    let output = Command::new("id").arg(flag).args(user).output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("could not find the account `{}`", user.unwrap_or("own")))
}
