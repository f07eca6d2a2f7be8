//! What a worker promises, each against the fault that would break it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orch_client::{Axis, Client, Done, Error, HandlerError, JobContext, JobIn, Worker, WorkerBuilder, WorkerSummary};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::stub::{Fault, PATIENCE, Stub};

struct Running {
    stop: oneshot::Sender<()>,
    life: JoinHandle<Result<WorkerSummary, Error>>,
}

impl Running {
    async fn stop(self) -> WorkerSummary {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.life).await.expect("it drains").unwrap().unwrap()
    }
}

fn builder(stub: &Stub) -> WorkerBuilder {
    let client = Client::builder().address(stub.url()).token("t").build().unwrap();
    Worker::builder(client).worker_id("w1").capacity(4).claim_wait(Duration::from_secs(2))
}

fn start(builder: WorkerBuilder) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let life = tokio::spawn(builder.build().run(async {
        let _ = stopped.await;
    }));
    Running { stop, life }
}

fn echo(builder: WorkerBuilder) -> WorkerBuilder {
    builder.handler("echo", |_: JobContext, payload: Value| async move { Ok(Done::result(&payload)?) })
}

async fn all_done(stub: &Stub, count: usize) {
    stub.until("all reports", |world| world.done.len() == count).await;
}

#[tokio::test]
async fn jobs_are_handled_and_reported_once() {
    let stub = Stub::start(30_000);
    let worker = start(echo(builder(&stub)));
    let ids = stub.add("echo", (0..500).map(|n| json!(n)));
    all_done(&stub, 500).await;
    for (n, id) in ids.iter().enumerate() {
        let report = stub.report(id);
        assert_eq!((&report["report"]["outcome"], &report["report"]["result"]), (&json!("succeeded"), &json!(n)));
    }
    let summary = worker.stop().await;
    assert_eq!(summary, WorkerSummary { completed: 500, stale: 0, released: 0 });
}

#[tokio::test]
async fn a_lost_claim_answer_loses_no_grant() {
    let stub = Stub::start(30_000);
    stub.add("echo", [json!(1), json!(2), json!(3)]);
    stub.fault("/worker/claim", Fault::Unanswered);
    stub.fault("/worker/claim", Fault::Unheard);
    let worker = start(echo(builder(&stub)));
    all_done(&stub, 3).await;
    let claims = stub.bodies("/worker/claim");
    assert_eq!(claims[0]["claim_id"], claims[1]["claim_id"]);
    assert_eq!(claims[1]["claim_id"], claims[2]["claim_id"]);
    assert_eq!(worker.stop().await.completed, 3);
}

#[tokio::test]
async fn a_lost_completion_answer_is_answered_by_repeating_the_same_report() {
    let stub = Stub::start(30_000);
    stub.fault("/worker/complete", Fault::Unanswered);
    stub.fault("/worker/complete", Fault::Problem(503, "outcome_unknown", None));
    let worker = start(echo(builder(&stub)));
    stub.add("echo", [json!({"x": 1.50})]);
    stub.until("three calls", |world| world.seen.iter().filter(|seen| seen.path == "/worker/complete").count() == 3)
        .await;
    let calls = stub.bodies("/worker/complete");
    assert_eq!(calls[0], calls[1]);
    assert_eq!(calls[1], calls[2]);
    assert_eq!(worker.stop().await, WorkerSummary { completed: 1, stale: 0, released: 0 });
}

#[tokio::test]
async fn a_stale_lease_is_dropped_and_the_worker_goes_on() {
    let stub = Stub::start(30_000);
    let ids = stub.add("echo", [json!(1), json!(2), json!(3)]);
    stub.change(|world| {
        world.refuse.insert(ids[1].clone(), "stale_lease");
    });
    let worker = start(echo(builder(&stub)));
    all_done(&stub, 2).await;
    let more = stub.add("echo", [json!(4)]);
    all_done(&stub, 3).await;
    stub.report(&more[0]);
    assert_eq!(worker.stop().await, WorkerSummary { completed: 3, stale: 1, released: 0 });
}

#[tokio::test]
async fn a_report_that_cannot_be_taken_ends_the_job_with_the_reason() {
    let stub = Stub::start(30_000);
    let ids = stub.add("echo", [json!(1)]);
    stub.change(|world| {
        world.refuse.insert(ids[0].clone(), "limit_exceeded");
    });
    let worker = start(echo(builder(&stub)));
    all_done(&stub, 1).await;
    let report = &stub.report(&ids[0])["report"];
    assert_eq!((&report["outcome"], &report["error"]["code"]), (&json!("failed"), &json!("report_refused")));
    assert_eq!(report["error"]["message"], json!("limit_exceeded: said the stub"));
    worker.stop().await;
}

