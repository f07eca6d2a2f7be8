//! What the client repeats, what it does not, and where it turns.

use std::time::Duration;

use orch_client::{
    Client, Error, HealthStatus, JobId, JobIn, JobState, JobType, NewRun, PauseTarget, Priority, RawRequest, RunId,
    RunQuery, RunState, TokenIn,
};
use serde_json::{Value, json};

use crate::stub::{Fault, Stub};

fn client(stub: &Stub) -> Client {
    Client::builder().address(stub.url()).token("t").build().unwrap()
}

fn job(id: JobId, state: &str) -> Value {
    json!({"id": id, "tenant": "default", "job_type": "a", "state": state, "priority": "sometime", "attempt": 1})
}

fn keys(stub: &Stub, path: &str) -> Vec<Option<String>> {
    stub.world().seen.iter().filter(|seen| seen.path == path).map(|seen| seen.key.clone()).collect()
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_repeated_with_the_same_key() {
    let stub = Stub::start(1_000);
    let id = JobId::new();
    stub.change(|world| drop(world.routes.insert("POST /jobs".to_owned(), job(id, "ready"))));
    stub.fault("/jobs", Fault::Unanswered);
    let made = client(&stub).jobs().create(&JobIn::new("a", &json!({})).unwrap(), None).await.unwrap();
    assert_eq!(made.id, id);
    assert_eq!(made.priority, Priority::Unknown("sometime".to_owned()));
    let keys = keys(&stub, "/jobs");
    assert_eq!(keys.len(), 2);
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test]
async fn a_key_of_the_callers_is_sent_as_it_is() {
    let stub = Stub::start(1_000);
    stub.change(|world| {
        drop(world.routes.insert("POST /jobs/batch".to_owned(), json!({"items": [job(JobId::new(), "ready")]})))
    });
    let jobs = [JobIn::new("a", &1).unwrap()];
    client(&stub).jobs().create_batch(&jobs, Some("mine")).await.unwrap();
    assert_eq!(keys(&stub, "/jobs/batch"), [Some("mine".to_owned())]);
}

#[tokio::test]
async fn what_is_shown_once_is_not_asked_for_twice() {
    let stub = Stub::start(1_000);
    stub.change(|world| drop(world.routes.insert("POST /tokens".to_owned(), json!({"id": "tok_1", "secret": "s"}))));
    stub.fault("/tokens", Fault::Unanswered);
    let token = TokenIn { name: "n".to_owned(), scopes: vec!["orch:read".to_owned()], ..TokenIn::default() };
    let client = client(&stub);
    assert!(matches!(client.tokens().create(&token).await, Err(Error::Transport { .. })));
    assert_eq!(keys(&stub, "/tokens").len(), 1);
    // Refused before it began: asking again is safe.
    stub.fault("/tokens", Fault::Problem(503, "overloaded", None));
    client.tokens().create(&token).await.unwrap();
    assert_eq!(keys(&stub, "/tokens").len(), 3);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let stub = Stub::start(1_000);
    stub.change(|world| drop(world.routes.insert("GET /lanes?limit=200".to_owned(), json!({"items": []}))));
    stub.fault("/lanes", Fault::Problem(429, "backlog_full", Some(1)));
    client(&stub).lanes().await.unwrap();
    let world = stub.world();
    let times: Vec<_> = world.seen.iter().map(|seen| seen.at).collect();
    assert!(times[1] - times[0] >= Duration::from_secs(1));
}

#[tokio::test]
async fn patience_ends() {
    let stub = Stub::start(1_000);
    stub.fault("/lanes", Fault::Problem(503, "overloaded", Some(60)));
    let client = client(&stub).with_patience(Duration::from_millis(200));
    let error = client.lanes().await.unwrap_err();
    assert_eq!((error.code(), error.status(), error.is_retryable()), (Some("overloaded"), Some(503), true));
    assert_eq!(error.problem().unwrap().field(), Some("here"));
}

#[tokio::test]
async fn a_dead_address_and_one_that_does_not_own_are_passed_by() {
    let mut dead = Stub::start(1_000);
    dead.kill();
    let standby = Stub::start(1_000);
    let owner = Stub::start(1_000);
    owner.change(|world| drop(world.routes.insert("GET /lanes?limit=200".to_owned(), json!({"items": []}))));
    standby.fault("/lanes", Fault::Problem(503, "not_owner", Some(30)));
    let client = Client::builder().address(dead.url()).address(standby.url()).address(owner.url()).build().unwrap();
    tokio::time::timeout(Duration::from_secs(5), client.lanes()).await.expect("no pause was due").unwrap();
    client.lanes().await.unwrap();
    assert_eq!((standby.bodies("/lanes").len(), owner.bodies("/lanes").len()), (1, 2));
}

#[tokio::test]
async fn waiting_ends_with_the_final_state_or_with_the_time() {
    let stub = Stub::start(1_000);
    let id = JobId::new();
    let route = format!("GET /jobs/{id}");
    stub.change(|world| drop(world.routes.insert(route.clone(), job(id, "running"))));
    let client = client(&stub);
    let error = client.jobs().wait(&id, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, Error::WaitTimedOut { state: JobState::Running, .. }), "{error}");
    let jobs = client.jobs();
    let (found, ()) = tokio::join!(jobs.wait(&id, Duration::from_secs(20)), async {
        stub.until("a second look", |world| world.seen.len() > 6).await;
        stub.change(|world| drop(world.routes.insert(route, job(id, "failed"))));
    });
    assert_eq!(found.unwrap().state, JobState::Failed);
}

