//! How many requests an upstream bears at the same time: additive rise, multiplicative cut (Chiu and Jain 1989), one step
//! up for each limit's worth of successes while the limit is what holds (RFC 7661: an unused window proves nothing).
//!
//! Which refusals cut is not decided here: the share of a bucket's terms is cut by the same ones (`adaptive.rs`), once for
//! all requests that were under way together.

use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};

/// Parts of a request, so that the limit rises smoothly.
const PARTS: u64 = 1_000;

/// The state of an adaptive concurrency limit. `Default` is one at its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flight {
    /// Below the ceiling, in parts of a request; at it, `None`.
    limit: Option<u64>,
}

impl Flight {
    /// How many may be under way.
    #[must_use]
    pub fn most(&self, ceiling: u32) -> u32 {
        let limit = self.limit.map_or(ceiling, |parts| u32::try_from(parts / PARTS).unwrap_or(u32::MAX));
        limit.clamp(1, ceiling.max(1))
    }

    /// It is below its ceiling.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.limit.is_some()
    }

    /// One ended well while so many were under way, itself counted.
    pub fn succeeded(&mut self, ceiling: u32, under_way: u32) {
        let Some(parts) = self.limit else { return };
        if under_way < self.most(ceiling) {
            return;
        }
        let step = if mutant::on(Mutant::FlightRisesAtOnce) { PARTS } else { PARTS * PARTS / parts.max(1) };
        self.limit = Some(parts + step).filter(|risen| *risen < u64::from(ceiling) * PARTS);
    }

    /// How many a cut leaves.
    #[must_use]
    pub fn cut(&self, ceiling: u32) -> u32 {
        (self.most(ceiling) / 2).max(1)
    }

    /// A cut that leaves so many was decided.
    pub fn take(&mut self, left: u32) {
        self.limit = Some(u64::from(left) * PARTS);
    }

    /// An operator says that the upstream is well again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(flight: &mut Flight, ceiling: u32) {
        flight.take(flight.cut(ceiling));
    }

    #[test]
    fn it_halves_and_rises_by_one_for_each_limit_of_successes() {
        let mut flight = Flight::default();
        assert_eq!((flight.most(8), flight.is_cut()), (8, false));
        cut(&mut flight, 8);
        assert_eq!((flight.most(8), flight.is_cut()), (4, true));
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
        assert_eq!(flight, Flight::default());
    }

    #[test]
    fn one_is_always_left_and_the_ceiling_holds() {
        let mut flight = Flight::default();
        for _ in 0..20 {
            cut(&mut flight, 3);
        }
        assert_eq!((flight.most(3), flight.most(0)), (1, 1));
        flight.take(7);
        assert_eq!(flight.most(3), 3, "a ceiling that was lowered");
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn the_planted_bug_breaks_the_rise() {
        mutant::plant(Some(Mutant::FlightRisesAtOnce));
        let mut flight = Flight::default();
        cut(&mut flight, 8);
        flight.succeeded(8, 4);
        mutant::plant(None);
        assert_eq!(flight.most(8), 5, "after one success instead of four");
    }
}
