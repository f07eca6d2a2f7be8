//! Throttles: what operators hold to limits for a while. The same again, or ending what does not hold, changes nothing.

use axum::extract::State;
use orch_core::{Code, Refusal, limits};
use orch_dispatch::Answer;
use orch_dispatch::answer::ThrottleFound;
use orch_dispatch::command::{Command, Read, ThrottleLimits};
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
use super::words::{ItemsOut, Moment, check_reason};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of throttles.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_throttles, throttle)).routes(routes!(end_throttle))
}

/// What to hold to which limits, until when, and why. At least one limit is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"target": {"source": "kev"}, "per_minute_max": 10, "until": "2026-01-15T12:00:00Z", "reason": "upstream is slow"}))]
pub struct ThrottleIn {
    /// What.
    pub target: TargetBody,
    /// Attempts under way at the same time.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub active_max: Option<u32>,
    /// Attempts that begin in any minute.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100000)]
    pub per_minute_max: Option<u32>,
    /// From then on it does not hold any more; at most seven days ahead.
    pub until: Moment,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// Something that is throttled.
#[derive(Debug, Serialize, ToSchema)]
pub struct ThrottleOut {
    /// What.
    pub target: TargetBody,
    /// Attempts under way at the same time.
    pub active_max: Option<u32>,
    /// Attempts that begin in any minute.
    pub per_minute_max: Option<u32>,
    /// From then on it does not hold any more.
    pub until: Moment,
    /// Who did it: a token's id.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Moment,
    /// Attempts under way now.
    pub active: u32,
    /// Attempts that may still begin in this minute, if that is limited.
    pub minute_left: Option<u32>,
}

impl From<ThrottleFound> for ThrottleOut {
    fn from(found: ThrottleFound) -> Self {
        let ThrottleFound { target, limits, by, reason, at, active, minute_left } = found;
        let ThrottleLimits { active_max, per_minute_max, until } = limits;
        Self {
            target: target.into(),
            active_max,
            per_minute_max,
            until: Moment(until),
            by,
            reason,
            at: Moment(at),
            active,
            minute_left,
        }
    }
}

/// Lists the throttles that hold.
#[utoipa::path(
    get, path = "/throttles", tag = "throttles",
    responses((status = 200, body = ItemsOut<ThrottleOut>, description = "Everything that is throttled"))
)]
pub async fn list_throttles(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<ItemsOut<ThrottleOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let answer = app.engine().command(Command::Read(Read::Throttles(caller.tenant()))).await?;
    let Answer::Throttles(found) = answer else { return Err(unexpected(&answer)) };
    let mut items: Vec<_> = found.into_iter().map(ThrottleOut::from).collect();
    items.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(Json(ItemsOut { items }))
}

/// Throttles: from now until its end no more than its limits is handed out of the target.
///
/// It takes the place of one with the same target, and ends by itself.
#[utoipa::path(
    post, path = "/throttles", tag = "throttles", request_body = ThrottleIn,
    responses((status = 200, body = EmptyOut, description = "It is throttled"))
)]
pub async fn throttle(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<ThrottleIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let ThrottleIn { target, active_max, per_minute_max, until, reason } = body;
    let mut refusals = Refusals::default();
    refusals.note(check_target(&target));
    refusals.note(check_limits(active_max, per_minute_max));
    let reason = refusals.note(check_reason(reason)).flatten();
    refusals.finish()?;
    let (target, limits) = (target.into(), ThrottleLimits { active_max, per_minute_max, until: until.0 });
    let actor = caller.actor(reason);
    app.engine().command(Command::Throttle { tenant: caller.tenant(), target, limits, actor }).await?;
    Ok(Json(EmptyOut {}))
}

/// Ends the throttle of a target before its time.
#[utoipa::path(
    post, path = "/throttles/end", tag = "throttles", request_body = PauseIn,
    responses((status = 200, body = EmptyOut, description = "It is not throttled"))
)]
pub async fn end_throttle(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<PauseIn>,
) -> Result<Json<EmptyOut>, Problem> {
    change_target(&app, &caller, query, body, |tenant, target, actor| Command::EndThrottle { tenant, target, actor })
        .await
}

/// There is a limit, and each lets something through.
fn check_limits(active_max: Option<u32>, per_minute_max: Option<u32>) -> Result<(), Refusal> {
    if active_max.is_none() && per_minute_max.is_none() {
        let detail = "`active_max` or `per_minute_max` is needed: without a limit it would hold nothing";
        return Err(Refusal::field(Code::InvalidField, "active_max", detail));
    }
    let most = u32::try_from(limits::PER_MINUTE_MAX).unwrap_or(u32::MAX);
    for (field, value, max) in [("active_max", active_max, u32::MAX), ("per_minute_max", per_minute_max, most)] {
        if value.is_some_and(|value| !(1..=max).contains(&value)) {
            let detail = format!("`{field}` must be from 1 to {max}; a pause lets nothing through");
            return Err(Refusal::field(Code::LimitExceeded, field, detail));
        }
    }
    Ok(())
}
