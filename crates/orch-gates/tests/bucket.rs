//! Buckets under random use, judged by a reader of their grants who counts by brute force and knows no limiter.
//!
//! The upstream is as strict as its terms, and requests take up to the guard to reach it.

use std::cell::Cell;

use orch_core::Timestamp;
use orch_core::term::GUARD_MS_MIN;
use orch_gates::bucket::{Holder, Rules};
use orch_gates::{Bucket, CutCause, Term};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

const RAMP_MS: u64 = 8_000;
/// Grants that all cases together must reach.
const GRANTS_MIN: u64 = 1_000_000;
const CASES: u32 = 4_000;

/// What happens to a bucket.
#[derive(Debug, Clone)]
enum Act {
    /// So much time passes.
    Wait(u64),
    /// A request of this cost leaves as soon as it may, and leaves such a part of each term to others; so much of the way's
    /// longest time is its way.
    Ask { cost: u32, way: u64, keeps_percent: u32 },
    /// A request that left so long ago was refused.
    Refused { ago: u64 },
    /// Closed for so long.
    Close(u64),
    /// An operator's reset.
    Reset,
}

#[derive(Debug, Clone)]
struct Case {
    terms: Vec<Term>,
    acts: Vec<Act>,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    asked: Timestamp,
    at: Timestamp,
    arrives: Timestamp,
    cost: u32,
    keeps_percent: u32,
    holder: Option<Holder>,
}

fn terms() -> impl Strategy<Value = Vec<Term>> {
    let window = (1_u32..40, prop::sample::select(vec![50_u64, 1_000, 30_000])).prop_map(|(n, ms)| Term::window(n, ms));
    let pace = (1_u32..40, prop::sample::select(vec![200_u64, 1_000, 10_000]), 1_u32..40)
        .prop_map(|(n, ms, burst)| Term::pace(n, ms, burst.min(n)));
    prop::collection::vec(prop_oneof![3 => window, 2 => pace], 1..4)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        10 => (0_u64..400).prop_map(Act::Wait),
        1 => (0_u64..40_000).prop_map(Act::Wait),
        60 => (prop_oneof![4 => Just(1_u32), 1 => 1_u32..6], 0..GUARD_MS_MIN, prop_oneof![3 => Just(0_u32), 1 => 1_u32..=50])
            .prop_map(|(cost, way, keeps_percent)| Act::Ask { cost, way, keeps_percent }),
        1 => (0_u64..2_000).prop_map(|ago| Act::Refused { ago }),
        1 => (0_u64..3_000).prop_map(Act::Close),
        1 => Just(Act::Reset),
    ];
    prop::collection::vec(act, 250..400)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Runs a case and judges it. Returns how many grants there were.
