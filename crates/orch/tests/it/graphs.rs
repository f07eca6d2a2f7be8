//! Graphs and runs: declared from files, planned, begun, watched, held, decided, repaired and ended.

use std::time::Duration;

use orch_client::{Done, HandlerError, JobContext, Worker};
use serde_json::{Value, json};

use crate::server::Server;
use crate::transcript::Transcript;

/// A list, a job for each item of it, and a decision.
const KEV: &str = r#"
declare: graph
name: kev
description: what is exploited
steps:
  - {name: list, job_type: feeds.list, inputs: [since]}
  - name: fetch
    job_type: feeds.fetch
    after: [{step: list, when: {pointer: /documents/0, exists: true}}]
    map: {over: {step: list, pointer: /documents}, max: 500, concurrency_max: 8}
  - {name: ask, after: [{step: fetch}], approval: {no_self: false, timeout_ms: 3600000}}
  - {name: tell, job_type: feeds.tell, after: [{step: fetch}], trigger: one_failed}
"#;

fn declare_types(server: &Server) {
    for job_type in ["feeds.list", "feeds.fetch", "feeds.tell"] {
        assert_eq!(server.orch(&["job-type", "put", job_type, "--tries-max", "1"]).code, 0);
    }
}

/// Writes a file in the server's folder.
fn file(server: &Server, name: &str, text: &str) -> String {
    let path = server.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Notes a command as if it had been given a file of this name where it runs.
fn run_with_file(transcript: &mut Transcript, server: &Server, arguments: &[&str], path: &str, name: &str) {
    let mut outcome = server.orch(arguments);
    outcome.out = outcome.out.replace(path, name);
    outcome.err = outcome.err.replace(path, name);
    let arguments: Vec<&str> = arguments.iter().map(|word| if *word == path { name } else { *word }).collect();
    transcript.note(&arguments, &outcome);
}

#[test]
fn graphs_are_planned_declared_and_shown() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    declare_types(&server);
    let kev = file(&server, "kev.yaml", KEV);
    run_with_file(&mut transcript, &server, &["graph", "validate", &kev], &kev, "kev.yaml");
    run_with_file(&mut transcript, &server, &["graph", "apply", &kev, "--dry-run"], &kev, "kev.yaml");
    run_with_file(&mut transcript, &server, &["graph", "apply", &kev], &kev, "kev.yaml");
    run_with_file(&mut transcript, &server, &["graph", "apply", &kev], &kev, "kev.yaml");
    transcript.run(&server, &["graph", "list"]);
    transcript.run(&server, &["graph", "get", "kev", "-o", "yaml"]);
    transcript.run(&server, &["graph", "show", "kev"]);
    transcript.run(&server, &["graph", "show", "kev", "-o", "name"]);
    transcript.run(&server, &["graph", "plan", "kev"]);
    let wrong = json!({"name": "wrong", "steps": [{"name": "a", "job_type": "feeds.list", "after": [{"step": "b"}]}]});
    let path = file(&server, "wrong.json", &wrong.to_string());
    run_with_file(&mut transcript, &server, &["graph", "validate", &path], &path, "wrong.json");
    let path = file(&server, "bucket.yaml", "declare: bucket\nname: b\n");
    run_with_file(&mut transcript, &server, &["graph", "apply", &path], &path, "bucket.yaml");
    let night = ["schedule", "put", "night", "--cron", "30 3 * * *", "--graph", "kev", "--input", "since=2026-01-01"];
    transcript.run(&server, &[&night[..], &["--project", "default", "-o", "yaml"]].concat());
    transcript.run(&server, &["schedule", "list"]);
    transcript.run(&server, &["graph", "delete", "kev"]);
    transcript.run(&server, &["schedule", "delete", "night"]);
    transcript.run(&server, &["graph", "delete", "kev"]);
    transcript.run(&server, &["graph", "show", "kev"]);
    insta::assert_snapshot!("graphs_are_planned_declared_and_shown", transcript.0);
}

