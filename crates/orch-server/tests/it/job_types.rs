//! Job types: what they say of their payloads, and the catalogue that they can come from.

use axum::http::Method;
use orch_core::limits;
use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

fn schema() -> Value {
    json!({
        "type": "object", "required": ["feed"],
        "properties": {
            "feed": {"type": "string", "minLength": 2},
            "items": {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"a/b": {"type": "integer"}}}}
        }
    })
}

async fn put(client: &Client, name: &str, schema: Value) -> crate::app::Reply {
    client.put(&format!("/job-types/{name}"), json!({"payload_schema": schema})).await
}

on_each_ledger! {
    async fn a_payload_fits_its_types_schema_or_is_refused_place_by_place(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        assert_eq!(put(&acme, "t", schema()).await.status, 201);
        globex.declare("t").await;
        assert_eq!(acme.get("/job-types/t").await.body()["payload_schema"], schema());
        acme.submit(json!({"job_type": "t", "payload": {"feed": "kev", "items": [{"id": 1}]}})).await;
        let bad = json!({"feed": "k", "items": [{"id": 1}, {"a/b": "x"}]});
        let reply = acme.post("/jobs", json!({"job_type": "t", "payload": bad})).await;
        let mut fields = reply.problem(422, "invalid_field");
        fields.sort_unstable();
        assert_eq!(fields, ["payload/feed", "payload/items/1", "payload/items/1/a~1b"]);
        assert!(!reply.text().contains("\\\"x\\\""), "values are not shown: {}", reply.text());
        acme.post("/jobs", json!({"job_type": "t", "payload": 7})).await.blames(422, "invalid_field", "payload");
        acme.post("/jobs", json!({"job_type": "t"})).await.blames(422, "invalid_field", "payload");
        let batch = json!({"jobs": [{"job_type": "t", "payload": {"feed": "kev"}}, {"job_type": "t", "payload": {"feed": 1}}]});
        acme.post("/jobs/batch", batch).await.blames(422, "invalid_field", "jobs[1].payload/feed");
        globex.submit(json!({"job_type": "t", "payload": 7})).await;
        assert_eq!(acme.get("/jobs").await.body()["items"].as_array().unwrap().len(), 1);
    }

    async fn follow_ups_are_checked_too_and_a_new_version_counts_at_once(app) {
        let acme = app.acme().await;
        acme.declare("parent").await;
        put(&acme, "child", schema()).await;
        let (_, token) = acme.leased("parent").await;
        let body = json!({"token": token, "jobs": [{"job_type": "child", "payload": {}}]});
        acme.post("/worker/follow-ups", body).await.blames(422, "invalid_field", "jobs[0].payload");
        let follow_ups = json!([{"job_type": "child", "payload": {"feed": 1}}]);
        let item = json!({"token": token, "outcome": "succeeded", "follow_ups": follow_ups});
        let item = acme.complete(item).await;
        assert_eq!((&item["status"], &item["field"]), (&json!("refused"), &json!("follow_ups[0].payload/feed")));
        let without = acme.json(Method::PUT, "/job-types/child", &[("if-match", "\"v1\"")], json!({})).await;
        assert_eq!(without.status, 200, "{}", without.text());
        acme.submit(json!({"job_type": "child", "payload": {}})).await;
        let again = acme.json(Method::PUT, "/job-types/child", &[("if-match", "*")], json!({"payload_schema": {"type": "null"}})).await;
        assert_eq!(again.status, 200, "{}", again.text());
        acme.post("/jobs", json!({"job_type": "child", "payload": {}})).await.blames(422, "invalid_field", "payload");
        acme.submit(json!({"job_type": "child", "payload": null})).await;
    }

    async fn what_was_accepted_is_answered_again_under_a_schema_that_it_no_longer_fits(app) {
        let acme = app.acme().await;
        acme.declare("child").await;
        acme.declare("parent").await;
        let (_, token) = acme.leased("parent").await;
        let job = json!({"job_type": "child", "payload": {}});
        let own = json!({"job_type": "child", "payload": {}, "idempotency_key": "own"});
        let item = json!({"token": token, "outcome": "succeeded", "follow_ups": [job]});
        let by_call = acme.keyed("/jobs", "call", job.clone()).await.body();
        let by_job = acme.post("/jobs", own.clone()).await.body();
        let done = acme.complete(item.clone()).await;
        let narrow = json!({"payload_schema": schema()});
        assert_eq!(acme.json(Method::PUT, "/job-types/child", &[("if-match", "*")], narrow).await.status, 200);
        assert_eq!(acme.keyed("/jobs", "call", job.clone()).await.body()["id"], by_call["id"]);
        assert_eq!(acme.post("/jobs", own.clone()).await.body()["id"], by_job["id"]);
        assert_eq!(acme.complete(item).await, done);
        let batch = json!({"jobs": [own, job.clone()]});
        acme.post("/jobs/batch", batch).await.blames(422, "invalid_field", "jobs[1].payload");
        acme.keyed("/jobs", "other", job).await.blames(422, "invalid_field", "payload");
    }

    async fn a_schema_that_cannot_be_used_is_refused(app) {
        let acme = app.acme().await;
        for bad in [
            json!({"type": "happy"}),
            json!({"$ref": "https://example.org/x.json"}),
            json!({"$ref": "#/$defs/none"}),
            json!({"pattern": "("}),
            json!(7),
            json!(true),
            json!([]),
        ] {
            put(&acme, "t", bad).await.blames(422, "invalid_field", "payload_schema");
        }
        acme.get("/job-types/t").await.problem(404, "not_found");
        let nested = |deep: u64| (0..deep - 1).fold(json!({}), |inner, _| json!({"not": inner}));
        assert_eq!(put(&acme, "deep", nested(limits::PAYLOAD_SCHEMA_DEPTH_MAX)).await.status, 201);
        put(&acme, "t", nested(limits::PAYLOAD_SCHEMA_DEPTH_MAX + 1)).await.blames(422, "limit_exceeded", "payload_schema");
        let long = |bytes: u64| json!({"title": "x".repeat(usize::try_from(bytes).unwrap() - "{\"title\":\"\"}".len())});
        assert_eq!(put(&acme, "long", long(limits::PAYLOAD_SCHEMA_BYTES_MAX)).await.status, 201);
        put(&acme, "t", long(limits::PAYLOAD_SCHEMA_BYTES_MAX + 1)).await.blames(422, "limit_exceeded", "payload_schema");
    }

    async fn workers_are_wanted_for_what_waits_as_far_as_it_may_be_under_way(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"concurrency_max": 3})).await;
        let wanted = acme.get("/job-types/t/desired-workers").await.body();
        assert_eq!((&wanted["desired_workers"], &wanted["target_seconds"], &wanted["mean_ms"]), (&0.into(), &300.into(), &Value::Null));
        let (_, token) = acme.leased("t").await;
        acme.complete(json!({"token": token, "outcome": "succeeded"})).await;
        for _ in 0..9 {
            acme.submit(json!({"job_type": "t"})).await;
        }
        let wanted = acme.get("/job-types/t/desired-workers?target_seconds=86400").await.body();
        assert_eq!((&wanted["desired_workers"], &wanted["waiting"], &wanted["run_times"]), (&1.into(), &9.into(), &1.into()));
        acme.post("/pauses", json!({"target": {"job_type": "t"}})).await;
        let wanted = acme.get("/desired-workers").await.body()["items"][0].clone();
        assert_eq!((&wanted["job_type"], &wanted["desired_workers"]), (&"t".into(), &0.into()));
        assert_eq!(wanted["limited_by"][0], json!({"gate": "paused", "by": "job type `t` is paused"}));
        acme.get("/job-types/none/desired-workers").await.problem(404, "not_found");
        acme.get("/job-types/t/desired-workers?target_seconds=0").await.blames(422, "limit_exceeded", "target_seconds");
        acme.get("/desired-workers?target_seconds=86401").await.blames(422, "limit_exceeded", "target_seconds");
        app.globex().await.get("/job-types/t/desired-workers").await.problem(404, "not_found");
    }

    async fn the_catalogue_is_shown_and_taken_over_without_touching_what_is_there(app) {
        let acme = app.acme().await;
        let listed = acme.get("/job-type-catalogue").await.body();
        let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"concelier.fetch") && names.is_sorted(), "{names:?}");
        acme.post("/jobs", json!({"job_type": "concelier.fetch"})).await.problem(422, "unknown_job_type");
        acme.declare_with("concelier.merge", json!({"tries_max": 99})).await;
        let body = json!({"names": ["concelier.*", "policy.evaluate"]});
        let declared = acme.post("/job-type-catalogue/declare", body.clone()).await;
        assert_eq!(declared.status, 200, "{}", declared.text());
        let of = |reply: &Value, name: &str| reply["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone();
        assert_eq!(of(&declared.body(), "concelier.fetch"), json!({"name": "concelier.fetch", "version": 1, "created": true}));
        assert_eq!(of(&declared.body(), "concelier.merge")["created"], false);
        assert_eq!(acme.get("/job-types/concelier.merge").await.body()["tries_max"], 99);
        let again = acme.post("/job-type-catalogue/declare", body).await.body();
        assert!(again["items"].as_array().unwrap().iter().all(|item| item["created"] == false));
        acme.submit(json!({"job_type": "concelier.fetch"})).await;
        let both = acme.post("/jobs", json!({"job_type": "policy.evaluate"})).await.problem(422, "invalid_field");
        assert_eq!(both, ["payload", "payload"]);
        app.globex().await.get("/job-types/concelier.fetch").await.problem(404, "not_found");
        for (names, code, field) in [
            (json!([]), "invalid_field", "names"),
            (json!(["concelier.fetch", "nothing.*"]), "unknown_job_type", "names[1]"),
            (json!(vec!["a"; 201]), "limit_exceeded", "names"),
            (json!("concelier.fetch"), "invalid_field", "names"),
        ] {
            acme.post("/job-type-catalogue/declare", json!({"names": names})).await.blames(422, code, field);
        }
    }
}
