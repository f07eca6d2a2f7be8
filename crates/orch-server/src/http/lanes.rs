//! Lanes: what jobs wait in, as the owner sees it now.

use axum::extract::State;
use orch_core::job::Priority;
use orch_dispatch::Answer;
use orch_dispatch::answer::{Gate, LaneFound};
use orch_dispatch::command::{Command, Read};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::error::Problem;
use super::json::Json;
use super::query::Query;
use super::texts::LimitNumber;
use super::words::{PageOut, PriorityWord};
use super::{page_of, unexpected};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of lanes.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_lanes))
}

/// A lane: jobs alike in all of these wait in it, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct LaneOut {
    /// Its number in the tenant.
    pub lane: u32,
    /// The project.
    pub project: String,
    /// The job type.
    pub job_type: String,
    /// The source.
    pub source: Option<String>,
    /// The priority class.
    #[schema(value_type = PriorityWord)]
    pub priority: Priority,
    /// The concurrency key.
    pub concurrency_key: Option<String>,
    /// Jobs that wait in it.
    pub ready: u64,
    /// Jobs of it that are handed out.
    pub leased: u64,
    /// The first gate that holds it, whether or not there is a worker, and whoever's turn it is.
    #[schema(value_type = Option<String>, example = "paused")]
    pub held_by: Option<Gate>,
    /// The first gate that holds it, `worker` and `turn` included; null: its next job can go, or it has none.
    #[schema(value_type = Option<String>, example = "paused")]
    pub waiting_on: Option<Gate>,
}

impl From<LaneFound> for LaneOut {
    fn from(found: LaneFound) -> Self {
        Self {
            lane: found.no.0,
            project: found.key.project,
            job_type: found.key.job_type,
            source: found.key.source,
            priority: found.key.priority,
            concurrency_key: found.key.concurrency_key,
            ready: found.ready,
            leased: found.leased,
            held_by: found.held_by,
            waiting_on: found.waiting_on,
        }
    }
}

/// Lists lanes by number.
#[utoipa::path(
    get, path = "/lanes", tag = "lanes",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<LaneOut>, description = "A page"))
)]
pub async fn list_lanes(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<LaneOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let list = List::new("lanes", app.engine().incarnation().await?, caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    let answer = app.engine().command(Command::Read(Read::Lanes(caller.tenant()))).await?;
    let Answer::Lanes(found) = answer else { return Err(unexpected(&answer)) };
    let lanes = found.into_iter().map(LaneOut::from).collect();
    Ok(Json(page_of(lanes, &list, page, |lane: &LaneOut| u64::from(lane.lane))))
}
