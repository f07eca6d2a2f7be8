//! One replica: listener, engine and server, from the start to the drain.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use orch_server::AppState;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that accepts calls.
#[derive(Debug)]
pub struct Replica {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// Binds before anything else, so that a port in use is told at once.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("could not listen on {address}"))?;
    let url = format!("http://{}", listener.local_addr().context("the listener has no address")?);
    Ok((listener, url))
}

impl Replica {
    /// Accepts calls.
    pub fn start(listener: TcpListener, state: AppState) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(orch_server::serve(listener, state, async {
            // Dropping the other end means the same.
            let _ = stopped.await;
        }));
        Self { stop, serving }
    }

    /// Serves until a signal comes, then drains.
    pub async fn run(mut self, end: &mut End) -> Result<()> {
        let ended = tokio::select! {
            ended = &mut self.serving => ended,
            () = end.comes() => {
                tracing::info!("draining");
                end.next_one_kills();
                drop(self.stop);
                self.serving.await
            }
        };
        ended.context("the server's task failed")?.context("the server failed")
    }
}

/// What ends a replica: SIGTERM or SIGINT.
#[derive(Debug)]
pub struct End {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl End {
    /// Listens for signals from here on.
    pub fn watch() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
            let interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
            Ok(Self { terminate, interrupt })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for one.
    pub async fn comes(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Somebody who asks twice means it.
    fn next_one_kills(&self) {
        tokio::spawn(async {
            if let Ok(mut again) = Self::watch() {
                again.comes().await;
                std::process::exit(1);
            }
        });
    }
}
