//! A server on a ledger of its own, with a token for it. Everything ends when it is dropped.

use std::{sync::Arc, time::Duration};

use orch_analysis::jobs;
use orch_client::{Client, Worker, WorkerSummary};
use orch_core::{TokenId, port::TokenRow};
use orch_dispatch::Command;
use orch_engine::{Engine, EngineOptions};
use orch_server::{
    AppState,
    access::{Scope, secret_from, secret_sha256},
};
use orch_store::{FolderBlobs, sqlite::SqliteLedger};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// A server and how to reach it.
pub struct Site {
    pub client: Client,
    engine: Engine,
    _stop: oneshot::Sender<()>,
    _folder: TempDir,
}

/// A worker that runs.
pub struct Working {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<WorkerSummary>,
}

impl Site {
    /// Starts a server.
    pub async fn start() -> Site {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = SqliteLedger::open(folder.path().join("ledger.sqlite")).expect("a ledger");
        let blobs = FolderBlobs::open(folder.path().join("artifacts")).expect("a folder of artifacts");
        let engine = Engine::start(EngineOptions::new(Arc::new(ledger), Arc::new(blobs)));
        assert!(engine.serving().await, "the engine serves");
        let token = token(&engine).await;

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(orch_server::serve(listener, AppState::new(engine.clone()), async move { drop(stopped.await) }));

        let client = Client::builder().address(address).token(token).build().expect("a client");
        Site { client, engine, _stop: stop, _folder: folder }
    }

    /// Starts a worker with so many handlers.
    pub fn work(&self, handlers: usize) -> Working {
        let builder = Worker::builder(self.client.clone()).worker_id("analysis").capacity(handlers);
        let worker = jobs::handlers(builder).build();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await.expect("works") });
        Working { stop, ended }
    }

    /// Ends the engine in order.
    pub async fn close(self) {
        self.engine.shutdown().await;
    }
}

impl Working {
    /// Drains the worker.
    pub async fn end(self) -> WorkerSummary {
        drop(self.stop);
        tokio::time::timeout(Duration::from_secs(30), self.ended).await.expect("drains in time").expect("ends")
    }
}

async fn token(engine: &Engine) -> String {
    let tenant = engine.create_tenant("analysis").await.expect("a tenant");
    let secret = secret_from([7; 32]);
    let row = TokenRow {
        id: TokenId(engine.new_job_id().0),
        tenant: tenant.no,
        name: "test".to_owned(),
        secret_sha256: secret_sha256(&secret),
        scopes: Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at: engine.now(),
        expires_at: None,
        revoked_at: None,
    };
    engine.command(Command::CreateToken(row)).await.expect("a token");
    secret
}
