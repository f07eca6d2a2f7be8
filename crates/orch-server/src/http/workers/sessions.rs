//! Announcing a worker: one session a boot, the same id however often it is announced.

use axum::extract::State;
use axum::http::StatusCode;
use orch_core::config::{ConfigDoc, ConfigKind, check_name};
use orch_core::{Code, Refusal, SessionId, limits};
use orch_dispatch::Answer;
use orch_dispatch::command::{Command, Read, SessionParams};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_count, check_filled, check_range, check_text};
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::texts::{CountNumber, FilledText, LineText, NameText, SessionIdText};
use crate::http::unexpected;
use crate::state::AppState;

/// A worker that announces itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "worker_id": "feeds-1", "boot_id": "0198f0c2", "job_types": ["feeds.fetch", "feeds.parse"],
    "capacity": 32, "sdk": "orch-client/0.1.0"
}))]
pub struct SessionIn {
    /// The worker's name.
    #[schema(value_type = FilledText)]
    pub worker_id: String,
    /// This boot of it.
    #[schema(value_type = FilledText)]
    pub boot_id: String,
    /// Job types that it can do, at least one.
    #[schema(value_type = Vec<NameText>, min_items = 1, max_items = 1000)]
    pub job_types: Vec<String>,
    /// Leases that it wants at the same time.
    #[schema(value_type = CountNumber)]
    pub capacity: u32,
    /// SDK name and version.
    #[serde(default)]
    #[schema(value_type = LineText)]
    pub sdk: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionOut {
    /// Its id; the same for the same worker and boot.
    #[schema(value_type = SessionIdText)]
    pub session: SessionId,
    /// Send a heartbeat this often, for the shortest lease of the session's job types.
    pub heartbeat_ms: u64,
    /// The shortest lease of the session's job types.
    pub lease_ms: u64,
    /// What holds when nothing else is said.
    pub defaults: DefaultsOut,
}

/// Defaults and limits that an SDK keeps to.
#[derive(Debug, Serialize, ToSchema)]
pub struct DefaultsOut {
    /// Length of a lease.
    pub lease_ms: u64,
    /// Heartbeats in one lease length.
    pub heartbeats_per_lease: u64,
    /// Tries of a job.
    pub tries_max: u64,
    /// Lost leases of a job.
    pub lost_max: u64,
    /// First back-off.
    pub backoff_ms: u64,
    /// Longest back-off.
    pub backoff_ms_max: u64,
    /// How long an attempt may run.
    pub execution_ms_max: u64,
    /// Leases in one claim.
    pub claim_max: u64,
    /// Milliseconds that a claim may wait.
    pub claim_wait_ms_max: u64,
    /// Reports in one call.
    pub reports_per_call_max: u64,
    /// Follow-up jobs of one completion.
    pub follow_ups_max: u64,
    /// Log lines in one call.
    pub log_lines_max: u64,
    /// Bytes of a result.
    pub result_bytes_max: u64,
    /// Bytes of a checkpoint.
    pub checkpoint_bytes_max: u64,
    /// Bytes of an artifact upload.
    pub artifact_bytes_max: u64,
}

impl DefaultsOut {
    const HERE: Self = Self {
        lease_ms: limits::LEASE_MS_DEFAULT,
        heartbeats_per_lease: limits::HEARTBEATS_PER_LEASE,
        tries_max: limits::TRIES_DEFAULT,
        lost_max: limits::LOST_DEFAULT,
        backoff_ms: limits::BACKOFF_MS_DEFAULT,
        backoff_ms_max: limits::BACKOFF_MS_MAX_DEFAULT,
        execution_ms_max: limits::EXECUTION_MS_DEFAULT,
        claim_max: limits::CLAIM_MAX,
        claim_wait_ms_max: limits::CLAIM_WAIT_MS_MAX,
        reports_per_call_max: limits::REPORTS_PER_CALL_MAX,
        follow_ups_max: limits::FOLLOW_UPS_MAX,
        log_lines_max: limits::LOG_LINES_MAX,
        result_bytes_max: limits::RESULT_BYTES_MAX,
        checkpoint_bytes_max: limits::CHECKPOINT_BYTES_MAX,
        artifact_bytes_max: limits::ARTIFACT_BYTES_MAX,
    };
}

/// Announces a worker.
#[utoipa::path(
    post, path = "/worker/sessions", tag = "worker",
    request_body = SessionIn,
    responses((status = 201, body = SessionOut, description = "The session"))
)]
pub async fn open_worker_session(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(session): Json<SessionIn>,
) -> Result<(StatusCode, Json<SessionOut>), Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    check(&session)?;
    let id = SessionId::of(caller.tenant(), &session.worker_id, &session.boot_id);
    let lease_ms = lease_ms(&app, &caller, &session.job_types).await?;
    let answer = app.engine().command(Command::OpenSession(SessionParams {
        session: id,
        tenants: caller.tenants(),
        worker: session.worker_id,
        boot: session.boot_id,
        job_types: session.job_types,
        capacity: session.capacity,
        sdk: session.sdk,
    }));
    answer.await?;
    let heartbeat_ms = lease_ms / limits::HEARTBEATS_PER_LEASE;
    let out = SessionOut { session: id, heartbeat_ms, lease_ms, defaults: DefaultsOut::HERE };
    Ok((StatusCode::CREATED, Json(out)))
}

fn check(session: &SessionIn) -> Result<(), Problem> {
    let mut refusals = Refusals::default();
    refusals.note(check_filled("worker_id", &session.worker_id, limits::NAME_CHARS_MAX));
    refusals.note(check_filled("boot_id", &session.boot_id, limits::NAME_CHARS_MAX));
    refusals.note(check_text("sdk", &session.sdk, limits::NAME_CHARS_MAX));
    refusals.note(check_range("capacity", session.capacity.into(), 1, u32::MAX.into()));
    refusals.note(check_count("job_types", session.job_types.len(), limits::CLAIM_MAX, "entries"));
    if session.job_types.is_empty() {
        let detail = "`job_types` must not be empty";
        refusals.note::<()>(Err(Refusal::field(Code::InvalidField, "job_types", detail)));
    }
    for (place, name) in session.job_types.iter().enumerate() {
        if refusals.full() {
            break;
        }
        refusals.note(check_name(&format!("job_types[{place}]"), name));
    }
    refusals.finish()
}

/// The shortest lease of these job types.
async fn lease_ms(app: &AppState, caller: &Caller, job_types: &[String]) -> Result<u64, Problem> {
    let read = Read::Configs { tenant: caller.tenant(), kind: ConfigKind::JobType };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::Configs(found) = answer else { return Err(unexpected(&answer)) };
    let leases = found.into_iter().filter_map(|found| match found.doc {
        ConfigDoc::JobType(declared) if job_types.contains(&declared.name) => Some(declared.lease_ms),
        _ => None,
    });
    Ok(leases.min().unwrap_or(limits::LEASE_MS_DEFAULT))
}

/// Refuses a session of another tenant, without asking whether there is one.
pub fn check_session(caller: &Caller, session: SessionId) -> Result<(), Problem> {
    if session.tenant() == caller.tenant() {
        return Ok(());
    }
    let detail = "this worker session is not known: announce it again";
    Err(Problem::field(Code::UnknownSession, "session", detail))
}
