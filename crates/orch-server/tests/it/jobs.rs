//! Jobs: what is created is shown, canceled, tried again, and its past can be read.

use serde_json::json;

use crate::app::{job_id, on_each_ledger};

on_each_ledger! {
    async fn a_job_is_shown_as_it_was_asked_for(app) {
        let acme = app.acme().await;
        acme.declare("feeds.fetch").await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        acme.put("/projects/intake", json!({})).await;
        let parent = acme.submit(json!({"job_type": "feeds.fetch"})).await;
        let asked = json!({
            "job_type": "feeds.fetch", "payload": {"b": 1, "a": [1.50, "ü"]}, "source": "kev", "project": "intake",
            "priority": "high", "labels": {"feed": "kev"}, "correlation_id": "c-1", "concurrency_key": "k",
            "not_before": "2026-01-01T01:00:00+01:00", "depends_on": [{"job": parent, "on": "done"}]
        });
        let reply = acme.post("/jobs", asked.clone()).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let id = reply.body()["id"].as_str().unwrap().to_owned();
        assert_eq!(reply.header("location"), format!("/api/v1/orchestrator/jobs/{id}"));
        assert_eq!((&reply.body()["state"], &reply.body()["waits_for"]), (&json!("blocked"), &json!(1)));

        let shown = acme.get(&format!("/jobs/{id}?payload=true")).await.body();
        for member in ["job_type", "payload", "source", "project", "priority", "labels", "correlation_id", "depends_on"] {
            assert_eq!(shown[member], asked[member], "{member}");
        }
        assert_eq!(shown["not_before"], "2026-01-01T00:00:00.000Z");
        assert_eq!(shown["tenant"], app.acme.id.to_string());
        assert_eq!(shown["payload_sha256"], reply.body()["payload_sha256"]);
        assert!(shown["created_at"].is_string());
        assert!(acme.get(&format!("/jobs/{id}")).await.body().get("payload").is_none());
    }

    async fn a_payload_reaches_the_worker_byte_for_byte(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let payload = r#"{ "z" : 1.50, "a":"\u00fc",   "n": 123456789012345678901234567890 }"#;
        let body = format!(r#"{{"job_type":"t","payload":{payload}}}"#);
        let reply = acme.text(axum::http::Method::POST, "/jobs", &[], &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let session = acme.session(&["t"]).await;
        let claim = json!({"session": session, "claim_id": crate::app::claim_id(), "max": 1});
        let reply = acme.post("/worker/claim", claim).await;
        assert!(reply.text().contains(payload), "{}", reply.text());
    }

    async fn a_batch_is_accepted_whole_and_may_depend_on_itself(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (first, second) = (job_id(), job_id());
        let jobs = json!({"jobs": [
            {"job_type": "t", "id": second, "depends_on": [{"job": first}]},
            {"job_type": "t", "id": first},
        ]});
        let reply = acme.post("/jobs/batch", jobs).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let items = reply.body()["items"].clone();
        assert_eq!((&items[0]["id"], &items[0]["state"]), (&json!(second), &json!("blocked")));
        assert_eq!((&items[1]["id"], &items[1]["state"]), (&json!(first), &json!("ready")));
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 5).await;
        assert_eq!(lease.len(), 1);
        assert_eq!(acme.complete(json!({"token": lease[0]["token"], "outcome": "succeeded"})).await["status"], "ok");
        assert_eq!(acme.claim(&session, 5).await[0]["job"], second);
    }

    async fn nothing_of_a_bad_batch_is_written(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let jobs = json!({"jobs": [{"job_type": "t"}, {"job_type": "nope"}]});
        acme.post("/jobs/batch", jobs).await.blames(422, "unknown_job_type", "jobs[1].job_type");
        let jobs = json!({"jobs": [{"job_type": "t"}, {"job_type": "t", "concurrency_key": ""}, {"job_type": " "}]});
        let fields = acme.post("/jobs/batch", jobs).await.problem(422, "invalid_field");
        assert_eq!(fields, ["jobs[1].concurrency_key", "jobs[2].job_type"]);
        acme.post("/jobs/batch", json!({"jobs": []})).await.blames(422, "invalid_field", "jobs");
        assert_eq!(acme.get("/jobs").await.body()["items"], json!([]));
    }

    async fn a_waiting_job_is_canceled_at_once_and_a_running_one_is_asked(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let waiting = acme.submit(json!({"job_type": "t"})).await;
        let reply = acme.post(&format!("/jobs/{waiting}/cancel"), json!({"reason": "why not"})).await;
        assert_eq!((reply.status.as_u16(), &reply.body()["state"]), (200, &json!("canceled")));
        let (running, token) = acme.leased("t").await;
        let reply = acme.send(axum::http::Method::POST, &format!("/jobs/{running}/cancel"), &[], axum::body::Body::empty()).await;
        assert_eq!((reply.status.as_u16(), &reply.body()["canceling"]), (202, &json!(true)));
        let session = acme.session(&["t"]).await;
        let beat = json!({"session": session, "leases": [{"token": token}]});
        let beat = acme.post("/worker/heartbeat", beat).await.body();
        assert_eq!(beat["items"][0]["answer"], "cancel");
        let item = acme.complete(json!({"token": token, "outcome": "succeeded", "result": {"kept": true}})).await;
        assert_eq!(item["status"], "ok");
        let ended = acme.get(&format!("/jobs/{running}")).await.body();
        assert_eq!((&ended["state"], &ended["result"]), (&json!("canceled"), &json!({"kept": true})));
        let done = acme.leased("t").await;
        acme.complete(json!({"token": done.1, "outcome": "succeeded"})).await;
        acme.post(&format!("/jobs/{}/cancel", done.0), json!({})).await.problem(409, "state_conflict");
    }

    async fn retry_tries_a_waiting_job_now_and_makes_a_final_one_anew(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"backoff_ms": 3_600_000, "backoff_ms_max": 3_600_000})).await;
        let (job, token) = acme.leased("t").await;
        let error = json!({"code": "e", "message": "m", "retryable": true, "retry_after_ms": 3_600_000});
        acme.complete(json!({"token": token, "outcome": "failed", "error": error})).await;
        let waiting = acme.get(&format!("/jobs/{job}")).await.body();
        assert_eq!((&waiting["state"], &waiting["tries"], &waiting["error"]["code"]), (&json!("scheduled"), &json!(1), &json!("e")));
        assert!(waiting["due_at"].is_string());
        let reply = acme.post(&format!("/jobs/{job}/retry"), json!({})).await;
        assert_eq!((reply.status.as_u16(), &reply.body()["state"]), (200, &json!("ready")));
        acme.post(&format!("/jobs/{job}/retry"), json!({})).await.problem(409, "state_conflict");
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        assert_eq!(lease["attempt"], 2);
        acme.complete(json!({"token": lease["token"], "outcome": "succeeded"})).await;
        let reply = acme.post(&format!("/jobs/{job}/retry"), json!({})).await;
        assert_eq!(reply.status, 201);
        assert_eq!(reply.body()["origin"], json!({"kind": "retry", "of": job}));
        let ended = acme.get(&format!("/jobs/{job}")).await.body();
        assert_eq!((&ended["attempt"], &ended["tries"], &ended["lost"]), (&json!(2), &json!(2), &json!(0)));
    }

    async fn history_attempts_and_summary_tell_the_same_story(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (job, token) = acme.leased("t").await;
        acme.complete(json!({"token": token, "outcome": "succeeded", "result": 7})).await;
        let history = acme.get(&format!("/jobs/{job}/history")).await.body()["items"].clone();
        let kinds: Vec<_> = history.as_array().unwrap().iter().map(|fact| fact["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["job_enqueued", "lease_granted", "job_finished"]);
        assert!(history[0]["at"].as_str().unwrap().ends_with('Z') && history[1]["data"]["attempt"] == 1);
        let attempts = acme.get(&format!("/jobs/{job}/attempts")).await.body()["items"].clone();
        assert_eq!(attempts.as_array().unwrap().len(), 1);
        assert_eq!((&attempts[0]["outcome"], &attempts[0]["attempt"]), (&json!("succeeded"), &json!(1)));
        assert!(attempts[0]["acked_at"].is_string() && attempts[0]["ended_at"].is_string());
        acme.submit(json!({"job_type": "t"})).await;
        let summary = acme.get("/jobs/summary").await.body();
        assert_eq!(summary["open"]["ready"], 1);
        let rows = summary["by_type"].as_array().unwrap();
        let count = |state: &str| rows.iter().find(|row| row["state"] == state).map_or(0, |row| row["jobs"].as_u64().unwrap());
        assert_eq!((count("ready"), count("succeeded")), (1, 1), "{summary}");
    }

    async fn a_child_is_skipped_when_its_parent_fails_and_a_late_child_is_told_at_once(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let dead = acme.dead("t").await;
        let jobs = json!({"jobs": [
            {"job_type": "t", "depends_on": [{"job": dead, "on": "succeeded"}]},
            {"job_type": "t", "depends_on": [{"job": dead, "on": "done"}]},
        ]});
        let items = acme.post("/jobs/batch", jobs).await.body()["items"].clone();
        assert_eq!((&items[0]["state"], &items[1]["state"]), (&json!("skipped"), &json!("ready")));
    }
}
