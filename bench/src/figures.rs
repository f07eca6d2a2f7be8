//! Arithmetic over several figures: the middle one, the ratio of two series, thirds.

use serde::Serialize;

/// A ratio of two series that were measured in turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The ratio of the medians.
    pub of_medians: f64,
    /// The lowest ratio of a pair.
    pub min: f64,
    /// The highest ratio of a pair.
    pub max: f64,
}

impl Ratio {
    /// The ratio of `ours` to `base`, which are paired; `None` when there are none.
    pub fn of(ours: &[f64], base: &[f64]) -> Option<Self> {
        let pairs = || ours.iter().zip(base).map(|(ours, base)| ours / base);
        Some(Self {
            of_medians: median(ours)? / median(base)?,
            min: pairs().min_by(f64::total_cmp)?,
            max: pairs().max_by(f64::total_cmp)?,
        })
    }
}

/// The middle one; between the two middle ones when their number is even.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = figures.get(middle)?;
    Some(if figures.len().is_multiple_of(2) { (figures[middle - 1] + upper) / 2.0 } else { *upper })
}

/// The mean of the last third divided by the mean of the first; `None` with fewer than three figures.
pub fn last_third_to_first(per_second: &[u64]) -> Option<f64> {
    let third = per_second.len() / 3;
    let first = mean(per_second.get(..third)?)?;
    let last = mean(per_second.get(per_second.len() - third..)?)?;
    (first > 0.0).then(|| last / first)
}

/// The mean; `None` when there is nothing.
pub fn mean(figures: &[u64]) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.iter().sum::<u64>() as f64 / figures.len() as f64)
}

/// The mean of the last `seconds` seconds; `None` when there are not so many.
pub fn mean_of_last(per_second: &[u64], seconds: usize) -> Option<f64> {
    mean(per_second.get(per_second.len().checked_sub(seconds)?..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_ratio_is_of_medians_and_its_ends_are_of_pairs() {
        let ratio = Ratio::of(&[2.0, 3.0, 9.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(ratio, Ratio { of_medians: 1.5, min: 1.5, max: 3.0 });
        assert_eq!(Ratio::of(&[], &[]), None);
    }

    #[test]
    fn thirds_leave_the_middle_out() {
        assert_eq!(last_third_to_first(&[10, 10, 99, 1, 9, 9]), Some(0.9));
        assert_eq!(last_third_to_first(&[10, 5, 1, 5]), Some(0.5));
        assert_eq!(last_third_to_first(&[1, 2]), None);
        assert_eq!(last_third_to_first(&[0, 2, 3]), None);
    }

    #[test]
    fn the_last_seconds_have_a_mean_of_their_own() {
        assert_eq!(mean_of_last(&[1, 2, 4], 2), Some(3.0));
        assert_eq!(mean_of_last(&[1], 2), None);
    }
}
