//! The simulated world over many seeds. `ORCH_SIM_SEEDS` says how many (2,000), `ORCH_SIM_SEED` repeats one,
//! `ORCH_SIM_LENGTH` makes each so many times longer, and `ORCH_SIM_TRACE` prints so many of its last events.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use orch_testkit::model::Counts;
use orch_testkit::world::{Report, World};

/// Facts of runs.
const OF_RUNS: [&str; 10] = [
    "run_started",
    "steps_skipped",
    "part_failed",
    "map_ended",
    "approval_asked",
    "approval_decided",
    "run_cancel_requested",
    "run_paused",
    "run_resumed",
    "run_finished",
];

/// What every full run must have shown, beside each kind of fact.
const RACES: [&str; 90] = [
    "a backlog was full",
    "a claim sent again was answered",
    "a grant came when what held it let go",
    "a grant under a quota",
    "a grant under an allotment",
    "a grant under a throttle",
    "a parked claim ended empty",
    "a parked claim was woken",
    "a wait ended empty, and all work was held",
    "a permit was used",
    "a schedule fired",
    "a schedule was deleted",
    "an instant was skipped: overlap",
    "an instant was skipped: paused",
    "an instant was skipped: superseded",
    "a worker was asked to stop for a newer job",
    "a reading failed",
    "attempt: failed",
    "attempt: given back by its report",
    "attempt: lost",
    "attempt: released or unheard",
    "attempt: timed out",
    "breaker closed after its ramp",
    "breaker opened",
    "breaker: a canary came to nothing",
    "breaker: a canary failed",
    "breaker: a canary succeeded",
    "breaker: a ramp ended in a failure",
    "breaker: a ramp was full",
    "blackout asks an attempt to end",
    "blackout declared",
    "blackout over, and work goes on",
    "a blackout was deleted",
    "a breaker was deleted",
    "a bucket was cut for slowness",
    "a bucket was deleted",
    "bucket spent",
    "bucket spent ahead",
    "bucket_closed",
    "bucket_cut",
    "bucket_reset",
    "claim answered",
    "claim answered empty",
    "completion conflict",
    "duplicate completion",
    "end: cancel grace",
    "end: canceled",
    "end: deadline",
    "end: lost cap",
    "end: dropped",
    "end: superseded",
    "end: not retryable",
    "end: reported",
    "end: skipped",
    "end: tries spent",
    "enqueue refused",
    "fault: a call to the home of shared hosts is lost",
    "fault: crash",
    "fault: everybody stands still",
    "fault: frozen beyond its lease",
    "fault: frozen within its lease",
    "fault: the database restarts",
    "fault: the home of shared hosts has a new owner",
    "fault: the database's clock steps back",
    "in flight: a cut limit was full",
    "key mismatch refused",
    "key replayed",
    "keys were read after a take-over",
    "race: a crash between two effects",
    "race: a crash with an append open",
    "race: a job ended while a window read showed it",
    "race: a key's twin in flight",
    "race: a parent finished between prepare and answer",
    "race: a report after its lease was lost",
    "race: a take-over with an append open",
    "race: a window read overtaken by an enqueue",
    "race: an append was refused by the fence",
    "race: an append with an unknown outcome",
    "race: an append with an unknown outcome was committed",
    "race: an owner finds its own lease over",
    "race: nobody is left to commit an append",
    "race: time that was not served",
    "race: two appends under way",
    "recovered from snapshot and tail",
    "recovered from the whole history behind an older snapshot",
    "the bucket of a shared host was deleted",
    "the database's clock is behind the ledger",
    "a report would have taken a watermark back",
    "a watermark was elsewhere",
    "an operator took a watermark back",
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn world(seed: u64) -> World {
    World::new(seed, None).longer(number("ORCH_SIM_LENGTH").unwrap_or(1))
}

/// What was counted, how many steps were made, and the first seed that failed.
type Found = (Counts, u64, Option<(u64, Report)>);

/// Runs seeds on all cores; the first failing seed wins.
fn run_all(seeds: u64) -> Found {
    let next = AtomicU64::new(0);
    let found: Mutex<Found> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = world(seed).run();
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
        let report = world(seed).traced().run();
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
    // Runs and backfills have worlds of their own (`runs.rs`, `backfills.rs`).
    let elsewhere = |kind: &&str| OF_RUNS.contains(kind) || kind.starts_with("backfill_");
    let wanted = orch_core::fact::Fact::KINDS.iter().filter(|kind| !elsewhere(kind)).chain(&RACES);
    let missing: Vec<_> = wanted.filter(|what| counts.get(*what).is_none_or(|times| *times == 0)).collect();
    assert!(seeds < 2_000 || missing.is_empty(), "never seen in {seeds} seeds: {missing:?}");
}
