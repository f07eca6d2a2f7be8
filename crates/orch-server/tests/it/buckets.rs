//! Buckets over the API: what a host allows is never exceeded, and who waits for it is told so.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, TENANT_SCOPES, claim_id, on_each_ledger};

const JOBS: usize = 12;
const LIMIT: usize = 3;
const WINDOW: Duration = Duration::from_millis(400);

/// Jobs of a source whose host has a bucket.
async fn world(acme: &Client, cost: u32) -> String {
    acme.declare_with("fetch", json!({"cost": cost})).await;
    acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
    let window_ms = u64::try_from(WINDOW.as_millis()).unwrap();
    let bucket = json!({"host": "nvd.example", "terms": [{"limit": LIMIT, "window_ms": window_ms}]});
    assert_eq!(acme.put("/buckets/nvd", bucket).await.status, 201);
    for n in 0..JOBS {
        acme.submit(json!({"job_type": "fetch", "source": "nvd", "payload": n})).await;
    }
    acme.session(&["fetch"]).await
}

#[expect(clippy::disallowed_methods, reason = "the test is the upstream, which has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

/// When the requests of so many jobs leave, if they leave as early as they may.
async fn departures(acme: &Client, session: &str, jobs: usize) -> Vec<Instant> {
    let mut moments = Vec::new();
    while moments.len() < jobs {
        let claim = json!({"session": session, "claim_id": claim_id(), "max": 10, "wait_ms": 5_000});
        let leases = acme.post("/worker/claim", claim).await.body()["leases"].as_array().unwrap().clone();
        assert!(!leases.is_empty(), "the bucket opens in time");
        // The answer was made a moment ago: a request leaves a little later than that, and never earlier.
        let now = now();
        let hold = |lease: &Value| Duration::from_millis(lease["hold_ms"].as_u64().unwrap_or(0));
        moments.extend(leases.iter().map(|lease| now + hold(lease)));
    }
    moments.sort_unstable();
    moments
}

