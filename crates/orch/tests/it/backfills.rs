//! Backfills and simulations: told before, asked for, watched, held, read again and ended.

use std::time::Duration;

use orch_client::{Done, HandlerError, JobContext, Worker};
use serde_json::{Value, json};

use crate::server::Server;
use crate::transcript::Transcript;

/// The range of all backfills here, and why.
const JANUARY: [&str; 12] = [
    "--source",
    "kev",
    "--from",
    "2024-01-01",
    "--to",
    "2024-01-05",
    "--window",
    "1d",
    "--reason",
    "lost",
    "--ticket",
    "OPS-17",
];

/// Reads windows; the one that begins at `2024-01-02` is not there.
async fn reading(server: &Server, stopped: tokio::sync::oneshot::Receiver<()>) {
    let worker = Worker::builder(server.client()).worker_id("w1").capacity(4);
    let worker = worker.handler("feeds.fetch", |ctx: JobContext, payload: Value| async move {
        let window = ctx.window().copied().expect("each of its jobs reads a window");
        assert_eq!(payload["window"]["from"], format!("{:.3}", window.from), "{payload}");
        if window.number == 1 && payload["mode"] != "again" {
            return Err(HandlerError::permanent("gone", "it is not there"));
        }
        Ok(Done::result(&payload)?)
    });
    worker.build().run(async { drop(stopped.await) }).await.unwrap();
}

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["backfill"], command, &JANUARY, more].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backfills_are_told_asked_for_held_and_read_again() {
    let server = std::sync::Arc::new(Server::start());
    let mut transcript = Transcript::default();
    assert_eq!(server.orch(&["job-type", "put", "feeds.fetch", "--tries-max", "1"]).code, 0);
    assert_eq!(server.orch(&["source", "put", "kev", "--kind", "kev", "--host", "kev.example"]).code, 0);
    let of_jobs = ["--job-type", "feeds.fetch", "--payload", r#"{"mode":"full"}"#, "--parallelism", "2"];
    transcript.run(&server, &with(&["preview"], &of_jobs));
    transcript.run(&server, &with(&["create", "--dry-run"], &of_jobs));
    let lost = transcript.run(&server, &with(&["create"], &of_jobs));
    transcript.run(&server, &with(&["create"], &of_jobs));
    transcript.run(&server, &["backfill", "windows", &lost]);
    transcript.run(&server, &["backfill", "pause", &lost, "--reason", "the feed moves"]);
    transcript.run(&server, &["backfill", "list"]);
    transcript.run(&server, &["backfill", "resume", &lost]);
    transcript.run(&server, &["backfill", "rerun", &lost, "--reason", "r", "--ticket", "T"]);

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let at = std::sync::Arc::clone(&server);
    let worker = tokio::spawn(async move { reading(&at, stopped).await });
    ended(&server, &lost).await;
    transcript.run(&server, &["backfill", "show", &lost]);
    transcript.run(&server, &["backfill", "windows", &lost, "--limit", "2"]);
    transcript.run(&server, &["backfill", "cancel", &lost]);
    let jobs = server.orch(&["job", "list", "--backfill", &lost, "-o", "jsonl"]).out;
    let jobs: Vec<Value> = jobs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(jobs.len() == 4 && jobs.iter().all(|job| job["window"]["backfill"] == lost.as_str()), "{jobs:?}");
    let again = transcript.run(&server, &["backfill", "rerun", &lost, "--reason", "it is back", "--ticket", "OPS-18"]);
    ended(&server, &again).await;
    transcript.run(&server, &["backfill", "list", "-o", "name", "--limit", "1"]);
    let all = ["--job-type", "feeds.fetch", "--payload", r#"{"mode":"again"}"#, "--reprocess", "missing-and-failed"];
    let preview: Value = serde_json::from_str(&server.orch(&with(&["preview", "-o", "json"], &all)).out).unwrap();
    assert_eq!((&preview["read"], &preview["failed_before"], &preview["asked"]), (&json!(3), &json!(1), &json!(1)));
    let rest = transcript.run(&server, &with(&["create"], &all));
    ended(&server, &rest).await;
    let shown: Value = serde_json::from_str(&server.orch(&["backfill", "show", &rest, "-o", "json"]).out).unwrap();
    assert_eq!((&shown["state"], &shown["windows"]["read_before"]), (&json!("succeeded"), &json!(3)), "{shown}");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), worker).await.expect("it drains").unwrap();
    insta::assert_snapshot!("backfills_are_told_asked_for_held_and_read_again", transcript.0);
}

/// Waits until a backfill has ended.
#[expect(clippy::disallowed_methods, reason = "another process's state can only be looked at again")]
async fn ended(server: &Server, backfill: &str) {
    let (client, id) = (server.client(), backfill.parse().unwrap());
    for _ in 0..300 {
        if client.backfills().get(&id).await.unwrap().state.is_final() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never ends: {}", server.orch(&["backfill", "show", backfill]).out);
}

#[test]
fn what_would_happen_is_told_and_does_not() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    assert_eq!(server.orch(&["job-type", "put", "feeds.fetch"]).code, 0);
    assert_eq!(server.orch(&["source", "put", "kev", "--kind", "kev"]).code, 0);
    for _ in 0..4 {
        assert_eq!(server.orch(&["job", "submit", "feeds.fetch", "--source", "kev"]).code, 0);
    }
    transcript.run(&server, &["simulate"]);
    transcript.run(&server, &["simulate", "--workers", "2x1:feeds.fetch", "--dry-run"]);
    let file = |name: &str, text: &str| {
        let path = server.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let limit = file("limit.yaml", "declare: job_type\nname: feeds.fetch\nconcurrency_max: 1\n");
    let backfill = json!({
        "source": "kev", "from": "2024-01-01T00:00:00Z", "to": "2024-01-03T00:00:00Z", "reason": "r", "ticket": "T",
        "job": {"job_type": "feeds.fetch"}
    });
    let backfill = file("backfill.json", &backfill.to_string());
    let both = ["simulate", "-f", &limit, "--backfill", &backfill, "--workers", "1x4:feeds.fetch", "--samples", "2"];
    let mut outcome = server.orch(&both);
    outcome.out = outcome.out.replace(&limit, "limit.yaml");
    transcript.note(
        &["simulate", "-f", "limit.yaml", "--backfill", "backfill.json", "--workers", "1x4:feeds.fetch"],
        &outcome,
    );
    transcript.run(&server, &["simulate", "--workers", "1:feeds.fetch"]);
    transcript.run(&server, &["backfill", "list"]);
    insta::assert_snapshot!("what_would_happen_is_told_and_does_not", transcript.0);
}
