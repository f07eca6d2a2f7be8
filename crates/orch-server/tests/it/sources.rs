//! Sources: the record of the connector that reads one.

use axum::http::Method;
use orch_core::limits;
use serde_json::{Value, json};

use crate::app::on_each_ledger;

fn connector() -> Value {
    json!({
        "id": "osv-main", "capabilities": ["linksets", "observations"], "artifact_kinds": ["raw_advisory", "normalized"],
        "schedule": {"cron": "*/30 * * * *", "time_zone": "Europe/Vienna", "parallel_runs_max": 1, "lag_minutes_max": 120},
        "rate": {"requests_per_minute": 30, "burst": 5, "cooldown_seconds": 60},
        "lock_key": "concelier:acme:osv-main", "air_gapped": false
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut connector = connector();
    match member.split_once('.') {
        Some((outer, inner)) => connector[outer][inner] = value,
        None => connector[member] = value,
    }
    json!({"kind": "osv", "connector": connector})
}

on_each_ledger! {
    async fn a_connector_is_kept_with_its_source_and_defaults_are_filled_in(app) {
        let acme = app.acme().await;
        let made = acme.put("/sources/osv", json!({"kind": "osv", "connector": connector()})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let mut expected = connector();
        expected["capabilities"] = json!(["observations", "linksets"]);
        assert_eq!(acme.get("/sources/osv").await.body()["connector"], expected);
        let short = json!({"kind": "kev", "egress_allow": ["www.cisa.gov"], "connector": {"id": "kev"}});
        let made = acme.put("/sources/kev", short).await.body()["connector"].clone();
        assert_eq!((&made["lock_key"], &made["air_gapped"]), (&json!("connector:kev"), &json!(true)));
        assert_eq!((&made["rate"], &made["schedule"]), (&Value::Null, &Value::Null));
        acme.put("/sources/plain", json!({"kind": "x"})).await;
        assert_eq!(acme.get("/sources/plain").await.body().get("connector"), Some(&Value::Null));
        app.globex().await.get("/sources/osv").await.problem(404, "not_found");
    }

    async fn a_connector_keeps_its_id_and_two_sources_do_not_share_one(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        acme.put("/sources/osv", json!({"kind": "osv", "connector": connector()})).await;
        let renamed = acme.json(Method::PUT, "/sources/osv", &[("if-match", "\"v1\"")], with("id", json!("other"))).await;
        renamed.blames(422, "invalid_field", "connector.id");
        acme.put("/sources/second", json!({"kind": "osv", "connector": connector()})).await.blames(422, "invalid_field", "connector.id");
        assert_eq!(globex.put("/sources/osv", json!({"kind": "osv", "connector": connector()})).await.status, 201);
        acme.put("/sources/osv", with("air_gapped", json!(true))).await.problem(428, "version_required");
        let stale = acme.json(Method::PUT, "/sources/osv", &[("if-match", "\"v7\"")], with("air_gapped", json!(true))).await;
        stale.problem(412, "version_conflict");
        let changed = acme.json(Method::PUT, "/sources/osv", &[("if-match", "\"v1\"")], with("air_gapped", json!(true))).await;
        assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"v2\""));
    }

    async fn a_bad_connector_names_the_member(app) {
        let acme = app.acme().await;
        for (member, value, code) in [
            ("id", json!("Big"), "invalid_field"),
            ("id", json!(""), "invalid_field"),
            ("id", json!("-a"), "invalid_field"),
            ("id", json!("a".repeat(64)), "limit_exceeded"),
            ("lock_key", json!("a b"), "invalid_field"),
            ("lock_key", json!("a".repeat(256)), "limit_exceeded"),
            ("schedule.cron", json!("every day"), "invalid_field"),
            ("schedule.cron", json!("* * * * * * *"), "invalid_field"),
            ("schedule.time_zone", json!("Mars/Olympus"), "invalid_field"),
            ("rate.burst", json!(31), "limit_exceeded"),
        ] {
            let field = format!("connector.{member}");
            acme.put("/sources/x", with(member, value)).await.blames(422, code, &field);
        }
        for (member, value) in [
            ("capabilities", json!(["magic"])),
            ("artifact_kinds", json!(["magic"])),
            ("rate.rpm", json!(1)),
            ("secret", json!("hunter2")),
            ("air_gapped", json!("yes")),
        ] {
            assert_eq!(acme.put("/sources/x", with(member, value)).await.status, 422, "{member}");
        }
        let inline = json!({"kind": "x", "auth_ref": "hunter2"});
        acme.put("/sources/x", inline).await.blames(422, "invalid_field", "auth_ref");
        acme.get("/sources/x").await.problem(404, "not_found");
    }

    async fn the_numbers_of_a_connector(app) {
        let acme = app.acme().await;
        for (n, (member, max)) in [
            ("rate.requests_per_minute", limits::CONNECTOR_REQUESTS_PER_MINUTE_MAX),
            ("rate.cooldown_seconds", limits::CONNECTOR_COOLDOWN_SECONDS_MAX),
            ("schedule.parallel_runs_max", limits::CONNECTOR_PARALLEL_RUNS_MAX),
            ("schedule.lag_minutes_max", limits::CONNECTOR_LAG_MINUTES_MAX),
        ].into_iter().enumerate() {
            let field = format!("connector.{member}");
            acme.put("/sources/x", with(member, json!(max + 1))).await.blames(422, "limit_exceeded", &field);
            let mut fine = with(member, json!(max));
            fine["connector"]["id"] = json!(format!("c{n}"));
            assert_eq!(acme.put(&format!("/sources/s{n}"), fine).await.status, 201, "{member}");
        }
        let longest = with("id", json!("a".repeat(usize::try_from(limits::CONNECTOR_ID_CHARS_MAX).unwrap())));
        assert_eq!(acme.put("/sources/long", longest).await.status, 201);
    }
}