on_each_ledger! {
    async fn no_window_holds_more_than_the_term(app) {
        let acme = app.acme().await;
        let session = world(&acme, 1).await;
        let moments = departures(&acme, &session, JOBS).await;
        for window in moments.windows(LIMIT + 1) {
            let apart = window[LIMIT] - window[0];
            // Calls on a busy machine are slower and faster by more than an upstream would see.
            assert!(apart + Duration::from_millis(60) >= WINDOW, "{} requests in {apart:?}", LIMIT + 1);
        }
        let took = moments[JOBS - 1] - moments[0];
        assert!(took >= 3 * WINDOW - Duration::from_millis(60), "{JOBS} requests in {took:?}");
    }

    async fn what_waits_for_a_bucket_says_so(app) {
        let acme = app.acme().await;
        let session = world(&acme, 3).await;
        assert_eq!(acme.claim(&session, 10).await.len(), 1, "one attempt makes all the requests of a window");
        let lane = acme.get("/lanes").await.body()["items"][0].clone();
        assert_eq!((&lane["held_by"], &lane["ready"]), (&json!("bucket"), &json!(JOBS - 1)));
        assert!(acme.claim(&session, 10).await.is_empty());
    }

    async fn another_host_is_not_held(app) {
        let acme = app.acme().await;
        let session = world(&acme, 1).await;
        acme.put("/sources/kev", json!({"kind": "kev", "host": "kev.example"})).await;
        for n in 0..JOBS {
            acme.submit(json!({"job_type": "fetch", "source": "kev", "payload": n})).await;
        }
        let leases = acme.claim(&session, 100).await;
        let of = |source: &str| leases.iter().filter(|lease| lease["source"] == source).count();
        assert_eq!((of("nvd"), of("kev")), (LIMIT, JOBS));
    }

    async fn a_refusal_cuts_the_share_and_an_operator_restores_it(app) {
        let acme = app.acme().await;
        let session = world(&acme, 1).await;
        let leases = acme.claim(&session, 2).await;
        let state = acme.get("/buckets/nvd/state").await.body();
        assert_eq!((&state["left"], &state["share"]), (&json!([LIMIT - 2]), &json!(1_000)));
        for lease in &leases {
            let said = json!({"token": lease["token"], "status": 429, "retry_after_ms": 60_000});
            assert_eq!(acme.post("/worker/upstream", said).await.status, 200);
        }
        let state = acme.get("/buckets/nvd/state").await.body();
        let cuts = state["cuts"].as_array().unwrap();
        assert_eq!(cuts.len(), 1, "both requests left before the cut: {state}");
        assert_eq!((&cuts[0]["cause"], &cuts[0]["from"], &cuts[0]["to"]), (&json!("status_429"), &json!(1_000), &json!(500)));
        assert!(state["closed_until"].is_string() && state["opens_at"] == state["closed_until"], "{state}");
        assert!(acme.claim(&session, 10).await.is_empty());
        assert_eq!(acme.post("/buckets/nvd/reset", json!({"reason": "well again"})).await.status, 200);
        let state = acme.get("/buckets/nvd/state").await.body();
        assert_eq!((&state["share"], &state["closed_until"]), (&json!(1_000), &Value::Null));
        assert_eq!(acme.claim(&session, 10).await.len(), 1, "what was spent stays spent");
    }

    async fn what_waits_for_a_bucket_goes_when_that_is_deleted(app) {
        let acme = app.acme().await;
        let session = world(&acme, 3).await;
        assert_eq!(acme.claim(&session, 10).await.len(), 1);
        acme.send(Method::DELETE, "/buckets/nvd", &[("If-Match", "\"v7\"")], Body::empty()).await.problem(412, "version_conflict");
        assert!(acme.claim(&session, 10).await.is_empty());
        let deleted = acme.send(Method::DELETE, "/buckets/nvd", &[("If-Match", "\"v1\"")], Body::empty()).await;
        assert_eq!(deleted.status, 200);
        assert_eq!(acme.claim(&session, 100).await.len(), JOBS - 1);
        acme.get("/buckets/nvd/state").await.problem(404, "not_found");
        acme.send(Method::DELETE, "/buckets/nvd", &[], Body::empty()).await.problem(404, "not_found");
        let bucket = json!({"host": "nvd.example", "terms": [{"limit": LIMIT, "window_ms": 86_400_000}]});
        let again = acme.put("/buckets/nvd", bucket).await;
        assert_eq!((again.status.as_u16(), &again.body()["version"]), (201, &json!(3)), "a version is never used twice");
        assert_eq!(acme.get("/buckets/nvd/state").await.body()["left"], json!([0]), "what was spent is kept");
    }

    async fn what_is_under_way_at_a_host_is_limited_and_halves_when_that_refuses(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
        let terms = json!([{"limit": 1_000, "window_ms": 1_000}]);
        let bucket = json!({"host": "nvd.example", "terms": terms, "in_flight_max": 4});
        let made = acme.put("/buckets/nvd", bucket).await.body();
        assert_eq!((&made["in_flight_max"], &made["latency_cut"]), (&json!(4), &json!(true)));
        for n in 0..JOBS {
            acme.submit(json!({"job_type": "fetch", "source": "nvd", "payload": n})).await;
        }
        let session = acme.session(&["fetch"]).await;
        let leases = acme.claim(&session, 10).await;
        assert_eq!(leases.len(), 4);
        let state = acme.get("/buckets/nvd/state").await.body();
        assert_eq!(state["in_flight"], json!({"under_way": 4, "limit": 4, "max": 4}));
        let said = json!({"token": leases[0]["token"], "status": 429, "sent_ms_ago": 0});
        assert_eq!(acme.post("/worker/upstream", said).await.status, 200);
        let state = acme.get("/buckets/nvd/state").await.body();
        assert_eq!(state["in_flight"], json!({"under_way": 4, "limit": 2, "max": 4}));
        assert_eq!((&state["cuts"][0]["in_flight"], &state["cuts"][0]["latency_ms"]), (&json!(2), &Value::Null));
        assert!(!state["history"].as_array().unwrap().is_empty());
        acme.complete(json!({"token": leases[0]["token"], "outcome": "succeeded"})).await;
        assert!(acme.claim(&session, 10).await.is_empty(), "three are under way of two");
        let lane = acme.get("/lanes").await.body()["items"][0].clone();
        assert_eq!(lane["held_by"], "concurrency");
        let hold = acme.get("/lanes/1/explain").await.body()["holds"][0].clone();
        assert!(hold["by"].as_str().unwrap().starts_with("bucket `nvd`: 3 of 2 attempts are under way"), "{hold}");
        assert_eq!(hold["since"], state["cuts"][0]["at"]);
    }

    async fn answers_that_become_slow_cut_the_share(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
        let terms = json!([{"limit": 1_000, "window_ms": 1_000}]);
        acme.put("/buckets/nvd", json!({"host": "nvd.example", "terms": terms, "ramp_ms": 86_400_000})).await;
        for n in 0..JOBS {
            acme.submit(json!({"job_type": "fetch", "source": "nvd", "payload": n})).await;
        }
        let session = acme.session(&["fetch"]).await;
        for (place, lease) in acme.claim(&session, JOBS).await.iter().enumerate() {
            let (refused, answer) = if place < 7 { (false, 50) } else { (true, 500) };
            let seen = |host: &str, status: u16, ms: u64| json!({"host": host, "status": status, "latency_ms": ms});
            let mut observations = vec![seen("nvd.example", 200, answer); 10];
            // Refusals are quick, and other hosts are none of its business.
            observations.extend(vec![seen("nvd.example", 429, 0); if refused { 10 } else { 0 }]);
            observations.extend(vec![seen("other.example", 200, 9_000); 10]);
            let report = json!({"token": lease["token"], "outcome": "succeeded", "observations": observations});
            assert_eq!(acme.complete(report).await["status"], "ok");
        }
        let state = acme.get("/buckets/nvd/state").await.body();
        let cut = &state["cuts"][0];
        assert_eq!((&cut["cause"], &cut["latency_ms"], &cut["baseline_ms"]), (&json!("latency"), &json!(500), &json!(50)), "{state}");
        assert_eq!((state["cuts"].as_array().unwrap().len(), &state["baseline_ms"]), (1, &json!(50)));
    }

    async fn the_platform_does_not_limit_what_is_under_way(app) {
        let system = app.client(orch_core::ids::TenantNo::SYSTEM, &TENANT_SCOPES).await;
        let bucket = json!({"host": "h", "terms": [{"limit": 1, "window_ms": 1_000}], "in_flight_max": 4});
        system.put("/buckets/shared", bucket).await.blames(422, "invalid_field", "in_flight_max");
    }

    async fn known_terms_make_a_bucket(app) {
        let acme = app.acme().await;
        let all = acme.get("/known-terms").await.body()["items"].as_array().unwrap().clone();
        let ids: Vec<_> = all.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
        assert_eq!(ids.first(), Some(&"epss"), "by host");
        assert_eq!(ids.last(), Some(&"csaf"), "what has none comes last");
        let of_nvd = acme.get("/known-terms?host=services.nvd.nist.gov").await.body()["items"].clone();
        assert_eq!((&of_nvd[0]["id"], &of_nvd[1]["id"], of_nvd.as_array().unwrap().len()), (&json!("nvd-anonymous"), &json!("nvd-key"), 2));
        for entry in all {
            assert_eq!(entry["published"], json!(entry["source"].is_string()), "{entry}");
            let host = entry["host"].as_str().unwrap_or("provider.example");
            let bucket = json!({"host": host, "terms": entry["terms"]});
            let reply = acme.put(&format!("/buckets/{}", entry["id"].as_str().unwrap()), bucket).await;
            assert_eq!((reply.status.as_u16(), &reply.body()["terms"]), (201, &entry["terms"]));
        }
        acme.get("/known-terms?host=-").await.blames(422, "invalid_field", "host");
    }

    async fn an_answer_that_is_none_is_refused(app) {
        let acme = app.acme().await;
        let session = world(&acme, 1).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        for status in [99, 600] {
            let said = json!({"token": lease["token"], "status": status});
            acme.post("/worker/upstream", said).await.blames(422, "invalid_field", "status");
        }
        let said = json!({"token": lease["token"], "status": 403});
        assert_eq!(acme.post("/worker/upstream", said).await.status, 200);
        assert_eq!(acme.get("/buckets/nvd/state").await.body()["share"], 1_000, "a plain 403 is no throttle");
        acme.get("/buckets/none/state").await.problem(404, "not_found");
        acme.post("/buckets/none/reset", json!({})).await.problem(404, "not_found");
    }
}
