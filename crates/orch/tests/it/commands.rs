//! Exit code, standard output and standard error of every command, as transcripts.

use std::io::Write as _;
use std::time::Duration;

use orch_client::{Done, HandlerError, JobContext, Worker};
use serde_json::{Value, json};

use crate::server::{Server, orch};
use crate::transcript::Transcript;

#[test]
fn declaring_submitting_looking_and_pausing() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    transcript.run(&server, &["health"]);
    transcript.run(&server, &["job-type", "put", "echo", "--lease-ms", "2000", "--description", "says it again"]);
    transcript.run(&server, &["job-type", "put", "echo", "--tries-max", "2"]);
    transcript.run(&server, &["job-type", "list"]);
    transcript
        .run(&server, &["source", "put", "kev", "--kind", "kev", "--host", "www.cisa.gov", "--label", "team=feeds"]);
    transcript.run(&server, &["-o", "jsonl", "source", "list"]);
    let submit =
        ["job", "submit", "echo", "--payload", r#"{"a": 1}"#, "--label", "x=y", "--source", "kev", "--key", "k"];
    let job = transcript.run(&server, &submit);
    assert_eq!(job, transcript.run(&server, &submit), "the key leads to the same job");
    transcript.run(&server, &["job", "submit", "echo", "--payload", "2", "--key", "k"]);
    let child = transcript
        .run(&server, &["job", "submit", "echo", "--depends-on", &format!("{job}:done"), "--priority", "high"]);
    transcript.run(&server, &["job", "submit", "echo", "--not-before", "+1h"]);
    transcript.run(&server, &["job", "list"]);
    transcript.run(&server, &["job", "summary"]);
    transcript.run(&server, &["job", "list", "--state", "ready", "--label", "x=y", "-o", "json"]);
    transcript.run(&server, &["job", "list", "--limit", "1"]);
    transcript.run(&server, &["job", "show", &job, "--payload"]);
    transcript.run(&server, &["lane", "list"]);
    transcript.run(&server, &["pause", "job-type", "echo", "--reason", "because"]);
    transcript.run(&server, &["pause", "list"]);
    transcript.run(&server, &["lane", "list"]);
    transcript.run(&server, &["resume", "job-type", "echo"]);
    transcript.run(&server, &["explain", "job", &job]);
    transcript.run(&server, &["explain", "lane", "1"]);
    transcript.run(&server, &["explain", "host", "www.cisa.gov"]);
    transcript.run(&server, &["explain", "tenant", "default"]);
    let set = ["throttle", "set", "--source", "kev", "--per-minute-max", "1", "--until", "+2h", "--reason", "slow"];
    transcript.run(&server, &set);
    transcript.run(&server, &["throttle", "set", "--source", "kev", "--per-minute-max", "1"]);
    transcript.run(&server, &["throttle", "set", "--source", "kev", "--all", "--active-max", "1", "--until", "+2h"]);
    transcript.run(&server, &["throttle", "list"]);
    transcript.run(&server, &["throttle", "end", "--source", "kev"]);
    transcript.run(&server, &["throttle", "list"]);
    transcript.run(&server, &["pause", "list", "-o", "json"]);
    transcript.run(&server, &["job", "wait", &job, "--timeout", "0"]);
    transcript.run(&server, &["job", "cancel", &job, "--reason", "no need"]);
    transcript.run(&server, &["job", "wait", &job]);
    transcript.run(&server, &["job", "show", &child]);
    transcript.run(&server, &["worker", "list"]);
    insta::assert_snapshot!("declaring_submitting_looking_and_pausing", transcript.0);
}

