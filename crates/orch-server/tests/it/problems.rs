//! Problems: every error is one, with nothing internal in it.

use axum::body::Body;
use axum::http::Method;
use orch_core::port::StoreError;
use serde_json::json;

use crate::app::{TestApp, on_each_ledger};
use crate::serving::faulty;

on_each_ledger! {
    async fn unknown_paths_and_methods_are_problems(app) {
        let acme = app.acme().await;
        for path in ["/nothing", "/jobs/x/y/z", "/worker"] {
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
async fn what_a_ledger_says_of_itself_never_reaches_a_body() {
    let marker = "MARKER-41c9 /var/lib/secret";
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    acme.declare("t").await;
    let dead = acme.dead("t").await;
    let broken = faulty(&app, move || StoreError::Corrupt(marker.to_owned())).await;
    let secret = acme.secret().to_owned();
    let mut asked = 0;
    for (path, status) in [
        (format!("/jobs/{dead}"), [500, 503]),
        ("/jobs".to_owned(), [500, 503]),
        ("/dead-letters".to_owned(), [500, 503]),
        (format!("/dead-letters/{dead}"), [500, 503]),
        (format!("/jobs/{dead}/logs"), [500, 503]),
        (format!("/artifacts/{}", "ab".repeat(32)), [500, 503]),
    ] {
        let reply = broken.request(&secret, "GET", &path, None).await;
        assert!(status.contains(&reply.status.as_u16()), "{path}: {} {}", reply.status, reply.text());
        assert!(!reply.text().contains("MARKER"), "{path}: {}", reply.text());
        asked += 1;
    }
    assert_eq!(asked, 6);
    let reply = broken.request(&secret, "GET", "/panic", None).await;
    reply.problem(404, "not_found");
    let reply = broken.request(&secret, "POST", "/tokens", Some(json!({"name": "x", "scopes": ["orch:read"]}))).await;
    assert!(!reply.text().contains("MARKER"), "{}", reply.text());
}
