//! Worker sessions as operators see them, and how they are drained.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, claim_id, on_each_ledger};

async fn drain(client: &Client, session: &str) -> crate::app::Reply {
    client.send(Method::POST, &format!("/workers/{session}/drain"), &[], Body::empty()).await
}

async fn heartbeat(client: &Client, session: &str, token: &str) -> Value {
    client.post("/worker/heartbeat", json!({"session": session, "leases": [{"token": token}]})).await.body()
}

on_each_ledger! {
    async fn a_drained_session_is_told_and_gets_nothing_more(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        for _ in 0..3 {
            acme.submit(json!({"job_type": "t"})).await;
        }
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        let token = lease["token"].as_str().unwrap();
        assert_eq!(heartbeat(&acme, &session, token).await["session"], "ok");
        assert_eq!(acme.get("/workers").await.body()["items"][0]["state"], "ready");
        for _ in 0..2 {
            assert_eq!(drain(&acme, &session).await.status, 200);
        }
        let beat = heartbeat(&acme, &session, token).await;
        assert_eq!((&beat["session"], &beat["items"][0]["answer"]), (&json!("drain"), &json!("continue")));
        let body = json!({"session": session, "claim_id": claim_id(), "max": 9, "wait_ms": 30_000});
        assert_eq!(acme.post("/worker/claim", body).await.body(), json!({"leases": [], "session": "drain"}));
        assert_eq!(acme.get("/workers").await.body()["items"][0]["state"], "draining");
        assert_eq!(acme.complete(json!({"token": token, "outcome": "succeeded"})).await["status"], "ok");
        assert_eq!(acme.session(&["t"]).await, session);
        assert!(acme.claim(&session, 9).await.is_empty(), "the same boot announces itself in vain");
    }

    async fn a_drain_answers_the_sessions_parked_claim_and_no_other(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        let body = json!({"session": session, "claim_id": claim_id(), "max": 1, "wait_ms": 30_000});
        let parked = acme.post("/worker/claim", body);
        let (reply, ()) = tokio::join!(parked, async {
            // The claim may not be parked yet; then it is told when it comes.
            assert_eq!(drain(&acme, &session).await.status, 200);
        });
        assert_eq!(reply.body(), json!({"leases": [], "session": "drain"}));
    }

    async fn only_the_tenants_own_sessions_can_be_drained(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        drain(&globex, &session).await.problem(404, "not_found");
        for unknown in ["x", "wks_00000002b7a08c3e8d9f0a1b2c3d4e5f", "job_00000002b7a08c3e8d9f0a1b2c3d4e5f"] {
            drain(&acme, unknown).await.problem(404, "not_found");
        }
        let reader = app.client(app.acme.no, &["orch:read", "orch:worker"]).await;
        drain(&reader, &session).await.problem(403, "forbidden");
        assert_eq!(acme.get("/workers").await.body()["items"][0]["state"], "ready");
    }
}
