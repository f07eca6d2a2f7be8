//! The one place here that reads a clock or waits.
//!
//! Everything else asks for a `Stopwatch`, a `pause`, or `wait_for`.

use std::time::{Duration, Instant};

/// Measures from its making.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this module is the clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "this module is the clock")]
pub fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// Asks again and again until there is an answer; `None` when `limit` has passed without one.
pub fn wait_for<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if watch.elapsed() >= limit {
            return None;
        }
        pause(Duration::from_millis(20));
    }
}
