//! What jobs wait in.

use serde::{Deserialize, Serialize};

use crate::job::Priority;

/// A lane as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaneOut {
    /// Its number in the tenant.
    pub lane: u32,
    /// The project.
    #[serde(default)]
    pub project: String,
    /// The job type.
    #[serde(default)]
    pub job_type: String,
    /// The source.
    #[serde(default)]
    pub source: Option<String>,
    /// The priority class.
    pub priority: Priority,
    /// Jobs with the same key exclude each other.
    #[serde(default)]
    pub concurrency_key: Option<String>,
    /// Jobs that wait in it.
    #[serde(default)]
    pub ready: u64,
    /// Jobs handed out.
    #[serde(default)]
    pub leased: u64,
    /// The first gate that holds it, whether or not there is a worker, and whoever's turn it is.
    #[serde(default)]
    pub held_by: Option<String>,
    /// The first gate that holds it, `worker` and `turn` included; `None`: its next job can go, or it has none.
    #[serde(default)]
    pub waiting_on: Option<String>,
}
