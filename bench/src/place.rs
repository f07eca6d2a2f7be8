//! Where the ledger of one measurement lies: a folder of its own, and for PostgreSQL a database of its own.

use std::path::Path;

use anyhow::{Context, Result};
use orch_bench::postgres::OwnDatabase;
use orch_bench::process;
use serde::Serialize;
use tempfile::TempDir;

use crate::settings::{Database, Settings};

/// The place of one ledger.
pub enum Place {
    /// A folder.
    Sqlite(TempDir),
    /// A database.
    Postgres(Box<PostgresPlace>),
}

/// A database in a PostgreSQL that is there already, and a folder.
pub struct PostgresPlace {
    database: OwnDatabase,
    folder: TempDir,
}

impl PostgresPlace {
    /// How to reach it.
    pub fn url(&self) -> &str {
        self.database.url()
    }
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
                let database = OwnDatabase::make(url, settings.postgres_pid, run).await?;
                Ok(Self::Postgres(Box::new(PostgresPlace { database, folder })))
            }
        }
    }

    /// A folder that goes with the place.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(folder) => folder.path(),
            Self::Postgres(place) => place.folder.path(),
        }
    }

    /// CPU seconds of the database's processes so far, where it has processes that can be seen.
    pub fn cpu(&self) -> Result<Option<f64>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(place) => place.database.cpu(),
        }
    }

    /// Bytes of log so far: PostgreSQL's write-ahead log, or all that the server's process wrote to SQLite's files.
    pub async fn log_position(&mut self, server: Option<u32>) -> Result<f64> {
        match self {
            Self::Sqlite(_) => process::written_bytes(server),
            Self::Postgres(place) => place.database.log_position().await,
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
            Self::Postgres(place) => {
                let how = place.database.how().await?;
                Ok(Commits { database: Database::Postgres, version: how.version, settings: how.settings })
            }
        }
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        match self {
            Self::Sqlite(folder) => Ok(folder.close()?),
            Self::Postgres(place) => {
                place.database.remove().await?;
                Ok(place.folder.close()?)
            }
        }
    }
}
