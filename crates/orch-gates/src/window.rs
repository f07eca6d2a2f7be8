//! An exact sliding log: the moments of the last grants, so that no window of the term's length holds more than its limit.

use std::collections::VecDeque;

use orch_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};
use orch_core::term::Term;

/// The grants that still count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// Moments and what was spent at each, rising.
    log: VecDeque<(Timestamp, u32)>,
    /// The sum of what was spent.
    spent: u32,
}

impl Window {
    /// The earliest moment from `now` on at which so much may be spent. The cost is at most the term's limit.
    #[must_use]
    pub fn earliest(&self, term: &Term, cost: u32, now: Timestamp) -> Timestamp {
        let length = length(term);
        let mut left = self.spent.saturating_add(cost).saturating_sub(term.limit);
        let mut earliest = now;
        for (at, spent) in &self.log {
            if left == 0 {
                break;
            }
            // Who spent a whole window ago does not count any more: a window is open at its old end.
            earliest = earliest.max(at.plus_ms(length));
            left = left.saturating_sub(*spent);
        }
        earliest
    }

    /// Spends at a moment that `earliest` gave, or a later one; moments never fall.
    pub fn spend(&mut self, term: &Term, cost: u32, at: Timestamp) {
        let length = length(term);
        while let Some((old, spent)) = self.log.front().copied().filter(|(old, _)| old.plus_ms(length) <= at) {
            debug_assert!(old <= at, "moments never fall");
            self.spent -= spent;
            self.log.pop_front();
        }
        let counted = if mutant::on(Mutant::CostIgnored) { 1 } else { cost };
        self.spent += counted;
        match self.log.back_mut() {
            Some((last, spent)) if *last == at => *spent += counted,
            _ => self.log.push_back((at, counted)),
        }
    }

    /// What may still be spent at once at this moment.
    #[must_use]
    pub fn left(&self, term: &Term, now: Timestamp) -> u32 {
        let length = length(term);
        let counts = self.log.iter().filter(|(at, _)| at.plus_ms(length) > now).map(|(_, spent)| *spent);
        term.limit.saturating_sub(counts.sum())
    }
}

fn length(term: &Term) -> u64 {
    if mutant::on(Mutant::WindowWithoutGuard) { term.window_ms } else { term.guarded_ms() }
}
