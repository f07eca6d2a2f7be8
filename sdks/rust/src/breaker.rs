//! When too many attempts fail, nothing more is handed out for a while. Calls are in `breakers`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A breaker of a job type, or of all sources with a host: exactly one of the two is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breaker {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The job type: it governs its jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// The host: it governs the jobs of all sources of the tenant that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// It opens when so many parts of a hundred of the outcomes in the window are failures…
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures_percent: Option<u32>,
    /// … and there are at least so many outcomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes_min: Option<u32>,
    /// The length of the window in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// It stays open for so many milliseconds the first time, and for twice as long after each canary that fails…
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms: Option<u64>,
    /// … but never longer than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms_max: Option<u64>,
    /// The ramp is over when so many attempts may be under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_max: Option<u32>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// What a breaker does now, and what it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerState {
    /// The breaker's name.
    pub name: String,
    /// What it does: `closed`, `open`, `probing`, `ramp` or `tripped`. More may come.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// Open: until when nothing is handed out; after that, one canary.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// It opened so often without having closed.
    #[serde(default)]
    pub spell: u32,
    /// Attempts under way that it governs.
    #[serde(default)]
    pub under_way: u32,
    /// In a ramp: so many may be under way.
    #[serde(default)]
    pub under_way_max: Option<u32>,
    /// Good outcomes in its window; only a closed one counts.
    #[serde(default)]
    pub good: u64,
    /// Failures in its window.
    #[serde(default)]
    pub bad: u64,
    /// Tripped: who opened it.
    #[serde(default)]
    pub tripped_by: Option<String>,
    /// Tripped: why.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Breaker {
    /// A breaker of this name for a host.
    #[must_use]
    pub fn of_host(name: &str, host: &str) -> Self {
        Self { name: name.to_owned(), host: Some(host.to_owned()), ..Self::default() }
    }

    /// A breaker of this name for a job type.
    #[must_use]
    pub fn of_job_type(name: &str, job_type: &str) -> Self {
        Self { name: name.to_owned(), job_type: Some(job_type.to_owned()), ..Self::default() }
    }
}
