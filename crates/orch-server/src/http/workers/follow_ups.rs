//! Follow-up jobs under an attempt's fence: real at once, and they stay if the attempt fails.

use axum::extract::State;
use axum::http::StatusCode;
use orch_core::job::{Origin, OriginKind};
use orch_core::{JobId, limits};
use orch_dispatch::Answer;
use orch_dispatch::command::Command;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token_of;
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::idempotency::{IdempotencyKey, KeySpace};
use crate::http::jobs::check_batch;
use crate::http::jobs::input::{Intake, JobIn, fingerprint_of_call};
use crate::http::json::Json;
use crate::http::object::objects;
use crate::http::query::Query;
use crate::http::texts::{JobIdText, KeyHeaderText};
use crate::http::unexpected;
use crate::http::words::ItemsOut;
use crate::state::AppState;

/// Jobs to make while working on another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "lse_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.0.1.2.0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.1",
    "jobs": [{"job_type": "feeds.parse", "payload": {"path": "a.json"}, "idempotency_key": "a.json"}]
}))]
pub struct FollowUpsIn {
    /// The attempt.
    pub token: String,
    /// The jobs, at most 1,000: all of them are accepted, or none. Their keys are scoped to the parent job.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 1000)]
    pub jobs: Vec<JobIn>,
}

/// A job that was made, or was there already.
#[derive(Debug, Serialize, ToSchema)]
pub struct FollowUpOut {
    /// The job.
    #[schema(value_type = JobIdText)]
    pub id: JobId,
    /// A key led to a job that was there already.
    pub replayed: bool,
}

/// Makes jobs under an attempt's fence.
#[utoipa::path(
    post, path = "/worker/follow-ups", tag = "worker",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Scoped to the parent job")),
    request_body = FollowUpsIn,
    responses((status = 201, body = ItemsOut<FollowUpOut>, description = "The jobs, in order"))
)]
pub async fn create_follow_ups(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(FollowUpsIn { token, jobs }): Json<FollowUpsIn>,
) -> Result<(StatusCode, Json<ItemsOut<FollowUpOut>>), Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    check_batch("jobs", jobs.len(), limits::FOLLOW_UPS_MAX)?;
    let token = token_of(&token)?;
    let keys = KeySpace::of_parent(token.job, "follow_up");
    let origin = Some(Origin { kind: OriginKind::FollowUp, of: token.job });
    let jobs = Intake { engine: app.engine(), keys, origin }.jobs(jobs, "jobs")?;
    let calls = KeySpace::of_parent(token.job, "follow_ups");
    let key = key.map(|key| calls.key(&key, fingerprint_of_call(&jobs)));
    let answer = app.engine().command(Command::FollowUps { tenants: caller.tenants(), token, jobs, key }).await?;
    let Answer::Enqueued(enqueued) = answer else { return Err(unexpected(&answer)) };
    let items = enqueued.into_iter().map(|made| FollowUpOut { id: made.id, replayed: made.replayed });
    Ok((StatusCode::CREATED, Json(ItemsOut { items: items.collect() })))
}
