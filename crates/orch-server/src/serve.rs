//! Serving until told to stop: accept no more, drain the engine (parked claims are answered), let calls end.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http::router;
use crate::state::AppState;

/// How long open connections may take to end once the engine has drained.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is ready; then accepts no more, drains the engine and lets the calls under way end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // Answers are small and awaited: without this the kernel holds some back for the next.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "could not switch off Nagle's algorithm");
        }
    });
    let stop = CancellationToken::new();
    let server = axum::serve(listener, router(state.clone())).with_graceful_shutdown(stop.clone().cancelled_owned());
    let server = tokio::spawn(server.into_future());
    let abort = server.abort_handle();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.map_err(io::Error::other)?,
        () = shutdown => {}
    }
    state.drain();
    stop.cancel();
    state.engine().shutdown().await;
    match tokio::time::timeout(LAST_ANSWERS, &mut server).await {
        Ok(ended) => ended.map_err(io::Error::other)?,
        Err(_) => {
            // Idle readers may hold connections open; nothing that was accepted is unanswered by now.
            abort.abort();
            Ok(())
        }
    }
}
