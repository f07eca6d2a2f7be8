//! Shares, order, and that nothing is lost or kept.

use proptest::prelude::*;

use super::*;

fn party(n: u32) -> Party {
    Party::Others(TenantNo(n))
}

#[test]
fn one_party_is_served_in_the_order_of_arrival() {
    let mut queue = FairQueue::default();
    (0..5).for_each(|n| queue.push(party(1), n));
    let served: Vec<_> = std::iter::from_fn(|| {
        let (party, n) = queue.pop()?;
        queue.charge(party, 1);
        Some(n)
    })
    .collect();
    assert_eq!(served, [0, 1, 2, 3, 4]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn who_comes_late_waits_for_one_service_of_a_flood() {
    let mut queue = FairQueue::default();
    (0..1_000).for_each(|n| queue.push(party(1), n));
    let (first, _) = queue.pop().unwrap();
    queue.push(party(2), 0);
    queue.charge(first, 500);
    assert_eq!(queue.pop().unwrap().0, party(2));
}

#[test]
fn workers_do_not_wait_behind_submitters_of_their_tenant() {
    let mut queue = FairQueue::default();
    (0..10).for_each(|n| queue.push(party(1), n));
    let (first, _) = queue.pop().unwrap();
    queue.charge(first, 500);
    queue.push(Party::Workers(TenantNo(1)), 99);
    assert_eq!(queue.pop().unwrap(), (Party::Workers(TenantNo(1)), 99));
}

#[test]
fn nothing_is_kept_of_parties_that_have_gone() {
    let mut queue = FairQueue::default();
    for n in 0..1_000 {
        queue.push(party(n), n);
        let (party, _) = queue.pop().unwrap();
        queue.charge(party, 10);
    }
    assert!(queue.lines.len() <= 2, "{} lines are kept", queue.lines.len());
}

proptest! {
    /// Two parties that always wait get shares of the service that differ by one service of each at most.
    #[test]
    fn parties_that_wait_get_equal_shares(costs in proptest::collection::vec((1u64..600, 1u64..600), 50..200)) {
        let mut queue = FairQueue::default();
        costs.iter().for_each(|(a, b)| {
            queue.push(party(1), *a);
            queue.push(party(2), *b);
        });
        let mut got = BTreeMap::from([(party(1), 0u64), (party(2), 0)]);
        while queue.len_of(party(1)) > 0 && queue.len_of(party(2)) > 0 {
            let (party, cost) = queue.pop().unwrap();
            queue.charge(party, cost);
            *got.get_mut(&party).unwrap() += cost;
            prop_assert!(got.values().max().unwrap() - got.values().min().unwrap() <= 1_200);
        }
    }

    /// Whatever comes in goes out once.
    #[test]
    fn nothing_is_lost(steps in proptest::collection::vec((0u32..5, 0u64..50, any::<bool>()), 0..300)) {
        let mut queue = FairQueue::default();
        let mut out = Vec::new();
        for (place, (n, cost, take)) in steps.iter().enumerate() {
            queue.push(party(*n), place);
            if *take && let Some((party, item)) = queue.pop() {
                queue.charge(party, *cost);
                out.push(item);
            }
        }
        while let Some((party, item)) = queue.pop() {
            queue.charge(party, 1);
            out.push(item);
        }
        out.sort_unstable();
        prop_assert_eq!(out, (0..steps.len()).collect::<Vec<_>>());
        prop_assert_eq!(queue.len(), 0);
    }
}
