//! Back-off: ceilings, bounds, determinism, spread.

use super::*;
use crate::time::Timestamp;
use proptest::prelude::*;

const BACKOFF: Backoff = Backoff { base_ms: 5_000, max_ms: 900_000 };

#[test]
fn ceilings_double_up_to_the_cap() {
    let ceilings: Vec<_> = (0..10).map(|tries| BACKOFF.ceiling_ms(tries)).collect();
    let expected = [5_000, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 900_000];
    assert_eq!(ceilings, expected);
    assert_eq!(BACKOFF.ceiling_ms(u32::MAX), 900_000);
}

#[test]
fn jitter_is_spread_over_the_whole_range() {
    let delays: Vec<u64> =
        (0..1_000).map(|n| BACKOFF.delay_ms(JobId::v7(Timestamp::from_millis(n), 0), 1, 1, None)).collect();
    let mean = delays.iter().sum::<u64>() / 1_000;
    assert!((2_200..2_800).contains(&mean), "{mean}");
    assert!(delays.iter().any(|d| *d < 250) && delays.iter().any(|d| *d > 4_750));
}

proptest! {
    #[test]
    fn a_delay_keeps_its_bounds_and_never_changes(
        ms in 0i64..4_000_000_000_000, chance: u128, attempt: u32, tries in 0u32..100,
        after in proptest::option::of(0u64..10_000_000),
    ) {
        let job = JobId::v7(Timestamp::from_millis(ms), chance);
        let delay = BACKOFF.delay_ms(job, attempt, tries, after);
        prop_assert_eq!(delay, BACKOFF.delay_ms(job, attempt, tries, after));
        prop_assert!(delay <= BACKOFF.max_ms);
        prop_assert!(delay >= after.unwrap_or(0).min(BACKOFF.max_ms));
    }
}
