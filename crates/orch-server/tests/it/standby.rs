//! What a replica answers that does not own the shard.

use axum::http::header::RETRY_AFTER;
use serde_json::json;

use crate::app::on_each_ledger;

on_each_ledger! {
    /// A replica that has just started does not know the ledger's life, which cursors are bound to: it must not call
    /// a good cursor a bad one.
    async fn a_good_cursor_is_not_refused_but_put_off(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        for _ in 0..2 {
            acme.submit(json!({"job_type": "t"})).await;
        }
        let first = acme.get("/jobs?limit=1").await.body();
        let next = format!("/jobs?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
        let (engine, at_standby) = app.standby(&acme);
        let reply = at_standby.get(&next).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(reply.headers.contains_key(RETRY_AFTER));
        let code = reply.body()["code"].clone();
        assert_eq!(code, "not_owner");
        engine.shutdown().await;
        assert_eq!(acme.get(&next).await.body()["items"].as_array().unwrap().len(), 1);
    }
}
