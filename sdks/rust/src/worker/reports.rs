//! Reports: batched while calls are in flight, sent at once while none is, repeated until answered.
//!
//! The batch grows with load by itself, as what comes in during one call leaves with the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::error::Error;
use crate::job::JobError;
use crate::transport::Call;
use crate::watermark::Advance;
use crate::worker::session::{back_off, chain, is_final};
use crate::worker::shared::Shared;
use crate::worker::wire::{CompleteIn, ItemOut, ItemsOut, Report};

/// Beside a call in flight, another one leaves only with so many.
const BATCH: usize = 200;
/// Reports in one call.
const BATCH_MAX: usize = 1_000;
/// Bytes of results and follow-ups in one call, roughly; the server takes 16 MiB.
const BATCH_BYTES_MAX: usize = 6 << 20;
/// Calls in flight.
const CALLS_MAX: usize = 4;
/// So often a call may meet a defect of the server's before its reports are looked for the culprit.
const DEFECTS_MAX: u32 = 6;
/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the sender of reports is told: a report, or `None`: no more will come.
pub type Message = Option<Report>;

/// Sends reports until told that no more will come, and all are answered.
pub async fn run(shared: Arc<Shared>, mut inbox: UnboundedReceiver<Message>) {
    let mut pending = VecDeque::new();
    let mut calls = FuturesUnordered::new();
    let mut open = true;
    loop {
        // Handlers that end in this same moment leave with the same call.
        tokio::task::yield_now().await;
        while let Ok(message) = inbox.try_recv() {
            open &= take(message, &mut pending);
        }
        let due = calls.is_empty() || (pending.len() >= BATCH && calls.len() < CALLS_MAX);
        if due && !pending.is_empty() {
            calls.push(deliver(&shared, batch(&mut pending)));
            continue;
        }
        if !open && calls.is_empty() {
            return;
        }
        tokio::select! {
            Some(again) = calls.next(), if !calls.is_empty() => pending.extend(again),
            message = inbox.recv(), if open => open &= take(message.flatten(), &mut pending),
        }
    }
}

/// False when no more will come.
fn take(message: Message, pending: &mut VecDeque<Report>) -> bool {
    let open = message.is_some();
    pending.extend(message);
    open
}

/// The first reports that fit one call; at least one.
fn batch(pending: &mut VecDeque<Report>) -> Vec<Report> {
    let mut bytes = 0;
    let fits = |report: &&Report| {
        bytes += weight(report);
        bytes <= BATCH_BYTES_MAX
    };
    let count = pending.iter().take(BATCH_MAX).take_while(fits).count().max(1);
    pending.drain(..count).collect()
}

fn weight(report: &Report) -> usize {
    let result = report.result.as_ref().map_or(0, |result| result.get().len());
    let follow_ups: usize = report.follow_ups.iter().map(|job| job.payload_len() + 512).sum();
    let watermark = report.watermark.as_deref().map_or(0, Advance::weight);
    512 + result + follow_ups + watermark + report.artifacts.len() * 256
}

/// Sends one batch until it is answered. Returns what must be reported in the stead of refused reports.
async fn deliver(shared: &Shared, mut batch: Vec<Report>) -> Vec<Report> {
    let mut failures = 0;
    let mut again = Vec::new();
    let mut rest = Vec::new();
    loop {
        match send(shared, &batch).await {
            Ok(answers) => again.extend(settle(shared, batch, answers)),
            Err(error) if poisoned(&error, failures) && batch.len() > 1 => {
                // One of them spoils the call: halves find it.
                rest.push(batch.split_off(batch.len() / 2));
                failures = 0;
                continue;
            }
            Err(error) if poisoned(&error, failures) => {
                tracing::error!(error = %chain(&error), "the server refuses a report");
                let refused = ItemOut {
                    code: error.code().map(str::to_owned),
                    detail: Some(error.to_string()),
                    ..ItemOut::default()
                };
                again.extend(settle(shared, batch, vec![refused]));
            }
            Err(error) => {
                back_off("report", &error, &mut failures).await;
                continue;
            }
        }
        match rest.pop() {
            Some(next) => batch = next,
            None => return again,
        }
    }
}

/// The call will fail in the same way again, because of what is in it.
fn poisoned(error: &Error, failures: u32) -> bool {
    is_final(error) || (error.status() == Some(500) && failures >= DEFECTS_MAX)
}

async fn send(shared: &Shared, batch: &[Report]) -> Result<Vec<ItemOut>, Error> {
    let call = Call::post("/worker/complete").json(&CompleteIn { items: batch })?.repeatable().timeout(TIMEOUT);
    let answer: ItemsOut = shared.loop_client.call_once(call).await?;
    Ok(answer.items)
}

/// Lets the leases of answered reports go.
fn settle(shared: &Shared, batch: Vec<Report>, answers: Vec<ItemOut>) -> Vec<Report> {
    let mut again = Vec::new();
    let mut gone = Vec::with_capacity(batch.len());
    let mut completed = 0;
    let mut answers = answers.into_iter();
    for report in batch {
        let answer = answers.next().unwrap_or_default();
        if answer.status == "ok" {
            completed += 1;
        } else if let Some(substitute) = refused(shared, &report, answer) {
            again.push(substitute);
            continue;
        }
        gone.push(report.token);
    }
    shared.leases.remove(gone.iter());
    shared.counts.completed.fetch_add(completed, Ordering::Relaxed);
    shared.unreported.fetch_sub(gone.len(), Ordering::Relaxed);
    shared.slots.freed.notify_one();
    again
}

/// What is reported instead: a report that the server cannot take (a result too large, a bad follow-up) must not
/// leave the job hanging, but end it with the reason.
fn refused(shared: &Shared, report: &Report, answer: ItemOut) -> Option<Report> {
    let code = answer.code.unwrap_or_else(|| "unknown".to_owned());
    let detail = answer.detail.unwrap_or_default();
    let over = matches!(code.as_str(), "stale_lease" | "completion_conflict" | "unauthenticated" | "forbidden");
    if over || report.substitute {
        shared.counts.stale.fetch_add(1, Ordering::Relaxed);
        tracing::info!(token = %report.token, code, detail, "a report was refused; the attempt is dropped");
        return None;
    }
    tracing::warn!(token = %report.token, code, detail, "a report was refused; the attempt fails with the reason");
    let field = answer.field.map(|field| format!(" ({field})")).unwrap_or_default();
    // Another attempt begins where the watermark is now; nothing else that is refused gets better by itself.
    let moved = code == "watermark_conflict";
    let error = JobError {
        class: Some("handler".to_owned()),
        code: if moved { code.clone() } else { "report_refused".to_owned() },
        message: format!("{code}{field}: {detail}").chars().take(2_000).collect(),
        retryable: moved,
        ..JobError::default()
    };
    Some(Report {
        token: Arc::clone(&report.token),
        outcome: "failed",
        result: None,
        artifacts: Vec::new(),
        error: Some(error),
        observations: Vec::new(),
        follow_ups: Vec::new(),
        watermark: None,
        substitute: true,
    })
}
