//! The bodies of the worker contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::artifact::ArtifactRef;
use crate::backfill::WindowOf;
use crate::id::JobId;
use crate::job::{JobError, JobIn, LogLevel, Priority, Progress};
use crate::run::RunPart;
use crate::schedule::Firing;
use crate::watermark::{Advance, WatermarkHead};
use crate::worker::done::Observation;

/// A worker announces itself.
#[derive(Debug, Serialize)]
pub struct SessionIn<'a> {
    pub worker_id: &'a str,
    pub boot_id: &'a str,
    pub job_types: Vec<&'a str>,
    pub capacity: usize,
    pub sdk: &'a str,
}

/// What it is told.
#[derive(Debug, Deserialize)]
pub struct SessionOut {
    pub session: String,
    #[serde(default = "heartbeat_ms")]
    pub heartbeat_ms: u64,
}

fn heartbeat_ms() -> u64 {
    20_000
}

/// A wish for leases.
#[derive(Debug, Serialize)]
pub struct ClaimIn<'a> {
    pub session: &'a str,
    pub claim_id: &'a str,
    pub max: usize,
    pub wait_ms: u64,
    pub auto_ack: bool,
}

/// Leases.
#[derive(Debug, Deserialize)]
pub struct ClaimOut {
    #[serde(default)]
    pub leases: Vec<Lease>,
    /// `ok` or `drain`.
    #[serde(default)]
    pub session: String,
}

/// A lease.
#[derive(Debug, Deserialize)]
pub struct Lease {
    pub token: Arc<str>,
    pub job: JobId,
    #[serde(default)]
    pub attempt: u32,
    #[serde(default = "lease_ms")]
    pub lease_ms: u64,
    /// The handler must not begin before so many milliseconds have passed.
    #[serde(default)]
    pub hold_ms: u64,
    /// It must have begun before so many have.
    #[serde(default)]
    pub leave_ms: Option<u64>,
    #[serde(default)]
    pub idempotency_key: String,
    pub job_type: String,
    #[serde(default)]
    pub project: String,
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub priority: Priority,
    pub payload: Box<RawValue>,
    #[serde(default)]
    pub tenant: String,
    #[serde(default)]
    pub correlation_id: Option<String>,
    #[serde(default)]
    pub firing: Option<Firing>,
    #[serde(default)]
    pub run: Option<RunPart>,
    #[serde(default)]
    pub window: Option<WindowOf>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub checkpoint: Option<Box<RawValue>>,
    /// By axis.
    #[serde(default)]
    pub watermarks: BTreeMap<String, WatermarkHead>,
}

fn lease_ms() -> u64 {
    60_000
}

/// A sign of life for the leases that it lists.
#[derive(Debug, Serialize)]
pub struct BeatIn<'a> {
    pub session: &'a str,
    pub leases: Vec<BeatLeaseIn<'a>>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct BeatLeaseIn<'a> {
    pub token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<&'a Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<&'a RawValue>,
}

/// What each of them is told.
#[derive(Debug, Deserialize)]
pub struct BeatOut {
    #[serde(default)]
    pub items: Vec<BeatAnswer>,
    /// `ok` or `drain`.
    #[serde(default)]
    pub session: String,
}

/// What one of them is told: `continue`, `cancel` or `lost`.
#[derive(Debug, Deserialize)]
pub struct BeatAnswer {
    pub answer: String,
    /// Why progress or checkpoint was not kept.
    #[serde(default)]
    pub detail: Option<String>,
}

/// Reports.
#[derive(Debug, Serialize)]
pub struct CompleteIn<'a> {
    pub items: &'a [Report],
}

/// A report on one attempt.
#[derive(Debug, Serialize)]
pub struct Report {
    pub token: Arc<str>,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub follow_ups: Vec<JobIn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Box<Advance>>,
    /// The server refused the handler's own report, and this one says so in its stead.
    #[serde(skip)]
    pub substitute: bool,
}

/// One answer per item.
#[derive(Debug, Deserialize)]
pub struct ItemsOut {
    pub items: Vec<ItemOut>,
}

/// `ok`, or `refused` with a code.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ItemOut {
    pub status: String,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub field: Option<String>,
}

/// Leases to acknowledge or give back.
#[derive(Debug, Serialize)]
pub struct TokensIn<'a> {
    pub tokens: &'a [Arc<str>],
}

/// Log lines.
#[derive(Debug, Serialize)]
pub struct LogsIn<'a> {
    pub token: &'a str,
    pub lines: &'a [LogLine],
}

/// A log line.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    pub at: jiff::Timestamp,
    pub level: LogLevel,
    pub message: String,
}

/// Jobs made through the fence.
#[derive(Debug, Serialize)]
pub struct FollowUpsIn<'a> {
    pub token: &'a str,
    pub jobs: &'a [JobIn],
}
