//! Concurrency keys from payloads, their strategies, and other priorities, over the API.

use orch_core::concurrency::DEFAULT_KEY;
use orch_core::limits;
use serde_json::{Value, json};

use crate::app::{Client, job_id, on_each_ledger};

async fn made(client: &Client, job: Value) -> Value {
    let reply = client.post("/jobs", job).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.body()
}

on_each_ledger! {
    async fn a_payload_names_the_key_unless_its_submitter_does(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"concurrency_key_pointer": "/repo/id", "concurrency_per_key_max": 1})).await;
        assert_eq!(acme.get("/job-types/t").await.body()["concurrency_key_pointer"], "/repo/id");
        for (payload, key) in [
            (json!({"repo": {"id": "acme/api"}}), "acme/api"),
            (json!({"repo": {"id": 7}}), "7"),
            (json!({"repo": {"id": false}}), "false"),
            (json!({"repo": {"id": null}}), DEFAULT_KEY),
            (json!({"repo": {}}), DEFAULT_KEY),
            (json!([]), DEFAULT_KEY),
            (json!({"repo": {"id": "x".repeat(129)}}), DEFAULT_KEY),
        ] {
            let job = made(&acme, json!({"job_type": "t", "payload": payload})).await;
            assert_eq!(job["concurrency_key"], key);
            let shown = acme.get(&format!("/jobs/{}", job["id"].as_str().unwrap())).await.body();
            assert_eq!(shown["concurrency_key"], key);
        }
        let named = made(&acme, json!({"job_type": "t", "payload": {"repo": {"id": 7}}, "concurrency_key": "own"})).await;
        assert_eq!(named["concurrency_key"], "own");
        let summary = acme.get("/jobs/summary").await.body();
        assert_eq!(summary["keyless"], json!([{"job_type": "t", "jobs": 4}]));
        let session = acme.session(&["t"]).await;
        assert_eq!(acme.claim(&session, 50).await.len(), 5, "one attempt a key");
    }

    async fn a_pointer_that_finds_nothing_is_refused_where_it_is_declared(app) {
        let acme = app.acme().await;
        let field = "concurrency_key_pointer";
        let pointer = |chars: u64| format!("/{}", "é".repeat(usize::try_from(chars - 1).unwrap()));
        let put = async |body: Value| acme.put("/job-types/bad", body).await;
        for bad in ["repo", "/a~2", "/a\u{1}"] {
            put(json!({"concurrency_key_pointer": bad})).await.blames(422, "invalid_field", field);
        }
        let long = pointer(limits::KEY_POINTER_CHARS_MAX + 1);
        put(json!({"concurrency_key_pointer": long})).await.blames(422, "limit_exceeded", field);
        let schema = json!({"type": "object", "properties": {"repo": {}}, "additionalProperties": false});
        let ruled_out = json!({"concurrency_key_pointer": "/other", "payload_schema": schema});
        put(ruled_out).await.blames(422, "invalid_field", field);
        let strategy = json!({"concurrency_per_key_strategy": "drop_newest"});
        put(strategy).await.blames(422, "invalid_field", "concurrency_per_key_strategy");
        let longest = pointer(limits::KEY_POINTER_CHARS_MAX);
        acme.declare_with("long", json!({"concurrency_key_pointer": longest})).await;
        acme.declare_with("fits", json!({"concurrency_key_pointer": "/repo", "payload_schema": schema})).await;
    }

    async fn what_is_one_too_many_is_canceled_and_says_so(app) {
        let acme = app.acme().await;
        let policy = json!({"concurrency_per_key_max": 1, "concurrency_per_key_strategy": "drop_newest"});
        acme.declare_with("t", policy).await;
        let job = json!({"job_type": "t", "concurrency_key": "k"});
        assert_eq!(made(&acme, job.clone()).await["state"], "ready");
        let dropped = made(&acme, job.clone()).await;
        assert_eq!((&dropped["state"], &dropped["error"]["code"]), (&json!("canceled"), &json!("dropped")));
        assert_eq!(dropped["replayed"], false);
        let id = dropped["id"].as_str().unwrap();
        let history = acme.get(&format!("/jobs/{id}/history")).await.body();
        assert_eq!(history["items"][1]["data"]["cause"], "dropped", "{history}");
        let minimal = acme.json("POST".parse().unwrap(), "/jobs/batch", &[("prefer", "return=minimal")], json!({"jobs": [job]})).await;
        assert_eq!(minimal.body()["items"][0]["canceled"], true, "{}", minimal.text());
    }

    async fn the_newest_takes_the_place_of_the_one_that_runs(app) {
        let acme = app.acme().await;
        let policy = json!({"concurrency_per_key_max": 1, "concurrency_per_key_strategy": "cancel_running"});
        acme.declare_with("t", policy).await;
        let job = json!({"job_type": "t", "concurrency_key": "k"});
        let session = acme.session(&["t"]).await;
        let first = made(&acme, job.clone()).await["id"].as_str().unwrap().to_owned();
        let token = acme.claim(&session, 1).await[0]["token"].clone();
        let second = made(&acme, job.clone()).await["id"].as_str().unwrap().to_owned();
        assert_eq!(acme.get(&format!("/jobs/{first}")).await.body()["canceling"], true);
        let third = made(&acme, job).await["id"].as_str().unwrap().to_owned();
        let waited = acme.get(&format!("/jobs/{second}")).await.body();
        assert_eq!((&waited["state"], &waited["error"]["code"]), (&json!("canceled"), &json!("superseded")));
        assert!(waited["error"]["message"].as_str().unwrap().starts_with(&third), "{waited}");
        acme.complete(json!({"token": token, "outcome": "canceled"})).await;
        assert_eq!(acme.state(&first).await, "canceled");
        assert_eq!(acme.claim(&session, 1).await[0]["job"], third);
    }

    async fn another_priority_moves_a_job_and_is_shown(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        let first = acme.submit(json!({"job_type": "t"})).await;
        let last = acme.submit(json!({"job_type": "t", "payload": {"n": 2}})).await;
        let path = format!("/jobs/{last}/reprioritize");
        let moved = acme.post(&path, json!({"priority": "urgent", "reason": "a customer waits"})).await;
        assert_eq!(moved.status, 200, "{}", moved.text());
        assert_eq!(moved.body()["priority"], "urgent");
        let listed = acme.get("/jobs").await.body();
        assert_eq!(listed["items"][0]["priority"], "urgent");
        let history = acme.get(&format!("/jobs/{last}/history")).await.body();
        let fact = &history["items"][1];
        assert_eq!((&fact["kind"], &fact["data"]["reason"]), (&json!("job_reprioritized"), &json!("a customer waits")));
        assert_eq!(acme.get("/lanes").await.body()["items"].as_array().unwrap().len(), 2);
        let leases = acme.claim(&session, 2).await;
        let lease = leases.iter().find(|lease| lease["job"] == last.as_str()).unwrap();
        assert_eq!((&lease["payload"], &lease["priority"]), (&json!({"n": 2}), &json!("urgent")));
        acme.complete(json!({"token": lease["token"], "outcome": "succeeded"})).await;
        assert_eq!(acme.get(&format!("/jobs/{last}")).await.body()["priority"], "urgent");
        acme.post(&path, json!({"priority": "low"})).await.problem(409, "state_conflict");
        acme.post(&format!("/jobs/{}/reprioritize", job_id()), json!({"priority": "low"})).await.problem(404, "not_found");
        acme.post(&format!("/jobs/{first}/reprioritize"), json!({"priority": "soon"})).await.blames(422, "invalid_field", "priority");
    }
}
