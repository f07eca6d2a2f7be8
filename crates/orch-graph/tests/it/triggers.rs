//! Every rule over every way in which up to four steps before can end, in every order, against the definitions.

use orch_core::graph::Trigger;
use orch_graph::trigger::Counted;
use orch_graph::{Decision, SkipReason, Tally, decide};

use crate::definitions::{by_definition, foreseen};

const PARENTS_MAX: usize = 4;

/// All lists of so many ends.
fn lists(length: usize) -> Vec<Vec<Counted>> {
    (0..length).fold(vec![Vec::new()], |lists, _| {
        let longer = |list: &Vec<Counted>| Counted::ALL.map(|end| [list.as_slice(), &[end]].concat());
        lists.iter().flat_map(longer).collect()
    })
}

/// What is true however the rest ends, by trying every list.
fn tried(trigger: Trigger, known: &[Counted], open: usize) -> Decision {
    let whole = |rest: Vec<Counted>| by_definition(trigger, &[known, rest.as_slice()].concat());
    let mut decisions = lists(open).into_iter().map(whole);
    let first = decisions.next().unwrap_or(Decision::Wait);
    let waits = open > 0 && trigger == Trigger::AllDone;
    if !waits && decisions.all(|other| other == first) { first } else { Decision::Wait }
}

#[test]
fn every_order_of_ends_comes_to_what_the_definitions_say() {
    let mut seen = 0;
    for trigger in Trigger::ALL {
        // Every order of a list is among all lists.
        for ends in (0..=PARENTS_MAX).flat_map(lists) {
            let mut tally = Tally::of(u32::try_from(ends.len()).unwrap());
            let mut sorted = ends.clone();
            sorted.sort_unstable();
            let last = by_definition(trigger, &sorted);
            let mut decided = None;
            for known in 0..=ends.len() {
                if known > 0 {
                    tally.count(ends[known - 1]);
                }
                let open = ends.len() - known;
                let now = decide(trigger, tally);
                assert_eq!(now, tried(trigger, &ends[..known], open), "{trigger:?} {ends:?} {known}");
                assert_eq!(now, foreseen(trigger, &ends[..known], open), "{trigger:?} {ends:?} {known}");
                if let Some(before) = decided {
                    assert_eq!(now, before, "{trigger:?} {ends:?} changed its mind at {known}");
                } else if now != Decision::Wait {
                    decided = Some(now);
                }
                seen += 1;
            }
            assert_eq!(decided, Some(last), "{trigger:?} {ends:?}");
        }
    }
    // Five rules, and for each length n 4ⁿ lists that are looked at n + 1 times.
    assert_eq!(seen, 5 * (1 + 4 * 2 + 16 * 3 + 64 * 4 + 256 * 5));
}

#[test]
fn a_step_that_is_passed_over_counts_as_those_before_it() {
    for trigger in Trigger::ALL {
        for before in lists(2) {
            for beside in Counted::ALL {
                let mut over = Tally::of(2);
                before.iter().for_each(|end| over.count(*end));
                let mut tally = Tally::of(2);
                tally.pass(over);
                tally.count(beside);
                let spliced = by_definition(trigger, &[before[0], before[1], beside]);
                assert_eq!(decide(trigger, tally), spliced, "{trigger:?} {before:?} {beside:?}");
            }
        }
        let mut first = Tally::of(1);
        first.pass(Tally::default());
        assert_eq!(decide(trigger, first), by_definition(trigger, &[]), "{trigger:?}: nothing is before it");
    }
}

#[test]
fn numbers_that_double_do_not_overflow() {
    let mut tally = Tally { failed: 1, ..Tally::default() };
    for _ in 0..40 {
        let mut next = Tally::of(2);
        next.pass(tally);
        next.pass(tally);
        tally = next;
    }
    assert_eq!(decide(Trigger::AllSucceeded, tally), Decision::Skip(SkipReason::UpstreamFailed));
}
