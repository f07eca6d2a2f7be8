//! Counts of a tenant's jobs.

use std::collections::BTreeMap;

use axum::extract::State;
use orch_core::JobState;
use orch_dispatch::Answer;
use orch_dispatch::answer::LaneFound;
use orch_dispatch::command::{Command, Read};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::unexpected;
use crate::http::words::StateWord;
use crate::state::AppState;

/// Counts of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryOut {
    /// Open jobs by state.
    pub open: OpenCountsOut,
    /// Jobs by type, source and state: final ones, those that wait in lanes (`ready`), and those handed out
    /// (`running`, acknowledged or not).
    pub by_type: Vec<CountOut>,
    /// Jobs that were accepted under the key `orch:no-key` so far, by type: their payloads held no concurrency key where
    /// their type looks for it.
    pub keyless: Vec<KeylessOut>,
}

/// Jobs of a type whose payloads held no concurrency key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeylessOut {
    /// The job type.
    pub job_type: String,
    /// How many.
    pub jobs: u64,
}

/// Open jobs by state.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenCountsOut {
    /// Waiting for other jobs.
    pub blocked: u64,
    /// Waiting for a moment.
    pub scheduled: u64,
    /// Waiting in lanes.
    pub ready: u64,
    /// Handed out, not acknowledged.
    pub leased: u64,
    /// Acknowledged.
    pub running: u64,
}

/// Jobs alike in type, source and state.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountOut {
    /// The job type.
    pub job_type: String,
    /// The source.
    pub source: Option<String>,
    /// The state.
    #[schema(value_type = StateWord)]
    pub state: JobState,
    /// How many.
    pub jobs: u64,
}

async fn lanes(app: &AppState, caller: &Caller) -> Result<Vec<LaneFound>, Problem> {
    let answer = app.engine().command(Command::Read(Read::Lanes(caller.tenant()))).await?;
    let Answer::Lanes(lanes) = answer else { return Err(unexpected(&answer)) };
    Ok(lanes)
}

/// Counts the tenant's jobs.
#[utoipa::path(
    get, path = "/jobs/summary", tag = "jobs",
    responses((status = 200, body = SummaryOut, description = "Counts"))
)]
pub async fn summarize_jobs(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<SummaryOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let answer = app.engine().command(Command::Read(Read::Summary(caller.tenant()))).await?;
    let Answer::Summary(open) = answer else { return Err(unexpected(&answer)) };
    let mut by_type: BTreeMap<(String, Option<String>, JobState), u64> = BTreeMap::new();
    for row in app.engine().summary(caller.tenant()).await? {
        *by_type.entry((row.lane.job_type, row.lane.source, row.state)).or_default() += row.jobs;
    }
    for lane in lanes(&app, &caller).await? {
        let key = (lane.key.job_type, lane.key.source);
        for (state, jobs) in [(JobState::Ready, lane.ready), (JobState::Running, lane.leased)] {
            if jobs > 0 {
                *by_type.entry((key.0.clone(), key.1.clone(), state)).or_default() += jobs;
            }
        }
    }
    let rows = by_type.into_iter().map(|((job_type, source, state), jobs)| CountOut { job_type, source, state, jobs });
    let open = OpenCountsOut {
        blocked: open.blocked,
        scheduled: open.scheduled,
        ready: open.ready,
        leased: open.leased,
        running: open.running,
    };
    let answer = app.engine().command(Command::Read(Read::Keyless(caller.tenant()))).await?;
    let Answer::Keyless(keyless) = answer else { return Err(unexpected(&answer)) };
    let keyless = keyless.into_iter().map(|(job_type, jobs)| KeylessOut { job_type, jobs }).collect();
    Ok(Json(SummaryOut { open, by_type: rows.collect(), keyless }))
}
