//! Why jobs, lanes, hosts and tenants wait.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::job::JobState;

/// A gate that holds something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which: `dependencies`, `time`, `deleting`, `paused`, `blackout`, `breaker`, `bucket`, `concurrency`, `quota`,
    /// `worker` or `turn`. More may come.
    pub gate: String,
    /// Who or what holds it; what belongs to other tenants is `shared`.
    pub by: String,
    /// Since when, if that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// When it can open, at the earliest; `None`: that is not known.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
    /// `opens_at` is an estimate from how long attempts take.
    #[serde(default)]
    pub estimated: bool,
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
    /// When it starts, about; `None`: it can go, or that is not known.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// Run times of its job type that the estimates are made from; `None`: there is no estimate.
    #[serde(default)]
    pub run_times: Option<u32>,
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
    /// When its next job starts, about; `None`: it can go, or that is not known.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// Run times of its job type that the estimates are made from; `None`: there is no estimate.
    #[serde(default)]
    pub run_times: Option<u32>,
}

/// What waits in some lanes, and on what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LanesWaiting {
    /// Lanes in which jobs wait.
    pub lanes: u64,
    /// Jobs that wait in them.
    pub ready: u64,
    /// Jobs of them that are handed out.
    pub leased: u64,
    /// How many of the lanes each gate holds first. Those that it does not count can go.
    pub waiting_on: BTreeMap<String, u64>,
}

/// A gate of a host, whether it holds now or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGate {
    /// Which: `blackout`, `breaker` or `bucket`. More may come.
    pub gate: String,
    /// What it is called; `None`: it is the platform's.
    #[serde(default)]
    pub name: Option<String>,
    /// It holds requests back now.
    pub holds: bool,
    /// What it does; what belongs to others is `shared`.
    pub by: String,
    /// Since when it holds, if that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// When it can open, at the earliest; `None`: it does not hold, or that is not known.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
}

/// What governs a host, and what waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostExplanation {
    /// The host.
    pub host: String,
    /// The tenant's sources with this host, by name.
    #[serde(default)]
    pub sources: Vec<String>,
    /// The first gate that holds all its requests; `None`: the next may leave.
    #[serde(default)]
    pub waiting_on: Option<String>,
    /// When all of them can be open, at the earliest; `None`: they are, or that is not known.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
    /// Every gate of it, in the order in which they are looked at.
    pub gates: Vec<HostGate>,
    /// The tenant's lanes whose sources have this host.
    pub lanes: LanesWaiting,
}

/// What holds a tenant's work, and who is there to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantExplanation {
    /// The tenant's name.
    pub tenant: String,
    /// The first gate that holds all its work; `None`: there is none.
    #[serde(default)]
    pub waiting_on: Option<String>,
    /// Every gate that holds all its work, in the order in which they are looked at.
    pub holds: Vec<Hold>,
    /// Pauses and quotas that hold a part of it.
    pub parts: Vec<Hold>,
    /// Its lanes.
    pub lanes: LanesWaiting,
    /// Worker sessions that take its work, are not drained and were heard lately.
    #[serde(default)]
    pub workers: u64,
    /// Leases that they want at the same time.
    #[serde(default)]
    pub capacity: u64,
}
