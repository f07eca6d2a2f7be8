//! Why jobs wait: the gate that is named is the one that holds.

use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

async fn explained(acme: &Client, job: &str) -> Value {
    acme.get(&format!("/jobs/{job}/explain")).await.body()
}

fn gates(explained: &Value) -> Vec<&str> {
    explained["holds"].as_array().unwrap().iter().map(|hold| hold["gate"].as_str().unwrap()).collect()
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

    async fn what_is_not_there_is_not_explained(app) {
        let acme = app.acme().await;
        acme.get(&format!("/jobs/{}/explain", crate::app::job_id())).await.problem(404, "not_found");
        acme.get("/lanes/1/explain").await.problem(404, "not_found");
        acme.get("/lanes/x/explain").await.blames(422, "invalid_field", "lane");
    }
}
