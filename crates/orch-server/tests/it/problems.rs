//! Problems: every error is one, with nothing internal in it.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::app::{TestApp, on_each_ledger};
use crate::fault::{Fault, MARKER};

on_each_ledger! {
    async fn unknown_paths_and_methods_are_problems(app) {
        let acme = app.acme().await;
        for path in ["/nothing", "/jobs/x/y/z", "/worker", "/jobs/%FF", "/jobs/..", "/sources/%C3%28", "/jobs/"] {
            acme.get(path).await.problem(404, "not_found");
        }
        let reply = acme.send(Method::DELETE, "/jobs", &[], Body::empty()).await;
        reply.problem(405, "method_not_allowed");
        let mut allowed: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "HEAD", "POST"]);
        acme.get("/worker/claim").await.problem(405, "method_not_allowed");
    }

    async fn request_ids_are_echoed_or_made(app) {
        let acme = app.acme().await;
        let given = acme.send(Method::GET, "/jobs", &[("x-request-id", "abc-1")], Body::empty()).await;
        assert_eq!(given.header("x-request-id"), "abc-1");
        assert!(!given.header("orch-version").is_empty());
        let made = acme.send(Method::GET, "/nothing", &[("x-request-id", "<b>")], Body::empty()).await;
        made.problem(404, "not_found");
        assert!(made.header("x-request-id").starts_with("req_"));
    }
}

#[tokio::test]
async fn what_a_broken_ledger_says_never_reaches_a_body() {
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    acme.declare("t").await;
    let dead = acme.dead("t").await;
    let artifact = format!("/artifacts/{}", "ab".repeat(32));
    let paths = [
        "/jobs".to_owned(),
        "/jobs/summary".to_owned(),
        format!("/jobs/{dead}"),
        format!("/jobs/{dead}/logs"),
        "/dead-letters".to_owned(),
        format!("/dead-letters/{dead}"),
        artifact,
    ];
    for (fault, status) in [(Fault::Unavailable, 503), (Fault::Corrupt, 503), (Fault::Panic, 500)] {
        for path in &paths {
            // The token is looked up while the ledger is whole; it is trusted for a moment.
            app.fault.set(Fault::None);
            assert_eq!(acme.get("/pauses").await.status, 200);
            app.fault.set(fault);
            let reply = acme.get(path).await;
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
            assert_eq!(reply.header("content-type"), "application/problem+json");
            assert!(!reply.text().contains(&MARKER[..11]), "{path}: {}", reply.text());
            assert!(!format!("{:?}", reply.headers).contains(&MARKER[..11]), "{path}");
        }
        let body = json!({"name": "x", "scopes": ["orch:read"]});
        let reply = acme.post("/tokens", body).await;
        assert_eq!(reply.status, status);
        assert!(!reply.text().contains(&MARKER[..11]), "{}", reply.text());
        let stranger = app.with_secret(&format!("orch_{fault:?}"));
        assert!(!stranger.get("/jobs").await.text().contains(&MARKER[..11]));
    }
    app.fault.set(Fault::None);
    assert_eq!(acme.get(&format!("/jobs/{dead}")).await.status, 200);
    app.end().await;
}
