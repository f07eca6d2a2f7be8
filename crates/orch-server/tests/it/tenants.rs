//! Tenants: made by administrators, seen by nobody else.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn an_administrator_makes_and_lists_tenants(app) {
        let admin = app.admin().await;
        let made = admin.post("/tenants", json!({"name": "initech"})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert!(made.body()["id"].as_str().unwrap().starts_with("ten_"));
        admin.post("/tenants", json!({"name": "initech"})).await.blames(409, "state_conflict", "name");
        let again = admin.keyed("/tenants", "k", json!({"name": "initech"})).await;
        assert_eq!((again.status.as_u16(), again.body()), (200, made.body()));
        admin.post("/tenants", json!({"name": "no spaces"})).await.blames(422, "invalid_field", "name");
        let names = admin.get("/tenants").await.body()["items"].clone();
        let names: Vec<_> = names.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"acme") && names.contains(&"initech"), "{names:?}");
        let acme = app.acme().await;
        acme.get("/tenants").await.problem(403, "forbidden");
        acme.post("/tenants", json!({"name": "mine"})).await.problem(403, "forbidden");
    }

    async fn a_marked_tenant_takes_nothing_new_until_it_is_restored(app) {
        let (acme, admin) = (app.acme().await, app.admin().await);
        acme.declare("t").await;
        let (_, token) = acme.leased("t").await;
        acme.submit(json!({"job_type": "t"})).await;
        let marked = admin.send(Method::DELETE, "/tenants/acme", &[], Body::empty()).await;
        assert_eq!((marked.status.as_u16(), &marked.body()["state"]), (202, &json!("deleting")), "{}", marked.text());
        assert!(marked.body()["erase_at"].is_string());
        let again = admin.send(Method::DELETE, "/tenants/acme", &[], Body::empty()).await;
        assert_eq!(again.body(), marked.body());
        acme.post("/jobs", json!({"job_type": "t"})).await.problem(409, "tenant_deleting");
        acme.put("/job-types/u", json!({})).await.problem(409, "tenant_deleting");
        acme.post("/tokens", json!({"name": "x", "scopes": ["orch:read"]})).await.problem(409, "tenant_deleting");
        let follow_up = json!({"token": token, "jobs": [{"job_type": "t"}]});
        acme.post("/worker/follow-ups", follow_up).await.problem(409, "tenant_deleting");
        let session = acme.session(&["t"]).await;
        assert!(acme.claim(&session, 9).await.is_empty());
        assert_eq!(acme.complete(json!({"token": token, "outcome": "succeeded"})).await["status"], "ok");
        assert_eq!(acme.get("/lanes").await.body()["items"][0]["held_by"], "deleting");
        assert_eq!(acme.get("/tenants/acme").await.body(), marked.body());
        acme.send(Method::DELETE, "/tenants/acme", &[], Body::empty()).await.problem(403, "forbidden");
        acme.send(Method::POST, "/tenants/acme/restore", &[], Body::empty()).await.problem(403, "forbidden");
        for _ in 0..2 {
            let back = admin.send(Method::POST, "/tenants/acme/restore", &[], Body::empty()).await;
            assert_eq!((&back.body()["state"], &back.body()["erase_at"]), (&json!("active"), &json!(null)));
        }
        assert_eq!(acme.claim(&session, 9).await.len(), 1);
        acme.submit(json!({"job_type": "t"})).await;
    }

    async fn an_administrator_allots_a_tenant_its_share(app) {
        let (acme, admin) = (app.acme().await, app.admin().await);
        let usual = json!({"strategy": "unlimited", "weight": 100, "active_max": null, "priority": null, "reserved": null});
        assert_eq!(acme.get("/tenants/acme").await.body()["allotment"], usual);
        let body = json!({"strategy": "max_limit", "active_max": 2, "reason": "shared worker"});
        let set = admin.put("/tenants/acme/allotment", body.clone()).await;
        assert_eq!(set.status, 200, "{}", set.text());
        assert_eq!(set.body()["allotment"]["active_max"], 2);
        assert_eq!(acme.get("/tenants/acme").await.body(), set.body());
        let all = admin.get("/tenants").await.body();
        let listed = all["items"].as_array().unwrap().iter().find(|item| item["name"] == "acme").unwrap().clone();
        assert_eq!(listed, set.body());
        acme.declare("t").await;
        for _ in 0..3 {
            acme.submit(json!({"job_type": "t"})).await;
        }
        let session = acme.session(&["t"]).await;
        assert_eq!(acme.claim(&session, 9).await.len(), 2);
        assert_eq!(acme.get("/tenants/acme/explain").await.body()["waiting_on"], "quota");
        acme.put("/tenants/acme/allotment", body).await.problem(403, "forbidden");
        let other = json!({"strategy": "reserved", "active_max": 2});
        admin.put("/tenants/acme/allotment", other).await.blames(422, "invalid_field", "active_max");
        let missing = json!({"strategy": "reserved"});
        admin.put("/tenants/acme/allotment", missing).await.blames(422, "invalid_field", "reserved");
        admin.put("/tenants/nobody/allotment", json!({"strategy": "unlimited"})).await.problem(404, "not_found");
        assert_eq!(admin.put("/tenants/acme/allotment", json!({"strategy": "unlimited"})).await.body()["allotment"], usual);
        assert_eq!(acme.claim(&session, 9).await.len(), 1);
    }

    async fn a_tenant_sees_what_it_was_due_and_received(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        for _ in 0..3 {
            acme.submit(json!({"job_type": "t"})).await;
        }
        let session = acme.session(&["t"]).await;
        assert_eq!(acme.claim(&session, 2).await.len(), 2);
        let found = acme.get("/fairness").await.body();
        let open = found["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&open["closed"], &open["received"], &open["due"]), (&json!(false), &json!(2), &json!(2.0)), "{open}");
        let globex = app.globex().await.get("/fairness").await.body();
        assert_eq!(globex["items"][0]["received"], 0, "{globex}");
    }

    async fn tenants_are_shown_to_administrators_and_to_their_own(app) {
        let (acme, admin) = (app.acme().await, app.admin().await);
        assert_eq!(acme.get("/tenants/acme").await.body()["id"], app.acme.id.to_string());
        assert_eq!(admin.get("/tenants/acme").await.body()["state"], "active");
        for name in ["globex", "nobody", "no%20name"] {
            acme.get(&format!("/tenants/{name}")).await.problem(404, "not_found");
            acme.get(&format!("/tenants/{name}/export")).await.problem(404, "not_found");
        }
        admin.get("/tenants/nobody").await.problem(404, "not_found");
        admin.send(Method::DELETE, "/tenants/nobody", &[], Body::empty()).await.problem(404, "not_found");
        admin.send(Method::DELETE, "/tenants/system", &[], Body::empty()).await.problem(409, "state_conflict");
    }

    async fn an_export_holds_every_job_and_every_fact_of_the_tenant_and_no_other(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        for client in [&acme, &globex] {
            client.declare("t").await;
        }
        let foreign = globex.submit(json!({"job_type": "t"})).await;
        let mut jobs = vec![acme.dead("t").await];
        for n in 0..45 {
            jobs.push(acme.submit(json!({"job_type": "t", "payload": {"n": n}})).await);
        }
        let reply = acme.get("/tenants/acme/export").await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/jsonl"));
        assert!(!reply.text().contains(&foreign));
        let text = reply.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["kind"], &lines[0]["tenant"]["name"]), (&json!("tenant"), &json!("acme")));
        let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
        let ids: Vec<_> = of_kind("job").iter().rev().map(|line| line["job"]["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, jobs);
        assert_eq!(of_kind("job")[0]["job"]["payload"], json!({"n": 44}));
        let seqs: Vec<_> = of_kind("fact").iter().map(|line| line["fact"]["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
        assert_eq!(lines.last().unwrap(), &json!({"kind": "end", "jobs": jobs.len(), "facts": seqs.len()}));
        assert_eq!(app.admin().await.get("/tenants/acme/export").await.status, 200);
    }
}
