//! How fast jobs go through this SDK: fills a backlog, then works it off with handlers that do nothing.
//!
//! `cargo run --release -p orch-client --example noop -- ADDRESS TOKEN [JOBS] [CAPACITY]`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::stream::{StreamExt as _, TryStreamExt as _};
use orch_client::{Client, Done, JobContext, JobIn, JobType, Worker};
use serde_json::Value;
use tokio::sync::Notify;

/// Jobs in one submission.
const BATCH: usize = 500;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = arguments.first().context("no address was given")?;
    let token = arguments.get(1).context("no token was given")?;
    let number = |place: usize, usual: usize| arguments.get(place).map_or(Ok(usual), |text| text.parse());
    let (jobs, capacity) = (number(2, 100_000)?, number(3, 800)?);
    let client = Client::builder().address(address).token(token).build()?;
    client.job_types().create(&JobType::new("noop")).await?;

    let began = now();
    submit(&client, jobs).await?;
    report("submitted", jobs, began);

    let began = now();
    let (done, left) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(jobs)));
    let last = Arc::clone(&done);
    let worker = Worker::builder(client).capacity(capacity).handler("noop", move |_: JobContext, _: Value| {
        let (last, left) = (Arc::clone(&last), Arc::clone(&left));
        async move {
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                last.notify_one();
            }
            Ok(Done::empty())
        }
    });
    let summary = worker.build().run(done.notified()).await?;
    report("worked off", usize::try_from(summary.completed)?, began);
    Ok(())
}

async fn submit(client: &Client, jobs: usize) -> Result<()> {
    let batches = (0..jobs.div_ceil(BATCH)).map(|n| async move {
        let count = BATCH.min(jobs - n * BATCH);
        let batch = vec![JobIn::new("noop", &serde_json::json!({"n": n}))?; count];
        client.jobs().create_batch(&batch, None).await
    });
    futures::stream::iter(batches).buffer_unordered(4).try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

fn report(what: &str, jobs: usize, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{what} {jobs} jobs in {seconds:.2} s: {:.0}/s", jobs as f64 / seconds);
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}
