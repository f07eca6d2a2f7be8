//! Watermarks on the command line.

use std::time::Duration;

use jiff::Timestamp;
use orch_client::{Axis, Done, JobContext, Worker};
use serde_json::{Value, json};

use crate::server::Server;
use crate::transcript::Transcript;

#[test]
fn watermarks_are_set_shown_and_taken_back() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    server.orch(&["source", "put", "kev", "--kind", "kev"]);
    transcript.run(&server, &["watermark", "list"]);
    transcript.run(&server, &["watermark", "show", "kev", "published"]);
    transcript.run(&server, &["watermark", "set", "kev", "published", "--high", "+1h", "--lateness", "2h"]);
    let hole = "2024-01-02T00:00:00Z/2024-01-03T00:00:00Z";
    let back = ["watermark", "set", "kev", "published", "--low", "2024-01-01T00:00:00Z", "--hole", hole];
    transcript.run(&server, &[&back[..], &["--reason", "the 2nd is missing"]].concat());
    transcript.run(&server, &["watermark", "set", "kev", "published", "--no-holes", "--repair", hole, "--dry-run"]);
    transcript.run(&server, &["watermark", "list", "-o", "wide"]);
    transcript.run(&server, &["watermark", "list", "--source", "osv"]);
    let early = ["watermark", "set", "kev", "published", "--high", "2024-01-02T12:00:00Z", "-o", "json"];
    let early = server.orch(&early);
    let early: Value = serde_json::from_str(&early.out).unwrap();
    let kept = json!([{"from": "2024-01-02T00:00:00Z", "to": "2024-01-02T12:00:00Z"}]);
    assert_eq!((&early["holes"], &early["lateness_ms"]), (&kept, &json!(7_200_000)));
    transcript.run(&server, &["watermark", "set", "kev", "published", "--unread"]);
    transcript.run(&server, &["watermark", "set", "kev", "published", "--low", "2024-01-01T00:00:00Z"]);
    transcript.run(&server, &["watermark", "set", "kev", "published", "--high", "2024-01-01T00:00:00Z", "--unread"]);
    transcript.run(&server, &["watermark", "set", "kev", "withdrawn", "--unread"]);
    transcript.run(&server, &["watermark", "set", "osv", "modified", "--unread"]);
    insta::assert_snapshot!("watermarks_are_set_shown_and_taken_back", transcript.0);
}

/// Two jobs read one after the other; the second begins where the first came to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_reads_on_from_where_the_last_one_came_to() {
    let server = Server::start();
    server.orch(&["source", "put", "kev", "--kind", "kev"]);
    server.orch(&["job-type", "put", "read"]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::builder(server.client()).handler("read", |ctx: JobContext, high: Timestamp| async move {
        let from = ctx.watermark(&Axis::Modified).and_then(|head| head.high);
        let advance = ctx.advance(Axis::Modified, high).back_to("2024-01-01T00:00:00Z".parse()?);
        Ok(Done::result(&from)?.watermark(advance))
    });
    let worker = tokio::spawn(worker.build().run(async { drop(stopped.await) }));
    for high in ["\"2024-01-02T00:00:00Z\"", "\"2024-01-03T00:00:00Z\""] {
        let done = server.orch(&["job", "submit", "read", "--source", "kev", "--payload", high, "--wait"]);
        assert_eq!(done.code, 0, "{} {}", done.out, done.err);
    }
    let shown = server.orch(&["watermark", "show", "kev", "modified", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let ends = (&shown["low"], &shown["high"], &shown["version"]);
    assert_eq!(ends, (&json!("2024-01-01T00:00:00Z"), &json!("2024-01-03T00:00:00Z"), &json!(2)));
    let job = server.orch(&["job", "show", shown["job"].as_str().unwrap(), "-o", "json"]);
    let job: Value = serde_json::from_str(&job.out).unwrap();
    assert_eq!(job["result"], "2024-01-02T00:00:00Z", "where the last one came to");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), worker).await.expect("it drains").unwrap().unwrap();
}
