//! The clock of the measuring programs, and their only sleeps.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGAN: LazyLock<Instant> = LazyLock::new(now);

/// Now.
#[must_use]
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measuring is about this clock, and it is read here alone")]
    Instant::now()
}

/// Time since this clock was first read so: a moment that can travel in a payload.
#[must_use]
pub fn elapsed() -> Duration {
    BEGAN.elapsed()
}

/// Lets time pass.
pub async fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a measurement lasts as long as it is told to")]
    tokio::time::sleep(time).await;
}

/// Holds this thread until a moment of `elapsed`, finer than the timers of tasks, which are millisecond ones.
pub fn wait_until(moment: Duration) {
    #[expect(clippy::disallowed_methods, reason = "arrivals have a thread of their own")]
    std::thread::sleep(moment.saturating_sub(elapsed()));
}
