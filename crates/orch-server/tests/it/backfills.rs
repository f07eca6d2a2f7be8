//! Backfills over the API: a worker reads their windows, and the rest follows.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{Client, claim_id, on_each_ledger};

/// Waits at the server for what comes soon: leases of at most so many jobs.
async fn claim(acme: &Client, session: &str, wait_ms: u64) -> Vec<Value> {
    let body = json!({"session": session, "claim_id": claim_id(), "max": 100, "wait_ms": wait_ms});
    acme.post("/worker/claim", body).await.body()["leases"].as_array().unwrap().clone()
}

async fn done(acme: &Client, lease: &Value) {
    let item = acme.complete(json!({"token": lease["token"], "outcome": "succeeded"})).await;
    assert_eq!(item["status"], "ok", "{item}");
}

async fn fail(acme: &Client, lease: &Value) {
    let error = json!({"code": "gone", "message": "404", "retryable": false});
    let item = acme.complete(json!({"token": lease["token"], "outcome": "failed", "error": error})).await;
    assert_eq!(item["status"], "ok", "{item}");
}

/// Declares what is read, and by whom.
async fn feeds(acme: &Client) -> String {
    acme.declare("fetch").await;
    acme.put("/sources/kev", json!({"kind": "kev", "host": "kev.example"})).await;
    acme.session(&["fetch"]).await
}

/// So many days of January, one a window, two at a time.
fn january(days: u32) -> Value {
    json!({
        "source": "kev", "from": "2024-01-01T00:00:00Z", "to": format!("2024-01-{:02}T00:00:00Z", days + 1),
        "parallelism": 2, "job": {"job_type": "fetch", "payload": {"path": "kev.json"}, "labels": {"feed": "kev"}},
        "reason": "the export lost January", "ticket": "OPS-17"
    })
}

fn but(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

async fn ask(acme: &Client, body: Value) -> String {
    let reply = acme.post("/backfills", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let id = reply.body()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), format!("/api/v1/orchestrator/backfills/{id}"));
    id
}

async fn show(acme: &Client, backfill: &str) -> Value {
    acme.get(&format!("/backfills/{backfill}")).await.body()
}

/// Reads windows until the backfill has ended; of these numbers it fails. How many attempts that took.
async fn read(acme: &Client, session: &str, backfill: &str, failing: &[u64]) -> (Value, usize) {
    let mut attempts = 0;
    for _ in 0..100 {
        let shown = show(acme, backfill).await;
        if shown["ended_at"].is_string() {
            return (shown, attempts);
        }
        for lease in claim(acme, session, 100).await {
            attempts += 1;
            let number = lease["window"]["number"].as_u64().unwrap();
            if failing.contains(&number) { fail(acme, &lease).await } else { done(acme, &lease).await }
        }
    }
    panic!("{}", show(acme, backfill).await);
}

async fn states(acme: &Client, backfill: &str) -> Vec<String> {
    let page = acme.get(&format!("/backfills/{backfill}/windows")).await.body();
    page["items"].as_array().unwrap().iter().map(|window| window["state"].as_str().unwrap().to_owned()).collect()
}

