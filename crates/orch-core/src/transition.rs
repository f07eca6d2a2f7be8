//! The life of a job as one table: which event leads from which state to which, and what is refused.
//!
//! Nothing else decides a state. The table is total: each state × event is a row or a named refusal.

use crate::job::JobState;

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its last open dependency was met, and no moment is to be waited for.
    Unblocked,
    /// Its last open dependency was met, and `not_before` still lies ahead.
    UnblockedEarly,
    /// A dependency made it pointless.
    Pointless,
    /// Its moment came, or an operator said "now".
    Due,
    /// Handed out, not yet acknowledged.
    Granted,
    /// Handed out and acknowledged in one (auto-ack).
    GrantedRunning,
    /// The worker acknowledged.
    Acknowledged,
    /// The worker reported success.
    Succeeded,
    /// The attempt failed (or was lost, or timed out) and waits for its next try.
    FailedForNow,
    /// The attempt ended without success and goes back to its lane at once.
    BackToLane,
    /// The attempt failed for good, or the deadline passed.
    FailedForGood,
    /// Ended on request.
    Canceled,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 12] = [
        Self::Unblocked,
        Self::UnblockedEarly,
        Self::Pointless,
        Self::Due,
        Self::Granted,
        Self::GrantedRunning,
        Self::Acknowledged,
        Self::Succeeded,
        Self::FailedForNow,
        Self::BackToLane,
        Self::FailedForGood,
        Self::Canceled,
    ];
}

/// What the table refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// Final is final.
    #[error("the job is {} already", .0.as_str())]
    Final(JobState),
    /// The event has no meaning in this state.
    #[error("a job that is {} cannot meet {event:?}", .state.as_str())]
    OutOfPlace {
        /// The state.
        state: JobState,
        /// The event.
        event: Event,
    },
}

/// The table: (from, event, to). Whatever is not in it is refused.
pub const TABLE: &[(JobState, Event, JobState)] = {
    use Event as E;
    use JobState as S;
    &[
        (S::Blocked, E::Unblocked, S::Ready),
        (S::Blocked, E::UnblockedEarly, S::Scheduled),
        (S::Blocked, E::Pointless, S::Skipped),
        (S::Blocked, E::FailedForGood, S::Failed),
        (S::Blocked, E::Canceled, S::Canceled),
        (S::Scheduled, E::Due, S::Ready),
        (S::Scheduled, E::FailedForGood, S::Failed),
        (S::Scheduled, E::Canceled, S::Canceled),
        (S::Ready, E::Granted, S::Leased),
        (S::Ready, E::GrantedRunning, S::Running),
        (S::Ready, E::FailedForGood, S::Failed),
        (S::Ready, E::Canceled, S::Canceled),
        (S::Leased, E::Acknowledged, S::Running),
        (S::Leased, E::Succeeded, S::Succeeded),
        (S::Leased, E::FailedForNow, S::Scheduled),
        (S::Leased, E::BackToLane, S::Ready),
        (S::Leased, E::FailedForGood, S::Failed),
        (S::Leased, E::Canceled, S::Canceled),
        (S::Running, E::Succeeded, S::Succeeded),
        (S::Running, E::FailedForNow, S::Scheduled),
        (S::Running, E::BackToLane, S::Ready),
        (S::Running, E::FailedForGood, S::Failed),
        (S::Running, E::Canceled, S::Canceled),
    ]
};

/// The state after `event`.
///
/// # Errors
/// `Final` for any event on a final state, `OutOfPlace` for one that has no meaning there.
pub fn next(state: JobState, event: Event) -> Result<JobState, TransitionError> {
    if state.is_final() {
        return Err(TransitionError::Final(state));
    }
    TABLE
        .iter()
        .find(|(from, on, _)| *from == state && *on == event)
        .map(|(_, _, to)| *to)
        .ok_or(TransitionError::OutOfPlace { state, event })
}

#[cfg(test)]
mod tests;
