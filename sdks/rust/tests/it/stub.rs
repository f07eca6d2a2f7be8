//! A server of the contract, small and scripted: queue, leases that expire, and faults in the order they were given.
//!
//! It runs on a runtime of its own, so that a restart cuts every connection as a killed process would.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How long a test waits for what it expects.
pub const PATIENCE: Duration = Duration::from_secs(30);
const BASE: &str = "/api/v1/orchestrator";

/// What goes wrong with one call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection is cut before the call has an effect.
    Unheard,
    /// The connection is cut after the call had its effect.
    Unanswered,
    /// A problem: status, code, seconds of `Retry-After`.
    Problem(u16, &'static str, Option<u64>),
}

/// A job in the stub.
#[derive(Debug, Clone)]
pub struct StubJob {
    pub id: String,
    pub job_type: String,
    pub payload: Value,
    pub attempt: u32,
    pub checkpoint: Value,
}

#[derive(Debug)]
struct StubLease {
    job: StubJob,
    heard_at: Instant,
}

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub key: Option<String>,
    pub body: Value,
    pub at: Instant,
}

/// Everything the stub knows. It survives a restart, except sessions.
#[derive(Debug, Default)]
pub struct World {
    pub lease_ms: u64,
    pub heartbeat_ms: u64,
    pub ready: VecDeque<StubJob>,
    leases: HashMap<String, StubLease>,
    claims: HashMap<String, Value>,
    sessions: HashSet<String>,
    /// Reports that were taken, by token.
    pub done: BTreeMap<String, Value>,
    /// Tokens that were given back.
    pub released: Vec<String>,
    pub canceling: HashSet<String>,
    pub draining: bool,
    /// Codes that a completion of this job is refused with, once.
    pub refuse: HashMap<String, &'static str>,
    pub faults: Vec<(String, Fault)>,
    pub seen: Vec<Seen>,
    /// Other routes: path to answer.
    pub routes: HashMap<String, Value>,
    pub expired: u64,
}

impl World {
    /// Leases that are out.
    pub fn held(&self) -> usize {
        self.leases.len()
    }

    /// Every lease goes back, as the next attempt.
    pub fn expire_all(&mut self) {
        for (_, lease) in self.leases.drain() {
            self.ready.push_back(StubJob { attempt: lease.job.attempt + 1, ..lease.job });
        }
    }
}

/// The stub.
pub struct Stub {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    world: Mutex<World>,
    changed: Notify,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the stub's leases expire by the real clock, as a server's do")]
fn now() -> Instant {
    Instant::now()
}

impl Stub {
    /// Starts one with leases of this length.
    pub fn start(lease_ms: u64) -> Self {
        let world = World { lease_ms, heartbeat_ms: lease_ms / 3, ..World::default() };
        let shared = Arc::new(Shared { world: Mutex::new(world), changed: Notify::new() });
        let mut stub = Self { address: ([127, 0, 0, 1], 0).into(), shared, runtime: None };
        stub.boot();
        stub
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection and stops to listen.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            std::thread::spawn(move || drop(runtime)).join().unwrap();
        }
        self.world().sessions.clear();
    }

    /// Listens again on the same port.
    pub fn boot(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = socket(self.address);
        self.address = socket.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&self.shared));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(socket).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        self.runtime = Some(runtime);
    }

    /// Everything it knows.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Adds jobs; returns their ids.
    pub fn add(&self, job_type: &str, payloads: impl IntoIterator<Item = Value>) -> Vec<String> {
        let ids = self.add_silently(job_type, payloads);
        self.shared.changed.notify_waiters();
        ids
    }

    /// Adds jobs without waking parked claims.
    pub fn add_silently(&self, job_type: &str, payloads: impl IntoIterator<Item = Value>) -> Vec<String> {
        let mut ids = Vec::new();
        for payload in payloads {
            let id = orch_client::JobId::new().to_string();
            ids.push(id.clone());
            let job = StubJob { id, job_type: job_type.to_owned(), payload, attempt: 1, checkpoint: Value::Null };
            self.world().ready.push_back(job);
        }
        ids
    }

    /// The next call whose path ends so goes wrong in this way.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.world().faults.push((path.to_owned(), fault));
    }

    /// Changes the world and wakes who waits for it.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.shared.changed.notify_waiters();
    }

    /// Waits until the world is so.
    pub async fn until(&self, what: &str, condition: impl Fn(&World) -> bool) {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if condition(&self.world()) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("never came: {what}\n{:#?}", self.world());
        }
    }

    /// The bodies of calls whose path ends so.
    pub fn bodies(&self, path: &str) -> Vec<Value> {
        self.world().seen.iter().filter(|seen| seen.path.ends_with(path)).map(|seen| seen.body.clone()).collect()
    }

    /// The report that was taken for a job.
    pub fn report(&self, job: &str) -> Value {
        let world = self.world();
        let mut reports = world.done.values().filter(|report| report["job"] == job);
        let report = reports.next().unwrap_or_else(|| panic!("no report for {job}: {:#?}", world.done)).clone();
        assert!(reports.next().is_none(), "two reports for {job}");
        report
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.kill();
    }
}

