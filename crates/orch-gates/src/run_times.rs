//! How long attempts take: a small sample of the run times of late, and how many ended within a minute.
//!
//! The sample is a biased reservoir (Aggarwal 2006, *On biased reservoir sampling in the presence of stream evolution*):
//! each new run time takes the place of one chosen evenly, so the older one is, the less likely it is still there. The
//! choice is a hash of the count (SplitMix64, Steele, Lea and Flood 2014), not chance: equal histories give equal samples.
//! The rate is a sliding window counter: what ended in this minute, and the part of the last one that still counts.

use orch_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Run times that are kept: enough for a median, and few bytes of a snapshot for each job type.
pub const SAMPLE: usize = 64;

/// A minute.
const MINUTE_MS: u64 = 60_000;

/// What is known of the run times of one kind of work. `Default` knows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunTimes {
    /// Run times that ever came in.
    count: u64,
    /// Some of them, in milliseconds, in no order.
    sample: Vec<u32>,
    /// The number of the minute of the last one.
    minute: u64,
    /// How many came in it.
    now: u32,
    /// How many came in the minute before.
    before: u32,
}

impl RunTimes {
    /// An attempt that began at `began` ended well at `now`.
    pub fn ended(&mut self, began: Timestamp, now: Timestamp) {
        let ms = u32::try_from(now.ms_since(began)).unwrap_or(u32::MAX);
        if self.sample.len() < SAMPLE {
            self.sample.push(ms);
        } else {
            let place = usize::try_from(mix(self.count) % SAMPLE as u64).unwrap_or(0);
            self.sample[place] = ms;
        }
        self.count += 1;
        let minute = minute_of(now);
        if minute != self.minute {
            self.before = if minute == self.minute + 1 { self.now } else { 0 };
            (self.minute, self.now) = (minute, 0);
        }
        self.now = self.now.saturating_add(1);
    }

    /// Run times in the sample.
    #[must_use]
    pub fn known(&self) -> u32 {
        u32::try_from(self.sample.len()).unwrap_or(u32::MAX)
    }

    /// The sample in milliseconds, the shortest first.
    #[must_use]
    pub fn sorted(&self) -> Vec<u32> {
        let mut sorted = self.sample.clone();
        sorted.sort_unstable();
        sorted
    }

    /// The mean of the sample in milliseconds, rounded up and at least 1; `None`: nothing ended yet.
    #[must_use]
    pub fn mean_ms(&self) -> Option<u64> {
        let sum: u64 = self.sample.iter().map(|ms| u64::from(*ms)).sum();
        (!self.sample.is_empty()).then(|| sum.div_ceil(self.sample.len() as u64).max(1))
    }

    /// How many ended within the last minute, about.
    #[must_use]
    pub fn per_minute(&self, now: Timestamp) -> u64 {
        let left = MINUTE_MS - now.ms_since(Timestamp::ZERO) % MINUTE_MS;
        let part = |count: u32| u64::from(count) * left / MINUTE_MS;
        match minute_of(now).saturating_sub(self.minute) {
            0 => u64::from(self.now) + part(self.before),
            1 => part(self.now),
            _ => 0,
        }
    }
}

fn minute_of(at: Timestamp) -> u64 {
    at.ms_since(Timestamp::ZERO) / MINUTE_MS
}

/// The value below which `parts` of 2³² of a sorted sample lie, with straight lines between its values.
///
/// Empty samples have none; the first value is at 0, the last at 2³² − 1.
#[must_use]
pub fn quantile(sorted: &[u32], parts: u32) -> Option<u32> {
    let last = sorted.len().checked_sub(1)? as u64;
    let at = u64::from(parts) * last;
    let (place, rest) = (usize::try_from(at >> 32).ok()?, at & u64::from(u32::MAX));
    let low = u64::from(*sorted.get(place)?);
    let high = sorted.get(place + 1).map_or(low, |high| u64::from(*high));
    u32::try_from(low + (((high - low) * rest) >> 32)).ok()
}

/// How much longer an attempt of this age runs, at `parts` of 2³² among the run times that are longer than its age.
/// One that is older than all that are known runs on for a quarter of its age: the older, the longer.
#[must_use]
pub fn remaining_ms(sorted: &[u32], age_ms: u64, parts: u32) -> Option<u64> {
    let longest = u64::from(*sorted.last()?);
    if age_ms >= longest {
        return Some((age_ms / 4).max(1));
    }
    let age = u32::try_from(age_ms).unwrap_or(u32::MAX);
    let past = sorted.partition_point(|ms| *ms <= age);
    // The part of the straight lines that is past: up to the last value that is, and some of the way to the next.
    let steps = (sorted.len() as u64 - 1).max(1);
    let way = past.checked_sub(1).map_or(0, |low| {
        let (low_ms, high_ms) = (u64::from(sorted[low]), u64::from(sorted[past]));
        ((low as u64) << 32) + ((age_ms - low_ms) << 32) / (high_ms - low_ms).max(1)
    });
    let from = u32::try_from(way / steps).unwrap_or(u32::MAX);
    let rest = u64::from(u32::MAX - from);
    let at = from.saturating_add(u32::try_from((rest * u64::from(parts)) >> 32).unwrap_or(u32::MAX));
    Some(u64::from(quantile(sorted, at)?).saturating_sub(age_ms).max(1))
}

