//! The clock of the measuring programs, and their only sleep.

use std::time::{Duration, Instant};

/// Now.
#[must_use]
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measuring is about this clock, and it is read here alone")]
    Instant::now()
}

/// Lets time pass.
pub async fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a measurement lasts as long as it is told to")]
    tokio::time::sleep(time).await;
}
