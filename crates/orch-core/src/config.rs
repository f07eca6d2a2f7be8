//! Declared things: job types, sources, projects, buckets, breakers. Each change is a new version of the whole document.

mod breaker;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blackout::Blackout;
use crate::concurrency::{self, PerKeyStrategy};
use crate::connector::Connector;
use crate::graph::Graph;
use crate::limits;
use crate::quota::Quota;
use crate::refusal::{Code, Refusal};
use crate::retry::Backoff;
use crate::schedule::Schedule;
use crate::term::Term;

pub use breaker::Breaker;

/// The policy of a named kind of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobType {
    /// First back-off.
    pub backoff_ms: u64,
    /// Longest back-off.
    pub backoff_ms_max: u64,
    /// From a cancel request to the fence rising.
    pub cancel_grace_ms: u64,
    /// Where payloads hold the concurrency key of jobs that name none: a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key_pointer: Option<String>,
    /// Attempts of this type at the same time in the tenant.
    pub concurrency_max: Option<u32>,
    /// Attempts of one concurrency key at the same time.
    pub concurrency_per_key_max: Option<u32>,
    /// What becomes of a key's jobs when there are more; needs that limit.
    #[serde(skip_serializing_if = "PerKeyStrategy::is_queue")]
    pub concurrency_per_key_strategy: PerKeyStrategy,
    /// What an attempt spends of each bucket of its source's host: the requests that it makes.
    #[serde(skip_serializing_if = "is_one")]
    pub cost: u32,
    /// Text for people.
    pub description: String,
    /// How long an attempt may run.
    pub execution_ms_max: u64,
    /// How long a lease lasts without a heartbeat.
    pub lease_ms: u64,
    /// Lost leases before the job is a dead letter.
    pub lost_max: u32,
    /// The name; unique in the tenant.
    pub name: String,
    /// What payloads must look like: JSON Schema 2020-12 as canonical JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_schema: Option<String>,
    /// Tries before the job is a dead letter.
    pub tries_max: u32,
}

impl Default for JobType {
    fn default() -> Self {
        Self {
            backoff_ms: limits::BACKOFF_MS_DEFAULT,
            backoff_ms_max: limits::BACKOFF_MS_MAX_DEFAULT,
            cancel_grace_ms: limits::CANCEL_GRACE_MS_DEFAULT,
            concurrency_key_pointer: None,
            concurrency_max: None,
            concurrency_per_key_max: None,
            concurrency_per_key_strategy: PerKeyStrategy::Queue,
            cost: 1,
            description: String::new(),
            execution_ms_max: limits::EXECUTION_MS_DEFAULT,
            lease_ms: limits::LEASE_MS_DEFAULT,
            lost_max: u32::try_from(limits::LOST_DEFAULT).unwrap_or(u32::MAX),
            name: String::new(),
            payload_schema: None,
            tries_max: u32::try_from(limits::TRIES_DEFAULT).unwrap_or(u32::MAX),
        }
    }
}

impl JobType {
    /// A job type of this name with the defaults.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The back-off arithmetic of this type.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        Backoff { base_ms: self.backoff_ms, max_ms: self.backoff_ms_max }
    }

    /// Checks each field against its limit.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        check_range("lease_ms", self.lease_ms, limits::LEASE_MS_MIN, limits::LEASE_MS_MAX)?;
        check_range("tries_max", u64::from(self.tries_max), 1, limits::TRIES_MAX)?;
        check_range("lost_max", u64::from(self.lost_max), 1, limits::LOST_MAX)?;
        check_range("backoff_ms", self.backoff_ms, 1, limits::BACKOFF_MS_MAX)?;
        check_range("backoff_ms_max", self.backoff_ms_max, self.backoff_ms, limits::BACKOFF_MS_MAX)?;
        check_range("execution_ms_max", self.execution_ms_max, 1_000, limits::EXECUTION_MS_MAX)?;
        check_range("cancel_grace_ms", self.cancel_grace_ms, 0, limits::LEASE_MS_MAX)?;
        let per_key = self.concurrency_per_key_max.map_or(1, u64::from);
        check_range("concurrency_per_key_max", per_key, 1, u64::from(u32::MAX))?;
        check_range("concurrency_max", self.concurrency_max.map_or(1, u64::from), 1, u64::from(u32::MAX))?;
        check_range("cost", u64::from(self.cost), 1, limits::COST_MAX)?;
        let bytes = self.payload_schema.as_ref().map_or(0, String::len) as u64;
        check_range("payload_schema", bytes, 0, limits::PAYLOAD_SCHEMA_BYTES_MAX)?;
        self.check_keys()
    }

    /// What is said of concurrency keys makes sense.
    fn check_keys(&self) -> Result<(), Refusal> {
        if self.concurrency_per_key_strategy != PerKeyStrategy::Queue && self.concurrency_per_key_max.is_none() {
            let field = "concurrency_per_key_strategy";
            let detail = format!("`{field}` needs `concurrency_per_key_max`: without it there is never one too many");
            return Err(Refusal::field(Code::InvalidField, field, detail));
        }
        let Some(pointer) = &self.concurrency_key_pointer else { return Ok(()) };
        let field = "concurrency_key_pointer";
        concurrency::check_pointer(field, pointer)?;
        let schema = self.payload_schema.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if schema.is_none_or(|schema| concurrency::may_be_there(&schema, pointer)) {
            return Ok(());
        }
        let detail = format!("`{field}` names a place that `payload_schema` lets no payload have");
        Err(Refusal::field(Code::InvalidField, field, detail))
    }
}

