//! The connector that reads a source; part of `Source`.

use serde::{Deserialize, Serialize};

/// What reads a source: what it can give, when it reads, how often it may ask and how far it may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connector {
    /// Its id: lower-case letters, digits and `-`; never changed.
    pub id: String,
    /// What it can give: `observations`, `linksets`, `timeline`, `attestations`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// What it leaves behind: `raw_advisory`, `normalized`, `linkset`, `timeline`, `attestation`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifact_kinds: Vec<String>,
    /// When it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ConnectorSchedule>,
    /// How often it may ask; `None`: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RatePolicy>,
    /// Under which it excludes itself; `None`: `connector:{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_key: Option<String>,
    /// Calls to hosts outside of the source's allow-list fail; `None`: exactly when there is such a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub air_gapped: Option<bool>,
}

/// When a connector reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorSchedule {
    /// A cron expression.
    pub cron: String,
    /// A zone's name.
    pub time_zone: String,
    /// Runs at the same time.
    pub parallel_runs_max: u32,
    /// How far behind it may be.
    pub lag_minutes_max: u32,
}

/// How often a connector may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatePolicy {
    /// Requests a minute.
    pub requests_per_minute: u32,
    /// Requests at once.
    pub burst: u32,
    /// Seconds of rest after the upstream refused.
    pub cooldown_seconds: u32,
}
