//! Trigger rules: what becomes of a step, given how those before it ended.
//!
//! The rules are Airflow's of the same names (`all_success` is `all_succeeded` here):
//! <https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules>. Three things differ:
//!
//! - Airflow has a state `upstream_failed`. Here such a step is skipped with a reason, and counts for those after it as
//!   failed, just as there.
//! - Airflow has no canceled steps. Here a cancel is no failure, but nothing goes on after it except `all_done`.
//! - Airflow skips at the first skipped parent, and what comes after depends on whether that or a failure came first.
//!   Here a step is skipped early only when nothing that may still come could change the reason. So the order in which
//!   steps end changes nothing but the moment.

use orch_core::graph::Trigger;
use orch_core::run::End;
use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};

pub use orch_core::run::SkipReason;

/// What an end counts as for the steps after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// It succeeded, and met the edge's condition.
    Succeeded,
    /// It failed, or was skipped because something before it failed.
    Failed,
    /// It was canceled, or skipped because something before it was.
    Canceled,
    /// It was skipped for another reason, or succeeded without meeting the edge's condition.
    Skipped,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Canceled, Self::Skipped];
}

/// What an end counts as on an edge without a condition.
impl From<End> for Counted {
    fn from(end: End) -> Self {
        match end {
            End::Succeeded => Self::Succeeded,
            End::Failed => Self::Failed,
            End::Canceled => Self::Canceled,
            End::Skipped(SkipReason::UpstreamFailed) if mutant::on(Mutant::FailureLooksHarmless) => Self::Skipped,
            End::Skipped(SkipReason::UpstreamFailed) => Self::Failed,
            End::Skipped(SkipReason::UpstreamCanceled | SkipReason::RunCanceled) => Self::Canceled,
            End::Skipped(SkipReason::UpstreamSkipped | SkipReason::NothingFailed) => Self::Skipped,
        }
    }
}

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// What is before it has not decided it yet.
    Wait,
    /// It starts.
    Start,
    /// It never starts.
    Skip(SkipReason),
}

/// How those before a step ended, counted: an end costs the same however many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Counted as canceled.
    pub canceled: u32,
    /// Counted as failed.
    pub failed: u32,
    /// Counted as skipped.
    pub skipped: u32,
    /// Counted as succeeded.
    pub succeeded: u32,
    /// Have not ended.
    pub waiting: u32,
}

impl Tally {
    /// Of so many that have not ended.
    #[must_use]
    pub fn of(waiting: u32) -> Self {
        Self { waiting, ..Self::default() }
    }

    /// One of those that were waited for ended.
    pub fn count(&mut self, as_what: Counted) {
        self.waiting = self.waiting.saturating_sub(1);
        match as_what {
            Counted::Succeeded => self.succeeded += 1,
            Counted::Failed => self.failed += 1,
            Counted::Canceled => self.canceled += 1,
            Counted::Skipped => self.skipped += 1,
        }
    }

    /// One of those that were waited for is passed over: what ended before it counts in its stead.
    pub fn pass(&mut self, over: Self) {
        self.waiting = self.waiting.saturating_sub(1);
        if mutant::on(Mutant::DisabledSucceeds) {
            self.succeeded += 1;
            return;
        }
        // Rules ask only whether there is one. Where disabled steps part and meet again and again, numbers double.
        self.succeeded = self.succeeded.saturating_add(over.succeeded);
        self.failed = self.failed.saturating_add(over.failed);
        self.canceled = self.canceled.saturating_add(over.canceled);
        self.skipped = self.skipped.saturating_add(over.skipped);
    }

    /// Nothing is before it, or all that is was disabled with nothing before.
    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What becomes of a step with this rule. Once it is not `Wait`, no further end changes it.
#[must_use]
pub fn decide(trigger: Trigger, tally: Tally) -> Decision {
    let one_failed = tally.failed > 0 || (mutant::on(Mutant::CanceledIsFailed) && tally.canceled > 0);
    let late = mutant::on(Mutant::FailureWaitsForAll) && tally.waiting > 0;
    match trigger {
        Trigger::AllDone => {}
        Trigger::OneFailed if one_failed && !late => return Decision::Start,
        Trigger::OneFailed => {}
        Trigger::AllSucceeded | Trigger::NoneFailed | Trigger::NoneFailedMinOneSuccess => {
            if one_failed {
                return Decision::Skip(SkipReason::UpstreamFailed);
            }
        }
    }
    let early = mutant::on(Mutant::SkippedTooEarly) && trigger == Trigger::AllSucceeded && tally.skipped > 0;
    if tally.waiting > 0 && !early {
        return Decision::Wait;
    }
    decide_without_failure(trigger, tally)
}

/// All ended, and none counts as failed where that would matter.
fn decide_without_failure(trigger: Trigger, tally: Tally) -> Decision {
    if trigger == Trigger::AllDone {
        return Decision::Start;
    }
    if tally.canceled > 0 {
        return Decision::Skip(SkipReason::UpstreamCanceled);
    }
    let starts = match trigger {
        Trigger::OneFailed => return Decision::Skip(SkipReason::NothingFailed),
        Trigger::AllSucceeded => tally.skipped == 0,
        Trigger::NoneFailedMinOneSuccess => {
            tally.succeeded > 0 || tally.is_empty() || mutant::on(Mutant::NoSuccessNeeded)
        }
        Trigger::AllDone | Trigger::NoneFailed => true,
    };
    if starts { Decision::Start } else { Decision::Skip(SkipReason::UpstreamSkipped) }
}
