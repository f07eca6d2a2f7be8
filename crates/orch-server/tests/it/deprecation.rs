//! What is on its way out: it still answers, and says what takes its place.

use serde_json::json;

use crate::app::{Reply, on_each_ledger};
use crate::openapi::{document, operations};

fn is_announced(reply: &Reply, successor: &str) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("deprecation"), "@1767225600");
    assert_eq!(reply.header("sunset"), "Fri, 31 Dec 2027 23:59:59 GMT");
    assert_eq!(reply.header("link"), format!("<{}{successor}>; rel=\"successor-version\"", orch_server::BASE));
}

on_each_ledger! {
    async fn the_older_routes_of_a_job_answer_and_name_the_new_one(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = acme.submit(json!({"job_type": "t", "payload": {"n": 1}})).await;
        let detail = acme.get(&format!("/jobs/{job}/detail")).await;
        is_announced(&detail, &format!("/jobs/{job}?payload=true"));
        assert_eq!(detail.body(), acme.get(&format!("/jobs/{job}?payload=true")).await.body());
        let summary = acme.get(&format!("/jobs/{job}/summary")).await;
        is_announced(&summary, &format!("/jobs/{job}"));
        assert_eq!((&summary.body()["job_id"], &summary.body()["status"]), (&json!(job), &json!("pending")));
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 1).await.remove(0);
        assert_eq!(acme.get(&format!("/jobs/{job}/summary")).await.body()["status"], "running");
        acme.complete(json!({"token": lease["token"], "outcome": "succeeded"})).await;
        let ended = acme.get(&format!("/jobs/{job}/summary")).await.body();
        assert_eq!((&ended["status"], ended["completed_at"].is_string()), (&json!("completed"), true));
        let dead = acme.dead("t").await;
        assert_eq!(acme.get(&format!("/jobs/{dead}/summary")).await.body()["status"], "failed");
        let stopped = acme.submit(json!({"job_type": "t"})).await;
        acme.post(&format!("/jobs/{stopped}/cancel"), json!({})).await;
        assert_eq!(acme.get(&format!("/jobs/{stopped}/summary")).await.body()["status"], "cancelled");
        for route in ["detail", "summary"] {
            app.globex().await.get(&format!("/jobs/{job}/{route}")).await.problem(404, "not_found");
            acme.get(&format!("/jobs/{job}/{route}?payload=true")).await.blames(422, "unknown_field", "payload");
            acme.get(&format!("/jobs/x/{route}")).await.problem(404, "not_found");
        }
        assert_eq!(acme.get(&format!("/jobs/{job}")).await.header("deprecation"), "");
    }

    async fn every_answer_names_both_versions(app) {
        for reply in [app.stranger().get("/health").await, app.stranger().get("/jobs").await, app.stranger().get("/nothing").await] {
            assert_eq!(reply.header("orch-api-version"), "v1");
            assert!(!reply.header("orch-version").is_empty());
        }
    }
}

#[test]
fn the_document_marks_what_is_deprecated_and_shows_paging_and_keys() {
    for (_, path, operation) in operations(&document()) {
        let old = path.ends_with("/detail") || path.ends_with("{id}/summary");
        assert_eq!(operation["deprecated"] == true, old, "{path}");
        let examples = &operation["responses"]["default"]["content"]["application/problem+json"]["examples"];
        let takes = |name: &str| {
            operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == name))
        };
        assert_eq!(examples.get("bad_cursor").is_some(), takes("cursor"), "{path}");
        assert_eq!(examples.get("key_reused").is_some(), takes("Idempotency-Key"), "{path}");
    }
}