fn judge(case: &Case) -> Result<u64, String> {
    let rules = Rules { terms: &case.terms, ramp_ms: RAMP_MS, in_flight_max: None, keeps_percent: 0 };
    let mut bucket = Bucket::default();
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let (mut grants, mut closed, mut cuts) = (Vec::<Grant>::new(), Vec::new(), Vec::<(Timestamp, u64)>::new());
    let mut resets = Vec::new();
    for act in &case.acts {
        match *act {
            Act::Wait(ms) => now = now.plus_ms(ms),
            Act::Ask { cost, way, keeps_percent } => {
                let rules = Rules { keeps_percent, ..rules };
                let cost = case.terms.iter().map(Term::cost_max).min().unwrap_or(1).min(cost);
                let (at, holder) = bucket.earliest(rules, cost, now);
                ensure(at >= now && (holder.is_none() == (at == now)), || format!("{at} by {holder:?} at {now}"))?;
                bucket.spend(rules, cost, at);
                grants.push(Grant { asked: now, at, arrives: at.plus_ms(way), cost, keeps_percent, holder });
                what_is_kept_stays(case, &grants)?;
            }
            Act::Refused { ago } => {
                let sent = Timestamp::from_millis(now.millis() - i64::try_from(ago).unwrap_or(0));
                let before = cuts.last().copied();
                let cut = bucket.cut(rules, CutCause::Status(429), sent, now);
                cut.into_iter().for_each(|cut| bucket.take(cut));
                let new = before.is_none_or(|(at, _)| sent > at);
                ensure(cut.is_some() == new, || format!("a refusal of {sent} at {now} after a cut at {before:?}"))?;
                cuts.extend(cut.map(|cut| (cut.at, u64::from(cut.to))));
            }
            Act::Close(ms) => {
                bucket.close(now.plus_ms(ms));
                closed.push((now, now.plus_ms(ms)));
            }
            Act::Reset => {
                bucket.reset();
                cuts.clear();
                resets.push(now);
                for (_, until) in &mut closed {
                    *until = (*until).min(now);
                }
            }
        }
        // What a grant met is judged at once where it depends on what was known then.
        if let (Act::Ask { .. }, Some(last)) = (act, grants.last()) {
            let shut = closed.iter().find(|(from, until)| *from <= last.at && last.at < *until);
            ensure(shut.is_none(), || format!("{last:?} while closed {shut:?}"))?;
            share_is_kept(case, &grants, &cuts, &resets)?;
        }
    }
    for pair in grants.windows(2) {
        ensure(pair[0].at <= pair[1].at, || format!("{:?} before {:?}", pair[0], pair[1]))?;
    }
    for term in &case.terms {
        term_is_kept(term, &grants)?;
    }
    none_waits_in_vain(case, &grants)?;
    Ok(grants.len() as u64)
}

/// After a cut, requests are as far apart as the share says that the upstream bears then.
fn share_is_kept(case: &Case, grants: &[Grant], cuts: &[(Timestamp, u64)], resets: &[Timestamp]) -> Result<(), String> {
    let [.., before, last] = grants else { return Ok(()) };
    let Some((cut, to)) = cuts.last() else { return Ok(()) };
    if resets.last().is_some_and(|reset| reset >= cut) {
        return Ok(());
    }
    let share = to + last.at.ms_since(*cut) * 1_000 / RAMP_MS;
    if share >= 1_000 {
        return Ok(());
    }
    for term in &case.terms {
        let apart = last.at.ms_since(before.at);
        let least = u64::from(before.cost) * term.window_ms * 1_000 / (u64::from(term.limit) * share);
        ensure(apart + 1 >= least, || format!("{apart} ms apart at a share of {share} of {term:?}, not {least}"))?;
    }
    Ok(())
}

/// A request leaves as much of each term as its rules keep for others, unless it could never leave otherwise.
fn what_is_kept_stays(case: &Case, grants: &[Grant]) -> Result<(), String> {
    let Some(last) = grants.last().filter(|last| last.keeps_percent > 0) else { return Ok(()) };
    for term in &case.terms {
        let kept = u64::from(term.cost_max() * last.keeps_percent / 100);
        if u64::from(last.cost) + kept > u64::from(term.cost_max()) {
            continue;
        }
        let mut sum = 0_u64;
        for old in grants.iter().rev() {
            let before = last.at.ms_since(old.at);
            let allowed = match term.burst {
                None if before >= term.guarded_ms() => break,
                None => u64::from(term.limit),
                Some(_) if before > 4 * term.window_ms => break,
                Some(burst) => u64::from(burst) + before * u64::from(term.limit) / term.window_ms,
            };
            sum += u64::from(old.cost);
            ensure(sum + kept <= allowed, || {
                format!("{last:?} left {sum} of {allowed} spent, and {kept} of {term:?} are kept")
            })?;
        }
    }
    Ok(())
}

/// As the upstream counts: by arrival.
fn term_is_kept(term: &Term, grants: &[Grant]) -> Result<(), String> {
    let mut arrivals: Vec<_> = grants.iter().map(|grant| (grant.arrives, grant.cost)).collect();
    arrivals.sort_unstable();
    for (first, (from, _)) in arrivals.iter().enumerate() {
        let mut sum = 0_u64;
        for (at, cost) in &arrivals[first..] {
            let after = at.ms_since(*from);
            sum += u64::from(*cost);
            let allowed = match term.burst {
                None if after >= term.window_ms => break,
                None => u64::from(term.limit),
                // Beyond this a burst makes no difference that a window further on would not show.
                Some(_) if after > 4 * term.window_ms => break,
                Some(burst) => u64::from(burst) + after * u64::from(term.limit) / term.window_ms,
            };
            ensure(sum <= allowed, || format!("{sum} of {allowed} within {after} ms of {from} against {term:?}"))?;
        }
    }
    Ok(())
}

