//! Every limit of the API: met, and passed by one.

use axum::body::Body;
use axum::http::Method;
use orch_core::limits::{self, TABLE};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::app::{Client, TestApp, claim_id, job_id, on_each_ledger};

/// Limits that the tests below meet and pass.
const COVERED: [&str; 96] = [
    "ahead_days_max",
    "approval_ms_max",
    "artifact_bytes_max",
    "artifacts_max",
    "backfill_parallelism_max",
    "backfill_window_ms_max",
    "backfill_window_ms_min",
    "backfill_windows_max",
    "backfills_open_max",
    "backlog_max",
    "backoff_ms_max",
    "body_bytes_max",
    "breaker_ms_max",
    "breaker_outcomes_max",
    "breaker_ramp_max",
    "breaker_window_ms_min",
    "catch_up_firings_max",
    "catch_up_ms_max",
    "checkpoint_bytes_max",
    "claim_max",
    "claim_wait_ms_max",
    "condition_values_max",
    "connector_cooldown_seconds_max",
    "connector_id_chars_max",
    "connector_lag_minutes_max",
    "connector_parallel_runs_max",
    "connector_requests_per_minute_max",
    "correlation_id_chars_max",
    "cost_max",
    "deadline_ms_min",
    "dependencies_max",
    "documents_per_call_max",
    "error_message_chars_max",
    "every_ms_max",
    "every_ms_min",
    "except_max",
    "execution_ms_max",
    "failures_in_a_row_max",
    "follow_ups_max",
    "graph_bytes_max",
    "graph_depth_max",
    "graph_edges_max",
    "graph_jobs_max",
    "graph_steps_max",
    "graphs_max",
    "in_flight_max",
    "jitter_ms_max",
    "jobs_per_call_max",
    "key_chars_max",
    "key_pointer_chars_max",
    "label_key_chars_max",
    "label_value_chars_max",
    "labels_max",
    "lead_ms_max",
    "lease_ms_max",
    "lease_ms_min",
    "log_line_chars_max",
    "log_lines_max",
    "lost_max",
    "map_items_max",
    "name_chars_max",
    "page_max",
    "payload_bytes_max",
    "payload_schema_bytes_max",
    "payload_schema_depth_max",
    "per_minute_max",
    "priorities_max",
    "priority_ms_max",
    "query_chars_max",
    "query_values_max",
    "ramp_ms_max",
    "ramp_ms_min",
    "reason_chars_max",
    "reports_per_call_max",
    "result_bytes_max",
    "rule_chars_max",
    "run_inputs_bytes_max",
    "schedule_payload_bytes_max",
    "schedules_max",
    "step_inputs_max",
    "tenant_priority_max",
    "tenant_weight_max",
    "terms_max",
    "throttle_ms_max",
    "throttles_max",
    "ticket_chars_max",
    "tries_max",
    "urgent_reserve_percent_max",
    "watermark_ahead_ms_max",
    "watermark_late_max",
    "watermark_lateness_ms_max",
    "watermark_ranges_max",
    "watermark_repair_ms_max",
    "watermark_repair_ms_min",
    "weight_max",
    "window_duration_ms_max",
];

/// Defaults, and limits that no single call can meet: of the owner's memory, its commits and its time.
const NOT_OF_THE_API: [&str; 57] = [
    "ageing_ms",
    "approval_ms_default",
    "backfill_failures_max",
    "backfill_parallelism_default",
    "backfill_stretches_max",
    "backfill_window_ms_default",
    "backoff_ms_default",
    "backoff_ms_max_default",
    "breaker_failures_percent_default",
    "breaker_open_ms_default",
    "breaker_open_ms_max_default",
    "breaker_outcomes_default",
    "breaker_ramp_default",
    "breaker_window_ms_default",
    "buffered_max",
    "busy_tenant_calls",
    "cancel_grace_ms_default",
    "catch_up_ms_default",
    "commands_queued_max",
    "commands_queued_sender_max",
    "execution_ms_default",
    "facts_per_commit",
    "facts_per_mixed_commit",
    "fairness_note_ms",
    "fairness_receipts",
    "heartbeats_per_lease",
    "held_jobs_max",
    "job_retention_seconds",
    "key_hours",
    "key_read",
    "lanes_max",
    "late_ms",
    "lease_ms_default",
    "light_share",
    "lost_default",
    "node_lease_ms",
    "open_runs_max",
    "page_default",
    "permit_ahead_ms",
    "permit_wait_ms",
    "permit_wishes_max",
    "ramp_ms_default",
    "reading_ahead",
    "run_facts_at_once",
    "second_append_facts",
    "snapshot_facts",
    "snapshot_ms",
    "superseded_per_call_max",
    "sweep_seconds",
    "tenant_restore_days",
    "tries_default",
    "urgent_reserve_percent_default",
    "usage_period_ms",
    "watermark_repair_ms_default",
    "window_budget",
    "window_bytes",
    "window_read",
];

#[test]
fn each_limit_is_covered_or_is_none_of_the_api() {
    for limit in TABLE {
        let covered = COVERED.contains(&limit.name);
        assert!(covered != NOT_OF_THE_API.contains(&limit.name), "{} must stand in exactly one list", limit.name);
    }
    assert_eq!(COVERED.len() + NOT_OF_THE_API.len(), TABLE.len());
}

fn usize_of(limit: u64) -> usize {
    usize::try_from(limit).unwrap()
}

fn text(chars: u64) -> String {
    "é".repeat(usize_of(chars))
}

