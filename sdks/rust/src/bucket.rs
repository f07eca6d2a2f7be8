//! What a host allows. Calls are in `buckets`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a host allows: requests to it are granted so that none of its terms is ever exceeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bucket {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The host: all sources of the tenant that name it share the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// All of them hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    /// After a refusal by the upstream, milliseconds in which what is used of the terms rises from nothing to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_ms: Option<u64>,
    /// Attempts under way at the host at the same time: fewer after a cut, and never more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight_max: Option<u32>,
    /// Answers that take much longer than usual cut what is used of the terms, as refusals do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_cut: Option<bool>,
    /// Parts of a hundred of each term that urgent work alone may spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgent_reserve_percent: Option<u32>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// One sentence of an upstream's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Requests.
    pub limit: u32,
    /// In any window of so many milliseconds.
    pub window_ms: u64,
    /// With it, `limit` in `window_ms` is a rate, and so many may come at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

/// What was spent of a bucket, and what it admits now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BucketState {
    /// The bucket's name.
    pub name: String,
    /// What each term would admit at once now.
    pub left: Vec<u32>,
    /// When the next request may leave, unless that is now.
    pub opens_at: Option<Timestamp>,
    /// Until when the upstream asked not to be asked.
    pub closed_until: Option<Timestamp>,
    /// The share of the terms that is used, in parts of a thousand.
    pub share: u32,
    /// When that is the whole again.
    pub whole_at: Option<Timestamp>,
    /// The last cuts, oldest first.
    pub cuts: Vec<Cut>,
    /// The share in each minute of the last hour, oldest first; nothing where it was not cut.
    pub history: Vec<SharePoint>,
    /// What is under way at the host, if that is limited.
    pub in_flight: Option<InFlight>,
    /// What answers usually take, in milliseconds, once that was learnt.
    pub baseline_ms: Option<u64>,
    /// What the last ones took.
    pub latency_ms: Option<u64>,
}

/// The share of the terms at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharePoint {
    /// When.
    pub at: Timestamp,
    /// The share, in parts of a thousand.
    pub share: u32,
}

/// What is under way at a host, and what may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// Attempts under way.
    pub under_way: u32,
    /// So many may be now.
    pub limit: u32,
    /// So many may be at most.
    pub max: u32,
}

/// A cut: less of the terms is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// When.
    pub at: Timestamp,
    /// Why: `status_429` and the like, or `latency`.
    pub cause: String,
    /// The share before, in parts of a thousand.
    pub from: u32,
    /// The share after.
    pub to: u32,
    /// So many attempts might be under way from then on, if that is limited.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// For slowness: what answers took, in milliseconds…
    #[serde(default)]
    pub latency_ms: Option<u64>,
    /// … and what they usually took.
    #[serde(default)]
    pub baseline_ms: Option<u64>,
}

impl Bucket {
    /// A bucket of this name for a host.
    #[must_use]
    pub fn new(name: &str, host: &str, terms: Vec<Term>) -> Self {
        Self { name: name.to_owned(), host: Some(host.to_owned()), terms, ..Self::default() }
    }
}
