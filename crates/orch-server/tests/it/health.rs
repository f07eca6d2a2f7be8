//! Health and the document: open to everyone.

use axum::http::header::RETRY_AFTER;
use orch_engine::MemoryMarks;
use serde_json::json;

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn health_needs_no_token_and_follows_the_engine(app) {
        let stranger = app.stranger();
        let reply = stranger.get("/health").await;
        assert_eq!(reply.status, 200);
        let body = reply.body();
        assert_eq!((&body["status"], &body["role"]), (&"ok".into(), &"owner".into()));
        assert_eq!(body["ledger"], app.engine.ledger().name());
        app.engine.shutdown().await;
        let reply = stranger.get("/health").await;
        assert_eq!((reply.status.as_u16(), &reply.body()["status"]), (503, &"draining".into()));
    }

    async fn a_server_with_too_much_memory_takes_no_new_work_and_ends_what_it_has(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (job, token) = acme.leased("t").await;
        let waiting = acme.submit(json!({"job_type": "t"})).await;
        let (engine, acme) = app.under_marks(&acme, MemoryMarks { high_mb: 1, low_mb: 1 }).await;
        for (path, body) in [
            ("/jobs", json!({"job_type": "t"})),
            ("/jobs/batch", json!({"jobs": [{"job_type": "t"}]})),
            ("/worker/follow-ups", json!({"token": token, "jobs": [{"job_type": "t"}]})),
        ] {
            let reply = acme.post(path, body).await;
            reply.problem(503, "overloaded");
            assert!(reply.headers.contains_key(RETRY_AFTER));
            assert!(reply.text().contains("`memory_high_mb` is 1"), "{}", reply.text());
        }
        let memory = acme.get("/health").await.body()["memory"].clone();
        assert_eq!((&memory["high_mb"], &memory["refuses_new"]), (&1.into(), &true.into()));
        assert!(memory["used_mb"].as_u64().unwrap() > 1, "{memory}");
        let session = acme.session(&["t"]).await;
        let beat = acme.post("/worker/heartbeat", json!({"session": session, "leases": [{"token": token}]})).await;
        assert_eq!(beat.status, 200, "{}", beat.text());
        assert_eq!(beat.body()["items"][0]["answer"], "continue", "{}", beat.text());
        assert_eq!(acme.complete(json!({"token": token, "outcome": "succeeded"})).await["status"], "ok");
        assert_eq!(acme.state(&job).await, "succeeded");
        let lease = acme.claim(&session, 1).await.remove(0);
        assert_eq!(lease["job"], waiting.as_str(), "what waits is handed out");
        engine.shutdown().await;
    }

    async fn a_mark_that_is_not_reached_refuses_nothing(app) {
        let acme = app.acme().await;
        let (engine, acme) = app.under_marks(&acme, MemoryMarks { high_mb: 1 << 20, low_mb: 1 << 20 }).await;
        acme.declare("t").await;
        acme.submit(json!({"job_type": "t"})).await;
        let memory = acme.get("/health").await.body()["memory"].clone();
        assert_eq!((&memory["high_mb"], &memory["refuses_new"]), (&(1 << 20).into(), &false.into()));
        engine.shutdown().await;
    }

    async fn the_document_is_found_from_the_well_known_place(app) {
        let stranger = app.stranger();
        let found = stranger.get("/.well-known/openapi").await.body();
        assert_eq!(found["openapi"], "/api/v1/orchestrator/openapi.json");
        assert_eq!(stranger.get("/openapi.json").await.text(), orch_server::openapi_json());
    }
}
