//! The isolation boundary. Calls are in `tenants`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantOut {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it came to be.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// `active` or `deleting`.
    #[serde(default)]
    pub state: String,
    /// Until when it can be restored, if it is being deleted.
    #[serde(default)]
    pub erase_at: Option<Timestamp>,
    /// Its share beside the others of its shard.
    #[serde(default)]
    pub allotment: Allotment,
}

/// A tenant's share beside the others of its shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allotment {
    /// `unlimited`, `proportional`, `priority`, `reserved` or `max_limit`.
    pub strategy: String,
    /// Its share beside others that wait; 100 is the usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// With `max_limit`: attempts under way at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// With `priority`: the higher is served before the lower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// With `reserved`: attempts under way up to which it is served first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u32>,
}

/// What a tenant was due in an hour beside the others of its shard, and what it received.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// The beginning of the hour.
    pub hour: Option<Timestamp>,
    /// The hour is over.
    pub closed: bool,
    /// Its share of the grants that were made while it waited.
    pub due: f64,
    /// Its grants.
    pub received: u64,
    /// What it was due and did not receive.
    pub short_by: f64,
    /// Milliseconds in which it had waiting work.
    pub waited_ms: u64,
    /// Milliseconds in which none of that could be granted, by the gate that held most of it.
    pub short_ms: BTreeMap<String, u64>,
}
