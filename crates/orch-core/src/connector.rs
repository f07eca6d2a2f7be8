//! What a source says of the connector that reads it: abilities, times, rates, and how far it may reach.
//!
//! Data that services read and agree on. Times and rates are not acted on here: schedules and buckets are things of
//! their own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::refusal::{Code, Refusal};

/// What a connector can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Observations of advisories.
    Observations,
    /// Links between them.
    Linksets,
    /// Events for timelines.
    Timeline,
    /// Signed statements.
    Attestations,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Observations, Self::Linksets, Self::Timeline, Self::Attestations];

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::Linksets => "linksets",
            Self::Timeline => "timeline",
            Self::Attestations => "attestations",
        }
    }
}

/// What a connector leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Documents as they were fetched.
    RawAdvisory,
    /// Documents in one form.
    Normalized,
    /// Links between observations.
    Linkset,
    /// Events for timelines.
    Timeline,
    /// Signed statements.
    Attestation,
}

impl ArtifactKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::RawAdvisory, Self::Normalized, Self::Linkset, Self::Timeline, Self::Attestation];

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RawAdvisory => "raw_advisory",
            Self::Normalized => "normalized",
            Self::Linkset => "linkset",
            Self::Timeline => "timeline",
            Self::Attestation => "attestation",
        }
    }
}

/// When it reads, in words that a schedule will be made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSchedule {
    /// Five or six fields of a cron expression.
    pub cron: String,
    /// How far behind it may be, in minutes.
    pub lag_minutes_max: u32,
    /// Runs at the same time.
    pub parallel_runs_max: u32,
    /// A zone's name, as `Europe/Vienna`; times of the expression are of this zone.
    pub time_zone: String,
}

/// How often it may ask its upstream. Without a policy it may not ask at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatePolicy {
    /// Requests at once.
    pub burst: u32,
    /// Seconds of rest after the upstream refused.
    pub cooldown_seconds: u32,
    /// Requests a minute.
    pub requests_per_minute: u32,
}

/// The connector of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// Only hosts of the source's `egress_allow` may be called; anything else fails closed.
    pub air_gapped: bool,
    /// What it leaves behind.
    pub artifact_kinds: BTreeSet<ArtifactKind>,
    /// What it can give.
    pub capabilities: BTreeSet<Capability>,
    /// Its name: lower-case letters, digits and `-`; never changes.
    pub id: String,
    /// Under which it excludes itself: one reader at a time.
    pub lock_key: String,
    /// How often it may ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RatePolicy>,
    /// When it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ConnectorSchedule>,
}

impl Connector {
    /// Checks each member.
    ///
    /// # Errors
    /// A refusal that names the first member that is not acceptable, under `connector`.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_own().map_err(|refusal| refusal.under("connector"))
    }

    fn check_own(&self) -> Result<(), Refusal> {
        check_slug("id", &self.id)?;
        check_visible("lock_key", &self.lock_key)?;
        if let Some(rate) = &self.rate {
            rate.check().map_err(|refusal| refusal.under("rate"))?;
        }
        match &self.schedule {
            Some(schedule) => schedule.check().map_err(|refusal| refusal.under("schedule")),
            None => Ok(()),
        }
    }
}

impl RatePolicy {
    fn check(&self) -> Result<(), Refusal> {
        check_range("requests_per_minute", self.requests_per_minute, 1, limits::CONNECTOR_REQUESTS_PER_MINUTE_MAX)?;
        check_range("burst", self.burst, 1, u64::from(self.requests_per_minute))?;
        check_range("cooldown_seconds", self.cooldown_seconds, 0, limits::CONNECTOR_COOLDOWN_SECONDS_MAX)
    }
}

impl ConnectorSchedule {
    fn check(&self) -> Result<(), Refusal> {
        check_cron(&self.cron)?;
        if self.time_zone.len() as u64 > limits::NAME_CHARS_MAX || jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            let detail = "`time_zone` must be a zone's name, as `UTC` or `Europe/Vienna`";
            return Err(Refusal::field(Code::InvalidField, "time_zone", detail));
        }
        check_range("parallel_runs_max", self.parallel_runs_max, 1, limits::CONNECTOR_PARALLEL_RUNS_MAX)?;
        check_range("lag_minutes_max", self.lag_minutes_max, 1, limits::CONNECTOR_LAG_MINUTES_MAX)
    }
}

fn check_slug(field: &str, text: &str) -> Result<(), Refusal> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<u8>| b.is_some_and(|b| b != b'-');
    let ends = edge(text.bytes().next()) && edge(text.bytes().last());
    if text.len() as u64 > limits::CONNECTOR_ID_CHARS_MAX {
        let detail = format!("`{field}` has at most {} characters", limits::CONNECTOR_ID_CHARS_MAX);
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    if ends && text.bytes().all(fine) {
        return Ok(());
    }
    let detail = format!("`{field}` must hold only lower-case letters, digits and `-`, which stands inside");
    Err(Refusal::field(Code::InvalidField, field, detail))
}

fn check_visible(field: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() as u64 > limits::KEY_CHARS_MAX {
        let detail = format!("`{field}` has at most {} characters", limits::KEY_CHARS_MAX);
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Refusal::field(Code::InvalidField, field, format!("`{field}` must hold visible characters and no blanks")))
}

/// The form alone: five or six fields of the characters that such fields are made of.
fn check_cron(text: &str) -> Result<(), Refusal> {
    let fields = text.split(' ').filter(|field| !field.is_empty()).count();
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"*/,-? ".contains(&b);
    if text.len() as u64 <= limits::NAME_CHARS_MAX && (5..=6).contains(&fields) && text.bytes().all(fine) {
        return Ok(());
    }
    let detail = "`cron` must have five or six fields, as `*/30 * * * *`";
    Err(Refusal::field(Code::InvalidField, "cron", detail))
}

fn check_range(field: &str, value: u32, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&u64::from(value)) {
        return Ok(());
    }
    let detail = format!("`{field}` is {value}; it must lie between {min} and {max}");
    Err(Refusal::field(Code::LimitExceeded, field, detail))
}
