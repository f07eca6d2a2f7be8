//! The simulated world over many seeds. `ORCH_SIM_SEEDS` says how many (2,000), `ORCH_SIM_SEED` repeats one, and
//! `ORCH_SIM_TRACE` prints so many of its last events.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use orch_testkit::model::Counts;
use orch_testkit::world::{Report, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on all cores; the first failing seed wins.
fn run_all(seeds: u64) -> (Counts, u64, Option<(u64, Report)>) {
    let next = AtomicU64::new(0);
    let found: Mutex<(Counts, u64, Option<(u64, Report)>)> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = World::new(seed, None).run();
                    let mut found = found.lock().unwrap();
                    for (what, times) in &report.counts {
                        *found.0.entry(what).or_default() += times;
                    }
                    found.1 += report.steps;
                    if report.failure.is_some() {
                        next.store(seeds, Ordering::Relaxed);
                        if found.2.as_ref().is_none_or(|(first, _)| seed < *first) {
                            found.2 = Some((seed, report));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn the_promises_hold_in_every_world() {
    if let Some(seed) = number("ORCH_SIM_SEED") {
        let report = World::new(seed, None).traced().run();
        let skip =
            report.trace.len().saturating_sub(usize::try_from(number("ORCH_SIM_TRACE").unwrap_or(0)).unwrap_or(0));
        report.trace.iter().skip(skip).for_each(|line| println!("{line}"));
        println!("seed {seed}: {} steps, {:#?}", report.steps, report.counts);
        if let Some(failure) = report.failure {
            panic!("seed {seed}, step {}: {}", failure.step, failure.violation);
        }
        return;
    }
    let seeds = number("ORCH_SIM_SEEDS").unwrap_or(2_000);
    let (counts, steps, failed) = run_all(seeds);
    for (what, times) in &counts {
        println!("{times:>10}  {what}");
    }
    println!("{seeds} seeds, {steps} steps");
    if let Some((seed, report)) = failed {
        let failure = report.failure.expect("only a failed run is kept");
        panic!(
            "seed {seed}, step {}: {}\nrepeat: ORCH_SIM_SEED={seed} cargo test -p orch-testkit --test sim",
            failure.step, failure.violation
        );
    }
}
