//! Plans from letters.

use orch_core::graph::{Edge, Graph, Step};

use super::Plan;

/// Steps of one-letter names, each with the letters of those before it.
pub(crate) fn plan(steps: &[(&str, &str)]) -> Plan {
    let edge = |letter: char| Edge { step: letter.to_string(), when: None };
    let step = |(name, after): &(&str, &str)| Step {
        after: after.chars().map(edge).collect(),
        job_type: Some("t".to_owned()),
        name: (*name).to_owned(),
        ..Step::default()
    };
    let graph = Graph { name: "g".to_owned(), steps: steps.iter().map(step).collect(), ..Graph::default() };
    Plan::of(graph).expect("what tests plan is acceptable")
}
