//! Plans of random graphs, against a slower way to the same.

use orch_core::StepNo;
use orch_core::graph::{Edge, Graph, Step};
use orch_graph::Plan;

use crate::chance::Chance;

/// Steps of one-letter names, each with the letters of those before it.
fn plan(steps: &[(&str, String)]) -> Plan {
    let edge = |letter: char| Edge { step: letter.to_string(), when: None };
    let step = |(name, after): &(&str, String)| Step {
        after: after.chars().map(edge).collect(),
        job_type: Some("t".to_owned()),
        name: (*name).to_owned(),
        ..Step::default()
    };
    let graph = Graph { name: "g".to_owned(), steps: steps.iter().map(step).collect(), ..Graph::default() };
    Plan::of(graph).unwrap()
}

fn names(plan: &Plan, steps: &[StepNo]) -> String {
    steps.iter().map(|step| plan.step(*step).name.as_str()).collect()
}

#[test]
fn the_steps_of_a_list_in_another_order_make_the_same_plan() {
    let mut chance = Chance::new(7);
    for _ in 0..500 {
        let count = 1 + chance.below(9);
        let letters: Vec<String> = ('a'..='j').take(count).map(String::from).collect();
        let mut steps: Vec<(&str, String)> = Vec::new();
        for (place, name) in letters.iter().enumerate() {
            // Alphabetical order is not the order of the edges: each comes after some of those that follow in the list.
            let before = letters[place + 1..].iter().filter(|_| chance.one_in(3)).cloned().collect();
            steps.push((name, before));
        }
        let of = |steps: &[(&str, String)]| {
            let plan = plan(steps);
            let chains: Vec<String> = plan.chains().iter().map(|chain| names(&plan, chain)).collect();
            (names(&plan, plan.order()), chains)
        };
        let (order, chains) = of(&steps);
        assert_eq!(order, by_hand(&steps));
        for (name, before) in &steps {
            assert!(
                before.chars().all(|parent| order.find(parent) < order.find(name)),
                "{order}: {name} after {before}"
            );
        }
        assert_eq!(chains.concat().len(), count);
        chance.shuffle(&mut steps);
        assert_eq!(of(&steps), (order, chains));
    }
}

/// Takes the least name that has nothing open before it, again and again.
fn by_hand(steps: &[(&str, String)]) -> String {
    let mut order = String::new();
    while order.len() < steps.len() {
        let free = |(name, before): &&(&str, String)| {
            !order.contains(*name) && before.chars().all(|parent| order.contains(parent))
        };
        let next = steps.iter().filter(free).map(|(name, _)| *name).min().expect("there is no cycle");
        order.push_str(next);
    }
    order
}
