//! How many attempts at the same time would end what waits within a time: for whoever starts and stops workers.
//!
//! By Little's law (1961), as many are under way on average as begin in a time multiplied by how long they take. So `n`
//! slots end `n` attempts in each mean run time; and what a rate lets begin keeps no more slots busy than that.

use orch_core::term::Term;

/// How many slots would end the work within the target: at least those in use, never more than there are jobs.
///
/// What is under way is half done on average. Where no run time is known, one slot is wanted to find out.
#[must_use]
pub fn wanted(waiting: u64, under_way: u64, mean_ms: Option<u64>, target_ms: u64) -> u64 {
    if waiting == 0 {
        return under_way;
    }
    let Some(mean) = mean_ms.map(u128::from) else { return under_way.max(1) };
    let work = u128::from(waiting) * mean + u128::from(under_way) * mean / 2;
    let slots = u64::try_from(work.div_ceil(u128::from(target_ms.max(1)))).unwrap_or(u64::MAX);
    slots.clamp(1, waiting.saturating_add(under_way)).max(under_way)
}

/// How many slots a rate keeps busy: what begins under this term while an attempt runs, at least one.
#[must_use]
pub fn kept_busy(term: &Term, cost: u32, mean_ms: u64) -> u64 {
    let begins = u128::from(term.limit) * u128::from(mean_ms);
    let slots = begins.div_ceil(u128::from(term.window_ms.max(1)) * u128::from(cost.max(1)));
    u64::try_from(slots).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn work_is_shared_out_over_the_target() {
        // 600 jobs of 10 s are 6,000 s of work: 20 slots for 300 s.
        assert_eq!(wanted(600, 0, Some(10_000), 300_000), 20);
        assert_eq!(wanted(600, 4, Some(10_000), 300_000), 21, "what is under way takes half a run time more");
        assert_eq!(wanted(3, 0, Some(600_000), 300_000), 3, "never more than there are jobs");
        assert_eq!(wanted(0, 7, Some(10_000), 300_000), 7, "what runs goes on");
        assert_eq!(wanted(1, 7, Some(1), 300_000), 7);
        assert_eq!(wanted(1, 0, Some(1), 300_000), 1);
        assert_eq!((wanted(9, 0, None, 1), wanted(9, 2, None, 1), wanted(0, 0, None, 1)), (1, 2, 0));
    }

    #[test]
    fn a_rate_keeps_as_many_busy_as_begin_in_a_run_time() {
        let term = |limit, window_ms| Term { burst: None, limit, window_ms };
        assert_eq!(kept_busy(&term(10, 1_000), 1, 2_000), 20);
        assert_eq!(kept_busy(&term(10, 1_000), 4, 2_000), 5);
        assert_eq!(kept_busy(&term(1, 60_000), 1, 10), 1, "one is under way now and then");
    }

    proptest! {
        #[test]
        fn slots_suffice_and_are_not_too_many(waiting in 1_u64..1_000_000, under_way in 0_u64..10_000, mean in 1_u64..3_600_000, target in 1_000_u64..3_600_000) {
            let slots = wanted(waiting, under_way, Some(mean), target);
            prop_assert!(slots >= under_way && slots <= waiting + under_way);
            let work = u128::from(waiting) * u128::from(mean) + u128::from(under_way) * u128::from(mean) / 2;
            prop_assert!(u128::from(slots) * u128::from(target) >= work || slots == waiting + under_way);
            if slots > under_way.max(1) {
                prop_assert!((u128::from(slots) - 1) * u128::from(target) < work);
            }
        }
    }
}
