//! How many workers' slots a job type could use.

use serde::{Deserialize, Serialize};

/// What keeps more of a job type from being under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limiter {
    /// Which gate, as `explain` names it.
    pub gate: String,
    /// What of it.
    pub by: String,
}

/// How many workers' slots a job type could use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredWorkers {
    /// The job type.
    pub job_type: String,
    /// Attempts at the same time that would end the waiting work within the target, as far as gates let them; never fewer
    /// than are under way.
    pub desired_workers: u64,
    /// Within which time, in seconds.
    pub target_seconds: u64,
    /// Jobs that wait in its lanes.
    #[serde(default)]
    pub waiting: u64,
    /// Attempts under way.
    #[serde(default)]
    pub under_way: u64,
    /// How long an attempt takes on average; `None`: none has ended well yet.
    #[serde(default)]
    pub mean_ms: Option<u64>,
    /// Run times that the average is made from.
    #[serde(default)]
    pub run_times: u32,
    /// Attempts that ended well within the last minute, about.
    #[serde(default)]
    pub per_minute: u64,
    /// What keeps it from being more.
    #[serde(default)]
    pub limited_by: Vec<Limiter>,
}
