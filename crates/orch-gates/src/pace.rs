//! A rate with a burst: the generic cell rate algorithm in its form of virtual scheduling (ITU-T I.371, annex A).
//!
//! One number says when the bucket would be full again if nothing more came, the theoretical arrival time. Moments inside
//! are microseconds: at 5,000 in a second a request costs 200 of them.
//!
//! Each request leaves as much later as another may be faster on its way: an upstream that measures as strictly as its
//! terms say would refuse the last of a burst otherwise.

use orch_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};
use orch_core::term::{GUARD_MS_MIN, Term};

const US: u64 = 1_000;

/// The state of one pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Microseconds since the epoch.
    arrival_us: u64,
}

impl Pace {
    /// The earliest moment from `now` on at which so much may be spent. The cost is at most the burst.
    #[must_use]
    pub fn earliest(&self, term: &Term, cost: u32, now: Timestamp) -> Timestamp {
        let burst = u64::from(term.cost_max()) * if mutant::on(Mutant::BurstTwice) { 2 } else { 1 };
        let room = price_us(term, burst.saturating_sub(u64::from(cost)));
        let guard = if mutant::on(Mutant::WindowWithoutGuard) { 0 } else { GUARD_MS_MIN * US };
        // A bucket that is full needs no guard: nothing is under way that could be slower.
        let opens = if self.arrival_us == 0 { 0 } else { (self.arrival_us + guard).saturating_sub(room) };
        now.max(Timestamp::from_millis(i64::try_from(opens.div_ceil(US)).unwrap_or(i64::MAX)))
    }

    /// Spends at a moment that `earliest` gave, or a later one.
    pub fn spend(&mut self, term: &Term, cost: u32, at: Timestamp) {
        let at_us = u64::try_from(at.millis()).unwrap_or(0).saturating_mul(US);
        let cost = if mutant::on(Mutant::CostIgnored) { 1 } else { cost };
        self.arrival_us = self.arrival_us.max(at_us).saturating_add(price_us(term, u64::from(cost)));
    }

    /// What may still be spent at once at this moment.
    #[must_use]
    pub fn left(&self, term: &Term, now: Timestamp) -> u32 {
        let now_us = u64::try_from(now.millis()).unwrap_or(0).saturating_mul(US);
        let full = price_us(term, u64::from(term.cost_max()));
        let taken = self.arrival_us.saturating_sub(now_us);
        let one = price_us(term, 1).max(1);
        u32::try_from(full.saturating_sub(taken) / one).unwrap_or(u32::MAX).min(term.cost_max())
    }
}

/// What requests cost in time; rounded up, so that it errs towards less.
fn price_us(term: &Term, requests: u64) -> u64 {
    let window_us = u128::from(term.window_ms) * u128::from(US);
    let price = (window_us * u128::from(requests)).div_ceil(u128::from(term.limit));
    u64::try_from(price).unwrap_or(u64::MAX)
}