/// A request that a window held would have been one too many a millisecond earlier: nothing is left unused but the guard.
fn none_waits_in_vain(case: &Case, grants: &[Grant]) -> Result<(), String> {
    for (place, grant) in grants.iter().enumerate() {
        let Some(Holder::Term(number) | Holder::Kept(number)) = grant.holder else { continue };
        let term = case.terms[number];
        let kept = term.cost_max() * grant.keeps_percent / 100;
        // One that could never leave otherwise takes of what is kept.
        let wanted = grant.cost.min(term.cost_max() - kept) + kept;
        let earlier = Timestamp::from_millis(grant.at.millis() - 1);
        let before = grants[..place].iter().rev().take_while(|old| old.at.plus_ms(term.guarded_ms()) > earlier);
        let spent: u64 = before.map(|old| u64::from(old.cost)).sum();
        let full = match term.burst {
            None => spent + u64::from(wanted) > u64::from(term.limit),
            // The emission of a pace: with the guard gone, the burst would have to be overdrawn.
            Some(burst) => overdrawn(&term, u64::from(burst), &grants[..place], wanted, earlier),
        };
        ensure(full, || format!("{grant:?} waited for {term:?}, of which {spent} were spent"))?;
        ensure(earlier >= grant.asked, || format!("{grant:?} was not held"))?;
    }
    Ok(())
}

/// Whether this cost would have been too much at this moment for some start, when each request may be the guard late.
fn overdrawn(term: &Term, burst: u64, before: &[Grant], cost: u32, at: Timestamp) -> bool {
    // Prices are rounded up: a millisecond is not missed.
    let guard = i128::from(GUARD_MS_MIN) + 1;
    let mut sum = i128::from(cost);
    before.iter().rev().any(|old| {
        sum += i128::from(old.cost);
        let after = i128::from(at.millis() - old.at.millis()) - guard;
        (sum - i128::from(burst)) * i128::from(term.window_ms) > after * i128::from(term.limit)
    })
}

fn search(cases: u32) -> (u64, Result<(), TestError<Case>>) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let grants = Cell::new(0);
    let strategy = (terms(), acts()).prop_map(|(terms, acts)| Case { terms, acts });
    let found = runner.run(&strategy, |case| {
        let judged = judge(&case).map_err(TestCaseError::fail)?;
        grants.set(grants.get() + judged);
        Ok(())
    });
    (grants.get(), found)
}

#[cfg(not(feature = "mutants"))]
#[test]
fn no_window_ever_holds_more_than_its_terms() {
    let (grants, found) = search(CASES);
    if let Err(found) = found {
        panic!("{found}");
    }
    assert!(grants >= GRANTS_MIN, "only {grants} grants");
}

#[cfg(feature = "mutants")]
#[test]
fn the_judge_finds_every_planted_bug() {
    use orch_gates::mutant::{Mutant, plant};

    let here = [
        Mutant::WindowWithoutGuard,
        Mutant::CostIgnored,
        Mutant::FirstTermOnly,
        Mutant::BurstTwice,
        Mutant::CutForOldRequests,
        Mutant::ShareIgnored,
        Mutant::ClosureForgotten,
        Mutant::BackInTime,
        Mutant::NothingKept,
    ];
    let missed: Vec<_> = here
        .into_iter()
        .filter(|bug| {
            plant(Some(*bug));
            let found = std::panic::catch_unwind(|| search(CASES / 10).1.is_err());
            plant(None);
            !found.unwrap_or(true)
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert!(search(CASES / 40).1.is_ok(), "and nothing is found where no bug is planted");
}
