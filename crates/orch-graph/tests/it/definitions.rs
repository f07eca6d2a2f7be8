//! The definitions of `docs/concepts/graphs.md`, written down once more and as plainly as possible.
//!
//! Everything is worked out from scratch from what was reported so far. Nothing of the crate is called: what is planted
//! there must not change what is right.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::graph::{Condition, FanOut, Graph, Step, StepKind, Trigger};
use orch_graph::run::{Counts, Fault, Item};
use orch_graph::trigger::Counted;
use orch_graph::{Decision, End, Outcome, RunOutcome, SkipReason};
use serde_json::Value;

/// A rule, for when all before the step have ended.
pub fn by_definition(trigger: Trigger, ends: &[Counted]) -> Decision {
    let some = |counted: Counted| ends.contains(&counted);
    let holds = match trigger {
        Trigger::AllSucceeded => ends.iter().all(|end| *end == Counted::Succeeded),
        Trigger::AllDone => true,
        Trigger::OneFailed => some(Counted::Failed),
        Trigger::NoneFailed => ends.iter().all(|end| matches!(end, Counted::Succeeded | Counted::Skipped)),
        Trigger::NoneFailedMinOneSuccess => {
            let none_failed = !some(Counted::Failed) && !some(Counted::Canceled);
            none_failed && (some(Counted::Succeeded) || ends.is_empty())
        }
    };
    if holds {
        Decision::Start
    } else if some(Counted::Failed) {
        Decision::Skip(SkipReason::UpstreamFailed)
    } else if some(Counted::Canceled) {
        Decision::Skip(SkipReason::UpstreamCanceled)
    } else if trigger == Trigger::OneFailed {
        Decision::Skip(SkipReason::NothingFailed)
    } else {
        Decision::Skip(SkipReason::UpstreamSkipped)
    }
}

/// What is decided while so many are still open: what is true however they end. Only `all_done` waits although
/// nothing can change it. A rule asks only which ends there are, so it is enough to try each set of them.
pub fn foreseen(trigger: Trigger, known: &[Counted], open: usize) -> Decision {
    if open == 0 {
        return by_definition(trigger, known);
    }
    if trigger == Trigger::AllDone {
        return Decision::Wait;
    }
    let sets = (1_u32..16).filter(|set| set.count_ones() as usize <= open);
    let mut decisions = sets.map(|set| {
        let chosen = Counted::ALL.into_iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
        let more = chosen.map(|(_, counted)| counted);
        by_definition(trigger, &known.iter().copied().chain(more).collect::<Vec<_>>())
    });
    let first = decisions.next().unwrap_or(Decision::Wait);
    if decisions.all(|other| other == first) { first } else { Decision::Wait }
}

/// A condition with whole numbers, as the random graphs have them.
fn meets(condition: &Condition, result: Option<&Value>) -> bool {
    let Some(found) = result.and_then(|result| result.pointer(&condition.pointer)) else {
        return condition.exists == Some(false);
    };
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64);
    match (found.as_i64(), condition.exists) {
        (_, Some(wanted)) => wanted,
        (None, _) => condition.not_equals.is_some(),
        (Some(n), _) => {
            number(&condition.equals) == Some(n)
                || number(&condition.less).is_some_and(|bound| n < bound)
                || number(&condition.greater).is_some_and(|bound| n > bound)
                || number(&condition.not_equals).is_some_and(|other| n != other)
                || condition.one_of.as_ref().is_some_and(|all| all.iter().any(|one| one.as_i64() == Some(n)))
        }
    }
}

/// What was reported of a job, an approval or a sub-graph.
pub type Report = (Outcome, Option<Value>);

/// A run as it is known from outside.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What was reported, by step and item.
    pub reports: BTreeMap<(usize, Option<u32>), Report>,
    /// What there was when somebody asked for the run's end.
    pub canceled: Option<Vec<Seen>>,
    /// Steps that a repair keeps, as they were to be seen.
    pub kept: BTreeMap<usize, Seen>,
    /// Of these maps only these items.
    pub only: BTreeMap<usize, BTreeSet<u32>>,
}

