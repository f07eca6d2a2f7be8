//! Why jobs wait: the gate that is named is the one that holds.

use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

async fn explained(acme: &Client, job: &str) -> Value {
    acme.get(&format!("/jobs/{job}/explain")).await.body()
}

fn gates(explained: &Value) -> Vec<&str> {
    explained["holds"].as_array().unwrap().iter().map(|hold| hold["gate"].as_str().unwrap()).collect()
}

/// Lists say the same as explanations; returns the gates that were named.
async fn agree(acme: &Client) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    for job in acme.get("/jobs").await.body()["items"].as_array().unwrap() {
        let said = explained(acme, job["id"].as_str().unwrap()).await;
        let one = acme.get(&format!("/jobs/{}", job["id"].as_str().unwrap())).await.body();
        assert_eq!(job.get("waiting_on").unwrap_or(&Value::Null), &said["waiting_on"], "{job} {said}");
        assert_eq!(job.get("waiting_on"), one.get("waiting_on"));
        seen.extend(said["waiting_on"].as_str().map(str::to_owned));
    }
    for lane in acme.get("/lanes").await.body()["items"].as_array().unwrap() {
        let said = acme.get(&format!("/lanes/{}/explain", lane["lane"])).await.body();
        assert_eq!(lane["waiting_on"], said["waiting_on"], "{lane} {said}");
        seen.extend(said["waiting_on"].as_str().map(str::to_owned));
    }
    seen.into_iter().collect()
}

