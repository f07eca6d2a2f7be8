//! Each operation of the document against strangers, against tokens without its scope, and against another tenant.
//! A new operation without a row in `PROBES` fails here.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, TestApp, claim_id, on_each_ledger};
use crate::openapi::{document, operations};

/// Operations that need no token.
const OPEN: [&str; 1] = ["get_health"];

/// How another tenant's caller fares with this tenant's ids and names: the status of the call.
/// Whatever the status, nothing of this tenant may be in the answer, and nothing of it may change.
const PROBES: [(&str, u16); 104] = [
    ("ack_leases", 200),
    ("allot_tenant", 403),
    ("append_job_logs", 409),
    ("apply", 200),
    ("cancel_job", 404),
    ("claim_leases", 404),
    ("complete_leases", 200),
    ("create_blackout", 201),
    ("create_breaker", 201),
    ("create_bucket", 201),
    ("create_follow_ups", 409),
    ("create_job", 422),
    ("create_job_type", 201),
    ("create_jobs", 422),
    ("create_project", 201),
    ("create_quota", 201),
    ("create_schedule", 201),
    ("create_source", 201),
    ("create_tenant", 403),
    ("create_token", 403),
    ("declare_from_catalogue", 200),
    ("delete_blackout", 404),
    ("delete_breaker", 404),
    ("delete_bucket", 404),
    ("delete_quota", 404),
    ("delete_schedule", 404),
    ("delete_tenant", 403),
    ("discard_dead_letter", 404),
    ("drain_node", 403),
    ("drain_shard", 403),
    ("drain_worker", 404),
    ("end_throttle", 404),
    ("explain_host", 404),
    ("explain_job", 404),
    ("explain_lane", 404),
    ("explain_tenant", 404),
    ("export_tenant", 404),
    ("get_artifact", 404),
    ("get_blackout", 404),
    ("get_breaker", 404),
    ("get_breaker_state", 404),
    ("get_bucket", 404),
    ("get_bucket_state", 404),
    ("get_dead_letter", 404),
    ("get_desired_workers", 404),
    ("get_fairness", 200),
    ("get_health", 200),
    ("get_job", 404),
    ("get_job_type", 404),
    ("get_next_quiet", 200),
    ("get_project", 404),
    ("get_quota", 404),
    ("get_schedule", 404),
    ("get_schedule_status", 404),
    ("get_source", 404),
    ("get_tenant", 404),
    ("get_token", 404),
    ("heartbeat_leases", 404),
    ("list_blackout_windows", 404),
    ("list_blackouts", 200),
    ("list_breakers", 200),
    ("list_buckets", 200),
    ("list_dead_letters", 200),
    ("list_desired_workers", 200),
    ("list_firings", 404),
    ("list_job_attempts", 404),
    ("list_job_history", 404),
    ("list_job_logs", 404),
    ("list_job_type_catalogue", 200),
    ("list_job_types", 200),
    ("list_jobs", 200),
    ("list_known_terms", 200),
    ("list_lanes", 200),
    ("list_nodes", 403),
    ("list_parents", 409),
    ("list_pauses", 200),
    ("list_projects", 200),
    ("list_quotas", 200),
    ("list_schedule_instants", 404),
    ("list_schedules", 200),
    ("list_shards", 403),
    ("list_sources", 200),
    ("list_tenants", 403),
    ("list_throttles", 200),
    ("list_tokens", 200),
    ("list_workers", 200),
    ("move_shard", 403),
    ("open_worker_session", 201),
    ("pause", 404),
    ("pause_quota", 404),
    ("pause_schedule", 404),
    ("put_schedule", 428),
    ("release_leases", 200),
    ("replay_dead_letter", 404),
    ("report_upstream", 409),
    ("reset_breaker", 404),
    ("reset_bucket", 404),
    ("restore_tenant", 403),
    ("resume", 404),
    ("resume_quota", 404),
    ("resume_schedule", 404),
    ("revoke_token", 404),
    ("throttle", 404),
    ("undrain_node", 403),
];

