//! How much of its terms an upstream bears now: additive rise, multiplicative cut (Chiu and Jain 1989).
//!
//! The share rises with time alone, so that it needs no record of each success and is known beforehand: after a cut, when
//! which rate will be reached. Refusals of requests that left before the last cut say nothing new and do not cut again,
//! as one window of a TCP sender is cut once (RFC 5681).

use orch_core::Timestamp;
pub use orch_core::term::CutCause;
use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};

/// A whole: the terms.
pub const WHOLE: u32 = 1_000;
/// A cut leaves so many parts of a thousand of what was allowed.
const CUT: u32 = 500;
/// The share never falls below this: somebody must ask now and then, to see whether the upstream is there again.
const LEAST: u32 = 20;
/// Cuts that are remembered, for people.
const CUTS_KEPT: usize = 16;

/// A cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: CutCause,
    /// The share before, in parts of a thousand of the terms.
    pub from: u32,
    /// The share after.
    pub to: u32,
}

/// The share of the terms that is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Adaptive {
    /// The last cuts, oldest first.
    cuts: Vec<Cut>,
}

impl Adaptive {
    /// The share at a moment, in parts of a thousand of the terms. `ramp_ms`: from nothing to the whole.
    #[must_use]
    pub fn share(&self, ramp_ms: u64, now: Timestamp) -> u32 {
        let Some(cut) = self.cuts.last() else { return WHOLE };
        let risen = now.ms_since(cut.at).saturating_mul(u64::from(WHOLE)) / ramp_ms.max(1);
        let share = u64::from(cut.to).saturating_add(risen);
        u32::try_from(share).unwrap_or(WHOLE).min(WHOLE)
    }

    /// When the share reaches this much, if nothing cuts it again.
    #[must_use]
    pub fn reaches(&self, share: u32, ramp_ms: u64, now: Timestamp) -> Timestamp {
        let Some(cut) = self.cuts.last() else { return now };
        let missing = u64::from(share.min(WHOLE).saturating_sub(cut.to));
        now.max(cut.at.plus_ms((missing * ramp_ms).div_ceil(u64::from(WHOLE))))
    }

    /// A request that left at `sent` was refused: the cut that it asks for, if any. It counts once it is `take`n.
    #[must_use]
    pub fn cut(&self, cause: CutCause, sent: Timestamp, ramp_ms: u64, now: Timestamp) -> Option<Cut> {
        let known = self.cuts.last().is_some_and(|last| sent <= last.at);
        if known && !mutant::on(Mutant::CutForOldRequests) {
            return None;
        }
        let from = self.share(ramp_ms, now);
        Some(Cut { at: now, cause, from, to: (from * CUT / WHOLE).max(LEAST) })
    }

    /// A cut was decided.
    pub fn take(&mut self, cut: Cut) {
        if self.cuts.len() == CUTS_KEPT {
            self.cuts.remove(0);
        }
        self.cuts.push(cut);
    }

    /// An operator says that the upstream is well again.
    pub fn reset(&mut self) {
        self.cuts.clear();
    }

    /// The last cuts, oldest first.
    #[must_use]
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAMP: u64 = 60_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn refused(adaptive: &mut Adaptive, cause: CutCause, sent: Timestamp, now: Timestamp) -> Option<Cut> {
        let cut = adaptive.cut(cause, sent, RAMP, now)?;
        adaptive.take(cut);
        Some(cut)
    }

    #[test]
    fn it_halves_and_rises_in_a_straight_line() {
        let mut adaptive = Adaptive::default();
        assert_eq!(adaptive.share(RAMP, at(0)), WHOLE);
        let cut = refused(&mut adaptive, CutCause::Status(429), at(0), at(100)).unwrap();
        assert_eq!((cut.from, cut.to), (1_000, 500));
        assert_eq!(adaptive.share(RAMP, at(100)), 500);
        assert_eq!(adaptive.share(RAMP, at(100 + 6_000)), 600);
        assert_eq!(adaptive.reaches(900, RAMP, at(200)), at(100 + 24_000));
        assert_eq!(adaptive.share(RAMP, at(100 + 24_000)), 900);
        assert_eq!(adaptive.share(RAMP, at(100 + 90_000)), WHOLE);
    }

    #[test]
    fn requests_under_way_at_a_cut_do_not_cut_again() {
        let mut adaptive = Adaptive::default();
        assert!(refused(&mut adaptive, CutCause::Status(429), at(0), at(100)).is_some());
        assert!(refused(&mut adaptive, CutCause::Status(429), at(90), at(120)).is_none());
        assert_eq!(refused(&mut adaptive, CutCause::Latency, at(110), at(130)).unwrap().to, 250);
    }

    #[test]
    fn it_never_falls_to_nothing_and_remembers_the_last_cuts() {
        let mut adaptive = Adaptive::default();
        for n in 0..40 {
            refused(&mut adaptive, CutCause::Status(503), at(n * 10 + 5), at(n * 10 + 6));
        }
        assert_eq!(adaptive.cuts().last().unwrap().to, LEAST);
        assert_eq!(adaptive.cuts().len(), CUTS_KEPT);
        adaptive.reset();
        assert_eq!(adaptive.share(RAMP, at(0)), WHOLE);
    }
}