#[tokio::test]
async fn how_far_it_was_read_goes_with_the_report() {
    let stub = Stub::start(30_000);
    let worker = start(builder(&stub).handler("read", |ctx: JobContext, high: jiff::Timestamp| async move {
        assert_eq!(ctx.watermark(&Axis::Published), None);
        let advance = ctx.advance(Axis::Modified, high).late("2024-01-14T08:00:00Z".parse()?);
        Ok(Done::empty().watermark(advance.repair(Duration::from_secs(3_600))))
    }));
    let ids = stub.add("read", [json!("2024-01-16T00:00:00Z")]);
    all_done(&stub, 1).await;
    let watermark = json!({
        "axis": "modified", "expected": "2024-01-15T00:00:00Z", "high": "2024-01-16T00:00:00Z",
        "late": ["2024-01-14T08:00:00Z"], "repair_ms": 3_600_000
    });
    assert_eq!(stub.report(&ids[0])["report"]["watermark"], watermark);
    worker.stop().await;
}

#[tokio::test]
async fn a_report_whose_watermark_was_moved_by_another_is_tried_again() {
    let stub = Stub::start(30_000);
    let ids = stub.add("read", [json!("2024-01-16T00:00:00Z")]);
    stub.change(|world| {
        world.refuse.insert(ids[0].clone(), "watermark_conflict");
    });
    let worker = start(builder(&stub).handler("read", |ctx: JobContext, high: jiff::Timestamp| async move {
        Ok(Done::empty().watermark(ctx.advance(Axis::Modified, high)))
    }));
    all_done(&stub, 1).await;
    let report = &stub.report(&ids[0])["report"];
    assert_eq!((&report["outcome"], &report["error"]["code"]), (&json!("failed"), &json!("watermark_conflict")));
    assert_eq!(report["error"]["retryable"], json!(true));
    worker.stop().await;
}

#[tokio::test]
async fn a_call_refused_as_a_whole_is_split_until_the_culprit_is_alone() {
    let stub = Stub::start(30_000);
    let gate = Arc::new(tokio::sync::Barrier::new(4));
    let together = builder(&stub).handler("echo", move |_: JobContext, payload: Value| {
        let gate = Arc::clone(&gate);
        async move {
            gate.wait().await;
            Ok(Done::result(&payload)?)
        }
    });
    stub.fault("/worker/complete", Fault::Problem(413, "limit_exceeded", None));
    stub.add("echo", (0..4).map(|n| json!(n)));
    let worker = start(together);
    all_done(&stub, 4).await;
    assert_eq!(worker.stop().await.completed, 4);
}

#[tokio::test]
async fn handlers_go_on_through_a_restart_and_report_under_the_same_boot() {
    let mut stub = Stub::start(3_000);
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let worker = start(builder(&stub).handler("slow", move |_: JobContext, payload: Value| {
        let go = Arc::clone(&waiting);
        async move {
            go.notified().await;
            Ok(Done::result(&payload)?)
        }
    }));
    let ids = stub.add("slow", [json!("kept")]);
    stub.until("the grant", |world| world.ready.is_empty()).await;
    stub.kill();
    go.notify_one();
    stub.boot();
    all_done(&stub, 1).await;
    assert_eq!(stub.report(&ids[0])["report"]["result"], json!("kept"));
    // The new server knows no session: it is announced again, and the same.
    stub.add("slow", [json!("after")]);
    go.notify_one();
    all_done(&stub, 2).await;
    let boots: Vec<_> = stub.bodies("/worker/sessions").iter().map(|body| body["boot_id"].clone()).collect();
    assert!(boots.len() >= 2 && boots.iter().all(|boot| *boot == boots[0]), "{boots:?}");
    assert_eq!(worker.stop().await.completed, 2);
}

#[tokio::test]
async fn a_cancel_reaches_the_handler() {
    let stub = Stub::start(1_000);
    let worker = start(builder(&stub).handler("slow", |ctx: JobContext, _: Value| async move {
        assert!(!ctx.canceled());
        ctx.cancelled().await;
        assert!(ctx.canceled());
        Err(HandlerError::canceled())
    }));
    let ids = stub.add("slow", [json!({})]);
    stub.change(|world| {
        world.canceling.insert(format!("lse_{}.1", ids[0]));
    });
    all_done(&stub, 1).await;
    assert_eq!(stub.report(&ids[0])["report"], json!({"token": format!("lse_{}.1", ids[0]), "outcome": "canceled"}));
    worker.stop().await;
}

