//! The worker contract's reports: each item is answered for itself, and the others are unaffected.

use serde_json::{Value, json};

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn the_same_result_twice_is_one_and_another_is_a_conflict(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (job, token) = acme.leased("t").await;
        let item = json!({"token": token, "outcome": "succeeded", "result": {"a": 1, "b": [2]}});
        assert_eq!(acme.complete(item.clone()).await["status"], "ok");
        assert_eq!(acme.complete(item).await["status"], "ok");
        let spelled = json!({"result": {"b": [2], "a": 1}, "outcome": "succeeded", "token": token});
        assert_eq!(acme.complete(spelled).await["status"], "ok");
        for other in [
            json!({"token": token, "outcome": "succeeded", "result": {"a": 2}}),
            json!({"token": token, "outcome": "succeeded"}),
            json!({"token": token, "outcome": "canceled"}),
            json!({"token": token, "outcome": "failed", "error": {"code": "e", "message": "m", "retryable": false}}),
        ] {
            let answer = acme.complete(other).await;
            assert_eq!((&answer["status"], &answer["code"]), (&json!("refused"), &json!("completion_conflict")), "{answer}");
        }
        let shown = acme.get(&format!("/jobs/{job}")).await.body();
        assert_eq!((&shown["state"], &shown["result"]), (&json!("succeeded"), &json!({"a": 1, "b": [2]})));
    }

    async fn a_refused_item_leaves_the_others_alone(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        acme.declare("t").await;
        globex.declare("t").await;
        let (_, foreign) = globex.leased("t").await;
        let (good, token) = acme.leased("t").await;
        acme.declare("u").await;
        let (_, stale) = acme.leased("u").await;
        acme.post("/worker/release", json!({"tokens": [stale]})).await;
        let reply = acme.post("/worker/complete", json!({"items": [
            {"token": "nonsense", "outcome": "succeeded"},
            {"token": stale, "outcome": "succeeded"},
            {"token": token, "outcome": "succeeded", "result": 1},
            {"token": foreign, "outcome": "succeeded"},
            {"token": token, "outcome": "failed"},
            {"token": token, "outcome": "succeeded", "follow_ups": [{"job_type": "nope"}]},
        ]})).await;
        assert_eq!(reply.status, 200);
        let items = reply.body()["items"].clone();
        let codes: Vec<_> = items.as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap_or("ok")).collect();
        assert_eq!(codes[..5], ["stale_lease", "stale_lease", "ok", "stale_lease", "invalid_field"]);
        assert_eq!(items[5]["status"], "refused");
        assert_eq!(acme.state(&good).await, "succeeded");

        let beat = json!({"session": acme.session(&["t"]).await, "leases": [
            {"token": foreign}, {"token": "nonsense"}, {"token": stale}
        ]});
        let answers = acme.post("/worker/heartbeat", beat).await.body();
        for item in answers["items"].as_array().unwrap() {
            assert_eq!(item, &json!({"answer": "lost"}));
        }
        for path in ["/worker/ack", "/worker/release"] {
            let job_type = path.replace("/worker/", "");
            acme.declare(&job_type).await;
            let (_, live) = acme.leased(&job_type).await;
            let reply = acme.post(path, json!({"tokens": [foreign, live, "nonsense"]})).await.body();
            let status: Vec<_> = reply["items"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
            assert_eq!(status, ["refused", "ok", "refused"], "{path}");
        }
        // The other tenant noticed nothing.
        assert_eq!(globex.complete(json!({"token": foreign, "outcome": "succeeded"})).await["status"], "ok");
    }

    async fn a_result_for_a_canceled_job_is_stale(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"cancel_grace_ms": 0})).await;
        let (job, token) = acme.leased("t").await;
        assert_eq!(acme.post(&format!("/jobs/{job}/cancel"), json!({})).await.status, 202);
        while acme.state(&job).await != "canceled" {
            tokio::task::yield_now().await;
        }
        let answer = acme.complete(json!({"token": token, "outcome": "succeeded"})).await;
        assert_eq!((&answer["status"], &answer["code"]), (&json!("refused"), &json!("stale_lease")));
        assert_eq!(acme.state(&job).await, "canceled");
    }

    async fn a_heartbeat_extends_what_it_lists_and_keeps_progress_and_checkpoint(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (job, token) = acme.leased("t").await;
        let session = acme.session(&["t"]).await;
        let beat = json!({"session": session, "leases": [
            {"token": token, "progress": {"percent": 40, "message": "400 of 1000"}, "checkpoint": {"next": 400}}
        ]});
        let answer = acme.post("/worker/heartbeat", beat).await.body();
        assert_eq!((&answer["items"][0]["answer"], &answer["session"]), (&json!("continue"), &json!("ok")));
        assert!(answer["items"][0]["until"].is_string());
        let shown = acme.get(&format!("/jobs/{job}")).await.body();
        assert_eq!(shown["progress"], json!({"percent": 40, "message": "400 of 1000"}));
        let bad = json!({"session": session, "leases": [{"token": token, "progress": {"percent": 101}}]});
        let answer = acme.post("/worker/heartbeat", bad).await.body();
        assert_eq!((&answer["items"][0]["answer"], &answer["items"][0]["field"]), (&json!("continue"), &json!("progress.percent")));
        acme.post("/worker/release", json!({"tokens": [token]})).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        assert_eq!((&lease["attempt"], &lease["checkpoint"]), (&json!(2), &json!({"next": 400})));
    }

    async fn a_completion_makes_its_follow_ups_and_registers_its_artifacts(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (job, token) = acme.leased("t").await;
        let sha256 = "ab".repeat(32);
        let artifact = json!({"uri": "s3://b/k", "media_type": "application/json", "sha256": sha256, "size_bytes": 3});
        let item = json!({
            "token": token, "outcome": "succeeded", "artifacts": [artifact],
            "observations": [{"host": "www.cisa.gov", "status": 200, "latency_ms": 12}],
            "follow_ups": [{"job_type": "t", "payload": 1, "idempotency_key": "x"}, {"job_type": "t", "payload": 2}]
        });
        let answer = acme.complete(item).await;
        assert_eq!((&answer["status"], answer["follow_ups"].as_array().unwrap().len()), (&json!("ok"), 2), "{answer}");
        let child = answer["follow_ups"][0].as_str().unwrap();
        assert_eq!(acme.get(&format!("/jobs/{child}")).await.body()["origin"]["of"], job.as_str());
        assert_eq!(acme.get(&format!("/jobs/{job}")).await.body()["artifacts"], json!([artifact]));
    }

    async fn members_of_another_outcome_are_refused_by_item(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (_, token) = acme.leased("t").await;
        let error = json!({"code": "e", "message": "m", "retryable": true});
        for (item, field) in [
            (json!({"token": token, "outcome": "failed"}), "error"),
            (json!({"token": token, "outcome": "failed", "error": error, "result": 1}), "result"),
            (json!({"token": token, "outcome": "succeeded", "error": error}), "error"),
            (json!({"token": token, "outcome": "canceled", "follow_ups": [{"job_type": "t"}]}), "follow_ups"),
            (json!({"token": token, "outcome": "succeeded", "artifacts": [
                {"uri": "u", "media_type": "m", "sha256": "x", "size_bytes": 1}
            ]}), "artifacts[0].sha256"),
            (json!({"token": token, "outcome": "succeeded", "follow_ups": [{"job_type": "t"}, {"job_type": ""}]}), "follow_ups[1].job_type"),
        ] {
            let answer = acme.complete(item).await;
            assert_eq!((&answer["status"], &answer["field"]), (&json!("refused"), &json!(field)), "{answer}");
        }
        assert_eq!(acme.complete(json!({"token": token, "outcome": "succeeded"})).await["status"], "ok");
    }

    async fn log_lines_are_kept_in_order_and_paged(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (job, token) = acme.leased("t").await;
        for chunk in 0..3 {
            let lines: Vec<Value> = (0..4).map(|n| json!({"level": "warn", "message": format!("{chunk}.{n}\n\u{1b}[0m")})).collect();
            let reply = acme.post("/worker/logs", json!({"token": token, "lines": lines})).await;
            assert_eq!((reply.status.as_u16(), reply.body()), (200, json!({})));
        }
        let (mut seen, mut path) = (Vec::new(), format!("/jobs/{job}/logs?limit=5"));
        loop {
            let page = acme.get(&path).await.body();
            seen.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/jobs/{job}/logs?limit=5&cursor={cursor}");
        }
        let texts: Vec<_> = seen.iter().map(|line| line["message"].as_str().unwrap()[..3].to_owned()).collect();
        let expected: Vec<_> = (0..3).flat_map(|c| (0..4).map(move |n| format!("{c}.{n}"))).collect();
        assert_eq!(texts, expected);
        assert_eq!((&seen[0]["attempt"], &seen[0]["level"]), (&json!(1), &json!("warn")));
        acme.post("/worker/release", json!({"tokens": [token]})).await;
        let late = json!({"token": token, "lines": [{"message": "late"}]});
        acme.post("/worker/logs", late).await.blames(409, "stale_lease", "token");
    }
}
