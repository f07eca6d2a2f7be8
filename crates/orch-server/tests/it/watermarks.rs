//! Watermarks over the API: moved by reports under their fence, shown, and set by operators.

use axum::http::Method;
use orch_core::limits;
use serde_json::{Value, json};

use crate::app::{Client, TestApp, on_each_ledger};

const OF_KEV: &str = "/watermarks/kev/modified";

async fn leased(acme: &Client) -> Value {
    acme.submit(json!({"job_type": "t", "source": "kev"})).await;
    let session = acme.session(&["t"]).await;
    acme.claim(&session, 1).await.remove(0)
}

async fn work(acme: &Client) -> Value {
    acme.declare("t").await;
    acme.put("/sources/kev", json!({"kind": "kev"})).await;
    leased(acme).await
}

fn success(lease: &Value, watermark: &Value) -> Value {
    json!({"token": lease["token"], "outcome": "succeeded", "watermark": watermark})
}

fn advance(expected: Option<&str>, high: &str) -> Value {
    json!({"axis": "modified", "expected": expected, "high": high})
}

fn at(app: &TestApp, ms: i64) -> String {
    orch_core::Timestamp::from_millis(app.engine.now().millis() + ms).to_rfc3339()
}

on_each_ledger! {
    async fn reports_move_it_and_leases_carry_it(app) {
        let acme = app.acme().await;
        let first = work(&acme).await;
        assert_eq!(first.get("watermarks"), None);
        acme.get(OF_KEV).await.problem(404, "not_found");
        let high = at(app, -3_600_000);
        let mut watermark = advance(None, &high);
        watermark["low"] = json!("2020-01-01T00:00:00Z");
        watermark["holes"] = json!([{"from": "2021-01-01T00:00:00Z", "to": "2021-02-01T00:00:00Z"}]);
        let done = acme.complete(success(&first, &watermark)).await;
        assert_eq!(done["status"], "ok", "{done}");
        let reply = acme.get(OF_KEV).await;
        let shown = reply.body();
        assert_eq!((reply.header("etag"), &shown["version"], &shown["high"]), ("\"v1\"", &json!(1), &json!(high)));
        assert_eq!((&shown["low"], &shown["job"]), (&json!("2020-01-01T00:00:00.000Z"), &first["job"]));
        assert_eq!(shown["holes"], json!([{"from": "2021-01-01T00:00:00.000Z", "to": "2021-02-01T00:00:00.000Z"}]));
        let lag = shown["lag_ms"].as_u64().unwrap();
        assert!((3_600_000..3_700_000).contains(&lag), "{lag}");
        let second = leased(&acme).await;
        let head = json!({"low": "2020-01-01T00:00:00.000Z", "high": high, "lateness_ms": 0});
        assert_eq!(second["watermarks"], json!({"modified": head}));
        let mut watermark = advance(Some(&high), &at(app, 0));
        watermark["filled"] = json!([{"from": "2021-01-01T00:00:00Z", "to": "2021-01-15T00:00:00Z"}]);
        watermark["late"] = json!(["2022-05-06T07:08:09Z", "2022-05-06T23:00:00Z"]);
        assert_eq!(acme.complete(success(&second, &watermark)).await["status"], "ok");
        let shown = acme.get("/watermarks?source=kev").await.body()["items"][0].clone();
        assert_eq!(shown["holes"], json!([{"from": "2021-01-15T00:00:00.000Z", "to": "2021-02-01T00:00:00.000Z"}]));
        assert_eq!(shown["repairs"], json!([{"from": "2022-05-06T00:00:00.000Z", "to": "2022-05-07T00:00:00.000Z"}]));
        assert_eq!(acme.get("/watermarks?source=osv").await.body()["items"], json!([]));
    }

    async fn a_refused_one_refuses_its_item_alone_and_the_attempt_stays_open(app) {
        let acme = app.acme().await;
        let (first, second, third) = (work(&acme).await, leased(&acme).await, leased(&acme).await);
        let (high, later) = (at(app, -60_000), at(app, 0));
        let items = [success(&first, &advance(None, &high)), success(&second, &advance(None, &later)), success(&third, &advance(Some(&high), &later))];
        let answers = acme.post("/worker/complete", json!({"items": items})).await.body()["items"].clone();
        assert_eq!((&answers[0]["status"], &answers[2]["status"]), (&json!("ok"), &json!("ok")));
        let refused = &answers[1];
        assert_eq!((&refused["code"], &refused["field"]), (&json!("watermark_conflict"), &json!("watermark.expected")));
        assert_eq!(acme.state(second["job"].as_str().unwrap()).await, "running");
        assert_eq!(acme.get(OF_KEV).await.body()["version"], 2);
        let back = acme.complete(success(&second, &advance(Some(&later), &high))).await;
        assert_eq!((&back["code"], &back["field"]), (&json!("watermark_conflict"), &json!("watermark.high")));
        let fitting = success(&second, &advance(Some(&later), &later));
        assert_eq!(acme.complete(fitting.clone()).await["status"], "ok");
        assert_eq!(acme.get(OF_KEV).await.body()["version"], 2, "nothing new was read");
        for item in [&items[0], &fitting] {
            assert_eq!(acme.complete(item.clone()).await["status"], "ok", "the same report, the same answer");
        }
        let other = success(&first, &advance(None, &later));
        assert_eq!(acme.complete(other).await["code"], "completion_conflict", "it says something else");
    }

    async fn what_cannot_be_is_refused_by_name(app) {
        let acme = app.acme().await;
        let lease = work(&acme).await;
        let now = at(app, 0);
        let with = |member: &str, value: Value| {
            let mut watermark = advance(None, &now);
            watermark[member] = value;
            success(&lease, &watermark)
        };
        let range = |from: &str, to: &str| json!([{"from": from, "to": to}]);
        for (member, value, code, field) in [
            ("expected", json!("2020-01-01T00:00:00Z"), "watermark_conflict", "watermark.expected"),
            ("high", json!(at(app, i64::try_from(limits::WATERMARK_AHEAD_MS_MAX).unwrap() + 60_000)), "time_out_of_range", "watermark.high"),
            ("low", json!(at(app, 1_000)), "invalid_field", "watermark.low"),
            ("holes", range("2021-01-02T00:00:00Z", "2021-01-01T00:00:00Z"), "invalid_field", "watermark.holes[0]"),
            ("holes", range("2021-01-01T00:00:00Z", "2021-01-02T00:00:00Z"), "invalid_field", "watermark.holes[0]"),
            ("repair_ms", json!(1), "limit_exceeded", "watermark.repair_ms"),
        ] {
            let refused = acme.complete(with(member, value)).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &json!(field)), "{member}: {refused}");
        }
        let mut failed = with("low", Value::Null);
        failed["outcome"] = json!("canceled");
        let refused = acme.complete(failed).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_field"), &json!("watermark")));
        acme.post("/worker/complete", json!({"items": [with("axis", json!("withdrawn"))]})).await.problem(422, "invalid_field");
        acme.post("/worker/complete", json!({"items": [with("hihg", json!(1))]})).await.problem(422, "unknown_field");
        let (_, token) = acme.leased("t").await;
        let refused = acme.complete(success(&json!({"token": token}), &advance(None, &now))).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_field"), &json!("watermark.source")));
        assert_eq!(acme.get("/watermarks").await.body()["items"], json!([]));
        assert_eq!(acme.complete(success(&lease, &advance(None, &now))).await["status"], "ok");
    }

    async fn operators_set_it_also_back_by_version(app) {
        let acme = app.acme().await;
        let lease = work(&acme).await;
        acme.put("/watermarks/nobody/modified", json!({"high": "2024-01-01T00:00:00Z"})).await.problem(404, "not_found");
        acme.put("/watermarks/kev/withdrawn", json!({})).await.problem(404, "not_found");
        let made = acme.put(OF_KEV, json!({"high": "2024-01-10T00:00:00Z", "lateness_ms": 60_000})).await;
        assert_eq!((made.status.as_u16(), made.header("etag")), (201, "\"v1\""));
        assert!(made.header("location").ends_with("/watermarks/kev/modified"));
        let set = |version: &'static str, body: Value| {
            let acme = acme.clone();
            async move { acme.json(Method::PUT, OF_KEV, &[("if-match", version)], body).await }
        };
        let back = json!({"low": "2023-01-01T00:00:00Z", "high": "2024-01-01T00:00:00Z", "reason": "read it again"});
        acme.put(OF_KEV, back.clone()).await.problem(428, "version_required");
        set("\"v7\"", back.clone()).await.problem(412, "version_conflict");
        set("v1", back.clone()).await.problem(412, "version_conflict");
        let reply = set("\"v1\"", back.clone()).await;
        assert_eq!((reply.status.as_u16(), reply.header("etag")), (200, "\"v2\""));
        assert_eq!((&reply.body()["reason"], &reply.body()["job"]), (&json!("read it again"), &Value::Null));
        assert!(reply.body()["by"].as_str().unwrap().starts_with("tok_"));
        assert_eq!(set("*", back).await.body()["version"], 2, "the same again changes nothing");
        let refused = acme.complete(success(&lease, &advance(Some("2024-01-10T00:00:00Z"), "2024-01-11T00:00:00Z"))).await;
        assert_eq!(refused["code"], "watermark_conflict");
        let again = acme.complete(success(&lease, &advance(Some("2024-01-01T00:00:00Z"), "2024-01-11T00:00:00Z"))).await;
        assert_eq!(again["status"], "ok", "{again}");
        set("*", json!({"low": "2024-01-01T00:00:00Z"})).await.blames(422, "invalid_field", "low");
        let outside = json!({"high": "2024-01-10T00:00:00Z", "holes": [{"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"}]});
        set("*", outside).await.blames(422, "invalid_field", "holes[0]");
        acme.json(Method::PUT, "/watermarks/kev/published", &[("if-match", "*")], json!({})).await.problem(412, "version_conflict");
    }

    async fn whoever_works_may_look_and_nobody_else_sets(app) {
        let acme = app.acme().await;
        work(&acme).await;
        acme.put("/sources/a", json!({"kind": "x"})).await;
        for path in [OF_KEV, "/watermarks/a/published", "/watermarks/a/modified"] {
            assert_eq!(acme.put(path, json!({"high": "2024-01-10T00:00:00Z"})).await.status, 201);
        }
        let worker = app.client(app.acme.no, &["orch:worker"]).await;
        assert_eq!(worker.get(OF_KEV).await.status, 200);
        worker.put(OF_KEV, json!({})).await.problem(403, "forbidden");
        let mut seen = Vec::new();
        let mut path = "/watermarks?limit=2".to_owned();
        loop {
            let page = worker.get(&path).await.body();
            let names = page["items"].as_array().unwrap().iter();
            seen.extend(names.map(|item| format!("{} {}", item["source"].as_str().unwrap(), item["axis"].as_str().unwrap())));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/watermarks?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, ["a modified", "a published", "kev modified"]);
        worker.get("/watermarks?source=-").await.blames(422, "invalid_field", "source");
    }
}
