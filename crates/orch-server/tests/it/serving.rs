//! A real listener: bodies on the wire, and a drain that answers what is under way.

use std::net::SocketAddr;
use std::time::Duration;

use orch_server::{AppState, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{Client, TestApp, claim_id};

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn listen(app: &TestApp) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let state = AppState::new(app.engine.clone());
    let task = tokio::spawn(serve(listener, state, async { stopped.await.unwrap_or_default() }));
    Server { address, stop, task }
}

fn head(client: &Client, method: &str, path: &str, more: &str) -> String {
    let secret = client.secret();
    format!(
        "{method} /api/v1/orchestrator{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n\
         content-type: application/json\r\n{more}\r\n"
    )
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn heard_at(client: &Client) -> String {
    client.get("/workers").await.body()["items"][0]["heard_at"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_answers_parked_claims_and_then_ends() {
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    acme.declare("t").await;
    let session = acme.session(&["t"]).await;
    let server = listen(&app).await;
    let body = json!({"session": session, "claim_id": claim_id(), "max": 1, "wait_ms": 30_000}).to_string();
    let before = heard_at(&acme).await;
    while app.engine.now().to_rfc3339() == before {
        tokio::task::yield_now().await;
    }
    let mut parked = TcpStream::connect(server.address).await.unwrap();
    let request =
        head(&acme, "POST", "/worker/claim", &format!("connection: close\r\ncontent-length: {}\r\n", body.len()));
    parked.write_all(format!("{request}{body}").as_bytes()).await.unwrap();
    // The claim is parked once it made the session heard of again.
    while heard_at(&acme).await == before {
        tokio::task::yield_now().await;
    }
    server.stop.send(()).unwrap();
    let said = tokio::time::timeout(Duration::from_secs(20), answer(&mut parked)).await.expect("the claim is answered");
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("{\"leases\":[],\"session\":\"ok\"}"), "{said}");
    let ended = tokio::time::timeout(Duration::from_secs(20), server.task).await.expect("the server ends");
    ended.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    acme.get("/jobs").await.problem(503, "draining");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_promises_too_much_is_refused_before_it_is_sent() {
    let app = TestApp::on_sqlite().await;
    let acme = app.acme().await;
    let server = listen(&app).await;
    for (path, bytes) in [("/jobs", (16 << 20) + 1_u64), ("/jobs/batch", 1 << 40)] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = head(&acme, "POST", path, &format!("connection: close\r\ncontent-length: {bytes}\r\n"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let said = tokio::time::timeout(Duration::from_secs(20), answer(&mut stream)).await.expect("no waiting for it");
        assert!(said.starts_with("HTTP/1.1 413") && said.contains("\"limit_exceeded\""), "{said}");
    }
    // Two lengths, or a length beside chunks, never reach a handler.
    for more in ["content-length: 2\r\ncontent-length: 3\r\n", "content-length: -1\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{}{{}}", head(&acme, "POST", "/jobs", more)).as_bytes()).await.unwrap();
        let said = answer(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    }
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
}
