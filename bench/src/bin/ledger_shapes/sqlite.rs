//! The same load on SQLite: a thread that writes, one transaction a commit, and a reader beside it.
//! It deliberately waits for nothing but the disk: WAL and `synchronous = FULL`.

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use rusqlite::{Connection, Statement};
use uuid::Uuid;

use crate::batch::{Batch, Column, TableRows};
use orch_bench::process::written_bytes;

use crate::measure::{Mark, Spent};
use crate::report::Run;
use crate::shape::Shape;
use crate::workload::{Owner, WaitingJob};

/// Runs the whole load once for one shape, in a new file.
pub fn run(shape: Shape, jobs: usize, seed: u64) -> Result<Run> {
    let folder = tempfile::Builder::new().prefix("ledger_shapes").tempdir()?;
    let path = folder.path().join("ledger.sqlite");
    let schema = open(&path)?;
    for statement in shape.schema() {
        schema.execute_batch(statement)?;
    }
    let mut owner = Owner::new(shape, jobs, seed);
    let enqueue = phase(&path, |send| {
        while let Some(batch) = owner.enqueue() {
            send(batch)?;
        }
        Ok(())
    })?;
    let reader = open(&path)?;
    let work = phase(&path, |send| {
        loop {
            while let Some((lane, head)) = owner.hungry_lane() {
                owner.feed(lane, window_read(&reader, &shape, lane, head)?);
            }
            match owner.work() {
                Some(batch) => send(batch)?,
                None => return Ok(()),
            }
        }
    })?;
    let done: i64 = reader.query_row("SELECT count(*) FROM done", [], |row| row.get(0))?;
    ensure!(usize::try_from(done)? == jobs, "{done} of {jobs} jobs are done");
    schema.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let stored: u32 = u32::try_from(std::fs::metadata(&path)?.len() / 1024)?;
    Ok(Run { shape, jobs, enqueue, work, tail: None, stored_bytes: f64::from(stored) * 1024.0, history_bytes: None })
}

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -262144")?;
    Ok(connection)
}

/// Times `produce` together with the writing of all that it sends.
fn phase(path: &Path, produce: impl FnOnce(&dyn Fn(Batch) -> Result<()>) -> Result<()>) -> Result<Spent> {
    let mut connection = open(path)?;
    let (input, batches) = mpsc::sync_channel::<Batch>(1);
    let start = Mark::take(None, written_bytes(None)?)?;
    let writer = thread::spawn(move || -> Result<()> {
        for batch in batches {
            append(&mut connection, &batch)?;
        }
        Ok(())
    });
    let produced = produce(&|batch| input.send(batch).map_err(|_| anyhow!("the writer has ended")));
    drop(input);
    writer.join().map_err(|_| anyhow!("the writer panicked"))??;
    produced?;
    Ok(start.until(&Mark::take(None, written_bytes(None)?)?))
}

fn append(connection: &mut Connection, batch: &Batch) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let epoch: i64 =
        transaction.prepare_cached("SELECT epoch FROM shard_owner WHERE shard = 0")?.query_row([], |row| row.get(0))?;
    ensure!(epoch == 1, "the fence refused an append");
    for table in &batch.tables {
        let places = vec!["?"; table.columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.column_list());
        let mut statement = transaction.prepare_cached(&sql)?;
        insert(&mut statement, table)?;
    }
    transaction.commit()?;
    Ok(())
}

fn insert(statement: &mut Statement<'_>, table: &TableRows) -> Result<()> {
    for row in 0..table.rows {
        for (index, (_, column)) in table.columns.iter().enumerate() {
            match column {
                Column::Int2(values) => statement.raw_bind_parameter(index + 1, values[row])?,
                Column::Int4(values) => statement.raw_bind_parameter(index + 1, values[row])?,
                Column::Int8(values) => statement.raw_bind_parameter(index + 1, values[row])?,
                Column::Uuid(values) => statement.raw_bind_parameter(index + 1, values[row].as_bytes().as_slice())?,
                Column::Bytes(values) => statement.raw_bind_parameter(index + 1, values.get(row))?,
            }
        }
        statement.raw_execute()?;
    }
    Ok(())
}

fn window_read(reader: &Connection, shape: &Shape, lane: usize, head: i64) -> Result<Vec<WaitingJob>> {
    let mut statement = reader.prepare_cached(shape.window_sql())?;
    let rows = statement.query_map((i64::try_from(lane)?, head), |row| {
        let id: Vec<u8> = row.get(1)?;
        let payload: Vec<u8> = row.get(2)?;
        Ok((row.get(0)?, id, payload.len()))
    })?;
    let mut jobs = Vec::new();
    for row in rows {
        let (order_key, id, payload_bytes) = row?;
        jobs.push(WaitingJob { order_key, id: Uuid::from_slice(&id)?, payload_bytes });
    }
    Ok(jobs)
}
