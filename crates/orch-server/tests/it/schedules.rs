//! Schedules over the API: jobs come at their instants, each instant is accounted for, and what makes no sense is refused
//! by name.

use serde_json::{Value, json};

use crate::app::{Client, claim_id, on_each_ledger};

/// Each second, a job of type `t`.
fn each_second() -> Value {
    json!({"timetable": {"every_ms": 1_000}, "job": {"job_type": "t", "payload": {"feed": "kev"}}})
}

fn with(mut schedule: Value, members: Value) -> Value {
    for (name, value) in members.as_object().expect("members are an object") {
        schedule[name] = value.clone();
    }
    schedule
}

async fn put(acme: &Client, name: &str, schedule: Value) {
    let reply = acme.put(&format!("/schedules/{name}"), schedule).await;
    assert!(reply.status.is_success(), "{}", reply.text());
}

/// Waits at the server for work that does not come.
async fn pass(acme: &Client, wait_ms: u64) {
    let session = acme.session(&["nothing"]).await;
    let claim = json!({"session": session, "claim_id": claim_id(), "max": 1, "wait_ms": wait_ms});
    assert_eq!(acme.post("/worker/claim", claim).await.body()["leases"], json!([]));
}

/// Waits until the schedule's status is as wanted.
async fn until(acme: &Client, name: &str, what: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let status = acme.get(&format!("/schedules/{name}/status")).await.body();
        if what(&status) {
            return status;
        }
        pass(acme, 50).await;
    }
    panic!("{}", acme.get(&format!("/schedules/{name}/status")).await.text());
}

async fn firings(acme: &Client, name: &str) -> Vec<Value> {
    let (mut all, mut path) = (Vec::new(), format!("/schedules/{name}/firings?limit=2"));
    loop {
        let page = acme.get(&path).await.body();
        all.extend(page["items"].as_array().expect("a page has items").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/schedules/{name}/firings?limit=2&cursor={cursor}"),
            None => return all,
        }
    }
}

