//! Graphs that nobody would draw: every kind of step, rule and edge, in any order.

use orch_core::graph::{Approval, Condition, Edge, FanOut, Graph, ListAt, Step, StepKind, SubGraph, Trigger};
use serde_json::{Value, json};

use crate::chance::Chance;

const STEPS_MAX: usize = 10;
/// Lists are sometimes longer than maps take.
const LIST_MAX: usize = 5;

pub fn graph(chance: &mut Chance) -> Graph {
    let count = 1 + chance.below(STEPS_MAX);
    let mut letters: Vec<char> = ('a'..='z').take(count).collect();
    chance.shuffle(&mut letters);
    let mut steps: Vec<Step> = Vec::new();
    // Some graphs are nearly empty of edges, some nearly full.
    let sparse = 1 + chance.below(4);
    for letter in letters {
        let mut before: Vec<Step> = steps.iter().filter(|_| chance.one_in(sparse)).cloned().collect();
        chance.shuffle(&mut before);
        steps.push(step(chance, letter, &before));
    }
    chance.shuffle(&mut steps);
    Graph { name: "g".to_owned(), steps, ..Graph::default() }
}

fn step(chance: &mut Chance, letter: char, before: &[Step]) -> Step {
    let mut trigger = chance.one_of(&Trigger::ALL);
    if before.is_empty() && trigger == Trigger::OneFailed {
        trigger = Trigger::AllSucceeded;
    }
    let kind = kind(chance, before);
    if matches!(kind, StepKind::Map(_)) && trigger == Trigger::OneFailed {
        trigger = Trigger::AllDone;
    }
    let inputs = ["x", "y"].into_iter().filter(|_| kind != approval() && chance.one_in(5)).map(str::to_owned).collect();
    Step {
        after: before.iter().map(|parent| edge(chance, parent, trigger)).collect(),
        disabled: chance.one_in(8),
        inputs,
        job_type: kind.has_jobs().then(|| "t".to_owned()),
        kind,
        name: letter.to_string(),
        trigger,
        ..Step::default()
    }
}

fn approval() -> StepKind {
    StepKind::Approval(Approval::default())
}

fn kind(chance: &mut Chance, before: &[Step]) -> StepKind {
    let lists: Vec<&Step> = before.iter().filter(|step| step.kind == StepKind::Job && !step.disabled).collect();
    match chance.below(10) {
        0..5 if !lists.is_empty() => {
            let concurrency_max = chance.one_of(&[None, Some(1), Some(2)]);
            let over = ListAt { pointer: "/items".to_owned(), step: chance.one_of(&lists).name.clone() };
            let max = u32::try_from(LIST_MAX - chance.below(3)).unwrap();
            StepKind::Map(FanOut { concurrency_max, max, over })
        }
        8 => approval(),
        9 => StepKind::Graph(SubGraph { name: "other".to_owned() }),
        _ => StepKind::Job,
    }
}

fn edge(chance: &mut Chance, parent: &Step, trigger: Trigger) -> Edge {
    let may_look = trigger.asks_for_success() && !parent.disabled && parent.kind != approval();
    let when = (may_look && chance.one_in(3)).then(|| condition(chance, parent));
    Edge { step: parent.name.clone(), when }
}

fn condition(chance: &mut Chance, parent: &Step) -> Condition {
    let pointer = if parent.kind == StepKind::Job { chance.one_of(&["/n", "/n", "/none"]) } else { "/total" };
    let number = || Some(json!(1));
    let empty = Condition { pointer: pointer.to_owned(), ..Condition::default() };
    match chance.below(6) {
        0 => Condition { equals: number(), ..empty },
        1 => Condition { not_equals: number(), ..empty },
        2 => Condition { less: number(), ..empty },
        3 => Condition { greater: number(), ..empty },
        4 => Condition { one_of: Some(vec![json!(0), json!(2)]), ..empty },
        _ => Condition { exists: Some(chance.one_in(2)), ..empty },
    }
}

/// What a job or a sub-graph finds: what the conditions and lists above look at, or not quite.
pub fn result(chance: &mut Chance, kind: &StepKind) -> Option<Value> {
    match kind {
        StepKind::Approval(_) => None,
        StepKind::Graph(_) => {
            let total = chance.below(3);
            Some(json!({"canceled": 0, "failed": 0, "skipped": 0, "succeeded": total, "total": total}))
        }
        StepKind::Job | StepKind::Map(_) => {
            let items: Vec<Value> = (0..chance.below(LIST_MAX + 1)).rev().map(|n| json!({"i": n})).collect();
            let n = chance.below(3);
            chance.one_of(&[
                Some(json!({"n": n, "items": items})),
                Some(json!({"n": 1, "items": items})),
                Some(json!({"n": 2, "items": items})),
                Some(json!({"n": null, "items": items})),
                Some(json!({"items": items})),
                Some(json!({"n": "1", "items": items})),
                Some(json!({"n": 0})),
                Some(json!({"n": 2, "items": "none"})),
                None,
            ])
        }
    }
}
