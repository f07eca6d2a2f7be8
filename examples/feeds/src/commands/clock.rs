//! The only reader of the clock in this executable.

use std::time::{Duration, Instant};

/// This moment.
#[expect(clippy::disallowed_methods, reason = "this module is where the executable reads the clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "this module is where the executable waits")]
pub(super) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
