//! Why jobs and lanes wait: every gate that holds one now, in the order in which they are looked at.

use axum::extract::State;
use orch_core::job::JobState;
use orch_core::{Code, JobId, LaneNo};
use orch_dispatch::answer::{Explained, Gate, Hold};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::id_of;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::JobIdText;
use super::words::{Moment, StateWord};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of explanations.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain_job)).routes(routes!(explain_lane))
}

/// A gate that holds something back.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldOut {
    /// Which: `dependencies`, `time`, `deleting`, `paused`, `blackout`, `breaker`, `bucket`, `concurrency`, `quota`, `worker` or
    /// `turn`. More may come.
    #[schema(value_type = String, example = "bucket")]
    pub gate: Gate,
    /// Who or what holds it; what belongs to other tenants is `shared`.
    pub by: String,
    /// Since when, if that is known.
    pub since: Option<Moment>,
    /// When it can open, at the earliest; null: that is not known.
    pub opens_at: Option<Moment>,
    /// What an operator can do.
    pub advice: &'static str,
}

/// Why a job waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobExplainOut {
    /// The job.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// Its state; only `blocked`, `scheduled` and `ready` jobs wait.
    #[schema(value_type = StateWord)]
    pub state: JobState,
    /// The first gate that holds it; null: it can go, or does not wait.
    #[schema(value_type = Option<String>, example = "bucket")]
    pub waiting_on: Option<Gate>,
    /// Every gate that holds it, in the order in which they are looked at.
    pub holds: Vec<HoldOut>,
    /// Jobs of its lane before it, if the owner's memory knows.
    pub ahead: Option<u64>,
}

/// Why a lane waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct LaneExplainOut {
    /// The lane.
    pub lane: u32,
    /// The first gate that holds it; null: its next job can go, or it has none.
    #[schema(value_type = Option<String>, example = "paused")]
    pub waiting_on: Option<Gate>,
    /// Every gate that holds it, in the order in which they are looked at.
    pub holds: Vec<HoldOut>,
}

impl From<Hold> for HoldOut {
    fn from(hold: Hold) -> Self {
        let Hold { gate, by, since, opens_at } = hold;
        Self { gate, by, since: since.map(Moment), opens_at: opens_at.map(Moment), advice: advice(gate) }
    }
}

fn advice(gate: Gate) -> &'static str {
    match gate {
        Gate::Dependencies => "look at the jobs that it depends on; cancel it if they will never end",
        Gate::Time => "`orch job retry` tries a job in back-off at once",
        Gate::Deleting => "`orch tenant restore` takes the mark back",
        Gate::Paused => "`orch pause resume` with the same target",
        Gate::Breaker => {
            "`orch breaker state` shows what failed and when it is tried again; `orch breaker reset` closes it"
        }
        Gate::Blackout => {
            "wait for its window to end; `orch blackout windows` shows when, `orch blackout put` changes it"
        }
        Gate::Bucket => "`orch bucket state` shows what is left; `orch bucket reset` opens it again after a refusal",
        Gate::Concurrency => "wait for an attempt to end, or raise the limit of the job type or source",
        Gate::Quota => {
            "`orch quota summary` shows what is used; `orch quota put` changes it, `orch quota resume` ends a pause"
        }
        Gate::Worker => "start a worker that takes the job type, or one more; `orch worker list` shows who is there",
        Gate::Turn => "nothing: it is next in its turn; a higher priority takes more turns",
    }
}

/// Explains why a job waits.
#[utoipa::path(
    get, path = "/jobs/{id}/explain", tag = "jobs", params(("id" = inline(JobIdText), Path, description = "The job")),
    responses((status = 200, body = JobExplainOut, description = "What holds it now"))
)]
pub async fn explain_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<JobExplainOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let job = id_of(&id, "job")?;
    let found = app.engine().explain_job(caller.tenant(), job).await?;
    let (state, Explained { holds, ahead }) = found.ok_or_else(|| Problem::not_found("job"))?;
    let waiting_on = holds.first().map(|hold| hold.gate);
    let holds = holds.into_iter().map(HoldOut::from).collect();
    Ok(Json(JobExplainOut { job, state, waiting_on, holds, ahead }))
}

/// Explains why a lane waits.
#[utoipa::path(
    get, path = "/lanes/{lane}/explain", tag = "lanes",
    params(("lane" = u32, Path, description = "Its number", minimum = 1)),
    responses((status = 200, body = LaneExplainOut, description = "What holds it now"))
)]
pub async fn explain_lane(
    State(app): State<AppState>,
    caller: Caller,
    Segment(lane): Segment,
    query: Query,
) -> Result<Json<LaneExplainOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let number = |_| Problem::field(Code::InvalidField, "lane", "a lane is a number from 1");
    let lane: u32 = lane.parse().map_err(number)?;
    let found = app.engine().explain_lane(caller.tenant(), LaneNo(lane), None).await?;
    let Explained { holds, .. } = found.ok_or_else(|| Problem::not_found("lane"))?;
    let waiting_on = holds.first().map(|hold| hold.gate);
    Ok(Json(LaneExplainOut { lane, waiting_on, holds: holds.into_iter().map(HoldOut::from).collect() }))
}
