//! Runs over the API: their jobs are claimed and reported by a worker, and the rest follows.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, Reply, claim_id, on_each_ledger};

/// A worker of one job type.
struct Worker {
    client: Client,
    session: String,
}

impl Worker {
    async fn of(client: &Client, job_types: &[&str]) -> Self {
        // Each by itself: two sessions of one worker would be one.
        let worker = format!("w-{}", job_types.join("-"));
        let body = json!({"worker_id": worker, "boot_id": "b1", "job_types": job_types, "capacity": 100});
        let session = client.post("/worker/sessions", body).await.body()["session"].as_str().unwrap().to_owned();
        Self { client: client.clone(), session }
    }

    /// Leases of what waits now, or comes soon.
    async fn claim(&self) -> Vec<Value> {
        let body = json!({"session": self.session, "claim_id": claim_id(), "max": 100, "wait_ms": 500});
        self.client.post("/worker/claim", body).await.body()["leases"].as_array().unwrap().clone()
    }

    /// Waits at the server for work that does not come.
    async fn wait(&self, wait_ms: u64) {
        let body = json!({"session": self.session, "claim_id": claim_id(), "max": 1, "wait_ms": wait_ms});
        assert_eq!(self.client.post("/worker/claim", body).await.body()["leases"], json!([]));
    }

    async fn one(&self) -> Value {
        let leases = self.claim().await;
        assert_eq!(leases.len(), 1, "{leases:?}");
        leases[0].clone()
    }

    async fn done(&self, lease: &Value, result: Value) {
        let item =
            self.client.complete(json!({"token": lease["token"], "outcome": "succeeded", "result": result})).await;
        assert_eq!(item["status"], "ok", "{item}");
    }

    async fn fail(&self, lease: &Value) {
        let error = json!({"code": "bad_document", "message": "truncated", "retryable": false});
        let item = self.client.complete(json!({"token": lease["token"], "outcome": "failed", "error": error})).await;
        assert_eq!(item["status"], "ok", "{item}");
    }
}

fn step(name: &str, job_type: &str, after: Value) -> Value {
    json!({"name": name, "job_type": job_type, "after": after})
}

fn after(name: &str) -> Value {
    json!([{"step": name}])
}

/// An approval that its own caller may not give.
fn approval(name: &str, before: Value) -> Value {
    json!({"name": name, "after": before, "approval": {}})
}

async fn graph(acme: &Client, name: &str, steps: Value) {
    for job_type in ["list", "fetch", "sum"] {
        if acme.get(&format!("/job-types/{job_type}")).await.status == 404 {
            acme.declare(job_type).await;
        }
    }
    let reply = acme.put(&format!("/graphs/{name}"), json!({"steps": steps})).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

async fn begin(acme: &Client, run: Value) -> String {
    let reply = acme.post("/runs", run).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let id = reply.body()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), format!("/api/v1/orchestrator/runs/{id}"));
    id
}

/// Waits until the run is in this state.
async fn until(acme: &Client, run: &str, state: &str) -> Value {
    let worker = Worker::of(acme, &["nothing"]).await;
    for _ in 0..100 {
        let shown = acme.get(&format!("/runs/{run}")).await.body();
        if shown["state"] == state {
            return shown;
        }
        worker.wait(50).await;
    }
    panic!("{}", acme.get(&format!("/runs/{run}/graph")).await.text());
}

/// Where each step is.
async fn states(acme: &Client, run: &str) -> BTreeMap<String, String> {
    let graph = acme.get(&format!("/runs/{run}/graph")).await.body();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    graph["nodes"].as_array().unwrap().iter().map(|node| (text(&node["step"]), text(&node["state"]))).collect()
}

async fn post(client: &Client, path: &str) -> Reply {
    client.post(path, json!({"reason": "test"})).await
}