/// As `PROBES`, for those whose name or place is the caller's own.
const MORE_PROBES: [(&str, u16); 51] = [
    ("get_job_detail", 404),
    ("get_job_summary", 404),
    ("put_artifact", 201),
    ("put_blackout", 428),
    ("put_breaker", 428),
    ("put_bucket", 428),
    ("put_job_type", 201),
    ("put_project", 428),
    ("put_quota", 428),
    ("put_source", 428),
    ("end_priority", 404),
    ("list_priorities", 200),
    ("prioritize", 404),
    ("reprioritize_job", 404),
    ("retry_job", 404),
    ("summarize_jobs", 200),
    ("summarize_quotas", 200),
    ("trip_breaker", 404),
    ("get_watermark", 404),
    ("list_watermarks", 200),
    // By then a source of the caller's own has this name.
    ("put_watermark", 201),
    ("list_graphs", 200),
    ("create_graph", 201),
    ("validate_graph", 200),
    ("get_graph", 404),
    ("put_graph", 428),
    ("delete_graph", 404),
    ("get_graph_plan", 404),
    ("list_runs", 200),
    // By then a graph of the caller's own has this name.
    ("create_run", 201),
    ("get_run", 404),
    ("get_run_graph", 404),
    ("get_run_timeline", 404),
    ("get_first_signal", 404),
    ("cancel_run", 404),
    ("pause_run", 404),
    ("resume_run", 404),
    ("rerun", 404),
    ("approve_step", 404),
    ("reject_step", 404),
    ("replay_job", 404),
    ("preview_backfill", 422),
    ("list_backfills", 200),
    ("create_backfill", 422),
    ("get_backfill", 404),
    ("list_backfill_windows", 404),
    ("pause_backfill", 404),
    ("resume_backfill", 404),
    ("cancel_backfill", 404),
    ("rerun_backfill", 404),
    ("simulate", 422),
];

/// Things of one tenant, all of whose names and ids hold no word of another's.
struct Things {
    job: String,
    dead: String,
    token: String,
    session: String,
    artifact: String,
    run: String,
    backfill: String,
}

const JOB_TYPE: &str = "acme-secret-type";
const SOURCE: &str = "acme-secret-source";
const PROJECT: &str = "acme-secret-project";
const BUCKET: &str = "acme-secret-bucket";
const QUOTA: &str = "acme-secret-quota";
const BREAKER: &str = "acme-secret-breaker";
const BLACKOUT: &str = "acme-secret-blackout";
const SCHEDULE: &str = "acme-secret-schedule";
const GRAPH: &str = "acme-secret-graph";
/// Its only step, which asks somebody.
const STEP: &str = "acme-secret-step";

fn bucket() -> Value {
    json!({"host": "acme-secret-host", "terms": [{"limit": 9, "window_ms": 1_000}]})
}

/// It never holds what the tests run.
fn blackout() -> Value {
    let calendar = json!({"cron": "0 2 * * *", "duration_ms": 1_000, "zone": "UTC"});
    json!({"job_type": "acme-secret-other-type", "calendar": calendar})
}

/// It does not come while the tests run.
fn schedule() -> Value {
    let timetable = json!({"cron": "0 2 29 2 *"});
    json!({"timetable": timetable, "job": {"job_type": JOB_TYPE}})
}

/// Its runs wait for somebody's word.
fn graph() -> Value {
    json!({"steps": [{"name": STEP, "approval": {}}]})
}

/// Its windows wait, since the source is paused.
fn backfill() -> Value {
    json!({
        "source": SOURCE, "from": "2024-01-01T00:00:00Z", "to": "2024-01-03T00:00:00Z", "job": {"job_type": JOB_TYPE},
        "reason": "acme-secret-reason", "ticket": "acme-secret-ticket"
    })
}

