//! How long an upstream's answers take, against what they usually take.
//!
//! As in Netflix's concurrency-limits (`Gradient2Limit`): a long exponential average is what is usual, and the mean of the
//! last answers is compared with it. TCP Vegas (Brakmo and Peterson 1994) compares with the least that was ever seen, which
//! takes an upstream whose answers vary for a slow one. Answers in a slow time are not learnt, so that what an overload
//! does never becomes usual; unless it lasts, and then it is not our doing.
//!
//! It is kept in memory alone: a new owner learns anew.

use std::time::Duration;

use orch_core::Timestamp;
use orch_core::term::Slow;

use crate::mutant::{self, Mutant};

/// Answers that are judged together.
pub const BATCH: usize = 20;
/// Batches before anything is called slow.
const LEARNT_BATCHES: u32 = 3;
/// So many in a row are slow before that is said: one may be by chance.
const SLOW_BATCHES: u32 = 2;
/// A batch is so much of what is usual: one part of so many.
const WEIGHT: u64 = 32;
/// Slow is above so many times what is usual…
const TIMES: u64 = 2;
/// … and at least so much more.
const MORE: Duration = Duration::from_millis(100);
/// What was slow for so long is usual.
const USUAL_AFTER_MS: u64 = 10 * 60 * 1_000;
/// The longest answer that is reckoned with: an hour.
const LONGEST_MS: u64 = 60 * 60 * 1_000;

/// What is known of an upstream's answers. `Default`: nothing.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// What they usually take, in microseconds.
    baseline: u64,
    /// Batches that this was learnt from, at most as many as it takes.
    learnt: u32,
    /// The batch that is being filled, in milliseconds.
    batch: Vec<u64>,
    /// When the first request of it left.
    since: Option<Timestamp>,
    /// The mean of the last batch, in microseconds.
    last: Option<u64>,
    /// Since when batches have been slow, and how many.
    slow: Option<(Timestamp, u32)>,
}

/// A verdict: the answers to requests that left since then are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// When the first of these requests left.
    pub since: Timestamp,
    /// How slow.
    pub slow: Slow,
}

impl Latency {
    /// An answer to a request that left at `sent` took so long. A verdict, if it completes a batch of slow ones.
    pub fn observe(&mut self, latency_ms: u64, sent: Timestamp, now: Timestamp) -> Option<Verdict> {
        self.since = Some(self.since.map_or(sent, |since| since.min(sent)));
        self.batch.push(latency_ms.min(LONGEST_MS));
        if self.batch.len() < BATCH {
            return None;
        }
        let mut batch = std::mem::take(&mut self.batch);
        let since = self.since.take()?;
        batch.sort_unstable();
        let (median, mean) = (batch[BATCH / 2] * 1_000, batch.iter().sum::<u64>() * 1_000 / BATCH as u64);
        self.last = Some(mean);
        // Most of them are slow, and all of them together: neither a few that hang nor a mixture says anything.
        if self.learnt < LEARNT_BATCHES || !self.is_slow(median.min(mean)) {
            self.learn(mean);
            return None;
        }
        let (slow_since, batches) = self.slow.map_or((now, 1), |(since, batches)| (since, batches.saturating_add(1)));
        if now.ms_since(slow_since) >= USUAL_AFTER_MS {
            *self = Self { last: self.last, ..Self::default() };
            return None;
        }
        self.slow = Some((slow_since, batches));
        let slow = Slow { baseline_ms: self.baseline / 1_000, latency_ms: mean / 1_000 };
        if mutant::on(Mutant::SlownessIsLearnt) {
            self.learn(mean);
        }
        (batches >= SLOW_BATCHES).then_some(Verdict { since, slow })
    }

    fn is_slow(&self, took: u64) -> bool {
        let more = u64::try_from(MORE.as_micros()).unwrap_or(u64::MAX);
        took > self.baseline * TIMES && took >= self.baseline + more
    }

    fn learn(&mut self, mean: u64) {
        self.slow = None;
        // The first batches count alike.
        let weight = u64::from(self.learnt + 1).min(WEIGHT);
        self.baseline = (self.baseline * (weight - 1) + mean) / weight;
        self.learnt = (self.learnt + 1).min(u32::try_from(WEIGHT).unwrap_or(u32::MAX));
    }