/// Lists two documents; where `since` is `bad`, one of them cannot be fetched.
async fn fetching(server: &Server, stopped: tokio::sync::oneshot::Receiver<()>) {
    let worker = Worker::builder(server.client()).worker_id("w1").capacity(4);
    let worker = worker.handler("feeds.list", |ctx: JobContext, payload: Value| async move {
        assert!(ctx.run().is_some_and(|part| part.step_no == 0 && part.index.is_none()), "{:?}", ctx.run());
        let bad = payload["since"] == "bad";
        Ok(Done::result(&json!({"documents": ["a", if bad { "bad" } else { "b" }]}))?)
    });
    let worker = worker.handler("feeds.fetch", |ctx: JobContext, payload: Value| async move {
        assert!(ctx.run().is_some_and(|part| part.step_no == 1 && part.index.is_some()), "{:?}", ctx.run());
        if payload["item"] == "bad" {
            return Err(HandlerError::permanent("gone", "it is not there"));
        }
        Ok(Done::result(&payload)?)
    });
    worker.build().run(async { drop(stopped.await) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_begun_watched_decided_repaired_and_ended() {
    let server = std::sync::Arc::new(Server::start());
    let mut transcript = Transcript::default();
    declare_types(&server);
    let kev = file(&server, "kev.yaml", KEV);
    assert_eq!(server.orch(&["graph", "apply", &kev]).code, 0);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let at = std::sync::Arc::clone(&server);
    let worker = tokio::spawn(async move { fetching(&at, stopped).await });

    let start = ["run", "start", "kev", "--input", "since=bad", "--run-token", "one", "--label", "team=feeds"];
    let bad = transcript.run(&server, &start);
    assert_eq!(transcript.run(&server, &start), bad, "the token leads to the same run");
    // Its failure is told by a job that nobody does.
    until(&server, &bad, "tell", "running").await;
    transcript.run(&server, &["run", "wait", &bad, "--timeout", "0"]);
    transcript.run(&server, &["run", "pause", &bad, "--reason", "wait"]);
    transcript.run(&server, &["run", "list", "--state", "paused"]);
    transcript.run(&server, &["run", "resume", &bad]);
    transcript.run(&server, &["run", "approve", &bad, "tell"]);
    transcript.run(&server, &["run", "rerun", &bad, "--only-failed"]);
    transcript.run(&server, &["run", "cancel", &bad, "--reason", "nobody tells"]);
    transcript.run(&server, &["run", "wait", &bad]);
    transcript.run(&server, &["run", "get", &bad]);
    transcript.run(&server, &["run", "rerun", &bad]);
    let again = ["run", "rerun", &bad, "--from", "list", "--input", "since=2026-01-01", "--reason", "it is back"];
    let again = transcript.run(&server, &again);
    until(&server, &again, "ask", "running").await;
    transcript.run(&server, &["run", "approve", &again, "ask", "--reason", "plausible"]);
    transcript.run(&server, &["run", "wait", &again]);
    transcript.run(&server, &["run", "list", "--graph", "kev", "--state", "succeeded"]);
    let no = server.orch(&["run", "start", "kev", "--inputs", r#"{"since": 1}"#]).out.trim().to_owned();
    until(&server, &no, "ask", "running").await;
    transcript.run(&server, &["run", "reject", &no, "ask", "--reason", "half of it is missing"]);
    transcript.run(&server, &["run", "wait", &no]);
    transcript.run(&server, &["run", "show", "run_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"]);

    let shown = server.orch(&["run", "show", &no]).out;
    let line = |start: &str| shown.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
    assert!(line("fetch").contains("map") && line("fetch").contains("succeeded"), "{shown}");
    assert!(line("ask").contains("failed") && line("ask").contains("half of it is missing"), "{shown}");
    assert!(line("critical").contains("list -> fetch -> ask"), "{shown}");
    let chart = server.orch(&["run", "timeline", &again, "--width", "20"]).out;
    let steps: Vec<&str> = chart.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(chart.lines().count(), 5, "{chart}");
    assert!(steps[1] == "list" && steps[2].starts_with("fetch["), "{chart}");
    let timeline = server.orch(&["run", "timeline", &again, "-o", "jsonl"]).out;
    assert_eq!(timeline.lines().count(), 3, "{timeline}");
    let jobs = server.orch(&["job", "list", "--run", &again, "-o", "jsonl"]).out;
    let jobs: Vec<Value> = jobs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(jobs.iter().filter(|job| job["run"]["run"] == again.as_str()).count(), 3, "{jobs:?}");
    let replayed = server.orch(&["job", "replay", jobs[0]["id"].as_str().unwrap(), "-o", "json"]);
    let replayed: Value = serde_json::from_str(&replayed.out).unwrap();
    assert_eq!((&replayed["origin"]["kind"], &replayed["priority"]), (&json!("replay"), &json!("high")));
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), worker).await.expect("it drains").unwrap();
    insta::assert_snapshot!("runs_are_begun_watched_decided_repaired_and_ended", transcript.0);
}

/// Waits until a step of a run is in this state.
#[expect(clippy::disallowed_methods, reason = "another process's state can only be looked at again")]
async fn until(server: &Server, run: &str, step: &str, state: &str) {
    let client = server.client();
    let id = run.parse().unwrap();
    for _ in 0..300 {
        let graph = client.runs().graph(&id).await.unwrap();
        if graph.nodes.iter().any(|node| node.step == step && node.state.as_str() == state) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{step} is never {state}: {}", server.orch(&["run", "show", run]).out);
}
