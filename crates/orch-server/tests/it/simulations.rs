//! Simulations over the API: what would happen, and that nothing does.

use orch_core::Timestamp;
use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

/// Milliseconds from the answer's moment to an end in it.
fn took(reply: &Value, side: &str) -> i64 {
    let at = |value: &Value| Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap().millis();
    at(&reply[side]["ends"]["p50"]) - at(&reply["now"])
}

async fn simulate(acme: &Client, body: Value) -> Value {
    let reply = acme.post("/simulations", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.body()
}

/// Eight jobs that wait, and a worker that could take them all.
async fn waiting(acme: &Client) {
    acme.declare("fetch").await;
    acme.put("/sources/kev", json!({"kind": "kev"})).await;
    acme.session(&["fetch"]).await;
    for _ in 0..8 {
        acme.submit(json!({"job_type": "fetch", "source": "kev"})).await;
    }
}

on_each_ledger! {
    async fn a_limit_is_tried_before_it_is_set(app) {
        let acme = app.acme().await;
        waiting(&acme).await;
        let before = acme.get("/job-types/fetch").await.body();
        let limit = json!({"declare": "job_type", "name": "fetch", "concurrency_max": 2});
        let seen = simulate(&acme, json!({"declare": [limit], "samples": 3})).await;
        // Nothing is known of their times: each is taken to last a second.
        assert!((1_000..2_000).contains(&took(&seen, "without")), "{seen}");
        assert!((4_000..5_000).contains(&took(&seen, "with")), "{seen}");
        assert_eq!((&seen["with"]["attempts"], &seen["with"]["unknown"]), (&json!(8), &json!(["fetch"])), "{seen}");
        assert_eq!((&seen["with"]["held"][0]["gate"], &seen["with"]["held"][0]["of"]), (&json!("concurrency"), &json!("fetch")), "{seen}");
        assert_eq!(seen["without"]["held"], json!([]));
        assert_eq!(acme.get("/job-types/fetch").await.body(), before, "nothing was declared");
        assert_eq!(acme.get("/jobs?state=ready").await.body()["items"].as_array().unwrap().len(), 8, "nothing began");
    }

    async fn a_backfill_with_more_workers_is_tried(app) {
        let acme = app.acme().await;
        waiting(&acme).await;
        acme.declare("parse").await;
        let backfill = json!({
            "source": "kev", "from": "2024-01-01T00:00:00Z", "to": "2024-01-04T00:00:00Z", "reason": "r", "ticket": "T",
            "job": {"job_type": "parse"}
        });
        let alone = simulate(&acme, json!({"backfill": backfill})).await;
        assert_eq!(alone["with"]["ends"], json!({"p5": null, "p50": null, "p95": null}), "nobody does that: {alone}");
        let workers = json!([{"count": 1, "capacity": 1, "job_types": ["parse"]}]);
        let seen = simulate(&acme, json!({"backfill": backfill, "workers": workers, "seed": 7})).await;
        assert!((3_000..4_000).contains(&took(&seen, "with")), "{seen}");
        assert_eq!(seen["with"]["waits"]["backfill"]["jobs"], 3, "{seen}");
        assert_eq!(acme.get("/backfills").await.body()["items"], json!([]), "nothing was asked for");
        let workers = acme.get("/workers").await.body();
        assert_eq!(workers["items"].as_array().unwrap().len(), 1, "nobody came: {workers}");
    }

    async fn the_end_of_a_run_is_waited_for(app) {
        let acme = app.acme().await;
        waiting(&acme).await;
        let step = |name: &str, after: Value| json!({"name": name, "job_type": "fetch", "after": after});
        let steps = json!([step("a", json!([])), step("b", json!([{"step": "a"}]))]);
        assert_eq!(acme.put("/graphs/g", json!({"steps": steps})).await.status, 201);
        let run = acme.post("/runs", json!({"graph": "g"})).await.body()["id"].clone();
        let seen = simulate(&acme, json!({"until": {"run": run}, "samples": 1})).await;
        assert!((2_000..3_000).contains(&took(&seen, "with")), "{seen}");
        assert_eq!(seen["with"], seen["without"], "nothing was supposed");
        let none = json!({"until": {"run": "run_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"}});
        acme.post("/simulations", none).await.blames(422, "invalid_field", "until.run");
        acme.post(&format!("/runs/{}/cancel", run.as_str().unwrap()), json!({})).await;
        acme.post("/simulations", json!({"until": {"run": run}})).await.blames(422, "invalid_field", "until.run");
    }

    async fn what_cannot_be_supposed_is_named(app) {
        let acme = app.acme().await;
        waiting(&acme).await;
        let workers = |count: u64, job_types: Value| json!({"workers": [{"count": count, "capacity": 1, "job_types": job_types}]});
        let step = json!({"name": "a", "job_type": "none"});
        for (body, code, field) in [
            (json!({"samples": 0}), "limit_exceeded", "samples"),
            (json!({"samples": 101}), "limit_exceeded", "samples"),
            (json!({"horizon_ms": 999}), "limit_exceeded", "horizon_ms"),
            (workers(0, json!(["fetch"])), "limit_exceeded", "workers[0].count"),
            (workers(1, json!([])), "invalid_field", "workers[0].job_types"),
            (workers(1, json!([" "])), "invalid_field", "workers[0].job_types[0]"),
            (json!({"declare": [{"declare": "planet", "name": "x"}]}), "invalid_field", "declare[0].declare"),
            (json!({"declare": [{"declare": "job_type", "name": "x", "lease_ms": 1}]}), "limit_exceeded", "declare[0].lease_ms"),
            // The second is written first, since the other may name it.
            (
                json!({"declare": [{"declare": "graph", "name": "g", "steps": [step]}, {"declare": "job_type", "name": "x"}]}),
                "unknown_job_type",
                "declare[0].steps[0].job_type",
            ),
        ] {
            acme.post("/simulations", body).await.blames(422, code, field);
        }
        let reader = app.client(app.acme.no, &["orch:read"]).await;
        reader.post("/simulations", json!({})).await.problem(403, "forbidden");
    }
}
