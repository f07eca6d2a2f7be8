//! Claims: long poll, claim ids, sessions, what a lease carries, follow-ups and parents.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{claim_id, job_id, on_each_ledger};

on_each_ledger! {
    async fn a_lease_carries_all_that_a_worker_needs(app) {
        let acme = app.acme().await;
        acme.declare_with("feeds.fetch", json!({"lease_ms": 30_000, "execution_ms_max": 60_000})).await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        let job = acme.submit(json!({
            "job_type": "feeds.fetch", "payload": {"n": 1}, "source": "kev", "labels": {"feed": "kev"},
            "correlation_id": "c-1", "priority": "urgent"
        })).await;
        let session = acme.session(&["feeds.fetch"]).await;
        let lease = acme.claim(&session, 10).await.remove(0);
        assert_eq!(lease["job"], job.as_str());
        assert_eq!(lease["idempotency_key"], job.as_str());
        assert_eq!(lease["payload"], json!({"n": 1}));
        assert_eq!(lease["tenant"], app.acme.id.to_string());
        assert_eq!(lease["labels"], json!({"feed": "kev"}));
        for (member, value) in [("source", "kev"), ("project", "default"), ("priority", "urgent"), ("correlation_id", "c-1")] {
            assert_eq!(lease[member], value, "{member}");
        }
        assert_eq!((&lease["attempt"], &lease["lease_ms"], &lease["checkpoint"]), (&json!(1), &json!(30_000), &Value::Null));
        assert!(lease["token"].as_str().unwrap().starts_with("lse_"));
        assert!(lease["until"].as_str().unwrap() < lease["execution_until"].as_str().unwrap());
        assert_eq!(acme.state(&job).await, "running");
    }

    async fn the_same_claim_returns_the_same_leases(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        for n in 0..4 {
            acme.submit(json!({"job_type": "t", "payload": n})).await;
        }
        let session = acme.session(&["t"]).await;
        let claim = json!({"session": session, "claim_id": claim_id(), "max": 2});
        let first = acme.post("/worker/claim", claim.clone()).await.body();
        let again = acme.post("/worker/claim", claim).await.body();
        let tokens = |answer: &Value| -> Vec<String> {
            answer["leases"].as_array().unwrap().iter().map(|lease| lease["token"].to_string()).collect()
        };
        assert_eq!(tokens(&first).len(), 2);
        assert_eq!(tokens(&first), tokens(&again));
        assert_eq!(acme.claim(&session, 10).await.len(), 2);
    }

    async fn a_parked_claim_wakes_on_an_enqueue_and_ends_empty_otherwise(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        let claim = json!({"session": session, "claim_id": claim_id(), "max": 5, "wait_ms": 30_000});
        let waiting = tokio::spawn({
            let (acme, claim) = (acme.clone(), claim.clone());
            async move { acme.post("/worker/claim", claim).await.body() }
        });
        let job = acme.submit(json!({"job_type": "t"})).await;
        let answer = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it wakes").unwrap();
        assert_eq!(answer["leases"][0]["job"], job.as_str());
        let short = json!({"session": session, "claim_id": claim_id(), "max": 5, "wait_ms": 20});
        assert_eq!(acme.post("/worker/claim", short).await.body()["leases"], json!([]));
    }

    async fn a_session_is_the_same_for_the_same_boot_and_foreign_ones_are_unknown(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        acme.declare_with("t", json!({"lease_ms": 3_000})).await;
        let announce = json!({"worker_id": "w1", "boot_id": "b1", "job_types": ["t"], "capacity": 3, "sdk": "x"});
        let first = acme.post("/worker/sessions", announce.clone()).await.body();
        let again = acme.post("/worker/sessions", announce.clone()).await.body();
        assert_eq!(first["session"], again["session"]);
        assert_eq!((&first["lease_ms"], &first["heartbeat_ms"]), (&json!(3_000), &json!(1_000)));
        assert_eq!(first["defaults"]["claim_max"], 1_000);
        assert_ne!(globex.post("/worker/sessions", announce).await.body()["session"], first["session"]);
        acme.submit(json!({"job_type": "t"})).await;
        let unknown = format!("wks_{}", uuid::Uuid::now_v7().simple());
        for (client, session) in [(&globex, first["session"].as_str().unwrap()), (&acme, unknown.as_str())] {
            let claim = json!({"session": session, "claim_id": claim_id(), "max": 1});
            client.post("/worker/claim", claim).await.blames(404, "unknown_session", "session");
        }
        let beat = json!({"session": first["session"], "leases": []});
        globex.post("/worker/heartbeat", beat).await.blames(404, "unknown_session", "session");
        let workers = acme.get("/workers").await.body();
        assert_eq!(workers["items"].as_array().unwrap().len(), 1);
        assert_eq!((&workers["items"][0]["worker_id"], &workers["items"][0]["capacity"]), (&json!("w1"), &json!(3)));
    }

    async fn a_claim_without_auto_ack_is_acknowledged_by_itself(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = acme.submit(json!({"job_type": "t"})).await;
        let session = acme.session(&["t"]).await;
        let claim = json!({"session": session, "claim_id": claim_id(), "max": 1, "auto_ack": false});
        let leases = acme.post("/worker/claim", claim).await.body()["leases"].clone();
        assert_eq!(acme.state(&job).await, "leased");
        let reply = acme.post("/worker/ack", json!({"tokens": [leases[0]["token"]]})).await;
        assert_eq!(reply.body(), json!({"items": [{"status": "ok"}]}));
        assert_eq!(acme.state(&job).await, "running");
        let reply = acme.post("/worker/release", json!({"tokens": [leases[0]["token"]]})).await;
        assert_eq!(reply.body(), json!({"items": [{"status": "ok"}]}));
        assert_eq!(acme.state(&job).await, "ready");
    }

    async fn follow_ups_are_real_at_once_and_their_keys_belong_to_the_parent(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.declare("child").await;
        let (parent, token) = acme.leased("t").await;
        let body = json!({"token": token, "jobs": [{"job_type": "child", "payload": 1, "idempotency_key": "a"}]});
        let first = acme.post("/worker/follow-ups", body.clone()).await;
        assert_eq!(first.status, 201, "{}", first.text());
        let child = first.body()["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(acme.get(&format!("/jobs/{child}")).await.body()["origin"], json!({"kind": "follow_up", "of": parent}));
        // Another worker of the tenant, with another token, has the same keys under this parent.
        let other = app.acme().await;
        let again = other.post("/worker/follow-ups", body).await.body();
        assert_eq!((&again["items"][0]["id"], &again["items"][0]["replayed"]), (&json!(child), &json!(true)));
        let whole = json!({"token": token, "jobs": [{"job_type": "child", "payload": 2}]});
        let first = acme.keyed("/worker/follow-ups", "w", whole.clone()).await.body();
        let again = acme.keyed("/worker/follow-ups", "w", whole).await.body();
        assert_eq!(first["items"][0]["id"], again["items"][0]["id"]);
        let bad = json!({"token": token, "jobs": [{"job_type": "child"}, {"job_type": "nope"}]});
        acme.post("/worker/follow-ups", bad).await.blames(422, "unknown_job_type", "jobs[1].job_type");
        acme.post("/worker/release", json!({"tokens": [token]})).await;
        let late = json!({"token": token, "jobs": [{"job_type": "child"}]});
        acme.post("/worker/follow-ups", late.clone()).await.blames(409, "stale_lease", "token");
        let nonsense = json!({"token": "lse_x", "jobs": [{"job_type": "child"}]});
        acme.post("/worker/follow-ups", nonsense).await.blames(409, "stale_lease", "token");
        assert_eq!(acme.state(&child).await, "ready");
    }

    async fn a_worker_pages_through_its_parents_results(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.declare("merge").await;
        let parents: Vec<String> = (0..5).map(|_| job_id()).collect();
        let mut jobs: Vec<Value> = parents.iter().map(|id| json!({"job_type": "t", "id": id})).collect();
        let depends_on: Vec<Value> = parents.iter().map(|id| json!({"job": id, "on": "done"})).collect();
        jobs.push(json!({"job_type": "merge", "depends_on": depends_on}));
        assert_eq!(acme.post("/jobs/batch", json!({"jobs": jobs})).await.status, 201);
        let session = acme.session(&["t", "merge"]).await;
        for lease in acme.claim(&session, 10).await {
            let item = if lease["job"] == parents[3].as_str() {
                let error = json!({"code": "e", "message": "m", "retryable": false});
                json!({"token": lease["token"], "outcome": "failed", "error": error})
            } else {
                json!({"token": lease["token"], "outcome": "succeeded", "result": {"of": lease["job"]}})
            };
            assert_eq!(acme.complete(item).await["status"], "ok");
        }
        let token = acme.claim(&session, 1).await[0]["token"].as_str().unwrap().to_owned();
        let mut seen = Vec::new();
        let mut path = format!("/worker/parents?token={token}&limit=2");
        loop {
            let page = acme.get(&path).await.body();
            seen.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/worker/parents?token={token}&limit=2&cursor={cursor}"),
                None => break,
            }
        }
        let order: Vec<_> = seen.iter().map(|parent| parent["job"].as_str().unwrap()).collect();
        assert_eq!(order, parents);
        assert_eq!((&seen[3]["state"], &seen[0]["result"]), (&json!("failed"), &json!({"of": parents[0]})));
        acme.post("/worker/release", json!({"tokens": [token]})).await;
        acme.get(&format!("/worker/parents?token={token}")).await.blames(409, "stale_lease", "token");
        acme.get("/worker/parents").await.blames(422, "invalid_field", "token");
    }
}
