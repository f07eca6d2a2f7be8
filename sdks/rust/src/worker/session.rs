//! The worker's session: announced once, and again, with the same boot id, whenever the server has forgotten it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::transport::Call;
use crate::worker::Options;
use crate::worker::wire::{SessionIn, SessionOut};

/// First pause of the worker's own loops after a failure.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest pause of them.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The least that is between two heartbeats.
const HEARTBEAT_MIN: Duration = Duration::from_millis(50);

/// What an announcement was answered with.
#[derive(Debug)]
pub struct Known {
    /// The session.
    pub id: String,
    /// How often it wants to be heard of.
    pub heartbeat: Duration,
}

/// The worker's session.
#[derive(Debug)]
pub struct Session {
    boot_id: String,
    worker_id: String,
    job_types: Vec<String>,
    capacity: usize,
    known: Mutex<Arc<Known>>,
    /// Held while announcing: claims and heartbeats find out at the same time that they are unknown.
    announcing: tokio::sync::Mutex<()>,
}

impl Session {
    /// One that has not been announced.
    pub fn new(options: &Options, boot_id: String, job_types: Vec<String>) -> Self {
        Self {
            boot_id,
            worker_id: options.worker_id.clone(),
            job_types,
            capacity: options.capacity,
            known: Mutex::new(Arc::new(Known { id: String::new(), heartbeat: HEARTBEAT_MIN })),
            announcing: tokio::sync::Mutex::default(),
        }
    }

    /// As it is known to the server, to our knowledge.
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.lock())
    }

    /// Announces it, until answered, unless that has happened since `unknown` was found to be unknown.
    pub async fn announce(&self, client: &Client, unknown: &Arc<Known>) -> Result<(), Error> {
        let _alone = self.announcing.lock().await;
        if !Arc::ptr_eq(&self.known(), unknown) {
            return Ok(());
        }
        let mut failures = 0;
        loop {
            match self.announce_once(client).await {
                Ok(known) => {
                    tracing::info!(session = known.id, worker = self.worker_id, "announced");
                    *self.lock() = Arc::new(known);
                    return Ok(());
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => back_off("announce the worker", &error, &mut failures).await,
            }
        }
    }

    async fn announce_once(&self, client: &Client) -> Result<Known, Error> {
        let body = SessionIn {
            worker_id: &self.worker_id,
            boot_id: &self.boot_id,
            job_types: self.job_types.iter().map(String::as_str).collect(),
            capacity: self.capacity,
            sdk: crate::SDK,
        };
        let call = Call::post("/worker/sessions").json(&body)?.repeatable().timeout(Duration::from_secs(10));
        let answer: SessionOut = client.call_once(call).await?;
        let heartbeat = Duration::from_millis(answer.heartbeat_ms).max(HEARTBEAT_MIN);
        Ok(Known { id: answer.session, heartbeat })
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Known>> {
        self.known.lock().expect("the lock is whole, because nothing panics while it is held")
    }
}

/// Repeating the call cannot help.
pub fn is_final(error: &Error) -> bool {
    match error {
        Error::Problem(problem) => !problem.retryable,
        Error::Encode(_) | Error::Settings(_) => true,
        _ => false,
    }
}

/// The server does not know the session.
pub fn is_unknown_session(error: &Error) -> bool {
    error.code() == Some("unknown_session")
}

/// Says what failed and waits: longer with each failure in a row, and at least as long as the server asked.
pub async fn back_off(what: &str, error: &Error, failures: &mut u32) {
    *failures += 1;
    let asked =
        error.problem().and_then(|problem| problem.retry_after_ms).map_or(Duration::ZERO, Duration::from_millis);
    let pause = clock::jitter(PAUSE, PAUSE_MAX, *failures).max(asked);
    if *failures == 1 {
        tracing::warn!(error = %chain(error), "could not {what}; trying again");
    } else {
        tracing::debug!(error = %chain(error), failures, ?pause, "could not {what}; trying again");
    }
    clock::pause(pause).await;
}

/// An error with its causes.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
