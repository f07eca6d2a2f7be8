//! A receipt of fairness: what a tenant was due in an hour beside the others of its shard, what it received, and what
//! held its work when it fell short.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The length of a receipt.
pub const HOUR_MS: u64 = 60 * 60 * 1_000;

/// What held all of a tenant's waiting work. In the order of the words, so that maps of it are canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Short {
    /// A calendar's window.
    Blackout,
    /// Too many attempts failed.
    Breaker,
    /// What a host allows was spent.
    Bucket,
    /// A concurrency limit was reached.
    Concurrency,
    /// Somebody paused it.
    Paused,
    /// A quota, or what the platform lets the tenant have under way.
    Quota,
    /// An operator's limit for a while.
    Throttled,
    /// No worker that could take it had room.
    Worker,
}

impl Short {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blackout => "blackout",
            Self::Breaker => "breaker",
            Self::Bucket => "bucket",
            Self::Concurrency => "concurrency",
            Self::Paused => "paused",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::Worker => "worker",
        }
    }
}

/// What a tenant was due in an hour, and what it received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Receipt {
    /// The hour is over; without it the receipt is of its part so far.
    pub closed: bool,
    /// Its share of the grants that were made while it waited, in thousandths of a grant.
    pub due_milli: u64,
    /// The beginning of the hour, in UTC.
    pub hour: Timestamp,
    /// Its grants.
    pub received: u64,
    /// Milliseconds in which it had waiting work and none of it could be granted, by what held it.
    pub short_ms: BTreeMap<Short, u64>,
    /// Milliseconds in which it had waiting work.
    pub waited_ms: u64,
}

/// The hour that a moment lies in.
#[must_use]
pub fn hour_of(at: Timestamp) -> Timestamp {
    let hour = i64::try_from(HOUR_MS).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.millis().div_euclid(hour) * hour)
}