async fn things(acme: &Client) -> Things {
    acme.declare(JOB_TYPE).await;
    acme.put(&format!("/sources/{SOURCE}"), json!({"kind": "x"})).await;
    let read = json!({"high": "2024-01-14T00:00:00Z", "reason": "acme-secret-reason"});
    assert_eq!(acme.put(&format!("/watermarks/{SOURCE}/published"), read).await.status, 201);
    acme.put(&format!("/projects/{PROJECT}"), json!({})).await;
    acme.put(&format!("/buckets/{BUCKET}"), bucket()).await;
    acme.put(&format!("/quotas/{QUOTA}"), json!({"active_max": 9})).await;
    acme.put(&format!("/breakers/{BREAKER}"), json!({"host": "acme-secret-host"})).await;
    acme.put(&format!("/blackouts/{BLACKOUT}"), blackout()).await;
    acme.put(&format!("/schedules/{SCHEDULE}"), schedule()).await;
    acme.put(&format!("/graphs/{GRAPH}"), graph()).await;
    let run = acme.post("/runs", json!({"graph": GRAPH})).await.body()["id"].as_str().unwrap().to_owned();
    let dead = acme.dead(JOB_TYPE).await;
    let (job, token) = acme.leased(JOB_TYPE).await;
    let session = acme.session(&[JOB_TYPE]).await;
    acme.submit(json!({"job_type": JOB_TYPE, "source": SOURCE, "project": PROJECT})).await;
    acme.post("/worker/logs", json!({"token": token, "lines": [{"message": "acme-secret-line"}]})).await;
    let artifact = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"acme-secret-bytes"));
    let kept = acme.send(Method::PUT, &format!("/artifacts/{artifact}"), &[], Body::from("acme-secret-bytes")).await;
    assert_eq!(kept.status, 201);
    acme.post("/pauses", json!({"target": {"source": SOURCE}})).await;
    let backfill = acme.post("/backfills", backfill()).await.body()["id"].as_str().unwrap().to_owned();
    Things { job, dead, token, session, artifact, run, backfill }
}

/// The operation's path with the tenant's ids in it.
fn path_of(path: &str, operation: &str, things: &Things) -> String {
    let name = match operation {
        name if name.ends_with("job_type") || name == "get_desired_workers" => JOB_TYPE,
        name if name.ends_with("source") => SOURCE,
        name if name.ends_with("tenant") => "acme",
        name if name.contains("bucket") => BUCKET,
        name if name.contains("quota") => QUOTA,
        name if name.contains("breaker") => BREAKER,
        name if name.contains("blackout") => BLACKOUT,
        name if name.contains("graph") => GRAPH,
        name if name.contains("schedule") || name == "list_firings" => SCHEDULE,
        _ => PROJECT,
    };
    let path = path.strip_prefix(orch_server::BASE).unwrap_or(path);
    let of_run = path.starts_with("/runs/");
    let path = if of_run { path.replace("{id}", &things.run).replace("{step}", STEP) } else { path.to_owned() };
    let path = if path.starts_with("/backfills/") { path.replace("{id}", &things.backfill) } else { path };
    let path =
        path.replace("{lane}", "1").replace("{id}", &things.job).replace("{job}", &things.dead).replace("{name}", name);
    let path = path.replace("{source}", SOURCE).replace("{axis}", "published");
    let path = path.replace("{sha256}", &things.artifact).replace("{session}", &things.session);
    if operation == "list_parents" { format!("{path}?token={}", things.token) } else { path }
}

