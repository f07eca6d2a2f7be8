//! How long calls took, and how long jobs waited for their start: histograms with three significant digits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Significant digits.
const DIGITS: u8 = 3;
/// Longer times count as this one: an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// Times of one kind.
#[derive(Debug)]
pub struct Latencies(Mutex<Histogram<u64>>);

/// What stands in the report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many there were.
    pub calls: u64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 90 of 100 took no longer.
    pub p90_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// 999 of 1,000 took no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self(Mutex::new(Histogram::new_with_max(MICROS_MAX, DIGITS).expect("three digits are allowed")))
    }
}

impl Latencies {
    /// Adds a time.
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    /// Forgets the times so far.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reset();
    }

    /// The spread of the times so far; `None` when there were none.
    pub fn spread(&self) -> Option<Spread> {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile: f64| times.value_at_quantile(quantile).min(times.max()) as f64 / 1e3;
        (!times.is_empty()).then(|| Spread {
            calls: times.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let latencies = Latencies::default();
        assert_eq!(latencies.spread(), None);
        (1..=1_000).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let spread = latencies.spread().unwrap();
        assert_eq!(spread.calls, 1_000);
        for (found, wanted) in [
            (spread.p50_ms, 500.0),
            (spread.p90_ms, 900.0),
            (spread.p99_ms, 990.0),
            (spread.p999_ms, 999.0),
            (spread.max_ms, 1_000.0),
        ] {
            assert!((found / wanted - 1.0f64).abs() < 1e-3, "{found} is not {wanted}");
        }
        latencies.clear();
        latencies.add(Duration::from_millis(3));
        assert!((latencies.spread().unwrap().p99_ms / 3.0 - 1.0).abs() < 1e-3);
    }
}
