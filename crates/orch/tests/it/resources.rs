//! Projects, artifacts, calls by hand, batches, rehearsals and consent.

use crate::server::Server;
use crate::transcript::Transcript;

#[test]
fn projects_artifacts_and_calls_by_hand() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    transcript.run(&server, &["project", "put", "feeds", "--description", "what comes in"]);
    transcript.run(&server, &["project", "list"]);
    transcript.run(&server, &["project", "show", "nothing"]);
    let (file, copy) = (server.folder().join("a.txt"), server.folder().join("b.txt"));
    std::fs::write(&file, "some bytes\n").unwrap();
    let digest = server.orch(&["artifact", "put", file.to_str().unwrap(), "--media-type", "text/plain"]).out;
    let digest = digest.trim();
    transcript.run(&server, &["artifact", "get", digest]);
    server.orch(&["artifact", "get", digest, "--out", copy.to_str().unwrap()]);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&file).unwrap());
    transcript.run(&server, &["artifact", "get", &"0".repeat(64)]);
    transcript.run(&server, &["api", "GET", "/projects/feeds", "-o", "yaml"]);
    let make = ["api", "post", "/job-types", "--data", r#"{"name": "echo", "tries_max": 2}"#, "--key", "once"];
    assert_eq!(server.orch(&make).code, 0);
    let again = server.orch(&make);
    assert!(
        again.code == 0 && again.out.contains("\"tries_max\":2"),
        "the key leads to the same answer: {}",
        again.out
    );
    transcript.run(&server, &["api", "GET", "/job-types/none"]);
    transcript.run(&server, &["api", "POST", "/job-types", "--data", r#"{"nam": "echo"}"#, "-o", "json"]);
    transcript.run(&server, &["api", "GET", "job-types"]);
    insta::assert_snapshot!("projects_artifacts_and_calls_by_hand", transcript.0);
}

#[test]
fn blackouts_their_windows_and_the_quiet_between() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    let night = ["--cron", "30 3 * * *", "--duration", "1h", "--zone", "Europe/Athens"];
    transcript.run(&server, &[&["blackout", "put", "night", "--host", "nvd.example"], &night[..]].concat());
    transcript.run(&server, &["blackout", "put", "night", "--action", "drain", "--lead", "10m", "-o", "yaml"]);
    let rule = ["--rrule", "FREQ=WEEKLY;BYDAY=SA", "--starts-at", "2026-01-03T22:00:00", "--duration", "6h"];
    server.orch(&[&["blackout", "put", "weekend"], &rule[..]].concat());
    transcript.run(&server, &["blackout", "list"]);
    let from = ["--from", "2100-03-27T02:00:00Z"];
    transcript.run(&server, &[&["blackout", "windows", "night", "--count", "2", "-o", "wide"], &from[..]].concat());
    transcript.run(&server, &[&["blackout", "quiet", "--duration", "24h", "-o", "json"], &from[..]].concat());
    transcript.run(&server, &["blackout", "put", "never", "--cron", "0 0 30 2 *", "--duration", "1h"]);
    transcript.run(&server, &["blackout", "put", "half", "--cron", "0 0 * * *"]);
    insta::assert_snapshot!("blackouts_their_windows_and_the_quiet_between", transcript.0);
}

#[test]
fn schedules_their_instants_and_what_became_of_them() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    server.orch(&["job-type", "put", "fetch"]);
    let night = ["--cron", "30 3 * * *", "--zone", "Europe/Athens", "--job-type", "fetch"];
    transcript.run(&server, &[&["schedule", "put", "night"], &night[..]].concat());
    transcript.run(&server, &["schedule", "put", "night", "--overlap", "buffer-one", "--catch-up", "6h", "-o", "yaml"]);
    transcript.run(&server, &["schedule", "list"]);
    let from = ["--from", "2100-03-27T02:00:00Z", "--count", "2"];
    transcript.run(&server, &[&["schedule", "next", "night"], &from[..]].concat());
    transcript.run(&server, &["schedule", "pause", "night", "--reason", "the feed moves"]);
    transcript.run(&server, &["schedule", "status", "night"]);
    transcript.run(&server, &["schedule", "resume", "night"]);
    transcript.run(&server, &["schedule", "firings", "night"]);
    transcript.run(&server, &["schedule", "put", "never", "--cron", "0 0 30 2 *", "--job-type", "fetch"]);
    transcript.run(&server, &["schedule", "put", "both", "--cron", "0 0 * * *", "--every", "1h"]);
    transcript.run(&server, &["schedule", "delete", "night"]);
    insta::assert_snapshot!("schedules_their_instants_and_what_became_of_them", transcript.0);
}

