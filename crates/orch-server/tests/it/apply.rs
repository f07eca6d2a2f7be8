//! Documents that declare things: checked together, compared with what is there, written one by one.

use serde_json::{Value, json};

use crate::app::{Client, Reply, on_each_ledger};

async fn apply(client: &Client, documents: Value) -> Reply {
    client.post("/apply", json!({"documents": documents})).await
}

async fn rehearse(client: &Client, documents: Value) -> Reply {
    client.post("/apply", json!({"documents": documents, "dry_run": true})).await
}

fn items(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.body()["items"].as_array().unwrap().clone()
}

/// Kind, name, action and version of each item.
fn told(reply: &Reply) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let told = |item: &Value| ["kind", "name", "action", "version"].map(|member| text(&item[member])).join(" ");
    items(reply).iter().map(told).collect()
}

fn bucket(limit: u32) -> Value {
    let terms = json!([{"limit": limit, "window_ms": 30_000}]);
    json!({"declare": "bucket", "name": "nvd", "host": "nvd.example", "terms": terms})
}

fn one_of_each() -> Value {
    json!([
        bucket(5),
        {"declare": "source", "name": "nvd", "kind": "nvd", "host": "nvd.example", "labels": {"feed": "nvd"}},
        {"declare": "job_type", "name": "fetch", "tries_max": 3, "payload_schema": {"type": "object"}},
        {"declare": "project", "name": "intake"},
    ])
}

