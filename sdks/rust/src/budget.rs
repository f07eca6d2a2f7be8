//! How many repeated calls are allowed: a fifth of the calls made, and a floor for a client that calls seldom.
//!
//! Without it, every client repeats in the moment when the server can bear it least.

use std::time::Instant;

/// What one call adds.
const PER_CALL: f64 = 0.2;
/// What each second adds, whatever is called.
const PER_SECOND: f64 = 1.0;
/// The most that is saved up; also what a new client has.
const SAVED_MAX: f64 = 20.0;

/// A token bucket of repeats.
#[derive(Debug)]
pub struct Budget {
    saved: f64,
    filled_at: Instant,
}

impl Budget {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { saved: SAVED_MAX, filled_at: now }
    }

    /// A call was made for the first time.
    pub fn call(&mut self) {
        self.saved = (self.saved + PER_CALL).min(SAVED_MAX);
    }

    /// Takes one repeat, if there is one.
    pub fn repeat(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.saved = (self.saved + elapsed * PER_SECOND).min(SAVED_MAX);
        let granted = self.saved >= 1.0;
        if granted {
            self.saved -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn a_fifth_of_many_calls_may_be_repeated() {
        let start = clock::now();
        let mut budget = Budget::new(start);
        let mut repeats = 0;
        for _ in 0..10_000 {
            budget.call();
            repeats += u32::from(budget.repeat(start));
        }
        assert!((2_000..=2_020).contains(&repeats), "{repeats}");
    }

    #[test]
    fn a_silent_client_gets_one_a_second() {
        let start = clock::now();
        let mut budget = Budget::new(start);
        while budget.repeat(start) {}
        assert!(!budget.repeat(start + Duration::from_millis(500)));
        assert!(budget.repeat(start + Duration::from_millis(1_600)));
        assert!(!budget.repeat(start + Duration::from_millis(1_700)));
    }
}
