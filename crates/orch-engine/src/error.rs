//! What the engine's callers get instead of an answer.

use orch_core::port::StoreError;
use orch_core::refusal::{Code, Refusal};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Refused; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This node does not own the shard now.
    #[error("this node does not own the shard")]
    NotOwner {
        /// When to ask again.
        retry_after_ms: u64,
        /// Who owns it, if that is known.
        address: Option<String>,
    },
    /// The command may or may not have happened.
    #[error("the outcome of the command is not known")]
    OutcomeUnknown,
    /// Too much waits.
    #[error("too many commands wait")]
    Overloaded {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// The engine is stopping.
    #[error("the engine is stopping")]
    Draining,
    /// The ledger did not answer a reading.
    #[error("the ledger could not be read")]
    Ledger(#[from] StoreError),
    /// A defect; the text is for the log alone.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// What a caller may see of it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal.clone(),
            Self::NotOwner { .. } => Refusal::new(Code::NotOwner, "this node does not own the shard now"),
            Self::OutcomeUnknown => Refusal::new(
                Code::OutcomeUnknown,
                "the command may or may not have happened: repeat it with its idempotency key",
            ),
            Self::Overloaded { .. } => Refusal::new(Code::Overloaded, "too many commands wait: try again later"),
            Self::Draining => Refusal::new(Code::Draining, "the server is shutting down"),
            Self::Ledger(_) => Refusal::new(Code::Overloaded, "the ledger does not answer: try again later"),
            Self::Internal(_) => Refusal::new(Code::Internal, "an internal error"),
        }
    }

    /// When to ask again, for those errors that pass.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::NotOwner { retry_after_ms, .. } | Self::Overloaded { retry_after_ms } => Some(*retry_after_ms),
            Self::OutcomeUnknown | Self::Draining | Self::Ledger(_) => Some(1_000),
            Self::Refused(refusal) if refusal.code.retryable() => Some(1_000),
            Self::Refused(_) | Self::Internal(_) => None,
        }
    }
}
