//! Whether the server serves.

use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What the server can do now.
    HealthStatus {
        /// It serves.
        Ok = "ok",
        /// It recovers.
        Starting = "starting",
        /// Another replica owns the shard.
        Standby = "standby",
        /// It ends.
        Draining = "draining",
    }
}

/// Whether the server serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Health {
    /// What it can do now.
    pub status: HealthStatus,
    /// Its part: `owner`, `standby`, …
    #[serde(default)]
    pub role: serde_json::Value,
    /// `sqlite` or `postgres`.
    #[serde(default)]
    pub ledger: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// How much memory it has; absent from older servers.
    #[serde(default)]
    pub memory: Option<HealthMemory>,
}

/// How much memory the server's process has; in MiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthMemory {
    /// What it had when it was measured last.
    #[serde(default)]
    pub used_mb: Option<u64>,
    /// Above it new work is refused; 0: never.
    pub high_mb: u64,
    /// Below it new work is taken again.
    pub low_mb: u64,
    /// New work is refused now.
    pub refuses_new: bool,
}
