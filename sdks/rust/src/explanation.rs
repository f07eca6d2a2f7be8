//! Why jobs and lanes wait.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::job::JobState;

/// A gate that holds something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which: `dependencies`, `time`, `deleting`, `paused`, `breaker`, `bucket`, `concurrency`, `worker` or `turn`. More
    /// may come.
    /// Which: `dependencies`, `time`, `deleting`, `paused`, `blackout`, `bucket`, `concurrency`, `worker` or `turn`. More may come.
    pub gate: String,
    /// Who or what holds it; what belongs to other tenants is `shared`.
    pub by: String,
    /// Since when, if that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// When it can open, at the earliest; `None`: that is not known.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
    /// What an operator can do.
    #[serde(default)]
    pub advice: String,
}

/// Why a job waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobExplanation {
    /// The job.
    pub job: JobId,
    /// Its state; only `blocked`, `scheduled` and `ready` jobs wait.
    pub state: JobState,
    /// The first gate that holds it.
    #[serde(default)]
    pub waiting_on: Option<String>,
    /// Every gate that holds it, in the order in which they are looked at.
    pub holds: Vec<Hold>,
    /// Jobs of its lane before it, if the owner's memory knows.
    #[serde(default)]
    pub ahead: Option<u64>,
}

/// Why a lane waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneExplanation {
    /// The lane.
    pub lane: u32,
    /// The first gate that holds it.
    #[serde(default)]
    pub waiting_on: Option<String>,
    /// Every gate that holds it, in the order in which they are looked at.
    pub holds: Vec<Hold>,
}
