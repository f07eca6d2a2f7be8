//! How long calls took. Every call is kept: a run makes few enough of them.
//!
//! Producers and workers wait for each call before the next, so waiting in their own queue is not part of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Times of calls of one kind.
#[derive(Debug, Default)]
pub struct Latencies(Mutex<Vec<Duration>>);

/// What stands in the report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Calls.
    pub calls: usize,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latencies {
    /// Adds a call.
    pub fn add(&self, took: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(took);
    }

    /// Forgets the calls so far.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The spread of the calls so far; `None` when there were none.
    pub fn spread(&self) -> Option<Spread> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        let at = |percent: usize| {
            times[(times.len() * percent).div_ceil(100).saturating_sub(1).min(last)].as_secs_f64() * 1e3
        };
        Some(Spread { calls: times.len(), p50_ms: at(50), p99_ms: at(99), max_ms: at(100) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_calls_that_were_made() {
        let latencies = Latencies::default();
        assert_eq!(latencies.spread(), None);
        (1..=200).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let spread = latencies.spread().unwrap();
        assert_eq!((spread.calls, spread.p50_ms, spread.p99_ms, spread.max_ms), (200, 100.0, 198.0, 200.0));
        latencies.clear();
        latencies.add(Duration::from_millis(3));
        assert_eq!(latencies.spread().unwrap().p99_ms, 3.0);
    }
}
