//! What the upstream's notes say of a span of time: what was used of the allowance, by whom, and what was refused.

use std::time::Duration;

use crate::upstream::host::{Arrival, Fate, Terms};

/// How long the allowance must be used again until it counts as such.
const AGAIN: Duration = Duration::from_secs(5);

/// The requests of a span.
pub struct Figures<'a> {
    terms: Terms,
    arrivals: &'a [Arrival],
    from: Duration,
    until: Duration,
}

impl<'a> Figures<'a> {
    /// Of all requests those from `from` on and before `until`.
    pub fn new(terms: Terms, arrivals: &'a [Arrival], from: Duration, until: Duration) -> Self {
        let first = arrivals.partition_point(|it| it.at < from);
        let end = arrivals.partition_point(|it| it.at < until);
        Self { terms, arrivals: &arrivals[first..end.max(first)], from, until }
    }

    /// How many had this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.arrivals.iter().filter(|it| it.fate == fate).count()
    }

    /// The part of the allowance that was used.
    pub fn used(&self) -> f64 {
        self.count(Fate::Admitted) as f64 / self.terms.allowed(self.until.saturating_sub(self.from))
    }

    /// Requests of each tenant that were answered.
    pub fn shares(&self, tenants: usize) -> Vec<u64> {
        let mut shares = vec![0; tenants];
        for it in self.arrivals.iter().filter(|it| it.fate == Fate::Admitted) {
            shares[it.tenant] += 1;
        }
        shares
    }

    /// Requests in each second, whatever became of them.
    pub fn per_second(&self) -> Vec<u64> {
        let seconds = self.until.saturating_sub(self.from).as_secs_f64().ceil() as usize;
        let mut counts = vec![0; seconds];
        for it in self.arrivals {
            counts[(it.at - self.from).as_secs_f64() as usize] += 1;
        }
        counts
    }

    /// When this part of the allowance is used again: from the beginning to the middle of the first span in which it is.
    pub fn back_at(&self, part: f64) -> Option<Duration> {
        let wanted = part * self.terms.allowed(AGAIN);
        let admitted: Vec<_> = self.arrivals.iter().filter(|it| it.fate == Fate::Admitted).map(|it| it.at).collect();
        let begins = std::iter::once(self.from).chain(admitted.iter().copied());
        let mut full = begins.filter(|begin| {
            let inside = admitted.iter().filter(|at| **at >= *begin && **at < *begin + AGAIN).count();
            *begin + AGAIN <= self.until && inside as f64 >= wanted
        });
        full.next().map(|begin| begin + AGAIN / 2 - self.from)
    }

    /// The requests before each one that was one too many, in milliseconds before it: what happened around it.
    pub fn around_refusals(&self) -> Vec<String> {
        let over = self.arrivals.iter().enumerate().filter(|(_, it)| it.fate == Fate::Over);
        let text = |(place, over): (usize, &Arrival)| {
            let before = self.arrivals[..place].iter().rev().take(self.terms.limit as usize + 1);
            let before = before.map(|it| format!("-{} ms (tenant {})", (over.at - it.at).as_millis(), it.tenant));
            let before: Vec<_> = before.collect();
            format!("refused: tenant {} at {} ms; before it {}", over.tenant, over.at.as_millis(), before.join(", "))
        };
        over.map(text).collect()
    }
}

/// How far the farthest is from the mean, in parts of the mean.
pub fn off_the_mean(shares: &[u64]) -> f64 {
    let mean = shares.iter().sum::<u64>() as f64 / shares.len().max(1) as f64;
    let off = shares.iter().map(|share| (*share as f64 - mean).abs()).fold(0.0, f64::max);
    if mean > 0.0 { off / mean } else { f64::INFINITY }
}

/// How far the largest is from the smallest.
pub fn apart(shares: &[u64]) -> f64 {
    let (most, least) = (shares.iter().max(), shares.iter().min());
    most.zip(least).map_or(0.0, |(most, least)| (most - least) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { limit: 5, window_ms: 1_000 };

    fn arrivals(moments: impl Iterator<Item = u64>) -> Vec<Arrival> {
        let of = |(n, ms)| Arrival { at: Duration::from_millis(ms), tenant: n % 2, fate: Fate::Admitted };
        moments.enumerate().map(of).collect()
    }

    #[test]
    fn what_is_used_is_counted_in_its_span() {
        let arrivals = arrivals((0..20).map(|n| n * 200));
        let of =
            |from, until| Figures::new(TERMS, &arrivals, Duration::from_millis(from), Duration::from_millis(until));
        let figures = of(1_000, 3_000);
        assert_eq!((figures.used(), figures.shares(2), figures.per_second()), (1.0, vec![5, 5], vec![5, 5]));
        assert_eq!(of(0, 8_000).used(), 0.5);
    }

    #[test]
    fn it_is_back_in_the_middle_of_the_first_full_span() {
        let slow = (0..10).map(|n| n * 1_000);
        let arrivals = arrivals(slow.chain((0..60).map(|n| 10_000 + n * 200)));
        let figures = Figures::new(TERMS, &arrivals, Duration::ZERO, Duration::from_secs(22));
        assert_eq!(figures.back_at(1.0), Some(Duration::from_millis(12_500)));
        assert_eq!(Figures::new(TERMS, &arrivals, Duration::ZERO, Duration::from_secs(12)).back_at(1.0), None);
    }

    #[test]
    fn shares_are_compared_with_their_mean() {
        assert_eq!((off_the_mean(&[9, 11, 10, 10]), apart(&[9, 11, 10])), (0.1, 2.0));
    }
}
