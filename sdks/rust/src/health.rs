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
}