on_each_ledger! {
    async fn each_gate_is_named_with_who_holds_it(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"concurrency_max": 1})).await;
        let first = acme.submit(json!({"job_type": "t"})).await;
        let second = acme.submit(json!({"job_type": "t"})).await;
        let said = explained(&acme, &second).await;
        assert_eq!((gates(&said), &said["ahead"]), (vec!["worker"], &json!(1)));
        let session = acme.session(&["t"]).await;
        assert_eq!(gates(&explained(&acme, &second).await), [""; 0], "a worker is there");
        let lease = acme.claim(&session, 1).await.remove(0);
        assert_eq!(lease["job"], first.as_str());
        let said = explained(&acme, &second).await;
        assert_eq!((&said["waiting_on"], &said["state"], &said["ahead"]), (&json!("concurrency"), &json!("ready"), &json!(0)));
        assert_eq!(said["holds"][0]["by"], "1 of 1 attempts of job type `t` are under way");
        acme.post("/pauses", json!({"target": {"job_type": "t"}, "reason": "deploy"})).await;
        let said = explained(&acme, &second).await;
        assert_eq!(gates(&said), ["paused", "concurrency"], "in the order in which they are looked at");
        let by = said["holds"][0]["by"].as_str().unwrap();
        assert!(by.starts_with("job type `t` is paused by tok_") && by.ends_with(": deploy"), "{by}");
        assert!(said["holds"][0]["since"].is_string());
        assert_eq!(acme.get("/lanes/1/explain").await.body()["waiting_on"], "paused");
        assert_eq!(gates(&explained(&acme, &first).await), [""; 0], "it runs");
    }

    async fn what_waits_for_an_attempt_has_an_estimate_once_one_has_ended(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"concurrency_max": 1})).await;
        let first = acme.leased("t").await;
        let second = acme.submit(json!({"job_type": "t"})).await;
        let said = explained(&acme, &second).await;
        assert_eq!((&said["starts_at"], &said["run_times"]), (&Value::Null, &Value::Null), "nothing ended yet");
        assert_eq!((&said["holds"][0]["opens_at"], &said["holds"][0]["estimated"]), (&Value::Null, &json!(false)));
        acme.complete(json!({"token": first.1, "outcome": "succeeded"})).await;
        let session = acme.session(&["t"]).await;
        acme.claim(&session, 1).await;
        let third = acme.submit(json!({"job_type": "t"})).await;
        let said = explained(&acme, &third).await;
        assert_eq!(said["waiting_on"], "concurrency");
        assert!(said["starts_at"].is_string() && said["run_times"] == 1, "{said}");
        assert_eq!((&said["holds"][0]["opens_at"], &said["holds"][0]["estimated"]), (&said["starts_at"], &json!(true)));
        let lane = acme.get("/lanes/1/explain").await.body();
        assert!(lane["starts_at"].is_string() && lane["run_times"] == 1, "{lane}");
    }

    async fn dependencies_and_moments_come_first(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let parent = acme.submit(json!({"job_type": "t"})).await;
        let child = acme.submit(json!({"job_type": "t", "depends_on": [{"job": parent, "on": "done"}]})).await;
        let moment = app.engine.now().plus_ms(3_600_000).to_rfc3339();
        let later = acme.submit(json!({"job_type": "t", "not_before": moment})).await;
        let said = explained(&acme, &child).await;
        assert_eq!(gates(&said), ["dependencies"]);
        assert_eq!(said["holds"][0]["by"], format!("1 open dependencies: {parent}"));
        let said = explained(&acme, &later).await;
        assert_eq!((gates(&said), &said["holds"][0]["by"]), (vec!["time"], &json!("not_before")));
        assert_eq!(said["holds"][0]["opens_at"], moment.as_str());
    }

    async fn a_bucket_says_when_it_opens(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
        acme.put("/buckets/nvd", json!({"host": "nvd.example", "terms": [{"limit": 1, "window_ms": 600_000}]})).await;
        for _ in 0..2 {
            acme.submit(json!({"job_type": "t", "source": "nvd"})).await;
        }
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 5).await.remove(0);
        let waiting = acme.get("/jobs?query=state:ready").await.body()["items"][0]["id"].as_str().unwrap().to_owned();
        let said = explained(&acme, &waiting).await;
        assert_eq!((gates(&said), &said["holds"][0]["by"]), (vec!["bucket"], &json!("bucket `nvd`: 1 in 600000 ms")));
        assert!(said["holds"][0]["opens_at"].as_str().unwrap() > lease["until"].as_str().unwrap());
    }

    async fn lists_name_the_gate_that_explains(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"concurrency_max": 1})).await;
        acme.declare("u").await;
        for priority in ["high", "normal", "low"] {
            acme.submit(json!({"job_type": "t", "priority": priority})).await;
            acme.submit(json!({"job_type": "u", "priority": priority})).await;
        }
        let parent = acme.submit(json!({"job_type": "u"})).await;
        acme.submit(json!({"job_type": "u", "depends_on": [{"job": parent, "on": "done"}]})).await;
        let moment = app.engine.now().plus_ms(3_600_000).to_rfc3339();
        acme.submit(json!({"job_type": "t", "not_before": moment})).await;
        acme.submit(json!({"job_type": "t", "deadline": moment})).await;
        let seen = agree(&acme).await;
        assert_eq!(seen, ["dependencies", "time", "worker"]);
        let session = acme.session(&["t"]).await;
        assert_eq!(agree(&acme).await, ["dependencies", "time", "turn", "worker"]);
        acme.claim(&session, 1).await;
        assert_eq!(agree(&acme).await, ["concurrency", "dependencies", "time", "worker"]);
        acme.post("/pauses", json!({"target": {"lane": 2}})).await;
        assert_eq!(agree(&acme).await, ["concurrency", "dependencies", "paused", "time", "worker"]);
        acme.post("/pauses", json!({"target": "tenant"})).await;
        assert_eq!(agree(&acme).await, ["dependencies", "paused", "time"]);
        let leased = acme.get("/jobs?state=running").await.body()["items"][0].clone();
        assert!(leased.get("waiting_on").is_none(), "it does not wait: {leased}");
    }

    async fn a_host_is_explained_by_all_its_gates(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
        acme.put("/sources/kev", json!({"kind": "kev", "host": "kev.example"})).await;
        acme.put("/buckets/nvd", json!({"host": "nvd.example", "terms": [{"limit": 1, "window_ms": 600_000}]})).await;
        acme.put("/buckets/kev", json!({"host": "kev.example", "terms": [{"limit": 1, "window_ms": 600_000}]})).await;
        acme.put("/breakers/nvd", json!({"host": "nvd.example"})).await;
        for source in ["nvd", "nvd", "kev"] {
            acme.submit(json!({"job_type": "t", "source": source})).await;
        }
        let said = acme.get("/hosts/nvd.example/explain").await.body();
        assert_eq!((&said["sources"], &said["waiting_on"], &said["opens_at"]), (&json!(["nvd"]), &Value::Null, &Value::Null));
        assert_eq!(said["lanes"], json!({"lanes": 1, "ready": 2, "leased": 0, "waiting_on": {"worker": 1}}));
        let session = acme.session(&["t"]).await;
        acme.claim(&session, 5).await;
        let said = acme.get("/hosts/nvd.example/explain").await.body();
        let gates = said["gates"].as_array().unwrap().iter();
        let gates: Vec<_> = gates.map(|gate| (gate["gate"].as_str().unwrap(), gate["holds"].as_bool().unwrap())).collect();
        assert_eq!(gates, [("breaker", false), ("bucket", true)]);
        assert_eq!((&said["waiting_on"], &said["gates"][1]["name"]), (&json!("bucket"), &json!("nvd")));
        assert_eq!(said["opens_at"], said["gates"][1]["opens_at"]);
        assert_eq!(said["lanes"], json!({"lanes": 1, "ready": 1, "leased": 1, "waiting_on": {"bucket": 1}}));
        acme.post("/breakers/nvd/trip", json!({})).await;
        let said = acme.get("/hosts/nvd.example/explain").await.body();
        assert_eq!((&said["waiting_on"], &said["opens_at"]), (&json!("breaker"), &Value::Null), "nobody knows when");
        acme.put("/blackouts/all", json!({"calendar": {"cron": "* * * * * *", "duration_ms": 3_600_000, "zone": "UTC"}})).await;
        let said = acme.get("/hosts/kev.example/explain").await.body();
        assert_eq!(said["waiting_on"], "blackout", "{said}");
        acme.get("/hosts/other.example/explain").await.problem(404, "not_found");
        let other = app.globex().await;
        other.get("/hosts/nvd.example/explain").await.problem(404, "not_found");
    }

    async fn a_tenant_is_explained_by_what_holds_it(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.declare("u").await;
        acme.submit(json!({"job_type": "t"})).await;
        acme.submit(json!({"job_type": "u"})).await;
        let said = acme.get("/tenants/acme/explain").await.body();
        assert_eq!((gates(&said), &said["workers"], &said["tenant"]), (vec![], &json!(0), &json!("acme")));
        assert_eq!(said["lanes"], json!({"lanes": 2, "ready": 2, "leased": 0, "waiting_on": {"worker": 2}}));
        let session = acme.session(&["t"]).await;
        acme.put("/quotas/few", json!({"job_type": "t", "active_max": 1})).await;
        acme.claim(&session, 1).await;
        acme.post("/pauses", json!({"target": {"job_type": "u"}, "reason": "deploy"})).await;
        let said = acme.get("/tenants/acme/explain").await.body();
        assert_eq!((gates(&said), &said["workers"], &said["waiting_on"]), (vec![], &json!(1), &Value::Null));
        let parts: Vec<_> = said["parts"].as_array().unwrap().iter().map(|hold| hold["gate"].as_str().unwrap()).collect();
        assert_eq!(parts, ["paused", "quota"]);
        assert_eq!(said["lanes"], json!({"lanes": 1, "ready": 1, "leased": 1, "waiting_on": {"paused": 1}}));
        acme.post("/pauses", json!({"target": "tenant"})).await;
        acme.put("/quotas/all", json!({"active_max": 1})).await;
        assert_eq!(gates(&acme.get("/tenants/acme/explain").await.body()), ["paused", "quota"]);
        app.globex().await.get("/tenants/acme/explain").await.problem(404, "not_found");
    }

    async fn what_is_not_there_is_not_explained(app) {
        let acme = app.acme().await;
        acme.get(&format!("/jobs/{}/explain", crate::app::job_id())).await.problem(404, "not_found");
        acme.get("/lanes/1/explain").await.problem(404, "not_found");
        acme.get("/lanes/x/explain").await.blames(422, "invalid_field", "lane");
    }
}
