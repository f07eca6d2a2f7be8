//! The priority that an operator gives a target for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::Priority;
use crate::pause::PauseTarget;

/// Which priority a target gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPriority {
    /// What.
    pub target: PauseTarget,
    /// As what its lanes weigh, whatever their jobs' priority is.
    pub priority: Priority,
    /// From then on the jobs' own priorities count; at most seven days ahead.
    pub until: Timestamp,
    /// Why; kept in history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A target that has a priority for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPriorityOut {
    /// What.
    pub target: PauseTarget,
    /// As what its lanes weigh.
    pub priority: Priority,
    /// From then on the jobs' own priorities count.
    pub until: Timestamp,
    /// Who.
    #[serde(default)]
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when.
    #[serde(default)]
    pub at: Option<Timestamp>,
}
