//! The graphs: a chain, a fan-out over a list, and many steps before one.

use clap::ValueEnum;
use orch_core::graph::{Edge, FanOut, Graph, ListAt, Step, StepKind};
use orch_core::job::{Priority, sha256_hex};
use orch_dispatch::command::Report;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::job::{JOB_TYPE, RARE_TYPE};

/// The name of each graph.
pub const NAME: &str = "bench";
/// The type of the job that makes the list of a fan-out.
pub const LIST_TYPE: &str = RARE_TYPE;
/// What each shape needs.
pub const STEPS_MIN: usize = 3;

/// How steps depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One after the other.
    Chain,
    /// A job for each item of a list that the first step finds, and one step after all.
    Fan,
    /// Steps that depend on nothing, and one after all of them.
    Join,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Chain, Self::Fan, Self::Join];

    /// As it stands in tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Fan => "fan",
            Self::Join => "join",
        }
    }

    /// A graph whose run has so many jobs.
    pub fn graph(self, jobs: usize) -> Graph {
        let steps = match self {
            Self::Chain => (0..jobs).map(|place| step(place, place.checked_sub(1).as_slice())).collect(),
            Self::Fan => {
                let over = ListAt { pointer: String::new(), step: name(0) };
                let each = FanOut { concurrency_max: None, max: items(jobs), over };
                vec![
                    Step { job_type: Some(LIST_TYPE.to_owned()), ..step(0, &[]) },
                    Step { kind: StepKind::Map(each), ..step(1, &[0]) },
                    step(2, &[1]),
                ]
            }
            Self::Join => {
                let before: Vec<usize> = (0..jobs - 1).collect();
                let mut steps: Vec<Step> = before.iter().map(|place| step(*place, &[])).collect();
                steps.push(step(jobs - 1, &before));
                steps
            }
        };
        Graph { description: String::new(), name: NAME.to_owned(), steps }
    }

    /// What the job says that makes the list.
    pub fn list(self, jobs: usize) -> Report {
        let list: Value = json!((0..items(jobs)).collect::<Vec<_>>());
        let result_sha256 = Some(sha256_hex(list.to_string().as_bytes()));
        Report::Succeeded { result: Some(list), result_sha256 }
    }
}

/// Items of a fan-out with so many jobs: all but the first and the last.
fn items(jobs: usize) -> u32 {
    u32::try_from(jobs - 2).unwrap_or(u32::MAX)
}

fn name(place: usize) -> String {
    format!("s{place}")
}

fn step(place: usize, after: &[usize]) -> Step {
    let edge = |before: &usize| Edge { step: name(*before), when: None };
    Step {
        after: after.iter().map(edge).collect(),
        job_type: Some(JOB_TYPE.to_owned()),
        name: name(place),
        priority: Priority::Normal,
        ..Step::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_what_the_server_would_take() {
        for shape in Shape::ALL {
            for jobs in [STEPS_MIN, 100, 10_000] {
                let graph = shape.graph(jobs);
                graph.check().unwrap();
                assert_eq!(graph.steps.len(), if shape == Shape::Fan { 3 } else { jobs });
            }
        }
    }
}
