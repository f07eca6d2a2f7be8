//! Priorities of targets over the API: they hold for a while, say that they do, and end by themselves.

use orch_core::limits;
use serde_json::json;

use crate::app::{TestApp, on_each_ledger};

fn at(app: &TestApp, ms: i64) -> String {
    orch_core::Timestamp::from_millis(app.engine.now().millis() + ms).to_rfc3339()
}

on_each_ledger! {
    async fn a_target_weighs_as_it_was_told_and_explain_says_so(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        for n in 0..20 {
            acme.submit(json!({"job_type": "t", "payload": n})).await;
            acme.submit(json!({"job_type": "t", "source": "kev", "priority": "backfill", "payload": n})).await;
        }
        let session = acme.session(&["t"]).await;
        let mut sources = Vec::new();
        for priority in ["urgent", "backfill"] {
            let until = at(app, 3_600_000);
            let body = json!({"target": {"source": "kev"}, "priority": priority, "until": until, "reason": "incident 7"});
            for _ in 0..2 {
                assert_eq!(acme.post("/priorities", body.clone()).await.status, 200);
            }
            let found = acme.get("/priorities").await.body()["items"].clone();
            assert_eq!(found.as_array().unwrap().len(), 1);
            assert_eq!((&found[0]["priority"], &found[0]["until"]), (&json!(priority), &body["until"]));
            let leases = acme.claim(&session, 10).await;
            sources.push(leases.iter().filter(|lease| lease["source"] == "kev").count());
            if priority == "urgent" {
                let said = acme.get("/lanes/1/explain").await.body();
                let by = said["holds"][0]["by"].as_str().unwrap_or_default();
                assert!(said["holds"].as_array().unwrap().is_empty() || by.contains("lanes come first"), "{said}");
            }
        }
        assert!(sources[0] >= 8 && sources[1] <= 1, "{sources:?}");
        assert_eq!(acme.post("/priorities/end", json!({"target": {"source": "kev"}})).await.status, 200);
        assert_eq!(acme.get("/priorities").await.body()["items"], json!([]));
    }

    async fn one_without_a_good_end_or_target_is_refused(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let with = |until: Option<String>| {
            acme.post("/priorities", json!({"target": {"job_type": "t"}, "priority": "high", "until": until}))
        };
        with(None).await.blames(422, "invalid_field", "until");
        with(Some(at(app, -1))).await.blames(422, "invalid_field", "until");
        let most = i64::try_from(limits::PRIORITY_MS_MAX).unwrap();
        assert_eq!(with(Some(at(app, most - 5_000))).await.status, 200);
        with(Some(at(app, most + 5_000))).await.blames(422, "limit_exceeded", "until");
        let other = json!({"target": {"source": "nobody"}, "priority": "high", "until": at(app, 60_000)});
        acme.post("/priorities", other).await.blames(404, "not_found", "target");
        let soon = json!({"target": "tenant", "priority": "soon", "until": at(app, 60_000)});
        acme.post("/priorities", soon).await.blames(422, "invalid_field", "priority");
        for n in 0..limits::PRIORITIES_MAX {
            acme.put(&format!("/sources/s{n}"), json!({"kind": "kev"})).await;
            let body = json!({"target": {"source": format!("s{n}")}, "priority": "low", "until": at(app, 600_000)});
            let reply = acme.post("/priorities", body).await;
            // The job type has one already.
            if n + 1 < limits::PRIORITIES_MAX {
                assert_eq!(reply.status, 200, "{}", reply.text());
            } else {
                reply.blames(422, "limit_exceeded", "target");
            }
        }
    }
}
