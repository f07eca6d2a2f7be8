//! A circuit breaker: closed, open, half-open with one canary, then a ramp (Nygard 2007, *Release It!*).
//!
//! Outcomes are counted in ten slots of a rolling window. Open, it admits nothing, and each time its canary fails it
//! stays open twice as long, up to a limit. After a canary's success it admits one attempt more for each success, so
//! that what waited does not fall upon an upstream that has just come back.

use orch_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};

/// Slots of the rolling window.
const SLOTS: usize = 10;

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// It opens when so many parts of a hundred of the outcomes in the window are failures…
    pub failures_percent: u32,
    /// … and there are at least so many outcomes.
    pub outcomes_min: u32,
    /// It stays open for so long the first time.
    pub open_ms: u64,
    /// It never stays open for longer than this between two canaries.
    pub open_ms_max: u64,
    /// The ramp is over when so many attempts may be under way.
    pub ramp_max: u32,
    /// The length of the window.
    pub window_ms: u64,
}

/// What a breaker does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Everything is admitted.
    Closed,
    /// Nothing is admitted until then; after that, one canary.
    Open {
        /// When.
        until: Timestamp,
        /// It opened so often without having closed.
        spell: u32,
    },
    /// A canary is under way.
    Probing {
        /// See `Open`.
        spell: u32,
    },
    /// So many attempts may be under way.
    Ramp {
        /// How many.
        most: u32,
        /// See `Open`.
        spell: u32,
    },
    /// An operator opened it: nothing is admitted until an operator resets it.
    Tripped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Slot {
    number: u64,
    good: u32,
    bad: u32,
}

/// The state of a breaker. `Default` is closed, with nothing counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    state: BreakerState,
    slots: [Slot; SLOTS],
    /// When the state last changed.
    since: Timestamp,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, slots: [Slot::default(); SLOTS], since: Timestamp::ZERO }
    }
}

