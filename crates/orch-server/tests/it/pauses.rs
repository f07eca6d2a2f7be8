//! Pauses hold work back and lanes say so.

use serde_json::json;

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn what_is_paused_is_not_handed_out_until_it_is_resumed(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        acme.submit(json!({"job_type": "t", "source": "kev"})).await;
        let session = acme.session(&["t"]).await;
        for target in [json!("tenant"), json!({"source": "kev"}), json!({"job_type": "t"}), json!({"lane": 1})] {
            let body = json!({"target": target, "reason": "maintenance"});
            for _ in 0..2 {
                assert_eq!(acme.post("/pauses", body.clone()).await.status, 200);
            }
            let pauses = acme.get("/pauses").await.body()["items"].clone();
            assert_eq!(pauses.as_array().unwrap().len(), 1);
            assert_eq!((&pauses[0]["target"], &pauses[0]["reason"]), (&target, &json!("maintenance")));
            assert_eq!(acme.claim(&session, 1).await.len(), 0, "{target}");
            let lane = acme.get("/lanes").await.body()["items"][0].clone();
            assert_eq!((&lane["held_by"], &lane["ready"], &lane["source"]), (&json!("paused"), &json!(1), &json!("kev")));
            assert_eq!(acme.post("/pauses/resume", body).await.status, 200);
        }
        assert_eq!(acme.claim(&session, 1).await.len(), 1);
    }

    async fn bad_targets_are_refused(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        globex.put("/sources/theirs", json!({"kind": "x"})).await;
        for target in [json!({"source": "theirs"}), json!({"job_type": "none"}), json!({"lane": 99})] {
            acme.post("/pauses", json!({"target": target})).await.blames(404, "not_found", "target");
        }
        for target in [json!("everything"), json!({"lane": -1}), json!({"lane": 1, "source": "x"}), json!({"colour": "red"})] {
            let reply = acme.post("/pauses", json!({"target": target})).await;
            assert_eq!(reply.status, 422, "{}", reply.text());
        }
        acme.post("/pauses", json!({"target": {"source": "a\u{0}"}})).await.blames(422, "invalid_field", "target");
        assert_eq!(acme.get("/pauses").await.body()["items"], json!([]));
    }
}