#[tokio::test]
async fn waiting_for_a_run_ends_with_its_end_or_with_the_time() {
    let stub = Stub::start(1_000);
    let id = RunId::from_uuid(JobId::new().uuid());
    let route = format!("GET /runs/{id}");
    let run = |state: &str| json!({"id": id, "graph": "kev", "state": state});
    stub.change(|world| drop(world.routes.insert(route.clone(), run("paused"))));
    let client = client(&stub);
    let error = client.runs().wait(&id, Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, Error::RunWaitTimedOut { state: RunState::Paused, .. }), "{error}");
    assert_eq!(error.to_string(), format!("run {id} is still paused"));
    stub.change(|world| drop(world.routes.insert(route, run("canceled"))));
    assert_eq!(client.runs().wait(&id, Duration::from_secs(20)).await.unwrap().state, RunState::Canceled);
}

#[tokio::test]
async fn runs_are_begun_and_turned_as_the_contract_says() {
    let stub = Stub::start(1_000);
    let id = RunId::from_uuid(JobId::new().uuid());
    stub.change(|world| {
        let run = json!({"id": id, "graph": "kev", "state": "running"});
        for call in ["/runs".to_owned(), format!("/runs/{id}/pause"), format!("/runs/{id}/steps/a%2Fb/approve")] {
            world.routes.insert(format!("POST {call}"), run.clone());
        }
        world.routes.insert("GET /runs?graph=kev&state=failed&limit=5".to_owned(), json!({"items": [run]}));
    });
    stub.fault("/runs", Fault::Unanswered);
    let client = client(&stub);
    client.runs().start(NewRun::of("kev").input("since", 3)).await.unwrap();
    assert_eq!(
        stub.bodies("/runs"),
        [json!({"graph": "kev", "inputs": {"since": 3}}), json!({"graph": "kev", "inputs": {"since": 3}})]
    );
    assert!(keys(&stub, "/runs").windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1]), "one call, one key");
    client.runs().pause(&id, Some("why")).await.unwrap();
    assert_eq!(stub.bodies(&format!("/runs/{id}/pause")), [json!({"reason": "why"})]);
    client.runs().approve(&id, "a/b", None).await.unwrap();
    let state = Some(RunState::Failed);
    let query = RunQuery { graph: Some("kev".to_owned()), state, limit: Some(5), ..RunQuery::default() };
    assert_eq!(client.runs().list(&query).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn an_upsert_lays_what_is_set_over_what_is_there() {
    let stub = Stub::start(1_000);
    let there =
        json!({"name": "a", "lease_ms": 1000, "tries_max": 9, "version": 4, "updated_at": "2030-01-01T00:00:00Z"});
    stub.change(|world| {
        world.routes.insert("GET /job-types/a".to_owned(), there.clone());
        world.routes.insert("PUT /job-types/a".to_owned(), there);
    });
    let client = client(&stub);
    let same = JobType { lease_ms: Some(1_000), ..JobType::new("a") };
    assert_eq!(client.job_types().create(&same).await.unwrap().version, Some(4));
    assert_eq!(stub.world().seen.len(), 1, "nothing is written when nothing changes");
    let other = JobType { lease_ms: Some(2_000), ..JobType::new("a") };
    client.job_types().create(&other).await.unwrap();
    assert_eq!(stub.bodies("/job-types/a").last(), Some(&json!({"name": "a", "lease_ms": 2000, "tries_max": 9})));
}

#[tokio::test]
async fn targets_and_health_are_read_and_written_as_the_contract_says() {
    let stub = Stub::start(1_000);
    stub.change(|world| {
        world.routes.insert("POST /pauses".to_owned(), json!({}));
        world.routes.insert("GET /health".to_owned(), json!({"status": "standby", "ledger": "sqlite", "version": "1"}));
    });
    let client = client(&stub);
    client.pause(&PauseTarget::Source("kev".to_owned()), Some("why")).await.unwrap();
    client.pause(&PauseTarget::Tenant, None).await.unwrap();
    let bodies = stub.bodies("/pauses");
    assert_eq!(bodies, [json!({"target": {"source": "kev"}, "reason": "why"}), json!({"target": "tenant"})]);
    assert_eq!(client.health().await.unwrap().status, HealthStatus::Standby);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    for address in ["127.0.0.1:7400", "ftp://x", "http://"] {
        assert!(matches!(Client::builder().address(address).build(), Err(Error::Settings(_))), "{address}");
    }
    assert!(matches!(Client::builder().build(), Err(Error::Settings(_))));
    assert!(matches!(Client::builder().address("http://x").token("a\nb").build(), Err(Error::Settings(_))));
}

#[tokio::test]
async fn a_rehearsal_reads_and_tells_what_it_would_write() {
    let stub = Stub::start(1_000);
    stub.change(|world| {
        drop(world.routes.insert("GET /job-types/a".to_owned(), json!({"name": "a", "lease_ms": 1, "version": 7})));
    });
    let client = Client::builder().address(stub.url()).token("t").rehearsing().build().unwrap();
    let policy = JobType { lease_ms: Some(2), ..JobType::new("a") };
    let Err(Error::Rehearsed(put)) = client.job_types().create(&policy).await else { panic!("it was sent") };
    assert_eq!((put.method.as_str(), put.path.as_str()), ("PUT", "/api/v1/orchestrator/job-types/a"));
    assert!(put.headers.contains(&("if-match".to_owned(), "\"v7\"".to_owned())), "{:?}", put.headers);
    assert_eq!(serde_json::from_slice::<Value>(&put.body).unwrap()["lease_ms"], 2);
    assert!(stub.world().seen.iter().all(|seen| seen.path == "/job-types/a"));
    assert_eq!(stub.world().seen.len(), 1, "the read alone");
}

#[tokio::test]
async fn a_call_by_hand_tells_what_came() {
    let stub = Stub::start(1_000);
    stub.change(|world| drop(world.routes.insert("GET /jobs?state=failed".to_owned(), json!({"items": []}))));
    let client = client(&stub);
    let answer = client.raw(&RawRequest::new("get", "/jobs?state=failed")).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &br#"{"items":[]}"#[..]));
    stub.fault("/jobs", Fault::Problem(503, "overloaded", None));
    let answer = client.raw(&RawRequest::new("GET", "/api/v1/orchestrator/jobs")).await.unwrap();
    assert_eq!((answer.status, answer.problem.unwrap().code.as_str()), (503, "overloaded"));
    assert!(matches!(client.raw(&RawRequest::new("GET", "jobs")).await, Err(Error::Settings(_))));
}
