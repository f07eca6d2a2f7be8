//! The test of the test: each planted bug must be found by the simulated world within the seeds of `sim`.
//! Needs `--features mutants`. `ORCH_SIM_MUTANT` runs some by name (with commas between), `ORCH_SIM_SEEDS` says how many
//! seeds (2,000), `ORCH_SIM_LENGTH` makes each world so many times longer.
#![cfg(feature = "mutants")]

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use orch_dispatch::mutant::{self, Mutant};
use orch_testkit::world::{World, WorldMutant};

/// Bugs that only a late seed finds, and a seed that did: tried first, because the way there takes minutes. A change of
/// the world may make it another one; then the hunt goes through all seeds and prints it.
const LATE: [(&str, u64); 10] = [
    ("CancelForgotten", 136),
    ("HourFreeForRetries", 277),
    ("LongerLeaseForgotten", 263),
    ("OtherTenantsUnread", 515),
    ("ReadBeforeFence", 378),
    ("ReapWithoutGrace", 306),
    ("RunTimesOfFailures", 257),
    ("ThrottleFreeForRetries", 1066),
    ("WindowReadNotPinned", 449),
    ("WorkersBeyondLimits", 387),
];

#[derive(Debug, Clone, Copy)]
enum Planted {
    Dispatcher(Mutant),
    Shell(WorldMutant),
}

impl Planted {
    fn name(self) -> String {
        match self {
            Self::Dispatcher(mutant) => format!("{mutant:?}"),
            Self::Shell(mutant) => format!("{mutant:?}"),
        }
    }

    /// A seed that finds it, and what found it: the one that did so before, else the first of all.
    fn hunt(self, seeds: u64) -> Option<(u64, String)> {
        let before = LATE.iter().find(|(name, _)| *name == self.name()).map(|(_, seed)| *seed);
        let likely = before.into_iter().filter(|seed| *seed < seeds);
        likely.chain(0..seeds).find_map(|seed| Some((seed, self.found(seed)?)))
    }

    fn found(self, seed: u64) -> Option<String> {
        let shell = match self {
            Self::Dispatcher(mutant) => {
                mutant::plant(Some(mutant));
                None
            }
            Self::Shell(mutant) => Some(mutant),
        };
        // A bug may break an assertion of the dispatcher before the judge sees it: found as well, if less well.
        let run = std::panic::catch_unwind(AssertUnwindSafe(|| World::new(seed, shell).longer(length()).run()));
        mutant::plant(None);
        match run {
            Ok(report) => report.failure.map(|failure| failure.violation.to_string()),
            Err(panic) => Some(format!("panic: {}", words(&*panic))),
        }
    }
}

/// How many times longer than usual each world is.
fn length() -> u64 {
    std::env::var("ORCH_SIM_LENGTH").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn every_planted_bug_is_found() {
    let seeds = std::env::var("ORCH_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let only = std::env::var("ORCH_SIM_MUTANT").ok();
    // Runs and backfills have worlds of their own (`runs.rs`, `backfills.rs`).
    let here = |mutant: &Mutant| !Mutant::OF_RUNS.contains(mutant) && !Mutant::OF_BACKFILLS.contains(mutant);
    let dispatcher = Mutant::ALL.into_iter().filter(here).map(Planted::Dispatcher);
    let all = dispatcher.chain(WorldMutant::ALL.into_iter().map(Planted::Shell));
    let all: Vec<_> = all
        .filter(|planted| match &only {
            Some(names) => names.split(',').any(|name| planted.name() == name),
            None => true,
        })
        .collect();
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(planted) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match planted.hunt(seeds) {
                        Some((seed, by)) => {
                            println!(
                                "{:<26} seed {seed:<5} {}",
                                planted.name(),
                                by.chars().take(150).collect::<String>()
                            );
                        }
                        None => missed.lock().unwrap().push(planted.name()),
                    }
                }
            });
        }
    });
    drop(std::panic::take_hook());
    let missed = missed.into_inner().unwrap();
    println!("{} planted bugs, {} not found", all.len(), missed.len());
    assert!(missed.is_empty(), "not found in {seeds} seeds: {missed:?}");
}