on_each_ledger! {
    async fn a_backfill_reads_its_windows_and_ends(app) {
        let acme = app.acme().await;
        let session = feeds(&acme).await;
        let preview = acme.post("/backfills/preview", january(5)).await;
        assert_eq!(preview.status, 200, "{}", preview.text());
        let preview = preview.body();
        assert_eq!((&preview["windows"], &preview["read"], &preview["asked"]), (&json!(5), &json!(0), &json!(5)), "{preview}");
        assert_eq!((&preview["host"], &preview["requests"]), (&json!("kev.example"), &json!(5)));
        assert_eq!(preview["first"][0], json!({"from": "2024-01-01T00:00:00.000Z", "to": "2024-01-02T00:00:00.000Z"}));
        assert_eq!(preview["warnings"][0]["code"], "run_time_unknown", "{preview}");
        assert!(preview["ends"]["p95"].is_string() && preview["attempts"] == 5, "{preview}");
        assert_eq!(acme.get("/backfills").await.body()["items"], json!([]), "nothing was asked for");

        let backfill = ask(&acme, january(5)).await;
        let shown = show(&acme, &backfill).await;
        assert_eq!((&shown["state"], &shown["axis"], &shown["ticket"]), (&json!("running"), &json!("published"), &json!("OPS-17")), "{shown}");
        let counts = json!({"total": 5, "waiting": 3, "open": 2, "succeeded": 0, "failed": 0, "canceled": 0, "read_before": 0});
        assert_eq!(shown["windows"], counts);
        assert_eq!(states(&acme, &backfill).await, ["open", "open", "waiting", "waiting", "waiting"]);
        let two = claim(&acme, &session, 500).await;
        assert_eq!(two.len(), 2, "so many at a time");
        let range = json!({"from": "2024-01-01T00:00:00.000Z", "to": "2024-01-02T00:00:00.000Z"});
        let window = json!({"backfill": backfill, "number": 0, "from": range["from"], "to": range["to"]});
        assert_eq!((&two[0]["window"], &two[0]["payload"]), (&window, &json!({"path": "kev.json", "window": range})));
        assert_eq!((&two[0]["priority"], &two[0]["source"]), (&json!("backfill"), &json!("kev")));
        let job = acme.get(&format!("/jobs/{}", two[0]["job"].as_str().unwrap())).await.body();
        assert_eq!((&job["window"], &job["labels"]), (&window, &json!({"feed": "kev"})));
        let windows = acme.get(&format!("/backfills/{backfill}/windows?limit=1")).await.body();
        assert_eq!((&windows["items"][0]["job"], &windows["items"][0]["run"]), (&two[0]["job"], &Value::Null));
        let next = format!("/backfills/{backfill}/windows?cursor={}", windows["next_cursor"].as_str().unwrap());
        assert_eq!(acme.get(&next).await.body()["items"][0]["number"], 1);
        for lease in &two {
            done(&acme, lease).await;
        }
        let (ended, attempts) = read(&acme, &session, &backfill, &[]).await;
        assert_eq!((&ended["state"], attempts + 2), (&json!("succeeded"), 5), "as many as the preview said: {ended}");
        assert_eq!((&ended["windows"]["succeeded"], &ended["windows"]["waiting"]), (&json!(5), &json!(0)));
        assert_eq!(states(&acme, &backfill).await, ["done"; 5]);
        let jobs = acme.get(&format!("/jobs?backfill={backfill}")).await.body();
        assert_eq!(jobs["items"].as_array().unwrap().len(), 5, "{jobs}");

        // What was read is left out, and only what is new is read.
        let again = acme.post("/backfills/preview", january(7)).await.body();
        assert_eq!((&again["windows"], &again["read"], &again["asked"]), (&json!(7), &json!(5), &json!(2)), "{again}");
        let more = ask(&acme, january(7)).await;
        let (ended, attempts) = read(&acme, &session, &more, &[]).await;
        assert_eq!((attempts, &ended["windows"]["read_before"]), (2, &json!(5)), "{ended}");
        let all = acme.get("/backfills").await.body();
        let ids: Vec<&str> = all["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [more.as_str(), backfill.as_str()], "newest first");
        let first = acme.get("/backfills?limit=1").await.body();
        let next = acme.get(&format!("/backfills?cursor={}", first["next_cursor"].as_str().unwrap())).await.body();
        assert_eq!((&next["items"][0]["id"], &next["items"][1]), (&json!(backfill), &Value::Null));
    }

    async fn a_backfill_is_held_goes_on_and_is_ended(app) {
        let acme = app.acme().await;
        let session = feeds(&acme).await;
        let backfill = ask(&acme, but(january(5), "order", json!("newest_first"))).await;
        let post = |what: &str| {
            let (acme, path) = (acme.clone(), format!("/backfills/{backfill}/{what}"));
            async move { acme.post(&path, json!({"reason": "the feed moves"})).await }
        };
        let held = post("pause").await.body();
        assert_eq!((&held["state"], &held["paused"]["reason"]), (&json!("paused"), &json!("the feed moves")), "{held}");
        assert_eq!(states(&acme, &backfill).await, ["waiting", "waiting", "waiting", "open", "open"]);
        for lease in claim(&acme, &session, 500).await {
            done(&acme, &lease).await;
        }
        assert_eq!(claim(&acme, &session, 100).await, [] as [Value; 0], "no window begins");
        let going = post("resume").await.body();
        assert_eq!((&going["state"], &going["paused"]), (&json!("running"), &Value::Null));
        let leases = claim(&acme, &session, 500).await;
        assert_eq!(leases.len(), 2);
        let reply = post("cancel").await;
        assert_eq!((reply.status.as_u16(), &reply.body()["state"]), (202, &json!("canceling")), "{}", reply.text());
        for lease in &leases {
            let item = acme.complete(json!({"token": lease["token"], "outcome": "canceled"})).await;
            assert_eq!(item["status"], "ok", "{item}");
        }
        let (ended, _) = read(&acme, &session, &backfill, &[]).await;
        assert_eq!((&ended["state"], &ended["windows"]["succeeded"], &ended["windows"]["canceled"]), (&json!("canceled"), &json!(2), &json!(3)), "{ended}");
        assert_eq!(states(&acme, &backfill).await, ["failed", "failed", "failed", "done", "done"]);
        for what in ["pause", "resume", "cancel"] {
            let refused = post(what).await;
            refused.problem(409, "state_conflict");
            assert_eq!(refused.body()["detail"], "the backfill is canceled already");
        }
    }

    async fn what_is_not_acceptable_is_named(app) {
        let acme = app.acme().await;
        let session = feeds(&acme).await;
        let job = |member: &str, value: Value| but(january(2), "job", but(json!({"job_type": "fetch"}), member, value));
        let run = |run: Value| {
            let mut body = but(january(2), "run", run);
            body.as_object_mut().unwrap().remove("job");
            body
        };
        for (body, code, field) in [
            (but(january(2), "source", json!("none")), "unknown_source", "source"),
            (but(january(2), "to", json!("2024-01-01T00:00:00Z")), "invalid_field", "to"),
            (but(january(2), "to", json!("2099-01-01T00:00:00Z")), "time_out_of_range", "to"),
            (but(but(january(2), "from", json!("1990-01-01T00:00:00Z")), "window_ms", json!(60_000)), "limit_exceeded", "window_ms"),
            (but(january(2), "order", json!("any")), "invalid_field", "order"),
            (but(january(2), "run", json!({"graph": "g"})), "invalid_field", "run"),
            (but(january(2), "job", Value::Null), "invalid_field", "job"),
            (but(january(2), "reason", json!("")), "invalid_field", "reason"),
            (but(january(2), "ticket", json!("a\nb")), "invalid_field", "ticket"),
            (but(january(2), "tickets", json!("a")), "unknown_field", "tickets"),
            (job("job_type", json!("none")), "unknown_job_type", "job.job_type"),
            (job("project", json!("none")), "unknown_project", "job.project"),
            (job("payload", json!([1])), "invalid_field", "job.payload"),
            (job("source", json!("kev")), "unknown_field", "job.source"),
            (run(json!({"graph": "none"})), "invalid_field", "run.graph"),
        ] {
            for path in ["/backfills", "/backfills/preview"] {
                acme.post(path, body.clone()).await.blames(422, code, field);
            }
            if code != "unknown_field" && code != "limit_exceeded" {
                let refused = acme.post("/simulations", json!({"backfill": body})).await;
                assert_eq!(refused.problem(422, code), [format!("backfill.{field}")], "{}", refused.text());
            }
        }
        let mut untold = january(2);
        untold.as_object_mut().unwrap().remove("ticket");
        acme.post("/backfills", untold).await.blames(422, "invalid_field", "ticket");
        let first = ask(&acme, january(2)).await;
        acme.post("/backfills", january(1)).await.blames(409, "state_conflict", "from");
        acme.post("/backfills/preview", january(1)).await.blames(409, "state_conflict", "from");
        // Another axis is another reading.
        let other = ask(&acme, but(january(1), "axis", json!("modified"))).await;
        acme.post(&format!("/backfills/{first}/rerun"), json!({"reason": "r", "ticket": "T"})).await.problem(409, "state_conflict");
        let _ = (read(&acme, &session, &first, &[]).await, read(&acme, &session, &other, &[]).await);
        acme.post(&format!("/backfills/{first}/rerun"), json!({"reason": "r", "ticket": "T"})).await.problem(409, "state_conflict");
        for path in ["/backfills/x", "/backfills/bkf_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"] {
            acme.get(path).await.problem(404, "not_found");
            acme.post(&format!("{path}/cancel"), json!({})).await.problem(404, "not_found");
        }
        acme.get("/jobs?backfill=x").await.blames(422, "invalid_field", "backfill");
        let globex = app.globex().await;
        globex.get(&format!("/backfills/{first}")).await.problem(404, "not_found");
        assert_eq!(globex.get(&format!("/jobs?backfill={first}")).await.body()["items"], json!([]));
    }

    async fn what_was_not_read_is_read_again(app) {
        let acme = app.acme().await;
        let session = feeds(&acme).await;
        let backfill = ask(&acme, january(4)).await;
        let (ended, _) = read(&acme, &session, &backfill, &[1, 3]).await;
        assert_eq!((&ended["state"], &ended["windows"]["failed"]), (&json!("failed"), &json!(2)), "{ended}");
        assert_eq!(states(&acme, &backfill).await, ["done", "failed", "done", "failed"]);
        // By itself a backfill leaves out what another could not read.
        let preview = async |reprocess: &str| acme.post("/backfills/preview", but(january(4), "reprocess", json!(reprocess))).await.body();
        assert_eq!(preview("missing").await["asked"], 0);
        let both = preview("missing_and_failed").await;
        assert_eq!((&both["asked"], &both["failed_before"]), (&json!(2), &json!(2)), "{both}");
        assert_eq!(preview("all").await["asked"], 4);
        let why = json!({"reason": "the feed is back", "ticket": "OPS-18"});
        let path = format!("/backfills/{backfill}/rerun");
        acme.post(&path, json!({"reason": "r", "ticket": ""})).await.blames(422, "invalid_field", "ticket");
        let reply = acme.keyed(&path, "again", why.clone()).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let (again, shown) = (reply.body()["id"].as_str().unwrap().to_owned(), reply.body());
        assert_eq!((&shown["of"], &shown["ticket"], &shown["windows"]["total"]), (&json!(backfill), &json!("OPS-18"), &json!(2)), "{shown}");
        let same = acme.keyed(&path, "again", why).await;
        assert_eq!((same.status.as_u16(), &same.body()["id"]), (200, &json!(again)));
        let windows = acme.get(&format!("/backfills/{again}/windows")).await.body();
        let numbers: Vec<&Value> = windows["items"].as_array().unwrap().iter().map(|window| &window["number"]).collect();
        assert_eq!(numbers, [1, 3]);
        let (ended, attempts) = read(&acme, &session, &again, &[]).await;
        assert_eq!((&ended["state"], attempts), (&json!("succeeded"), 2), "{ended}");
        assert_eq!(preview("missing_and_failed").await["asked"], 0);
    }

    async fn the_same_call_asks_once(app) {
        let acme = app.acme().await;
        feeds(&acme).await;
        let first = acme.keyed("/backfills", "k", january(2)).await;
        let second = acme.keyed("/backfills", "k", january(2)).await;
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200), "{}", second.text());
        assert_eq!(first.body()["id"], second.body()["id"]);
        acme.keyed("/backfills", "k", january(3)).await.blames(422, "idempotency_mismatch", "Idempotency-Key");
        let reader = app.client(app.acme.no, &["orch:read", "orch:operate"]).await;
        for path in ["/backfills", "/backfills/preview"] {
            reader.post(path, january(2)).await.problem(403, "forbidden");
        }
    }

    async fn a_backfill_asks_for_runs(app) {
        let acme = app.acme().await;
        let session = feeds(&acme).await;
        let steps = json!([{"name": "fetch", "job_type": "fetch", "inputs": ["window"]}]);
        assert_eq!(acme.json(Method::PUT, "/graphs/feed", &[], json!({"steps": steps})).await.status, 201);
        let mut body = but(january(2), "run", json!({"graph": "feed"}));
        body.as_object_mut().unwrap().remove("job");
        let preview = acme.post("/backfills/preview", body.clone()).await;
        assert_eq!(preview.status, 200, "{}", preview.text());
        let backfill = ask(&acme, body).await;
        let lease = claim(&acme, &session, 500).await.remove(0);
        assert_eq!(lease["payload"]["window"]["from"], "2024-01-01T00:00:00.000Z", "{lease}");
        let run = acme.get(&format!("/runs/{}", lease["run"]["run"].as_str().unwrap())).await.body();
        assert_eq!((&run["trigger"], &run["window"]["number"], &run["window"]["backfill"]), (&json!("backfill"), &json!(0), &json!(backfill)), "{run}");
        let windows = acme.get(&format!("/backfills/{backfill}/windows")).await.body();
        assert_eq!((&windows["items"][0]["run"], &windows["items"][0]["state"]), (&run["id"], &json!("open")));
    }
}
