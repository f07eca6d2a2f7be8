//! Breakers over the API: a dead upstream is asked by one attempt at a time, and no job fails for it.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

const JOBS: usize = 12;

/// Jobs of a source whose host has a breaker that opens after four outcomes.
async fn world(acme: &Client, open_ms: u64) -> String {
    acme.declare_with("fetch", json!({"tries_max": 2, "backoff_ms": 1, "backoff_ms_max": 1})).await;
    acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
    let breaker = json!({
        "host": "nvd.example", "outcomes_min": 4, "open_ms": open_ms, "open_ms_max": open_ms, "ramp_max": 2,
    });
    assert_eq!(acme.put("/breakers/nvd", breaker).await.status, 201);
    for n in 0..JOBS {
        acme.submit(json!({"job_type": "fetch", "source": "nvd", "payload": n})).await;
    }
    acme.session(&["fetch"]).await
}

async fn state(acme: &Client) -> Value {
    acme.get("/breakers/nvd/state").await.body()
}

/// Reports the end of attempts.
async fn report(acme: &Client, leases: &[Value], good: bool) {
    let error = json!({"class": "upstream", "code": "http_503", "message": "gone", "retryable": true});
    let items = leases.iter().map(|lease| match good {
        true => json!({"token": lease["token"], "outcome": "succeeded"}),
        false => json!({"token": lease["token"], "outcome": "failed", "error": error}),
    });
    let reply = acme.post("/worker/complete", json!({"items": items.collect::<Vec<_>>()})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Claims, and waits until something comes.
async fn waited(acme: &Client, session: &str) -> Vec<Value> {
    let claim = json!({"session": session, "claim_id": crate::app::claim_id(), "max": 10, "wait_ms": 10_000});
    acme.post("/worker/claim", claim).await.body()["leases"].as_array().unwrap().clone()
}

on_each_ledger! {
    async fn it_opens_lets_one_through_and_closes_after_its_ramp(app) {
        let acme = app.acme().await;
        let session = world(&acme, 300).await;
        let leases = acme.claim(&session, 5).await;
        assert_eq!((&state(&acme).await["state"], &state(&acme).await["under_way"]), (&json!("closed"), &json!(5)));
        report(&acme, &leases[..4], false).await;
        let open = state(&acme).await;
        assert_eq!((&open["state"], &open["spell"], &open["under_way"]), (&json!("open"), &json!(1), &json!(1)), "{open}");
        assert!(open["until"].is_string() && open["since"].is_string(), "{open}");
        report(&acme, &leases[4..], false).await;
        let free = acme.get(&format!("/jobs/{}", leases[4]["job"].as_str().unwrap())).await.body();
        assert_eq!((&free["tries"], &free["attempt"]), (&json!(0), &json!(1)), "{free}");
        let canary = waited(&acme, &session).await;
        assert_eq!((canary.len(), &state(&acme).await["state"]), (1, &json!("probing")));
        assert!(acme.claim(&session, 10).await.is_empty(), "one canary");
        report(&acme, &canary, false).await;
        assert_eq!((&state(&acme).await["spell"], &state(&acme).await["state"]), (&json!(2), &json!("open")));
        let canary = waited(&acme, &session).await;
        report(&acme, &canary, true).await;
        let ramp = state(&acme).await;
        assert_eq!((&ramp["state"], &ramp["under_way_max"]), (&json!("ramp"), &json!(1)), "{ramp}");
        for expected in [1, 2] {
            let leases = waited(&acme, &session).await;
            assert_eq!(leases.len(), expected);
            report(&acme, &leases, true).await;
        }
        let closed = state(&acme).await;
        assert_eq!((&closed["state"], &closed["until"], &closed["spell"]), (&json!("closed"), &Value::Null, &json!(0)));
        assert_eq!(acme.get("/dead-letters").await.body()["items"], json!([]));
    }

    async fn who_waits_for_it_is_told_when_it_opens(app) {
        let acme = app.acme().await;
        let session = world(&acme, 60_000).await;
        let leases = acme.claim(&session, 4).await;
        report(&acme, &leases, false).await;
        let lane = acme.get("/lanes").await.body()["items"][0].clone();
        assert_eq!(lane["held_by"], "breaker");
        let said = acme.get("/lanes/1/explain").await.body();
        let (hold, open) = (&said["holds"][0], state(&acme).await);
        assert_eq!((&said["waiting_on"], &hold["since"], &hold["opens_at"]), (&json!("breaker"), &open["since"], &open["until"]));
        assert_eq!(hold["by"], "breaker `nvd` is open: too many attempts failed");
        assert!(hold["advice"].as_str().unwrap().contains("orch breaker reset"));
        assert_eq!(acme.post("/breakers/nvd/reset", json!({"reason": "it is back"})).await.status, 200);
        assert_eq!(acme.claim(&session, 4).await.len(), 4);
    }

    async fn operators_open_and_close_it(app) {
        let acme = app.acme().await;
        let session = world(&acme, 1).await;
        assert_eq!(acme.post("/breakers/nvd/trip", json!({"reason": "they move"})).await.status, 200);
        assert!(acme.claim(&session, 4).await.is_empty());
        let tripped = state(&acme).await;
        assert_eq!((&tripped["state"], &tripped["reason"]), (&json!("tripped"), &json!("they move")));
        assert!(tripped["tripped_by"].as_str().unwrap().starts_with("tok_"));
        let hold = acme.get("/lanes/1/explain").await.body()["holds"][0].clone();
        assert!(hold["by"].as_str().unwrap().ends_with(": they move") && hold["opens_at"].is_null(), "{hold}");
        acme.post("/breakers/nvd/reset", json!({})).await;
        assert_eq!(acme.claim(&session, 4).await.len(), 4);
        for act in ["trip", "reset"] {
            acme.post(&format!("/breakers/none/{act}"), json!({})).await.problem(404, "not_found");
        }
        acme.get("/breakers/none/state").await.problem(404, "not_found");
    }

    async fn what_it_holds_goes_when_it_is_deleted(app) {
        let acme = app.acme().await;
        let session = world(&acme, 60_000).await;
        let leases = acme.claim(&session, 4).await;
        report(&acme, &leases, false).await;
        assert!(acme.claim(&session, 10).await.is_empty());
        acme.send(Method::DELETE, "/breakers/nvd", &[("If-Match", "\"v2\"")], Body::empty()).await.problem(412, "version_conflict");
        assert_eq!(acme.send(Method::DELETE, "/breakers/nvd", &[], Body::empty()).await.status, 200);
        assert!(acme.claim(&session, 100).await.len() >= JOBS - 4);
        acme.get("/breakers/nvd/state").await.problem(404, "not_found");
        acme.send(Method::DELETE, "/breakers/nvd", &[], Body::empty()).await.problem(404, "not_found");
        assert_eq!(acme.put("/breakers/nvd", json!({"host": "nvd.example"})).await.body()["version"], 3);
        assert_eq!(state(&acme).await["state"], "closed", "what it knew is forgotten");
    }

    async fn a_job_type_has_one_too(app) {
        let acme = app.acme().await;
        let session = world(&acme, 60_000).await;
        acme.put("/breakers/fetch", json!({"job_type": "fetch"})).await;
        acme.submit(json!({"job_type": "fetch"})).await;
        acme.post("/breakers/fetch/trip", json!({})).await;
        assert!(acme.claim(&session, 20).await.is_empty(), "whatever the source");
        acme.post("/breakers/fetch/reset", json!({})).await;
        assert_eq!(acme.claim(&session, 20).await.len(), JOBS + 1);
    }
}
