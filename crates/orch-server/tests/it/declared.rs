//! Declared things: versions, ETags, and what a bad document is told.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::on_each_ledger;

fn cron(cron: &str) -> Value {
    json!({"cron": cron, "duration_ms": 60_000, "zone": "UTC"})
}

on_each_ledger! {
    async fn a_document_has_versions_and_a_change_names_the_one_it_replaces(app) {
        let acme = app.acme().await;
        let made = acme.put("/job-types/feeds.fetch", json!({"tries_max": 3})).await;
        assert_eq!((made.status.as_u16(), made.header("etag")), (201, "\"v1\""));
        assert_eq!(made.header("location"), "/api/v1/orchestrator/job-types/feeds.fetch");
        let body = made.body();
        assert_eq!((&body["name"], &body["tries_max"], &body["lease_ms"], &body["version"]), (&json!("feeds.fetch"), &json!(3), &json!(60_000), &json!(1)));
        acme.put("/job-types/feeds.fetch", json!({"tries_max": 4})).await.problem(428, "version_required");
        let put = |tag: &'static str, body: serde_json::Value| {
            let acme = acme.clone();
            async move { acme.json(Method::PUT, "/job-types/feeds.fetch", &[("if-match", tag)], body).await }
        };
        put("\"v7\"", json!({})).await.problem(412, "version_conflict");
        put("W/\"v1\"", json!({})).await.problem(412, "version_conflict");
        // What was read may be sent back.
        let mut read = acme.get("/job-types/feeds.fetch").await.body();
        read["tries_max"] = json!(4);
        let changed = put("\"v1\"", read).await;
        assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"v2\""));
        assert!(changed.body()["updated_at"].is_string());
        let anything = put("*", json!({"tries_max": 5})).await;
        assert_eq!(anything.header("etag"), "\"v3\"");
        assert_eq!(acme.get("/job-types/feeds.fetch").await.body(), anything.body());
        let missing = acme.json(Method::PUT, "/job-types/none", &[("if-match", "*")], json!({})).await;
        missing.problem(412, "version_conflict");
        acme.get("/job-types/none").await.problem(404, "not_found");
    }

    async fn a_creation_meets_what_is_there(app) {
        let acme = app.acme().await;
        let source = json!({"name": "nvd/cve:2", "kind": "nvd", "labels": {"a": "b"}});
        let made = acme.keyed("/sources", "k", source.clone()).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(made.header("location"), "/api/v1/orchestrator/sources/nvd%2Fcve%3A2");
        assert_eq!(acme.get("/sources/nvd%2Fcve%3A2").await.body(), made.body());
        let again = acme.keyed("/sources", "k", source.clone()).await;
        assert_eq!((again.status.as_u16(), again.body()), (200, made.body()));
        acme.post("/sources", source).await.blames(409, "state_conflict", "name");
        acme.keyed("/sources", "k", json!({"name": "nvd/cve:2", "kind": "other"})).await.problem(409, "state_conflict");
    }

    async fn bad_documents_name_their_member(app) {
        let acme = app.acme().await;
        for (path, body, code, field) in [
            ("/job-types/t", json!({"tries_max": 0}), "limit_exceeded", "tries_max"),
            ("/job-types/t", json!({"tries_max": "3"}), "invalid_field", "tries_max"),
            ("/job-types/t", json!({"tries": 3}), "unknown_field", "tries"),
            ("/job-types/t", json!({"name": "u"}), "invalid_field", "name"),
            ("/job-types/t", json!({"description": "a\u{0}"}), "invalid_field", "description"),
            ("/job-types/%20", json!({}), "invalid_field", "name"),
            ("/sources/s", json!({"auth_ref": "hunter2"}), "invalid_field", "auth_ref"),
            ("/sources/s", json!({"host": "a\u{0}b"}), "invalid_field", "host"),
            ("/sources/s", json!({"labels": {"k": "a\u{0}b"}}), "invalid_field", "labels.k"),
            ("/sources/s", json!({"egress_allow": ["a", "b\n"]}), "invalid_field", "egress_allow[1]"),
            ("/projects/p", json!({"colour": "red"}), "unknown_field", "colour"),
            ("/buckets/b", json!({"host": "h"}), "limit_exceeded", "terms"),
            ("/buckets/b", json!({"terms": [{"limit": 1, "window_ms": 1}]}), "invalid_field", "host"),
            ("/buckets/b", json!({"host": "h", "terms": [{"limit": 0, "window_ms": 1}]}), "limit_exceeded", "terms[0].limit"),
            ("/buckets/b", json!({"host": "h", "terms": [{"limit": 1, "window_ms": 0}]}), "limit_exceeded", "terms[0].window_ms"),
            (
                "/buckets/b",
                json!({"host": "h", "terms": [{"limit": 2, "window_ms": 9, "burst": 3}]}),
                "limit_exceeded",
                "terms[0].burst",
            ),
            (
                "/buckets/b",
                json!({"host": "h", "terms": [{"limit": 2, "window_ms": 9}], "description": "a\u{0}"}),
                "invalid_field",
                "description",
            ),
            ("/breakers/b", json!({}), "invalid_field", "job_type"),
            ("/breakers/b", json!({"job_type": "t", "host": "h"}), "invalid_field", "host"),
            ("/breakers/b", json!({"job_type": "a b"}), "invalid_field", "job_type"),
            ("/breakers/b", json!({"host": ""}), "invalid_field", "host"),
            ("/breakers/b", json!({"host": "h", "open_ms": 9, "open_ms_max": 8}), "limit_exceeded", "open_ms_max"),
            ("/breakers/b", json!({"host": "h", "description": "a\u{0}"}), "invalid_field", "description"),
            ("/breakers/b", json!({"host": "h", "ramp": 9}), "unknown_field", "ramp"),
            ("/blackouts/b", json!({"calendar": cron("0 2 * * *"), "action": "stop"}), "invalid_field", "action"),
            ("/blackouts/b", json!({"calendar": cron("0 2 * * *"), "lead_ms": 1}), "invalid_field", "lead_ms"),
            ("/blackouts/b", json!({"calendar": cron("0 2 * * *"), "source": ""}), "invalid_field", "source"),
            ("/blackouts/b", json!({"calendar": cron("0 0 30 2 *")}), "invalid_field", "calendar.cron"),
            ("/blackouts/b", json!({"calendar": cron("61 * * * *")}), "invalid_field", "calendar.cron"),
            ("/blackouts/b", json!({"calendar": {"duration_ms": 1, "zone": "Nowhere"}}), "invalid_field", "calendar.zone"),
            ("/blackouts/b", json!({"calendar": {"duration_ms": 1, "zone": "UTC"}}), "invalid_field", "calendar.cron"),
            ("/blackouts/b", json!({"calendar": {"cron": "0 2 * * *", "duration_ms": 0, "zone": "UTC"}}), "limit_exceeded", "calendar.duration_ms"),
            (
                "/blackouts/b",
                json!({"calendar": {"cron": "0 2 * * *", "rrule": "FREQ=DAILY", "duration_ms": 1, "zone": "UTC"}}),
                "invalid_field",
                "calendar.rrule",
            ),
            (
                "/blackouts/b",
                json!({"calendar": {"rrule": "FREQ=DAILY", "duration_ms": 1, "zone": "UTC"}}),
                "invalid_field",
                "calendar.starts_at",
            ),
            (
                "/blackouts/b",
                json!({"calendar": {"cron": "0 2 * * *", "duration_ms": 1, "zone": "UTC", "except": ["2026-02-30"]}}),
                "invalid_field",
                "calendar.except[0]",
            ),
        ] {
            acme.put(path, body).await.blames(422, code, field);
        }
        acme.post("/blackouts", json!({"name": "next-quiet", "calendar": cron("0 2 * * *")})).await.blames(422, "invalid_field", "name");
        for path in ["/job-types", "/sources", "/projects", "/buckets", "/breakers", "/blackouts", "/schedules", "/graphs"] {
            acme.post(path, json!({})).await.blames(422, "invalid_field", "name");
            assert_eq!(acme.get(path).await.body()["items"], json!([]));
        }
    }

    async fn lists_are_paged_by_name(app) {
        let acme = app.acme().await;
        for name in ["d", "b", "a", "c", "e"] {
            acme.put(&format!("/projects/{name}"), json!({})).await;
        }
        let (mut seen, mut path) = (Vec::new(), "/projects?limit=2".to_owned());
        loop {
            let page = acme.get(&path).await.body();
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            acme.get(&format!("/sources?cursor={cursor}")).await.blames(400, "invalid_cursor", "cursor");
            path = format!("/projects?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }
}
