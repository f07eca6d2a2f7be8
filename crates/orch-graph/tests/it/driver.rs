//! Drives a run with random ends in random order, and compares it with the definitions after each.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::StepNo;
use orch_core::graph::StepKind;
use orch_graph::run::{Counts, Fault, Item, Part};
use orch_graph::{Action, End, Outcome, Plan, Run, RunOutcome, SkipReason};

use crate::chance::Chance;
use crate::definitions::{Definitions, Known, Report, Seen};
use crate::random_graph;

pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// What was to be done so far. Nothing may be said twice.
#[derive(Debug, Default, PartialEq)]
struct Said {
    started: BTreeMap<Part, Option<Item>>,
    skipped: BTreeMap<StepNo, SkipReason>,
    faults: BTreeMap<StepNo, Fault>,
    ends: BTreeMap<StepNo, (End, Counts)>,
    finished: Option<RunOutcome>,
}

pub struct Driver<'a> {
    plan: &'a Plan,
    run: Run,
    known: Known,
    said: Said,
    under_way: Vec<Part>,
    /// What is to be seen of each step by now.
    pub all: Vec<Seen>,
}

impl<'a> Driver<'a> {
    /// With what the run's beginning gave.
    pub fn new(plan: &'a Plan, known: Known, (run, actions): (Run, Vec<Action>)) -> Result<Self, String> {
        let (said, under_way, all) = Default::default();
        let mut driver = Self { plan, run, known, said, under_way, all };
        driver.take(actions)?;
        driver.compare()?;
        Ok(driver)
    }

    pub fn run(&self) -> &Run {
        &self.run
    }

