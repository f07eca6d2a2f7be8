//! Graphs: named templates of steps that depend on each other, as they are declared.
//!
//! Data and its checks (`graph/check.rs`, `graph/nesting.rs`). In which order steps come, when one starts and what a
//! run comes to are rules of their own, in `orch-graph`.

mod check;
mod condition;
mod nesting;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::job::Priority;
use crate::limits;

pub use condition::{Condition, Test};
pub use nesting::Extent;

/// The member of a mapped job's payload that holds its item.
pub const ITEM: &str = "item";

/// What is known of a map or of a sub-graph that ended: its result for conditions, as JSON pointers.
pub const COUNT_POINTERS: [&str; 5] = ["/canceled", "/failed", "/skipped", "/succeeded", "/total"];

/// Steps that depend on each other. A run is one execution of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Graph {
    /// Text for people.
    pub description: String,
    /// The name; unique in the tenant.
    pub name: String,
    /// The steps, in any order.
    pub steps: Vec<Step>,
}

/// A part of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// What ends before it; each step at most once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Edge>,
    /// It is passed over: what ends before it counts, for those after it, in its stead.
    #[serde(skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// Inputs of the run that become members of its payload, over members of these names that stand there.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub inputs: BTreeSet<String>,
    /// The job type of its jobs; `job` and `map` have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// What it does when it starts.
    #[serde(skip_serializing_if = "StepKind::is_job")]
    pub kind: StepKind,
    /// The name; unique in the graph.
    pub name: String,
    /// The payload of its jobs, or the inputs of its sub-graph: canonical JSON text. An object where anything is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The priority of its jobs.
    pub priority: Priority,
    /// The project of its jobs; the run's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The source of its jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How what is before it must have ended.
    pub trigger: Trigger,
}

/// One step comes after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Edge {
    /// The name of the step before.
    pub step: String,
    /// What its result must be. If it is not, the step before counts as skipped on this edge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// How what is before a step must have ended for it to start. `orch-graph` decides (`trigger.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// All succeeded.
    #[default]
    AllSucceeded,
    /// All ended, however.
    AllDone,
    /// One failed; it does not wait for the others.
    OneFailed,
    /// All succeeded or were skipped.
    NoneFailed,
    /// The same, and one succeeded.
    NoneFailedMinOneSuccess,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AllSucceeded, Self::AllDone, Self::OneFailed, Self::NoneFailed, Self::NoneFailedMinOneSuccess];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllSucceeded => "all_succeeded",
            Self::AllDone => "all_done",
            Self::OneFailed => "one_failed",
            Self::NoneFailed => "none_failed",
            Self::NoneFailedMinOneSuccess => "none_failed_min_one_success",
        }
    }

    /// Whether it makes a difference to it that a step before counts as skipped instead of succeeded.
    #[must_use]
    pub const fn asks_for_success(self) -> bool {
        matches!(self, Self::AllSucceeded | Self::NoneFailedMinOneSuccess)
    }
}

/// What a step does when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// One job.
    #[default]
    Job,
    /// A job for each item of a list.
    Map(FanOut),
    /// A run of another graph.
    Graph(SubGraph),
    /// Asks somebody.
    Approval(Approval),
}

impl StepKind {
    /// Its word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Map(_) => "map",
            Self::Graph(_) => "graph",
            Self::Approval(_) => "approval",
        }
    }

    /// Its jobs have a type.
    #[must_use]
    pub const fn has_jobs(&self) -> bool {
        matches!(self, Self::Job | Self::Map(_))
    }

    // The form that `skip_serializing_if` wants.
    fn is_job(&self) -> bool {
        *self == Self::Job
    }
}

/// A job for each item of a list that a step before it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct FanOut {
    /// So many of its jobs are open at the same time; all of them when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
    /// A list that is longer fails the step, and none of its jobs is made.
    pub max: u32,
    /// The list.
    pub over: ListAt,
}

/// A list in the result of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ListAt {
    /// Where in the result: a JSON pointer (RFC 6901); empty for the whole of it.
    pub pointer: String,
    /// The name of the step; one directly before.
    pub step: String,
}

/// A graph that runs as a step of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct SubGraph {
    /// Its name.
    pub name: String,
}

/// Somebody decides whether the run goes on: yes is success; no, and no answer in time, are failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// Who started the run may not decide.
    pub no_self: bool,
    /// The scope that who decides must have.
    pub scope: String,
    /// How long it waits, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Approval {
    fn default() -> Self {
        Self { no_self: true, scope: "orch:operate".to_owned(), timeout_ms: limits::APPROVAL_MS_DEFAULT }
    }
}

// The form that `skip_serializing_if` wants.
fn is_false(disabled: &bool) -> bool {
    !*disabled
}

#[cfg(test)]
mod tests;
