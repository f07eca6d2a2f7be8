//! Throttles over the API: limits that hold for a while, say that they do, and end by themselves.

use orch_core::limits;
use serde_json::{Value, json};

use crate::app::{Client, TestApp, claim_id, on_each_ledger};

fn at(app: &TestApp, ms: i64) -> String {
    orch_core::Timestamp::from_millis(app.engine.now().millis() + ms).to_rfc3339()
}

async fn claimed(acme: &Client, session: &str, wait_ms: u64) -> usize {
    let claim = json!({"session": session, "claim_id": claim_id(), "max": 50, "wait_ms": wait_ms});
    acme.post("/worker/claim", claim).await.body()["leases"].as_array().unwrap().len()
}

async fn work(acme: &Client, jobs: usize) -> String {
    acme.declare("t").await;
    acme.put("/sources/kev", json!({"kind": "kev"})).await;
    for n in 0..jobs {
        acme.submit(json!({"job_type": "t", "source": "kev", "payload": n})).await;
    }
    acme.session(&["t"]).await
}

on_each_ledger! {
    async fn what_is_under_way_stays_within_it_until_it_is_ended(app) {
        let acme = app.acme().await;
        let session = work(&acme, 8).await;
        let targets = [json!({"job_type": "t"}), json!({"source": "kev"}), json!({"lane": 1}), json!("tenant")];
        for (n, target) in targets.iter().enumerate() {
            let body = json!({"target": target, "active_max": n + 1, "until": at(app, 3_600_000), "reason": "slow"});
            for _ in 0..2 {
                assert_eq!(acme.post("/throttles", body.clone()).await.status, 200);
            }
            assert_eq!(claimed(&acme, &session, 0).await, 1, "{target}");
            let lane = acme.get("/lanes").await.body()["items"][0].clone();
            assert_eq!((&lane["held_by"], &lane["waiting_on"]), (&json!("throttled"), &json!("throttled")));
            let hold = acme.get("/lanes/1/explain").await.body()["holds"][0].clone();
            assert_eq!((&hold["gate"], &hold["opens_at"]), (&json!("throttled"), &Value::Null), "{hold}");
            let by = hold["by"].as_str().unwrap();
            let until = body["until"].as_str().unwrap();
            assert!(by.ends_with(&format!(" until {until}: {} attempts are under way, the most (slow)", n + 1)), "{by}");
            assert!(hold["since"].is_string());
            let found = acme.get("/throttles").await.body()["items"][0].clone();
            assert_eq!((&found["target"], &found["active"], &found["until"]), (target, &json!(n + 1), &body["until"]));
            let said = acme.get("/tenants/acme/explain").await.body();
            let list = if n == 3 { "holds" } else { "parts" };
            assert_eq!(said[list][0]["gate"], "throttled", "{said}");
            for _ in 0..2 {
                assert_eq!(acme.post("/throttles/end", json!({"target": target})).await.status, 200);
            }
            assert_eq!(acme.get("/throttles").await.body()["items"], json!([]));
        }
        assert_eq!(claimed(&acme, &session, 0).await, 4);
    }

    async fn what_begins_in_a_minute_stays_within_it(app) {
        let acme = app.acme().await;
        let session = work(&acme, 5).await;
        let body = |max: u32| json!({"target": {"source": "kev"}, "per_minute_max": max, "until": at(app, 3_600_000)});
        acme.post("/throttles", body(2)).await;
        assert_eq!(claimed(&acme, &session, 0).await, 2);
        let found = acme.get("/throttles").await.body()["items"][0].clone();
        assert_eq!((&found["minute_left"], &found["active_max"]), (&json!(0), &Value::Null));
        let hold = acme.get("/lanes/1/explain").await.body()["holds"][0].clone();
        let opens = hold["opens_at"].as_str().unwrap();
        assert!(opens > at(app, 50_000).as_str() && opens < at(app, 70_000).as_str(), "{hold}");
        acme.post("/throttles", body(3)).await;
        assert_eq!(claimed(&acme, &session, 0).await, 1, "what began before counts on");
    }

    async fn it_ends_by_itself_and_a_parked_claim_learns(app) {
        let acme = app.acme().await;
        let session = work(&acme, 3).await;
        acme.post("/throttles", json!({"target": {"lane": 1}, "active_max": 1, "until": at(app, 1_500)})).await;
        assert_eq!(claimed(&acme, &session, 0).await, 1);
        assert_eq!(claimed(&acme, &session, 20_000).await, 2, "at its end");
        assert_eq!(acme.get("/throttles").await.body()["items"], json!([]));
    }

    async fn one_without_an_end_or_a_limit_is_refused(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let with = |until: Option<String>| {
            let body = json!({"target": {"job_type": "t"}, "active_max": 1, "until": until});
            acme.post("/throttles", body)
        };
        acme.post("/throttles", json!({"target": "tenant", "active_max": 1})).await.blames(422, "invalid_field", "until");
        with(None).await.blames(422, "invalid_field", "until");
        with(Some(at(app, -1))).await.blames(422, "invalid_field", "until");
        let most = i64::try_from(limits::THROTTLE_MS_MAX).unwrap();
        assert_eq!(with(Some(at(app, most - 5_000))).await.status, 200);
        with(Some(at(app, most + 5_000))).await.blames(422, "limit_exceeded", "until");
        let until = at(app, 60_000);
        let body = |more: Value| {
            let mut body = json!({"target": {"job_type": "t"}, "until": until});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        acme.post("/throttles", body(json!({}))).await.blames(422, "invalid_field", "active_max");
        acme.post("/throttles", body(json!({"active_max": 0}))).await.blames(422, "limit_exceeded", "active_max");
        let most = limits::PER_MINUTE_MAX;
        assert_eq!(acme.post("/throttles", body(json!({"per_minute_max": most}))).await.status, 200);
        for value in [0, most + 1] {
            let reply = acme.post("/throttles", body(json!({"per_minute_max": value}))).await;
            reply.blames(422, "limit_exceeded", "per_minute_max");
        }
        let other = json!({"target": {"source": "nobody"}, "active_max": 1, "until": until});
        acme.post("/throttles", other).await.blames(404, "not_found", "target");
    }
}
