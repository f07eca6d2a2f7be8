//! A job's past as shown: its facts in order, and the attempts read out of them.

use orch_core::fact::{Fact, Record};
use orch_core::job::AttemptOutcome;
use orch_core::{SessionId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::texts::SessionIdText;
use crate::http::words::{ErrorBody, Moment};

/// One fact.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactOut {
    /// Its place in the tenant's sequence.
    pub seq: u64,
    /// When it was decided.
    pub at: Moment,
    /// Its kind. More may come.
    #[schema(example = "lease_granted")]
    pub kind: &'static str,
    /// What it says.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// Members of facts that are moments in milliseconds; shown as RFC 3339.
const MOMENTS: [&str; 5] = ["at", "deadline", "grace_until", "heard_at", "not_before"];

impl From<Record> for FactOut {
    fn from(record: Record) -> Self {
        let kind = record.body.kind();
        let mut data = match serde_json::to_value(record.body) {
            Ok(Value::Object(mut tagged)) => tagged.remove(kind).unwrap_or_default(),
            _ => Value::Null,
        };
        show_moments(&mut data);
        Self { seq: record.seq, at: Moment(record.at), kind, data }
    }
}

fn show_moments(data: &mut Value) {
    let Value::Object(members) = data else { return };
    for (name, value) in members {
        match value.as_i64().filter(|_| MOMENTS.contains(&name.as_str())) {
            Some(ms) => *value = Timestamp::from_millis(ms).to_rfc3339().into(),
            // `next` says when the next try is due; labels and the like hold no numbers.
            None if name == "next" => show_moments(value),
            None => {}
        }
    }
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptOut {
    /// Its number, from 1.
    pub attempt: u32,
    /// The worker session that got it.
    #[schema(value_type = SessionIdText)]
    pub session: SessionId,
    /// When it was handed out.
    pub granted_at: Moment,
    /// When the worker acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_at: Option<Moment>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// How it ended: `succeeded`, `failed`, `canceled`, `timed_out`, `lost` or `released`. More may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "succeeded")]
    pub outcome: Option<AttemptOutcome>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// The attempts that a job's facts tell of, in order.
pub fn attempts(history: Vec<Record>) -> Vec<AttemptOut> {
    let mut attempts: Vec<AttemptOut> = Vec::new();
    for record in history {
        let at = Moment(record.at);
        match record.body {
            Fact::LeaseGranted { attempt, auto_ack, session, .. } => attempts.push(AttemptOut {
                attempt,
                session,
                granted_at: at,
                acked_at: auto_ack.then_some(at),
                ended_at: None,
                outcome: None,
                error: None,
            }),
            Fact::LeaseAcked { .. } => {
                if let Some(last) = attempts.last_mut() {
                    last.acked_at = Some(at);
                }
            }
            Fact::AttemptEnded { outcome, error, .. } => end(&mut attempts, at, Some(outcome), error),
            Fact::JobFinished { outcome, error, .. } => end(&mut attempts, at, outcome, error),
            _ => {}
        }
    }
    attempts
}

fn end(
    attempts: &mut [AttemptOut],
    at: Moment,
    outcome: Option<AttemptOutcome>,
    error: Option<orch_core::job::JobError>,
) {
    let Some(last) = attempts.last_mut().filter(|last| last.ended_at.is_none()) else { return };
    if outcome.is_some() {
        last.ended_at = Some(at);
        last.outcome = outcome;
        last.error = error.map(ErrorBody::from);
    }
}

/// What the attempts cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attempts that count against the budget.
    pub tries: u32,
    /// Leases that were lost.
    pub lost: u32,
}

/// Counts tries and lost leases; what was given back, ended by a cancel, or failed
/// while a breaker was open costs nothing.
pub fn counts(history: &[Record]) -> Counts {
    let mut counts = Counts::default();
    for record in history {
        let outcome = match &record.body {
            Fact::AttemptEnded { free: false, outcome, .. } => Some(*outcome),
            Fact::JobFinished { outcome, .. } => *outcome,
            _ => None,
        };
        match outcome {
            Some(AttemptOutcome::Lost) => counts.lost += 1,
            Some(AttemptOutcome::Succeeded | AttemptOutcome::Failed | AttemptOutcome::TimedOut) => counts.tries += 1,
            Some(AttemptOutcome::Canceled | AttemptOutcome::Released) | None => {}
        }
    }
    counts
}
