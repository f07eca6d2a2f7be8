//! What lies in the ledger, read with SQL of our own from either database.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use rusqlite::OpenFlags;
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

/// Facts of one stream in one commit.
#[derive(Debug, Clone)]
pub struct Block {
    /// The shard.
    pub shard: i64,
    /// The commit.
    pub commit_no: i64,
    /// The stream: a tenant's number, 0 the arbiter's, -1 none.
    pub stream: i64,
    /// Seq of the first fact.
    pub first_seq: i64,
    /// Seq of the last fact.
    pub last_seq: i64,
    /// The compressed lines.
    pub facts: Vec<u8>,
    /// Their hashes.
    pub leaves: Vec<u8>,
}

/// A job's row.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// The job, as on the wire.
    pub job: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A row of a job's end.
#[derive(Debug, Clone)]
pub struct DoneRow {
    /// The job, as on the wire.
    pub job: String,
    /// The number of its final state.
    pub state: i64,
    /// Its last attempt.
    pub attempt: i64,
    /// Seq of its end.
    pub seq: i64,
}

/// All that the checker reads.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// By shard, commit and stream.
    pub blocks: Vec<Block>,
    /// Jobs.
    pub jobs: Vec<JobRow>,
    /// Ends.
    pub done: Vec<DoneRow>,
    /// Jobs that have a dead letter.
    pub dead_letters: Vec<String>,
    /// Attempts that wrote a log.
    pub logged: BTreeSet<(String, i64)>,
}

const BLOCKS: &str = "SELECT shard, commit_no, stream, first_seq, last_seq, facts, leaves FROM history ORDER BY shard, commit_no, stream";
const JOBS: &str = "SELECT id, payload FROM job ORDER BY id";
const DONE: &str = "SELECT job, state, attempt, seq FROM done ORDER BY job";
const LOGGED: &str = "SELECT DISTINCT job, attempt FROM log_chunk";
const DEAD_LETTERS: &str = "SELECT job FROM dead_letter ORDER BY job";

fn job_id(bytes: &[u8]) -> Result<String> {
    Ok(format!("job_{}", Uuid::from_slice(bytes).context("an id has 16 bytes")?.simple()))
}

/// Reads a SQLite file that nobody writes any more.
///
/// # Errors
/// It is no such ledger.
pub fn read_sqlite(path: &Path) -> Result<Ledger> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = rusqlite::Connection::open_with_flags(path, flags)
        .with_context(|| format!("could not open {}", path.display()))?;
    let mut ledger = Ledger::default();
    let mut statement = db.prepare(BLOCKS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        ledger.blocks.push(Block {
            shard: row.get(0)?,
            commit_no: row.get(1)?,
            stream: row.get(2)?,
            first_seq: row.get(3)?,
            last_seq: row.get(4)?,
            facts: row.get(5)?,
            leaves: row.get(6)?,
        });
    }
    let mut statement = db.prepare(JOBS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        ledger.jobs.push(JobRow { job: job_id(&row.get::<_, Vec<u8>>(0)?)?, payload: row.get(1)? });
    }
    let mut statement = db.prepare(DONE)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let job = job_id(&row.get::<_, Vec<u8>>(0)?)?;
        ledger.done.push(DoneRow { job, state: row.get(1)?, attempt: row.get(2)?, seq: row.get(3)? });
    }
    let mut statement = db.prepare(DEAD_LETTERS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        ledger.dead_letters.push(job_id(&row.get::<_, Vec<u8>>(0)?)?);
    }
    let mut statement = db.prepare(LOGGED)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        ledger.logged.insert((job_id(&row.get::<_, Vec<u8>>(0)?)?, row.get(1)?));
    }
    Ok(ledger)
}

/// Reads a PostgreSQL database that nobody writes any more.
///
/// # Errors
/// It is no such ledger.
pub async fn read_postgres(url: &str) -> Result<Ledger> {
    let mut db = PgConnection::connect(url).await.context("could not open the ledger")?;
    sqlx::query("SET search_path TO orchestrator, public").execute(&mut db).await?;
    let mut ledger = Ledger::default();
    for row in sqlx::query(BLOCKS).fetch_all(&mut db).await? {
        ledger.blocks.push(Block {
            shard: i64::from(row.try_get::<i32, _>(0)?),
            commit_no: row.try_get(1)?,
            stream: i64::from(row.try_get::<i32, _>(2)?),
            first_seq: row.try_get(3)?,
            last_seq: row.try_get(4)?,
            facts: row.try_get(5)?,
            leaves: row.try_get(6)?,
        });
    }
    for row in sqlx::query(JOBS).fetch_all(&mut db).await? {
        ledger.jobs.push(JobRow { job: job_id(row.try_get::<Uuid, _>(0)?.as_bytes())?, payload: row.try_get(1)? });
    }
    for row in sqlx::query(DONE).fetch_all(&mut db).await? {
        let (state, attempt): (i16, i32) = (row.try_get(1)?, row.try_get(2)?);
        let job = job_id(row.try_get::<Uuid, _>(0)?.as_bytes())?;
        ledger.done.push(DoneRow { job, state: i64::from(state), attempt: i64::from(attempt), seq: row.try_get(3)? });
    }
    for row in sqlx::query(DEAD_LETTERS).fetch_all(&mut db).await? {
        ledger.dead_letters.push(job_id(row.try_get::<Uuid, _>(0)?.as_bytes())?);
    }
    for row in sqlx::query(LOGGED).fetch_all(&mut db).await? {
        let attempt = i64::from(row.try_get::<i32, _>(1)?);
        ledger.logged.insert((job_id(row.try_get::<Uuid, _>(0)?.as_bytes())?, attempt));
    }
    db.close().await?;
    Ok(ledger)
}
