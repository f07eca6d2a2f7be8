//! Idempotency keys: the same call again, another content, keys of batches, whose key it is.

use std::sync::Arc;

use axum::http::Method;
use orch_core::ids::{JobId, LaneNo};
use orch_core::port::RotateParams;
use serde_json::json;

use crate::app::{job_id, on_each_ledger};

on_each_ledger! {
    async fn the_same_call_gives_the_first_job_and_another_content_is_refused(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = json!({"job_type": "t", "payload": {"n": 1}});
        let first = acme.keyed("/jobs", "k", job.clone()).await;
        assert_eq!((first.status.as_u16(), &first.body()["replayed"]), (201, &json!(false)));
        let again = acme.keyed("/jobs", "k", json!({"payload": {"n": 1}, "project": "default", "job_type": "t"})).await;
        assert_eq!((again.status.as_u16(), &again.body()["replayed"]), (200, &json!(true)));
        assert_eq!(again.body()["id"], first.body()["id"]);
        for other in [
            json!({"job_type": "t", "payload": {"n": 2}}),
            json!({"job_type": "t", "payload": {"n": 1}, "priority": "low"}),
            json!({"job_type": "t", "payload": {"n": 1}, "labels": {"a": "b"}}),
            json!({"job_type": "t", "payload": {"n": 1}, "id": job_id()}),
            json!({"job_type": "t", "payload": {"n": 1}, "concurrency_key": "x"}),
            json!({"job_type": "t", "payload": {"n": 1}, "correlation_id": "x"}),
            json!({"job_type": "t", "payload": {"n": 1}, "not_before": "2027-01-01T00:00:00Z"}),
        ] {
            acme.keyed("/jobs", "k", other).await.blames(422, "idempotency_mismatch", "Idempotency-Key");
        }
        assert_eq!(acme.get("/jobs").await.body()["items"].as_array().unwrap().len(), 1);
        // The member means the same as the header; both at once must agree.
        let member = json!({"job_type": "t", "payload": {"n": 1}, "idempotency_key": "k"});
        assert_eq!(acme.post("/jobs", member.clone()).await.body()["id"], first.body()["id"]);
        acme.keyed("/jobs", "other", member).await.blames(422, "invalid_field", "idempotency_key");
    }

    async fn a_failed_job_does_not_free_its_key(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = json!({"job_type": "t"});
        let first = acme.keyed("/jobs", "k", job.clone()).await.body();
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        let error = json!({"code": "e", "message": "m", "retryable": false});
        acme.complete(json!({"token": lease["token"], "outcome": "failed", "error": error})).await;
        let again = acme.keyed("/jobs", "k", job).await;
        assert_eq!((&again.body()["id"], &again.body()["state"]), (&first["id"], &json!("failed")));
    }

    async fn a_key_outlives_its_job(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = json!({"job_type": "t", "payload": {"n": 1}});
        let first = acme.keyed("/jobs", "k", job.clone()).await.body();
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        acme.complete(json!({"token": lease["token"], "outcome": "succeeded"})).await;
        let all = RotateParams {
            tenant: app.acme.no,
            heads: Arc::new([(LaneNo(1), u64::MAX)]),
            keep: Arc::new([]),
            before: app.engine.now().plus_ms(1),
            above: JobId(uuid::Uuid::nil()),
            upto: JobId(uuid::Uuid::max()),
        };
        assert_eq!(app.engine.ledger().job_rotate(&all).await.unwrap().removed, 1);
        let id = first["id"].as_str().unwrap();
        acme.get(&format!("/jobs/{id}")).await.problem(404, "not_found");
        let again = acme.keyed("/jobs", "k", job).await;
        assert_eq!((again.status.as_u16(), &again.body()["replayed"]), (200, &json!(true)));
        assert_eq!(again.body()["id"], first["id"]);
    }

    async fn a_key_belongs_to_its_token_and_its_tenant(app) {
        let (acme, other, globex) = (app.acme().await, app.acme().await, app.globex().await);
        acme.declare("t").await;
        globex.declare("t").await;
        let mut ids = Vec::new();
        for client in [&acme, &other, &globex] {
            let reply = client.keyed("/jobs", "k", json!({"job_type": "t"})).await;
            assert_eq!(reply.status, 201, "{}", reply.text());
            ids.push(reply.body()["id"].as_str().unwrap().to_owned());
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }

    async fn a_batch_has_a_key_for_each_job_and_one_for_the_whole(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let jobs = json!({"jobs": [
            {"job_type": "t", "payload": 1, "idempotency_key": "a"},
            {"job_type": "t", "payload": 2, "idempotency_key": "b"},
        ]});
        let first = acme.post("/jobs/batch", jobs.clone()).await;
        assert_eq!(first.status, 201);
        let again = acme.post("/jobs/batch", jobs).await;
        assert_eq!(again.status, 200);
        for n in 0..2 {
            assert_eq!(again.body()["items"][n]["id"], first.body()["items"][n]["id"]);
            assert_eq!(again.body()["items"][n]["replayed"], true);
        }
        let mixed = json!({"jobs": [
            {"job_type": "t", "payload": 3, "idempotency_key": "c"},
            {"job_type": "t", "payload": 2, "idempotency_key": "b"},
        ]});
        let mixed = acme.post("/jobs/batch", mixed).await;
        assert_eq!(mixed.status, 201);
        assert_eq!(mixed.body()["items"][1]["id"], first.body()["items"][1]["id"]);
        assert_eq!((&mixed.body()["items"][0]["replayed"], &mixed.body()["items"][1]["replayed"]), (&json!(false), &json!(true)));
        let twice = json!({"jobs": [
            {"job_type": "t", "idempotency_key": "d"},
            {"job_type": "t", "idempotency_key": "d"},
        ]});
        acme.post("/jobs/batch", twice).await.blames(422, "idempotency_mismatch", "jobs[1].idempotency_key");
        let wrong = json!({"jobs": [{"job_type": "t", "payload": 9, "idempotency_key": "a"}]});
        acme.post("/jobs/batch", wrong).await.blames(422, "idempotency_mismatch", "jobs[0].idempotency_key");

        let whole = json!({"jobs": [{"job_type": "t", "payload": 5}, {"job_type": "t", "payload": 6}]});
        let first = acme.keyed("/jobs/batch", "w", whole.clone()).await;
        let again = acme.keyed("/jobs/batch", "w", whole).await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
        for n in 0..2 {
            assert_eq!(first.body()["items"][n]["id"], again.body()["items"][n]["id"]);
            assert_eq!(first.body()["items"][n]["payload_sha256"], again.body()["items"][n]["payload_sha256"]);
        }
        let other = json!({"jobs": [{"job_type": "t", "payload": 5}]});
        acme.keyed("/jobs/batch", "w", other).await.blames(422, "idempotency_mismatch", "Idempotency-Key");
    }

    async fn a_batch_comes_back_as_ids_where_the_caller_prefers_that(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let jobs = json!({"jobs": [{"job_type": "t", "idempotency_key": "a"}, {"job_type": "t", "payload": 2}]});
        let made = acme.json(Method::POST, "/jobs/batch", &[("Prefer", "respond-async, Return=Minimal;x=1")], jobs.clone()).await;
        assert_eq!((made.status.as_u16(), made.header("preference-applied")), (201, "return=minimal"));
        let items = made.body()["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| item.as_object().unwrap().len() == 1), "{items:?}");
        let mixed = acme.json(Method::POST, "/jobs/batch", &[("Prefer", "return=minimal")], jobs).await;
        assert_eq!(mixed.status, 201);
        assert_eq!(mixed.body()["items"][0], json!({"id": items[0]["id"], "replayed": true}));
        let job = acme.get(&format!("/jobs/{}", items[1]["id"].as_str().unwrap())).await;
        assert_eq!((job.status.as_u16(), &job.body()["state"]), (200, &json!("ready")));
    }

    async fn a_retry_with_a_key_makes_one_job(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let dead = acme.dead("t").await;
        let first = acme.keyed(&format!("/jobs/{dead}/retry"), "r", json!({})).await;
        let again = acme.keyed(&format!("/jobs/{dead}/retry"), "r", json!({})).await;
        assert_eq!(first.body()["id"], again.body()["id"]);
        acme.declare("other").await;
        let other = acme.dead("other").await;
        acme.keyed(&format!("/jobs/{other}/retry"), "r", json!({})).await.problem(422, "idempotency_mismatch");
    }

    async fn a_key_must_be_one_short_visible_text(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = json!({"job_type": "t"});
        for bad in ["", "a\tb"] {
            acme.keyed("/jobs", bad, job.clone()).await.blames(422, "invalid_field", "Idempotency-Key");
        }
        let two = [("idempotency-key", "a"), ("idempotency-key", "b")];
        let reply = acme.json(axum::http::Method::POST, "/jobs", &two, job).await;
        reply.blames(422, "invalid_field", "Idempotency-Key");
    }
}
