//! The claim: long poll for leases. Payloads pass through as the bytes that were sent.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use orch_core::config::check_name;
use orch_core::ids::ClaimId;
use orch_core::job::Priority;
use orch_core::lease::Token;
use orch_core::{JobId, SessionId, Timestamp, limits};
use orch_dispatch::answer::WatermarkHead;
use orch_dispatch::command::ClaimParams;
use orch_engine::Claimed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sessions::check_session;
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_count, check_range};
use crate::http::jobs::output::{FiringRefOut, PartOut, WindowOfOut};
use crate::http::json::{Json, of_bytes};
use crate::http::query::Query;
use crate::http::texts::{ClaimIdText, JobIdText, NameText, SessionIdText};
use crate::http::words::{Moment, PriorityWord};
use crate::state::AppState;

/// A claim.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "session": "wks_00000002b7a08c3e8d9f0a1b2c3d4e5f", "claim_id": "clm_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f",
    "max": 32, "wait_ms": 0
}))]
pub struct ClaimIn {
    /// The worker session.
    #[schema(value_type = SessionIdText)]
    pub session: SessionId,
    /// An id of the caller's making (a UUIDv7 after `clm_`): the same id returns the same leases.
    #[schema(value_type = ClaimIdText)]
    pub claim_id: ClaimId,
    /// At most so many leases.
    #[schema(minimum = 1, maximum = 1000)]
    pub max: u64,
    /// How long to wait for work when there is none.
    #[serde(default)]
    #[schema(maximum = 30000)]
    pub wait_ms: u64,
    /// Only these job types; those of the session when left out.
    #[serde(default)]
    #[schema(value_type = Vec<NameText>, max_items = 1000)]
    pub job_types: Vec<String>,
    /// The hand-out counts as the acknowledgement; true when left out.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub auto_ack: bool,
}

fn yes() -> bool {
    true
}

/// Leases.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what `write` writes; a test compares the two")]
pub struct LeasesOut {
    /// The leases; none when there was no work in time.
    leases: Vec<LeaseOut>,
    /// What the session is to do: `ok` or `drain`. More may come.
    session: String,
}

/// The right to make one attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Lease)]
#[expect(dead_code, reason = "it describes what `write` writes; a test compares the two")]
pub struct LeaseOut {
    /// The fencing token; reports name the attempt by it.
    token: String,
    /// The job.
    #[schema(value_type = JobIdText)]
    job: JobId,
    /// The attempt, from 1.
    attempt: u32,
    /// Until when it holds without a heartbeat.
    until: Moment,
    /// Its length.
    lease_ms: u64,
    /// When the attempt times out.
    execution_until: Moment,
    /// The first request to the upstream must not leave before: a bucket counts it then.
    #[serde(default)]
    not_before: Option<Moment>,
    /// The same as milliseconds from this answer, for workers whose clock is not the server's.
    #[serde(default)]
    hold_ms: Option<u64>,
    /// Nor later: if it is later, the attempt is given back, which costs no try.
    #[serde(default)]
    leave_by: Option<Moment>,
    /// The same as milliseconds from this answer.
    #[serde(default)]
    leave_ms: Option<u64>,
    /// The same over all attempts of the job: the job's id.
    idempotency_key: String,
    /// The job type.
    job_type: String,
    /// The project.
    project: String,
    /// The source.
    #[serde(default)]
    source: Option<String>,
    /// The priority class.
    #[schema(value_type = PriorityWord)]
    priority: Priority,
    /// The tenant's id.
    tenant: String,
    /// Correlates jobs of one cause.
    #[serde(default)]
    correlation_id: Option<String>,
    /// The firing that asked for the job, if a schedule did.
    #[serde(default)]
    firing: Option<FiringRefOut>,
    /// The part of a run that the job is, if it is one.
    #[serde(default)]
    run: Option<PartOut>,
    /// The window of a backfill that the job reads, if it reads one.
    #[serde(default)]
    window: Option<WindowOfOut>,
    /// Labels.
    labels: BTreeMap<String, String>,
    /// Where the source's watermarks were when the lease was granted, by axis; left out when there are none.
    #[serde(default)]
    watermarks: Option<BTreeMap<String, WatermarkHeadOut>>,
    /// The payload as it was sent.
    #[schema(value_type = serde_json::Value)]
    payload: serde_json::Value,
    /// The last checkpoint that an attempt of this job saved.
    #[schema(value_type = Option<serde_json::Value>)]
    checkpoint: Option<serde_json::Value>,
}

/// Where a watermark was when a lease was granted. An advance names its `high` as `expected`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WatermarkHead)]
pub struct WatermarkHeadOut {
    /// Back to when the source was read.
    low: Option<Moment>,
    /// Up to when; null: it counts as never read.
    high: Option<Moment>,
    /// A record that is found behind it by more than this is late.
    lateness_ms: u64,
}