fn socket(address: SocketAddr) -> std::net::TcpListener {
    let socket = std::net::TcpListener::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().strip_prefix(BASE).unwrap_or("").to_owned();
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or("").to_owned();
    let headers = request.headers().clone();
    let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let fault = note(&shared, &path, &headers, &bytes);
    match fault {
        Some(Fault::Unheard) => return cut(),
        Some(Fault::Problem(status, code, after)) => return problem(status, code, after),
        Some(Fault::Unanswered) | None => {}
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let response = serve(&shared, method.as_str(), &path, &query, &body).await;
    shared.changed.notify_waiters();
    if matches!(fault, Some(Fault::Unanswered)) { cut() } else { response }
}

fn note(shared: &Shared, path: &str, headers: &HeaderMap, bytes: &Bytes) -> Option<Fault> {
    let mut world = shared.world();
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    world.seen.push(Seen { path: path.to_owned(), key, body, at: now() });
    shared.changed.notify_waiters();
    let place = world.faults.iter().position(|(end, _)| path.ends_with(end.as_str()))?;
    Some(world.faults.remove(place).1)
}

/// An answer whose connection breaks in its middle.
fn cut() -> Response {
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut"))]);
    Response::new(Body::from_stream(broken))
}

pub fn problem(status: u16, code: &str, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let retryable = matches!(status.as_u16(), 429 | 503) || code == "unknown_session";
    let body = json!({
        "type": "about:blank", "title": code, "status": status.as_u16(), "code": code, "detail": format!("{code}, said the stub"),
        "retryable": retryable, "errors": [{"field": "here", "code": code, "detail": "this one"}],
    });
    let mut response = (status, axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

async fn serve(shared: &Shared, method: &str, path: &str, query: &str, body: &Value) -> Response {
    let answer = match path {
        "/worker/sessions" => announce(&mut shared.world(), body),
        "/worker/claim" => return claim(shared, body).await,
        "/worker/heartbeat" => return heartbeat(&mut shared.world(), body),
        "/worker/complete" => complete(&mut shared.world(), body),
        "/worker/release" => release(&mut shared.world(), body),
        "/worker/logs" => match shared.world().leases.contains_key(text(&body["token"])) {
            true => json!({}),
            false => return problem(409, "stale_lease", None),
        },
        "/worker/follow-ups" => {
            let jobs = body["jobs"].as_array().unwrap();
            json!({"items": jobs.iter().map(|_| json!({"id": orch_client::JobId::new(), "replayed": false})).collect::<Vec<_>>()})
        }
        _ => {
            let route = [method, " ", path, "?", query].concat();
            let world = shared.world();
            let found = world.routes.get(route.trim_end_matches('?')).cloned();
            match found {
                Some(answer) => answer,
                None => return problem(404, "not_found", None),
            }
        }
    };
    axum::Json(answer).into_response()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn announce(world: &mut World, body: &Value) -> Value {
    let session = format!("wks_{}", text(&body["boot_id"]));
    world.sessions.insert(session.clone());
    json!({"session": session, "heartbeat_ms": world.heartbeat_ms, "lease_ms": world.lease_ms, "defaults": {}})
}

async fn claim(shared: &Shared, body: &Value) -> Response {
    let wait = tokio::time::sleep_until(
        tokio::time::Instant::now() + Duration::from_millis(body["wait_ms"].as_u64().unwrap()),
    );
    let mut wait = std::pin::pin!(wait);
    loop {
        let mut changed = std::pin::pin!(shared.changed.notified());
        changed.as_mut().enable();
        {
            let mut world = shared.world();
            if !world.sessions.contains(text(&body["session"])) {
                return problem(404, "unknown_session", None);
            }
            if let Some(before) = world.claims.get(text(&body["claim_id"])) {
                return axum::Json(before).into_response();
            }
            expire(&mut world);
            let granted = grant(&mut world, body);
            if !granted.is_empty() || wait.is_elapsed() {
                let answer = json!({ "leases": granted });
                world.claims.insert(text(&body["claim_id"]).to_owned(), answer.clone());
                return axum::Json(answer).into_response();
            }
        }
        tokio::select! {
            () = changed => {}
            () = &mut wait => {}
        }
    }
}

fn grant(world: &mut World, body: &Value) -> Vec<Value> {
    let max = usize::try_from(body["max"].as_u64().unwrap()).unwrap().min(world.ready.len());
    let jobs: Vec<_> = world.ready.drain(..max).collect();
    let mut leases = Vec::new();
    for job in jobs {
        let token = format!("lse_{}.{}", job.id, job.attempt);
        leases.push(json!({
            "token": token, "job": job.id, "attempt": job.attempt, "until": "2030-01-01T00:00:00Z",
            "lease_ms": world.lease_ms, "execution_until": "2030-01-01T00:00:00Z", "idempotency_key": job.id,
            "job_type": job.job_type, "project": "default", "source": null, "priority": "normal",
            "payload": job.payload, "tenant": "default", "correlation_id": null, "labels": {"a": "b"},
            "checkpoint": job.checkpoint, "a_member_of_tomorrow": 1,
            "watermarks": {"modified": {"low": null, "high": "2024-01-15T00:00:00.000Z", "lateness_ms": 0}},
        }));
        world.leases.insert(token, StubLease { job, heard_at: now() });
    }
    leases
}

/// Leases that nobody named for their length go back, as the next attempt.
fn expire(world: &mut World) {
    let length = Duration::from_millis(world.lease_ms);
    let at = now();
    let over: Vec<_> =
        world.leases.iter().filter(|(_, lease)| at - lease.heard_at > length).map(|(token, _)| token.clone()).collect();
    for token in over {
        let mut job = world.leases.remove(&token).unwrap().job;
        job.attempt += 1;
        world.expired += 1;
        world.ready.push_back(job);
    }
}

fn heartbeat(world: &mut World, body: &Value) -> Response {
    if !world.sessions.contains(text(&body["session"])) {
        return problem(404, "unknown_session", None);
    }
    expire(world);
    let mut items = Vec::new();
    for lease in body["leases"].as_array().unwrap() {
        let token = text(&lease["token"]).to_owned();
        let canceling = world.canceling.contains(&token);
        let answer = match world.leases.get_mut(&token) {
            None => "lost",
            Some(held) => {
                held.heard_at = now();
                if let Some(saved) = lease.get("checkpoint") {
                    held.job.checkpoint = saved.clone();
                }
                if canceling { "cancel" } else { "continue" }
            }
        };
        items.push(json!({ "answer": answer, "until": "2030-01-01T00:00:00Z" }));
    }
    let session = if world.draining { "drain" } else { "ok" };
    axum::Json(json!({ "items": items, "session": session })).into_response()
}

fn complete(world: &mut World, body: &Value) -> Value {
    expire(world);
    let mut items = Vec::new();
    for report in body["items"].as_array().unwrap() {
        let token = text(&report["token"]).to_owned();
        let refusal = world.leases.get(&token).and_then(|lease| world.refuse.remove(&lease.job.id));
        let before = world.done.get(&token).map(|report| report["report"].clone());
        items.push(match (refusal, before) {
            (Some(code), _) => json!({"status": "refused", "code": code, "detail": "said the stub"}),
            (None, Some(before)) if before == *report => json!({"status": "ok", "follow_ups": []}),
            (None, Some(_)) => json!({"status": "refused", "code": "completion_conflict"}),
            (None, None) => match world.leases.remove(&token) {
                None => json!({"status": "refused", "code": "stale_lease", "detail": "not current"}),
                Some(lease) => {
                    world.done.insert(token, json!({"job": lease.job.id, "report": report}));
                    json!({"status": "ok", "follow_ups": []})
                }
            },
        });
    }
    json!({ "items": items })
}

fn release(world: &mut World, body: &Value) -> Value {
    let mut items = Vec::new();
    for token in body["tokens"].as_array().unwrap() {
        let token = text(token).to_owned();
        let gone = world.leases.remove(&token);
        items.push(if gone.is_some() {
            json!({"status": "ok"})
        } else {
            json!({"status": "refused", "code": "stale_lease"})
        });
        world.released.push(token);
    }
    json!({ "items": items })
}
