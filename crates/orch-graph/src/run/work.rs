//! What follows from one thing that happened, until nothing more follows.
//!
//! Each step is decided once, and each edge is followed once when the step before it ended: a run is linear in steps
//! and edges, however wide a fan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orch_core::StepNo;
use orch_core::graph::StepKind;
use serde_json::Value;

use super::fan::Fan;
use super::verdict::verdict;
use super::{Action, End, Run, StepState};
use crate::condition;
use crate::plan::{Child, Plan};
use crate::trigger::{Counted, Decision, SkipReason, Tally, decide};

pub(super) struct Work<'a> {
    plan: &'a Plan,
    run: &'a mut Run,
    actions: Vec<Action>,
    /// Steps for which something changed before them.
    changed: VecDeque<StepNo>,
    /// Of these maps only these items.
    only: BTreeMap<StepNo, BTreeSet<u32>>,
}

impl<'a> Work<'a> {
    pub fn new(plan: &'a Plan, run: &'a mut Run) -> Self {
        Self { plan, run, actions: Vec::new(), changed: VecDeque::new(), only: BTreeMap::new() }
    }

    /// Of these maps only these items are to be handed out.
    pub fn only(&mut self, items: &BTreeMap<StepNo, BTreeSet<u32>>) {
        self.only.clone_from(items);
    }

    /// Something may follow for this step.
    pub fn look_at(&mut self, step: StepNo) {
        self.changed.push_back(step);
    }

    /// Goes on until nothing follows. Gives what is to be done.
    pub fn done(mut self) -> Vec<Action> {
        while let Some(step) = self.changed.pop_front() {
            self.follow(step);
        }
        if self.run.open == 0 && self.run.outcome.is_none() {
            let outcome = verdict(self.plan, self.run);
            self.run.outcome = Some(outcome);
            self.actions.push(Action::Finish { outcome });
        }
        self.actions
    }

    fn follow(&mut self, step: StepNo) {
        let StepState::Waiting(tally) = self.run.steps[step.place()] else { return };
        let spec = self.plan.step(step);
        if spec.disabled {
            if tally.waiting == 0 {
                self.pass_over(step, tally);
            }
            return;
        }
        match decide(spec.trigger, tally) {
            Decision::Wait => {}
            Decision::Start => self.start(step),
            Decision::Skip(reason) => self.skip(step, reason),
        }
    }

    fn skip(&mut self, step: StepNo, reason: SkipReason) {
        self.actions.push(Action::Skip { step, reason });
        self.ended(step, End::Skipped(reason), None);
    }

    fn start(&mut self, step: StepNo) {
        self.run.steps[step.place()] = StepState::UnderWay;
        match &self.plan.step(step).kind {
            StepKind::Job => self.actions.push(Action::Start { step, item: None }),
            StepKind::Graph(_) => self.actions.push(Action::StartSubGraph { step }),
            StepKind::Approval(_) => self.actions.push(Action::AskApproval { step }),
            StepKind::Map(_) => {
                // It started although the step that has the list did not succeed.
                let fan = self.run.fans.entry(step).or_insert_with(Fan::without_list);
                match fan.fault() {
                    Some(fault) => {
                        self.actions.push(Action::Fail { step, fault });
                        self.ended(step, End::Failed, None);
                    }
                    None => self.go_on(step),
                }
            }
        }
    }

    /// Hands out the next items of a map, or ends it.
    pub fn go_on(&mut self, step: StepNo) {
        let StepKind::Map(map) = &self.plan.step(step).kind else { return };
        let Some(fan) = self.run.fans.get_mut(&step) else { return };
        let items = fan.hand_out(map.concurrency_max);
        self.actions.extend(items.into_iter().map(|item| Action::Start { step, item: Some(item) }));
        if let Some(end) = fan.end() {
            let counts = fan.counts();
            self.actions.push(Action::End { step, end, counts });
            self.ended(step, end, Some(&counts.as_result()));
        }
    }

    /// A step ended: those after it are told.
    pub fn ended(&mut self, step: StepNo, end: End, result: Option<&Value>) {
        self.run.steps[step.place()] = StepState::Ended(end);
        self.run.open -= 1;
        let missed = self.run.fans.remove(&step).map(Fan::into_missed).unwrap_or_default();
        if !missed.is_empty() {
            self.run.missed.insert(step, missed);
        }
        self.tell_children(step, end, result);
    }

    /// What an end counts as for each step after it; and if it is the list of a map, its items.
    pub fn tell_children(&mut self, step: StepNo, end: End, result: Option<&Value>) {
        let name = &self.plan.step(step).name;
        for child in self.plan.children(step) {
            let counted = self.counted(*child, end, result);
            let spec = self.plan.step(child.step);
            let StepState::Waiting(tally) = &mut self.run.steps[child.step.place()] else { continue };
            tally.count(counted);
            self.changed.push_back(child.step);
            if let StepKind::Map(map) = &spec.kind
                && map.over.step == *name
                && end == End::Succeeded
            {
                self.run.fans.insert(child.step, Fan::of(map, result, self.only.get(&child.step)));
            }
        }
    }

    /// A success that does not meet its edge's condition counts as skipped.
    fn counted(&self, child: Child, end: End, result: Option<&Value>) -> Counted {
        let met = || self.plan.condition(child).is_none_or(|condition| condition::holds(condition, result));
        if end == End::Succeeded && !met() { Counted::Skipped } else { end.into() }
    }

    fn pass_over(&mut self, step: StepNo, tally: Tally) {
        self.run.steps[step.place()] = StepState::PassedOver(tally);
        self.run.open -= 1;
        for child in self.plan.children(step) {
            if let StepState::Waiting(before) = &mut self.run.steps[child.step.place()] {
                before.pass(tally);
                self.changed.push_back(child.step);
            }
        }
    }

    /// Ends a step that has not begun, and asks what is under way of one to stop.
    pub fn cancel(&mut self, step: StepNo) {
        match self.run.steps[step.place()] {
            StepState::Waiting(tally) if self.plan.step(step).disabled => {
                self.run.steps[step.place()] = StepState::PassedOver(tally);
                self.run.open -= 1;
            }
            StepState::Waiting(_) => {
                let reason = SkipReason::RunCanceled;
                self.actions.push(Action::Skip { step, reason });
                self.run.steps[step.place()] = StepState::Ended(End::Skipped(reason));
                self.run.open -= 1;
                self.run.fans.remove(&step);
            }
            StepState::UnderWay => {
                let indexes: Option<Vec<u32>> = self.run.fans.get_mut(&step).map(|fan| fan.cancel().collect());
                match indexes {
                    None => self.actions.push(Action::Cancel { step, index: None }),
                    Some(open) => {
                        let cancel = |index: u32| Action::Cancel { step, index: Some(index) };
                        self.actions.extend(open.into_iter().map(cancel));
                    }
                }
            }
            StepState::PassedOver(_) | StepState::Ended(_) => {}
        }
    }
}