impl Breaker {
    /// Closed since `now`, with nothing counted.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { since: now, ..Self::default() }
    }

    /// May an attempt begin, when `under_way` are? `Err`: when it can, at the earliest, if that is known.
    ///
    /// # Errors
    /// It may not.
    pub fn admits(&self, under_way: u32, now: Timestamp) -> Result<(), Option<Timestamp>> {
        match self.state {
            BreakerState::Closed => Ok(()),
            BreakerState::Open { until, .. } if until <= now => Ok(()),
            BreakerState::Open { until, .. } => Err(Some(until)),
            BreakerState::Probing { .. } if mutant::on(Mutant::ManyCanaries) => Ok(()),
            BreakerState::Ramp { most, .. } if under_way < most => Ok(()),
            BreakerState::Probing { .. } | BreakerState::Ramp { .. } | BreakerState::Tripped => Err(None),
        }
    }

    /// An attempt that it admitted begins. True: it is a canary, whose failure costs no try.
    pub fn began(&mut self, now: Timestamp) -> bool {
        match self.state {
            BreakerState::Open { spell, .. } => {
                self.set(BreakerState::Probing { spell }, now);
                true
            }
            _ => false,
        }
    }

    /// An attempt ended that began at `began`; `canary` as `began` said. An outcome that says nothing of the upstream
    /// (a release, a lost worker, a cancel) is `None`.
    pub fn ended(
        &mut self,
        policy: &BreakerPolicy,
        good: Option<bool>,
        canary: bool,
        began: Timestamp,
        now: Timestamp,
    ) {
        match (self.state, good) {
            (BreakerState::Closed, Some(good)) => {
                let counts = began >= self.since || mutant::on(Mutant::OldOutcomesCount);
                if counts && self.count(policy, good, now) {
                    self.open(policy, 1, now);
                }
            }
            (BreakerState::Probing { spell }, good) if canary && began >= self.since => match good {
                Some(true) => {
                    let most = if mutant::on(Mutant::NoRamp) { policy.ramp_max } else { 1 };
                    self.set(BreakerState::Ramp { most, spell }, now);
                }
                Some(false) => self.open(policy, spell + 1, now),
                // It came to nothing: another is tried at once.
                None => self.set(BreakerState::Open { until: now, spell }, now),
            },
            (BreakerState::Ramp { most, spell }, Some(good)) if began >= self.since => {
                if !good {
                    self.open(policy, spell + 1, now);
                } else if most >= policy.ramp_max {
                    self.slots = [Slot::default(); SLOTS];
                    self.set(BreakerState::Closed, now);
                } else {
                    // The moment of the last change stays: what began in the ramp counts in all of it.
                    self.state = BreakerState::Ramp { most: most + 1, spell };
                }
            }
            // What began before it opened says nothing new.
            _ => {}
        }
    }

    /// An operator opens it.
    pub fn trip(&mut self, now: Timestamp) {
        self.set(BreakerState::Tripped, now);
    }

    /// An operator closes it, with nothing counted.
    pub fn reset(&mut self, now: Timestamp) {
        self.slots = [Slot::default(); SLOTS];
        self.set(BreakerState::Closed, now);
    }

    /// What it does now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// It is known that the upstream does not work: a failure says nothing new, and costs no try.
    #[must_use]
    pub fn spares(&self) -> bool {
        matches!(self.state, BreakerState::Open { .. } | BreakerState::Probing { .. } | BreakerState::Tripped)
    }

    /// Outcomes in a window of this length: good ones, bad ones.
    #[must_use]
    pub fn counted(&self, window_ms: u64, now: Timestamp) -> (u64, u64) {
        self.sums(slot_number(window_ms, now))
    }

    /// Nothing is counted any more: the window has another length, and its slots mean other moments.
    pub fn forget(&mut self) {
        self.slots = [Slot::default(); SLOTS];
    }

    fn set(&mut self, state: BreakerState, now: Timestamp) {
        self.state = state;
        self.since = now;
    }

    fn open(&mut self, policy: &BreakerPolicy, spell: u32, now: Timestamp) {
        let doubled = policy.open_ms.saturating_mul(1 << (spell - 1).min(32));
        let until = now.plus_ms(doubled.min(policy.open_ms_max));
        self.slots = [Slot::default(); SLOTS];
        self.set(BreakerState::Open { until, spell }, now);
    }

    /// Counts an outcome. True: too many of them are failures.
    fn count(&mut self, policy: &BreakerPolicy, good: bool, now: Timestamp) -> bool {
        let number = slot_number(policy.window_ms, now);
        let slot = &mut self.slots[usize::try_from(number % SLOTS as u64).unwrap_or(0)];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        if good {
            slot.good += 1
        } else {
            slot.bad += 1
        }
        let (all_good, all_bad) = self.sums(number);
        let all = all_good + all_bad;
        !good && all >= u64::from(policy.outcomes_min) && all_bad * 100 >= all * u64::from(policy.failures_percent)
    }

    /// What the window counts whose last slot has this number.
    fn sums(&self, number: u64) -> (u64, u64) {
        let inside = self.slots.iter().filter(|slot| slot.number <= number && slot.number + SLOTS as u64 > number);
        inside.fold((0, 0), |(good, bad), slot| (good + u64::from(slot.good), bad + u64::from(slot.bad)))
    }
}

