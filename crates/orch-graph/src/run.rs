//! The state machine of a run: what happened to its steps goes in, what is to be done comes out.
//!
//! Plain data and no more than the rules need: results are looked at when their step ends and not kept, but for the
//! items of lists that are still to be handed out. The order in which steps end changes when others start, and
//! nothing else.

mod fan;
mod verdict;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use orch_core::StepNo;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Plan;
use crate::repair::Repair;
use crate::trigger::{SkipReason, Tally};

pub use fan::Item;
pub use orch_core::run::{Counts, End, Fault, Outcome, RunOutcome};

use fan::Fan;
use work::Work;

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// What is before it has not decided it yet.
    Waiting(Tally),
    /// Started, and not ended.
    UnderWay,
    /// It is disabled, and all before it ended.
    PassedOver(Tally),
    /// Ended. Ended is ended.
    Ended(End),
}

/// What is to be done. In the order in which it follows from what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Make a job: of the step, or of one item of it. `payload::of` gives its payload.
    Start {
        /// The step.
        step: StepNo,
        /// The item, where the step is a map.
        item: Option<Item>,
    },
    /// Begin a run of the sub-graph. `payload::of` gives its inputs.
    StartSubGraph {
        /// The step.
        step: StepNo,
    },
    /// Ask somebody.
    AskApproval {
        /// The step.
        step: StepNo,
    },
    /// The step will not begin. Nothing is to be done but to write it down.
    Skip {
        /// The step.
        step: StepNo,
        /// Why.
        reason: SkipReason,
    },
    /// A map failed without any job: its list is not one that it takes.
    Fail {
        /// The step.
        step: StepNo,
        /// Why.
        fault: Fault,
    },
    /// A map ended with the last of its jobs, or with an empty list.
    End {
        /// The step.
        step: StepNo,
        /// How.
        end: End,
        /// Its result.
        counts: Counts,
    },
    /// Ask what is under way to stop; it ends by `Run::end` like everything else.
    Cancel {
        /// The step.
        step: StepNo,
        /// The item's place, where the step is a map.
        index: Option<u32>,
    },
    /// All steps ended, and so does the run.
    Finish {
        /// How.
        outcome: RunOutcome,
    },
}

/// What ended: a step, or an item of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The step.
    pub step: StepNo,
    /// The item's place, where the step is a map.
    pub index: Option<u32>,
}

/// What a run refuses to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The graph has no such step.
    #[error("the graph has no step number {}", .0.0)]
    UnknownStep(StepNo),
    /// It has not begun, or has ended already.
    #[error("step number {} (item {:?}) is not under way", .0.step.0, .0.index)]
    NotUnderWay(Part),
}

/// One execution of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Somebody asked for its end.
    canceled: bool,
    /// Lists of maps that have not ended.
    fans: BTreeMap<StepNo, Fan>,
    /// Of maps that ended without success: the items that did not succeed. A repair asks for them.
    missed: BTreeMap<StepNo, BTreeSet<u32>>,
    /// Steps that have neither ended nor been passed over.
    open: u32,
    // Invariant: set exactly when nothing is open.
    outcome: Option<RunOutcome>,
    /// By number.
    steps: Vec<StepState>,
}

impl Run {
    /// Begins a run: what has nothing before it starts.
    #[must_use]
    pub fn begin(plan: &Plan) -> (Self, Vec<Action>) {
        let mut run = Self::waiting(plan);
        let mut work = Work::new(plan, &mut run);
        let first = plan.order().iter().filter(|step| plan.parents(**step).is_empty());
        first.for_each(|step| work.look_at(*step));
        let actions = work.done();
        (run, actions)
    }

