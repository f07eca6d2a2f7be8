//! Runs of random graphs.

use std::collections::BTreeMap;

use orch_graph::{Plan, Run};

use crate::chance::Chance;
use crate::definitions::Known;
use crate::driver::Driver;
use crate::random_graph;

#[cfg(not(feature = "mutants"))]
const GRAPHS: u64 = 10_000;

/// Runs the graphs of these seeds. Gives how often what was to be seen.
fn search(seeds: std::ops::Range<u64>) -> Result<BTreeMap<String, u64>, String> {
    let mut often = BTreeMap::new();
    let mut see = |what: String| *often.entry(what).or_default() += 1;
    for seed in seeds {
        let mut chance = Chance::new(seed);
        let graph = random_graph::graph(&mut chance);
        let plan = Plan::of(graph).map_err(|refusal| format!("seed {seed}: {refusal:?}"))?;
        let failed = |what: String| format!("seed {seed}: {what}\n{:#?}", plan.graph());
        let mut driver = Driver::new(&plan, Known::default(), Run::begin(&plan)).map_err(failed)?;
        driver.finish(&mut chance).map_err(failed)?;
        see(format!("the run {:?}", driver.run().outcome()));
        for seen in &driver.all {
            let items = seen.started.iter().flatten().count();
            seen.started.iter().for_each(|_| see("started".to_owned()));
            see(if seen.passed.is_some() { "passed over".to_owned() } else { format!("{:?}", seen.end) });
            seen.fault.into_iter().for_each(|fault| see(format!("{fault:?}")));
            see(format!("{items} items"));
        }
    }
    Ok(often)
}

/// Same starts, skips, ends and outcome as the definitions after every event; every run ends, and no step starts twice.
#[cfg(not(feature = "mutants"))]
#[test]
fn runs_of_random_graphs_do_what_the_definitions_say() {
    let often = search(0..GRAPHS).unwrap_or_else(|found| panic!("{found}"));
    println!("{often:#?}");
    let seen = |what: &str| often.get(what).copied().unwrap_or(0);
    assert!(seen("started") > 3 * GRAPHS);
    for reason in ["UpstreamFailed", "UpstreamCanceled", "UpstreamSkipped", "NothingFailed", "RunCanceled"] {
        assert!(seen(&format!("Some(Skipped({reason}))")) > GRAPHS / 20, "{reason}");
    }
    for end in ["Succeeded", "Failed", "Canceled"] {
        assert!(seen(&format!("Some({end})")) > GRAPHS / 20, "{end}");
        assert!(seen(&format!("the run Some({end})")) > GRAPHS / 20, "the run {end}");
    }
    for what in ["passed over", "ListMissing", "ListTooLong", "NoList", "2 items", "4 items"] {
        assert!(seen(what) > GRAPHS / 50, "{what}");
    }
}

#[cfg(feature = "mutants")]
#[test]
fn the_definitions_find_every_planted_bug() {
    use orch_graph::mutant::{Mutant, plant};

    let of_repairs = [Mutant::SkippedIsKept, Mutant::InputStopsAtStep, Mutant::WholeListAgain];
    let here = Mutant::ALL.into_iter().filter(|bug| !of_repairs.contains(bug));
    let missed: Vec<_> = here
        .filter(|bug| {
            plant(Some(*bug));
            let found = std::panic::catch_unwind(|| search(0..2_000).is_err());
            plant(None);
            !found.unwrap_or(true)
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    search(0..500).unwrap_or_else(|found| panic!("{found}"));
}
