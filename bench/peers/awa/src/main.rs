//! Measures awa as its README installs it: queue storage, one queue, jobs in by COPY.
//!
//! Jobs have no deadline of their own, which is its shortest path. With 512 workers and one claimer it was faster than
//! with 50 or 128 workers and with four claimers, and as fast as with 2,048.
//! Lines on standard output are read by the driver: a mark when a phase begins and ends, one with figures after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use awa::{
    Client, InsertOpts, InsertParams, JobArgs, JobContext, JobError, JobResult, QueueConfig, QueueStorage,
    QueueStorageConfig, Worker, migrations,
};
use clap::Parser;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

const VERSION: &str = "0.6.9";
const QUEUE: &str = "noop";
const PRODUCERS: u32 = 4;
const BATCH: u64 = 500;
const MAX_WORKERS: u32 = 512;
const CLAIMERS: u16 = 1;
const CLAIM_BATCH: usize = 512;
const POLL: Duration = Duration::from_millis(50);
const CONNECTIONS: u32 = 32;

const PAYLOAD_BYTES: usize = 200;
/// Time for the driver to read its counters after a mark.
const COUNTERS: Duration = Duration::from_millis(250);
/// How long workers may take to end.
const DRAIN_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
struct Options {
    /// Jobs of the backlog.
    #[arg(long, default_value_t = 200_000)]
    jobs: u64,
    /// Seconds of work at most.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// A job whose JSON has 200 bytes that do not compress.
#[derive(Debug, Serialize, Deserialize, JobArgs)]
struct Noop {
    data: String,
}

impl Noop {
    fn random() -> Self {
        let characters = PAYLOAD_BYTES - r#"{"data":""}"#.len();
        Self { data: rand::rng().sample_iter(Alphanumeric).take(characters).map(char::from).collect() }
    }
}

/// Does nothing, and counts it.
struct Counter {
    handled: Arc<AtomicU64>,
    jobs: u64,
    first: watch::Sender<Option<Instant>>,
    all: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl Worker for Counter {
    fn kind(&self) -> &'static str {
        Noop::kind()
    }

    async fn perform(&self, _: &JobContext) -> Result<JobResult, JobError> {
        let handled = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if handled == 1 {
            self.first.send_replace(Some(Instant::now()));
        }
        if handled == self.jobs {
            self.all.send_replace(true);
        }
        Ok(JobResult::Completed)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
    migrations::run(&pool).await?;
    let store = Arc::new(QueueStorage::new(QueueStorageConfig::default())?);
    store.install(&pool).await?;
    enqueue(&pool, &store, options.jobs).await?;
    sqlx::query("VACUUM (ANALYZE)").execute(&pool).await?;
    work(&pool, &store, &options).await
}

async fn enqueue(pool: &PgPool, store: &Arc<QueueStorage>, jobs: u64) -> Result<()> {
    sleep(COUNTERS).await;
    mark("enqueue", "begin");
    let began = Instant::now();
    let left = Arc::new(AtomicU64::new(jobs));
    let mut producers = JoinSet::new();
    for _ in 0..PRODUCERS {
        let (pool, store, left) = (pool.clone(), Arc::clone(store), Arc::clone(&left));
        producers.spawn(async move {
            while let Some(count) = take(&left) {
                let batch = (0..count).map(|_| params()).collect::<Result<Vec<_>>>()?;
                store.enqueue_params_copy(&pool, &batch).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = producers.join_next().await {
        ended??;
    }
    let took = began.elapsed();
    mark("enqueue", "end");
    sleep(COUNTERS).await;
    report("enqueue", jobs, took);
    Ok(())
}

/// So many jobs of those that are left; `None` when there are no more.
fn take(left: &AtomicU64) -> Option<u64> {
    let rest = |left: u64| (left > 0).then(|| left.saturating_sub(BATCH));
    Some(left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).ok()?.min(BATCH))
}

fn params() -> Result<InsertParams> {
    let opts = InsertOpts { queue: QUEUE.into(), ..InsertOpts::default() };
    Ok(awa::model::insert::params_with(&Noop::random(), opts)?)
}

async fn work(pool: &PgPool, store: &QueueStorage, options: &Options) -> Result<()> {
    let handled = Arc::new(AtomicU64::new(0));
    let (first, mut began) = watch::channel(None);
    let (all, mut every) = watch::channel(false);
    let config = QueueConfig {
        max_workers: MAX_WORKERS,
        poll_interval: POLL,
        deadline_duration: Duration::ZERO,
        claimers: CLAIMERS,
        claim_batch_size: CLAIM_BATCH,
        ..QueueConfig::default()
    };
    let counter = Counter { handled: Arc::clone(&handled), jobs: options.jobs, first, all };
    let client = Client::builder(pool.clone()).queue(QUEUE, config).register_worker(counter).build()?;
    client.start().await?;
    let began = began.wait_for(Option::is_some).await?.context("it was just seen")?;
    mark("work", "begin");
    let until = began + Duration::from_secs(options.seconds);
    let backlog_is_gone = timeout_at(until.into(), every.wait_for(|all| *all)).await.is_ok();
    // What was handled is durably done when the workers have ended.
    client.shutdown(DRAIN_MAX).await;
    let took = began.elapsed();
    mark("work", "end");
    sleep(COUNTERS).await;
    let done = u64::try_from(store.queue_counts(pool, QUEUE).await?.terminal)?;
    let handled = handled.load(Ordering::Relaxed);
    if done > handled || (backlog_is_gone && done != options.jobs) {
        bail!("{done} jobs are done, {handled} of {} were handled", options.jobs);
    }
    report("work", done, took);
    Ok(())
}

fn mark(phase: &str, edge: &str) {
    println!("{}", json!({ "mark": edge, "phase": phase }));
}

fn report(phase: &str, jobs: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    let line = json!({
        "peer": "awa",
        "version": VERSION,
        "settings": settings(),
        "phase": phase,
        "jobs": jobs,
        "seconds": seconds,
        "jobs_per_second": jobs as f64 / seconds,
    });
    println!("{line}");
}

fn settings() -> Value {
    json!({
        "max_workers": MAX_WORKERS,
        "claimers": CLAIMERS,
        "claim_batch_size": CLAIM_BATCH,
        "poll_interval_ms": POLL.as_millis(),
        "deadline_duration": 0,
        "connections": CONNECTIONS,
        "insert": "enqueue_params_copy",
        "batch": BATCH,
        "producers": PRODUCERS,
    })
}
