//! How much of its terms an upstream bears now: additive rise, multiplicative cut (Chiu and Jain 1989).
//!
//! The share rises with time alone, so that it needs no record of each success and is known beforehand: after a cut, when
//! which rate will be reached. Refusals of requests that left before the last cut say nothing new and do not cut again,
//! as one window of a TCP sender is cut once (RFC 5681).

use orch_core::Timestamp;
pub use orch_core::term::CutCause;
use orch_core::term::Slow;
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
/// After a cut, slowness says nothing new for so many parts of the ramp: what queued at the upstream drains first.
const SLOW_PARTS: u64 = 10;
/// Points of the share's history, a minute apart.
const HISTORY_POINTS: u64 = 60;
const MINUTE_MS: u64 = 60_000;

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
    /// So many may be under way from then on, if that is limited.
    pub in_flight: Option<u32>,
    /// How slow it was, where that is why.
    pub slow: Option<Slow>,
}

/// The share at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharePoint {
    /// When.
    pub at: Timestamp,
    /// The share, in parts of a thousand of the terms.
    pub share: u32,
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
        self.cuts.last().map_or(WHOLE, |cut| risen(*cut, ramp_ms, now))
    }

    /// The share in each minute of the last hour, oldest first, as far as the cuts that are remembered tell; empty when
    /// none is.
    #[must_use]
    pub fn history(&self, ramp_ms: u64, now: Timestamp) -> Vec<SharePoint> {
        let at = |minutes: u64| Timestamp::from_millis(now.millis().saturating_sub_unsigned(minutes * MINUTE_MS));
        let point = |at: Timestamp| {
            let cut = self.cuts.iter().rev().find(|cut| cut.at <= at);
            // Before the first cut it was whole, unless cuts before that are forgotten.
            let first = || (self.cuts.len() < CUTS_KEPT).then_some(WHOLE);
            let share = cut.map(|cut| risen(*cut, ramp_ms, at)).or_else(first)?;
            Some(SharePoint { at, share })
        };
        let minutes = (0..HISTORY_POINTS).rev().filter(|_| !self.cuts.is_empty());
        minutes.filter_map(|minutes| point(at(minutes))).collect()
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
        let quiet_ms = if cause == CutCause::Latency { ramp_ms / SLOW_PARTS } else { 0 };
        let known = self.cuts.last().is_some_and(|last| sent <= last.at.plus_ms(quiet_ms));
        if known && !mutant::on(Mutant::CutForOldRequests) {
            return None;
        }
        let from = self.share(ramp_ms, now);
        Some(Cut { at: now, cause, from, to: (from * CUT / WHOLE).max(LEAST), in_flight: None, slow: None })
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

/// The share so long after a cut, if no other came.
fn risen(cut: Cut, ramp_ms: u64, now: Timestamp) -> u32 {
    let risen = now.ms_since(cut.at).saturating_mul(u64::from(WHOLE)) / ramp_ms.max(1);
    let share = u64::from(cut.to).saturating_add(risen);
    u32::try_from(share).unwrap_or(WHOLE).min(WHOLE)
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
        assert_eq!(refused(&mut adaptive, CutCause::Status(503), at(110), at(130)).unwrap().to, 250);
    }

    #[test]
    fn slowness_says_nothing_new_until_what_queued_has_drained() {
        let mut adaptive = Adaptive::default();
        assert!(refused(&mut adaptive, CutCause::Latency, at(0), at(100)).is_some());
        assert!(refused(&mut adaptive, CutCause::Latency, at(6_100), at(7_000)).is_none());
        assert_eq!(refused(&mut adaptive, CutCause::Latency, at(6_101), at(7_000)).unwrap().from, 615);
    }

    #[test]
    fn its_history_is_told_by_its_cuts() {
        let mut adaptive = Adaptive::default();
        assert_eq!(adaptive.history(RAMP, at(0)), []);
        refused(&mut adaptive, CutCause::Status(429), at(0), at(100_000));
        let history = adaptive.history(RAMP, at(130_000));
        let shares: Vec<_> = history.iter().rev().take(3).map(|point| (point.at, point.share)).collect();
        assert_eq!(history.len(), 60);
        assert_eq!(shares, [(at(130_000), 1_000), (at(70_000), 1_000), (at(10_000), 1_000)]);
        refused(&mut adaptive, CutCause::Status(429), at(150_000), at(160_000));
        let history = adaptive.history(RAMP, at(175_000));
        let shares: Vec<_> = history.iter().rev().take(3).map(|point| point.share).collect();
        assert_eq!(shares, [750, 750, 1_000]);
        for n in 1..40 {
            refused(&mut adaptive, CutCause::Status(429), at(160_000 + n * 1_000), at(160_001 + n * 1_000));
        }
        assert!(adaptive.history(RAMP, at(200_000)).len() < 3, "what is forgotten is not made up");
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