impl From<&WatermarkHead> for WatermarkHeadOut {
    fn from(WatermarkHead { low, high, lateness_ms, .. }: &WatermarkHead) -> Self {
        Self { low: low.map(Moment), high: high.map(Moment), lateness_ms: *lateness_ms }
    }
}

/// All of a lease but the JSON that passes through.
#[derive(Serialize)]
struct LeaseHead<'a> {
    token: Shown<Token>,
    job: JobId,
    attempt: u32,
    until: &'a str,
    lease_ms: u64,
    execution_until: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Shown<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leave_by: Option<Shown<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leave_ms: Option<u64>,
    idempotency_key: JobId,
    job_type: &'a str,
    project: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    priority: Priority,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firing: Option<FiringRefOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<PartOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowOfOut>,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    watermarks: BTreeMap<&'static str, WatermarkHeadOut>,
}

/// A value in its text form.
struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Claims leases; waits for work up to `wait_ms`.
#[utoipa::path(
    post, path = "/worker/claim", tag = "worker",
    request_body = ClaimIn,
    responses((status = 200, body = LeasesOut, description = "Leases, perhaps none"))
)]
pub async fn claim_leases(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(claim): Json<ClaimIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    check_session(&caller, claim.session)?;
    let max = check(&claim)?;
    let wait_until = (claim.wait_ms > 0).then(|| app.engine().now().plus_ms(claim.wait_ms));
    let params = ClaimParams {
        session: claim.session,
        claim: claim.claim_id,
        max,
        job_types: claim.job_types,
        auto_ack: claim.auto_ack,
        wait_until,
    };
    let claimed = app.engine().claim(params).await?;
    write(&claimed, caller.tenant_id(), app.engine().now()).map(of_bytes)
}

fn check(claim: &ClaimIn) -> Result<usize, Problem> {
    let mut refusals = Refusals::default();
    refusals.note(check_range("max", claim.max, 1, limits::CLAIM_MAX));
    refusals.note(check_range("wait_ms", claim.wait_ms, 0, limits::CLAIM_WAIT_MS_MAX));
    refusals.note(check_count("job_types", claim.job_types.len(), limits::CLAIM_MAX, "entries"));
    for (place, name) in claim.job_types.iter().enumerate() {
        if refusals.full() {
            break;
        }
        refusals.note(check_name(&format!("job_types[{place}]"), name));
    }
    refusals.finish()?;
    Ok(usize::try_from(claim.max).unwrap_or(usize::MAX))
}

/// Writes the answer. Payload and checkpoint are JSON already, checked when they came in.
fn write(Claimed { leases, drain }: &Claimed, tenant: &str, now: Timestamp) -> Result<Vec<u8>, Problem> {
    let payloads: usize = leases.iter().map(|lease| lease.payload.len()).sum();
    let mut out = Vec::with_capacity(64 + payloads + leases.len() * 640);
    let (mut until, mut execution_until) = (Memo::default(), Memo::default());
    out.extend_from_slice(b"{\"leases\":[");
    for (place, lease) in leases.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let (grant, lane) = (&lease.grant, &lease.grant.lane);
        let head = LeaseHead {
            token: Shown(grant.token),
            job: grant.token.job,
            attempt: grant.token.attempt,
            until: until.text(grant.until),
            lease_ms: grant.lease_ms,
            execution_until: execution_until.text(grant.execution_until),
            not_before: grant.not_before.map(Shown),
            hold_ms: grant.not_before.map(|at| at.ms_since(now)),
            leave_by: grant.leave_by.map(Shown),
            leave_ms: grant.leave_by.map(|at| at.ms_since(now)),
            idempotency_key: grant.token.job,
            job_type: &lane.job_type,
            project: &lane.project,
            source: lane.source.as_deref(),
            priority: lane.priority,
            tenant,
            correlation_id: lease.extra.correlation_id.as_deref(),
            firing: lease.extra.firing.as_ref().map(FiringRefOut::from),
            run: lease.extra.part.map(PartOut::from),
            window: lease.extra.window.map(WindowOfOut::from),
            labels: &lease.extra.labels,
            watermarks: grant.watermarks.iter().map(|head| (head.axis.as_str(), head.into())).collect(),
        };
        serde_json::to_writer(&mut out, &head).map_err(|error| Problem::internal(&error.to_string()))?;
        // The head's closing brace makes room for what passes through.
        out.pop();
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(&lease.payload);
        out.extend_from_slice(b",\"checkpoint\":");
        out.extend_from_slice(lease.checkpoint.as_deref().unwrap_or(b"null"));
        out.push(b'}');
    }
    out.extend_from_slice(if *drain { b"],\"session\":\"drain\"}" } else { b"],\"session\":\"ok\"}" as &[u8] });
    Ok(out)
}

/// The text of a moment; leases of one grant have the same.
#[derive(Default)]
struct Memo(Option<(Timestamp, String)>);

impl Memo {
    fn text(&mut self, at: Timestamp) -> &str {
        if self.0.as_ref().is_none_or(|(known, _)| *known != at) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (at, at.to_rfc3339())).1
    }
}

#[cfg(test)]
mod tests;
