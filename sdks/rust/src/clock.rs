//! The only reader of clocks and chance in this crate, so that everything else takes both as arguments.

use std::time::{Duration, Instant};

use rand::Rng as _;

/// This moment on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this module is where the crate reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// This moment on the wall, for people who read logs; nothing is decided by it.
pub fn wall() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "this module is where the crate waits")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until then.
pub async fn pause_until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// A new UUIDv7.
pub fn uuid() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

/// Full jitter: uniform in [0, ceiling], where the ceiling doubles with each failure, from `base` to `max`.
pub fn jitter(base: Duration, max: Duration, failures: u32) -> Duration {
    let ceiling = base.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(max);
    ceiling.mul_f64(rand::rng().random_range(0.0..=1.0))
}
