//! An open job that is held in memory: whatever is more than "fresh in its lane".

use orch_core::fact::EndCause;
use orch_core::ids::{ClaimId, JobId, LaneNo, SessionId};
use orch_core::job::{JobError, JobState};
use orch_core::run::PartOf;
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::OpenJob;
use crate::command::Progress;

/// The state of an open job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub lane: LaneNo,
    pub state: JobState,
    /// Seq of the fact that accepted it.
    pub accepted: u64,
    /// Seq of its last fact; while ready also its order key.
    pub last_seq: u64,
    pub attempt: u32,
    pub tries: u32,
    pub lost: u32,
    /// Blocked: `not_before`. Scheduled: the moment.
    pub due_at: Option<Timestamp>,
    pub deadline: Option<Timestamp>,
    /// Parents that are not final.
    pub waits_for: u32,
    /// A parent's end made it pointless; it ends within the same command.
    pub doomed: bool,
    /// Set exactly while leased or running.
    pub lease: Option<Lease>,
    /// The last report that ended an attempt: epoch, attempt, fingerprint.
    pub reported: Option<(u64, u32, [u8; 16])>,
    pub error: Option<Box<JobError>>,
    /// Order key while ready.
    pub order_key: u64,
    /// The part of a run that it is.
    pub part: Option<Box<PartOf>>,
    /// It is ready, and out of its lane while its run is held.
    pub held: bool,
    #[serde(skip)]
    pub progress: Option<Box<Progress>>,
}

/// A lease as history knows it, and beside it what only the owner's memory knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub epoch: u64,
    pub session: SessionId,
    pub claim: ClaimId,
    pub granted_at: Timestamp,
    pub lease_ms: u64,
    /// The longest length that its worker may have been told since: its type's lease may have grown in between.
    pub longest_ms: u64,
    /// Its first request leaves then and not before.
    pub not_before: Option<Timestamp>,
    /// Nor later than then.
    pub leave_by: Option<Timestamp>,
    /// The breakers whose canary it is.
    pub probes: Box<[String]>,
    /// How long the attempt may run, as its worker was told at the grant.
    pub execution_ms: u64,
    /// Until then a canceled attempt may end by itself.
    pub grace_until: Option<Timestamp>,
    /// The end; moved by heartbeats, which are no facts.
    #[serde(skip)]
    pub until: Timestamp,
    /// The last sign of life.
    #[serde(skip)]
    pub heard_at: Option<Timestamp>,
    /// Unheard by then: given back. `None` once heard.
    #[serde(skip)]
    pub unheard_until: Option<Timestamp>,
    /// From where execution time counts (moved on by time not served).
    #[serde(skip)]
    pub execution_until: Timestamp,
}

impl Job {
    /// When to look at the job next, if time can do anything to it.
    pub fn next_moment(&self) -> Option<Timestamp> {
        let mut next = self.deadline;
        let mut earlier = |at: Option<Timestamp>| {
            next = match (next, at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        if self.state == JobState::Scheduled {
            earlier(self.due_at);
        }
        if let Some(lease) = &self.lease {
            earlier(Some(lease.until));
            earlier(Some(lease.execution_until));
            earlier(lease.grace_until);
            earlier(lease.unheard_until);
        }
        next
    }

    /// The job as others see it.
    pub fn seen(&self, id: JobId, token: Option<orch_core::lease::Token>) -> OpenJob {
        let lease = self.lease.as_ref();
        OpenJob {
            id,
            lane: self.lane,
            state: self.state,
            canceling: lease.is_some_and(|lease| lease.grace_until.is_some()),
            attempt: self.attempt,
            tries: self.tries,
            lost: self.lost,
            due_at: self.due_at.filter(|_| self.state == JobState::Scheduled),
            waits_for: self.waits_for,
            session: lease.map(|lease| lease.session),
            token,
            started_at: lease.map(|lease| lease.granted_at),
            error: self.error.as_deref().cloned(),
            progress: self.progress.as_deref().cloned(),
            last_seq: self.last_seq,
        }
    }
}

/// The word of an end's cause.
pub(crate) fn cause_word(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Reported => "reported",
        EndCause::TriesSpent => "tries_spent",
        EndCause::NotRetryable => "not_retryable",
        EndCause::WorkerLost => "worker_lost",
        EndCause::Deadline => "deadline",
        EndCause::Canceled => "canceled",
        EndCause::CancelGrace => "cancel_grace",
        EndCause::Dependency => "dependency",
        EndCause::Dropped => "dropped",
        EndCause::Superseded => "superseded",
    }
}
