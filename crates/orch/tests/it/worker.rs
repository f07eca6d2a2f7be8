//! The SDK's worker against the real server: killed servers, stale leases, cancels, drains.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orch_client::{
    Client, Done, HandlerError, JobContext, JobId, JobIn, JobOut, JobState, JobType, Worker, WorkerSummary,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::server::Server;

/// How long a test waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    stop: oneshot::Sender<()>,
    life: JoinHandle<Result<WorkerSummary, orch_client::Error>>,
}

impl Running {
    fn start(worker: Worker) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        Self { stop, life: tokio::spawn(worker.run(async { drop(stopped.await) })) }
    }

    async fn stop(self) -> WorkerSummary {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.life).await.expect("it drains").unwrap().unwrap()
    }
}

async fn declare(client: &Client, name: &str, lease_ms: u64) {
    let policy = JobType { lease_ms: Some(lease_ms), lost_max: Some(1_000), backoff_ms: Some(1), ..JobType::new(name) };
    client.job_types().create(&policy).await.unwrap();
}

async fn submit(client: &Client, job_type: &str, count: usize) -> Vec<JobId> {
    let jobs: Vec<_> = (0..count).map(|n| JobIn::new(job_type, &n).unwrap()).collect();
    client.jobs().create_batch(&jobs, None).await.unwrap().iter().map(|job| job.id).collect()
}

