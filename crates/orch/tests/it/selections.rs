//! Queries, tokens, tenants and the catalogue: what operators choose from, and what cannot be taken back.

use serde_json::Value;

use crate::server::{Server, orch};
use crate::transcript::Transcript;

#[test]
fn a_query_chooses_jobs_to_list_and_to_cancel() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    for job_type in ["feeds.fetch", "feeds.parse", "other"] {
        server.orch(&["job-type", "put", job_type]);
        server.orch(&["job", "submit", job_type, "--label", "feed=kev"]);
    }
    transcript.run(&server, &["job", "list", "type:other label.feed:kev"]);
    transcript.run(&server, &["job", "list", "stat:ready"]);
    transcript.run(&server, &["job", "cancel", "--query", "type:feeds.* state:ready"]);
    transcript.run(&server, &["job", "cancel", "--query", "type:feeds.* state:ready", "--yes"]);
    transcript.run(&server, &["job", "cancel", "--query", "type:feeds.* state:ready", "--yes"]);
    transcript.run(&server, &["job", "summary"]);
    insta::assert_snapshot!("a_query_chooses_jobs_to_list_and_to_cancel", transcript.0);
}

#[test]
fn tokens_are_revoked_and_tenants_deleted_with_consent() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    let made = server.orch(&["token", "create", "--name", "reader", "--scope", "read", "-o", "json"]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(!server.orch(&["token", "list", "-o", "json"]).out.contains(secret), "a secret is shown once");
    transcript.run(&server, &["token", "revoke", id]);
    transcript.run(&server, &["token", "revoke", id, "--yes"]);
    transcript.run(&server, &["token", "show", id]);
    let as_reader = orch(&["job", "list"], &[("ORCH_ADDRESS", &server.address), ("ORCH_TOKEN", secret)]);
    transcript.note(&["job", "list"], &as_reader);
    server.orch(&["tenant", "create", "acme"]);
    transcript.run(&server, &["tenant", "delete", "acme"]);
    transcript.run(&server, &["tenant", "delete", "acme", "--dry-run"]);
    transcript.run(&server, &["tenant", "delete", "acme", "--yes"]);
    transcript.run(&server, &["tenant", "restore", "acme"]);
    let exported = server.orch(&["tenant", "export", "acme"]);
    assert!(exported.out.lines().last().unwrap().contains("\"end\""), "{}", exported.out);
    transcript.run(&server, &["worker", "drain", "wks_nobody"]);
    insta::assert_snapshot!("tokens_are_revoked_and_tenants_deleted_with_consent", transcript.0);
}

#[test]
fn job_types_come_from_the_catalogue_and_have_schemas() {
    let server = Server::start();
    let mut transcript = Transcript::default();
    assert!(server.orch(&["job-type", "catalogue", "-o", "name"]).out.contains("concelier."));
    transcript.run(&server, &["job-type", "declare", "export.*"]);
    transcript.run(&server, &["job-type", "declare", "nobody.*"]);
    server.orch(&["job-type", "put", "echo", "--payload-schema", r#"{"type": "object", "required": ["n"]}"#]);
    let refused = server.orch(&["job", "submit", "echo"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    transcript.run(&server, &["job-type", "put", "echo", "--payload-schema", "{"]);
    insta::assert_snapshot!("job_types_come_from_the_catalogue_and_have_schemas", transcript.0);
}