#[test]
fn what_fails_says_why_and_exits_accordingly() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    let missing = "job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    transcript.run(&server, &["job", "show", missing]);
    transcript.run(&server, &["job", "show", "42"]);
    transcript.run(&server, &["job", "submit", "nobody.knows"]);
    transcript.run(&server, &["job", "submit", "echo", "--payload", "{"]);
    transcript.run(&server, &["job", "list", "--state", "sideways"]);
    transcript.run(&server, &["job-type", "put", "echo", "--lease-ms", "1"]);
    transcript.run(&server, &["dead-letter", "show", missing]);
    transcript.run(&server, &["--token", "wrong", "job", "list"]);
    let arguments = ["job", "list"];
    transcript.note(&arguments, &orch(&arguments, &[("ORCH_ADDRESS", &server.address)]));
    let arguments = ["--patience", "0", "job", "list"];
    transcript.note(&arguments, &orch(&arguments, &[("ORCH_ADDRESS", "http://127.0.0.1:1"), ("ORCH_TOKEN", "t")]));
    transcript.note(&["job"], &orch(&["job", "cancel"], &[]));
    insta::assert_snapshot!("what_fails_says_why_and_exits_accordingly", transcript.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_and_its_ends() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    transcript.run(&server, &["job-type", "put", "echo"]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::builder(server.client()).worker_id("w1").capacity(2);
    let worker = worker.handler("echo", |ctx: JobContext, payload: Value| async move {
        ctx.log(format!("got {payload}"));
        if payload == json!("bad") {
            return Err(HandlerError::permanent("bad_payload", "cannot be read"));
        }
        Ok(Done::result(&payload)?)
    });
    let worker = tokio::spawn(worker.build().run(async { drop(stopped.await) }));
    transcript.run(&server, &["job", "submit", "echo", "--payload", r#"{"n": 1}"#, "--wait", "--timeout", "30s"]);
    let bad = transcript.run(&server, &["job", "submit", "echo", "--payload", "\"bad\"", "--wait"]);
    let bad = bad.split(' ').next().unwrap().to_owned();
    transcript.run(&server, &["job", "logs", &bad]);
    transcript.run(&server, &["job", "attempts", &bad]);
    let history = server.orch(&["job", "history", &bad, "-o", "jsonl"]);
    let kinds: Vec<String> =
        history.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].to_string()).collect();
    assert!(kinds.len() >= 3 && history.code == 0, "{kinds:?} {}", history.err);
    transcript.run(&server, &["dead-letter", "list"]);
    transcript.run(&server, &["dead-letter", "show", &bad]);
    transcript.run(&server, &["dead-letter", "discard", &bad, "--reason", "withdrawn", "--yes"]);
    transcript.run(&server, &["dead-letter", "replay", &bad]);
    transcript.run(&server, &["dead-letter", "list", "--settled"]);
    transcript.run(&server, &["job", "cancel", &bad]);
    let again = transcript.run(&server, &["job", "retry", &bad]);
    transcript.run(&server, &["job", "wait", &again]);
    transcript.run(&server, &["job", "summary"]);
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), worker).await.expect("it drains").unwrap().unwrap();
    insta::assert_snapshot!("work_and_its_ends", transcript.0);
}

#[test]
fn tenants_and_tokens() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    transcript.run(&server, &["tenant", "create", "acme"]);
    transcript.run(&server, &["tenant", "create", "acme"]);
    let made =
        server.orch(&["token", "create", "--tenant", "acme", "--name", "reader", "--scope", "read", "-o", "json"]);
    let secret = serde_json::from_str::<Value>(&made.out).unwrap()["secret"].as_str().unwrap().to_owned();
    let file = server.folder().join("reader");
    writeln!(std::fs::File::create(&file).unwrap(), "{secret}").unwrap();
    let as_reader = |arguments: &[&str]| {
        orch(arguments, &[("ORCH_ADDRESS", &server.address), ("ORCH_TOKEN_FILE", file.to_str().unwrap())])
    };
    for arguments in [&["job", "list"][..], &["job-type", "put", "x"], &["tenant", "list"]] {
        transcript.note(arguments, &as_reader(arguments));
    }
    transcript.run(&server, &["token", "create", "--name", "n", "--scope", "everything"]);
    insta::assert_snapshot!("tenants_and_tokens", transcript.0);
}

#[test]
fn every_exit_code_is_met() {
    let server = Server::start();
    server.orch(&["job-type", "put", "echo"]);
    server.orch(&["tenant", "create", "acme"]);
    let (open, canceled) = (server.orch(&["job", "submit", "echo"]).out, server.orch(&["job", "submit", "echo"]).out);
    let (open, canceled) = (open.trim(), canceled.trim());
    server.orch(&["job", "cancel", canceled]);
    let met = [
        &["health"][..],
        &["job", "show", "42"],
        &["job", "wait", canceled],
        &["job", "wait", open, "--timeout", "0"],
        &["job", "list", "--token", "wrong"],
        &["source", "show", "nothing"],
        &["tenant", "create", "acme"],
    ]
    .map(|arguments| server.orch(arguments).code);
    assert_eq!(met, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_folder_is_served_by_one_process_and_keeps_its_token() {
    let mut server = Server::start();
    server.orch(&["job-type", "put", "echo"]);
    let job = server.orch(&["job", "submit", "echo"]).out;
    let second = orch(&["dev", "--listen", "127.0.0.1:0", "--data", server.folder().to_str().unwrap()], &[]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("could not open the ledger"), "{}", second.err);
    assert!(!second.err.contains(&server.token));
    server.kill_and_restart();
    assert_eq!(server.orch(&["job", "show", job.trim()]).code, 0, "what was acknowledged is there");
    let file = server.folder().join("token");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), server.token);
    assert!(server.terminate(), "SIGTERM drains");
}

#[test]
fn the_openapi_document_is_printed_without_a_server() {
    let printed = orch(&["openapi"], &[]);
    let document: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!((printed.code, document["openapi"].as_str()), (0, Some("3.1.0")));
}
