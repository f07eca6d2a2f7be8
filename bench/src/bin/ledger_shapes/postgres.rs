//! The two ways to append to PostgreSQL, on one connection or on two in order.
//! It deliberately has no retry: any error ends the run.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Result, ensure};
use sqlx::postgres::PgBindIterExt;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::batch::{Batch, Column};
use crate::cluster::Cluster;
use crate::measure::{Mark, Spent};
use crate::report::Run;
use crate::shape::{History, Method, Shape};
use crate::workload::{Owner, WaitingJob};

const GUARDED_BEGIN: &str = "BEGIN; SELECT 1 / count(*) FROM \
     (SELECT 1 FROM shard_owner WHERE shard = 0 AND epoch = 1 FOR KEY SHARE) fence";

/// Runs the whole load once for one shape, in an empty schema.
pub async fn run(cluster: &Cluster, shape: Shape, jobs: usize, seed: u64) -> Result<Run> {
    let mut control = cluster.connect().await?;
    make_schema(&mut control, &shape).await?;
    let mut owner = Owner::new(shape, jobs, seed);

    settle(&mut control).await?;
    let enqueue = run_enqueue(cluster, &mut control, &mut owner, shape).await?;
    settle(&mut control).await?;
    let work = run_work(cluster, &mut control, &mut owner, shape).await?;

    let tail = run_tail(cluster, &mut control, &owner, shape).await?;

    let done: i64 = sqlx::query_scalar("SELECT count(*) FROM done").fetch_one(&mut control).await?;
    ensure!(usize::try_from(done)? == jobs, "{done} of {jobs} jobs are done");
    let stored_bytes = sqlx::query_scalar(
        "SELECT sum(pg_total_relation_size(oid))::float8 FROM pg_class \
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    .fetch_one(&mut control)
    .await?;
    let history_bytes =
        sqlx::query_scalar("SELECT pg_total_relation_size('history')::float8").fetch_optional(&mut control).await?;
    Ok(Run { shape, jobs, enqueue, work, tail, stored_bytes, history_bytes })
}

async fn make_schema(control: &mut PgConnection, shape: &Shape) -> Result<()> {
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut *control).await?;
    for statement in shape.schema() {
        sqlx::raw_sql(statement).execute(&mut *control).await?;
    }
    Ok(())
}

/// Leaves both phases of every shape the same start: nothing dirty, statistics fresh.
async fn settle(control: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("CHECKPOINT").execute(&mut *control).await?;
    sqlx::raw_sql("ANALYZE").execute(control).await?;
    Ok(())
}

async fn run_enqueue(cluster: &Cluster, control: &mut PgConnection, owner: &mut Owner, shape: Shape) -> Result<Spent> {
    let mut writers = Writers::start(cluster, shape, owner.commit_no()).await?;
    let start = mark(cluster, control).await?;
    while let Some(batch) = owner.enqueue() {
        if !writers.send(batch).await {
            break;
        }
    }
    writers.finish().await?;
    Ok(start.until(&mark(cluster, control).await?))
}

async fn run_work(cluster: &Cluster, control: &mut PgConnection, owner: &mut Owner, shape: Shape) -> Result<Spent> {
    let mut reader = cluster.connect().await?;
    sqlx::raw_sql(
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
         SET enable_mergejoin = off; SET enable_sort = off",
    )
    .execute(&mut reader)
    .await?;
    let mut writers = Writers::start(cluster, shape, owner.commit_no()).await?;
    let start = mark(cluster, control).await?;
    loop {
        while let Some((lane, head)) = owner.hungry_lane() {
            owner.feed(lane, window_read(&mut reader, &shape, lane, head).await?);
        }
        let Some(batch) = owner.work() else { break };
        if !writers.send(batch).await {
            break;
        }
    }
    writers.finish().await?;
    Ok(start.until(&mark(cluster, control).await?))
}

/// Reads the whole history in the order of its commits, as recovery does.
async fn run_tail(cluster: &Cluster, control: &mut PgConnection, owner: &Owner, shape: Shape) -> Result<Option<Spent>> {
    let Some(sql) = shape.tail_sql() else {
        return Ok(None);
    };
    let mut reader = cluster.connect().await?;
    let start = mark(cluster, control).await?;
    let mut text_bytes = 0;
    let mut position = 0;
    while position < owner.commit_no() {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(sql).bind(position).fetch_all(&mut reader).await?;
        for row in rows {
            text_bytes += match shape.history {
                History::Block => lz4_flex::decompress_size_prepended(&row)?.len(),
                History::Fact | History::FactWithTail => row.len(),
            };
        }
        position += 4;
    }
    let spent = start.until(&mark(cluster, control).await?);
    ensure!(text_bytes == owner.fact_bytes(), "the tail read returned {text_bytes} bytes of facts");
    Ok(Some(spent))
}

async fn mark(cluster: &Cluster, control: &mut PgConnection) -> Result<Mark> {
    let position: f64 =
        sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8").fetch_one(control).await?;
    Mark::take(Some(cluster.postmaster()), position)
}

