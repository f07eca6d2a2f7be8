//! Dead letters: listed, replayed or discarded, once.

use serde_json::json;

use crate::app::on_each_ledger;

on_each_ledger! {
    async fn a_dead_letter_says_why_and_is_settled_once(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let (replayed, discarded) = (acme.dead("t").await, acme.dead("t").await);
        let open = acme.get("/dead-letters").await.body();
        let jobs: Vec<_> = open["items"].as_array().unwrap().iter().map(|item| item["job"].as_str().unwrap()).collect();
        assert_eq!(jobs, [discarded.as_str(), replayed.as_str()]);
        let one = acme.get(&format!("/dead-letters/{replayed}")).await.body();
        assert_eq!((&one["cause"], &one["error"]["code"], &one["attempts"]), (&json!("not_retryable"), &json!("bad_document"), &json!(1)));
        assert_eq!((&one["job_type"], &one["settlement"]), (&json!("t"), &json!(null)));
        assert_eq!(acme.get(&format!("/jobs/{replayed}")).await.body()["dead_letter"], "open");

        let reply = acme.post(&format!("/dead-letters/{replayed}/replay"), json!({"reason": "fixed"})).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.body()["origin"], json!({"kind": "dead_letter", "of": replayed}));
        let settled = acme.get(&format!("/dead-letters/{replayed}")).await.body()["settlement"].clone();
        assert_eq!((&settled["how"], &settled["job"], &settled["reason"]), (&json!("replayed"), &reply.body()["id"], &json!("fixed")));
        assert!(settled["by"].as_str().unwrap().starts_with("tok_"));
        assert_eq!(acme.get(&format!("/jobs/{replayed}")).await.body()["dead_letter"], "settled");

        let reply = acme.post(&format!("/dead-letters/{discarded}/discard"), json!({})).await;
        assert_eq!((reply.status.as_u16(), &reply.body()["settlement"]["how"]), (200, &json!("discarded")));
        for act in ["replay", "discard"] {
            for job in [&replayed, &discarded] {
                acme.post(&format!("/dead-letters/{job}/{act}"), json!({})).await.problem(409, "state_conflict");
            }
        }
        assert_eq!(acme.get("/dead-letters").await.body()["items"], json!([]));
        assert_eq!(acme.get("/dead-letters?settled=true").await.body()["items"].as_array().unwrap().len(), 2);
    }

    async fn a_replay_with_a_key_may_be_repeated_by_who_did_it(app) {
        let (acme, other) = (app.acme().await, app.acme().await);
        acme.declare("t").await;
        let dead = acme.dead("t").await;
        let path = format!("/dead-letters/{dead}/replay");
        let first = acme.keyed(&path, "k", json!({})).await;
        let again = acme.keyed(&path, "k", json!({})).await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
        assert_eq!(first.body()["id"], again.body()["id"]);
        other.keyed(&path, "k", json!({})).await.problem(409, "state_conflict");
    }

    async fn a_job_without_a_dead_letter_has_none(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = acme.submit(json!({"job_type": "t"})).await;
        acme.get(&format!("/dead-letters/{job}")).await.problem(404, "not_found");
        acme.post(&format!("/dead-letters/{job}/replay"), json!({})).await.problem(404, "not_found");
        acme.post(&format!("/dead-letters/{job}/discard"), json!({})).await.problem(404, "not_found");
    }

    async fn pages_of_dead_letters_show_each_once(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let mut dead = Vec::new();
        for _ in 0..5 {
            dead.push(acme.dead("t").await);
        }
        let (mut seen, mut path) = (Vec::new(), "/dead-letters?limit=2".to_owned());
        loop {
            let page = acme.get(&path).await.body();
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["job"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            acme.get(&format!("/dead-letters?limit=2&settled=true&cursor={cursor}")).await.blames(400, "invalid_cursor", "cursor");
            path = format!("/dead-letters?limit=2&cursor={cursor}");
        }
        dead.reverse();
        assert_eq!(seen, dead);
    }
}
