//! What an operator holds to limits for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pause::PauseTarget;

/// What to throttle. At least one limit is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// What.
    pub target: PauseTarget,
    /// Attempts under way at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// Attempts that begin in any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute_max: Option<u32>,
    /// From then on it does not hold any more; at most seven days ahead.
    pub until: Timestamp,
    /// Why; kept in history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A throttle that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleOut {
    /// What.
    pub target: PauseTarget,
    /// Attempts under way at the same time.
    #[serde(default)]
    pub active_max: Option<u32>,
    /// Attempts that begin in any minute.
    #[serde(default)]
    pub per_minute_max: Option<u32>,
    /// From then on it does not hold any more.
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
    /// Attempts under way now.
    #[serde(default)]
    pub active: u32,
    /// Attempts that may still begin in this minute, if that is limited.
    #[serde(default)]
    pub minute_left: Option<u32>,
}