/// A number whose bits depend on all bits of another (the finalizer of SplitMix64).
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_900_000_000_000 - 1_900_000_000_000 % 60_000 + ms)
    }

    fn of(all: &[u32]) -> RunTimes {
        let mut times = RunTimes::default();
        for (n, ms) in (0..).zip(all) {
            times.ended(at(n), at(n + i64::from(*ms)));
        }
        times
    }

    #[test]
    fn nothing_is_known_before_the_first_end() {
        let times = RunTimes::default();
        assert_eq!((times.known(), times.mean_ms(), times.per_minute(at(0))), (0, None, 0));
        assert_eq!((quantile(&[], 0), remaining_ms(&[], 5, 0)), (None, None));
    }

    #[test]
    fn what_changed_for_good_is_believed_soon() {
        let mut all = vec![1_000; 5_000];
        all.extend([9_000; 300]);
        let mean = of(&all).mean_ms().unwrap_or(0);
        assert!(mean > 8_500, "{mean}");
    }

    #[test]
    fn older_run_times_stay_for_a_while() {
        let all: Vec<_> = (0..5_000).collect();
        let sorted = of(&all).sorted();
        assert_eq!(sorted.len(), SAMPLE);
        assert!(sorted.last() == Some(&4_999) && sorted[0] < 4_900, "{sorted:?}");
    }

    #[test]
    fn a_minute_slides() {
        let mut times = RunTimes::default();
        for n in 0..60 {
            times.ended(at(n * 1_000), at(n * 1_000));
        }
        assert_eq!(times.per_minute(at(59_999)), 60);
        assert_eq!(times.per_minute(at(90_000)), 30);
        times.ended(at(90_000), at(90_000));
        assert_eq!(times.per_minute(at(90_000)), 31);
        assert_eq!(times.per_minute(at(300_000)), 0);
    }

    #[test]
    fn quantiles_lie_on_straight_lines() {
        let sorted = [10, 20, 40];
        let of = |parts: f64| quantile(&sorted, (parts * f64::from(u32::MAX)) as u32);
        assert_eq!((of(0.0), of(0.25), of(0.75), of(1.0)), (Some(10), Some(14), Some(29), Some(39)));
    }

    #[test]
    fn an_older_attempt_has_the_rest_of_the_longer_run_times() {
        let sorted: Vec<u32> = (1..=100).map(|n| n * 10).collect();
        let half = u32::MAX / 2;
        for (age, left) in [(0, 500), (500, 250), (900, 50)] {
            let found = remaining_ms(&sorted, age, half).unwrap_or(0);
            assert!(found.abs_diff(left) <= 10, "{age}: {found}");
        }
        assert_eq!(remaining_ms(&sorted, 4_000, half), Some(1_000));
    }

    proptest! {
        #[test]
        fn what_is_said_lies_within_what_was_seen(all in prop::collection::vec(0_u32..100_000, 1..200), age in 0_u64..120_000, parts: u32) {
            let times = of(&all);
            let (low, high) = (all.iter().min().copied().unwrap_or(0), all.iter().max().copied().unwrap_or(0));
            let sorted = times.sorted();
            prop_assert_eq!(sorted.len(), all.len().min(SAMPLE));
            prop_assert!(sorted.iter().all(|ms| all.contains(ms)));
            prop_assert!(sorted.contains(all.last().unwrap_or(&0)), "the last one is always in");
            let mean = times.mean_ms().unwrap_or(0);
            prop_assert!(mean >= u64::from(low) && mean <= u64::from(high).max(1));
            let found = quantile(&sorted, parts).unwrap_or(u32::MAX);
            prop_assert!(low <= found && found <= high);
            let left = remaining_ms(&sorted, age, parts).unwrap_or(0);
            prop_assert!(left >= 1);
            if age < u64::from(sorted[sorted.len() - 1]) {
                prop_assert!(age + left <= u64::from(high).max(age + 1));
            }
        }

        #[test]
        fn more_chance_is_never_less_time(all in prop::collection::vec(0_u32..10_000, 1..64), age in 0_u64..10_000, a: u32, b: u32) {
            let sorted = of(&all).sorted();
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(quantile(&sorted, low) <= quantile(&sorted, high));
            prop_assert!(remaining_ms(&sorted, age, low) <= remaining_ms(&sorted, age, high));
        }
    }
}
