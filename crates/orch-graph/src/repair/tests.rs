//! Repairs in small. Random ones are in `tests/it/repairs.rs`.

use orch_core::graph::{FanOut, Graph, ListAt};
use serde_json::{Value, json};

use super::*;
use crate::plan::fixture;
use crate::run::{Action, Outcome, Part, RunOutcome};

/// Runs a plan to its end: these letters fail, all others succeed with this result.
fn run(plan: &Plan, failing: &str, result: &Value) -> Run {
    let (run, actions) = Run::begin(plan);
    finish(plan, run, actions, failing, result)
}

fn finish(plan: &Plan, mut run: Run, mut actions: Vec<Action>, failing: &str, result: &Value) -> Run {
    while let Some(action) = actions.pop() {
        if let Action::Start { step, item } = action {
            let name = item.as_ref().map_or(plan.step(step).name.clone(), |item| item.value.clone());
            let how = if failing.contains(&name) { Outcome::Failed } else { Outcome::Succeeded };
            let part = Part { step, index: item.map(|item| item.index) };
            actions.extend(run.end(plan, part, how, Some(result)).unwrap());
        }
    }
    run
}

fn letters(plan: &Plan, steps: &BTreeSet<StepNo>) -> String {
    plan.order().iter().filter(|step| steps.contains(step)).map(|step| plan.step(*step).name.as_str()).collect()
}

/// a → b → c, and c is cleaned up after by z, which always runs; d by itself.
fn plan() -> Plan {
    changed(&[("a", ""), ("b", "a"), ("c", "b"), ("z", "c"), ("d", "")], |graph| {
        graph.steps[3].trigger = Trigger::AllDone;
        graph.steps[1].inputs = ["since".to_owned()].into();
    })
}

fn changed(steps: &[(&str, &str)], change: impl Fn(&mut Graph)) -> Plan {
    let mut graph = fixture::plan(steps).graph().clone();
    change(&mut graph);
    Plan::of(graph).unwrap()
}

#[test]
fn each_kind_runs_again_what_it_says() {
    let plan = plan();
    let none = BTreeSet::new();
    let since: BTreeSet<String> = ["since".to_owned()].into();
    let before = run(&plan, "bd", &json!(null));
    let again = |kind, changed| letters(&plan, &Repair::of(&plan, &before, kind, changed).unwrap().again);
    assert_eq!(again(RepairKind::OnlyFailed, &none), "bcd", "z was good");
    assert_eq!(again(RepairKind::Downstream, &none), "bcdz");
    assert_eq!(again(RepairKind::FromStep(plan.named("c").unwrap()), &none), "cz");
    assert_eq!(again(RepairKind::FromStep(plan.named("d").unwrap()), &since), "bcdz");
    assert_eq!(again(RepairKind::OnlyFailed, &since), "bcdz");
}

#[test]
fn what_is_kept_starts_nothing_and_counts() {
    let plan = plan();
    let before = run(&plan, "bd", &json!(null));
    assert_eq!(before.outcome(), Some(RunOutcome::Failed));
    let repair = Repair::of(&plan, &before, RepairKind::OnlyFailed, &BTreeSet::new()).unwrap();
    let (after, actions) = Run::repaired(&plan, &before, &repair, &BTreeMap::new());
    let start = |name: &str| Action::Start { step: plan.named(name).unwrap(), item: None };
    assert_eq!(actions, [start("b"), start("d")]);
    let after = finish(&plan, after, actions, "", &json!(null));
    assert_eq!(after.outcome(), Some(RunOutcome::Succeeded));
}

#[test]
fn a_handler_is_asked_again_when_what_it_handled_is() {
    let plan = changed(&[("a", ""), ("h", "a")], |graph| graph.steps[1].trigger = Trigger::OneFailed);
    let before = run(&plan, "a", &json!(null));
    assert_eq!(before.outcome(), Some(RunOutcome::Succeeded));
    let repair = Repair::of(&plan, &before, RepairKind::OnlyFailed, &BTreeSet::new()).unwrap();
    assert_eq!(letters(&plan, &repair.again), "ah");
}

#[test]
fn only_the_items_that_failed_run_again() {
    let plan = changed(&[("a", ""), ("m", "a")], |graph| {
        let over = ListAt { pointer: "/items".to_owned(), step: "a".to_owned() };
        graph.steps[1].kind = StepKind::Map(FanOut { concurrency_max: None, max: 9, over });
    });
    let (list, map) = (StepNo(0), StepNo(1));
    let found = json!({"items": [5, 6, 7, 8]});
    let before = run(&plan, "68", &found);
    let repair = Repair::of(&plan, &before, RepairKind::OnlyFailed, &BTreeSet::new()).unwrap();
    assert_eq!(repair.items, [(map, [1, 3].into())].into());
    assert_eq!(repair.results_wanted, [list].into());
    let (after, actions) = Run::repaired(&plan, &before, &repair, &[(list, found.clone())].into());
    assert_eq!(actions.len(), 2);
    let after = finish(&plan, after, actions, "8", &found);
    assert_eq!(after.missed(map), Some(&[3].into()));
    let whole = Repair::of(&plan, &after, RepairKind::FromStep(map), &BTreeSet::new()).unwrap();
    let (after, actions) = Run::repaired(&plan, &after, &whole, &[(list, found.clone())].into());
    assert_eq!(actions.len(), 4, "from the map on means all of it");
    assert_eq!(finish(&plan, after, actions, "", &found).outcome(), Some(RunOutcome::Succeeded));
}

#[test]
fn what_cannot_be_repaired_is_refused() {
    let plan = plan();
    let none = BTreeSet::new();
    let (fresh, _) = Run::begin(&plan);
    assert_eq!(Repair::of(&plan, &fresh, RepairKind::Downstream, &none), Err(RepairError::NotEnded));
    let good = run(&plan, "", &json!(null));
    assert_eq!(Repair::of(&plan, &good, RepairKind::OnlyFailed, &none), Err(RepairError::Nothing));
    let unknown = StepNo(9);
    let error = Repair::of(&plan, &good, RepairKind::FromStep(unknown), &none);
    assert_eq!(error, Err(RepairError::UnknownStep(unknown)));
    let until: BTreeSet<String> = ["until".to_owned()].into();
    let error = Repair::of(&plan, &good, RepairKind::Downstream, &until);
    assert_eq!(error, Err(RepairError::UnknownInput("until".to_owned())));
}