/// Which slot of windows of this length a moment lies in.
fn slot_number(window_ms: u64, now: Timestamp) -> u64 {
    now.ms_since(Timestamp::ZERO) / (window_ms / SLOTS as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures_percent: 50,
        outcomes_min: 4,
        open_ms: 1_000,
        open_ms_max: 3_000,
        ramp_max: 64,
        window_ms: 10_000,
    };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    /// Opened by four failures at 0.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.ended(&POLICY, Some(false), false, at(0), at(0));
        }
        breaker
    }

    #[test]
    fn it_opens_at_its_share_of_failures_and_not_before_there_are_enough() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.ended(&POLICY, Some(false), false, at(0), at(0));
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
        breaker.ended(&POLICY, Some(true), false, at(0), at(1));
        assert_eq!(breaker.state(), BreakerState::Closed, "only a failure opens it");
        breaker.ended(&POLICY, Some(false), false, at(0), at(2));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(1_002), spell: 1 });
    }

    #[test]
    fn failures_leave_the_window() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.ended(&POLICY, Some(false), false, at(0), at(0));
        }
        breaker.ended(&POLICY, Some(false), false, at(10_001), at(11_000));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn what_is_counted_is_told_and_forgotten() {
        let mut breaker = Breaker::new(at(0));
        breaker.ended(&POLICY, Some(false), false, at(-1), at(0));
        assert_eq!(breaker.counted(POLICY.window_ms, at(0)), (0, 0), "it began before");
        for good in [true, false, true] {
            breaker.ended(&POLICY, Some(good), false, at(0), at(0));
        }
        assert_eq!(breaker.counted(POLICY.window_ms, at(9_000)), (2, 1));
        assert_eq!(breaker.counted(POLICY.window_ms, at(10_000)), (0, 0));
        breaker.forget();
        assert_eq!(breaker.counted(POLICY.window_ms, at(0)), (0, 0));
    }

    #[test]
    fn while_it_knows_better_failures_are_spared() {
        let mut breaker = opened();
        assert!(breaker.spares());
        breaker.began(at(1_000));
        assert!(breaker.spares());
        breaker.ended(&POLICY, Some(true), true, at(1_000), at(1_100));
        assert!(!breaker.spares(), "in the ramp a failure is news");
        breaker.trip(at(1_200));
        assert!(breaker.spares());
        breaker.reset(at(1_300));
        assert!(!breaker.spares());
    }

    #[test]
    fn one_canary_at_a_time_and_longer_pauses() {
        let mut breaker = opened();
        assert_eq!(breaker.admits(0, at(999)), Err(Some(at(1_000))));
        assert_eq!(breaker.admits(0, at(1_000)), Ok(()));
        assert!(breaker.began(at(1_000)));
        assert_eq!(breaker.admits(1, at(1_001)), Err(None));
        breaker.ended(&POLICY, Some(false), true, at(1_000), at(1_500));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(3_500), spell: 2 });
        assert!(breaker.began(at(3_500)));
        breaker.ended(&POLICY, Some(false), true, at(3_500), at(3_600));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(6_600), spell: 3 }, "at most 3 s");
        assert!(breaker.began(at(6_600)));
        breaker.ended(&POLICY, None, true, at(6_600), at(6_700));
        assert_eq!(breaker.admits(0, at(6_700)), Ok(()), "a canary that came to nothing is followed by another");
    }

    #[test]
    fn what_began_before_it_opened_says_nothing() {
        let mut breaker = opened();
        assert!(breaker.began(at(1_000)));
        breaker.ended(&POLICY, Some(true), false, at(-5), at(1_001));
        assert_eq!(breaker.state(), BreakerState::Probing { spell: 1 });
        breaker.ended(&POLICY, Some(true), true, at(1_000), at(1_100));
        breaker.ended(&POLICY, Some(false), false, at(-5), at(1_101));
        assert_eq!(breaker.state(), BreakerState::Ramp { most: 1, spell: 1 });
    }

    #[test]
    fn the_ramp_admits_one_more_for_each_success() {
        let mut breaker = opened();
        breaker.began(at(1_000));
        breaker.ended(&POLICY, Some(true), true, at(1_000), at(1_100));
        for most in 1..POLICY.ramp_max {
            assert_eq!(breaker.admits(most - 1, at(2_000)), Ok(()));
            assert_eq!(breaker.admits(most, at(2_000)), Err(None));
            breaker.ended(&POLICY, Some(true), false, at(2_000), at(2_000));
        }
        breaker.ended(&POLICY, Some(true), false, at(2_000), at(2_001));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn an_operator_opens_and_closes_it() {
        let mut breaker = Breaker::default();
        breaker.trip(at(0));
        assert_eq!(breaker.admits(0, at(1 << 40)), Err(None));
        breaker.reset(at(10));
        assert_eq!(breaker.admits(1_000, at(10)), Ok(()));
    }
}
