//! The life of a worker: announce, claim, drain. The order of the drain matters and is here alone.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock;
use crate::error::Error;
use crate::worker::heartbeats::Heartbeats;
use crate::worker::leases::Leases;
use crate::worker::session::Session;
use crate::worker::shared::{Counts, Shared};
use crate::worker::signal::Signal;
use crate::worker::slots::Slots;
use crate::worker::{Worker, WorkerSummary, claims, logs, reports};

/// How long the calls of handlers are repeated while the server cannot serve them.
const HANDLER_PATIENCE: Duration = Duration::from_secs(120);
/// How long ended handlers may take to give back what they held.
const ABORT_GRACE: Duration = Duration::from_secs(3);
/// How long the last reports may take.
const REPORT_GRACE: Duration = Duration::from_secs(10);

/// Ends everything when the caller drops the future of `run`.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.stopping.raise();
        self.0.aborting.raise();
    }
}

/// Runs a worker to its end.
pub async fn run(worker: Worker, boot_id: String, shutdown: impl Future<Output = ()>) -> Result<WorkerSummary, Error> {
    if worker.handlers.is_empty() {
        return Err(Error::Settings("a worker without handlers has nothing to do".to_owned()));
    }
    let (shared, reports_inbox, logs_inbox) = share(worker, boot_id);
    let guard = Guard(Arc::clone(&shared));
    let mut shutdown = std::pin::pin!(shutdown);
    let unknown = shared.session.known();
    tokio::select! {
        announced = shared.session.announce(&shared.loop_client, &unknown) => announced?,
        () = &mut shutdown => return Ok(WorkerSummary::default()),
    }
    let heartbeats = Heartbeats::start(Arc::clone(&shared))?;
    let mut senders = JoinSet::new();
    senders.spawn(reports::run(Arc::clone(&shared), reports_inbox));
    senders.spawn(logs::run(Arc::clone(&shared), logs_inbox));
    // On a task of its own: the caller's future may sit on a thread that wakes slowly.
    let mut claiming = AbortOnDrop(tokio::spawn(claims::run(Arc::clone(&shared))));
    let claimed = tokio::select! {
        claimed = &mut claiming.0 => claimed,
        () = &mut shutdown => {
            shared.stopping.raise();
            (&mut claiming.0).await
        }
    };
    drain(&shared, senders).await;
    heartbeats.stop().await;
    drop(guard);
    let summary = shared.counts.summary();
    tracing::info!(?summary, "drained");
    match claimed {
        Ok(outcome) => outcome.map(|()| summary),
        Err(error) => Err(Error::Settings(format!("the claiming task ended early: {error}"))),
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Inboxes = (Arc<Shared>, UnboundedReceiver<reports::Message>, UnboundedReceiver<logs::Message>);

fn share(worker: Worker, boot_id: String) -> Inboxes {
    let (reports, reports_inbox) = unbounded_channel();
    let (logs, logs_inbox) = unbounded_channel();
    let job_types = worker.handlers.keys().cloned().collect();
    let shared = Shared {
        client: worker.client.with_patience(HANDLER_PATIENCE),
        session: Session::new(&worker.options, boot_id, job_types),
        slots: Slots::new(worker.options.capacity),
        loop_client: worker.client,
        options: worker.options,
        handlers: worker.handlers,
        leases: Leases::default(),
        reports,
        logs,
        unreported: AtomicUsize::new(0),
        server_drains: AtomicBool::new(false),
        stopping: Signal::default(),
        aborting: Signal::default(),
        counts: Counts::default(),
    };
    (Arc::new(shared), reports_inbox, logs_inbox)
}

/// Gives back what has not begun, waits for what has, and for its reports.
async fn drain(shared: &Arc<Shared>, mut senders: JoinSet<()>) {
    let unstarted: Vec<_> =
        shared.slots.take_waiting().iter().map(|(attempt, _)| Arc::clone(&attempt.grant.token)).collect();
    shared.release(&unstarted).await;
    if !idle_within(shared, shared.options.grace).await {
        tracing::warn!(running = shared.slots.running(), "the grace is over; handlers are ended");
        shared.aborting.raise();
        if !idle_within(shared, ABORT_GRACE).await {
            tracing::warn!(running = shared.slots.running(), "handlers that never await are left behind");
        }
    }
    let _ = shared.logs.send(logs::Message::Close);
    let _ = shared.reports.send(None);
    let sent = async { while senders.join_next().await.is_some() {} };
    if tokio::time::timeout(REPORT_GRACE, sent).await.is_err() {
        tracing::warn!("the last reports were not answered; their leases expire");
    }
}

/// True when no handler runs within the time.
async fn idle_within(shared: &Shared, limit: Duration) -> bool {
    let until = clock::now() + limit;
    while shared.slots.running() > 0 {
        tokio::select! {
            () = shared.slots.freed.notified() => {}
            () = clock::pause_until(until) => return shared.slots.running() == 0,
        }
    }
    true
}
