//! How what goes wrong in a handler is reported. Nothing is tried again here: the job's policy does that.

use std::fmt;

use orch_client::HandlerError;

/// Bytes that stay bad.
pub(super) fn of_input(code: &str, error: &dyn std::error::Error) -> HandlerError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    HandlerError::permanent(code, text).class("input")
}

/// Something of an earlier step that is not there, or is no such thing.
pub(super) fn of_earlier(detail: impl fmt::Display) -> HandlerError {
    HandlerError::permanent("bad_earlier_step", detail)
}
