//! What an operator has stopped.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseTarget {
    /// Everything of the tenant.
    Tenant,
    /// One source.
    Source(String),
    /// One job type.
    JobType(String),
    /// One lane.
    Lane(u32),
    /// What a quota covers, by the quota's name.
    Quota(String),
}

/// A pause that holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PauseOut {
    /// What.
    pub target: PauseTarget,
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
