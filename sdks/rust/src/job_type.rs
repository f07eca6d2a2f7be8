//! The policy of a named kind of work. Calls are in `job_types`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The policy of a named kind of work. What is `None` is the server's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobType {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long a lease lasts without a heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// How long an attempt may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_ms_max: Option<u64>,
    /// Tries before the job is a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries_max: Option<u32>,
    /// Lost leases before the job is a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_max: Option<u32>,
    /// First back-off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<u64>,
    /// Longest back-off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms_max: Option<u64>,
    /// From a cancel request to the fence rising.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_grace_ms: Option<u64>,
    /// Where payloads hold the concurrency key of jobs that name none: a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key_pointer: Option<String>,
    /// Attempts of this type at the same time in the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
    /// Attempts of one concurrency key at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_per_key_max: Option<u32>,
    /// What becomes of a key's jobs when more are open: `queue`, `drop_newest` or `cancel_running`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_per_key_strategy: Option<String>,
    /// Requests that an attempt makes: what it spends of each bucket of its source's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// What payloads must look like: JSON Schema 2020-12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_schema: Option<serde_json::Value>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl JobType {
    /// A job type of this name with the server's defaults.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// What became of a job type that was asked for from the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTypeDeclared {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: u64,
    /// It was made now; otherwise it was there already.
    #[serde(default)]
    pub created: bool,
}
