//! How much of a tenant's work may be under way, begin in an hour, or wait. Calls are in `quotas`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How much of the work that it covers may be under way, begin in an hour, or wait. Without `project` and `job_type` it
/// covers all work of the tenant, and its `active_max` is shared out among the quotas that name one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// It covers jobs of this type only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// It covers jobs of this project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Attempts under way at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// Attempts that begin in any hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour_max: Option<u32>,
    /// With it, attempts begin at the hourly rate, and so many may begin at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Jobs that wait in their lanes; more are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog_max: Option<u64>,
    /// Of what the tenant may have under way, so many are kept for it while it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u32>,
    /// Of what is left, the higher is served before the lower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Its part beside others of the same priority; 1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

impl Quota {
    /// A quota of this name that limits nothing yet.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// What the work of a quota uses, and what it may have now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuotaUse {
    /// The quota's name.
    pub name: String,
    /// Its work is held.
    pub paused: bool,
    /// Attempts under way.
    pub active: u32,
    /// Jobs that wait in their lanes.
    pub waiting: u64,
    /// Its share of what the whole tenant may have under way, if that is limited.
    pub share: Option<u32>,
    /// Attempts that may still begin in this hour, if that is limited.
    pub hour_left: Option<u32>,
    /// When the next may begin, unless that is now.
    pub opens_at: Option<Timestamp>,
}

/// The uses of all quotas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Uses {
    /// By name.
    pub items: Vec<QuotaUse>,
}
