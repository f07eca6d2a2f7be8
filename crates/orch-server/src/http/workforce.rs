//! How many workers job types could use: for autoscalers, and for whoever starts workers by hand.

use axum::extract::State;
use orch_dispatch::Answer;
use orch_dispatch::answer::{Gate, Limiter, WorkersWanted};
use orch_dispatch::command::{Command, Read};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::NameText;
use super::unexpected;
use super::words::ItemsOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// Within which time waiting work is to end, when nothing is said.
const TARGET_SECONDS: u64 = 300;
/// The longest such time: a day.
const TARGET_SECONDS_MAX: u64 = 86_400;

/// The routes of how many workers are wanted.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_desired_workers)).routes(routes!(get_desired_workers))
}

/// What keeps more of a job type from being under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimiterOut {
    /// Which gate, as `explain` names it.
    #[schema(value_type = String, example = "concurrency")]
    pub gate: Gate,
    /// What of it.
    #[schema(example = "job type `feeds.fetch` has at most 8 attempts")]
    pub by: String,
}

/// How many workers' slots a job type could use.
#[derive(Debug, Serialize, ToSchema)]
pub struct DesiredWorkersOut {
    /// The job type.
    #[schema(value_type = NameText)]
    pub job_type: String,
    /// Attempts at the same time that would end the waiting work within the target, as far as gates let them be under way;
    /// never fewer than are under way. Divide it by what one worker takes at the same time.
    #[schema(example = 8)]
    pub desired_workers: u64,
    /// Within which time, in seconds.
    #[schema(example = 300)]
    pub target_seconds: u64,
    /// Jobs that wait in its lanes; those that wait for a moment or for other jobs do not count.
    #[schema(example = 600)]
    pub waiting: u64,
    /// Attempts under way.
    #[schema(example = 2)]
    pub under_way: u64,
    /// How long an attempt takes that ends well, on average of late; null: none has ended yet, and one slot is wanted to
    /// find out.
    #[schema(example = 10_000)]
    pub mean_ms: Option<u64>,
    /// Run times that the average is made from.
    #[schema(minimum = 0, maximum = 64)]
    pub run_times: u32,
    /// Attempts that ended well within the last minute, about.
    #[schema(example = 12)]
    pub per_minute: u64,
    /// What keeps it from being more; empty: nothing does.
    pub limited_by: Vec<LimiterOut>,
}

impl DesiredWorkersOut {
    fn of(found: WorkersWanted, target_seconds: u64) -> Self {
        let WorkersWanted { job_type, desired, waiting, under_way, mean_ms, run_times, per_minute, limited_by } = found;
        let limited_by = limited_by.into_iter().map(|Limiter { gate, by }| LimiterOut { gate, by }).collect();
        let desired_workers = desired;
        Self {
            job_type,
            desired_workers,
            target_seconds,
            waiting,
            under_way,
            mean_ms,
            run_times,
            per_minute,
            limited_by,
        }
    }
}

async fn found(
    app: &AppState,
    caller: &Caller,
    job_type: Option<String>,
    query: Query,
) -> Result<Vec<DesiredWorkersOut>, Problem> {
    require(caller, Scope::Read)?;
    let mut params = query.open()?;
    let target_seconds = params.number("target_seconds", 1, TARGET_SECONDS_MAX)?.unwrap_or(TARGET_SECONDS);
    params.finish()?;
    let read = Read::WorkersWanted { tenant: caller.tenant(), job_type, target_ms: target_seconds * 1_000 };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::WorkersWanted(found) = answer else { return Err(unexpected(&answer)) };
    Ok(found.into_iter().map(|found| DesiredWorkersOut::of(found, target_seconds)).collect())
}

/// Says how many workers each job type could use.
#[utoipa::path(
    get, path = "/desired-workers", tag = "job-types",
    params((
        "target_seconds" = inline(Option<u64>), Query, minimum = 1, maximum = 86400,
        description = "Within which time the waiting work is to end, in seconds; 300 when left out"
    )),
    responses((status = 200, body = ItemsOut<DesiredWorkersOut>, description = "All job types, by name"))
)]
pub async fn list_desired_workers(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<ItemsOut<DesiredWorkersOut>>, Problem> {
    Ok(Json(ItemsOut { items: found(&app, &caller, None, query).await? }))
}

/// Says how many workers a job type could use.
#[utoipa::path(
    get, path = "/job-types/{name}/desired-workers", tag = "job-types",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        (
            "target_seconds" = inline(Option<u64>), Query, minimum = 1, maximum = 86400,
            description = "Within which time the waiting work is to end, in seconds; 300 when left out"
        ),
    ),
    responses((status = 200, body = DesiredWorkersOut, description = "The number, and what it comes from"))
)]
pub async fn get_desired_workers(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<DesiredWorkersOut>, Problem> {
    let found = found(&app, &caller, Some(name), query).await?.pop();
    Ok(Json(found.ok_or_else(|| Problem::not_found("job type"))?))
}
