//! Graphs over the API: declared and planned, shown as they were sent, and refused by the place that makes no sense.

use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

fn step(name: &str, after: &[&str]) -> Value {
    let after: Vec<Value> = after.iter().map(|step| json!({"step": step})).collect();
    json!({"name": name, "job_type": "t", "after": after})
}

fn with(mut step: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

/// An approval, or a run of another graph.
fn without_type(name: &str, after: &[&str], members: Value) -> Value {
    let mut step = with(step(name, after), members);
    step.as_object_mut().unwrap().remove("job_type");
    step
}

fn fan(name: &str, over: &str, max: u32) -> Value {
    with(step(name, &[over]), json!({"map": {"over": {"step": over, "pointer": "/items"}, "max": max}}))
}

async fn put(acme: &Client, name: &str, steps: Value) {
    let reply = acme.put(&format!("/graphs/{name}"), json!({"steps": steps})).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

on_each_ledger! {
    async fn a_graph_is_shown_as_it_was_sent_and_planned(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        put(&acme, "inner", json!([step("x", &[]), step("y", &["x"])])).await;
        let when = json!({"pointer": "/items/0", "exists": true});
        let steps = json!([
            with(step("list", &[]), json!({"payload": {"b": 1, "a": [1.5, "é"]}, "inputs": ["since"], "priority": "high"})),
            with(fan("fetch", "list", 5), json!({"after": [{"step": "list", "when": when}]})),
            without_type("ask", &["fetch"], json!({"approval": {"timeout_ms": 60_000}, "trigger": "none_failed"})),
            without_type("merge", &["ask"], json!({"graph": {"name": "inner"}})),
            with(step("alone", &[]), json!({"disabled": true})),
        ]);
        put(&acme, "feed", steps.clone()).await;
        let shown = acme.get("/graphs/feed").await;
        assert_eq!(shown.header("etag"), "\"v1\"");
        let shown = shown.body();
        for (sent, shown) in steps.as_array().unwrap().iter().zip(shown["steps"].as_array().unwrap()) {
            for (member, value) in sent.as_object().unwrap().iter().filter(|(member, _)| *member != "approval") {
                assert_eq!(&shown[member], value, "{member} of {shown}");
            }
        }
        assert_eq!(shown["steps"][2]["approval"], json!({"scope": "orch:operate", "no_self": true, "timeout_ms": 60_000}));
        let again = acme.json(axum::http::Method::PUT, "/graphs/feed", &[("if-match", "\"v1\"")], shown.clone()).await;
        assert_eq!(again.status, 200, "what was read may be sent back: {}", again.text());
        let plan = acme.get("/graphs/feed/plan").await.body();
        assert_eq!(plan["chains"], json!([["alone"], ["list", "fetch", "ask", "merge"]]));
        assert_eq!((&plan["depth"], &plan["jobs_max"]), (&json!(2), &json!(9)), "{plan}");
        assert_eq!(plan["steps"][4], json!({"name": "merge", "level": 3, "chain": 1}), "{plan}");
        let mut other = shown;
        other["name"] = json!("other");
        assert_eq!(acme.post("/graphs/validate", other).await.body(), plan);
        acme.get("/graphs/other").await.problem(404, "not_found");
        let gone = acme.send(axum::http::Method::DELETE, "/graphs/inner", &[], axum::body::Body::empty()).await;
        gone.problem(409, "state_conflict");
    }

    async fn what_makes_no_sense_is_refused_by_its_place(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let when = |when: Value| json!([step("a", &[]), with(step("b", &[]), json!({"after": [{"step": "a", "when": when}]}))]);
        let nested = |name: &str| json!([without_type("in", &[], json!({"graph": {"name": name}}))]);
        for (steps, code, field) in [
            (json!([]), "limit_exceeded", "steps"),
            (json!([step("a", &["b"])]), "invalid_field", "steps[0].after[0].step"),
            (json!([step("a", &["a"])]), "dependency_cycle", "steps[0].after[0].step"),
            (json!([step("a", &[]), fan("m", "a", 0)]), "invalid_field", "steps[1].map.max"),
            (json!([step("a", &[]), with(step("m", &["a"]), json!({"map": {"over": {"step": "a"}}}))]), "invalid_field", "steps[1].map.max"),
            (json!([step("a", &[]), fan("m", "a", 10_001)]), "limit_exceeded", "steps[1].map.max"),
            (json!([with(step("a", &[]), json!({"job_type": "none"}))]), "unknown_job_type", "steps[0].job_type"),
            (json!([with(step("a", &[]), json!({"source": "none"}))]), "unknown_source", "steps[0].source"),
            (json!([with(step("a", &[]), json!({"project": "none"}))]), "unknown_project", "steps[0].project"),
            (json!([with(step("a", &[]), json!({"colour": "red"}))]), "unknown_field", "steps[0].colour"),
            (json!([with(step("a", &[]), json!({"kind": {"map": {}}}))]), "unknown_field", "steps[0].kind"),
            (json!([with(step("a", &[]), json!({"map": {}, "approval": {}}))]), "invalid_field", "steps[0]"),
            (json!([with(step("a", &[]), json!({"approval": {}}))]), "invalid_field", "steps[0].job_type"),
            (json!([with(step("a", &[]), json!({"trigger": "all_success"}))]), "invalid_field", "steps[0].trigger"),
            (json!([with(step("a", &[]), json!({"payload": {"n": 9_007_199_254_740_993_u64}}))]), "invalid_field", "steps[0].payload"),
            (json!([with(step("a", &[]), json!({"payload": [], "inputs": ["since"]}))]), "invalid_field", "steps[0].payload"),
            (when(json!({"pointer": "/n"})), "invalid_field", "steps[1].after[0].when.pointer"),
            (when(json!({"pointer": "/n", "equal": 1})), "unknown_field", "steps[1].after[0].when.equal"),
            (when(json!({"pointer": "/n", "less": true})), "invalid_field", "steps[1].after[0].when.less"),
            (nested("none"), "invalid_field", "steps[0].graph.name"),
            (nested("bad"), "dependency_cycle", "steps[0].graph.name"),
        ] {
            acme.put("/graphs/bad", json!({"steps": steps})).await.blames(422, code, field);
            acme.post("/graphs/validate", json!({"name": "bad", "steps": steps})).await.blames(422, code, field);
            let field = format!("definition.{field}");
            acme.post("/runs", json!({"definition": {"name": "bad", "steps": steps}})).await.blames(422, code, &field);
        }
        let circle = json!({"steps": [step("b", &["a"]), step("a", &["b"])]});
        let refused = acme.put("/graphs/bad", circle).await;
        refused.problem(422, "dependency_cycle");
        assert!(refused.body()["detail"].as_str().unwrap().ends_with("a → b → a"), "{}", refused.text());
        acme.post("/graphs", json!({"name": "validate", "steps": [step("a", &[])]})).await.blames(422, "invalid_field", "name");
        assert_eq!(acme.get("/graphs").await.body()["items"], json!([]), "nothing is half there");
    }

    async fn graphs_come_from_files_what_is_inside_first(app) {
        let acme = app.acme().await;
        let outer = |name: &str, of: &str| json!({"declare": "graph", "name": name, "steps": [without_type("in", &[], json!({"graph": {"name": of}}))]});
        let timetable = json!({"cron": "0 2 29 2 *"});
        let documents = json!([
            {"declare": "schedule", "name": "yearly", "timetable": timetable, "run": {"graph": "a", "labels": {"by": "file"}}},
            outer("a", "b"),
            outer("b", "c"),
            {"declare": "graph", "name": "c", "steps": [step("x", &[])]},
            {"declare": "job_type", "name": "t"},
        ]);
        let applied = acme.post("/apply", json!({"documents": documents})).await.body();
        let actions: Vec<&Value> = applied["items"].as_array().unwrap().iter().map(|item| &item["action"]).collect();
        assert_eq!(actions, ["created"; 5], "{applied}");
        let again = acme.post("/apply", json!({"documents": documents})).await.body();
        assert!(again["items"].as_array().unwrap().iter().all(|item| item["action"] == "unchanged"), "{again}");
        let schedule = acme.get("/schedules/yearly").await.body();
        assert_eq!((&schedule["job"], &schedule["run"]["graph"]), (&Value::Null, &json!("a")), "{schedule}");
        let circle = json!([{"declare": "graph", "name": "c", "steps": [without_type("x", &[], json!({"graph": {"name": "a"}}))]}]);
        let refused = acme.post("/apply", json!({"documents": circle})).await.body();
        assert_eq!((&refused["items"][0]["action"], &refused["items"][0]["code"]), (&json!("refused"), &json!("dependency_cycle")), "{refused}");
    }
}