    /// Begins the run that repairs an ended one: what is kept has ended as it did there, and what is to run again
    /// starts as what is before it allows. `results` holds those of `Repair::results_wanted`; one that is left out
    /// counts as none.
    ///
    /// # Panics
    /// When the repair is of another graph.
    #[must_use]
    pub fn repaired(
        plan: &Plan,
        before: &Self,
        repair: &Repair,
        results: &BTreeMap<StepNo, Value>,
    ) -> (Self, Vec<Action>) {
        assert_eq!(before.steps.len(), plan.order().len(), "a run is repaired by the plan that it followed");
        let mut run = Self::waiting(plan);
        let kept: Vec<(StepNo, End)> = repair.kept(plan, before).collect();
        for (step, end) in &kept {
            run.steps[step.place()] = StepState::Ended(*end);
            run.open -= 1;
            run.missed.extend(before.missed(*step).map(|missed| (*step, missed.clone())));
        }
        let mut work = Work::new(plan, &mut run);
        work.only(&repair.items);
        for (step, end) in &kept {
            work.tell_children(*step, *end, results.get(step));
        }
        let first = plan.order().iter().filter(|step| plan.parents(**step).is_empty());
        first.for_each(|step| work.look_at(*step));
        let actions = work.done();
        (run, actions)
    }

    /// Something that was started has ended. `result` is what it found, if it succeeded; a sub-graph's is
    /// `Run::counts` of its run.
    ///
    /// # Errors
    /// It is not under way: nothing has changed.
    pub fn end(
        &mut self,
        plan: &Plan,
        part: Part,
        how: Outcome,
        result: Option<&Value>,
    ) -> Result<Vec<Action>, RunError> {
        let state = self.steps.get(part.step.place()).ok_or(RunError::UnknownStep(part.step))?;
        if *state != StepState::UnderWay {
            return Err(RunError::NotUnderWay(part));
        }
        let known = match (self.fans.get_mut(&part.step), part.index) {
            (None, None) => true,
            (Some(fan), Some(index)) => fan.ended(index, how),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !known {
            return Err(RunError::NotUnderWay(part));
        }
        let mut work = Work::new(plan, self);
        match part.index {
            None => work.ended(part.step, how.into(), result),
            Some(_) => work.go_on(part.step),
        }
        Ok(work.done())
    }

    /// Asks for its end: what has not begun is skipped, what is under way is asked to stop. `all_done` makes no
    /// difference: nothing starts any more. A run that ended, or was canceled before, stays as it is.
    pub fn cancel(&mut self, plan: &Plan) -> Vec<Action> {
        if self.outcome.is_some() || self.canceled {
            return Vec::new();
        }
        self.canceled = true;
        let mut work = Work::new(plan, self);
        plan.order().iter().for_each(|step| work.cancel(*step));
        work.done()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<RunOutcome> {
        self.outcome
    }

    /// Somebody asked for its end.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.canceled
    }

    /// Where a step is.
    #[must_use]
    pub fn state(&self, step: StepNo) -> Option<StepState> {
        self.steps.get(step.place()).copied()
    }

    /// How a step ended, if it has.
    #[must_use]
    pub fn end_of(&self, step: StepNo) -> Option<End> {
        match self.state(step) {
            Some(StepState::Ended(end)) => Some(end),
            _ => None,
        }
    }

    /// Of a map that ended without success: the places of the items that did not succeed.
    #[must_use]
    pub fn missed(&self, step: StepNo) -> Option<&BTreeSet<u32>> {
        self.missed.get(&step)
    }

    /// How its steps ended so far. Those that are passed over are none of them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for state in &self.steps {
            if let StepState::Ended(end) = state {
                counts.count(*end);
            }
        }
        counts
    }

    fn waiting(plan: &Plan) -> Self {
        let steps = (0..plan.order().len()).map(|place| {
            let before = plan.parents(StepNo::at(place)).len();
            StepState::Waiting(Tally::of(u32::try_from(before).unwrap_or(u32::MAX)))
        });
        let steps: Vec<StepState> = steps.collect();
        let open = u32::try_from(steps.len()).unwrap_or(u32::MAX);
        Self { canceled: false, fans: BTreeMap::new(), missed: BTreeMap::new(), open, outcome: None, steps }
    }
}

#[cfg(test)]
mod tests;