/// A body that is well-formed and reaches for the tenant's things.
fn body_of(operation: &str, things: &Things) -> Option<Value> {
    let (job, token) = (&things.job, &things.token);
    let child = json!({"job_type": "own", "depends_on": [{"job": job, "on": "done"}]});
    Some(match operation {
        "create_job" => child,
        "create_jobs" => json!({"jobs": [{"job_type": "own"}, child]}),
        "create_job_type" => json!({"name": "acme-secret-type2"}),
        "create_source" => json!({"name": SOURCE, "kind": "x"}),
        "create_project" => json!({"name": PROJECT}),
        "create_bucket" => json!({"name": BUCKET, "host": "h", "terms": [{"limit": 1, "window_ms": 1}]}),
        "apply" => json!({"documents": [{"declare": "source", "name": SOURCE, "kind": "x"}], "dry_run": true}),
        "put_bucket" => bucket(),
        "create_quota" => json!({"name": QUOTA, "active_max": 1}),
        "put_quota" => json!({"active_max": 9}),
        "create_breaker" => json!({"name": BREAKER, "job_type": "own"}),
        "put_breaker" => json!({"host": "acme-secret-host"}),
        "create_blackout" => {
            let mut body = blackout();
            body["name"] = json!(BLACKOUT);
            body
        }
        "put_blackout" => blackout(),
        "create_schedule" => json!({"name": SCHEDULE, "timetable": {"cron": "0 2 29 2 *"}, "job": {"job_type": "own"}}),
        "put_schedule" => schedule(),
        "pause_schedule" | "resume_schedule" => json!({"reason": "mine"}),
        "create_graph" | "validate_graph" => json!({"name": GRAPH, "steps": [{"name": "a", "job_type": "own"}]}),
        "put_graph" => graph(),
        "create_run" => json!({"graph": GRAPH}),
        "preview_backfill" | "create_backfill" => backfill(),
        "pause_backfill" | "resume_backfill" | "cancel_backfill" => json!({"reason": "mine"}),
        "rerun_backfill" => json!({"reason": "mine", "ticket": "mine"}),
        "simulate" => json!({"until": {"run": things.run}}),
        "rerun" => json!({"kind": "only_failed"}),
        "cancel_run" | "pause_run" | "resume_run" | "approve_step" | "reject_step" => json!({"reason": "mine"}),
        "put_watermark" => json!({"high": "2024-01-15T00:00:00Z"}),
        "put_job_type" | "put_source" | "put_project" | "cancel_job" | "retry_job" | "replay_job" => json!({}),
        "reprioritize_job" => json!({"priority": "low"}),
        "replay_dead_letter" | "discard_dead_letter" => json!({"reason": "mine"}),
        "declare_from_catalogue" => json!({"names": ["export.*"]}),
        "allot_tenant" => json!({"strategy": "proportional", "weight": 1}),
        "create_tenant" => json!({"name": "sneaky"}),
        "create_token" => json!({"name": "x", "scopes": ["orch:read"], "tenant": "acme"}),
        "move_shard" => json!({"node": "nod_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"}),
        "pause" | "resume" | "end_throttle" | "end_priority" => json!({"target": {"job_type": JOB_TYPE}}),
        "prioritize" => {
            json!({"target": {"job_type": JOB_TYPE}, "priority": "low", "until": "2100-01-01T00:00:00Z"})
        }
        "throttle" => json!({"target": {"job_type": JOB_TYPE}, "active_max": 1, "until": "2100-01-01T00:00:00Z"}),
        "open_worker_session" => {
            json!({"worker_id": "w1", "boot_id": "b1", "job_types": [JOB_TYPE], "capacity": 9})
        }
        "claim_leases" => json!({"session": things.session, "claim_id": claim_id(), "max": 9}),
        "ack_leases" | "release_leases" => json!({"tokens": [token]}),
        "heartbeat_leases" => json!({"session": things.session, "leases": [{"token": token}]}),
        "complete_leases" => json!({"items": [{"token": token, "outcome": "succeeded"}]}),
        "create_follow_ups" => json!({"token": token, "jobs": [{"job_type": "own"}]}),
        "report_upstream" => json!({"token": token, "status": 429}),
        "reset_bucket" | "pause_quota" | "resume_quota" | "trip_breaker" | "reset_breaker" => json!({"reason": "mine"}),
        "append_job_logs" => json!({"token": token, "lines": [{"message": "mine"}]}),
        _ => return None,
    })
}

async fn call(client: &Client, method: &str, path: &str, operation: &str, things: &Things) -> crate::app::Reply {
    let path = path_of(path, operation, things);
    let method: Method = method.parse().unwrap();
    if operation == "put_artifact" {
        return client.send(method, &path, &[], Body::from("acme-secret-bytes")).await;
    }
    match body_of(operation, things) {
        Some(body) => client.json(method, &path, &[], body).await,
        None => client.send(method, &path, &[], Body::empty()).await,
    }
}

fn ids() -> Vec<(String, String, String)> {
    let named = |(method, path, operation): (String, String, Value)| {
        (method, path, operation["operationId"].as_str().unwrap().to_owned())
    };
    operations(&document()).into_iter().map(named).collect()
}

#[test]
fn each_operation_has_a_probe_and_each_probe_an_operation() {
    let operations: BTreeSet<String> = ids().into_iter().map(|(_, _, id)| id).collect();
    let probes: BTreeSet<String> = PROBES.iter().chain(&MORE_PROBES).map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(operations, probes);
}

#[test]
fn each_operation_that_takes_a_body_reaches_for_the_other_tenant_with_one() {
    let things = Things {
        job: String::new(),
        dead: String::new(),
        token: String::new(),
        session: String::new(),
        artifact: String::new(),
        run: String::new(),
        backfill: String::new(),
    };
    for (method, path, operation) in operations(&document()) {
        let id = operation["operationId"].as_str().unwrap();
        let json = operation["requestBody"]["content"].get("application/json").is_some();
        assert_eq!(json, body_of(id, &things).is_some(), "{method} {path} ({id})");
    }
}