async fn window_read(reader: &mut PgConnection, shape: &Shape, lane: usize, head: i64) -> Result<Vec<WaitingJob>> {
    let rows: Vec<(i64, Uuid, Vec<u8>)> =
        sqlx::query_as(shape.window_sql()).bind(i64::try_from(lane)?).bind(head).fetch_all(reader).await?;
    let jobs =
        rows.into_iter().map(|(order_key, id, payload)| WaitingJob { order_key, id, payload_bytes: payload.len() });
    Ok(jobs.collect())
}

/// Connections that take batches in turn and commit them in order.
struct Writers {
    inputs: Vec<mpsc::Sender<Batch>>,
    next: usize,
    tasks: JoinSet<Result<()>>,
}

impl Writers {
    async fn start(cluster: &Cluster, shape: Shape, committed: i64) -> Result<Self> {
        let (committed, _) = watch::channel(committed);
        let committed = Arc::new(committed);
        let mut inputs = Vec::new();
        let mut tasks = JoinSet::new();
        for _ in 0..shape.in_flight {
            let (input, batches) = mpsc::channel(1);
            inputs.push(input);
            let writer = Writer { connection: cluster.connect().await?, shape, committed: Arc::clone(&committed) };
            tasks.spawn(writer.run(batches));
        }
        Ok(Self { inputs, next: 0, tasks })
    }

    /// Hands a batch to the next connection; false means that it has failed.
    async fn send(&mut self, batch: Batch) -> bool {
        let input = &self.inputs[self.next];
        self.next = (self.next + 1) % self.inputs.len();
        input.send(batch).await.is_ok()
    }

    /// Waits until all is committed.
    async fn finish(mut self) -> Result<()> {
        self.inputs.clear();
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

struct Writer {
    connection: PgConnection,
    shape: Shape,
    committed: Arc<watch::Sender<i64>>,
}

impl Writer {
    async fn run(mut self, mut batches: mpsc::Receiver<Batch>) -> Result<()> {
        while let Some(batch) = batches.recv().await {
            match (self.shape.method, self.shape.in_flight) {
                // A statement of its own is a transaction of its own: one round trip.
                (Method::Unnest, 1) => self.insert(&batch).await?,
                (Method::Unnest, _) => {
                    sqlx::raw_sql("BEGIN").execute(&mut self.connection).await?;
                    self.insert(&batch).await?;
                    self.commit_in_order(batch.commit_no).await?;
                }
                (Method::Copy, _) => {
                    sqlx::raw_sql(GUARDED_BEGIN).execute(&mut self.connection).await?;
                    self.copy(&batch).await?;
                    self.commit_in_order(batch.commit_no).await?;
                }
            }
            self.committed.send_replace(batch.commit_no);
        }
        Ok(())
    }

    async fn commit_in_order(&mut self, commit_no: i64) -> Result<()> {
        let mut committed = self.committed.subscribe();
        committed.wait_for(|last| *last == commit_no - 1).await?;
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn insert(&mut self, batch: &Batch) -> Result<()> {
        let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(unnest_sql(batch))).bind(1_i64);
        for (_, column) in batch.tables.iter().flat_map(|table| &table.columns) {
            query = match column {
                Column::Int2(values) => query.bind(values.as_slice()),
                Column::Int4(values) => query.bind(values.as_slice()),
                Column::Int8(values) => query.bind(values.as_slice()),
                Column::Uuid(values) => query.bind(values.as_slice()),
                Column::Bytes(values) => query.bind(values.iter().bind_iter()),
            };
        }
        let held = query.fetch_one(&mut self.connection).await?;
        ensure!(held == 1, "the fence refused an append");
        Ok(())
    }

    async fn copy(&mut self, batch: &Batch) -> Result<()> {
        for table in &batch.tables {
            let statement = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, table.column_list());
            let mut copy = self.connection.copy_in_raw(&statement).await?;
            copy.send(table.copy_binary()).await?;
            copy.finish().await?;
        }
        Ok(())
    }
}

/// One statement for the whole commit; it writes nothing when the fence's row is not there.
fn unnest_sql(batch: &Batch) -> String {
    let mut sql = String::from(
        "WITH fence AS MATERIALIZED (SELECT shard FROM shard_owner WHERE shard = 0 AND epoch = $1 FOR KEY SHARE)",
    );
    let mut parameter = 2;
    for table in &batch.tables {
        let names = table.column_list();
        let mut arrays = Vec::new();
        for (_, column) in &table.columns {
            arrays.push(format!("${parameter}::{}", column.array_type()));
            parameter += 1;
        }
        write!(
            sql,
            ", put_{name} AS (INSERT INTO {name} ({names}) SELECT u.* FROM fence, unnest({}) AS u ({names}))",
            arrays.join(", "),
            name = table.name,
        )
        .expect("writing to memory does not fail");
    }
    sql.push_str(" SELECT count(*) FROM fence");
    sql
}
