//! How what goes wrong in a handler is reported: for good, for now, or because the host asks for fewer requests.
//! Nothing is tried again here: the job's policy does that.

use std::fmt;

use orch_client::HandlerError;

use crate::{document::DocumentError, location::ReadError};

/// A bad document stays bad: its dead letter says why.
pub(super) fn of_document(error: &DocumentError) -> HandlerError {
    HandlerError::permanent(error.code.name(), error).class("document")
}

/// What an upstream or a disk did.
pub(super) fn of_reading(error: ReadError) -> HandlerError {
    match error {
        ReadError::Throttled { host, retry_after: Some(pause), status } => {
            HandlerError::throttled(host, pause).http_status(status)
        }
        ReadError::Throttled { status, .. } => {
            HandlerError::retryable("throttled", &error).class("upstream").http_status(status)
        }
        ReadError::Broken { .. } => HandlerError::retryable("upstream_broken", &error).class("upstream"),
        ReadError::Refused { .. } => HandlerError::permanent("upstream_refused", &error).class("upstream"),
        ReadError::Io { ref source, .. } => HandlerError::retryable("read_failed", format!("{error}: {source}")),
    }
}

/// A parent's result that cannot be used.
pub(super) fn of_parent(detail: impl fmt::Display) -> HandlerError {
    HandlerError::permanent("bad_parent", detail)
}

/// A part of a handler that ran on a thread of its own did not come back.
pub(super) fn of_thread(error: tokio::task::JoinError) -> HandlerError {
    HandlerError::retryable("thread_ended", error)
}