/// All that the tenant can see of itself.
async fn seen(app: &TestApp, acme: &Client, things: &Things) -> Vec<String> {
    let mut seen = Vec::new();
    for path in [
        "/jobs".to_owned(),
        "/jobs/summary".to_owned(),
        format!("/jobs/{}", things.job),
        "/graphs".to_owned(),
        format!("/runs/{}", things.run),
        format!("/backfills/{}", things.backfill),
        format!("/backfills/{}/windows", things.backfill),
        format!("/jobs/{}/history", things.job),
        format!("/jobs/{}/logs", things.job),
        "/dead-letters?settled=true".to_owned(),
        "/job-types".to_owned(),
        "/sources".to_owned(),
        "/projects".to_owned(),
        "/lanes".to_owned(),
        "/pauses".to_owned(),
        "/throttles".to_owned(),
        "/priorities".to_owned(),
        format!("/artifacts/{}", things.artifact),
    ] {
        seen.push(acme.get(&path).await.text());
    }
    let blocks = app.engine.ledger().stream_read(app.acme.no.into(), 0, 100_000).await.unwrap();
    seen.push(blocks.iter().map(|block| block.records().unwrap().len()).sum::<usize>().to_string());
    seen
}

on_each_ledger! {
    async fn strangers_are_refused_everywhere(app) {
        let things = things(&app.acme().await).await;
        for (method, path, id) in ids() {
            let reply = call(&app.stranger(), &method, &path, &id, &things).await;
            if OPEN.contains(&id.as_str()) {
                assert_eq!(reply.status, 200, "{id}");
            } else {
                reply.problem(401, "unauthenticated");
            }
        }
    }

    async fn a_token_without_the_scope_is_refused_everywhere(app) {
        let acme = app.acme().await;
        let things = things(&acme).await;
        let nobody = app.client(app.acme.no, &[]).await;
        let before = seen(app, &acme, &things).await;
        for (method, path, id) in ids() {
            if !OPEN.contains(&id.as_str()) {
                call(&nobody, &method, &path, &id, &things).await.problem(403, "forbidden");
            }
        }
        assert_eq!(seen(app, &acme, &things).await[..18], before[..18]);
    }

    async fn another_tenant_reaches_nothing_changes_nothing_and_learns_nothing(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        let things = things(&acme).await;
        globex.declare("own").await;
        let before = seen(app, &acme, &things).await;
        let secrets = [
            "acme".to_owned(),
            things.job.clone(),
            things.dead.clone(),
            things.token.clone(),
            things.run.clone(),
            things.backfill.clone(),
            app.acme.id.to_string(),
        ];
        // What the caller itself may name comes last: from then on its own things have these names.
        let mut all = ids();
        all.sort_by_key(|(method, _, id)| (id.starts_with("put_") || id.starts_with("create_") || id == "open_worker_session", method.clone()));
        for (method, path, id) in all {
            let reply = call(&globex, &method, &path, &id, &things).await;
            let expected = PROBES.iter().chain(&MORE_PROBES).find(|(name, _)| *name == id).unwrap().1;
            assert_eq!(reply.status, expected, "{id}: {}", reply.text());
            let own_name = id.starts_with("put_") || id.starts_with("create_");
            for secret in &secrets {
                // A name that the caller chose, or an id that it sent, may come back to it.
                let sent = own_name || body_of(&id, &things).is_some_and(|body| body.to_string().contains(secret)) || path.contains('{');
                assert!(sent || !reply.text().contains(secret), "{id} shows {secret}: {}", reply.text());
            }
            if reply.status == 200 && reply.body().get("items").is_some_and(|items| id.ends_with("_leases") && items.is_array()) {
                for item in reply.body()["items"].as_array().unwrap() {
                    assert_eq!(item["code"], "stale_lease", "{id}");
                }
            }
        }
        assert_eq!(seen(app, &acme, &things).await, before);
        let done = acme.complete(json!({"token": things.token, "outcome": "succeeded"})).await;
        assert_eq!(done["status"], "ok");
    }
}
