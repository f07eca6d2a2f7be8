//! A database of one measurement in a PostgreSQL that is there already, and a connection beside it for figures.

use std::str::FromStr;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use crate::process;

/// What has an effect on speed and safety.
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

/// A database of our own.
#[derive(Debug)]
pub struct OwnDatabase {
    name: String,
    options: PgConnectOptions,
    url: String,
    admin: PgConnection,
    server: Option<u32>,
}

/// What a PostgreSQL promises and how it is set, for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct How {
    /// Its version.
    pub version: String,
    /// What has an effect on speed and safety, by name.
    pub settings: Vec<(String, String)>,
}

impl OwnDatabase {
    /// Makes a database; `run` tells the databases of one program's runs apart, and `server` is the server's first
    /// process, which is found when it is not given and runs on this machine.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn make(url: &str, server: Option<u32>, run: usize) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let mut admin = options.connect().await?;
        let name = format!("orch_bench_{}_{run}", std::process::id());
        // The name is made of numbers alone.
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
        let options = options.database(&name);
        let url = renamed(url, &name)?;
        let server = match server {
            Some(pid) => Some(pid),
            None => postmaster(&mut admin).await?,
        };
        Ok(Self { name, options, url, admin, server })
    }

    /// How to reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// CPU seconds of the server's processes so far, where they can be seen.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn cpu(&self) -> Result<Option<f64>> {
        self.server.map(process::family_cpu).transpose()
    }

    /// Bytes of write-ahead log so far, of the whole server.
    ///
    /// # Errors
    /// When the server is gone.
    pub async fn log_position(&mut self) -> Result<f64> {
        let query = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8";
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.admin).await?)
    }

    /// Rows that are dead and not yet vacuumed, as the server's statistics have it.
    ///
    /// # Errors
    /// When the server is gone.
    pub async fn dead_tuples(&self) -> Result<u64> {
        let mut inside = self.options.connect().await?;
        let query = "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables";
        let dead: i64 = sqlx::query_scalar(query).fetch_one(&mut inside).await?;
        inside.close().await?;
        Ok(u64::try_from(dead)?)
    }

    /// Writes out what is dirty, so that one measurement leaves nothing for the next one to write.
    ///
    /// # Errors
    /// When the server is gone, or we may not.
    pub async fn checkpoint(&mut self) -> Result<()> {
        sqlx::query("CHECKPOINT").execute(&mut self.admin).await?;
        Ok(())
    }

    /// What the server promises.
    ///
    /// # Errors
    /// When the server is gone.
    pub async fn how(&mut self) -> Result<How> {
        let mut settings = Vec::new();
        for name in SETTINGS {
            let value = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut self.admin).await?;
            settings.push((name.to_owned(), value));
        }
        let version = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut self.admin).await?;
        Ok(How { version, settings })
    }

    /// Drops it.
    ///
    /// # Errors
    /// When the server is gone.
    pub async fn remove(mut self) -> Result<()> {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut self.admin).await?;
        Ok(self.admin.close().await?)
    }
}

/// A connection of its own.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub async fn connect(url: &str) -> Result<PgConnection> {
    Ok(PgConnectOptions::from_str(url)?.connect().await?)
}

/// The same address with another database. It has nothing that the caller did not write: each driver has options that
/// others refuse.
fn renamed(url: &str, name: &str) -> Result<String> {
    let (place, options) = url.split_once('?').map_or((url, None), |(place, options)| (place, Some(options)));
    let (scheme, rest) = place.split_once("://").context("the address of a PostgreSQL begins with postgres://")?;
    let server = rest.split('/').next().unwrap_or_default();
    let options = options.map_or_else(String::new, |options| format!("?{options}"));
    Ok(format!("{scheme}://{server}/{name}{options}"))
}

/// The server's first process, if it runs on this machine: the parent of the backend that serves us.
async fn postmaster(admin: &mut PgConnection) -> Result<Option<u32>> {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(admin).await?;
    let backend = u32::try_from(backend)?;
    let name = std::fs::read_to_string(format!("/proc/{backend}/comm")).unwrap_or_default();
    name.starts_with("postgres").then(|| process::parent(backend)).transpose()
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn only_the_database_of_an_address_changes() {
        let cases = [
            ("postgres://me:secret@127.0.0.1:5432/postgres", "postgres://me:secret@127.0.0.1:5432/b"),
            ("postgres://localhost", "postgres://localhost/b"),
            ("postgres:///a?host=/tmp/socket", "postgres:///b?host=/tmp/socket"),
        ];
        for (url, expected) in cases {
            assert_eq!(renamed(url, "b").unwrap(), expected);
        }
        assert!(renamed("host=localhost", "b").is_err());
    }
}