/// A registered upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Where its secret is kept; a reference such as `secret:feeds/nvd/api-key`, never the secret.
    pub auth_ref: Option<String>,
    /// Attempts for this source at the same time in the tenant.
    pub concurrency_max: Option<u32>,
    /// The connector that reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<Box<Connector>>,
    /// Text for people.
    pub description: String,
    /// Hosts that its workers may call.
    pub egress_allow: Vec<String>,
    /// The upstream's host.
    pub host: Option<String>,
    /// What kind of upstream: `osv`, `nvd`, `ghsa`, `csaf`, …
    pub kind: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// The name; unique in the tenant.
    pub name: String,
}

impl Source {
    /// Checks each field against its limit.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        check_range("concurrency_max", self.concurrency_max.map_or(1, u64::from), 1, u64::from(u32::MAX))?;
        if let Some(connector) = &self.connector {
            connector.check()?;
        }
        match &self.auth_ref {
            Some(reference) if !reference.starts_with("secret:") => Err(Refusal::field(
                Code::InvalidField,
                "auth_ref",
                "a secret is named by a reference that starts with `secret:`",
            )),
            _ => check_labels("labels", &self.labels),
        }
    }
}

/// `URGENT_RESERVE_PERCENT_DEFAULT` in the type of the field.
#[expect(clippy::cast_possible_truncation, reason = "it is at most a hundred")]
const RESERVE_USUAL: u32 = limits::URGENT_RESERVE_PERCENT_DEFAULT as u32;

/// What a host allows: requests to it are granted so that none of its terms is ever exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bucket {
    /// Text for people.
    pub description: String,
    /// The host: all sources of the tenant that name it share the bucket.
    pub host: String,
    /// Attempts under way at the host at the same time. Fewer after a cut, and one more for each limit's worth that ends
    /// well; never more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight_max: Option<u32>,
    /// Answers that take much longer than they usually do cut what is used of the terms, as refusals do.
    #[serde(skip_serializing_if = "is_true")]
    pub latency_cut: bool,
    /// The name; unique in the tenant.
    pub name: String,
    /// After a refusal by the upstream, milliseconds in which what is used of the terms rises from nothing to all.
    pub ramp_ms: u64,
    /// All of them hold.
    pub terms: Vec<Term>,
    /// Parts of a hundred of each term that urgent work alone may spend, rounded down to whole requests: small terms have
    /// none.
    #[serde(skip_serializing_if = "is_usual_reserve")]
    pub urgent_reserve_percent: u32,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            description: String::new(),
            host: String::new(),
            in_flight_max: None,
            latency_cut: true,
            name: String::new(),
            ramp_ms: limits::RAMP_MS_DEFAULT,
            terms: Vec::new(),
            urgent_reserve_percent: RESERVE_USUAL,
        }
    }
}

impl Bucket {
    /// Checks each field against its limit.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        check_name("host", &self.host)?;
        check_range("in_flight_max", self.in_flight_max.map_or(1, u64::from), 1, limits::IN_FLIGHT_MAX)?;
        check_range("ramp_ms", self.ramp_ms, limits::RAMP_MS_MIN, limits::RAMP_MS_MAX)?;
        check_range("terms", self.terms.len() as u64, 1, limits::TERMS_MAX)?;
        self.terms.iter().enumerate().try_for_each(|(place, term)| term.check(&format!("terms[{place}]")))?;
        let percent = u64::from(self.urgent_reserve_percent);
        check_range("urgent_reserve_percent", percent, 0, limits::URGENT_RESERVE_PERCENT_MAX)
    }
}

/// A grouping inside a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Project {
    /// Text for people.
    pub description: String,
    /// The name; unique in the tenant.
    pub name: String,
}

/// The kinds of declared things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigKind {
    /// A job type.
    JobType,
    /// A source.
    Source,
    /// A project.
    Project,
    /// A bucket.
    Bucket,
    /// A quota.
    Quota,
    /// A breaker.
    Breaker,
    /// A blackout.
    Blackout,
    /// A schedule.
    Schedule,
    /// A graph.
    Graph,
}

/// One version of a declared thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigDoc {
    /// A job type.
    JobType(JobType),
    /// A source.
    Source(Source),
    /// A project.
    Project(Project),
    /// A bucket.
    Bucket(Bucket),
    /// A quota.
    Quota(Quota),
    /// A breaker.
    Breaker(Breaker),
    /// A blackout.
    Blackout(Box<Blackout>),
    /// A schedule.
    Schedule(Box<Schedule>),
    /// A graph.
    Graph(Box<Graph>),
}

