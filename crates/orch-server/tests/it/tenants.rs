//! Tenants: made by administrators, seen by nobody else.

use serde_json::json;

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
}
