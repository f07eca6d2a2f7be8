//! What can go wrong, for callers who branch on it: the server said no, could not be reached, or was not understood.

use serde::Deserialize;

use crate::id::{JobId, RunId};
use crate::job::JobState;
use crate::rehearsal::Rehearsal;
use crate::run::RunState;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with a problem.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// No answer came; whether the call had an effect is not known, unless it never left.
    #[error("no answer from {address}")]
    Transport {
        /// Where it was sent.
        address: String,
        /// Why there is none.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is not what the contract says.
    #[error("could not read the answer to {call}")]
    Decode {
        /// Method and path.
        call: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A value of the caller's cannot be written as JSON.
    #[error("could not write the value as JSON")]
    Encode(#[source] serde_json::Error),
    /// The client cannot be made of these settings.
    #[error("{0}")]
    Settings(String),
    /// A rehearsing client did not send this write.
    #[error("{} {} was not sent: this is a rehearsal", .0.method, .0.path)]
    Rehearsed(Box<Rehearsal>),
    /// The job was not final when the time was up.
    #[error("job {job} is still {state}")]
    WaitTimedOut {
        /// The job.
        job: JobId,
        /// Its state.
        state: JobState,
    },
    /// The run had not ended when the time was up.
    #[error("run {run} is still {state}")]
    RunWaitTimedOut {
        /// The run.
        run: RunId,
        /// Its state.
        state: RunState,
    },
}

/// A problem that the server answered with (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Deserialize)]
#[error("{code}: {}", if .detail.is_empty() { .title } else { .detail })]
#[serde(default)]
pub struct Problem {
    /// The stable code: `stale_lease`, `not_found`, …
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem for people.
    pub title: String,
    /// One sentence about this case.
    pub detail: String,
    /// True when the same call may succeed later.
    pub retryable: bool,
    /// Names the request in the server's log.
    pub request_id: Option<String>,
    /// The fields to blame.
    pub errors: Vec<FieldError>,
    /// How long the server asked to wait, in milliseconds.
    #[serde(skip)]
    pub retry_after_ms: Option<u64>,
}

/// One field of a refused body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// Its path: `jobs[3].payload`.
    pub field: String,
    /// The stable code.
    pub code: String,
    /// One sentence.
    pub detail: String,
}

impl Default for Problem {
    fn default() -> Self {
        Self {
            code: "unknown".to_owned(),
            status: 0,
            title: String::new(),
            detail: String::new(),
            retryable: false,
            request_id: None,
            errors: Vec::new(),
            retry_after_ms: None,
        }
    }
}

impl Problem {
    /// The first field to blame.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.errors.first().map(|error| error.field.as_str())
    }
}

impl Error {
    /// The problem, if the server answered with one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The problem's code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }

    /// The problem's HTTP status.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(|problem| problem.status)
    }

    /// True when the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.retryable,
            Self::Transport { .. } => true,
            _ => false,
        }
    }

    /// True when the lease that the call named is not current any more.
    #[must_use]
    pub fn is_stale_lease(&self) -> bool {
        self.code() == Some("stale_lease")
    }
}