impl ConfigDoc {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ConfigKind {
        match self {
            Self::JobType(_) => ConfigKind::JobType,
            Self::Source(_) => ConfigKind::Source,
            Self::Project(_) => ConfigKind::Project,
            Self::Bucket(_) => ConfigKind::Bucket,
            Self::Quota(_) => ConfigKind::Quota,
            Self::Breaker(_) => ConfigKind::Breaker,
            Self::Blackout(_) => ConfigKind::Blackout,
            Self::Schedule(_) => ConfigKind::Schedule,
            Self::Graph(_) => ConfigKind::Graph,
        }
    }

    /// Its name; unique by kind in the tenant.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::JobType(doc) => &doc.name,
            Self::Source(doc) => &doc.name,
            Self::Project(doc) => &doc.name,
            Self::Bucket(doc) => &doc.name,
            Self::Quota(doc) => &doc.name,
            Self::Breaker(doc) => &doc.name,
            Self::Blackout(doc) => &doc.name,
            Self::Schedule(doc) => &doc.name,
            Self::Graph(doc) => &doc.name,
        }
    }

    /// Checks each field against its limit.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::JobType(doc) => doc.check(),
            Self::Source(doc) => doc.check(),
            Self::Project(doc) => check_name("name", &doc.name),
            Self::Bucket(doc) => doc.check(),
            Self::Quota(doc) => doc.check(),
            Self::Breaker(doc) => doc.check(),
            Self::Blackout(doc) => doc.check(),
            Self::Schedule(doc) => doc.check(),
            Self::Graph(doc) => doc.check(),
        }
    }
}

/// A connector keeps its id for life, and no two sources of a tenant have the same: `current` is the version before,
/// `all` what is declared, of whatever kind.
///
/// # Errors
/// A refusal that names `connector.id`.
pub fn check_connector<'a>(
    doc: &ConfigDoc,
    current: Option<&ConfigDoc>,
    mut all: impl Iterator<Item = &'a ConfigDoc>,
) -> Result<(), Refusal> {
    let Some(id) = connector_id(doc) else { return Ok(()) };
    let refused = |detail: String| Err(Refusal::field(Code::InvalidField, "connector.id", detail));
    if current.and_then(connector_id).is_some_and(|before| before != id) {
        return refused("a connector keeps its id".to_owned());
    }
    match all.find(|other| other.name() != doc.name() && connector_id(other) == Some(id)) {
        Some(other) => refused(format!("the source `{}` has this connector", other.name())),
        None => Ok(()),
    }
}

fn connector_id(doc: &ConfigDoc) -> Option<&str> {
    match doc {
        ConfigDoc::Source(source) => source.connector.as_ref().map(|connector| connector.id.as_str()),
        _ => None,
    }
}

/// Checks a name: 1 to 128 of `a-z A-Z 0-9 . _ : / -`, starting with a letter or digit.
///
/// # Errors
/// A refusal that names `field`.
pub fn check_name(field: &str, name: &str) -> Result<(), Refusal> {
    let max = usize::try_from(limits::NAME_CHARS_MAX).unwrap_or(usize::MAX);
    if name.len() > max {
        let detail = format!("`{field}` has {} characters; at most {max} are allowed", name.len());
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b));
    if starts && rest {
        return Ok(());
    }
    let detail = format!("`{field}` must start with a letter or digit and hold only letters, digits and . _ : / -");
    Err(Refusal::field(Code::InvalidField, field, detail))
}

/// Checks labels: their number, the form of their keys and the length of their values.
///
/// # Errors
/// A refusal that names the label.
pub fn check_labels(field: &str, labels: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if labels.len() as u64 > limits::LABELS_MAX {
        let detail = format!("`{field}` has {} entries; at most {} are allowed", labels.len(), limits::LABELS_MAX);
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    for (key, value) in labels {
        let path = format!("{field}.{key}");
        check_name(&path, key)?;
        if key.len() as u64 > limits::LABEL_KEY_CHARS_MAX
            || value.chars().count() as u64 > limits::LABEL_VALUE_CHARS_MAX
        {
            let detail = format!(
                "a label's key has at most {} characters and its value {}",
                limits::LABEL_KEY_CHARS_MAX,
                limits::LABEL_VALUE_CHARS_MAX
            );
            return Err(Refusal::field(Code::LimitExceeded, path, detail));
        }
    }
    Ok(())
}

// The form that `skip_serializing_if` wants.
fn is_true(cut: &bool) -> bool {
    *cut
}

// The same.
fn is_one(cost: &u32) -> bool {
    *cost == 1
}

// The same.
fn is_usual_reserve(percent: &u32) -> bool {
    *percent == RESERVE_USUAL
}

pub(crate) fn check_range(field: &str, value: u64, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let detail = format!("`{field}` is {value}; it must lie between {min} and {max}");
    Err(Refusal::field(Code::LimitExceeded, field, detail))
}
