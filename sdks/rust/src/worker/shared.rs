//! What the parts of a running worker share, and how one attempt is run from its lease to its report.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;

use crate::client::Client;
use crate::clock;
use crate::transport::Call;
use crate::worker::attempt::Attempt;
use crate::worker::context::JobContext;
use crate::worker::handler::{Handler, Outcome};
use crate::worker::handler_error::HandlerError;
use crate::worker::leases::Leases;
use crate::worker::session::{Session, chain};
use crate::worker::signal::Signal;
use crate::worker::slots::{Slots, Waiting};
use crate::worker::wire::{BeatIn, BeatLeaseIn, BeatOut, ItemsOut, Report, TokensIn};
use crate::worker::{Options, WorkerSummary, logs, reports};

/// Tokens in one call.
const TOKENS_PER_CALL: usize = 1_000;

/// What the parts share.
pub struct Shared {
    /// For loops that repeat by themselves.
    pub loop_client: Client,
    /// For handlers, more patient: one waits out a restart of the server rather than waste a try.
    pub client: Client,
    pub options: Options,
    pub handlers: BTreeMap<String, Arc<dyn Handler>>,
    pub session: Session,
    pub leases: Leases,
    pub slots: Slots,
    pub reports: UnboundedSender<reports::Message>,
    pub logs: UnboundedSender<logs::Message>,
    /// Reports that the server has not taken yet.
    pub unreported: AtomicUsize,
    /// The server asked for no more claims.
    pub server_drains: AtomicBool,
    /// No more claims: shutdown.
    pub stopping: Signal,
    /// The grace is over: handlers end at their next await.
    pub aborting: Signal,
    pub counts: Counts,
}

/// What is counted.
#[derive(Debug, Default)]
pub struct Counts {
    pub completed: AtomicU64,
    pub stale: AtomicU64,
    pub released: AtomicU64,
}

impl Counts {
    /// So far.
    pub fn summary(&self) -> WorkerSummary {
        WorkerSummary {
            completed: self.completed.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            released: self.released.load(Ordering::Relaxed),
        }
    }
}

/// How a handler's future ended.
enum Ended {
    By(Outcome),
    Lost,
    Aborted,
}

impl Shared {
    /// Runs attempts in one place, one after the other, until none waits.
    pub async fn occupy(self: Arc<Self>, first: Waiting) {
        let mut next = Some(first);
        while let Some((attempt, payload)) = next {
            let began = clock::now();
            self.attend(&attempt, payload).await;
            next = self.slots.next(clock::now().saturating_duration_since(began));
        }
    }

    async fn attend(self: &Arc<Self>, attempt: &Arc<Attempt>, payload: Box<RawValue>) {
        let ended = self.handle(attempt, payload).await;
        match ended {
            Ended::By(outcome) if !attempt.lost.is_raised() => {
                self.send_remains(attempt, outcome.is_err()).await;
                self.report(report(attempt, outcome));
            }
            Ended::By(_) | Ended::Lost => self.forget(attempt),
            Ended::Aborted => {
                self.send_remains(attempt, true).await;
                self.release(&[Arc::clone(&attempt.grant.token)]).await;
            }
        }
    }

    async fn handle(self: &Arc<Self>, attempt: &Arc<Attempt>, payload: Box<RawValue>) -> Ended {
        let Some(handler) = self.handlers.get(&attempt.grant.job_type) else {
            // The server knows the types that we announced; another one is given back.
            return Ended::Aborted;
        };
        let context = JobContext::new(Arc::clone(self), Arc::clone(attempt));
        let (hold_until, leave_by) = (attempt.grant.hold_until, attempt.grant.leave_by);
        let run = async move {
            if let Some(moment) = hold_until {
                clock::pause_until(moment).await;
            }
            if leave_by.is_some_and(|moment| clock::now() > moment) {
                // Its turn at the upstream is over: its request would come too close to the next.
                return Ended::Aborted;
            }
            Ended::By(handler.call(context, &payload).await)
        };
        let run = AssertUnwindSafe(run).catch_unwind();
        tokio::select! {
            biased;
            ended = run => ended.unwrap_or_else(|panic| Ended::By(Err(HandlerError::panic(panic.as_ref())))),
            () = attempt.lost.raised() => Ended::Lost,
            () = self.aborting.raised() => Ended::Aborted,
        }
    }