fn name(chars: u64) -> String {
    "n".repeat(usize_of(chars))
}

async fn fine(client: &Client, job: Value) {
    let reply = client.post("/jobs", job).await;
    assert_eq!(reply.status, 201, "{}", &reply.text()[..reply.text().len().min(400)]);
}

async fn too_much(client: &Client, job: Value, field: &str) {
    client.post("/jobs", job).await.blames(422, "limit_exceeded", field);
}

on_each_ledger! {
    async fn the_members_of_a_backfill(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        // The year 2000, and as long as is asked for.
        let start = 946_684_800_000_i64;
        let body = |ms: u64, member: &str, value: Value| {
            let to = orch_core::Timestamp::from_millis(start + i64::try_from(ms).unwrap()).to_rfc3339();
            let mut body = json!({
                "source": "kev", "from": "2000-01-01T00:00:00Z", "to": to, "job": {"job_type": "t"}, "reason": "r", "ticket": "T"
            });
            body[member] = value;
            body
        };
        let day = 86_400_000;
        let (least, most) = (limits::BACKFILL_WINDOW_MS_MIN, limits::BACKFILL_WINDOW_MS_MAX);
        let windows = |count: u64| body(count * least, "window_ms", json!(least));
        for (good, bad, field) in [
            (body(day, "window_ms", json!(least)), body(day, "window_ms", json!(least - 1)), "window_ms"),
            (body(day, "window_ms", json!(most)), body(day, "window_ms", json!(most + 1)), "window_ms"),
            (windows(limits::BACKFILL_WINDOWS_MAX), windows(limits::BACKFILL_WINDOWS_MAX + 1), "window_ms"),
            (
                body(day, "parallelism", json!(limits::BACKFILL_PARALLELISM_MAX)),
                body(day, "parallelism", json!(limits::BACKFILL_PARALLELISM_MAX + 1)),
                "parallelism",
            ),
            (
                body(day, "ticket", json!(text(limits::TICKET_CHARS_MAX))),
                body(day, "ticket", json!(text(limits::TICKET_CHARS_MAX + 1))),
                "ticket",
            ),
            (
                body(day, "reason", json!(text(limits::REASON_CHARS_MAX))),
                body(day, "reason", json!(text(limits::REASON_CHARS_MAX + 1))),
                "reason",
            ),
        ] {
            acme.post("/backfills", bad).await.blames(422, "limit_exceeded", field);
            let fine = acme.post("/backfills", good).await;
            assert_eq!(fine.status, 201, "{field}: {}", fine.text());
            let id = fine.body()["id"].as_str().unwrap().to_owned();
            acme.post(&format!("/backfills/{id}/cancel"), json!({})).await;
        }
    }

    async fn the_backfills_of_a_tenant(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        let day = |n: u64| {
            let at = |n: u64| orch_core::Timestamp::from_millis(i64::try_from(n * 86_400_000).unwrap()).to_rfc3339();
            json!({"source": "kev", "from": at(n), "to": at(n + 1), "job": {"job_type": "t"}, "reason": "r", "ticket": "T"})
        };
        for n in 0..limits::BACKFILLS_OPEN_MAX {
            assert_eq!(acme.post("/backfills", day(n)).await.status, 201);
        }
        acme.post("/backfills", day(limits::BACKFILLS_OPEN_MAX)).await.problem(429, "backlog_full");
    }

    async fn what_a_watermark_says(app) {
        let acme = app.acme().await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        acme.put("/watermarks/kev/published", json!({})).await;
        let put = |body: Value| {
            let acme = acme.clone();
            async move { acme.json(Method::PUT, "/watermarks/kev/published", &[("if-match", "*")], body).await }
        };
        let ahead = |ms: i64| {
            let most = i64::try_from(limits::WATERMARK_AHEAD_MS_MAX).unwrap();
            orch_core::Timestamp::from_millis(app.engine.now().millis() + most + ms).to_rfc3339()
        };
        assert_eq!(put(json!({"high": ahead(-5_000)})).await.status, 200);
        put(json!({"high": ahead(60_000)})).await.blames(422, "time_out_of_range", "high");
        assert_eq!(put(json!({"lateness_ms": limits::WATERMARK_LATENESS_MS_MAX})).await.status, 200);
        put(json!({"lateness_ms": limits::WATERMARK_LATENESS_MS_MAX + 1})).await.blames(422, "limit_exceeded", "lateness_ms");
        let (low, high) = ("2020-01-01T00:00:00Z", "2024-01-01T00:00:00Z");
        let ranges = |count: u64| vec![json!({"from": low, "to": high}); usize_of(count)];
        for list in ["holes", "repairs"] {
            let with = |count: u64| {
                let mut body = json!({"low": low, "high": high});
                body[list] = json!(ranges(count));
                put(body)
            };
            assert_eq!(with(limits::WATERMARK_RANGES_MAX).await.status, 200);
            with(limits::WATERMARK_RANGES_MAX + 1).await.blames(422, "limit_exceeded", list);
        }
        acme.declare("t").await;
        acme.submit(json!({"job_type": "t", "source": "kev"})).await;
        let session = acme.session(&["t"]).await;
        let token = acme.claim(&session, 1).await[0]["token"].clone();
        let report = |members: Value| {
            let mut watermark = json!({"axis": "modified", "high": high});
            watermark.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            acme.complete(json!({"token": token, "outcome": "succeeded", "watermark": watermark}))
        };
        let late = |count: u64| json!(vec![low; usize_of(count)]);
        for (field, members) in [
            ("holes", json!({"holes": ranges(limits::WATERMARK_RANGES_MAX + 1)})),
            ("filled", json!({"filled": ranges(limits::WATERMARK_RANGES_MAX + 1)})),
            ("late", json!({"late": late(limits::WATERMARK_LATE_MAX + 1)})),
            ("repair_ms", json!({"repair_ms": limits::WATERMARK_REPAIR_MS_MAX + 1})),
            ("repair_ms", json!({"repair_ms": limits::WATERMARK_REPAIR_MS_MIN - 1})),
        ] {
            let refused = report(members).await;
            let field = format!("watermark.{field}");
            assert_eq!((&refused["code"], &refused["field"]), (&json!("limit_exceeded"), &json!(field)), "{refused}");
        }
        let most = json!({
            "low": low, "holes": ranges(limits::WATERMARK_RANGES_MAX), "filled": ranges(limits::WATERMARK_RANGES_MAX),
            "late": late(limits::WATERMARK_LATE_MAX), "repair_ms": limits::WATERMARK_REPAIR_MS_MAX
        });
        let done = report(most).await;
        assert_eq!(done["status"], "ok", "{done}");
    }

    async fn the_members_of_a_graph(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = |n: u64| json!({"name": format!("s{n}"), "job_type": "t"});
        let fan = |n: u64, max: u64| {
            let over = json!({"step": "s0", "pointer": "/items"});
            json!({"name": format!("m{n}"), "job_type": "t", "after": [{"step": "s0"}], "map": {"over": over, "max": max}})
        };
        let most = limits::MAP_ITEMS_MAX;
        let fans = |more: u64| {
            // 1 + 99 × 10,000 + 9,999 = 1,000,000.
            let all = std::iter::once(job(0)).chain((1..100).map(|n| fan(n, most))).chain([fan(100, most - 1 + more)]);
            all.collect::<Vec<_>>()
        };
        let dense = |edges: u64| {
            let after = |count: u64| (0..count).map(|n| json!({"step": format!("s{n}")})).collect::<Vec<_>>();
            let mut steps: Vec<Value> = (0..limits::GRAPH_STEPS_MAX).map(job).collect();
            let mut left = edges;
            for step in &mut steps[1_000..] {
                step["after"] = json!(after(left.min(1_000)));
                left -= left.min(1_000);
            }
            steps
        };
        let member = |name: &str, value: Value| {
            let mut step = job(0);
            step[name] = value;
            vec![step]
        };
        let inputs = |count: u64| member("inputs", json!((0..count).map(|n| format!("i{n}")).collect::<Vec<_>>()));
        let ask = |ms: u64| vec![json!({"name": "ask", "approval": {"timeout_ms": ms}})];
        let values = |count: u64| {
            let when = json!({"pointer": "/n", "in": (0..count).collect::<Vec<_>>()});
            vec![job(0), json!({"name": "b", "job_type": "t", "after": [{"step": "s0", "when": when}]})]
        };
        let text = |bytes: u64| member("payload", json!("x".repeat(usize_of(bytes) - 2)));
        let many = |count: u64| (0..count).map(job).collect::<Vec<_>>();
        for (good, bad, field) in [
            (many(limits::GRAPH_STEPS_MAX), many(limits::GRAPH_STEPS_MAX + 1), "steps"),
            (dense(limits::GRAPH_EDGES_MAX), dense(limits::GRAPH_EDGES_MAX + 1), "steps"),
            (fans(0), fans(1), "steps"),
            (inputs(limits::STEP_INPUTS_MAX), inputs(limits::STEP_INPUTS_MAX + 1), "steps[0].inputs"),
            (ask(limits::APPROVAL_MS_MAX), ask(limits::APPROVAL_MS_MAX + 1), "steps[0].approval.timeout_ms"),
            (values(limits::CONDITION_VALUES_MAX), values(limits::CONDITION_VALUES_MAX + 1), "steps[1].after[0].when.in"),
            (text(limits::PAYLOAD_BYTES_MAX), text(limits::PAYLOAD_BYTES_MAX + 1), "steps[0].payload"),
        ] {
            let validate = |steps: Vec<Value>| acme.post("/graphs/validate", json!({"name": "g", "steps": steps}));
            let fine = validate(good).await;
            assert_eq!(fine.status, 200, "{field}: {}", fine.text());
            validate(bad).await.blames(422, "limit_exceeded", field);
        }
        let long = acme.post("/graphs/validate", json!({"name": "g", "steps": [job(0), fan(1, most + 1)]})).await;
        long.blames(422, "limit_exceeded", "steps[1].map.max");
        for level in 1..=limits::GRAPH_DEPTH_MAX {
            let inner = json!({"name": "in", "graph": {"name": format!("g{}", level - 1)}});
            let steps = json!([if level == 1 { job(0) } else { inner }]);
            assert_eq!(acme.put(&format!("/graphs/g{level}"), json!({"steps": steps})).await.status, 201);
        }
        let deep = json!({"steps": [{"name": "in", "graph": {"name": format!("g{}", limits::GRAPH_DEPTH_MAX)}}]});
        acme.put("/graphs/deep", deep).await.blames(422, "limit_exceeded", "steps[0].graph.name");
    }

    async fn the_size_of_a_graph_and_of_inputs(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let padded = |steps: usize| {
            let step = |n: usize| json!({"name": format!("s{n}"), "job_type": "t", "payload": "x".repeat(1_000_000)});
            json!({"steps": (0..steps).map(step).collect::<Vec<_>>()})
        };
        assert_eq!(acme.put("/graphs/large", padded(4)).await.status, 201);
        acme.put("/graphs/larger", padded(5)).await.blames(422, "limit_exceeded", "steps");
        acme.put("/graphs/g", json!({"steps": [{"name": "a", "job_type": "t", "inputs": ["i"]}]})).await;
        let run = |bytes: u64| json!({"graph": "g", "inputs": {"i": "x".repeat(usize_of(bytes) - r#"{"i":""}"#.len())}});
        let fine = acme.post("/runs", run(limits::RUN_INPUTS_BYTES_MAX)).await;
        assert_eq!(fine.status, 201, "{}", fine.text());
        acme.post("/runs", run(limits::RUN_INPUTS_BYTES_MAX + 1)).await.blames(422, "limit_exceeded", "inputs");
    }

    async fn the_graphs_of_a_tenant(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let document = |n: u64| json!({"declare": "graph", "name": format!("g{n}"), "steps": [{"name": "a", "job_type": "t"}]});
        for half in [0..500, 500..limits::GRAPHS_MAX] {
            let documents: Vec<Value> = half.map(document).collect();
            let reply = acme.post("/apply", json!({"documents": documents})).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let more = json!({"steps": [{"name": "a", "job_type": "t"}]});
        acme.put("/graphs/more", more).await.problem(422, "limit_exceeded");
    }

    async fn the_size_of_a_query(app) {
        let acme = app.acme().await;
        let padded = |chars: u64| format!("/jobs?query=state:failed{}", "+".repeat(usize_of(chars) - 12));
        assert_eq!(acme.get(&padded(limits::QUERY_CHARS_MAX)).await.status, 200);
        acme.get(&padded(limits::QUERY_CHARS_MAX + 1)).await.blames(422, "limit_exceeded", "query");
        let valued = |values: u64| format!("/jobs?query=type:{}", vec!["t"; usize_of(values)].join(","));
        assert_eq!(acme.get(&valued(limits::QUERY_VALUES_MAX)).await.status, 200);
        acme.get(&valued(limits::QUERY_VALUES_MAX + 1)).await.blames(422, "limit_exceeded", "query");
    }

    async fn the_texts_of_a_job(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        for (field, max) in [
            ("correlation_id", limits::CORRELATION_ID_CHARS_MAX),
            ("concurrency_key", limits::NAME_CHARS_MAX),
            ("idempotency_key", limits::KEY_CHARS_MAX),
        ] {
            let job = |chars| {
                let mut job = json!({"job_type": "t"});
                job[field] = json!(text(chars));
                job
            };
            fine(&acme, job(max)).await;
            too_much(&acme, job(max + 1), field).await;
        }
        let longest = name(limits::NAME_CHARS_MAX);
        acme.declare(&longest).await;
        fine(&acme, json!({"job_type": longest})).await;
        too_much(&acme, json!({"job_type": name(limits::NAME_CHARS_MAX + 1)}), "job_type").await;
        acme.put(&format!("/job-types/{}", name(limits::NAME_CHARS_MAX + 1)), json!({})).await.blames(422, "limit_exceeded", "name");
        let long = acme.keyed("/jobs", &name(limits::KEY_CHARS_MAX), json!({"job_type": "t"})).await;
        assert_eq!(long.status, 201);
        let longer = acme.keyed("/jobs", &name(limits::KEY_CHARS_MAX + 1), json!({"job_type": "t"})).await;
        longer.blames(422, "limit_exceeded", "Idempotency-Key");
    }

    async fn the_labels_of_a_job(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let labels = |count: u64| {
            let labels: serde_json::Map<String, Value> =
                (0..count).map(|n| (format!("{n:063}"), json!(text(limits::LABEL_VALUE_CHARS_MAX)))).collect();
            json!({"job_type": "t", "labels": labels})
        };
        assert_eq!(limits::LABEL_KEY_CHARS_MAX, 63);
        fine(&acme, labels(limits::LABELS_MAX)).await;
        too_much(&acme, labels(limits::LABELS_MAX + 1), "labels").await;
        let key = name(limits::LABEL_KEY_CHARS_MAX + 1);
        let mut long_key = json!({"job_type": "t", "labels": {}});
        long_key["labels"][&key] = json!("v");
        too_much(&acme, long_key, &format!("labels.{key}")).await;
        let value = text(limits::LABEL_VALUE_CHARS_MAX + 1);
        too_much(&acme, json!({"job_type": "t", "labels": {"k": value}}), "labels.k").await;
    }

    async fn the_moments_of_a_job(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let ahead = limits::AHEAD_DAYS_MAX * 86_400_000;
        for field in ["not_before", "deadline"] {
            let job = |ms| {
                let mut job = json!({"job_type": "t"});
                job[field] = json!(app.engine.now().plus_ms(ms).to_rfc3339());
                job
            };
            fine(&acme, job(ahead)).await;
            acme.post("/jobs", job(ahead + 60_000)).await.blames(422, "time_out_of_range", field);
        }
    }

    async fn the_payload_and_the_jobs_of_a_call(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let payload = |bytes: u64| json!({"job_type": "t", "payload": "x".repeat(usize_of(bytes) - 2)});
        fine(&acme, payload(limits::PAYLOAD_BYTES_MAX)).await;
        too_much(&acme, payload(limits::PAYLOAD_BYTES_MAX + 1), "payload").await;
        let batch = |jobs: u64| json!({"jobs": vec![json!({"job_type": "t"}); usize_of(jobs)]});
        let reply = acme.post("/jobs/batch", batch(limits::JOBS_PER_CALL_MAX)).await;
        assert_eq!((reply.status.as_u16(), reply.body()["items"].as_array().unwrap().len()), (201, 1_000));
        acme.post("/jobs/batch", batch(limits::JOBS_PER_CALL_MAX + 1)).await.blames(422, "limit_exceeded", "jobs");
    }

    async fn the_claim_and_the_page(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        acme.submit(json!({"job_type": "t"})).await;
        let claim = |max: u64, wait_ms: u64| json!({"session": session, "claim_id": claim_id(), "max": max, "wait_ms": wait_ms});
        assert_eq!(acme.post("/worker/claim", claim(limits::CLAIM_MAX, limits::CLAIM_WAIT_MS_MAX)).await.status, 200);
        acme.post("/worker/claim", claim(limits::CLAIM_MAX + 1, 0)).await.blames(422, "limit_exceeded", "max");
        acme.post("/worker/claim", claim(1, limits::CLAIM_WAIT_MS_MAX + 1)).await.blames(422, "limit_exceeded", "wait_ms");
        for list in ["/jobs", "/dead-letters", "/lanes", "/workers", "/sources", "/job-types", "/projects"] {
            assert_eq!(acme.get(&format!("{list}?limit={}", limits::PAGE_MAX)).await.status, 200);
            let reply = acme.get(&format!("{list}?limit={}", limits::PAGE_MAX + 1)).await;
            reply.blames(422, "limit_exceeded", "limit");
        }
    }

    async fn a_result_a_checkpoint_and_an_error(app) {
        let acme = app.acme().await;
        acme.declare_with("t", json!({"tries_max": 9})).await;
        let refused = |answer: &Value, field: &str| {
            assert_eq!((&answer["code"], &answer["field"]), (&json!("limit_exceeded"), &json!(field)), "{answer}");
        };
        let (_, token) = acme.leased("t").await;
        let result = |bytes: u64| json!({"token": token, "outcome": "succeeded", "result": "x".repeat(usize_of(bytes) - 2)});
        refused(&acme.complete(result(limits::RESULT_BYTES_MAX + 1)).await, "result");
        assert_eq!(acme.complete(result(limits::RESULT_BYTES_MAX)).await["status"], "ok");

        let (job, token) = acme.leased("t").await;
        let session = acme.session(&["t"]).await;
        let checkpoint = |bytes: u64| {
            let lease = json!({"token": token, "checkpoint": "x".repeat(usize_of(bytes) - 2)});
            json!({"session": session, "leases": [lease]})
        };
        let answer = acme.post("/worker/heartbeat", checkpoint(limits::CHECKPOINT_BYTES_MAX + 1)).await.body();
        refused(&answer["items"][0], "checkpoint");
        assert_eq!(answer["items"][0]["answer"], "continue");
        let answer = acme.post("/worker/heartbeat", checkpoint(limits::CHECKPOINT_BYTES_MAX)).await.body();
        assert_eq!((&answer["items"][0]["answer"], answer["items"][0].get("code")), (&json!("continue"), None));

        let failed = |chars| {
            let error = json!({"code": "e", "message": text(chars), "retryable": false});
            json!({"token": token, "outcome": "failed", "error": error})
        };
        refused(&acme.complete(failed(limits::ERROR_MESSAGE_CHARS_MAX + 1)).await, "error.message");
        assert_eq!(acme.complete(failed(limits::ERROR_MESSAGE_CHARS_MAX)).await["status"], "ok");

        let reason = |chars| json!({"reason": text(chars)});
        let path = format!("/dead-letters/{job}/discard");
        acme.post(&path, reason(limits::REASON_CHARS_MAX + 1)).await.blames(422, "limit_exceeded", "reason");
        assert_eq!(acme.post(&path, reason(limits::REASON_CHARS_MAX)).await.status, 200);
    }

    async fn artifacts_log_lines_and_follow_ups(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.declare("child").await;
        let (_, token) = acme.leased("t").await;
        let logs = |lines: u64, chars: u64| json!({"token": token, "lines": vec![json!({"message": text(chars)}); usize_of(lines)]});
        assert_eq!(acme.post("/worker/logs", logs(limits::LOG_LINES_MAX, 3)).await.status, 200);
        acme.post("/worker/logs", logs(limits::LOG_LINES_MAX + 1, 3)).await.blames(422, "limit_exceeded", "lines");
        assert_eq!(acme.post("/worker/logs", logs(1, limits::LOG_LINE_CHARS_MAX)).await.status, 200);
        let long = acme.post("/worker/logs", logs(1, limits::LOG_LINE_CHARS_MAX + 1)).await;
        long.blames(422, "limit_exceeded", "lines[0].message");

        let children = |count: u64| vec![json!({"job_type": "child"}); usize_of(count)];
        let follow = |count: u64| json!({"token": token, "jobs": children(count)});
        let reply = acme.post("/worker/follow-ups", follow(limits::FOLLOW_UPS_MAX)).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        acme.post("/worker/follow-ups", follow(limits::FOLLOW_UPS_MAX + 1)).await.blames(422, "limit_exceeded", "jobs");

        let artifact = |n: u64| json!({"uri": "u", "media_type": "m", "sha256": format!("{n:064x}"), "size_bytes": n});
        let done = |artifacts: u64, follow_ups: u64| {
            let artifacts: Vec<Value> = (0..artifacts).map(artifact).collect();
            json!({"token": token, "outcome": "succeeded", "artifacts": artifacts, "follow_ups": children(follow_ups)})
        };
        for (artifacts, follow_ups, field) in [
            (limits::ARTIFACTS_MAX + 1, 0, "artifacts"),
            (0, limits::FOLLOW_UPS_MAX + 1, "follow_ups"),
        ] {
            let answer = acme.complete(done(artifacts, follow_ups)).await;
            assert_eq!((&answer["code"], &answer["field"]), (&json!("limit_exceeded"), &json!(field)), "{answer}");
        }
        let answer = acme.complete(done(limits::ARTIFACTS_MAX, limits::FOLLOW_UPS_MAX)).await;
        assert_eq!((&answer["status"], answer["follow_ups"].as_array().unwrap().len()), (&json!("ok"), 1_000));
    }

    async fn reports_of_a_call(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let session = acme.session(&["t"]).await;
        let many = |count: u64, item: Value| vec![item; usize_of(count)];
        let max = limits::REPORTS_PER_CALL_MAX;
        for (path, member, item) in [
            ("/worker/ack", "tokens", json!("lse_x")),
            ("/worker/release", "tokens", json!("lse_x")),
            ("/worker/complete", "items", json!({"token": "lse_x", "outcome": "succeeded"})),
            ("/worker/heartbeat", "leases", json!({"token": "lse_x"})),
        ] {
            let body = |count| {
                let mut body = json!({});
                body[member] = json!(many(count, item.clone()));
                if member == "leases" {
                    body["session"] = json!(session);
                }
                body
            };
            let reply = acme.post(path, body(max)).await;
            assert_eq!((reply.status.as_u16(), reply.body()["items"].as_array().unwrap().len()), (200, 1_000), "{path}");
            acme.post(path, body(max + 1)).await.blames(422, "limit_exceeded", member);
        }
    }

    async fn the_numbers_of_a_blackout(app) {
        let acme = app.acme().await;
        let with = |duration_ms: u64, days: u64, lead_ms: u64, spaces: u64| {
            let except = vec!["2026-12-24"; usize_of(days)];
            let cron = format!("0{}2 * * *", " ".repeat(usize_of(spaces)));
            let calendar = json!({"cron": cron, "duration_ms": duration_ms, "zone": "UTC", "except": except});
            json!({"action": "drain", "lead_ms": lead_ms, "calendar": calendar})
        };
        let longest = limits::RULE_CHARS_MAX - 8;
        let fine = with(limits::WINDOW_DURATION_MS_MAX, limits::EXCEPT_MAX, limits::LEAD_MS_MAX, longest);
        let reply = acme.put("/blackouts/fine", fine).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        for (bad, field) in [
            (with(limits::WINDOW_DURATION_MS_MAX + 1, 0, 0, 1), "calendar.duration_ms"),
            (with(1, limits::EXCEPT_MAX + 1, 0, 1), "calendar.except"),
            (with(1, 0, limits::LEAD_MS_MAX + 1, 1), "lead_ms"),
            (with(1, 0, 0, longest + 1), "calendar.cron"),
        ] {
            acme.put("/blackouts/bad", bad).await.blames(422, "limit_exceeded", field);
        }
    }

    async fn the_numbers_of_a_schedule(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let base = json!({"timetable": {"every_ms": 60_000}, "job": {"job_type": "t"}});
        let with = |pointer: &str, value: Value| {
            let (path, member) = pointer.rsplit_once('/').expect("a pointer has a member");
            let mut schedule = base.clone();
            schedule.pointer_mut(path).expect("the base has it")[member] = value;
            schedule
        };
        let text = |bytes: u64| json!("x".repeat(usize_of(bytes) - 2));
        for (pointer, most, least) in [
            ("/catch_up_ms", limits::CATCH_UP_MS_MAX, 0),
            ("/jitter_ms", limits::JITTER_MS_MAX, 0),
            ("/failures_max", limits::FAILURES_IN_A_ROW_MAX, 1),
            ("/timetable/every_ms", limits::EVERY_MS_MAX, limits::EVERY_MS_MIN),
            ("/job/deadline_ms", limits::AHEAD_DAYS_MAX * 86_400_000, limits::DEADLINE_MS_MIN),
        ] {
            let field = pointer[1..].replace('/', ".");
            for fine in [most, least] {
                let reply = acme.put("/schedules/fine", with(pointer, json!(fine))).await;
                assert!(reply.status == 201, "{pointer} {fine}: {}", reply.text());
                acme.send(Method::DELETE, "/schedules/fine", &[], Body::empty()).await;
            }
            acme.put("/schedules/bad", with(pointer, json!(most + 1_000))).await.blames(422, "limit_exceeded", &field);
            if least > 0 {
                acme.put("/schedules/bad", with(pointer, json!(0))).await.blames(422, "limit_exceeded", &field);
            }
        }
        let bytes = limits::SCHEDULE_PAYLOAD_BYTES_MAX;
        assert_eq!(acme.put("/schedules/fine", with("/job/payload", text(bytes))).await.status, 201);
        acme.put("/schedules/bad", with("/job/payload", text(bytes + 1))).await.blames(422, "limit_exceeded", "job.payload");
        let mut owing = with("/timetable/every_ms", json!(1_000));
        owing["misfire"] = json!("fire_all");
        owing["catch_up_ms"] = json!(limits::CATCH_UP_FIRINGS_MAX * 1_000);
        assert_eq!(acme.put("/schedules/owing", owing.clone()).await.status, 201);
        owing["catch_up_ms"] = json!((limits::CATCH_UP_FIRINGS_MAX + 1) * 1_000);
        acme.put("/schedules/bad", owing).await.blames(422, "limit_exceeded", "catch_up_ms");
    }

    async fn the_schedules_of_a_tenant(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let document = |n: u64| {
            let job = json!({"job_type": "t"});
            json!({"declare": "schedule", "name": format!("s{n}"), "timetable": {"every_ms": 86_400_000}, "job": job})
        };
        for half in [0..500, 500..limits::SCHEDULES_MAX] {
            let documents: Vec<Value> = half.map(document).collect();
            let reply = acme.post("/apply", json!({"documents": documents})).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let mut more = document(limits::SCHEDULES_MAX);
        more.as_object_mut().expect("a document is an object").remove("declare");
        acme.post("/schedules", more).await.problem(422, "limit_exceeded");
    }

    async fn the_documents_of_a_call(app) {
        let acme = app.acme().await;
        let body = |count: u64| {
            let documents: Vec<Value> = (0..count).map(|n| json!({"declare": "project", "name": format!("p{n}")})).collect();
            json!({"documents": documents, "dry_run": true})
        };
        let most = acme.post("/apply", body(limits::DOCUMENTS_PER_CALL_MAX)).await;
        assert_eq!((most.status.as_u16(), most.body()["items"].as_array().unwrap().len()), (200, 500));
        acme.post("/apply", body(limits::DOCUMENTS_PER_CALL_MAX + 1)).await.blames(422, "limit_exceeded", "documents");
    }

    async fn the_numbers_of_a_bucket(app) {
        let acme = app.acme().await;
        let term = json!({"limit": 5, "window_ms": 1_000});
        let terms = |count: u64| json!({"host": "h", "terms": vec![term.clone(); usize_of(count)]});
        let ramp = |ms: u64| json!({"host": "h", "terms": [term], "ramp_ms": ms});
        let in_flight = |most: u64| json!({"host": "h", "terms": [term], "in_flight_max": most});
        let reserve = |percent: u64| json!({"host": "h", "terms": [term], "urgent_reserve_percent": percent});
        let most = limits::IN_FLIGHT_MAX;
        for fine in [
            terms(limits::TERMS_MAX),
            ramp(limits::RAMP_MS_MIN),
            ramp(limits::RAMP_MS_MAX),
            in_flight(1),
            in_flight(most),
            reserve(limits::URGENT_RESERVE_PERCENT_MAX),
        ] {
            assert!(acme.put(&format!("/buckets/b{}", job_id()), fine).await.status.is_success());
        }
        for (bad, field) in [
            (terms(0), "terms"),
            (terms(limits::TERMS_MAX + 1), "terms"),
            (ramp(limits::RAMP_MS_MIN - 1), "ramp_ms"),
            (ramp(limits::RAMP_MS_MAX + 1), "ramp_ms"),
            (in_flight(0), "in_flight_max"),
            (in_flight(most + 1), "in_flight_max"),
            (reserve(limits::URGENT_RESERVE_PERCENT_MAX + 1), "urgent_reserve_percent"),
        ] {
            acme.put("/buckets/bad", bad).await.blames(422, "limit_exceeded", field);
        }
        acme.get("/buckets/bad").await.problem(404, "not_found");
    }

    async fn the_share_of_a_tenant(app) {
        let admin = app.admin().await;
        let weight = |weight: u64| json!({"strategy": "proportional", "weight": weight});
        let priority = |priority: u64| json!({"strategy": "priority", "priority": priority});
        for fine in [weight(limits::TENANT_WEIGHT_MAX), priority(limits::TENANT_PRIORITY_MAX)] {
            assert_eq!(admin.put("/tenants/acme/allotment", fine).await.status, 200);
        }
        for (bad, field) in [
            (weight(0), "weight"),
            (weight(limits::TENANT_WEIGHT_MAX + 1), "weight"),
            (priority(limits::TENANT_PRIORITY_MAX + 1), "priority"),
        ] {
            admin.put("/tenants/acme/allotment", bad).await.blames(422, "limit_exceeded", field);
        }
    }

    async fn how_many_throttles_and_to_what(app) {
        let acme = app.acme().await;
        let ahead = |ms: u64| app.engine.now().plus_ms(ms).to_rfc3339();
        let with = |target: String, more: Value, until: String| {
            let mut body = json!({"target": {"job_type": target}, "until": until});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let acme = acme.clone();
            async move { acme.post("/throttles", body).await }
        };
        for n in 0..=limits::THROTTLES_MAX {
            acme.declare(&format!("t{n}")).await;
            let reply = with(format!("t{n}"), json!({"active_max": 1}), ahead(600_000)).await;
            if n < limits::THROTTLES_MAX {
                assert_eq!(reply.status, 200);
            } else {
                reply.blames(422, "limit_exceeded", "target");
            }
        }
        let most = json!({"per_minute_max": limits::PER_MINUTE_MAX});
        assert_eq!(with("t0".to_owned(), most, ahead(limits::THROTTLE_MS_MAX - 5_000)).await.status, 200);
        for value in [0, limits::PER_MINUTE_MAX + 1] {
            let reply = with("t0".to_owned(), json!({"per_minute_max": value}), ahead(600_000)).await;
            reply.blames(422, "limit_exceeded", "per_minute_max");
        }
        let late = ahead(limits::THROTTLE_MS_MAX + 5_000);
        with("t0".to_owned(), json!({"active_max": 1}), late).await.blames(422, "limit_exceeded", "until");
    }

    async fn the_numbers_of_a_quota(app) {
        let acme = app.acme().await;
        for (field, highest) in [("backlog_max", limits::BACKLOG_MAX), ("weight", limits::WEIGHT_MAX)] {
            let with = |value: u64| json!({"job_type": "t", field: value});
            assert_eq!(acme.put(&format!("/quotas/{field}"), with(highest)).await.status, 201);
            for value in [0, highest + 1] {
                acme.put("/quotas/bad", with(value)).await.blames(422, "limit_exceeded", field);
            }
        }
        acme.get("/quotas/bad").await.problem(404, "not_found");
    }

    async fn the_numbers_of_a_breaker(app) {
        let acme = app.acme().await;
        for (n, (field, lowest, highest)) in [
            ("failures_percent", 1, 100),
            ("outcomes_min", 1, limits::BREAKER_OUTCOMES_MAX),
            ("open_ms_max", limits::BREAKER_OPEN_MS_DEFAULT, limits::BREAKER_MS_MAX),
            ("ramp_max", 1, limits::BREAKER_RAMP_MAX),
            ("window_ms", limits::BREAKER_WINDOW_MS_MIN, limits::BREAKER_MS_MAX),
        ].into_iter().enumerate() {
            for value in [lowest, highest] {
                let reply = acme.put(&format!("/breakers/b{n}.{value}"), json!({"host": "h", field: value})).await;
                assert_eq!(reply.status, 201, "{field} {value}: {}", reply.text());
            }
            for value in [lowest - 1, highest + 1] {
                acme.put("/breakers/bad", json!({"host": "h", field: value})).await.blames(422, "limit_exceeded", field);
            }
        }
        acme.put("/breakers/bad", json!({"host": "h", "open_ms": 0})).await.blames(422, "limit_exceeded", "open_ms");
        acme.get("/breakers/bad").await.problem(404, "not_found");
    }

    async fn the_numbers_of_a_job_type(app) {
        let acme = app.acme().await;
        for (n, (field, lowest, highest)) in [
            ("lease_ms", limits::LEASE_MS_MIN, limits::LEASE_MS_MAX),
            ("tries_max", 1, limits::TRIES_MAX),
            ("lost_max", 1, limits::LOST_MAX),
            ("backoff_ms_max", limits::BACKOFF_MS_DEFAULT, limits::BACKOFF_MS_MAX),
            ("execution_ms_max", 1_000, limits::EXECUTION_MS_MAX),
            ("cost", 1, limits::COST_MAX),
        ].into_iter().enumerate() {
            for value in [lowest, highest] {
                let reply = acme.put(&format!("/job-types/t{n}.{value}"), json!({field: value})).await;
                assert_eq!(reply.status, 201, "{field} {value}: {}", reply.text());
            }
            for value in [lowest - 1, highest + 1] {
                acme.put("/job-types/bad", json!({field: value})).await.blames(422, "limit_exceeded", field);
            }
        }
        acme.get("/job-types/bad").await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_dependencies_of_a_job() {
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    acme.declare("t").await;
    let mut parents: Vec<String> = Vec::new();
    for _ in 0..10 {
        let ids: Vec<String> = (0..1_000).map(|_| job_id()).collect();
        let jobs: Vec<Value> = ids.iter().map(|id| json!({"job_type": "t", "id": id})).collect();
        assert_eq!(acme.post("/jobs/batch", json!({"jobs": jobs})).await.status, 201);
        parents.extend(ids);
    }
    let child = |extra: Option<String>| {
        let all = parents.iter().cloned().chain(extra);
        json!({"job_type": "t", "depends_on": all.map(|job| json!({"job": job, "on": "done"})).collect::<Vec<_>>()})
    };
    let reply = acme.post("/jobs", child(None)).await;
    assert_eq!((reply.status.as_u16(), &reply.body()["waits_for"]), (201, &json!(limits::DEPENDENCIES_MAX)));
    too_much(&acme, child(Some(job_id())), "depends_on").await;
    app.end().await;
}

#[tokio::test]
async fn the_body_of_a_call() {
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    acme.declare("t").await;
    let jobs = vec![json!({"job_type": "t", "payload": "x".repeat(1_000_000)}); 16];
    let body = json!({"jobs": jobs}).to_string();
    let padded = |bytes: u64| format!("{body}{}", " ".repeat(usize_of(bytes) - body.len()));
    let reply = acme.text(Method::POST, "/jobs/batch", &[], &padded(limits::BODY_BYTES_MAX)).await;
    assert_eq!(reply.status, 201);
    let longer = padded(limits::BODY_BYTES_MAX + 1);
    acme.text(Method::POST, "/jobs/batch", &[], &longer).await.blames(413, "limit_exceeded", "body");
    // Without a length the bytes are counted as they come.
    let parts = futures::stream::iter([Ok::<_, std::io::Error>(longer)]);
    let reply =
        acme.send(Method::POST, "/jobs/batch", &[("content-type", "application/json")], Body::from_stream(parts)).await;
    reply.blames(413, "limit_exceeded", "body");
    app.end().await;
}

#[tokio::test]
async fn the_bytes_of_an_artifact() {
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    let put = |bytes: u64| {
        let bytes = vec![7; usize_of(bytes)];
        let path = format!("/artifacts/{}", hex::encode(Sha256::digest(&bytes)));
        let acme = acme.clone();
        async move { acme.send(Method::PUT, &path, &[], Body::from(bytes)).await }
    };
    assert_eq!(put(limits::ARTIFACT_BYTES_MAX).await.status, 201);
    put(limits::ARTIFACT_BYTES_MAX + 1).await.blames(413, "limit_exceeded", "body");
    app.end().await;
}
