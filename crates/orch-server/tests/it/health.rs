//! Health and the document: open to everyone.

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn health_needs_no_token_and_follows_the_engine(app) {
        let stranger = app.stranger();
        let reply = stranger.get("/health").await;
        assert_eq!(reply.status, 200);
        let body = reply.body();
        assert_eq!((&body["status"], &body["role"]), (&"ok".into(), &"owner".into()));
        assert_eq!(body["ledger"], app.engine.ledger().name());
        app.engine.shutdown().await;
        let reply = stranger.get("/health").await;
        assert_eq!((reply.status.as_u16(), &reply.body()["status"]), (503, &"draining".into()));
    }

    async fn the_document_is_found_from_the_well_known_place(app) {
        let stranger = app.stranger();
        let found = stranger.get("/.well-known/openapi").await.body();
        assert_eq!(found["openapi"], "/api/v1/orchestrator/openapi.json");
        assert_eq!(stranger.get("/openapi.json").await.text(), orch_server::openapi_json());
    }
}
