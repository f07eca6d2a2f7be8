//! How many requests an upstream bears at the same time: additive rise, multiplicative cut (Chiu and Jain 1989), one step
//! up for each limit's worth of successes while the limit is what holds (RFC 7661: an unused window proves nothing).

use orch_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Parts of a request, so that the limit rises smoothly.
const PARTS: u64 = 1_000;

/// The state of an adaptive concurrency limit. `Default` is one at its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flight {
    /// Below the ceiling, in parts of a request; at it, `None`.
    limit: Option<u64>,
    /// The last cut.
    cut_at: Option<Timestamp>,
}

impl Flight {
    /// How many may be under way.
    #[must_use]
    pub fn most(&self, ceiling: u32) -> u32 {
        let limit = self.limit.map_or(ceiling, |parts| u32::try_from(parts / PARTS).unwrap_or(u32::MAX));
        limit.clamp(1, ceiling.max(1))
    }

    /// One ended well while so many were under way, itself counted.
    pub fn succeeded(&mut self, ceiling: u32, under_way: u32) {
        let Some(parts) = self.limit else { return };
        if under_way < self.most(ceiling) {
            return;
        }
        let risen = parts + PARTS * PARTS / parts.max(1);
        self.limit = Some(risen).filter(|risen| *risen < u64::from(ceiling) * PARTS);
    }

    /// One that left at `sent` was refused. True: the limit was cut.
    pub fn refused(&mut self, ceiling: u32, sent: Timestamp, now: Timestamp) -> bool {
        if self.cut_at.is_some_and(|cut| sent <= cut) {
            return false;
        }
        let parts = self.limit.unwrap_or(u64::from(ceiling) * PARTS);
        self.limit = Some((parts / 2).max(PARTS));
        self.cut_at = Some(now);
        true
    }

    /// An operator says that the upstream is well again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn it_halves_once_and_rises_by_one_for_each_limit_of_successes() {
        let mut flight = Flight::default();
        assert_eq!(flight.most(8), 8);
        assert!(flight.refused(8, at(10), at(20)));
        assert!(!flight.refused(8, at(15), at(30)), "it left before the cut");
        assert_eq!(flight.most(8), 4);
        for _ in 0..5 {
            flight.succeeded(8, 4);
        }
        assert_eq!(flight.most(8), 5);
        for _ in 0..100 {
            flight.succeeded(8, 4);
        }
        assert_eq!(flight.most(8), 5, "what is not used proves nothing");
        for _ in 0..100 {
            flight.succeeded(8, 8);
        }
        assert_eq!(flight, Flight { limit: None, cut_at: Some(at(20)) });
    }

    #[test]
    fn one_is_always_left() {
        let mut flight = Flight::default();
        for n in 1..20 {
            flight.refused(3, at(n * 10 - 1), at(n * 10 - 1));
        }
        assert_eq!(flight.most(3), 1);
        assert_eq!(flight.most(0), 1);
    }
}
