//! Lists of jobs: filters, pages, and cursors that open nothing but their own list.

use serde_json::{Value, json};

use crate::app::{Client, on_each_ledger};

async fn ids(client: &Client, path: &str) -> Vec<String> {
    let reply = client.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    let items = reply.body()["items"].clone();
    items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

on_each_ledger! {
    async fn pages_show_each_job_once_newest_first(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let mut jobs = Vec::new();
        for n in 0..7 {
            jobs.push(acme.submit(json!({"job_type": "t", "payload": n})).await);
        }
        jobs.reverse();
        let (mut seen, mut path) = (Vec::new(), "/jobs?limit=3".to_owned());
        loop {
            seen.extend(ids(&acme, &path).await);
            let page = acme.get(&path).await.body();
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/jobs?limit=3&cursor={cursor}");
        }
        assert_eq!(seen, jobs);
    }

    async fn filters_choose_by_state_type_source_label_and_time(app) {
        let acme = app.acme().await;
        for name in ["a", "b"] {
            acme.declare(name).await;
        }
        acme.put("/sources/kev", json!({"kind": "kev"})).await;
        let dead = acme.dead("a").await;
        let plain = acme.submit(json!({"job_type": "a"})).await;
        let sourced = acme.submit(json!({"job_type": "b", "source": "kev"})).await;
        let labelled = acme.submit(json!({"job_type": "b", "labels": {"feed": "x:y", "n": "1"}})).await;
        let soon = app.engine.now().plus_ms(3_600_000).to_rfc3339();
        let later = acme.submit(json!({"job_type": "b", "not_before": soon})).await;
        let since = "since=2000-01-01T00:00:00Z";
        for (query, expected) in [
            ("state=failed".to_owned(), vec![&dead]),
            ("state=ready".to_owned(), vec![&labelled, &sourced, &plain]),
            ("state=scheduled".to_owned(), vec![&later]),
            ("job_type=a".to_owned(), vec![&plain, &dead]),
            ("job_type=a&state=ready,failed".to_owned(), vec![&plain, &dead]),
            ("source=kev".to_owned(), vec![&sourced]),
            (format!("label=feed:x:y&label=n:1&{since}"), vec![&labelled]),
            (format!("label=feed:other&{since}"), vec![]),
            ("until=2000-01-01T00:00:00Z".to_owned(), vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().cloned().collect();
            assert_eq!(ids(&acme, &format!("/jobs?{query}")).await, expected, "{query}");
        }
        assert_eq!(ids(&acme, "/jobs?state=pending").await.len(), 4);
        assert_eq!(ids(&acme, "/jobs?state=cancelled,completed").await.len(), 0);
    }

    async fn a_query_chooses_by_what_its_terms_say(app) {
        let acme = app.acme().await;
        for name in ["feeds.fetch", "feeds.parse", "merge"] {
            acme.declare(name).await;
        }
        acme.put("/projects/core", json!({})).await;
        acme.put("/sources/kev", json!({"kind": "kev", "host": "www.example.org"})).await;
        acme.put("/sources/osv", json!({"kind": "osv", "host": "osv.example.net"})).await;
        let dead = acme.dead("feeds.fetch").await;
        let kev = acme.submit(json!({"job_type": "feeds.parse", "source": "kev", "labels": {"feed": "kev"}})).await;
        let osv = acme.submit(json!({"job_type": "merge", "source": "osv", "labels": {"feed": "a b"}})).await;
        let core = acme.submit(json!({"job_type": "merge", "project": "core"})).await;
        for (query, expected) in [
            ("", vec![&core, &osv, &kev, &dead]),
            ("type:feeds.*", vec![&kev, &dead]),
            ("type:feeds.*+state:pending", vec![&kev]),
            ("type:feeds.parse,merge", vec![&core, &osv, &kev]),
            ("source:kev,osv", vec![&osv, &kev]),
            ("source:*", vec![&osv, &kev]),
            ("host:www.*", vec![&kev]),
            ("host:nowhere", vec![]),
            ("project:core", vec![&core]),
            ("label.feed:kev+since:1h", vec![&kev]),
            ("label.feed:%22a%20b%22", vec![&osv]),
            ("label.feed:kev,%22a%20b%22+since:24h", vec![&osv, &kev]),
            ("error:bad_document", vec![&dead]),
            ("error:handler+type:feeds.fetch", vec![&dead]),
            ("error:handler+state:pending+since:1h", vec![]),
            ("error:nothing", vec![]),
            ("state:completed,cancelled", vec![]),
            ("until:1h", vec![]),
            (&format!("id:{kev},{dead}"), vec![&kev, &dead]),
            (&format!("id:{kev},{dead}+state:failed"), vec![&dead]),
            ("type:merge&source=osv", vec![&osv]),
        ] {
            let expected: Vec<_> = expected.into_iter().cloned().collect();
            assert_eq!(ids(&acme, &format!("/jobs?query={query}")).await, expected, "{query}");
        }
        let theirs = app.globex().await;
        assert_eq!(ids(&theirs, &format!("/jobs?query=id:{kev}")).await, Vec::<String>::new());
    }

    async fn a_bad_query_says_what_is_wrong_with_it(app) {
        let acme = app.acme().await;
        for (query, code, field) in [
            ("stat:ready", "invalid_field", "query"),
            ("ready", "invalid_field", "query"),
            ("since:soon", "invalid_field", "query"),
            ("state:ready&query=type:t", "invalid_field", "query"),
            ("state:ready&state=failed", "invalid_field", "state"),
            ("type:a&job_type=b", "invalid_field", "job_type"),
            ("source:a&source=b", "invalid_field", "source"),
            ("error:x+state:ready", "filter_too_wide", "query"),
            ("error:x+state:succeeded,failed", "filter_too_wide", "query"),
            ("label.feed:a,b", "filter_too_wide", "query"),
        ] {
            acme.get(&format!("/jobs?query={query}")).await.blames(422, code, field);
        }
        let reply = acme.get("/jobs?query=state:failed+stat:x").await;
        assert!(reply.body()["detail"].as_str().unwrap().ends_with("(`stat:x` at character 14)"), "{}", reply.text());
    }

    async fn a_cursor_of_a_query_opens_only_the_same_query(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        for n in 0..3 {
            acme.submit(json!({"job_type": "t", "payload": n})).await;
        }
        let page = acme.get("/jobs?limit=1&query=type:t+since:1h").await.body();
        let cursor = page["next_cursor"].as_str().unwrap();
        assert_eq!(ids(&acme, &format!("/jobs?query=since:60m+type:t&cursor={cursor}")).await.len(), 2);
        for other in ["query=type:t", "query=type:t+since:2h", "job_type=t"] {
            acme.get(&format!("/jobs?{other}&cursor={cursor}")).await.blames(400, "invalid_cursor", "cursor");
        }
    }

    async fn bad_parameters_name_themselves(app) {
        let acme = app.acme().await;
        for (query, code, field) in [
            ("limit=0", "limit_exceeded", "limit"),
            ("limit=201", "limit_exceeded", "limit"),
            ("limit=many", "invalid_field", "limit"),
            ("limit=1&limit=2", "invalid_field", "limit"),
            ("state=happy", "invalid_field", "state"),
            ("since=yesterday", "invalid_field", "since"),
            ("until=1969-12-31T23:59:59Z", "invalid_field", "until"),
            ("label=nocolon", "invalid_field", "label"),
            ("label=k:%00", "invalid_field", "label"),
            ("job_type=%20", "invalid_field", "job_type"),
            ("stat=ready", "unknown_field", "stat"),
        ] {
            acme.get(&format!("/jobs?{query}")).await.blames(422, code, field);
        }
        acme.declare("t").await;
        acme.post("/jobs?dry_run=true", json!({"job_type": "t"})).await.blames(422, "unknown_field", "dry_run");
    }

    async fn a_cursor_opens_only_its_own_list(app) {
        let (acme, globex) = (app.acme().await, app.globex().await);
        for client in [&acme, &globex] {
            client.declare("t").await;
            for n in 0..3 {
                client.submit(json!({"job_type": "t", "payload": n})).await;
            }
        }
        let page = |client: &Client, query: &str| {
            let (client, path) = (client.clone(), format!("/jobs?limit=1{query}"));
            async move { client.get(&path).await.body()["next_cursor"].as_str().unwrap().to_owned() }
        };
        let own = page(&acme, "").await;
        assert_eq!(ids(&acme, &format!("/jobs?cursor={own}")).await.len(), 2);
        let filtered = page(&acme, "&job_type=t").await;
        let foreign = page(&globex, "").await;
        let flipped: String = own.chars().rev().collect();
        for bad in [filtered.as_str(), foreign.as_str(), flipped.as_str(), "", "x", "%00", &own[1..], &own[..20]] {
            acme.get(&format!("/jobs?cursor={bad}")).await.blames(400, "invalid_cursor", "cursor");
        }
        for other in ["/dead-letters", "/lanes", "/workers", "/sources"] {
            acme.get(&format!("{other}?cursor={own}")).await.blames(400, "invalid_cursor", "cursor");
        }
        let lanes: Value = acme.get("/lanes").await.body();
        assert_eq!((&lanes["items"][0]["ready"], &lanes["next_cursor"]), (&json!(3), &Value::Null));
    }
}