on_each_ledger! {
    async fn what_is_missing_is_made_what_differs_is_changed_and_the_rest_stays(app) {
        let acme = app.acme().await;
        let before = rehearse(&acme, one_of_each()).await;
        assert_eq!(before.body()["dry_run"], true);
        let created = ["bucket nvd created null", "source nvd created null", "job_type fetch created null", "project intake created null"];
        assert_eq!(told(&before), created);
        for path in ["/buckets", "/sources", "/job-types", "/projects"] {
            assert_eq!(acme.get(path).await.body()["items"], json!([]), "{path}");
        }
        let made = apply(&acme, one_of_each()).await;
        assert_eq!(made.body()["dry_run"], false);
        assert_eq!(told(&made), ["bucket nvd created 1", "source nvd created 1", "job_type fetch created 1", "project intake created 1"]);
        let whole = &items(&made)[3]["diff"];
        assert_eq!(whole, &json!([{"path": "", "to": {"name": "intake", "description": ""}}]));
        assert_eq!(acme.get("/sources/nvd").await.body()["labels"], json!({"feed": "nvd"}));

        let again = apply(&acme, one_of_each()).await;
        assert_eq!(told(&again), ["bucket nvd unchanged 1", "source nvd unchanged 1", "job_type fetch unchanged 1", "project intake unchanged 1"]);
        assert!(items(&again).iter().all(|item| item["diff"] == json!([])));

        let changed = json!([
            bucket(9),
            {"declare": "source", "name": "nvd", "kind": "nvd", "host": "nvd.example"},
            {"declare": "project", "name": "intake", "description": ""},
        ]);
        let (planned, done) = (rehearse(&acme, changed.clone()).await, apply(&acme, changed).await);
        assert_eq!(told(&planned), ["bucket nvd changed 1", "source nvd changed 1", "project intake unchanged 1"]);
        assert_eq!(told(&done), ["bucket nvd changed 2", "source nvd changed 2", "project intake unchanged 1"]);
        let diffs = |reply: &Reply| items(reply).iter().map(|item| item["diff"].clone()).collect::<Vec<_>>();
        assert_eq!(diffs(&planned), diffs(&done));
        assert_eq!(diffs(&done)[0], json!([{"path": "/terms/0/limit", "from": 5, "to": 9}]));
        assert_eq!(diffs(&done)[1], json!([{"path": "/labels/feed", "from": "nvd"}]));
    }

    async fn what_was_read_may_be_applied(app) {
        let acme = app.acme().await;
        apply(&acme, one_of_each()).await;
        let mut documents = Vec::new();
        for (kind, path) in [("bucket", "/buckets/nvd"), ("source", "/sources/nvd"), ("job_type", "/job-types/fetch")] {
            let mut read = acme.get(path).await.body();
            read["declare"] = json!(kind);
            documents.push(read);
        }
        let told = told(&apply(&acme, json!(documents)).await);
        assert_eq!(told, ["bucket nvd unchanged 1", "source nvd unchanged 1", "job_type fetch unchanged 1"]);
        assert_eq!(items(&apply(&acme, json!([])).await), [] as [Value; 0]);
    }

    async fn nothing_is_written_if_one_is_refused_and_all_refusals_are_told(app) {
        let acme = app.acme().await;
        let connector = |name: &str| {
            json!({"declare": "source", "name": name, "kind": "x", "connector": {"id": "same"}})
        };
        for documents in [
            json!([
                {"declare": "project", "name": "good"},
                bucket(0),
                {"declare": "job_type", "name": "t", "tries": 3},
                {"declare": "job_type", "name": "t", "tries_max": "3"},
                {"declare": "planet", "name": "mars"},
                {"name": "nameless"},
                7,
                {"declare": "job_type"},
                {"declare": "job_type", "name": "s", "payload_schema": {"type": 7}},
                {"declare": "source", "name": "s", "description": "a\u{0}"},
                {"declare": "bucket", "name": "b", "host": "h", "terms": [{"limit": 1}]},
            ]),
            json!([{"declare": "project", "name": "good"}, connector("a"), connector("b"), {"declare": "project", "name": "good"}]),
        ] {
            for dry_run in [true, false] {
                let body = json!({"documents": documents, "dry_run": dry_run});
                let reply = acme.post("/apply", body).await;
                assert_eq!(reply.status, 422, "{}", reply.text());
                let errors = reply.body()["errors"].as_array().unwrap().clone();
                let told: Vec<String> = errors.iter().map(|error| format!("{} {}", error["field"].as_str().unwrap(), error["code"].as_str().unwrap())).collect();
                if documents.as_array().unwrap().len() == 4 {
                    assert_eq!(told, ["documents[2].connector.id invalid_field", "documents[3].name invalid_field"]);
                    continue;
                }
                assert_eq!(told, [
                    "documents[1].terms[0].limit limit_exceeded",
                    "documents[2].tries unknown_field",
                    "documents[3].tries_max invalid_field",
                    "documents[4].declare invalid_field",
                    "documents[5].declare invalid_field",
                    "documents[6] invalid_field",
                    "documents[7].name invalid_field",
                    "documents[8].payload_schema invalid_field",
                    "documents[9].description invalid_field",
                    "documents[10].terms[0].window_ms invalid_field",
                ]);
            }
        }
        let twice = json!([{"declare": "project", "name": "good"}, connector("a"), connector("b")]);
        rehearse(&acme, twice.clone()).await.blames(422, "invalid_field", "documents[2].connector.id");
        apply(&acme, twice).await.blames(422, "invalid_field", "documents[2].connector.id");
        assert_eq!(acme.get("/projects").await.body()["items"], json!([]));
        acme.post("/apply", json!({"documents": [], "force": true})).await.blames(422, "unknown_field", "force");
    }

    async fn a_connector_may_move_between_documents_as_it_may_between_calls(app) {
        let acme = app.acme().await;
        let source = |name: &str, connector: Value| {
            json!({"declare": "source", "name": name, "kind": "x", "connector": connector})
        };
        let with = json!({"id": "moved"});
        apply(&acme, json!([source("a", with.clone()), source("b", Value::Null)])).await;
        let early = json!([source("b", with.clone()), source("a", Value::Null)]);
        apply(&acme, early).await.blames(422, "invalid_field", "documents[0].connector.id");
        let moved = apply(&acme, json!([source("a", Value::Null), source("b", with)])).await;
        assert_eq!(told(&moved), ["source a changed 2", "source b changed 2"]);
        let other = json!([source("b", json!({"id": "other"}))]);
        rehearse(&acme, other).await.blames(422, "invalid_field", "documents[0].connector.id");
    }

    async fn somebody_elses_change_in_between_is_a_conflict_of_that_document(app) {
        let acme = app.acme().await;
        let documents = |text: &str| {
            let one = |n: usize| json!({"declare": "project", "name": format!("p{n:02}"), "description": text});
            json!((0..40).map(one).collect::<Vec<_>>())
        };
        for round in 0..2 {
            let (ours, theirs) = (documents(&format!("ours {round}")), documents(&format!("theirs {round}")));
            let (ours, theirs) = tokio::join!(apply(&acme, ours), apply(&acme, theirs));
            let mut refused = 0;
            for (ours, theirs) in items(&ours).iter().zip(items(&theirs)) {
                let both = [ours, &theirs];
                let written = both.iter().filter(|item| ["created", "changed"].contains(&item["action"].as_str().unwrap()));
                assert!(written.count() >= 1, "one of them was first: {both:?}");
                for item in both.into_iter().filter(|item| item["action"] == "refused") {
                    assert_eq!(item["code"], "version_conflict", "{item}");
                    assert!(item["detail"].is_string(), "{item}");
                    refused += 1;
                }
            }
            assert!(refused > 0, "the calls met");
        }
    }

    async fn what_operators_did_outlives_what_is_declared(app) {
        let acme = app.acme().await;
        apply(&acme, one_of_each()).await;
        let session = acme.session(&["fetch"]).await;
        for n in 0..2 {
            acme.submit(json!({"job_type": "fetch", "source": "nvd", "payload": {"n": n}})).await;
        }
        let lease = acme.claim(&session, 1).await.remove(0);
        let said = json!({"token": lease["token"], "status": 429, "retry_after_ms": 60_000});
        assert_eq!(acme.post("/worker/upstream", said).await.status, 200);
        for target in [json!({"source": "nvd"}), json!({"job_type": "fetch"})] {
            assert_eq!(acme.post("/pauses", json!({"target": target, "reason": "maintenance"})).await.status, 200);
        }
        let (pauses, state) = (acme.get("/pauses").await.body(), acme.get("/buckets/nvd/state").await.body());
        let changed = json!([
            bucket(50),
            {"declare": "source", "name": "nvd", "kind": "other", "host": "nvd.example"},
            {"declare": "job_type", "name": "fetch", "tries_max": 9},
        ]);
        let done = apply(&acme, changed).await;
        assert_eq!(told(&done), ["bucket nvd changed 2", "source nvd changed 2", "job_type fetch changed 2"]);
        assert_eq!(acme.get("/pauses").await.body(), pauses);
        let after = acme.get("/buckets/nvd/state").await.body();
        for member in ["closed_until", "cuts"] {
            assert_eq!(after[member], state[member], "{member}");
        }
        assert!(after["closed_until"].is_string());
        assert!(acme.claim(&session, 9).await.is_empty());
    }

    async fn each_document_needs_the_scope_of_its_kind(app) {
        let acme = app.acme().await;
        let operator = app.client(app.acme.no, &["orch:operate", "orch:read"]).await;
        let planner = app.client(app.acme.no, &["orch:quota"]).await;
        let quota = json!({"declare": "quota", "name": "all", "active_max": 9});
        let project = json!({"declare": "project", "name": "intake"});
        apply(&operator, json!([project, quota])).await.problem(403, "forbidden");
        apply(&planner, json!([quota, project])).await.problem(403, "forbidden");
        assert_eq!(acme.get("/projects").await.body()["items"], json!([]));
        assert_eq!(told(&apply(&operator, json!([project])).await), ["project intake created 1"]);
        assert_eq!(told(&apply(&planner, json!([quota])).await), ["quota all created 1"]);
        assert_eq!(acme.get("/quotas/all").await.body()["active_max"], 9);
    }

    async fn tenants_do_not_meet(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        apply(&acme, one_of_each()).await;
        let theirs = apply(&globex, json!([bucket(7)])).await;
        assert_eq!(told(&theirs), ["bucket nvd created 1"]);
        assert_eq!(acme.get("/buckets/nvd").await.body()["terms"][0]["limit"], 5);
        let reader = app.client(app.acme.no, &["orch:read"]).await;
        rehearse(&reader, json!([bucket(7)])).await.problem(403, "forbidden");
    }
}
