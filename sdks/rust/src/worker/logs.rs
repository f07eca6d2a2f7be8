//! Log lines: gathered for a moment, sent in batches by attempt, and before the report that lowers the fence.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock;
use crate::transport::Call;
use crate::worker::attempt::Attempt;
use crate::worker::session::chain;
use crate::worker::shared::Shared;
use crate::worker::wire::LogsIn;

/// Lines are gathered so long.
const GATHER: Duration = Duration::from_millis(500);
/// Lines in one call.
const LINES_PER_CALL: usize = 500;
/// How long lines are tried before they are given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the sender of logs is told.
#[derive(Debug)]
pub enum Message {
    /// This attempt has lines.
    Lines(Arc<Attempt>),
    /// No more will come.
    Close,
}

/// Sends lines until told that no more will come.
pub async fn run(shared: Arc<Shared>, mut inbox: UnboundedReceiver<Message>) {
    let mut open = true;
    while open {
        let mut attempts = Vec::new();
        open = take(inbox.recv().await, &mut attempts);
        if open {
            clock::pause(GATHER).await;
        }
        while let Ok(message) = inbox.try_recv() {
            open &= take(Some(message), &mut attempts);
        }
        for attempt in attempts {
            send(&shared, &attempt).await;
        }
    }
}

/// False when no more will come.
fn take(message: Option<Message>, attempts: &mut Vec<Arc<Attempt>>) -> bool {
    match message {
        Some(Message::Lines(attempt)) => attempts.push(attempt),
        Some(Message::Close) | None => return false,
    }
    true
}

/// Sends all lines of an attempt, in order.
pub async fn send(shared: &Shared, attempt: &Attempt) {
    let _in_order = attempt.sending_lines.lock().await;
    loop {
        let lines = attempt.take_lines(LINES_PER_CALL);
        if lines.is_empty() || attempt.lost.is_raised() {
            return;
        }
        let body = LogsIn { token: &attempt.grant.token, lines: &lines };
        let outcome = match Call::post("/worker/logs").json(&body).map(Call::repeatable) {
            Ok(call) => shared.loop_client.with_patience(PATIENCE).send(call).await.map(drop),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {}
            Err(error) if error.is_stale_lease() => attempt.lost.raise(),
            Err(error) => {
                tracing::warn!(job = %attempt.grant.job, lines = lines.len(), error = %chain(&error), "log lines are lost");
            }
        }
    }
}
