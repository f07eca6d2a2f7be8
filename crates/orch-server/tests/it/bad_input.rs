//! Bad input: a problem with a stable code that names the field, and nothing written.

use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::app::{TestApp, job_id, on_each_ledger};

/// Nothing was written: the tenant's sequence has no new fact.
async fn facts(app: &TestApp) -> usize {
    let blocks = app.engine.ledger().stream_read(app.acme.no.into(), 0, usize::MAX >> 33).await.unwrap();
    blocks.iter().map(|block| block.records().unwrap().len()).sum()
}

on_each_ledger! {
    async fn bad_jobs_name_their_member_and_nothing_is_written(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        acme.declare("t").await;
        globex.declare("t").await;
        let theirs = globex.submit(json!({"job_type": "t"})).await;
        let own = acme.submit(json!({"job_type": "t"})).await;
        let itself = job_id();
        let past = app.engine.now().plus_ms(0).to_rfc3339();
        let before = facts(app).await;
        let cases: Vec<(Value, u16, &str, &str)> = vec![
            (json!({"job_type": "t", "priorty": "high"}), 422, "unknown_field", "priorty"),
            (json!({"job_type": "t", "depends_on": [{"job": own, "onn": "done"}]}), 422, "unknown_field", "depends_on[0].onn"),
            (json!({}), 422, "invalid_field", "job_type"),
            (json!({"job_type": 7}), 422, "invalid_field", "job_type"),
            (json!({"job_type": null}), 422, "invalid_field", "job_type"),
            (json!({"job_type": "t", "labels": {"a": 1}}), 422, "invalid_field", "labels.a"),
            (json!({"job_type": "t", "labels": {"a b": "x"}}), 422, "invalid_field", "labels.a b"),
            (json!({"job_type": "t", "labels": {"a": "x\u{0}"}}), 422, "invalid_field", "labels.a"),
            (json!({"job_type": "t", "correlation_id": "x\u{0}"}), 422, "invalid_field", "correlation_id"),
            (json!({"job_type": "t", "concurrency_key": "x\u{0}"}), 422, "invalid_field", "concurrency_key"),
            (json!({"job_type": "t", "priority": "asap"}), 422, "invalid_field", "priority"),
            (json!({"job_type": "t", "id": "job_1"}), 422, "invalid_field", "id"),
            (json!({"job_type": "t", "id": own}), 409, "id_conflict", "id"),
            (json!({"job_type": "nope"}), 422, "unknown_job_type", "job_type"),
            (json!({"job_type": "t", "source": "nope"}), 422, "unknown_source", "source"),
            (json!({"job_type": "t", "project": "nope"}), 422, "unknown_project", "project"),
            (json!({"job_type": "t", "not_before": "tomorrow"}), 422, "invalid_field", "not_before"),
            (json!({"job_type": "t", "not_before": "1969-12-31T23:59:59Z"}), 422, "invalid_field", "not_before"),
            (json!({"job_type": "t", "not_before": "9999-01-01T00:00:00Z"}), 422, "time_out_of_range", "not_before"),
            (json!({"job_type": "t", "deadline": past}), 422, "time_out_of_range", "deadline"),
            (json!({"job_type": "t", "depends_on": [{"job": theirs}]}), 422, "unknown_dependency", "depends_on[0].job"),
            (json!({"job_type": "t", "depends_on": [{"job": own}, {"job": job_id()}]}), 422, "unknown_dependency", "depends_on[1].job"),
            (json!({"job_type": "t", "depends_on": [{"job": own}, {"job": own}]}), 422, "invalid_field", "depends_on[1].job"),
            (json!({"job_type": "t", "id": itself, "depends_on": [{"job": itself}]}), 422, "dependency_cycle", "depends_on"),
        ];
        for (job, status, code, field) in cases {
            let reply = acme.post("/jobs", job.clone()).await;
            assert_eq!(reply.problem(status, code), [field], "{job}");
            let batch = acme.post("/jobs/batch", json!({"jobs": [{"job_type": "t"}, job]})).await;
            assert_eq!(batch.problem(status, code), [format!("jobs[1].{field}")]);
        }
        assert_eq!(facts(app).await, before);
    }

    async fn cycles_over_several_jobs_are_found(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let ids: Vec<String> = (0..3).map(|_| job_id()).collect();
        let job = |n: usize| json!({"job_type": "t", "id": ids[n], "depends_on": [{"job": ids[(n + 1) % 3], "on": "done"}]});
        let before = facts(app).await;
        let reply = acme.post("/jobs/batch", json!({"jobs": [job(0), job(1), job(2)]})).await;
        reply.blames(422, "dependency_cycle", "jobs[0].depends_on");
        assert_eq!(facts(app).await, before);
    }

    async fn bodies_that_are_no_json_objects_are_refused(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let before = facts(app).await;
        for (body, code, status) in [
            ("", "invalid_body", 400),
            ("{", "invalid_body", 400),
            ("[]", "invalid_body", 400),
            (r#"["job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f","t",{}]"#, "invalid_body", 400),
            (r#"{"job_type":"t","depends_on":[["job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"]]}"#, "invalid_field", 422),
            ("null", "invalid_body", 400),
            (r#"{"job_type":"t"} trailing"#, "invalid_body", 400),
            (r#"{"job_type":"t","job_type":"t"}"#, "invalid_body", 400),
            ("{\"job_type\":\"t\",\"payload\":\"\u{1}\"}", "invalid_body", 400),
        ] {
            let reply = acme.text(Method::POST, "/jobs", &[], body).await;
            assert_eq!((reply.status.as_u16(), reply.body()["code"].as_str()), (status, Some(code)), "{body}: {}", reply.text());
        }
        let invalid = acme.send(Method::POST, "/jobs", &[("content-type", "application/json")], Body::from(&b"{\"job_type\":\"\xff\"}"[..])).await;
        invalid.problem(400, "invalid_body");
        let deep = format!(r#"{{"job_type":"t","payload":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        acme.text(Method::POST, "/jobs", &[], &deep).await.blames(422, "limit_exceeded", "payload");
        assert_eq!(facts(app).await, before);
    }

    async fn only_plain_json_is_taken(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = r#"{"job_type":"t"}"#;
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"] {
            let reply = acme.send(Method::POST, "/jobs", &[("content-type", kind)], Body::from(job)).await;
            reply.problem(415, "unsupported_media_type");
        }
        acme.send(Method::POST, "/jobs", &[], Body::from(job)).await.problem(415, "unsupported_media_type");
        let packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
        acme.send(Method::POST, "/jobs", &packed, Body::from(job)).await.problem(415, "unsupported_media_type");
        for kind in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.orch+json"] {
            let reply = acme.send(Method::POST, "/jobs", &[("content-type", kind)], Body::from(job)).await;
            assert_eq!(reply.status, 201, "{kind}");
        }
    }

    async fn a_body_that_breaks_off_writes_nothing(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let before = facts(app).await;
        let parts: Vec<Result<Bytes, std::io::Error>> =
            vec![Ok(Bytes::from_static(b"{\"job_type\":\"t\"}")), Err(std::io::Error::other("gone"))];
        let body = Body::from_stream(futures::stream::iter(parts));
        let reply = acme.send(Method::POST, "/jobs", &[("content-type", "application/json")], body).await;
        reply.problem(400, "invalid_body");
        assert_eq!(facts(app).await, before);
    }

    async fn bad_worker_calls_name_their_member(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        let announce = |name: &str, value: Value| {
            let mut body = json!({"worker_id": "w", "boot_id": "b", "job_types": ["t"], "capacity": 1});
            body[name] = value;
            body
        };
        for (path, body, code, field) in [
            ("/worker/sessions", announce("worker_id", json!("")), "invalid_field", "worker_id"),
            ("/worker/sessions", announce("boot_id", json!("a\u{0}")), "invalid_field", "boot_id"),
            ("/worker/sessions", announce("job_types", json!([])), "invalid_field", "job_types"),
            ("/worker/sessions", announce("job_types", json!(["t", " "])), "invalid_field", "job_types[1]"),
            ("/worker/sessions", announce("capacity", json!(0)), "limit_exceeded", "capacity"),
            ("/worker/sessions", announce("colour", json!("red")), "unknown_field", "colour"),
            ("/worker/claim", json!({"session": session, "claim_id": "x", "max": 1}), "invalid_field", "claim_id"),
            ("/worker/claim", json!({"session": session, "claim_id": crate::app::claim_id(), "max": 0}), "limit_exceeded", "max"),
            ("/worker/claim", json!({"session": "x", "claim_id": crate::app::claim_id(), "max": 1}), "invalid_field", "session"),
            ("/worker/ack", json!({"tokens": []}), "invalid_field", "tokens"),
            ("/worker/release", json!({"tokens": [1]}), "invalid_field", "tokens[0]"),
            ("/worker/complete", json!({"items": []}), "invalid_field", "items"),
            ("/worker/complete", json!({"items": [{"token": "x", "outcome": "happy"}]}), "invalid_field", "items[0].outcome"),
            ("/worker/complete", json!({"items": [{"token": "x", "outcome": "succeeded", "resutl": 1}]}), "unknown_field", "items[0].resutl"),
            ("/worker/heartbeat", json!({"session": session, "leases": [{"tokn": "x"}]}), "unknown_field", "leases[0].tokn"),
            ("/worker/logs", json!({"token": "x", "lines": []}), "invalid_field", "lines"),
            ("/worker/logs", json!({"token": "x", "lines": [{"message": "a"}, {"message": "\u{0}"}]}), "invalid_field", "lines[1].message"),
            ("/worker/follow-ups", json!({"token": "x", "jobs": []}), "invalid_field", "jobs"),
        ] {
            acme.post(path, body).await.blames(422, code, field);
        }
    }
}