/// Says when it is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_lost_lease_ends_its_handler_without_a_report() {
    let stub = Stub::start(1_000);
    let dropped = Arc::new(Notify::new());
    let watch = Arc::clone(&dropped);
    let worker = start(builder(&stub).capacity(1).handler("slow", move |ctx: JobContext, _: Value| {
        let guard = Dropped(Arc::clone(&watch));
        async move {
            let _guard = guard;
            if ctx.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(Done::empty())
        }
    }));
    let ids = stub.add("slow", [json!({})]);
    stub.until("the grant", |world| world.ready.is_empty() && !world.seen.is_empty()).await;
    // The server gives the job to a next attempt: our fence has fallen.
    stub.change(crate::stub::World::expire_all);
    tokio::time::timeout(PATIENCE, dropped.notified()).await.expect("the handler is ended");
    all_done(&stub, 1).await;
    assert_eq!(stub.report(&ids[0])["report"]["token"], json!(format!("lse_{}.2", ids[0])));
    assert_eq!(worker.stop().await, WorkerSummary { completed: 1, stale: 1, released: 0 });
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_gives_back_what_does_not() {
    let stub = Stub::start(30_000);
    let began = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&began);
    let worker = start(builder(&stub).capacity(2).handler("slow", move |ctx: JobContext, _: Value| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            ctx.shutdown_began().await;
            assert!(ctx.shutting_down());
            Ok(Done::empty())
        }
    }));
    stub.add("slow", (0..5).map(|n| json!(n)));
    stub.until("two grants", |world| world.ready.len() == 3).await;
    while began.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let summary = worker.stop().await;
    assert_eq!((summary.completed, summary.stale), (2, 0));
    let world = stub.world();
    assert!(world.done.values().all(|done| done["report"]["outcome"] == "succeeded"), "{:#?}", world.done);
    assert_eq!((world.ready.len() + world.released.len(), world.held()), (3, 0));
    assert_eq!(began.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_a_claim_is_granted_during_shutdown_is_given_back() {
    let stub = Stub::start(30_000);
    let worker = start(echo(builder(&stub)));
    stub.until("a parked claim", |world| world.seen.iter().any(|seen| seen.path == "/worker/claim")).await;
    // Jobs come in without waking the parked claim: the last look, under the same id, is granted them.
    let ids = stub.add_silently("echo", [json!(1), json!(2)]);
    let summary = worker.stop().await;
    let claims = stub.bodies("/worker/claim");
    assert_eq!((claims.len(), &claims[1]["wait_ms"]), (2, &json!(0)));
    assert_eq!(claims[0]["claim_id"], claims[1]["claim_id"]);
    assert_eq!(summary, WorkerSummary { completed: 0, stale: 0, released: 2 });
    let world = stub.world();
    assert_eq!((world.held(), world.released.len()), (0, ids.len()));
}

#[tokio::test]
async fn handlers_that_outlast_the_grace_are_ended_and_their_jobs_given_back() {
    let stub = Stub::start(30_000);
    let began = Arc::new(Notify::new());
    let begin = Arc::clone(&began);
    let worker =
        start(builder(&stub).grace(Duration::from_millis(50)).handler("stuck", move |ctx: JobContext, _: Value| {
            let begin = Arc::clone(&begin);
            async move {
                ctx.checkpoint(&json!({"page": 7}))?;
                begin.notify_one();
                std::future::pending::<()>().await;
                Ok(Done::empty())
            }
        }));
    let ids = stub.add("stuck", [json!({})]);
    tokio::time::timeout(PATIENCE, began.notified()).await.expect("the handler begins");
    let summary = worker.stop().await;
    assert_eq!(summary, WorkerSummary { completed: 0, stale: 0, released: 1 });
    assert_eq!(stub.world().released, [format!("lse_{}.1", ids[0])]);
    let beats = stub.bodies("/worker/heartbeat");
    let saved: Vec<_> = beats.iter().filter_map(|body| body["leases"][0].get("checkpoint")).collect();
    assert_eq!(saved, [&json!({"page": 7})]);
}

#[expect(clippy::disallowed_methods, reason = "the handler burns real time")]
fn burn(duration: Duration) {
    let until = Instant::now() + duration;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// The runtime has one thread, and the handler keeps it: only the heartbeats' own thread is left.
#[tokio::test(flavor = "current_thread")]
async fn a_handler_that_burns_the_processor_keeps_its_lease() {
    let stub = Stub::start(1_000);
    let worker = start(builder(&stub).capacity(1).handler("burn", |_: JobContext, _: Value| async {
        burn(Duration::from_secs(3));
        Ok(Done::empty())
    }));
    let ids = stub.add("burn", [json!({})]);
    all_done(&stub, 1).await;
    {
        let world = stub.world();
        assert_eq!(world.expired, 0);
        let token = json!(format!("lse_{}.1", ids[0]));
        let beats: Vec<_> = world
            .seen
            .iter()
            .filter(|seen| seen.path == "/worker/heartbeat" && seen.body["leases"][0]["token"] == token)
            .map(|seen| seen.at)
            .collect();
        let widest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(beats.len() >= 8 && widest < Duration::from_millis(900), "{} beats, {widest:?}", beats.len());
    }
    assert_eq!(worker.stop().await.completed, 1);
}

#[tokio::test]
async fn a_panic_is_a_retryable_error() {
    let stub = Stub::start(30_000);
    let worker = start(builder(&stub).handler("boom", |_: JobContext, n: u32| async move {
        assert!(n != 1, "number one");
        Ok(Done::empty())
    }));
    let ids = stub.add("boom", [json!(1), json!(2), json!("no number")]);
    all_done(&stub, 3).await;
    let error = &stub.report(&ids[0])["report"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("handler_panic"), &json!(true)));
    assert_eq!(error["message"], json!("number one"));
    assert_eq!(stub.report(&ids[1])["report"]["outcome"], json!("succeeded"));
    let error = &stub.report(&ids[2])["report"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("invalid_payload"), &json!(false)));
    worker.stop().await;
}

