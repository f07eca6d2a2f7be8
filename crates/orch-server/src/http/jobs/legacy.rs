//! The older detail and summary of a job, in the older words, on their way out. `GET /jobs/{id}` takes their place.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use orch_core::{JobId, JobState};
use serde::Serialize;
use utoipa::ToSchema;

use super::output::JobOut;
use super::show;
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::JobIdText;
use crate::http::words::Moment;
use crate::http::{BASE, deprecation, id_of};
use crate::state::AppState;

/// A job in short, in the older words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LegacyJobSummary)]
pub struct SummaryOut {
    /// The id.
    #[schema(value_type = JobIdText)]
    pub job_id: JobId,
    /// The job type's name.
    pub job_type: String,
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// Attempts so far.
    pub attempt: u32,
    /// When it was accepted.
    pub created_at: Option<Moment>,
    /// When it ended.
    pub completed_at: Option<Moment>,
}

fn status(state: JobState) -> &'static str {
    match state {
        JobState::Blocked | JobState::Scheduled | JobState::Ready => "pending",
        JobState::Leased | JobState::Running => "running",
        JobState::Succeeded => "completed",
        JobState::Failed => "failed",
        JobState::Canceled | JobState::Skipped => "cancelled",
    }
}

/// Gets a job with its payload. Deprecated: `GET /jobs/{id}?payload=true` takes its place.
#[utoipa::path(
    get, path = "/jobs/{id}/detail", tag = "jobs",
    params(("id" = inline(JobIdText), Path, description = "The job")),
    responses((status = 200, body = JobOut, description = "The job", headers(
        ("Deprecation" = String, description = "Since when it is deprecated"),
        ("Sunset" = String, description = "Until when it is served"),
        ("Link" = String, description = "What takes its place"),
    )))
)]
pub async fn get_job_detail(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Response, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let id = id_of(&id, "job")?;
    let job = show(&app, &caller, id, true).await?;
    Ok(announced(Json(job), &format!("{BASE}/jobs/{id}?payload=true")))
}

/// Gets a job in short. Deprecated: `GET /jobs/{id}` takes its place.
#[utoipa::path(
    get, path = "/jobs/{id}/summary", tag = "jobs",
    params(("id" = inline(JobIdText), Path, description = "The job")),
    responses((status = 200, body = SummaryOut, description = "The job in short", headers(
        ("Deprecation" = String, description = "Since when it is deprecated"),
        ("Sunset" = String, description = "Until when it is served"),
        ("Link" = String, description = "What takes its place"),
    )))
)]
pub async fn get_job_summary(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Response, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let job = show(&app, &caller, id_of(&id, "job")?, false).await?;
    let successor = format!("{BASE}/jobs/{}", job.id);
    let summary = SummaryOut {
        job_id: job.id,
        job_type: job.job_type,
        status: status(job.state),
        attempt: job.attempt,
        created_at: job.created_at,
        completed_at: job.finished_at,
    };
    Ok(announced(Json(summary), &successor))
}

fn announced(answer: impl IntoResponse, successor: &str) -> Response {
    let mut response = answer.into_response();
    deprecation::announce(response.headers_mut(), successor);
    response
}