/// What is to be seen of one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// What counts in its stead, if it is disabled and all before it ended.
    pub passed: Option<Vec<Counted>>,
    /// It is decided.
    pub decided: bool,
    /// What was started: `None` for the step itself, and items.
    pub started: Vec<Option<Item>>,
    /// Items of a map that are to be done, started or not.
    pub due: Vec<Item>,
    pub end: Option<End>,
    pub result: Option<Value>,
    pub fault: Option<Fault>,
    pub counts: Option<Counts>,
}

impl Seen {
    fn settled(&self) -> bool {
        self.end.is_some() || self.passed.is_some()
    }
}

/// The run of a graph, and what is known of it.
pub struct Definitions<'a> {
    pub graph: &'a Graph,
    pub known: &'a Known,
}

impl Definitions<'_> {
    /// All steps, looked at again and again until nothing new is to be seen.
    pub fn all(&self) -> Vec<Seen> {
        let mut all = vec![Seen::default(); self.graph.steps.len()];
        loop {
            let next: Vec<Seen> = (0..all.len()).map(|place| self.seen(place, &all)).collect();
            if next == all {
                return all;
            }
            all = next;
        }
    }

    fn named(&self, name: &str) -> usize {
        self.graph.steps.iter().position(|step| step.name == name).expect("edges lead to steps")
    }

    fn seen(&self, place: usize, all: &[Seen]) -> Seen {
        let step = &self.graph.steps[place];
        if let Some(kept) = self.known.kept.get(&place) {
            return Seen { decided: true, started: Vec::new(), fault: None, counts: None, ..kept.clone() };
        }
        let then = self.known.canceled.as_ref().map(|then| &then[place]);
        if then.is_some_and(|then| !then.decided) {
            return if step.disabled {
                Seen { passed: Some(Vec::new()), ..Seen::default() }
            } else {
                Seen { end: Some(End::Skipped(SkipReason::RunCanceled)), ..Seen::default() }
            };
        }
        let (known, open) = self.before(step, all);
        if step.disabled {
            return Seen { decided: open == 0, passed: (open == 0).then_some(known), ..Seen::default() };
        }
        match foreseen(step.trigger, &known, open) {
            Decision::Wait => Seen::default(),
            Decision::Skip(reason) => Seen { decided: true, end: Some(End::Skipped(reason)), ..Seen::default() },
            Decision::Start => match &step.kind {
                StepKind::Map(map) => self.map(place, map, then, all),
                _ => self.single(place),
            },
        }
    }

    /// What those before a step count as, and how many have not ended.
    fn before(&self, step: &Step, all: &[Seen]) -> (Vec<Counted>, usize) {
        let (mut known, mut open) = (Vec::new(), 0);
        for edge in &step.after {
            let parent = &all[self.named(&edge.step)];
            match (&parent.passed, parent.end) {
                (Some(passed), _) => known.extend(passed),
                (None, None) => open += 1,
                (None, Some(end)) => known.push(match end {
                    End::Succeeded => match &edge.when {
                        Some(condition) if !meets(condition, parent.result.as_ref()) => Counted::Skipped,
                        _ => Counted::Succeeded,
                    },
                    End::Failed | End::Skipped(SkipReason::UpstreamFailed) => Counted::Failed,
                    End::Canceled | End::Skipped(SkipReason::UpstreamCanceled | SkipReason::RunCanceled) => {
                        Counted::Canceled
                    }
                    End::Skipped(SkipReason::UpstreamSkipped | SkipReason::NothingFailed) => Counted::Skipped,
                }),
            }
        }
        (known, open)
    }

    fn single(&self, place: usize) -> Seen {
        let begun = Seen { decided: true, started: vec![None], ..Seen::default() };
        match self.known.reports.get(&(place, None)) {
            None => begun,
            Some((how, result)) => Seen { end: Some((*how).into()), result: result.clone(), ..begun },
        }
    }

    fn map(&self, place: usize, map: &FanOut, then: Option<&Seen>, all: &[Seen]) -> Seen {
        let failed = |fault| Seen { decided: true, end: Some(End::Failed), fault: Some(fault), ..Seen::default() };
        let source = &all[self.named(&map.over.step)];
        let result = source.result.as_ref().filter(|_| source.end == Some(End::Succeeded));
        let list = match result.and_then(|result| result.pointer(&map.over.pointer)) {
            None => return failed(Fault::ListMissing),
            Some(Value::Array(list)) if list.len() <= map.max as usize => list,
            Some(Value::Array(_)) => return failed(Fault::ListTooLong),
            Some(_) => return failed(Fault::NoList),
        };
        let items = list.iter().zip(0..).map(|(value, index)| Item { index, value: value.to_string() });
        let only = self.known.only.get(&place);
        let (due, before): (Vec<Item>, Vec<Item>) =
            items.partition(|item| only.is_none_or(|only| only.contains(&item.index)));
        let of_this = self.known.reports.iter().filter(|((step, _), _)| *step == place);
        let reports: Vec<Outcome> = of_this.map(|(_, (how, _))| *how).collect();
        let room = map.concurrency_max.map_or(due.len(), |max| reports.len() + max as usize);
        let mut started: Vec<Option<Item>> = due.iter().take(room).cloned().map(Some).collect();
        let mut left = 0;
        if let Some(then) = then {
            started.clone_from(&then.started);
            left = due.len() - started.len();
        }
        let how_many = |how: Outcome| u32::try_from(reports.iter().filter(|other| **other == how).count()).unwrap();
        let number = |count: usize| u32::try_from(count).unwrap();
        let counts = Counts {
            canceled: how_many(Outcome::Canceled) + number(left),
            failed: how_many(Outcome::Failed),
            skipped: 0,
            succeeded: how_many(Outcome::Succeeded) + number(before.len()),
            total: number(due.len() + before.len()),
        };
        let end = match counts {
            _ if reports.len() + left < due.len() => None,
            Counts { failed: 1.., .. } => Some(End::Failed),
            Counts { canceled: 1.., .. } => Some(End::Canceled),
            _ => Some(End::Succeeded),
        };
        let counts = end.map(|_| counts);
        let result = counts.map(Counts::as_result);
        Seen { decided: true, started, due, end, result, counts, ..Seen::default() }
    }

    /// How the run ended, if it has.
    pub fn outcome(&self, all: &[Seen]) -> Option<RunOutcome> {
        if !all.iter().all(Seen::settled) {
            return None;
        }
        if self.known.canceled.is_some() {
            return Some(RunOutcome::Canceled);
        }
        let ended = |end: End| (0..all.len()).filter(move |place| all[*place].end == Some(end));
        if ended(End::Failed).any(|place| !self.is_handled(place, all)) {
            return Some(RunOutcome::Failed);
        }
        let canceled = ended(End::Canceled).next().is_some();
        Some(if canceled { RunOutcome::Canceled } else { RunOutcome::Succeeded })
    }

    /// A `one_failed` step succeeded: directly after it, or over steps that are disabled or were skipped for the
    /// failure.
    fn is_handled(&self, place: usize, all: &[Seen]) -> bool {
        let name = &self.graph.steps[place].name;
        let after = |step: &Step| step.after.iter().any(|edge| edge.step == *name);
        (0..all.len()).filter(|child| after(&self.graph.steps[*child])).any(|child| match all[child].end {
            Some(End::Succeeded) => self.graph.steps[child].trigger == Trigger::OneFailed,
            Some(End::Skipped(SkipReason::UpstreamFailed)) => self.is_handled(child, all),
            Some(_) => false,
            None => self.is_handled(child, all),
        })
    }
}
