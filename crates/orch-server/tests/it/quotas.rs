//! Quotas over the API: what is under way, what begins in an hour and what waits stay within them, and shares are kept.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, claim_id, on_each_ledger};

async fn submit(acme: &Client, job_type: &str, jobs: usize) {
    for n in 0..jobs {
        acme.submit(json!({"job_type": job_type, "payload": n})).await;
    }
}

/// The job types of what a claim gets.
async fn claimed(acme: &Client, session: &str, max: usize) -> Vec<String> {
    let claim = json!({"session": session, "claim_id": claim_id(), "max": max});
    let leases = acme.post("/worker/claim", claim).await.body()["leases"].as_array().unwrap().clone();
    leases.iter().map(|lease| lease["job_type"].as_str().unwrap().to_owned()).collect()
}

async fn used(acme: &Client, name: &str) -> Value {
    let items = acme.get("/quotas/summary").await.body()["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["name"] == name).unwrap()
}

on_each_ledger! {
    async fn what_is_under_way_stays_within_a_quota(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.declare("parse").await;
        assert_eq!(acme.put("/quotas/fetches", json!({"job_type": "fetch", "active_max": 2})).await.status, 201);
        submit(&acme, "fetch", 5).await;
        submit(&acme, "parse", 3).await;
        let session = acme.session(&["fetch", "parse"]).await;
        let first = claimed(&acme, &session, 10).await;
        assert_eq!(first.iter().filter(|name| *name == "fetch").count(), 2);
        assert_eq!(first.len(), 5);
        let fetches = used(&acme, "fetches").await;
        assert_eq!((&fetches["active"], &fetches["waiting"]), (&json!(2), &json!(3)));
        let job = acme.get("/jobs?state=ready&limit=1").await.body()["items"][0]["id"].as_str().unwrap().to_owned();
        let holds = acme.get(&format!("/jobs/{job}/explain")).await.body()["holds"].clone();
        assert_eq!(holds[0]["gate"], "quota", "{holds}");
        assert!(holds[0]["by"].as_str().unwrap().contains("`fetches`"), "{holds}");
        assert_eq!(acme.send(Method::DELETE, "/quotas/fetches", &[], Body::empty()).await.status, 200);
        assert_eq!(claimed(&acme, &session, 10).await.len(), 3);
        assert_eq!(acme.get("/quotas/fetches").await.status, 404);
        let again = acme.put("/quotas/fetches", json!({"job_type": "fetch", "active_max": 1})).await;
        assert_eq!((again.status.as_u16(), &again.body()["version"]), (201, &json!(3)), "a version is never used twice");
    }

    async fn shares_of_the_whole_are_kept_and_lent(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.declare("parse").await;
        acme.put("/quotas/all", json!({"active_max": 4})).await;
        acme.put("/quotas/parses", json!({"job_type": "parse", "reserved": 2})).await;
        submit(&acme, "fetch", 10).await;
        let session = acme.session(&["fetch", "parse"]).await;
        // Nobody wants what is reserved: it is lent.
        assert_eq!(claimed(&acme, &session, 3).await, ["fetch", "fetch", "fetch"]);
        submit(&acme, "parse", 10).await;
        assert_eq!(claimed(&acme, &session, 10).await, ["parse"], "what is free is its own");
        assert_eq!(used(&acme, "parses").await["share"], 2);
    }

    async fn what_begins_in_an_hour_stays_within_a_quota(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.put("/quotas/hourly", json!({"job_type": "fetch", "per_hour_max": 3})).await;
        submit(&acme, "fetch", 5).await;
        let session = acme.session(&["fetch"]).await;
        assert_eq!(claimed(&acme, &session, 10).await.len(), 3);
        let hourly = used(&acme, "hourly").await;
        assert_eq!(hourly["hour_left"], 0);
        assert!(hourly["opens_at"].is_string(), "{hourly}");
    }

    async fn a_full_backlog_refuses_more_and_says_which(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.put("/quotas/small", json!({"backlog_max": 2})).await;
        let key = [("Idempotency-Key", "one")];
        let first = acme.json(Method::POST, "/jobs", &key, json!({"job_type": "fetch"})).await;
        assert_eq!(first.status, 201);
        submit(&acme, "fetch", 1).await;
        let refused = acme.post("/jobs", json!({"job_type": "fetch"})).await;
        assert_eq!((refused.status.as_u16(), &refused.body()["code"]), (429, &json!("backlog_full")));
        assert!(refused.body()["detail"].as_str().unwrap().contains("`small`"));
        assert!(refused.headers.contains_key("retry-after"));
        let again = acme.json(Method::POST, "/jobs", &key, json!({"job_type": "fetch"})).await;
        assert_eq!(again.body()["id"], first.body()["id"], "what was accepted is answered as before");
    }

    async fn a_paused_quota_holds_its_work(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.put("/quotas/fetches", json!({"job_type": "fetch", "active_max": 9})).await;
        submit(&acme, "fetch", 2).await;
        let session = acme.session(&["fetch"]).await;
        assert_eq!(acme.post("/quotas/fetches/pause", json!({"reason": "spent"})).await.status, 200);
        assert_eq!(claimed(&acme, &session, 10).await.len(), 0);
        assert_eq!(used(&acme, "fetches").await["paused"], true);
        acme.put("/quotas/fetches", json!({"job_type": "fetch", "active_max": 8})).await;
        assert_eq!(used(&acme, "fetches").await["paused"], true, "a declaration resumes nothing");
        assert_eq!(acme.post("/quotas/fetches/resume", json!({})).await.status, 200);
        assert_eq!(claimed(&acme, &session, 10).await.len(), 2);
        assert_eq!(acme.post("/quotas/none/pause", json!({})).await.status, 404);
    }

    async fn contradictions_are_refused_by_field(app) {
        let acme = app.acme().await;
        for (body, field) in [
            (json!({"active_max": 0}), "active_max"),
            (json!({"job_type": "t"}), "active_max"),
            (json!({"active_max": 1, "burst": 1}), "burst"),
            (json!({"per_hour_max": 5, "burst": 6}), "burst"),
            (json!({"active_max": 2, "reserved": 1}), "reserved"),
            (json!({"job_type": "t", "active_max": 2, "reserved": 3}), "reserved"),
            (json!({"backlog_max": 0}), "backlog_max"),
        ] {
            let refused = acme.put("/quotas/q", body.clone()).await;
            assert_eq!(refused.status, 422, "{body}");
            assert_eq!(refused.body()["errors"][0]["field"], field, "{body}");
        }
    }
}
