//! Where the ledger of one measurement lies: a folder of its own, and for PostgreSQL a database of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use orch_bench::postgres::{self, OwnDatabase};
use orch_bench::process;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::ground::Ground;
use crate::settings::Database;

/// Tells the databases of one program's runs apart.
static MADE: AtomicUsize = AtomicUsize::new(0);

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commits {
    /// The database.
    pub database: Database,
    /// Its version.
    pub version: String,
    /// What has an effect on speed and safety, by name.
    pub settings: Vec<(String, String)>,
}

impl Commits {
    /// In one line.
    pub fn line(&self) -> String {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!("{} {}: {}", self.database.name(), self.version, settings.join(", "))
    }
}

impl Place {
    /// Makes a place.
    pub async fn make(database: Database, ground: &Ground) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("orch-bench").tempdir()?;
        match database {
            Database::Sqlite => Ok(Self::Sqlite(folder)),
            Database::Postgres => {
                let database = OwnDatabase::make(
                    ground.postgres_url()?,
                    ground.postgres_pid(),
                    MADE.fetch_add(1, Ordering::Relaxed),
                )
                .await?;
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

    /// Where SQLite's file lies, as `orch dev` has it.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Rows that are dead and not yet vacuumed; SQLite has none.
    pub async fn dead_tuples(&self) -> Result<Option<u64>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(place) => Ok(Some(place.database.dead_tuples().await?)),
        }
    }

    /// Writes out what is dirty in PostgreSQL. SQLite does that by itself, many times a minute.
    pub async fn checkpoint(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(place) => place.database.checkpoint().await,
        }
    }

    /// Gathers PostgreSQL's statistics. SQLite has none.
    pub async fn analyze(&self) -> Result<()> {
        if let Self::Postgres(place) = self {
            sqlx::query("ANALYZE").execute(&mut postgres::connect(place.url()).await?).await?;
        }
        Ok(())
    }

    /// A checkpoint on a connection of its own, beside what else is done.
    pub fn checkpoint_apart(&self) -> impl Future<Output = Result<()>> + Send + 'static {
        let url = match self {
            Self::Sqlite(_) => None,
            Self::Postgres(place) => Some(place.url().to_owned()),
        };
        async move {
            if let Some(url) = url {
                sqlx::query("CHECKPOINT").execute(&mut postgres::connect(&url).await?).await?;
            }
            Ok(())
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