#[tokio::test]
async fn what_a_handler_says_arrives_before_its_report() {
    let stub = Stub::start(1_000);
    let worker = start(builder(&stub).handler("talk", |ctx: JobContext, _: Value| async move {
        let before: Option<Value> = ctx.last_checkpoint()?;
        assert_eq!(before, None);
        ctx.log("one");
        ctx.log("two");
        ctx.progress(40, "almost half");
        ctx.checkpoint(&[1, 2])?;
        let jobs = [JobIn::new("echo", &1)?.label("a", "b")];
        let made = ctx.follow_ups(&jobs, "children").await?;
        assert_eq!((made.len(), ctx.labels()["a"].as_str()), (1, "b"));
        Err(HandlerError::throttled("nvd.example", Duration::from_secs(2)))
    }));
    let ids = stub.add("talk", [json!({})]);
    all_done(&stub, 1).await;
    let lines: Vec<_> =
        stub.bodies("/worker/logs").iter().flat_map(|body| body["lines"].as_array().unwrap().clone()).collect();
    let texts: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(texts, ["one", "two"]);
    let beat = stub
        .bodies("/worker/heartbeat")
        .into_iter()
        .find(|body| body["leases"][0].get("checkpoint").is_some())
        .unwrap();
    assert_eq!(beat["leases"][0]["progress"], json!({"percent": 40, "message": "almost half"}));
    assert_eq!(
        stub.world().seen.iter().find(|seen| seen.path == "/worker/follow-ups").unwrap().key.as_deref(),
        Some("children")
    );
    let report = &stub.report(&ids[0])["report"];
    assert_eq!(report["error"]["retry_after_ms"], json!(2_000));
    assert_eq!(report["observations"][0]["host"], json!("nvd.example"));
    worker.stop().await;
}

#[tokio::test]
async fn a_stale_answer_to_a_handlers_call_drops_the_attempt() {
    let stub = Stub::start(30_000);
    stub.fault("/worker/follow-ups", Fault::Problem(409, "stale_lease", None));
    let worker = start(builder(&stub).handler("talk", |ctx: JobContext, _: Value| async move {
        ctx.follow_ups(&[JobIn::new("echo", &1)?], "k").await?;
        Ok(Done::empty())
    }));
    stub.add("talk", [json!({}), json!({})]);
    all_done(&stub, 1).await;
    assert_eq!(worker.stop().await, WorkerSummary { completed: 1, stale: 1, released: 0 });
}

#[tokio::test]
async fn a_draining_server_gets_no_claims_until_it_says_otherwise() {
    let stub = Stub::start(600);
    stub.change(|world| world.draining = true);
    let worker = start(echo(builder(&stub).claim_wait(Duration::from_millis(100))));
    let beats = |world: &crate::stub::World| world.seen.iter().filter(|seen| seen.path == "/worker/heartbeat").count();
    stub.until("the word", move |world| beats(world) >= 4).await;
    let before = stub.bodies("/worker/claim").len();
    stub.until("more beats", move |world| beats(world) >= 7).await;
    assert_eq!(stub.bodies("/worker/claim").len(), before);
    stub.change(|world| world.draining = false);
    stub.add("echo", [json!(1)]);
    all_done(&stub, 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_refused_token_ends_the_worker_with_the_problem() {
    let stub = Stub::start(1_000);
    let client = Client::builder().address(stub.url()).token("t").build().unwrap();
    stub.fault("/worker/claim", Fault::Problem(401, "unauthenticated", None));
    let worker = echo(Worker::builder(client)).build();
    let life: std::pin::Pin<Box<dyn Future<Output = _>>> = Box::pin(worker.run(std::future::pending()));
    let error = tokio::time::timeout(PATIENCE, life).await.expect("it ends").unwrap_err();
    assert_eq!(error.code(), Some("unauthenticated"));
}
