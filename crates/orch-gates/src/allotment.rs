//! Sharing out a capacity among those who want it: reserved shares first, then by priority, then by weight.
//!
//! Nobody gets more than it wants or may have, and what one does not want is lent to others: shares are taken back as
//! soon as their owner wants them, since they are worked out anew from what each wants now. Inside a priority it is the
//! weighted max-min fair allocation (Bertsekas and Gallager 1992, 6.5.2).

use serde::{Deserialize, Serialize};

/// What one party wants and may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// What it could use now.
    pub wanted: u32,
    /// It gets at least so much of what it wants.
    pub reserved: u32,
    /// It never gets more.
    pub most: u32,
    /// Higher comes first.
    pub priority: u8,
    /// Its share among those of its priority; at least 1.
    pub weight: u32,
}

/// What each gets of a capacity, in their order.
#[must_use]
pub fn allot(capacity: u32, parties: &[Party]) -> Vec<u32> {
    let want = |party: &Party| party.wanted.min(party.most);
    let mut given = vec![0_u32; parties.len()];
    let mut left = capacity;
    // Reserved shares that do not fit together shrink alike.
    let reserved: Vec<_> = parties.iter().map(|party| want(party).min(party.reserved)).collect();
    let in_order = (0..parties.len()).collect::<Vec<_>>();
    level(&mut left, &mut given, &in_order, &reserved, |place| parties[place].reserved.max(1));
    let wants: Vec<_> = parties.iter().map(want).collect();
    let mut priorities: Vec<_> = parties.iter().map(|party| party.priority).collect();
    priorities.sort_unstable_by(|a, b| b.cmp(a));
    priorities.dedup();
    for priority in priorities {
        let these: Vec<_> = in_order.iter().copied().filter(|place| parties[*place].priority == priority).collect();
        level(&mut left, &mut given, &these, &wants, |place| parties[place].weight.max(1));
    }
    given
}

/// Raises what these have, by weight and up to their goals, until nothing is left: the water level of each, divided by its
/// weight, is the same, unless it has reached its goal.
fn level(left: &mut u32, given: &mut [u32], these: &[usize], goals: &[u32], weight: impl Fn(usize) -> u32) {
    let level_of = |place: usize, height: u64| {
        // A height is in parts of 2³² of a unit of weight one.
        let full = (u128::from(weight(place)) * u128::from(height)) >> 32;
        u32::try_from(full).unwrap_or(u32::MAX)
    };
    let at_height = |place: usize, given: u32, height: u64| level_of(place, height).min(goals[place]).max(given);
    let rise = |given: &[u32], height: u64| -> u64 {
        these.iter().map(|place| u64::from(at_height(*place, given[*place], height) - given[*place])).sum()
    };
    // The greatest height whose cost is left.
    let (mut low, mut high) = (0_u64, u64::MAX);
    if rise(given, high) > u64::from(*left) {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if rise(given, middle) <= u64::from(*left) { low = middle } else { high = middle }
        }
    } else {
        low = high;
    }
    for place in these {
        let to = at_height(*place, given[*place], low);
        *left -= to - given[*place];
        given[*place] = to;
    }
    // Whole units remain that no common height divides: one each, the least served for its weight first.
    let mut open: Vec<_> = these.iter().copied().filter(|place| given[*place] < goals[*place]).collect();
    open.sort_by_key(|place| (u64::from(given[*place] + 1) << 32).div_ceil(u64::from(weight(*place))));
    for place in open {
        if *left == 0 {
            break;
        }
        given[place] += 1;
        *left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn party(wanted: u32) -> Party {
        Party { wanted, reserved: 0, most: u32::MAX, priority: 0, weight: 1 }
    }

    #[test]
    fn equals_share_equally_and_lend_what_they_do_not_want() {
        assert_eq!(allot(90, &[party(100), party(100), party(100)]), [30, 30, 30]);
        assert_eq!(allot(90, &[party(10), party(100), party(100)]), [10, 40, 40]);
        assert_eq!(allot(10, &[party(100), party(100), party(100)]), [4, 3, 3]);
        assert_eq!(allot(90, &[party(1), party(2), party(3)]), [1, 2, 3]);
    }

    #[test]
    fn weights_priorities_reserves_and_limits() {
        let heavy = Party { weight: 3, ..party(100) };
        assert_eq!(allot(80, &[party(100), heavy]), [20, 60]);
        let first = Party { priority: 1, ..party(70) };
        assert_eq!(allot(80, &[party(100), first]), [10, 70]);
        let kept = Party { reserved: 20, ..party(100) };
        assert_eq!(allot(80, &[kept, Party { priority: 1, ..party(100) }]), [20, 60]);
        let limited = Party { most: 5, ..party(100) };
        assert_eq!(allot(80, &[limited, party(100)]), [5, 75]);
        let all = [Party { reserved: 60, ..party(100) }, Party { reserved: 120, ..party(200) }];
        assert_eq!(allot(90, &all), [30, 60], "reserves that do not fit shrink alike");
    }

    fn parties() -> impl Strategy<Value = Vec<Party>> {
        let one = (0_u32..200, 0_u32..50, 0_u32..200, 0_u8..3, 1_u32..5)
            .prop_map(|(wanted, reserved, most, priority, weight)| Party { wanted, reserved, most, priority, weight });
        prop::collection::vec(one, 1..12)
    }

    proptest! {
        #[test]
        fn nobody_gets_too_much_and_nothing_is_idle_that_is_wanted(capacity in 0_u32..1_000, parties in parties()) {
            let given = allot(capacity, &parties);
            let sum: u32 = given.iter().sum();
            prop_assert!(sum <= capacity);
            for (party, given) in parties.iter().zip(&given) {
                prop_assert!(*given <= party.wanted.min(party.most));
            }
            let unmet = parties.iter().zip(&given).any(|(party, given)| *given < party.wanted.min(party.most));
            prop_assert!(sum == capacity || !unmet, "{sum} of {capacity} and somebody waits");
            let reserves: u32 = parties.iter().map(|party| party.reserved).sum();
            if reserves <= capacity {
                for (party, given) in parties.iter().zip(&given) {
                    prop_assert!(*given >= party.reserved.min(party.wanted.min(party.most)));
                }
            }
        }

        #[test]
        fn who_wants_more_never_gets_less(capacity in 0_u32..1_000, parties in parties(), more in 1_u32..50) {
            let before = allot(capacity, &parties)[0];
            let mut greedier = parties;
            greedier[0].wanted += more;
            prop_assert!(allot(capacity, &greedier)[0] >= before);
        }

        #[test]
        fn of_two_that_are_alike_none_is_ahead_by_more_than_one(capacity in 0_u32..1_000, parties in parties()) {
            let mut parties = parties;
            parties.push(parties[0]);
            let given = allot(capacity, &parties);
            prop_assert!(given[0].abs_diff(given[parties.len() - 1]) <= 1, "{given:?}");
        }
    }
}