    /// What answers usually take, in milliseconds; `None` until that was learnt.
    #[must_use]
    pub fn baseline_ms(&self) -> Option<u64> {
        (self.learnt >= LEARNT_BATCHES).then_some(self.baseline / 1_000)
    }

    /// What the last batch of them took, in milliseconds.
    #[must_use]
    pub fn last_ms(&self) -> Option<u64> {
        self.last.map(|mean| mean / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000).plus_ms(ms)
    }

    /// Answers one after another, each so long; the verdicts.
    fn all(latency: &mut Latency, began: u64, took: impl IntoIterator<Item = u64>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for (n, ms) in took.into_iter().enumerate() {
            let sent = began + n as u64 * 100;
            verdicts.extend(latency.observe(ms, at(sent), at(sent + ms)));
        }
        verdicts
    }

    /// Numbers without a pattern, the same in each run.
    fn mixed(mut seed: u64) -> impl Iterator<Item = u64> {
        std::iter::from_fn(move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            Some(seed % 1_000)
        })
    }

    #[test]
    fn nothing_is_slow_before_it_is_known_what_is_usual() {
        let mut latency = Latency::default();
        assert_eq!(all(&mut latency, 0, (0..20).map(|n| n * 200)), []);
        assert_eq!(latency.baseline_ms(), None);
        assert_eq!(all(&mut latency, 0, [5_000; 40]), []);
        assert!(latency.baseline_ms().is_some());
    }

    #[test]
    fn twice_as_long_and_a_tenth_of_a_second_more_is_slow() {
        for (usual, took, slow) in
            [(50, 140, false), (50, 151, true), (200, 390, false), (200, 401, true), (5, 100, false)]
        {
            let mut latency = Latency::default();
            assert_eq!(all(&mut latency, 0, vec![usual; 60]), []);
            assert_eq!(all(&mut latency, 90_000, vec![took; BATCH]), [], "one batch may be by chance");
            let verdicts = all(&mut latency, 100_000, vec![took; BATCH]);
            let expected = Verdict { since: at(100_000), slow: Slow { baseline_ms: usual, latency_ms: took } };
            assert_eq!(verdicts, if slow { vec![expected] } else { vec![] }, "{took} after {usual}");
            if slow {
                assert_eq!((latency.baseline_ms(), latency.last_ms()), (Some(usual), Some(took)), "it is not learnt");
            }
        }
    }

    #[test]
    fn what_varies_is_not_slow() {
        for seed in 1..50 {
            let uniform = mixed(seed).map(|n| 20 + n);
            let cached = mixed(seed).map(|n| if n < 600 { 5 } else { 500 });
            let now_and_then = mixed(seed).map(|n| if n < 950 { 40 } else { 10_000 });
            let skewed = mixed(seed).map(|n| 30 * 1_000 / (n + 10));
            let of: [Box<dyn Iterator<Item = u64>>; 4] =
                [Box::new(uniform), Box::new(cached), Box::new(now_and_then), Box::new(skewed)];
            for (kind, took) in of.into_iter().enumerate() {
                assert_eq!(all(&mut Latency::default(), 0, took.take(20_000)), [], "kind {kind}, seed {seed}");
            }
        }
    }

    #[test]
    fn what_lasts_is_usual() {
        let mut latency = Latency::default();
        all(&mut latency, 0, [50; 60]);
        let verdicts = all(&mut latency, 10_000, [500; 6_400]);
        assert!(verdicts.len() >= 290, "{}", verdicts.len());
        assert_eq!((latency.baseline_ms(), all(&mut latency, 700_000, [500; 200]).len()), (Some(500), 0));
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn the_planted_bug_makes_an_overload_usual() {
        mutant::plant(Some(Mutant::SlownessIsLearnt));
        let mut latency = Latency::default();
        all(&mut latency, 0, [50; 60]);
        let verdicts = all(&mut latency, 10_000, [300; 1_000]);
        mutant::plant(None);
        assert!(verdicts.len() < 20, "{}", verdicts.len());
    }
}
