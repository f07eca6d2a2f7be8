//! Heartbeats on a thread of their own, with a runtime and connections of their own: whatever handlers do to the
//! runtime that they run on, leases are kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::worker::session::{chain, is_unknown_session};
use crate::worker::shared::Shared;

/// Leases in one call.
const LEASES_PER_CALL: usize = 1_000;
/// After a failure, the next one comes no later than this.
const FAILED_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Bounds of how long one call may take.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub struct Heartbeats {
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<()>,
}

impl Heartbeats {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Settings(format!("no thread for heartbeats: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let client = shared.loop_client.reconnected()?;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("orch-heartbeats".to_owned());
        let life = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = beat(&shared, &client) => {}
                }
            });
            // A name lookup that hangs must not hold up the end.
            runtime.shutdown_background();
            let _ = end.send(());
        };
        thread.spawn(life).map_err(failed)?;
        Ok(Self { stop: Some(stop), ended })
    }

    /// Ends the thread.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let _ = (&mut self.ended).await;
    }
}

/// Sends heartbeats for ever.
async fn beat(shared: &Shared, client: &Client) {
    let mut due = next(shared, clock::now());
    loop {
        tokio::select! {
            () = clock::pause_until(due) => {}
            () = shared.leases.shorter.notified() => {
                due = due.min(next(shared, clock::now()));
                continue;
            }
        }
        let began = clock::now();
        let interval = shared.leases.interval(shared.session.known().heartbeat);
        due = match beat_all(shared, client, interval).await {
            Ok(()) => next(shared, began),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "could not send a heartbeat");
                let soonest = interval.min(FAILED_PAUSE_MAX);
                clock::now() + clock::jitter(soonest, soonest, 1)
            }
        };
    }
}

/// When the next one is due after one that began then.
fn next(shared: &Shared, began: Instant) -> Instant {
    began + shared.leases.interval(shared.session.known().heartbeat)
}

async fn beat_all(shared: &Shared, client: &Client, interval: Duration) -> Result<(), Error> {
    let timeout = interval.clamp(TIMEOUT.0, TIMEOUT.1);
    let attempts = shared.leases.all();
    if attempts.is_empty() {
        return beat_known(shared, client, &[], timeout).await;
    }
    for attempts in attempts.chunks(LEASES_PER_CALL) {
        beat_known(shared, client, attempts, timeout).await?;
    }
    Ok(())
}

/// One call; announces the session again when the server has forgotten it.
async fn beat_known(
    shared: &Shared,
    client: &Client,
    attempts: &[Arc<crate::worker::attempt::Attempt>],
    timeout: Duration,
) -> Result<(), Error> {
    let known = shared.session.known();
    match shared.beat_once(client, attempts, timeout).await {
        Err(error) if is_unknown_session(&error) => {
            shared.session.announce(client, &known).await?;
            shared.beat_once(client, attempts, timeout).await
        }
        answer => answer,
    }
}
