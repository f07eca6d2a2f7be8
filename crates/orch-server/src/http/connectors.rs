//! The connector record of a source in its wire form. What the members mean is in `orch_core::connector`.

use orch_core::connector::{ArtifactKind, Capability, Connector, ConnectorSchedule, RatePolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts::{LockKeyText, NameText, SlugText};
use super::words::{ArtifactKindWord, CapabilityWord};

/// The connector that reads a source: what it can give, when it reads, how often it may ask and how far it may reach.
///
/// The secret is the source's `auth_ref`, the hosts that it may call its `egress_allow`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Connector, example = json!({
    "id": "kev", "capabilities": ["observations"], "artifact_kinds": ["raw_advisory"],
    "schedule": {"cron": "*/30 * * * *", "time_zone": "UTC", "parallel_runs_max": 1, "lag_minutes_max": 120},
    "rate": {"requests_per_minute": 30, "burst": 5, "cooldown_seconds": 60}
}))]
pub struct ConnectorBody {
    /// Its id; unique in the tenant, and never changed.
    #[schema(value_type = SlugText)]
    pub id: String,
    /// What it can give; naming one twice is naming it once.
    #[serde(default)]
    #[schema(value_type = Vec<CapabilityWord>)]
    pub capabilities: Vec<Capability>,
    /// What it leaves behind; naming one twice is naming it once.
    #[serde(default)]
    #[schema(value_type = Vec<ArtifactKindWord>)]
    pub artifact_kinds: Vec<ArtifactKind>,
    /// When it reads; data for the services, nothing is started by it.
    #[serde(default)]
    pub schedule: Option<ScheduleBody>,
    /// How often it may ask its upstream; without it, not at all.
    #[serde(default)]
    pub rate: Option<RateBody>,
    /// Under which it excludes itself; `connector:{id}` when left out.
    #[serde(default)]
    #[schema(value_type = Option<LockKeyText>)]
    pub lock_key: Option<String>,
    /// Calls to hosts outside of the source's `egress_allow` fail; true when left out and that list is not empty.
    #[serde(default)]
    pub air_gapped: Option<bool>,
}

/// When a connector reads.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConnectorSchedule)]
pub struct ScheduleBody {
    /// A cron expression of five or six fields.
    #[schema(min_length = 9, max_length = 128, pattern = "^ *[0-9a-zA-Z*/,?-]+( +[0-9a-zA-Z*/,?-]+){4,5} *$")]
    pub cron: String,
    /// A zone's name.
    #[serde(default = "utc")]
    #[schema(value_type = NameText, default = "UTC")]
    pub time_zone: String,
    /// Runs at the same time.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 64, default = 1)]
    pub parallel_runs_max: u32,
    /// How far behind it may be.
    #[serde(default = "day")]
    #[schema(minimum = 1, maximum = 525600, default = 1440)]
    pub lag_minutes_max: u32,
}

/// How often a connector may ask.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RatePolicy)]
pub struct RateBody {
    /// Requests a minute.
    #[schema(minimum = 1, maximum = 60000)]
    pub requests_per_minute: u32,
    /// Requests at once; at most those of a minute.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 60000, default = 1)]
    pub burst: u32,
    /// Seconds of rest after the upstream refused.
    #[serde(default)]
    #[schema(maximum = 86400)]
    pub cooldown_seconds: u32,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn one() -> u32 {
    1
}

fn day() -> u32 {
    1_440
}

impl ConnectorBody {
    /// The record, with what was left out filled in. `listed`: the source has an allow-list.
    pub fn into_record(self, listed: bool) -> Connector {
        let lock_key = self.lock_key.unwrap_or_else(|| format!("connector:{}", self.id));
        Connector {
            air_gapped: self.air_gapped.unwrap_or(listed),
            artifact_kinds: self.artifact_kinds.into_iter().collect(),
            capabilities: self.capabilities.into_iter().collect(),
            lock_key,
            id: self.id,
            rate: self.rate.map(|rate| RatePolicy {
                burst: rate.burst,
                cooldown_seconds: rate.cooldown_seconds,
                requests_per_minute: rate.requests_per_minute,
            }),
            schedule: self.schedule.map(|schedule| ConnectorSchedule {
                cron: schedule.cron,
                lag_minutes_max: schedule.lag_minutes_max,
                parallel_runs_max: schedule.parallel_runs_max,
                time_zone: schedule.time_zone,
            }),
        }
    }
}

impl From<Connector> for ConnectorBody {
    fn from(record: Connector) -> Self {
        Self {
            id: record.id,
            capabilities: record.capabilities.into_iter().collect(),
            artifact_kinds: record.artifact_kinds.into_iter().collect(),
            schedule: record.schedule.map(|schedule| ScheduleBody {
                cron: schedule.cron,
                time_zone: schedule.time_zone,
                parallel_runs_max: schedule.parallel_runs_max,
                lag_minutes_max: schedule.lag_minutes_max,
            }),
            rate: record.rate.map(|rate| RateBody {
                requests_per_minute: rate.requests_per_minute,
                burst: rate.burst,
                cooldown_seconds: rate.cooldown_seconds,
            }),
            lock_key: Some(record.lock_key),
            air_gapped: Some(record.air_gapped),
        }
    }
}
