//! Repairs: which steps of an ended run run again, and which keep what they found.
//!
//! The repair is a run of its own (`Run::repaired`) of the same version of the graph. What runs again is decided here
//! in the sense that it waits for its trigger once more: it may come out that it is skipped this time, or no longer.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::StepNo;
use orch_core::graph::{StepKind, Trigger};

use crate::mutant::{self, Mutant};
use crate::plan::Plan;
use crate::run::{End, Run, StepState};
use crate::trigger::SkipReason;

/// How far a repair goes. Steps that use another input run again with all after them, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairKind {
    /// One step and all after it; the rest stays as it ended, failures too.
    FromStep(StepNo),
    /// What failed or was canceled; and directly after something that runs again what was skipped or waits for
    /// failures. Good results after them are kept: of maps, those of single items too.
    OnlyFailed,
    /// What failed or was canceled, and all after it.
    Downstream,
}

/// Why there is nothing that a repair could do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepairError {
    /// The run is still under way.
    #[error("the run has not ended")]
    NotEnded,
    /// The graph has no such step.
    #[error("the graph has no step number {}", .0.0)]
    UnknownStep(StepNo),
    /// No step uses an input of this name.
    #[error("no step uses the input `{0}`")]
    UnknownInput(String),
    /// Nothing failed and nothing changed.
    #[error("there is nothing to repair")]
    Nothing,
}

/// What a repair does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repair {
    /// The steps that run again; all others keep how they ended and what they found.
    pub again: BTreeSet<StepNo>,
    /// Of these maps only these items run again: the others succeeded, and the list is the same.
    pub items: BTreeMap<StepNo, BTreeSet<u32>>,
    /// Kept steps whose results `Run::repaired` needs.
    pub results_wanted: BTreeSet<StepNo>,
}

impl Repair {
    /// What becomes of an ended run's steps. `changed` are names of inputs that have another value this time.
    ///
    /// # Errors
    /// The run has not ended, a step or an input is not there, or nothing would run again.
    pub fn of(plan: &Plan, before: &Run, kind: RepairKind, changed: &BTreeSet<String>) -> Result<Self, RepairError> {
        if before.outcome().is_none() {
            return Err(RepairError::NotEnded);
        }
        if let RepairKind::FromStep(step) = kind
            && before.state(step).is_none()
        {
            return Err(RepairError::UnknownStep(step));
        }
        let uses = |step: StepNo| !plan.step(step).inputs.is_disjoint(changed);
        let used = |name: &&String| plan.graph().steps.iter().any(|step| step.inputs.contains(*name));
        if let Some(name) = changed.iter().find(|name| !used(name)) {
            return Err(RepairError::UnknownInput(name.clone()));
        }
        let whole = after_all(plan, |step| match kind {
            RepairKind::FromStep(from) => step == from || uses(step),
            RepairKind::Downstream => fell_short(before, step) || uses(step),
            RepairKind::OnlyFailed => uses(step),
        });
        let again = match kind {
            RepairKind::OnlyFailed => failed_and_skipped(plan, before, &whole),
            RepairKind::FromStep(_) | RepairKind::Downstream => whole.clone(),
        };
        if again.is_empty() {
            return Err(RepairError::Nothing);
        }
        let items = match kind {
            RepairKind::FromStep(_) => BTreeMap::new(),
            RepairKind::OnlyFailed | RepairKind::Downstream => items(plan, before, &again, uses),
        };
        let results_wanted = results_wanted(plan, before, &again);
        Ok(Self { again, items, results_wanted })
    }

    /// The steps that keep their ends, in the plan's order. What is disabled is passed over anew.
    pub(crate) fn kept<'a>(&'a self, plan: &'a Plan, before: &'a Run) -> impl Iterator<Item = (StepNo, End)> + 'a {
        let kept = plan.order().iter().filter(|step| !self.again.contains(step));
        kept.filter_map(|step| before.end_of(*step).map(|end| (*step, end)))
    }
}

/// It has no result, and not because it was not chosen.
fn fell_short(before: &Run, step: StepNo) -> bool {
    matches!(before.end_of(step), Some(End::Failed | End::Canceled | End::Skipped(SkipReason::RunCanceled)))
}

/// The steps of which this is true, and all after them.
fn after_all(plan: &Plan, is_first: impl Fn(StepNo) -> bool) -> BTreeSet<StepNo> {
    let mut again = BTreeSet::new();
    for step in plan.order() {
        let goes_on = |parent: &StepNo| again.contains(parent) && !mutant::on(Mutant::InputStopsAtStep);
        if is_first(*step) || plan.parents(*step).iter().any(goes_on) {
            again.insert(*step);
        }
    }
    again
}

/// What fell short; and directly after something that runs again what was skipped, and what waits for failures: it has
/// handled what may not fail this time. Disabled steps stand for what is before them.
fn failed_and_skipped(plan: &Plan, before: &Run, also: &BTreeSet<StepNo>) -> BTreeSet<StepNo> {
    let mut again = BTreeSet::new();
    for step in plan.order() {
        let decided_anew = match before.state(*step) {
            Some(StepState::PassedOver(_)) => true,
            Some(StepState::Ended(End::Skipped(_))) => !mutant::on(Mutant::SkippedIsKept),
            _ => plan.step(*step).trigger == Trigger::OneFailed,
        };
        let after_again = || plan.parents(*step).iter().any(|parent| again.contains(parent));
        if also.contains(step) || fell_short(before, *step) || (decided_anew && after_again()) {
            again.insert(*step);
        }
    }
    again
}

/// The items of maps that did not succeed, where nothing before the map changes.
fn items(
    plan: &Plan,
    before: &Run,
    again: &BTreeSet<StepNo>,
    uses: impl Fn(StepNo) -> bool,
) -> BTreeMap<StepNo, BTreeSet<u32>> {
    if mutant::on(Mutant::WholeListAgain) {
        return BTreeMap::new();
    }
    let same = |step: &&StepNo| !uses(**step) && !plan.parents(**step).iter().any(|parent| again.contains(parent));
    let of = |step: &StepNo| before.missed(*step).map(|missed| (*step, missed.clone()));
    again.iter().filter(same).filter_map(of).collect()
}

/// Kept steps that succeeded before an edge that looks into their result.
fn results_wanted(plan: &Plan, before: &Run, again: &BTreeSet<StepNo>) -> BTreeSet<StepNo> {
    let looks = |parent: StepNo, child: &crate::plan::Child| {
        let step = plan.step(child.step);
        let lists = matches!(&step.kind, StepKind::Map(map) if map.over.step == plan.step(parent).name);
        (again.contains(&child.step) || step.disabled) && (plan.condition(*child).is_some() || lists)
    };
    let wanted = |step: &StepNo| {
        let good = before.end_of(*step) == Some(End::Succeeded);
        good && !again.contains(step) && plan.children(*step).iter().any(|child| looks(*step, child))
    };
    plan.order().iter().copied().filter(wanted).collect()
}

#[cfg(test)]
mod tests;
