//! Blackouts over the API: nothing is handed out in a window, attempts under way are treated as said, and who waits is
//! told until when.

use orch_core::Timestamp;
use serde_json::{Value, json};

use crate::app::{Client, claim_id, on_each_ledger};

/// Windows of an hour that begin each second: it holds now, and never opens.
fn all_day() -> Value {
    json!({"cron": "* * * * * *", "duration_ms": 3_600_000, "zone": "UTC"})
}

/// One window that begins so many seconds after a moment, and lasts so many milliseconds.
fn once(at: Timestamp, after: i64, duration_ms: u64) -> Value {
    let begins = Timestamp::from_millis(at.millis() + after * 1_000).to_rfc3339();
    json!({"rrule": "FREQ=YEARLY", "starts_at": begins[..19], "duration_ms": duration_ms, "zone": "UTC"})
}

async fn put(acme: &Client, name: &str, blackout: Value) {
    let reply = acme.put(&format!("/blackouts/{name}"), blackout).await;
    assert!(reply.status.is_success(), "{}", reply.text());
}

async fn held_by(acme: &Client, lane: usize) -> Value {
    acme.get("/lanes").await.body()["items"][lane]["held_by"].clone()
}

on_each_ledger! {
    async fn what_it_names_is_held_and_nothing_else(app) {
        let acme = app.acme().await;
        acme.declare("fetch").await;
        acme.declare("merge").await;
        acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
        acme.put("/sources/kev", json!({"kind": "kev", "host": "kev.example"})).await;
        put(&acme, "upkeep", json!({"host": "nvd.example", "job_type": "fetch", "calendar": all_day()})).await;
        for (job_type, source) in [("fetch", "nvd"), ("fetch", "kev"), ("merge", "nvd")] {
            acme.submit(json!({"job_type": job_type, "source": source})).await;
        }
        let session = acme.session(&["fetch", "merge"]).await;
        let mut granted = Vec::new();
        for lease in acme.claim(&session, 10).await {
            granted.push(format!("{} {}", lease["job_type"].as_str().unwrap(), lease["source"].as_str().unwrap()));
        }
        granted.sort();
        assert_eq!(granted, ["fetch kev", "merge nvd"]);
        assert_eq!((held_by(&acme, 0).await, held_by(&acme, 1).await), (json!("blackout"), Value::Null));
        acme.put("/sources/other", json!({"kind": "nvd", "host": "nvd.example"})).await;
        acme.submit(json!({"job_type": "fetch", "source": "other"})).await;
        assert!(acme.claim(&session, 10).await.is_empty(), "a new source of the host is held, too");
    }

    async fn who_waits_is_told_until_when_and_gets_work_then(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let now = app.engine.now();
        put(&acme, "freeze", json!({"calendar": once(now, -1, 2_500)})).await;
        put(&acme, "then", json!({"job_type": "t", "calendar": once(now, 1, 1_000)})).await;
        let job = acme.submit(json!({"job_type": "t"})).await;
        let session = acme.session(&["t"]).await;
        assert!(acme.claim(&session, 1).await.is_empty());
        let said = acme.get(&format!("/jobs/{job}/explain")).await.body();
        assert_eq!((&said["waiting_on"], &said["holds"][0]["by"]), (&json!("blackout"), &json!("blackout `freeze` (hold)")));
        let opens_at = Timestamp::parse_rfc3339(said["holds"][0]["opens_at"].as_str().unwrap()).unwrap();
        let second = now.millis().div_euclid(1_000) * 1_000;
        assert_eq!(opens_at, Timestamp::from_millis(second + 2_000), "the second window adjoins the first: {said}");
        let claim = json!({"session": session, "claim_id": claim_id(), "max": 1, "wait_ms": 10_000});
        let leases = acme.post("/worker/claim", claim).await.body()["leases"].as_array().unwrap().clone();
        assert_eq!(leases[0]["job"], job.as_str());
        let late = app.engine.now().ms_since(opens_at);
        assert!(app.engine.now() >= opens_at && late < 2_000, "{late} ms late");
    }

    async fn a_drain_begins_before_its_window(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.submit(json!({"job_type": "t"})).await;
        let session = acme.session(&["t"]).await;
        let calendar = once(app.engine.now(), 3_600, 60_000);
        put(&acme, "b", json!({"calendar": calendar, "action": "drain", "lead_ms": 3_700_000})).await;
        assert!(acme.claim(&session, 1).await.is_empty());
        let etag = [("if-match", "*")];
        let shorter = json!({"calendar": calendar, "action": "drain", "lead_ms": 3_000_000});
        assert_eq!(acme.json(axum::http::Method::PUT, "/blackouts/b", &etag, shorter).await.status, 200);
        assert_eq!(acme.claim(&session, 1).await.len(), 1);
    }

    async fn a_cancel_asks_attempts_to_end(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"cancel_grace_ms": 60_000})).await;
        let (job, token) = acme.leased("t").await;
        put(&acme, "stop", json!({"calendar": all_day(), "action": "cancel"})).await;
        let session = acme.session(&["t"]).await;
        let mut answer = Value::Null;
        for _ in 0..50 {
            let beat = json!({"session": session, "leases": [{"token": token}]});
            answer = acme.post("/worker/heartbeat", beat).await.body()["items"][0]["answer"].clone();
            if answer == "cancel" {
                break;
            }
            // The owner looks a moment later: a claim that finds nothing waits for it.
            let claim = json!({"session": session, "claim_id": claim_id(), "max": 1, "wait_ms": 40});
            acme.post("/worker/claim", claim).await;
        }
        assert_eq!(answer, "cancel");
        let history = acme.get(&format!("/jobs/{job}/history")).await.text();
        assert!(history.contains("blackout stop"), "{history}");
        assert_eq!(acme.complete(json!({"token": token, "outcome": "canceled"})).await["status"], "ok");
        assert_eq!(acme.state(&job).await, "canceled");
    }

    async fn windows_are_shown_in_utc_and_on_the_wall_clock(app) {
        let acme = app.acme().await;
        let calendar = json!({"cron": "30 3 * * *", "duration_ms": 3_600_000, "zone": "Europe/Athens", "except": ["2100-03-30"]});
        put(&acme, "night", json!({"calendar": calendar})).await;
        let shown = acme.get("/blackouts/night/windows?from=2100-03-27T02:00:00Z&count=3").await.body();
        assert_eq!(shown["zone"], "Europe/Athens");
        let items = shown["items"].as_array().unwrap();
        let begins: Vec<_> = items.iter().map(|item| item["begins_at"].as_str().unwrap()).collect();
        // On 28 March 2100 clocks in Athens go from 03:00 to 04:00; the first window is the one under way.
        assert_eq!(begins, ["2100-03-27T01:30:00.000Z", "2100-03-28T01:30:00.000Z", "2100-03-29T00:30:00.000Z"]);
        assert_eq!(items[1]["begins_local"], "2100-03-28T04:30:00+03:00");
        let next = acme.get("/blackouts/night/windows?from=2100-03-29T02:00:00Z&count=1").await.body();
        assert_eq!(next["items"][0]["begins_at"], "2100-03-31T00:30:00.000Z", "a day is excepted");
        acme.get("/blackouts/night/windows?count=21").await.blames(422, "limit_exceeded", "count");
        acme.get("/blackouts/night/windows?from=soon").await.blames(422, "invalid_field", "from");
        acme.get("/blackouts/none/windows").await.problem(404, "not_found");
    }

    async fn the_next_quiet_time_counts_what_holds_such_work(app) {
        let acme = app.acme().await;
        let cron = |cron: &str| json!({"cron": cron, "duration_ms": 3_600_000, "zone": "UTC"});
        acme.put("/sources/nvd", json!({"kind": "nvd", "host": "nvd.example"})).await;
        put(&acme, "all", json!({"calendar": cron("0 2 * * *")})).await;
        put(&acme, "host", json!({"host": "nvd.example", "calendar": cron("0 3 * * *")})).await;
        put(&acme, "type", json!({"job_type": "t", "calendar": cron("0 5 * * *"), "action": "drain", "lead_ms": 1_800_000})).await;
        let quiet = async |query: &str| {
            let path = format!("/blackouts/next-quiet?from=2100-01-15T02:10:00Z{query}");
            let said = acme.get(&path).await.body();
            (said["at"].as_str().unwrap_or("none").to_owned(), said["blackouts"].to_string())
        };
        let said = |at: &str, names: &str| (at.to_owned(), names.to_owned());
        assert_eq!(quiet("").await, said("2100-01-15T03:00:00.000Z", r#"["all"]"#));
        assert_eq!(quiet("&source=nvd").await, said("2100-01-15T04:00:00.000Z", r#"["all","host"]"#));
        let both = "&source=nvd&job_type=t&duration_ms";
        let all = r#"["all","host","type"]"#;
        assert_eq!(quiet(&format!("{both}=1800000")).await, said("2100-01-15T04:00:00.000Z", all));
        assert_eq!(quiet(&format!("{both}=1800001")).await, said("2100-01-15T06:00:00.000Z", all));
        assert_eq!(quiet("&duration_ms=86400000").await, said("none", r#"["all"]"#));
        acme.get("/blackouts/next-quiet?duration_ms=2678400001").await.blames(422, "limit_exceeded", "duration_ms");
        acme.get("/blackouts/next-quiet?source=-").await.blames(422, "invalid_field", "source");
    }
}
