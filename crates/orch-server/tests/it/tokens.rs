//! Tokens: what they open, what they do not, and what may be made of them.

use axum::body::Body;
use axum::http::Method;
use orch_core::ids::TokenId;
use orch_core::port::TokenRow;
use orch_dispatch::command::Command;
use orch_server::access::secret_sha256;
use serde_json::json;

use crate::app::{TENANT_SCOPES, on_each_ledger};

on_each_ledger! {
    async fn a_token_works_as_soon_as_it_is_made_and_its_secret_is_nowhere_else(app) {
        let acme = app.acme().await;
        let reply = acme.post("/tokens", json!({"name": "w", "scopes": ["orch:read", "orch:worker"]})).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), "no-store");
        let secret = reply.body()["secret"].as_str().unwrap().to_owned();
        assert_eq!(reply.body()["tenant"], app.acme.id.to_string());
        let worker = app.with_secret(&secret);
        assert_eq!(worker.get("/jobs").await.status, 200);
        worker.post("/jobs", json!({"job_type": "t"})).await.problem(403, "forbidden");
        let row = app.engine.ledger().token_lookup(secret_sha256(&secret)).await.unwrap().unwrap();
        assert!(!format!("{row:?}").contains(&secret));
    }

    async fn a_token_gives_no_more_than_it_has(app) {
        let acme = app.acme().await;
        let admin = json!({"name": "x", "scopes": ["orch:read", "orch:admin"]});
        acme.post("/tokens", admin).await.blames(403, "forbidden", "scopes[1]");
        let elsewhere = json!({"name": "x", "scopes": ["orch:read"], "tenant": "globex"});
        acme.post("/tokens", elsewhere.clone()).await.problem(403, "forbidden");
        let reply = app.admin().await.post("/tokens", elsewhere).await;
        assert_eq!(reply.body()["tenant"], app.globex.id.to_string(), "{}", reply.text());
        let unknown = json!({"name": "x", "scopes": ["orch:read"], "tenant": "nobody"});
        app.admin().await.post("/tokens", unknown).await.blames(404, "not_found", "tenant");
        for (body, code, field) in [
            (json!({"name": "", "scopes": ["orch:read"]}), "invalid_field", "name"),
            (json!({"name": "x", "scopes": []}), "invalid_field", "scopes"),
            (json!({"name": "x", "scopes": ["orch:everything"]}), "invalid_field", "scopes[0]"),
            (json!({"name": "x", "scopes": ["orch:read"], "expires_at": "2020-01-01T00:00:00Z"}), "time_out_of_range", "expires_at"),
            (json!({"name": "x", "scopes": ["orch:read"], "expires_at": "soon"}), "invalid_field", "expires_at"),
        ] {
            acme.post("/tokens", body).await.blames(422, code, field);
        }
        let reader = app.client(app.acme.no, &["orch:read"]).await;
        reader.post("/tokens", json!({"name": "x", "scopes": ["orch:read"]})).await.problem(403, "forbidden");
    }

    async fn missing_wrong_expired_and_revoked_tokens_are_strangers(app) {
        let bad = [
            app.stranger(),
            app.with_secret("orch_wrong"),
            app.with_secret(&"x".repeat(5_000)),
            app.client_until(app.acme.no, &TENANT_SCOPES, Some(app.engine.now())).await,
        ];
        for client in bad {
            let reply = client.get("/jobs").await;
            reply.problem(401, "unauthenticated");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        let secret = "orch_revoked";
        let row = TokenRow {
            id: TokenId(app.engine.new_job_id().0),
            tenant: app.acme.no,
            name: "gone".to_owned(),
            secret_sha256: secret_sha256(secret),
            scopes: vec!["orch:read".to_owned()],
            created_at: app.engine.now(),
            expires_at: None,
            revoked_at: None,
        };
        app.engine.command(Command::CreateToken(row.clone())).await.unwrap();
        app.engine.command(Command::RevokeToken { tenant: app.acme.no, row }).await.unwrap();
        app.with_secret(secret).get("/jobs").await.problem(401, "unauthenticated");
        for header in ["Basic abc", "Bearer", "Bearer ", "orch_wrong"] {
            let reply = app.stranger().send(Method::GET, "/jobs", &[("authorization", header)], Body::empty()).await;
            reply.problem(401, "unauthenticated");
        }
    }

    async fn the_tenant_header_may_only_repeat_the_tokens_tenant(app) {
        let acme = app.acme().await;
        let id = app.acme.id.to_string();
        for own in ["acme", &id] {
            assert_eq!(acme.send(Method::GET, "/jobs", &[("x-stella-tenant", own)], Body::empty()).await.status, 200);
        }
        let id = app.globex.id.to_string();
        for other in ["globex", &id, "nobody", ""] {
            let reply = acme.send(Method::GET, "/jobs", &[("x-stella-tenant", other)], Body::empty()).await;
            reply.problem(403, "forbidden");
        }
    }

    async fn tokens_are_listed_without_their_secrets_and_revoked_for_good(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        let soon = app.engine.now().plus_ms(3_600_000).to_rfc3339();
        let mut ids = Vec::new();
        for n in 0..3 {
            let body = json!({"name": format!("w{n}"), "scopes": ["orch:read"], "expires_at": soon});
            ids.push(acme.post("/tokens", body).await.body());
        }
        let (mut listed, mut path) = (Vec::new(), "/tokens?limit=2".to_owned());
        loop {
            let page = acme.get(&path).await;
            assert!(!page.text().contains("secret") && !page.text().contains(ids[0]["secret"].as_str().unwrap()));
            listed.extend(page.body()["items"].as_array().unwrap().clone());
            let Some(cursor) = page.body()["next_cursor"].as_str().map(str::to_owned) else { break };
            globex.get(&format!("/tokens?cursor={cursor}")).await.blames(400, "invalid_cursor", "cursor");
            path = format!("/tokens?limit=2&cursor={cursor}");
        }
        let found = |id: &serde_json::Value| listed.iter().find(|item| item["id"] == id["id"]).unwrap();
        assert_eq!((&found(&ids[0])["name"], &found(&ids[0])["state"]), (&json!("w0"), &json!("active")));
        assert_eq!(found(&ids[0])["expires_at"], soon.as_str());
        let id = ids[0]["id"].as_str().unwrap();
        let worker = app.with_secret(ids[0]["secret"].as_str().unwrap());
        assert_eq!(worker.get("/jobs").await.status, 200);
        for other in [format!("/tokens/{id}"), format!("/tokens/{}", crate::app::job_id()), "/tokens/x".to_owned()] {
            globex.get(&other).await.problem(404, "not_found");
            globex.post(&format!("{other}/revoke"), json!({})).await.problem(404, "not_found");
        }
        assert_eq!(worker.get("/jobs").await.status, 200);
        for _ in 0..2 {
            let revoked = acme.send(Method::POST, &format!("/tokens/{id}/revoke"), &[], Body::empty()).await;
            assert_eq!((revoked.status.as_u16(), &revoked.body()["state"]), (200, &json!("revoked")));
            worker.get("/jobs").await.problem(401, "unauthenticated");
        }
        assert_eq!(acme.get(&format!("/tokens/{id}")).await.body()["state"], "revoked");
    }

    async fn an_administrator_sees_and_revokes_tokens_of_any_tenant(app) {
        let (acme, admin) = (app.acme().await, app.admin().await);
        let token = acme.post("/tokens", json!({"name": "w", "scopes": ["orch:read"]})).await.body();
        let id = token["id"].as_str().unwrap();
        admin.get(&format!("/tokens/{id}")).await.problem(404, "not_found");
        assert_eq!(admin.get(&format!("/tokens/{id}?tenant=acme")).await.status, 200);
        let listed = admin.get("/tokens?tenant=acme&limit=200").await.body();
        assert!(listed["items"].as_array().unwrap().iter().any(|item| item["id"] == id));
        let revoke = format!("/tokens/{id}/revoke?tenant=acme");
        acme.send(Method::POST, &revoke, &[], Body::empty()).await.problem(403, "forbidden");
        assert_eq!(admin.send(Method::POST, &revoke, &[], Body::empty()).await.status, 200);
        app.with_secret(token["secret"].as_str().unwrap()).get("/jobs").await.problem(401, "unauthenticated");
        admin.get("/tokens?tenant=nobody").await.blames(404, "not_found", "tenant");
        acme.get("/tokens?state=active").await.blames(422, "unknown_field", "state");
    }
}
