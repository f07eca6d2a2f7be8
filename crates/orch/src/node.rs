//! One node: an engine over a ledger, and the HTTP server before it, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use orch_core::port::{BlobStore, Ledger};
use orch_engine::{Engine, EngineOptions};
use orch_server::AppState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Starts an engine; other nodes would find this one at `address`.
pub fn start(ledger: Arc<dyn Ledger>, blobs: Arc<dyn BlobStore>, address: &str) -> Engine {
    let mut options = EngineOptions::new(ledger, blobs);
    address.clone_into(&mut options.address);
    Engine::start(options)
}

/// Waits until the engine serves.
///
/// # Errors
/// When it stopped instead.
pub async fn serving(engine: &Engine) -> Result<()> {
    if engine.serving().await { Ok(()) } else { bail!("the engine stopped before it served") }
}

/// Listens; returns the base address that clients use.
///
/// # Errors
/// When the address cannot be had.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("could not listen on {address}"))?;
    let bound = listener.local_addr().context("could not read the address that was bound")?;
    Ok((listener, format!("http://{bound}")))
}

/// Serves until SIGTERM or Ctrl-C, then drains.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, engine: Engine) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not wait for SIGTERM")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping: draining what was accepted");
    };
    orch_server::serve(listener, AppState::new(engine), stop).await.context("the server failed")
}
