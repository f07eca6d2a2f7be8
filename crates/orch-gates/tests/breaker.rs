//! Breakers under random outcomes, judged by a reader of what began and ended.

use orch_core::Timestamp;
use orch_gates::{Breaker, BreakerPolicy, BreakerState};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

const POLICY: BreakerPolicy = BreakerPolicy {
    failures_percent: 50,
    outcomes_min: 5,
    open_ms: 500,
    open_ms_max: 4_000,
    ramp_max: 64,
    window_ms: 2_000,
};
const CASES: u32 = 600;

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    /// Attempts that want to begin.
    Begin(usize),
    /// One that is under way ends, by its place.
    End(usize, Option<bool>),
    Trip,
    Reset,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    began: Timestamp,
    canary: bool,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let good = prop_oneof![6 => Just(Some(false)), 6 => Just(Some(true)), 1 => Just(None)];
    let act = prop_oneof![
        6 => (0_u64..300).prop_map(Act::Wait),
        1 => (0_u64..6_000).prop_map(Act::Wait),
        12 => (1_usize..8).prop_map(Act::Begin),
        24 => (any::<usize>(), good).prop_map(|(place, good)| Act::End(place, good)),
        1 => prop_oneof![Just(Act::Trip), Just(Act::Reset)],
    ];
    prop::collection::vec(act, 100..300)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn judge(acts: &[Act]) -> Result<(), String> {
    let mut breaker = Breaker::default();
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut under_way = Vec::<Attempt>::new();
    // What the judge knows: since when it is closed and what ended since of what began since; successes in a ramp.
    let (mut closed_since, mut outcomes) = (Timestamp::ZERO, Vec::<(Timestamp, bool)>::new());
    let (mut ramp_since, mut ramp_good, mut opened) = (None, 0_usize, None::<(Timestamp, u64)>);
    for act in acts {
        let before = breaker.state();
        match *act {
            Act::Wait(ms) => now = now.plus_ms(ms),
            Act::Begin(wanted) => {
                for _ in 0..wanted {
                    let state = breaker.state();
                    let count = u32::try_from(under_way.len()).unwrap_or(u32::MAX);
                    if breaker.admits(count, now).is_err() {
                        break;
                    }
                    let canary = breaker.began(now);
                    let since = opened.map_or(Timestamp::ZERO, |(at, _)| at);
                    let probing = under_way.iter().any(|attempt| attempt.canary && attempt.began >= since);
                    match state {
                        BreakerState::Closed => ensure(!canary, || "a canary of a closed one".to_owned())?,
                        BreakerState::Open { until, .. } => {
                            ensure(canary && until <= now && !probing, || format!("began at {now} in {state:?}"))?;
                            let (at, ms) = opened.unwrap_or((now, 0));
                            ensure(now.ms_since(at) >= ms, || format!("{ms} ms after {at} are not over at {now}"))?;
                        }
                        BreakerState::Ramp { .. } => {
                            ensure(under_way.len() <= ramp_good, || format!("{count} under way after {ramp_good}"))?;
                        }
                        BreakerState::Probing { .. } | BreakerState::Tripped => {
                            return Err(format!("began at {now} in {state:?}"));
                        }
                    }
                    under_way.push(Attempt { began: now, canary });
                }
            }
            Act::End(place, good) if !under_way.is_empty() => {
                let attempt = under_way.swap_remove(place % under_way.len());
                breaker.ended(&POLICY, good, attempt.canary, attempt.began, now);
                if let (BreakerState::Closed, Some(good)) = (before, good)
                    && attempt.began >= closed_since
                {
                    outcomes.push((now, good));
                }
                if let (BreakerState::Ramp { .. }, Some(true)) = (before, good)
                    && ramp_since.is_some_and(|since| attempt.began >= since)
                {
                    ramp_good += 1;
                }
            }
            Act::End(..) => {}
            Act::Trip => breaker.trip(now),
            Act::Reset => breaker.reset(now),
        }
        let after = breaker.state();
        if let (BreakerState::Closed, BreakerState::Open { .. }) = (before, after) {
            let recent: Vec<_> = outcomes.iter().filter(|(at, _)| now.ms_since(*at) <= POLICY.window_ms).collect();
            let bad = recent.iter().filter(|(_, good)| !good).count();
            ensure(recent.len() >= POLICY.outcomes_min as usize, || format!("opened by {} outcomes", recent.len()))?;
            // Slots leave the window whole: a few outcomes may be older than the judge's window and none is younger.
            ensure(bad > 0, || "opened by successes".to_owned())?;
        }
        if before != after {
            match after {
                BreakerState::Closed => {
                    closed_since = now;
                    outcomes.clear();
                }
                BreakerState::Open { until, .. } if until > now => opened = Some((now, until.ms_since(now))),
                BreakerState::Ramp { .. } if !matches!(before, BreakerState::Ramp { .. }) => {
                    ramp_since = Some(now);
                    ramp_good = 0;
                }
                _ => {}
            }
        }
        if matches!(act, Act::Reset) {
            closed_since = now;
            outcomes.clear();
        }
    }
    Ok(())
}

fn search() -> Result<(), String> {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let found = runner.run(&acts(), |acts| judge(&acts).map_err(TestCaseError::fail));
    found.map_err(|error| error.to_string())
}

#[cfg(not(feature = "mutants"))]
#[test]
fn open_it_admits_one_canary_and_then_a_ramp() {
    search().unwrap_or_else(|found| panic!("{found}"));
}

#[cfg(feature = "mutants")]
#[test]
fn the_judge_finds_every_planted_bug() {
    use orch_gates::mutant::{Mutant, plant};

    for bug in [Mutant::ManyCanaries, Mutant::NoRamp, Mutant::OldOutcomesCount] {
        plant(Some(bug));
        let found = search();
        plant(None);
        assert!(found.is_err(), "{bug:?} was not found");
    }
    search().unwrap_or_else(|found| panic!("{found}"));
}
