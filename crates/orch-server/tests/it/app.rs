//! A whole server in memory on its own ledger, with two tenants that know nothing of each other.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use orch_core::ids::{TenantNo, TokenId};
use orch_core::port::{BlobStore, Ledger, TenantRow, TokenRow};
use orch_dispatch::command::Command;
use orch_engine::{Engine, EngineOptions};
use orch_server::access::secret_sha256;
use orch_server::{AppState, BASE};
use orch_store::FolderBlobs;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_store::sqlite::SqliteLedger;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::fault::{FaultyBlobs, FaultyLedger, Switch};

/// Declares a test that runs on each ledger.
macro_rules! on_each_ledger {
    ($($(#[doc = $doc:literal])* async fn $name:ident($app:ident) $body:block)*) => {
        $(
            $(#[doc = $doc])*
            async fn $name($app: &$crate::app::TestApp) $body

            mod $name {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    let app = $crate::app::TestApp::on_sqlite().await;
                    super::$name(&app).await;
                    app.end().await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    let Some(app) = $crate::app::TestApp::on_postgres().await else { return };
                    super::$name(&app).await;
                    app.end().await;
                }
            }
        )*
    };
}
pub(crate) use on_each_ledger;

/// Every scope but the platform's own.
pub const TENANT_SCOPES: [&str; 6] =
    ["orch:read", "orch:operate", "orch:quota", "orch:backfill", "orch:worker", "orch:submit"];

pub struct TestApp {
    pub router: Router,
    pub engine: Engine,
    pub acme: TenantRow,
    pub globex: TenantRow,
    pub fault: Switch,
    ports: (Arc<dyn Ledger>, Arc<dyn BlobStore>),
    folder: TempDir,
    database: Option<(String, String)>,
}

/// A caller: sends requests with its token.
#[derive(Clone)]
pub struct Client {
    router: Router,
    secret: Option<String>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl TestApp {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(folder.path().join("ledger.db")).unwrap();
        let blobs = FolderBlobs::open(folder.path().join("blobs")).unwrap();
        Self::start(folder, None, Arc::new(ledger), Arc::new(blobs)).await
    }

    /// A database of its own beside the one that the URL names; `None`, said aloud, when there is no URL.
    pub async fn on_postgres() -> Option<Self> {
        let Ok(url) = std::env::var("ORCH_TEST_POSTGRES_URL") else {
            println!("SKIPPED: ORCH_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("orch_server_{}", uuid::Uuid::now_v7().simple());
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let own = with_database(&url, &name);
        PostgresLedger::migrate(&own).await.unwrap();
        let ledger = PostgresLedger::connect(&own, PostgresOptions::default()).await.unwrap();
        let blobs = ledger.blobs();
        let folder = tempfile::tempdir().unwrap();
        Some(Self::start(folder, Some((url, name)), Arc::new(ledger), Arc::new(blobs)).await)
    }

    async fn start(
        folder: TempDir,
        database: Option<(String, String)>,
        ledger: Arc<dyn Ledger>,
        blobs: Arc<dyn BlobStore>,
    ) -> Self {
        let fault = Switch::default();
        let ledger: Arc<dyn Ledger> = Arc::new(FaultyLedger { inner: ledger, switch: fault.clone() });
        let blobs: Arc<dyn BlobStore> = Arc::new(FaultyBlobs { inner: blobs, switch: fault.clone() });
        let ports = (Arc::clone(&ledger), Arc::clone(&blobs));
        let engine = Engine::start(EngineOptions::new(ledger, blobs));
        assert!(engine.serving().await);
        let acme = engine.create_tenant("acme").await.unwrap();
        let globex = engine.create_tenant("globex").await.unwrap();
        let router = orch_server::router(AppState::new(engine.clone()));
        Self { router, engine, acme, globex, fault, ports, folder, database }
    }

    /// Stops the engine and removes the database.
    pub async fn end(self) {
        self.engine.shutdown().await;
        if let Some((url, name)) = self.database {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
        }
        drop(self.folder);
    }

    /// Somebody in tenant acme who may do everything there.
    pub async fn acme(&self) -> Client {
        self.client(self.acme.no, &TENANT_SCOPES).await
    }

    /// The same in the other tenant.
    pub async fn globex(&self) -> Client {
        self.client(self.globex.no, &TENANT_SCOPES).await
    }

    /// An administrator of the platform.
    pub async fn admin(&self) -> Client {
        self.client(TenantNo::SYSTEM, &["orch:admin"]).await
    }

    pub async fn client(&self, tenant: TenantNo, scopes: &[&str]) -> Client {
        self.client_until(tenant, scopes, None).await
    }

    pub async fn client_until(
        &self,
        tenant: TenantNo,
        scopes: &[&str],
        expires_at: Option<orch_core::Timestamp>,
    ) -> Client {
        let secret = format!("orch_{}", uuid::Uuid::now_v7().simple());
        let row = TokenRow {
            id: TokenId(self.engine.new_job_id().0),
            tenant,
            name: "test".to_owned(),
            secret_sha256: secret_sha256(&secret),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            created_at: self.engine.now(),
            expires_at,
            revoked_at: None,
        };
        self.engine.command(Command::CreateToken(row)).await.unwrap();
        Client { router: self.router.clone(), secret: Some(secret) }
    }

    /// Another replica on the same ledger, which does not own the shard, and the same caller at it.
    pub fn standby(&self, client: &Client) -> (Engine, Client) {
        let (ledger, blobs) = self.ports.clone();
        let engine = Engine::start(EngineOptions::new(ledger, blobs));
        let router = orch_server::router(AppState::new(engine.clone()));
        (engine, Client { router, secret: client.secret.clone() })
    }

    /// The same ledger under another engine with these marks of its memory, and the same caller at it; the first one ends.
    pub async fn under_marks(&self, client: &Client, memory: orch_engine::MemoryMarks) -> (Engine, Client) {
        self.engine.shutdown().await;
        let (ledger, blobs) = self.ports.clone();
        let engine = Engine::start(EngineOptions { memory, ..EngineOptions::new(ledger, blobs) });
        assert!(engine.serving().await);
        let router = orch_server::router(AppState::new(engine.clone()));
        (engine, Client { router, secret: client.secret.clone() })
    }

    pub fn stranger(&self) -> Client {
        Client { router: self.router.clone(), secret: None }
    }

    pub fn with_secret(&self, secret: &str) -> Client {
        Client { router: self.router.clone(), secret: Some(secret.to_owned()) }
    }
}

fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, ""), |(base, query)| (base, query));
    let (server, _) = base.rsplit_once('/').expect("a URL with a database");
    if query.is_empty() { format!("{server}/{name}") } else { format!("{server}/{name}?{query}") }
}

impl Client {
    pub fn secret(&self) -> &str {
        self.secret.as_deref().unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.json(Method::POST, path, &[], body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.json(Method::PUT, path, &[], body).await
    }

    pub async fn keyed(&self, path: &str, key: &str, body: Value) -> Reply {
        self.json(Method::POST, path, &[("idempotency-key", key)], body).await
    }

    pub async fn json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Reply {
        self.text(method, path, headers, &body.to_string()).await
    }

    pub async fn text(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, Body::from(body.to_owned())).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Reply {
        let path = if path.starts_with("/.") { path.to_owned() } else { format!("{BASE}{path}") };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(secret) = &self.secret {
            request = request.header("authorization", format!("Bearer {secret}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: head.status, headers: head.headers, bytes }
    }

    /// Declares a job type with the defaults.
    pub async fn declare(&self, name: &str) {
        self.declare_with(name, json!({})).await;
    }

    pub async fn declare_with(&self, name: &str, policy: Value) {
        let reply = self.put(&format!("/job-types/{name}"), policy).await;
        assert!(reply.status.is_success(), "{}", reply.text());
    }

    /// Submits one job and gives its id.
    pub async fn submit(&self, job: Value) -> String {
        let reply = self.post("/jobs", job).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.body()["id"].as_str().unwrap().to_owned()
    }

    /// Announces a worker for these job types.
    pub async fn session(&self, job_types: &[&str]) -> String {
        let body =
            json!({"worker_id": "w1", "boot_id": "b1", "job_types": job_types, "capacity": 100, "sdk": "test/1"});
        let reply = self.post("/worker/sessions", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.body()["session"].as_str().unwrap().to_owned()
    }

    /// Claims at once.
    pub async fn claim(&self, session: &str, max: usize) -> Vec<Value> {
        let body = json!({"session": session, "claim_id": claim_id(), "max": max, "wait_ms": 0});
        let reply = self.post("/worker/claim", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body()["leases"].as_array().unwrap().clone()
    }

    /// A job that is handed out: its id and its lease's token.
    pub async fn leased(&self, job_type: &str) -> (String, String) {
        let job = self.submit(json!({"job_type": job_type})).await;
        let session = self.session(&[job_type]).await;
        let lease = self.claim(&session, 1).await.remove(0);
        assert_eq!(lease["job"], job.as_str());
        (job, lease["token"].as_str().unwrap().to_owned())
    }

    /// Reports one attempt and gives the item's answer.
    pub async fn complete(&self, item: Value) -> Value {
        let reply = self.post("/worker/complete", json!({"items": [item]})).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body()["items"][0].clone()
    }

    /// A job that failed for good.
    pub async fn dead(&self, job_type: &str) -> String {
        let (job, token) = self.leased(job_type).await;
        let error = json!({"code": "bad_document", "message": "truncated", "retryable": false});
        let item = self.complete(json!({"token": token, "outcome": "failed", "error": error})).await;
        assert_eq!(item["status"], "ok", "{item}");
        job
    }

    pub async fn state(&self, job: &str) -> String {
        let reply = self.get(&format!("/jobs/{job}")).await;
        reply.body()["state"].as_str().unwrap_or_default().to_owned()
    }
}

pub fn claim_id() -> String {
    format!("clm_{}", uuid::Uuid::now_v7().simple())
}

pub fn job_id() -> String {
    format!("job_{}", uuid::Uuid::now_v7().simple())
}

impl Reply {
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a whole problem with this status and code, and gives the fields it blames.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.body();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:orch:error:{code}"));
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(body["title"].is_string() && body["retryable"].is_boolean() && body["detail"].is_string(), "{body}");
        if status == 429 || status == 503 {
            assert!(self.header("retry-after").parse::<u64>().unwrap() > 0);
        }
        let errors = body["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }

    /// As `problem`, for one that blames exactly one field.
    #[track_caller]
    pub fn blames(&self, status: u16, code: &str, field: &str) {
        assert_eq!(self.problem(status, code), [field], "{}", self.text());
    }
}
