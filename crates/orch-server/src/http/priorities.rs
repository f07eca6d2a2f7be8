//! Priorities that operators give targets for a while. The same again, or ending what does not hold, changes nothing.
//! That of a single job is among the jobs.

use axum::extract::State;
use orch_core::Priority;
use orch_dispatch::Answer;
use orch_dispatch::answer::PriorityFound;
use orch_dispatch::command::{Command, Read};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::fields::Refusals;
use super::json::Json;
use super::pauses::{PauseIn, TargetBody, change_target, check_target};
use super::query::Query;
use super::texts::ReasonText;
use super::unexpected;
use super::words::{ItemsOut, Moment, PriorityWord, check_reason};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of targets' priorities.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_priorities, prioritize)).routes(routes!(end_priority))
}

/// What gets which priority, until when, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"target": {"source": "kev"}, "priority": "urgent", "until": "2026-01-15T12:00:00Z", "reason": "incident 7"}))]
pub struct TargetPriorityIn {
    /// What.
    pub target: TargetBody,
    /// As what its lanes weigh, whatever their jobs' priority is.
    #[schema(value_type = PriorityWord)]
    pub priority: Priority,
    /// From then on the jobs' own priorities count; at most seven days ahead.
    pub until: Moment,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// A target that has a priority for a while.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetPriorityOut {
    /// What.
    pub target: TargetBody,
    /// As what its lanes weigh.
    #[schema(value_type = PriorityWord)]
    pub priority: Priority,
    /// From then on the jobs' own priorities count.
    pub until: Moment,
    /// Who did it: a token's id.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Moment,
}

impl From<PriorityFound> for TargetPriorityOut {
    fn from(found: PriorityFound) -> Self {
        let PriorityFound { target, priority, until, by, reason, at } = found;
        Self { target: target.into(), priority, until: Moment(until), by, reason, at: Moment(at) }
    }
}

/// Lists the targets that have a priority for a while.
#[utoipa::path(
    get, path = "/priorities", tag = "priorities",
    responses((status = 200, body = ItemsOut<TargetPriorityOut>, description = "Every target that has one now"))
)]
pub async fn list_priorities(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<ItemsOut<TargetPriorityOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let answer = app.engine().command(Command::Read(Read::Priorities(caller.tenant()))).await?;
    let Answer::Priorities(found) = answer else { return Err(unexpected(&answer)) };
    let mut items: Vec<_> = found.into_iter().map(TargetPriorityOut::from).collect();
    items.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(Json(ItemsOut { items }))
}

/// Gives a target a priority: from now until its end its lanes weigh as if all their jobs had it.
///
/// No job moves. It takes the place of one with the same target, and ends by itself.
/// Of several that fit a lane the most particular counts: the lane's own; else the most urgent of those of its source,
/// its job type and its quotas; else the tenant's.
#[utoipa::path(
    post, path = "/priorities", tag = "priorities", request_body = TargetPriorityIn,
    responses((status = 200, body = EmptyOut, description = "It has this priority"))
)]
pub async fn prioritize(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<TargetPriorityIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let TargetPriorityIn { target, priority, until, reason } = body;
    let mut refusals = Refusals::default();
    refusals.note(check_target(&target));
    let reason = refusals.note(check_reason(reason)).flatten();
    refusals.finish()?;
    let (tenant, target, until, actor) = (caller.tenant(), target.into(), until.0, caller.actor(reason));
    app.engine().command(Command::Prioritize { tenant, target, priority, until, actor }).await?;
    Ok(Json(EmptyOut {}))
}

/// Ends the priority of a target before its time.
#[utoipa::path(
    post, path = "/priorities/end", tag = "priorities", request_body = PauseIn,
    responses((status = 200, body = EmptyOut, description = "Its jobs' own priorities count"))
)]
pub async fn end_priority(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<PauseIn>,
) -> Result<Json<EmptyOut>, Problem> {
    change_target(&app, &caller, query, body, |tenant, target, actor| Command::EndPriority { tenant, target, actor })
        .await
}
