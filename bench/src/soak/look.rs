//! What a soak reads now and then: rows and bytes in the ledger, and the server's memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use orch_bench::{postgres, process};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::place::Place;

const MIB: f64 = 1_048_576.0;

/// The same figures from both ledgers; `job_label` and the rest of the swept tables are in the bytes.
const COUNTS: &str = "SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM done), \
     (SELECT count(*) FROM job_label), (SELECT count(*) FROM idempotency), \
     (SELECT coalesce(sum(jobs), 0) FROM rollup)";
const POSTGRES_BYTES: &str = "SELECT sum(pg_total_relation_size(name::regclass))::int8, \
     pg_database_size(current_database())::int8, \
     (SELECT coalesce(sum(n_dead_tup), 0)::int8 FROM pg_stat_user_tables) \
     FROM unnest(ARRAY['job', 'done', 'job_label', 'checkpoint', 'log_chunk', 'artifact']) AS swept (name)";
const SQLITE_BYTES: &str = "SELECT (SELECT sum(s.pgsize) FROM sqlite_schema AS m \
     JOIN dbstat AS s ON s.name = m.name AND s.aggregate = TRUE \
     WHERE m.tbl_name IN ('job', 'done', 'job_label', 'checkpoint', 'log_chunk', 'artifact')), \
     (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)";

/// Figures of one moment.
#[derive(Debug, Default, Clone)]
pub struct Look {
    /// Since the load began.
    pub at: Duration,
    /// Jobs that the worker has done.
    pub worked: u64,
    /// Rows of `job`.
    pub jobs: u64,
    /// Rows of `done`.
    pub done: u64,
    /// Rows of `job_label`.
    pub labels: u64,
    /// Rows of `idempotency`.
    pub keys: u64,
    /// Jobs that sweeps removed.
    pub removed: u64,
    /// Bytes of the tables that are swept, with their indexes.
    pub swept_bytes: u64,
    /// Bytes of the whole database or file.
    pub bytes: u64,
    /// Rows that are dead and not yet vacuumed.
    pub dead: Option<u64>,
    /// Bytes that the server's process holds.
    pub memory: f64,
}

impl Look {
    fn of(counts: [i64; 5], bytes: [i64; 2], dead: Option<i64>) -> Result<Self> {
        let [jobs, done, labels, keys, removed] = counts.map(|number| u64::try_from(number).unwrap_or_default());
        let [swept_bytes, bytes] = bytes.map(|number| u64::try_from(number).unwrap_or_default());
        let dead = dead.map(u64::try_from).transpose()?;
        Ok(Self { jobs, done, labels, keys, removed, swept_bytes, bytes, dead, ..Self::default() })
    }

    /// Over the lines.
    pub const HEAD: &'static str =
        "     s  jobs/s     job    done   label     key  removed  swept MiB  all MiB    dead  server MiB";

    /// One line; the rate is since the look before.
    pub fn line(&self, before: Option<&Self>) -> String {
        let (worked, at) = before.map_or((0, Duration::ZERO), |look| (look.worked, look.at));
        let rate = (self.worked - worked) as f64 / (self.at - at).as_secs_f64();
        let dead = self.dead.map_or_else(|| "-".to_owned(), |dead| dead.to_string());
        format!(
            "{:>6.0} {rate:>7.0} {:>7} {:>7} {:>7} {:>7} {:>8} {:>10.1} {:>8.1} {dead:>7} {:>11.1}",
            self.at.as_secs_f64(),
            self.jobs,
            self.done,
            self.labels,
            self.keys,
            self.removed,
            self.swept_bytes as f64 / MIB,
            self.bytes as f64 / MIB,
            self.memory / MIB,
        )
    }
}

/// Reads figures of one ledger and its server.
pub struct Looker {
    ledger: Ledger,
    server: Option<u32>,
}

enum Ledger {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Looker {
    /// Of this place.
    pub fn new(place: &Place, server: Option<u32>) -> Self {
        let ledger = match place {
            Place::Sqlite(_) => Ledger::Sqlite(place.data().join("ledger.sqlite")),
            Place::Postgres(place) => Ledger::Postgres(place.url().to_owned()),
        };
        Self { ledger, server }
    }

    /// Reads them.
    pub async fn look(&self, at: Duration, worked: u64) -> Result<Look> {
        let mut look = match &self.ledger {
            Ledger::Sqlite(file) => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || sqlite(&file)).await??
            }
            Ledger::Postgres(url) => in_postgres(url).await?,
        };
        (look.at, look.worked, look.memory) = (at, worked, process::memory_bytes(self.server)?);
        Ok(look)
    }
}

fn sqlite(file: &Path) -> Result<Look> {
    let connection = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let counts = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]);
    let bytes = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?]);
    let counts = connection.query_row(COUNTS, [], counts)?;
    Look::of(counts, connection.query_row(SQLITE_BYTES, [], bytes)?, None)
}

async fn in_postgres(url: &str) -> Result<Look> {
    let mut connection = postgres::connect(url).await?;
    sqlx::query("SET search_path TO orchestrator").execute(&mut connection).await?;
    let counts = COUNTS.replace("sum(jobs)", "sum(jobs)::int8");
    let (jobs, done, labels, keys, removed) = sqlx::query_as(AssertSqlSafe(counts)).fetch_one(&mut connection).await?;
    let (swept, all, dead) = sqlx::query_as(POSTGRES_BYTES).fetch_one(&mut connection).await?;
    connection.close().await?;
    Look::of([jobs, done, labels, keys, removed], [swept, all], Some(dead))
}