    /// Sends what must arrive before the fence falls with the report: log lines, and for a next attempt the checkpoint.
    async fn send_remains(&self, attempt: &Arc<Attempt>, again: bool) {
        if attempt.has_lines() {
            logs::send(self, attempt).await;
        }
        if again && attempt.has_unsent_checkpoint() {
            self.beat_once(&self.client, &[Arc::clone(attempt)], Duration::from_secs(5)).await.unwrap_or_else(
                |error| tracing::warn!(job = %attempt.grant.job, error = %chain(&error), "could not save a checkpoint"),
            );
        }
    }

    fn report(&self, report: Report) {
        self.unreported.fetch_add(1, Ordering::Relaxed);
        // The receiver lives as long as handlers run; after that nobody waits for reports.
        let _ = self.reports.send(Some(report));
    }

    /// An attempt that is not ours any more: nothing is reported.
    fn forget(&self, attempt: &Attempt) {
        tracing::info!(job = %attempt.grant.job, attempt = attempt.grant.attempt, "dropped: the lease is not current");
        self.counts.stale.fetch_add(1, Ordering::Relaxed);
        self.leases.remove(std::iter::once(&attempt.grant.token));
    }

    /// Gives leases back. What cannot be given back expires.
    pub async fn release(&self, tokens: &[Arc<str>]) {
        for tokens in tokens.chunks(TOKENS_PER_CALL) {
            self.leases.remove(tokens.iter());
            let call = Call::post("/worker/release").json(&TokensIn { tokens }).map(Call::repeatable);
            let answer = match call {
                Ok(call) => self.loop_client.with_patience(Duration::from_secs(5)).call::<ItemsOut>(call).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    let given = answer.items.iter().filter(|item| item.status == "ok").count();
                    self.counts.released.fetch_add(given as u64, Ordering::Relaxed);
                }
                Err(error) => tracing::warn!(leases = tokens.len(), error = %chain(&error), "could not release"),
            }
        }
    }

    /// One heartbeat for these attempts, with what waits to ride on it.
    pub async fn beat_once(
        &self,
        client: &Client,
        attempts: &[Arc<Attempt>],
        timeout: Duration,
    ) -> Result<(), crate::Error> {
        let known = self.session.known();
        let carried: Vec<_> = attempts.iter().map(|attempt| attempt.take_unsent()).collect();
        let leases = attempts.iter().zip(&carried).map(|(attempt, unsent)| BeatLeaseIn {
            token: &attempt.grant.token,
            progress: unsent.progress.as_ref(),
            checkpoint: unsent.checkpoint.as_deref(),
        });
        let body = BeatIn { session: &known.id, leases: leases.collect() };
        let call = Call::post("/worker/heartbeat").json(&body)?.repeatable().timeout(timeout);
        let answer: BeatOut = match client.call_once(call).await {
            Ok(answer) => answer,
            Err(error) => {
                attempts.iter().zip(carried).for_each(|(attempt, unsent)| attempt.put_back(unsent));
                return Err(error);
            }
        };
        for (attempt, item) in attempts.iter().zip(&answer.items) {
            if let Some(detail) = &item.detail {
                tracing::warn!(job = %attempt.grant.job, detail, "progress or checkpoint was not kept");
            }
            match item.answer.as_str() {
                "cancel" => attempt.canceled.raise(),
                "lost" => attempt.lost.raise(),
                _ => {}
            }
        }
        let drains = answer.session == "drain";
        if self.server_drains.swap(drains, Ordering::Relaxed) != drains {
            self.slots.freed.notify_one();
        }
        Ok(())
    }
}

/// What is told of an attempt.
fn report(attempt: &Attempt, outcome: Outcome) -> Report {
    let token = Arc::clone(&attempt.grant.token);
    match outcome {
        Ok(done) => Report {
            token,
            outcome: "succeeded",
            result: done.result,
            artifacts: done.artifacts,
            error: None,
            observations: done.observations,
            follow_ups: done.follow_ups,
            watermark: done.watermark,
            substitute: false,
        },
        Err(error) => {
            let told = error.told();
            Report {
                token,
                outcome: if told.canceled || attempt.canceled.is_raised() { "canceled" } else { "failed" },
                result: None,
                artifacts: Vec::new(),
                observations: told.observation.into_iter().collect(),
                error: (!told.canceled).then_some(told.error),
                follow_ups: Vec::new(),
                watermark: None,
                substitute: false,
            }
        }
    }
}
