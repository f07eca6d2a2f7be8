//! Repairs of random runs, and repairs of those.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::StepNo;
use orch_core::graph::{Graph, StepKind, Trigger};
use orch_graph::repair::RepairError;
use orch_graph::{End, Outcome, Plan, Repair, RepairKind, Run, SkipReason};

use crate::chance::Chance;
use crate::definitions::Known;
use crate::driver::{Driver, ensure};
use crate::random_graph;

#[cfg(not(feature = "mutants"))]
const GRAPHS: u64 = 5_000;
/// A run, its repair, and the repair of that.
const REPAIRS: usize = 2;

/// What runs again, from the definitions.
struct Again<'a> {
    graph: &'a Graph,
    driver: &'a Driver<'a>,
    kind: RepairKind,
    changed: &'a BTreeSet<String>,
}

impl Again<'_> {
    fn before(&self, place: usize) -> Vec<usize> {
        let named = |name: &str| self.graph.steps.iter().position(|step| step.name == name).unwrap();
        self.graph.steps[place].after.iter().map(|edge| named(&edge.step)).collect()
    }

    fn uses(&self, place: usize) -> bool {
        self.graph.steps[place].inputs.iter().any(|name| self.changed.contains(name))
    }

    fn fell_short(&self, place: usize) -> bool {
        let end = self.driver.all[place].end;
        [Some(End::Failed), Some(End::Canceled), Some(End::Skipped(SkipReason::RunCanceled))].contains(&end)
    }

    /// It uses another input, or something before it does.
    fn changes(&self, place: usize) -> bool {
        self.uses(place) || self.before(place).into_iter().any(|parent| self.changes(parent))
    }

    fn runs(&self, place: usize) -> bool {
        let after_again = || self.before(place).into_iter().any(|parent| self.runs(parent));
        let step = &self.graph.steps[place];
        self.changes(place)
            || match self.kind {
                RepairKind::FromStep(from) => from.place() == place || after_again(),
                RepairKind::Downstream => self.fell_short(place) || after_again(),
                RepairKind::OnlyFailed => {
                    let skipped = matches!(self.driver.all[place].end, Some(End::Skipped(_)));
                    let anew = skipped || step.disabled || step.trigger == Trigger::OneFailed;
                    self.fell_short(place) || (anew && after_again())
                }
            }
    }

    /// The items of a map that did not succeed, if those that did are good still.
    fn items(&self, place: usize) -> Option<BTreeSet<u32>> {
        let is_map = matches!(self.graph.steps[place].kind, StepKind::Map(_));
        let other = self.uses(place) || self.before(place).into_iter().any(|parent| self.runs(parent));
        if !is_map || other || matches!(self.kind, RepairKind::FromStep(_)) || !self.runs(place) {
            return None;
        }
        let mut missed: BTreeSet<u32> = self.driver.all[place].due.iter().map(|item| item.index).collect();
        for ((_, index), (how, _)) in self.driver.reports(place) {
            missed.retain(|item| Some(*item) != index || how != Outcome::Succeeded);
        }
        Some(missed).filter(|missed| !missed.is_empty())
    }
}

fn kind(chance: &mut Chance, steps: usize) -> RepairKind {
    match chance.below(3) {
        0 => RepairKind::FromStep(StepNo::at(chance.below(steps))),
        1 => RepairKind::OnlyFailed,
        _ => RepairKind::Downstream,
    }
}

/// Repairs what was driven to its end, and drives that. `None`: there was nothing to repair.
fn repaired<'a>(plan: &'a Plan, ended: &Driver<'a>, chance: &mut Chance) -> Result<Option<Driver<'a>>, String> {
    let graph = plan.graph();
    let kind = kind(chance, graph.steps.len());
    let used: BTreeSet<&String> = graph.steps.iter().flat_map(|step| &step.inputs).collect();
    let changed: BTreeSet<String> = used.into_iter().filter(|_| chance.one_in(3)).cloned().collect();
    let again = Again { graph, driver: ended, kind, changed: &changed };
    let (runs, keeps): (Vec<usize>, Vec<usize>) = (0..graph.steps.len()).partition(|place| again.runs(*place));
    let repair = match Repair::of(plan, ended.run(), kind, &changed) {
        Ok(repair) => repair,
        Err(RepairError::Nothing) => {
            return ensure(runs.is_empty(), || format!("{runs:?} should run again")).map(|()| None);
        }
        Err(error) => return Err(error.to_string()),
    };
    let right: BTreeSet<StepNo> = runs.iter().map(|place| StepNo::at(*place)).collect();
    ensure(repair.again == right, || format!("{kind:?} with {changed:?}: {:?} instead of {right:?}", repair.again))?;
    let reports = keeps.iter().flat_map(|place| ended.reports(*place)).collect();
    let kept = keeps.iter().filter(|place| ended.all[**place].end.is_some());
    let kept = kept.map(|place| (*place, ended.all[*place].clone())).collect();
    let only = runs.iter().filter_map(|place| again.items(*place).map(|items| (*place, items))).collect();
    let known = Known { reports, canceled: None, kept, only };
    let items: BTreeMap<StepNo, BTreeSet<u32>> =
        known.only.iter().map(|(place, items)| (StepNo::at(*place), items.clone())).collect();
    ensure(repair.items == items, || format!("{kind:?}: items {:?} instead of {items:?}", repair.items))?;
    // No more than what is asked for.
    let results = known.kept.iter().filter_map(|(place, seen)| Some((StepNo::at(*place), seen.result.clone()?)));
    let results = results.filter(|(step, _)| repair.results_wanted.contains(step)).collect();
    Driver::new(plan, known, Run::repaired(plan, ended.run(), &repair, &results)).map(Some)
}

/// Runs and repairs the graphs of these seeds. Gives how many repairs there were.
fn search(seeds: std::ops::Range<u64>) -> Result<u64, String> {
    let mut repairs = 0;
    for seed in seeds {
        let mut chance = Chance::new(seed);
        let plan = Plan::of(random_graph::graph(&mut chance)).map_err(|refusal| format!("seed {seed}: {refusal:?}"))?;
        let mut all = || {
            let mut driver = Driver::new(&plan, Known::default(), Run::begin(&plan))?;
            driver.finish(&mut chance)?;
            for _ in 0..REPAIRS {
                let Some(mut next) = repaired(&plan, &driver, &mut chance)? else { break };
                next.finish(&mut chance)?;
                repairs += 1;
                driver = next;
            }
            Ok(())
        };
        all().map_err(|what: String| format!("seed {seed}: {what}\n{:#?}", plan.graph()))?;
    }
    Ok(repairs)
}

#[cfg(not(feature = "mutants"))]
#[test]
fn repairs_run_again_what_the_definitions_say_and_keep_the_rest() {
    let repairs = search(0..GRAPHS).unwrap_or_else(|found| panic!("{found}"));
    assert!(repairs > GRAPHS, "only {repairs} repairs");
}

#[cfg(feature = "mutants")]
#[test]
fn the_definitions_find_every_bug_planted_in_repairs() {
    use orch_graph::mutant::{Mutant, plant};

    for bug in [Mutant::SkippedIsKept, Mutant::InputStopsAtStep, Mutant::WholeListAgain] {
        plant(Some(bug));
        let found = std::panic::catch_unwind(|| search(0..1_000).is_err());
        plant(None);
        assert!(found.unwrap_or(true), "{bug:?} was not found");
    }
    search(0..500).unwrap_or_else(|found| panic!("{found}"));
}