    /// What was reported of one step and its items.
    pub fn reports(&self, place: usize) -> impl Iterator<Item = ((usize, Option<u32>), Report)> + '_ {
        let of_step = self.known.reports.iter().filter(move |((step, _), _)| *step == place);
        of_step.map(|(part, report)| (*part, report.clone()))
    }

    /// Goes on until nothing is under way; some runs are canceled in the middle.
    pub fn finish(&mut self, chance: &mut Chance) -> Result<(), String> {
        let mut cancel_at = chance.one_in(6).then(|| chance.below(8));
        while !self.under_way.is_empty() {
            if cancel_at == Some(0) {
                self.cancel()?;
            }
            cancel_at = cancel_at.and_then(|at| at.checked_sub(1));
            let part = self.under_way.swap_remove(chance.below(self.under_way.len()));
            self.end(part, chance)?;
            self.refuses_what_is_not_under_way(part)?;
            if chance.one_in(4) {
                // As snapshots are saved.
                let saved = postcard::to_allocvec(&self.run).unwrap();
                self.run = postcard::from_bytes(&saved).unwrap();
            }
            if self.under_way.is_empty() && cancel_at.is_some() {
                self.cancel()?;
            }
        }
        ensure(self.run.outcome().is_some(), || "nothing is under way, and the run has not ended".to_owned())
    }

    fn end(&mut self, part: Part, chance: &mut Chance) -> Result<(), String> {
        let how = match chance.below(24) {
            0..3 => Outcome::Failed,
            3 => Outcome::Canceled,
            _ => Outcome::Succeeded,
        };
        let kind = &self.plan.step(part.step).kind;
        let result = if how == Outcome::Succeeded { random_graph::result(chance, kind) } else { None };
        self.known.reports.insert((part.step.place(), part.index), (how, result.clone()));
        let actions = self.run.end(self.plan, part, how, result.as_ref()).map_err(|error| error.to_string())?;
        self.take(actions)?;
        self.compare().map_err(|what| format!("after {part:?} {how:?}: {what}"))
    }

    fn cancel(&mut self) -> Result<(), String> {
        let ended = self.run.outcome().is_some();
        if !ended {
            self.known.canceled = Some(self.all.clone());
        }
        let (canceled, rest): (Vec<Action>, Vec<Action>) =
            self.run.cancel(self.plan).into_iter().partition(|action| matches!(action, Action::Cancel { .. }));
        let parts = canceled.into_iter().filter_map(|action| match action {
            Action::Cancel { step, index } => Some(Part { step, index }),
            _ => None,
        });
        let asked: BTreeSet<Part> = parts.collect();
        let under_way: BTreeSet<Part> = self.under_way.iter().copied().collect();
        ensure(asked == under_way, || format!("asked {asked:?} to stop, and {under_way:?} are under way"))?;
        ensure(!ended || rest.is_empty(), || "an ended run was canceled".to_owned())?;
        ensure(ended || self.run.clone().cancel(self.plan).is_empty(), || "canceled twice".to_owned())?;
        self.take(rest)?;
        self.compare().map_err(|what| format!("after the cancel: {what}"))
    }

    fn refuses_what_is_not_under_way(&mut self, ended: Part) -> Result<(), String> {
        let before = self.run.clone();
        let other = Part { step: ended.step, index: ended.index.map_or(Some(0), |_| None) };
        for part in [ended, other, Part { step: StepNo(99), index: None }] {
            let answer = self.run.end(self.plan, part, Outcome::Succeeded, None);
            ensure(answer.is_err() && self.run == before, || format!("{part:?} ended, which is not under way"))?;
        }
        Ok(())
    }

    fn take(&mut self, actions: Vec<Action>) -> Result<(), String> {
        for action in actions {
            ensure(self.said.finished.is_none(), || format!("{action:?} after the run's end"))?;
            let text = format!("{action:?} is said twice or of the wrong kind");
            let fine = match action {
                Action::Start { step, item } => {
                    let maps = matches!(self.plan.step(step).kind, StepKind::Map(_));
                    let fits = maps == item.is_some() && (maps || self.plan.step(step).kind == StepKind::Job);
                    fits && self.started(step, item)
                }
                Action::StartSubGraph { step } => {
                    matches!(self.plan.step(step).kind, StepKind::Graph(_)) && self.started(step, None)
                }
                Action::AskApproval { step } => {
                    matches!(self.plan.step(step).kind, StepKind::Approval(_)) && self.started(step, None)
                }
                Action::Skip { step, reason } => self.said.skipped.insert(step, reason).is_none(),
                Action::Fail { step, fault } => self.said.faults.insert(step, fault).is_none(),
                Action::End { step, end, counts } => self.said.ends.insert(step, (end, counts)).is_none(),
                Action::Finish { outcome } => self.said.finished.replace(outcome).is_none(),
                Action::Cancel { .. } => false,
            };
            ensure(fine, || text)?;
        }
        Ok(())
    }

    fn started(&mut self, step: StepNo, item: Option<Item>) -> bool {
        let part = Part { step, index: item.as_ref().map(|item| item.index) };
        self.under_way.push(part);
        self.said.started.insert(part, item).is_none()
    }

    /// What was said is what the definitions come to.
    fn compare(&mut self) -> Result<(), String> {
        let definitions = Definitions { graph: self.plan.graph(), known: &self.known };
        let all = definitions.all();
        let mut right = Said { finished: definitions.outcome(&all), ..Said::default() };
        for (place, seen) in all.iter().enumerate() {
            let step = StepNo::at(place);
            let end = self.run.end_of(step);
            ensure(end == seen.end, || format!("{}: {end:?}, {:?} is right", self.plan.step(step).name, seen.end))?;
            for item in &seen.started {
                let index = item.as_ref().map(|item| item.index);
                right.started.insert(Part { step, index }, item.clone());
            }
            if let Some(End::Skipped(reason)) = seen.end.filter(|_| !self.known.kept.contains_key(&place)) {
                right.skipped.insert(step, reason);
            }
            right.faults.extend(seen.fault.map(|fault| (step, fault)));
            right.ends.extend(seen.counts.zip(seen.end).map(|(counts, end)| (step, (end, counts))));
        }
        ensure(self.said == right, || format!("said {:?}, right is {right:?}", self.said))?;
        self.all = all;
        Ok(())
    }
}