/// A list, a map over it, and what is only done when the list is long.
fn feed() -> Value {
    let map = json!({"over": {"step": "list", "pointer": "/items"}, "max": 3, "concurrency_max": 2});
    json!([
        {"name": "list", "job_type": "list", "inputs": ["since"], "payload": {"b": 1}},
        {"name": "fetch", "job_type": "fetch", "after": after("list"), "map": map},
        step("sum", "sum", json!([{"step": "fetch", "when": {"pointer": "/succeeded", "equals": 3}}])),
        step("alarm", "sum", json!([{"step": "list", "when": {"pointer": "/count", "greater": 5}}])),
    ])
}

on_each_ledger! {
    async fn a_run_goes_from_its_list_to_its_end(app) {
        let acme = app.acme().await;
        graph(&acme, "feed", feed()).await;
        let (list, fetch, sum) = (Worker::of(&acme, &["list"]).await, Worker::of(&acme, &["fetch"]).await, Worker::of(&acme, &["sum"]).await);
        let run = begin(&acme, json!({"graph": "feed", "inputs": {"since": "2026"}, "labels": {"feed": "kev"}, "correlation_id": "c", "reason": "test"})).await;
        let shown = acme.get(&format!("/runs/{run}")).await.body();
        assert_eq!((&shown["state"], &shown["version"], &shown["trigger"]), (&json!("running"), &json!(1), &json!("manual")), "{shown}");
        assert_eq!((&shown["inputs"], &shown["steps"]["total"]), (&json!({"since": "2026"}), &json!(4)));
        let lease = list.one().await;
        assert_eq!((&lease["payload"], &lease["labels"]), (&json!({"b": 1, "since": "2026"}), &json!({"feed": "kev"})));
        assert_eq!(lease["run"], json!({"run": run, "step_no": 0, "index": null}));
        let signal = acme.get(&format!("/runs/{run}/first-signal")).await;
        assert_eq!((signal.status.as_u16(), signal.header("cache-status")), (200, "hit"));
        list.done(&lease, json!({"items": ["a", "b", "c"], "count": 3})).await;
        let two = fetch.claim().await;
        let items: Vec<&Value> = two.iter().map(|lease| &lease["payload"]).collect();
        assert_eq!(items, [&json!({"item": "a"}), &json!({"item": "b"})], "so many at a time");
        for lease in &two {
            fetch.done(lease, json!({})).await;
        }
        fetch.done(&fetch.one().await, json!({})).await;
        let last = sum.one().await;
        let job = acme.get(&format!("/jobs/{}", last["job"].as_str().unwrap())).await.body();
        assert_eq!(job["run"], json!({"run": run, "step_no": 2, "index": null}));
        sum.done(&last, json!({})).await;
        let ended = until(&acme, &run, "succeeded").await;
        assert_eq!(ended["steps"], json!({"total": 4, "succeeded": 3, "failed": 0, "canceled": 0, "skipped": 1}), "{ended}");
        assert!(ended["ended_at"].is_string());

        let shown = acme.get(&format!("/runs/{run}/graph")).await.body();
        let node = |name: &str| shown["nodes"].as_array().unwrap().iter().find(|node| node["step"] == name).unwrap().clone();
        assert_eq!(node("alarm")["skip_reason"], "upstream_skipped");
        assert_eq!((&node("fetch")["jobs"], &node("fetch")["kind"], &node("sum")["level"]), (&json!(3), &json!("map"), &json!(2)));
        assert_eq!(shown["critical_path"], json!(["list", "fetch", "sum"]), "{shown}");
        assert_eq!(shown["edges"].as_array().unwrap().len(), 3);
        assert!(shown["total_ms"].as_u64().unwrap() >= node("fetch")["duration_ms"].as_u64().unwrap());

        let jobs = acme.get(&format!("/jobs?run={run}")).await.body();
        assert_eq!(jobs["items"].as_array().unwrap().len(), 5, "{jobs}");
        acme.get("/jobs?run=x").await.blames(422, "invalid_field", "run");
        let (mut jobs, mut path) = (Vec::new(), format!("/runs/{run}/timeline?limit=2"));
        loop {
            let page = acme.get(&path).await.body();
            jobs.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/runs/{run}/timeline?limit=2&cursor={cursor}");
        }
        assert_eq!(jobs.len(), 5);
        for job in &jobs {
            let kinds: Vec<_> = job["segments"].as_array().unwrap().iter().map(|segment| segment["kind"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["waiting", "running"], "{job}");
            assert_eq!(job["segments"][0]["to"], job["segments"][1]["from"]);
            assert_eq!((&job["segments"][1]["attempt"], &job["segments"][1]["outcome"]), (&json!(1), &json!("succeeded")));
        }
        assert_eq!((&jobs[4]["step"], &jobs[1]["index"]), (&json!("list"), &json!(2)), "newest first");

        let again = acme.get(&format!("/runs/{run}/first-signal")).await;
        assert_eq!((again.header("etag"), again.header("cache-status")), (signal.header("etag"), "miss"), "it says the same");
        assert_eq!(again.header("cache-control"), "private, max-age=60");
        let body = again.body();
        assert_eq!((&body["firstSignal"]["type"], &body["firstSignal"]["step"]), (&json!("started"), &json!("list")), "{body}");
        assert_eq!(body["summaryEtag"], again.header("etag"));
        let tags = format!("W/\"x\", {}", again.header("etag"));
        let known = acme.send(Method::GET, &format!("/runs/{run}/first-signal"), &[("if-none-match", &tags)], axum::body::Body::empty()).await;
        assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));
        for path in ["cancel", "pause", "resume", "steps/sum/approve"] {
            let late = post(&acme, &format!("/runs/{run}/{path}")).await;
            late.problem(409, "state_conflict");
            assert_eq!(late.body()["detail"], "the run is succeeded already");
        }
    }

    async fn the_same_token_is_the_same_run(app) {
        let acme = app.acme().await;
        graph(&acme, "one", json!([{"name": "a", "job_type": "list", "inputs": ["n"]}])).await;
        let run = |token: &str, n: u32| json!({"graph": "one", "run_token": token, "inputs": {"n": n}});
        let first = begin(&acme, run("kev/1", 1)).await;
        let again = acme.post("/runs", run("kev/1", 1)).await;
        assert_eq!((again.status.as_u16(), &again.body()["id"]), (200, &json!(first)), "{}", again.text());
        assert_ne!(begin(&acme, run("kev/1", 2)).await, first);
        let keyed = acme.keyed("/runs", "k", run("kev/2", 1)).await;
        let same = acme.keyed("/runs", "k", run("kev/2", 1)).await;
        assert_eq!((keyed.status.as_u16(), same.status.as_u16(), &keyed.body()["id"]), (201, 200, &same.body()["id"]));
        acme.keyed("/runs", "k", run("kev/3", 1)).await.blames(422, "idempotency_mismatch", "Idempotency-Key");
        let page = acme.get("/runs?limit=2").await.body();
        let rest = acme.get(&format!("/runs?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).await.body();
        assert_eq!((&page["items"][0]["id"], &rest["items"][0]["id"]), (&keyed.body()["id"], &json!(first)));
        assert_eq!(acme.get("/runs?graph=none").await.body()["items"], json!([]));
        assert_eq!(acme.get("/runs?state=running&graph=one").await.body()["items"].as_array().unwrap().len(), 3);
        assert_eq!(acme.get("/runs?state=succeeded").await.body()["items"], json!([]));
        acme.get("/runs?state=happy").await.blames(422, "invalid_field", "state");
    }

    async fn who_began_a_run_does_not_approve_it(app) {
        let (acme, reader) = (app.acme().await, app.client(app.acme.no, &["orch:read"]).await);
        let other = app.client(app.acme.no, &["orch:operate"]).await;
        graph(&acme, "ask", json!([approval("ask", json!([])), step("go", "list", after("ask"))])).await;
        let run = begin(&acme, json!({"graph": "ask"})).await;
        let path = format!("/runs/{run}/steps/ask/approve");
        assert_eq!(acme.get(&format!("/runs/{run}/first-signal")).await.body()["firstSignal"]["type"], "blocked");
        post(&acme, &path).await.problem(403, "forbidden");
        post(&reader, &path).await.problem(403, "forbidden");
        post(&other, &format!("/runs/{run}/steps/none/approve")).await.problem(404, "not_found");
        post(&other, &format!("/runs/{run}/steps/go/approve")).await.problem(409, "state_conflict");
        assert_eq!(post(&other, &path).await.status, 200);
        post(&other, &path).await.problem(409, "state_conflict");
        let list = Worker::of(&acme, &["list"]).await;
        list.done(&list.one().await, json!({})).await;
        until(&acme, &run, "succeeded").await;
        let shown = acme.get(&format!("/runs/{run}/graph")).await.body();
        assert_eq!((&shown["nodes"][0]["note"], shown["nodes"][0]["by"].is_string()), (&json!("test"), true), "{shown}");
        let run = begin(&acme, json!({"graph": "ask"})).await;
        assert_eq!(post(&other, &format!("/runs/{run}/steps/ask/reject")).await.body()["state"], "failed");
        assert_eq!(states(&acme, &run).await["go"], "skipped");
    }

    async fn a_graph_inside_a_graph_is_a_run_of_its_own(app) {
        let acme = app.acme().await;
        graph(&acme, "inner", json!([{"name": "x", "job_type": "list", "inputs": ["since"]}])).await;
        let inside = json!({"name": "in", "graph": {"name": "inner"}, "inputs": ["since"]});
        let more = json!([{"step": "in", "when": {"pointer": "/succeeded", "equals": 1}}]);
        graph(&acme, "outer", json!([inside, step("then", "sum", more)])).await;
        let run = begin(&acme, json!({"graph": "outer", "inputs": {"since": 7}})).await;
        let (list, sum) = (Worker::of(&acme, &["list"]).await, Worker::of(&acme, &["sum"]).await);
        let lease = list.one().await;
        assert_eq!(lease["payload"], json!({"since": 7}));
        let inner = lease["run"]["run"].as_str().unwrap();
        let child = acme.get(&format!("/runs/{inner}")).await.body();
        assert_eq!((&child["parent"], &child["trigger"]), (&json!({"run": run, "step_no": 0}), &json!("step")), "{child}");
        let shown = acme.get(&format!("/runs/{run}/graph")).await.body();
        assert_eq!((&shown["nodes"][0]["run"], &shown["nodes"][0]["state"]), (&json!(inner), &json!("running")));
        list.done(&lease, json!({})).await;
        sum.done(&sum.one().await, json!({})).await;
        until(&acme, &run, "succeeded").await;
        until(&acme, inner, "succeeded").await;
    }

    async fn a_canceled_run_ends_what_is_under_way(app) {
        let acme = app.acme().await;
        graph(&acme, "two", json!([step("a", "list", json!([])), step("b", "fetch", json!([])), step("c", "sum", after("a"))])).await;
        let run = begin(&acme, json!({"graph": "two"})).await;
        let list = Worker::of(&acme, &["list"]).await;
        let lease = list.one().await;
        let canceled = post(&acme, &format!("/runs/{run}/cancel")).await;
        assert_eq!((canceled.status.as_u16(), &canceled.body()["state"]), (202, &json!("canceling")), "{}", canceled.text());
        assert_eq!(canceled.body()["canceled"]["reason"], "test");
        assert_eq!(acme.get("/runs?state=canceling").await.body()["items"][0]["id"], run.as_str());
        let item = acme.complete(json!({"token": lease["token"], "outcome": "canceled"})).await;
        assert_eq!(item["status"], "ok", "{item}");
        until(&acme, &run, "canceled").await;
        let states = states(&acme, &run).await;
        assert_eq!((&states["a"][..], &states["b"][..], &states["c"][..]), ("canceled", "canceled", "skipped"));
        assert_eq!(acme.get("/runs?state=canceled").await.body()["items"][0]["id"], run.as_str());
    }

    async fn a_paused_run_hands_nothing_out(app) {
        let acme = app.acme().await;
        graph(&acme, "one", json!([step("a", "list", json!([])), step("b", "fetch", after("a"))])).await;
        let run = begin(&acme, json!({"graph": "one"})).await;
        assert_eq!(post(&acme, &format!("/runs/{run}/pause")).await.body()["state"], "paused");
        let list = Worker::of(&acme, &["list"]).await;
        assert_eq!(list.claim().await, [] as [Value; 0]);
        let job = acme.get(&format!("/jobs?run={run}")).await.body()["items"][0]["id"].as_str().unwrap().to_owned();
        let explained = acme.get(&format!("/jobs/{job}/explain")).await.body();
        assert_eq!(explained["waiting_on"], "paused");
        assert!(explained["holds"][0]["by"].as_str().unwrap().contains(&run), "{explained}");
        let segments = acme.get(&format!("/runs/{run}/timeline")).await.body()["items"][0]["segments"].clone();
        let last = &segments.as_array().unwrap()[segments.as_array().unwrap().len() - 1];
        assert_eq!((&last["kind"], &last["gate"], &last["to"]), (&json!("held"), &json!("paused"), &Value::Null), "{segments}");
        assert_eq!(acme.get("/runs?state=paused").await.body()["items"][0]["paused"]["reason"], "test");
        assert_eq!(post(&acme, &format!("/runs/{run}/resume")).await.body()["state"], "running");
        list.done(&list.one().await, json!({})).await;
    }

    async fn a_repair_keeps_what_is_good(app) {
        let acme = app.acme().await;
        graph(&acme, "feed", feed()).await;
        let run = begin(&acme, json!({"graph": "feed", "inputs": {"since": "2026"}})).await;
        let (list, fetch, sum) = (Worker::of(&acme, &["list"]).await, Worker::of(&acme, &["fetch"]).await, Worker::of(&acme, &["sum"]).await);
        post(&acme, &format!("/runs/{run}/rerun")).await.blames(422, "invalid_field", "kind");
        let rerun = |body: Value| {
            let (acme, path) = (acme.clone(), format!("/runs/{run}/rerun"));
            async move { acme.post(&path, body).await }
        };
        rerun(json!({"kind": "only_failed"})).await.problem(409, "state_conflict");
        list.done(&list.one().await, json!({"items": [1, 2, 3], "count": 3})).await;
        let two = fetch.claim().await;
        fetch.done(&two[0], json!({})).await;
        fetch.fail(&two[1]).await;
        fetch.done(&fetch.one().await, json!({})).await;
        until(&acme, &run, "failed").await;
        let signal = acme.get(&format!("/runs/{run}/first-signal")).await.body();
        assert_eq!((&signal["firstSignal"]["type"], &signal["firstSignal"]["step"]), (&json!("failed"), &json!("fetch")), "{signal}");

        rerun(json!({"kind": "from_step"})).await.blames(422, "invalid_field", "step");
        rerun(json!({"kind": "from_step", "step": "none"})).await.blames(422, "invalid_field", "step");
        rerun(json!({"kind": "only_failed", "inputs": {"until": 1}})).await.blames(422, "invalid_field", "inputs.until");
        let repair = rerun(json!({"kind": "only_failed", "reason": "again"})).await;
        assert_eq!(repair.status, 201, "{}", repair.text());
        let repair = repair.body();
        assert_eq!((&repair["repairs"], &repair["trigger"], &repair["inputs"]), (&json!(run), &json!("replay"), &json!({"since": "2026"})));
        let id = repair["id"].as_str().unwrap().to_owned();
        let only = fetch.one().await;
        assert_eq!((&only["payload"], &only["run"]["index"]), (&json!({"item": 2}), &json!(1)));
        fetch.done(&only, json!({})).await;
        sum.done(&sum.one().await, json!({})).await;
        until(&acme, &id, "succeeded").await;
        let shown = acme.get(&format!("/runs/{id}/graph")).await.body();
        assert_eq!((&shown["nodes"][0]["step"], &shown["nodes"][0]["kept_of"]), (&json!("list"), &json!(run)), "{shown}");

        // The map is kept this time: how many it had is found in its list.
        let whole = acme.post(&format!("/runs/{id}/rerun"), json!({"kind": "from_step", "step": "sum"})).await;
        assert_eq!(whole.status, 201, "{}", whole.text());
        sum.done(&sum.one().await, json!({})).await;
        until(&acme, whole.body()["id"].as_str().unwrap(), "succeeded").await;
        acme.post(&format!("/runs/{id}/rerun"), json!({"kind": "only_failed"})).await.problem(409, "state_conflict");
        let changed = acme.post(&format!("/runs/{id}/rerun"), json!({"kind": "only_failed", "inputs": {"since": "2027"}})).await;
        assert_eq!((changed.status.as_u16(), &changed.body()["inputs"]["since"]), (201, &json!("2027")), "{}", changed.text());
        assert_eq!(list.one().await["payload"]["since"], "2027");
    }

    async fn a_graph_may_come_with_the_call(app) {
        let acme = app.acme().await;
        acme.declare("list").await;
        let definition = json!({"name": "mine", "steps": [step("a", "list", json!([]))]});
        let run = begin(&acme, json!({"definition": definition, "run_token": "mine/1"})).await;
        let list = Worker::of(&acme, &["list"]).await;
        list.fail(&list.one().await).await;
        let shown = until(&acme, &run, "failed").await;
        assert_eq!((&shown["graph"], &shown["version"]), (&json!("mine"), &Value::Null));
        let signal = acme.get(&format!("/runs/{run}/first-signal")).await.body();
        assert_eq!(signal["firstSignal"]["message"], "`a` failed: bad_document: truncated");
        let again = acme.post(&format!("/runs/{run}/rerun"), json!({"kind": "downstream", "run_token": "mine/1"})).await;
        assert_eq!((again.status.as_u16(), &again.body()["version"]), (201, &Value::Null), "{}", again.text());
        assert_ne!(again.body()["id"], run.as_str(), "a token of the run that it repairs is not its own");
        let same = acme.post(&format!("/runs/{run}/rerun"), json!({"kind": "downstream", "run_token": "mine/1"})).await;
        assert_eq!((same.status.as_u16(), &same.body()["id"]), (200, &again.body()["id"]));
        list.done(&list.one().await, json!({})).await;
        until(&acme, again.body()["id"].as_str().unwrap(), "succeeded").await;
        acme.get("/graphs/mine").await.problem(404, "not_found");
    }

    async fn what_makes_no_sense_is_refused_by_name(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        graph(&acme, "feed", feed()).await;
        let run = |members: Value| {
            let mut body = json!({"graph": "feed", "inputs": {"since": 1}});
            body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            body
        };
        for (body, status, code, field) in [
            (json!({}), 422, "invalid_field", "graph"),
            (run(json!({"definition": {"name": "x", "steps": []}})), 422, "invalid_field", "definition"),
            (run(json!({"graph": "none"})), 404, "not_found", "graph"),
            (run(json!({"inputs": {}})), 422, "invalid_field", "inputs.since"),
            (run(json!({"inputs": {"since": 1, "until": 2}})), 422, "invalid_field", "inputs.until"),
            (run(json!({"inputs": {"since": 9_007_199_254_740_993_u64}})), 422, "invalid_field", "inputs"),
            (run(json!({"inputs": {"since": "x".repeat(64 << 10)}})), 422, "limit_exceeded", "inputs"),
            (run(json!({"inputs": []})), 422, "invalid_field", "inputs"),
            (run(json!({"project": "none"})), 422, "unknown_project", "project"),
            (run(json!({"run_token": " "})), 422, "invalid_field", "run_token"),
            (run(json!({"labels": {"a b": "x"}})), 422, "invalid_field", "labels.a b"),
            (run(json!({"correlation_id": ""})), 422, "invalid_field", "correlation_id"),
            (run(json!({"colour": "red"})), 422, "unknown_field", "colour"),
        ] {
            acme.post("/runs", body.clone()).await.blames(status, code, field);
        }
        assert_eq!(acme.get("/runs").await.body()["items"], json!([]));
        let id = begin(&acme, run(json!({}))).await;
        for path in ["", "/graph", "/timeline", "/first-signal"] {
            globex.get(&format!("/runs/{id}{path}")).await.problem(404, "not_found");
        }
        post(&globex, &format!("/runs/{id}/cancel")).await.problem(404, "not_found");
        assert_eq!(globex.get(&format!("/jobs?run={id}")).await.body()["items"], json!([]));
        acme.get("/runs/run_1").await.problem(404, "not_found");
    }

    async fn a_run_without_news_has_no_signal(app) {
        let acme = app.acme().await;
        graph(&acme, "one", json!([step("a", "list", json!([]))])).await;
        acme.put("/graphs/off", json!({"steps": [{"name": "a", "job_type": "list", "disabled": true}]})).await;
        let run = begin(&acme, json!({"graph": "off"})).await;
        until(&acme, &run, "succeeded").await;
        let signal = acme.get(&format!("/runs/{run}/first-signal")).await.body();
        assert_eq!((&signal["firstSignal"]["type"], &signal["firstSignal"]["step"]), (&json!("succeeded"), &Value::Null), "{signal}");
    }

    async fn a_schedule_begins_runs(app) {
        let acme = app.acme().await;
        graph(&acme, "one", json!([{"name": "a", "job_type": "list", "inputs": ["n"]}])).await;
        let schedule = |run: Value| json!({"timetable": {"every_ms": 1_000}, "overlap": "skip", "run": run});
        for (run, status, code, field) in [
            (json!({"graph": "none"}), 422, "invalid_field", "run.graph"),
            (json!({"graph": "one"}), 422, "invalid_field", "run.inputs.n"),
            (json!({"graph": "one", "inputs": {"n": 1}, "project": "none"}), 422, "unknown_project", "run.project"),
            (json!({"graph": "one", "colour": 1}), 422, "unknown_field", "run.colour"),
        ] {
            acme.put("/schedules/s", schedule(run)).await.blames(status, code, field);
        }
        acme.put("/schedules/s", json!({"timetable": {"every_ms": 1_000}})).await.blames(422, "invalid_field", "job");
        let made = acme.put("/schedules/s", schedule(json!({"graph": "one", "inputs": {"n": 1}}))).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let list = Worker::of(&acme, &["list"]).await;
        let mut leases = Vec::new();
        for _ in 0..20 {
            leases = list.claim().await;
            if !leases.is_empty() {
                break;
            }
        }
        let run = leases[0]["run"]["run"].as_str().unwrap().to_owned();
        let status = acme.get("/schedules/s/status").await.body();
        assert_eq!((&status["open_runs"], &status["last_run"], &status["open"]), (&json!([run]), &json!(run), &json!([])), "{status}");
        let shown = acme.get(&format!("/runs/{run}")).await.body();
        assert_eq!((&shown["trigger"], &shown["firing"]["schedule"], &shown["by"]), (&json!("schedule"), &json!("s"), &Value::Null), "{shown}");
        let firings = acme.get("/schedules/s/firings").await.body();
        assert!(firings["items"].as_array().unwrap().iter().any(|firing| firing["run"] == run.as_str() && firing["job"].is_null()), "{firings}");
        list.done(&leases[0], json!({})).await;
        until(&acme, &run, "succeeded").await;
    }

    async fn a_final_job_is_replayed_before_others(app) {
        let acme = app.acme().await;
        let dead = {
            acme.declare("t").await;
            acme.dead("t").await
        };
        let open = acme.submit(json!({"job_type": "t"})).await;
        post(&acme, &format!("/jobs/{open}/replay")).await.problem(422, "unknown_field");
        acme.post(&format!("/jobs/{open}/replay"), json!({})).await.problem(409, "state_conflict");
        let made = acme.keyed(&format!("/jobs/{dead}/replay"), "k", json!({})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let job = made.body();
        assert_eq!((&job["origin"]["kind"], &job["origin"]["of"], &job["priority"]), (&json!("replay"), &json!(dead), &json!("high")));
        let again = acme.keyed(&format!("/jobs/{dead}/replay"), "k", json!({})).await;
        assert_eq!(again.body()["id"], job["id"]);
    }
}