async fn ended(client: &Client, job: &JobId) -> JobOut {
    client.jobs().wait(job, PATIENCE).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_server_loses_nothing_and_counts_nothing_twice() {
    let mut server = Server::start();
    let client = server.client();
    declare(&client, "work", 2_000).await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let done = Arc::clone(&seen);
    let worker = Worker::builder(server.client()).capacity(16).claim_wait(Duration::from_secs(2));
    let worker = Running::start(
        worker
            .handler("work", move |ctx: JobContext, n: u64| {
                let done = Arc::clone(&done);
                async move {
                    // A call under way when the server dies: the SDK waits for it to come back.
                    let made = ctx.put_artifact(format!("artifact of {n}"), "text/plain").await?;
                    done.lock().unwrap().insert(ctx.job_id());
                    Ok(Done::result(&n)?.artifact(made))
                }
            })
            .build(),
    );
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.extend(submit(&client, "work", 300).await);
        server.kill_and_restart();
    }
    jobs.extend(submit(&client, "work", 100).await);
    for (n, job) in jobs.iter().enumerate() {
        let job = ended(&client, job).await;
        assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!(n % 300))));
        assert_eq!(job.artifacts.len(), 1);
    }
    assert_eq!(seen.lock().unwrap().len(), jobs.len());
    let summary = worker.stop().await;
    assert!(summary.completed >= jobs.len() as u64, "{summary:?}");
    let counts = client.jobs().summary().await.unwrap();
    let counted: u64 = counts.by_type.iter().filter(|row| row.state == JobState::Succeeded).map(|row| row.jobs).sum();
    assert_eq!(counted, jobs.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_through_a_killed_server_and_its_report_counts() {
    let mut server = Server::start();
    let client = server.client();
    declare(&client, "slow", 1_500).await;
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, gone) = (Arc::clone(&began), Arc::clone(&go));
    let worker = Worker::builder(server.client()).capacity(1).handler("slow", move |ctx: JobContext, n: u64| {
        let (begin, gone) = (Arc::clone(&begin), Arc::clone(&gone));
        async move {
            begin.notify_one();
            gone.notified().await;
            Ok(Done::result(&json!([ctx.attempt(), n]))?)
        }
    });
    let worker = Running::start(worker.build());
    let job = submit(&client, "slow", 1).await[0];
    tokio::time::timeout(PATIENCE, began.notified()).await.expect("it begins");
    server.kill_and_restart();
    go.notify_one();
    let job = ended(&client, &job).await;
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!([1, 0]))));
    assert_eq!(worker.stop().await.stale, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_reaches_the_running_handler() {
    let server = Server::start();
    let client = server.client();
    declare(&client, "slow", 1_000).await;
    let began = Arc::new(Notify::new());
    let begin = Arc::clone(&began);
    let worker = Worker::builder(server.client()).handler("slow", move |ctx: JobContext, _: Value| {
        let begin = Arc::clone(&begin);
        async move {
            begin.notify_one();
            ctx.cancelled().await;
            Err(HandlerError::canceled())
        }
    });
    let worker = Running::start(worker.build());
    let job = submit(&client, "slow", 1).await[0];
    tokio::time::timeout(PATIENCE, began.notified()).await.expect("it begins");
    let outcome = client.jobs().cancel(&job, Some("enough")).await.unwrap();
    assert!(outcome.requested);
    assert_eq!(ended(&client, &job).await.state, JobState::Canceled);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_gives_back_what_did_not_end_and_another_worker_takes_it_from_the_checkpoint() {
    let server = Server::start();
    let client = server.client();
    declare(&client, "slow", 5_000).await;
    let began = Arc::new(Notify::new());
    let begin = Arc::clone(&began);
    let first = Worker::builder(server.client()).worker_id("first").grace(Duration::from_millis(20));
    let first = first.handler("slow", move |ctx: JobContext, _: Value| {
        let begin = Arc::clone(&begin);
        async move {
            ctx.checkpoint(&json!({"page": 3}))?;
            begin.notify_one();
            std::future::pending::<()>().await;
            Ok(Done::empty())
        }
    });
    let first = Running::start(first.build());
    let job = submit(&client, "slow", 1).await[0];
    tokio::time::timeout(PATIENCE, began.notified()).await.expect("it begins");
    assert_eq!(first.stop().await, WorkerSummary { completed: 0, stale: 0, released: 1 });
    let second =
        Worker::builder(server.client()).worker_id("second").handler("slow", |ctx: JobContext, _: Value| async move {
            Ok(Done::result(&ctx.last_checkpoint::<Value>()?)?)
        });
    let second = Running::start(second.build());
    let job = ended(&client, &job).await;
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!({"page": 3}))));
    assert_eq!(job.tries, Some(1), "a release costs no try");
    // A claim of the first that the server met only after its drain may have taken it once more, unheard.
    assert!((2..=3).contains(&job.attempt), "attempt {}", job.attempt);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parents_and_follow_ups_pass_through_the_fence() {
    let server = Server::start();
    let client = server.client();
    declare(&client, "leaf", 5_000).await;
    declare(&client, "join", 5_000).await;
    let worker = Worker::builder(server.client())
        .capacity(8)
        .handler("leaf", |_: JobContext, n: u64| async move { Ok(Done::result(&(n * 2))?) })
        .handler("join", |ctx: JobContext, _: Value| async move {
            let mut parents = ctx.parents();
            let mut sum = 0;
            while let Some(page) = parents.next_page().await? {
                sum += page.iter().filter_map(|parent| parent.result.as_ref()?.as_u64()).sum::<u64>();
            }
            let jobs = [JobIn::new("leaf", &1)?, JobIn::new("leaf", &2)?];
            let made = ctx.follow_ups(&jobs, "children").await?;
            let again = ctx.follow_ups(&jobs, "children").await?;
            let same = made.iter().map(|job| job.id).eq(again.iter().map(|job| job.id));
            Ok(Done::result(&json!({"sum": sum, "same": same, "made": made.len()}))?.follow_up(JobIn::new("leaf", &3)?))
        });
    let worker = Running::start(worker.build());
    let leaves = submit(&client, "leaf", 250).await;
    let join = JobIn::new("join", &()).unwrap();
    let join = leaves.iter().fold(join, |join, leaf| join.depends_on(*leaf, orch_client::DependsOn::Succeeded));
    let join = client.jobs().create(&join, None).await.unwrap().id;
    let join = ended(&client, &join).await;
    assert_eq!(join.result, Some(json!({"sum": 249 * 250, "same": true, "made": 2})));
    worker.stop().await;
    let summary = client.jobs().summary().await.unwrap();
    let leaves: u64 = summary.by_type.iter().filter(|row| row.job_type == "leaf").map(|row| row.jobs).sum();
    assert_eq!(leaves, 253);
}