#[test]
fn buckets_with_the_terms_of_well_known_feeds() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    transcript.run(&server, &["bucket", "known"]);
    transcript.run(&server, &["bucket", "put", "nvd", "--known", "nvd-anonymous"]);
    transcript.run(&server, &["bucket", "put", "slow", "--known", "nvd-anonymous", "--term", "3/30s", "-o", "yaml"]);
    transcript.run(&server, &["bucket", "put", "cert", "--known", "csaf", "--host", "cert.example"]);
    transcript.run(&server, &["bucket", "put", "cert", "--known", "nothing"]);
    insta::assert_snapshot!("buckets_with_the_terms_of_well_known_feeds", transcript.0);
}

#[test]
fn a_rehearsal_tells_the_write_and_sends_none() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    server.orch(&["job-type", "put", "echo"]);
    transcript.run(&server, &["job", "submit", "echo", "--payload", "[1]", "--key", "k", "--dry-run"]);
    transcript.run(&server, &["job-type", "put", "echo", "--tries-max", "9", "--dry-run", "-o", "json"]);
    transcript.run(&server, &["pause", "source", "kev", "--dry-run"]);
    transcript.run(&server, &["api", "DELETE", "/jobs/1?x=y", "--dry-run"]);
    transcript.run(&server, &["job", "list", "--dry-run"]);
    transcript.run(&server, &["migrate", "--database", "postgres://nowhere/x", "--dry-run"]);
    insta::assert_snapshot!("a_rehearsal_tells_the_write_and_sends_none", transcript.0);
}

#[test]
fn breakers_are_declared_opened_and_closed() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    transcript.run(&server, &["breaker", "put", "kev", "--host", "www.cisa.gov", "--outcomes-min", "5"]);
    transcript.run(&server, &["breaker", "put", "kev", "--open-ms", "5000", "-o", "wide"]);
    transcript.run(&server, &["breaker", "put", "kev", "--job-type", "echo"]);
    transcript.run(&server, &["breaker", "put", "kev", "--host", "www.cisa.gov"]);
    transcript.run(&server, &["breaker", "put", "kev", "--host", "h", "--job-type", "t"]);
    transcript.run(&server, &["breaker", "put", "none"]);
    transcript.run(&server, &["breaker", "list"]);
    transcript.run(&server, &["breaker", "trip", "kev", "--reason", "they move", "-o", "wide"]);
    transcript.run(&server, &["breaker", "reset", "kev"]);
    transcript.run(&server, &["breaker", "state", "kev", "-o", "yaml"]);
    transcript.run(&server, &["breaker", "trip", "none"]);
    insta::assert_snapshot!("breakers_are_declared_opened_and_closed", transcript.0);
}

#[test]
fn what_cannot_be_taken_back_needs_consent() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    server.orch(&["job-type", "put", "echo"]);
    let jobs: Vec<String> = (0..2).map(|_| server.orch(&["job", "submit", "echo"]).out.trim().to_owned()).collect();
    transcript.run(&server, &["job", "cancel", &jobs[0], &jobs[1]]);
    transcript.run(&server, &["dead-letter", "discard", &jobs[0]]);
    transcript.run(&server, &["job", "cancel", &jobs[0], &jobs[1], "--yes"]);
    transcript.run(&server, &["job", "wait", &jobs[1], "-o", "name"]);
    insta::assert_snapshot!("what_cannot_be_taken_back_needs_consent", transcript.0);
}

#[test]
fn a_file_of_jobs_is_submitted_in_batches_and_once() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    server.orch(&["job-type", "put", "echo"]);
    let file = server.folder().join("jobs.jsonl");
    let lines: String = (0..7).map(|n| format!("{{\"job_type\": \"echo\", \"payload\": {n}}}\n")).collect();
    std::fs::write(&file, lines + "\n{\"job_type\": \"echo\"}\n").unwrap();
    let file = file.to_str().unwrap();
    let submit = ["job", "submit-batch", file, "--batch-size", "3", "--key", "k"];
    let first = server.orch(&submit);
    assert_eq!((first.code, first.out.lines().count(), first.err.as_str()), (0, 8, ""));
    assert_eq!(server.orch(&submit).out, first.out, "the key leads to the same jobs");
    transcript.run(&server, &["job", "summary"]);
    std::fs::write(file, "{\"job_type\": \"echo\"}\n{\"job_type\": \"echo\", \"payloda\": 1}\n").unwrap();
    let wrong = server.orch(&["job", "submit-batch", file]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""));
    assert!(wrong.err.contains("line 2 of") && wrong.err.contains("unknown field `payloda`"), "{}", wrong.err);
    std::fs::write(file, "{\"job_type\": \"echo\"}\n{\"job_type\": \"nobody\"}\n").unwrap();
    let half = server.orch(&["job", "submit-batch", file, "--batch-size", "1"]);
    assert_eq!((half.code, half.out.lines().count()), (1, 1));
    assert!(half.err.contains("1 of 2 jobs were accepted"), "{}", half.err);
    insta::assert_snapshot!("a_file_of_jobs_is_submitted_in_batches_and_once", transcript.0);
}