on_each_ledger! {
    async fn jobs_come_at_their_instants_and_say_for_which(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        put(&acme, "feed", with(each_second(), json!({"overlap": "allow"}))).await;
        let status = until(&acme, "feed", |status| status["fired"].as_u64() >= Some(3)).await;
        assert_eq!((&status["skipped"], &status["paused"]), (&json!(0), &Value::Null), "{status}");
        let session = acme.session(&["t"]).await;
        let lease = acme.claim(&session, 1).await[0].clone();
        assert_eq!((&lease["firing"]["schedule"], &lease["payload"]), (&json!("feed"), &json!({"feed": "kev"})));
        let nominal = lease["firing"]["nominal_at"].as_str().expect("it says for which instant").to_owned();
        assert!(nominal.ends_with(".000Z"), "{nominal}");
        let job = acme.get(&format!("/jobs/{}", lease["job"].as_str().unwrap_or_default())).await.body();
        assert_eq!(job["firing"]["nominal_at"], nominal);
        let all = firings(&acme, "feed").await;
        let instants: Vec<_> = all.iter().rev().map(|firing| firing["nominal_at"].as_str().unwrap_or_default()).collect();
        assert!(instants.is_sorted() && instants.len() >= 3, "{instants:?}");
        assert!(all.iter().all(|firing| firing["job"].is_string() && firing["count"] == 1), "{all:?}");
        assert_eq!(all.last().map(|first| &first["job"]), Some(&lease["job"]));
    }

    async fn what_is_open_keeps_the_next_away_and_a_pause_all(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        put(&acme, "feed", each_second()).await;
        let status = until(&acme, "feed", |status| status["skipped"].as_u64() >= Some(1)).await;
        assert_eq!((&status["fired"], status["open"].as_array().map(Vec::len)), (&json!(1), Some(1)), "{status}");
        assert_eq!(firings(&acme, "feed").await[0]["cause"], "overlap");
        assert_eq!(acme.post("/schedules/feed/pause", json!({"reason": "the feed moves"})).await.status, 200);
        let status = until(&acme, "feed", |status| !status["paused"].is_null()).await;
        assert_eq!((&status["paused"]["reason"], &status["next_at"]), (&json!("the feed moves"), &Value::Null));
        pass(&acme, 1_200).await;
        assert_eq!(acme.post("/schedules/feed/resume", json!({})).await.status, 200);
        assert_eq!(firings(&acme, "feed").await[0]["cause"], "paused");
        let status = acme.get("/schedules/feed/status").await.body();
        let next = |status: &Value| status["next_at"].as_str().is_some();
        assert!(next(&status) && status["paused"].is_null(), "{status}");
        acme.post("/schedules/none/pause", json!({})).await.problem(404, "not_found");
    }

    async fn what_goes_leaves_its_account(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        put(&acme, "feed", with(each_second(), json!({"overlap": "allow"}))).await;
        until(&acme, "feed", |status| status["fired"].as_u64() >= Some(1)).await;
        let gone = acme.send(axum::http::Method::DELETE, "/schedules/feed", &[], axum::body::Body::empty()).await;
        assert_eq!(gone.status, 200, "{}", gone.text());
        acme.get("/schedules/feed/status").await.problem(404, "not_found");
        let before = firings(&acme, "feed").await.len();
        pass(&acme, 1_200).await;
        assert_eq!(firings(&acme, "feed").await.len(), before);
        acme.get("/schedules/none/firings").await.problem(404, "not_found");
    }

    async fn the_next_instants_are_shown_on_both_clocks(app) {
        let acme = app.acme().await;
        acme.declare("t").await;
        let job = json!({"job_type": "t"});
        let timetable = json!({"cron": "30 3 * * *", "zone": "Europe/Athens", "daylight": "both"});
        put(&acme, "night", json!({"timetable": timetable, "job": job})).await;
        // In October 2100 Athens puts its clocks back on the 31st.
        let shown = acme.get("/schedules/night/next?from=2100-10-30T12:00:00Z&count=3").await.body();
        let local: Vec<_> = shown["items"].as_array().into_iter().flatten().map(|item| &item["local"]).collect();
        assert_eq!(local, ["2100-10-31T03:30:00+03:00", "2100-10-31T03:30:00+02:00", "2100-11-01T03:30:00+02:00"]);
        assert_eq!(shown["items"][0]["at"], "2100-10-31T00:30:00.000Z");
        assert!(shown["zones"].as_str().is_some_and(|version| version.starts_with("20")), "{shown}");
        assert_eq!(acme.get("/schedules/night/next").await.body()["items"].as_array().map(Vec::len), Some(20));
        acme.get("/schedules/night/next?count=21").await.blames(422, "limit_exceeded", "count");
        acme.get("/schedules/none/next").await.problem(404, "not_found");
    }

    async fn what_makes_no_sense_is_refused_by_name(app) {
        let acme = app.acme().await;
        let schema = json!({"type": "object", "required": ["feed"]});
        acme.put("/job-types/t", json!({"payload_schema": schema})).await;
        let table = |timetable: Value| with(each_second(), json!({"timetable": timetable}));
        let of = |job: Value| with(each_second(), json!({"job": job}));
        for (schedule, code, field) in [
            (table(json!({"cron": "0 0 30 2 *"})), "invalid_field", "timetable.cron"),
            (table(json!({"cron": "61 * * * *"})), "invalid_field", "timetable.cron"),
            (table(json!({"cron": "0 2 * * *", "zone": "Europe/Atlantis"})), "invalid_field", "timetable.zone"),
            (table(json!({"cron": "0 2 * * *", "every_ms": 1_000})), "invalid_field", "timetable.every_ms"),
            (table(json!({"every_ms": 1_500})), "invalid_field", "timetable.every_ms"),
            (table(json!({"rrule": "FREQ=DAILY"})), "invalid_field", "timetable.from"),
            (table(json!({})), "invalid_field", "timetable.cron"),
            (table(json!({"cron": "0 2 * * *", "daylight": "twice"})), "invalid_field", "timetable.daylight"),
            (with(each_second(), json!({"misfire": "fire_all"})), "limit_exceeded", "catch_up_ms"),
            (with(each_second(), json!({"overlap": "queue"})), "invalid_field", "overlap"),
            (
                with(each_second(), json!({"starts_at": "2100-01-02T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"})),
                "invalid_field",
                "ends_at",
            ),
            (of(json!({"job_type": "none"})), "unknown_job_type", "job.job_type"),
            (of(json!({"job_type": "t", "payload": {"feed": 1}, "source": "none"})), "unknown_source", "job.source"),
            (of(json!({"job_type": "t", "payload": {"feed": 1}, "project": "none"})), "unknown_project", "job.project"),
            (of(json!({"job_type": "t", "payload": {}})), "invalid_field", "job.payload"),
        ] {
            acme.put("/schedules/bad", schedule).await.blames(422, code, field);
        }
        assert_eq!(acme.get("/schedules").await.body()["items"], json!([]), "nothing is half there");
    }
}
