//! The only module that reads a clock: for request ids and for the age of what the token cache holds.
//! What is decided about jobs goes by the engine's time, never by this.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use orch_core::Timestamp;

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
