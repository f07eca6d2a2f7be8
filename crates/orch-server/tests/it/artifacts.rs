//! Artifacts: the digest is the name, and it is checked.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn bytes_come_back_under_their_digest_and_only_in_their_tenant(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        let bytes = b"{\"id\":\"CVE-1\"}\n\x00\xff".to_vec();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let path = format!("/artifacts/{sha256}");
        let kind = [("content-type", "application/jsonl")];
        let first = acme.send(Method::PUT, &path, &kind, Body::from(bytes.clone())).await;
        assert_eq!(first.status, 201, "{}", first.text());
        let expected = json!({"uri": format!("artifact:{sha256}"), "media_type": "application/jsonl", "sha256": sha256, "size_bytes": bytes.len()});
        assert_eq!(first.body(), expected);
        let again = acme.send(Method::PUT, &path, &kind, Body::from(bytes.clone())).await;
        assert_eq!((again.status.as_u16(), again.body()), (200, expected));
        let found = acme.get(&path).await;
        assert_eq!((found.status.as_u16(), &found.bytes), (200, &bytes));
        assert_eq!(found.header("content-type"), "application/jsonl");
        assert_eq!(found.header("x-content-type-options"), "nosniff");
        assert_eq!(found.header("etag"), format!("\"{sha256}\""));
        globex.get(&path).await.problem(404, "not_found");
    }

    async fn other_bytes_and_malformed_names_are_refused(app) {
        let acme = app.acme().await;
        let path = format!("/artifacts/{}", "ab".repeat(32));
        let reply = acme.send(Method::PUT, &path, &[], Body::from("x")).await;
        reply.blames(400, "digest_mismatch", "sha256");
        acme.get(&path).await.problem(404, "not_found");
        for bad in ["x", &"AB".repeat(32), "..%2F..%2Fetc%2Fpasswd"] {
            let path = format!("/artifacts/{bad}");
            acme.get(&path).await.problem(404, "not_found");
            acme.send(Method::PUT, &path, &[], Body::from("x")).await.blames(422, "invalid_field", "sha256");
        }
        let sha256 = hex::encode(Sha256::digest(b"x"));
        let long = "x".repeat(200);
        let reply = acme.send(Method::PUT, &format!("/artifacts/{sha256}"), &[("content-type", &long)], Body::from("x")).await;
        reply.blames(422, "limit_exceeded", "Content-Type");
    }
}
