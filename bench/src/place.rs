//! Where the ledger of one measurement lies: a folder of its own, and for PostgreSQL a database of its own.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use orch_bench::process;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;

use crate::settings::{Database, Settings};

/// The place of one ledger.
pub enum Place {
    /// A folder.
    Sqlite(TempDir),
    /// A database.
    Postgres(Box<PostgresPlace>),
}

/// A database in a PostgreSQL that is there already, and a connection beside it for figures.
pub struct PostgresPlace {
    name: String,
    url: String,
    admin: PgConnection,
    server: Option<u32>,
    folder: TempDir,
}

/// What the ledger promises and how it is set, for the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Commits {
    /// The database.
    pub database: Database,
    /// Its version.
    pub version: String,
    /// What has an effect on speed and safety, by name.
    pub settings: Vec<(String, String)>,
}

impl Place {
    /// Makes a place; `run` tells the databases of one program's runs apart.
    pub async fn make(database: Database, settings: &Settings, run: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("orch-bench").tempdir()?;
        match database {
            Database::Sqlite => Ok(Self::Sqlite(folder)),
            Database::Postgres => {
                let url = settings.postgres_url.as_deref().context(
                    "no PostgreSQL: set ORCH_BENCH_POSTGRES_URL, or run `cargo xtask bench`, which starts one",
                )?;
                let place = PostgresPlace::make(url, settings.postgres_pid, run, folder).await?;
                Ok(Self::Postgres(Box::new(place)))
            }
        }
    }

    /// A folder that goes with the place.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(folder) => folder.path(),
            Self::Postgres(database) => database.folder.path(),
        }
    }

    /// CPU seconds of the database's processes so far, where it has processes that can be seen.
    pub fn cpu(&self) -> Result<Option<f64>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(database) => database.server.map(process::family_cpu).transpose(),
        }
    }

    /// Bytes of log so far: PostgreSQL's write-ahead log, or all that the server's process wrote to SQLite's files.
    pub async fn log_position(&mut self, server: Option<u32>) -> Result<f64> {
        match self {
            Self::Sqlite(_) => process::written_bytes(server),
            Self::Postgres(database) => database.log_position().await,
        }
    }

    /// What it promises.
    pub async fn commits(&mut self) -> Result<Commits> {
        match self {
            Self::Sqlite(_) => Ok(Commits {
                database: Database::Sqlite,
                version: rusqlite::version().to_owned(),
                settings: [("journal_mode", "wal"), ("synchronous", "full")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
            }),
            Self::Postgres(database) => database.commits().await,
        }
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => Ok(folder.close()?),
            Self::Postgres(database) => database.remove().await,
        }
    }
}

const SETTINGS: [&str; 9] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "wal_compression",
    "autovacuum",
    "jit",
];

impl PostgresPlace {
    async fn make(url: &str, server: Option<u32>, run: usize, folder: TempDir) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let mut admin = options.connect().await?;
        let name = format!("orch_bench_{}_{run}", std::process::id());
        // The name is made of numbers alone.
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
        let url = options.database(&name).to_url_lossy().to_string();
        let server = match server {
            Some(pid) => Some(pid),
            None => postmaster(&mut admin).await?,
        };
        Ok(Self { name, url, admin, server, folder })
    }

    /// How to reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn log_position(&mut self) -> Result<f64> {
        let query = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8";
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.admin).await?)
    }

    async fn commits(&mut self) -> Result<Commits> {
        let mut settings = Vec::new();
        for name in SETTINGS {
            let value = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut self.admin).await?;
            settings.push((name.to_owned(), value));
        }
        let version = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut self.admin).await?;
        let database = Database::Postgres;
        Ok(Commits { database, version, settings })
    }

    async fn remove(mut self) -> Result<()> {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut self.admin).await?;
        self.admin.close().await?;
        Ok(self.folder.close()?)
    }
}

/// The server's first process, if it runs on this machine: the parent of the backend that serves us.
async fn postmaster(admin: &mut PgConnection) -> Result<Option<u32>> {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(admin).await?;
    let backend = u32::try_from(backend)?;
    let name = std::fs::read_to_string(format!("/proc/{backend}/comm")).unwrap_or_default();
    name.starts_with("postgres").then(|| process::parent(backend)).transpose()
}
