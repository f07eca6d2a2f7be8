//! Pauses: what operators hold back. Pausing twice, or resuming what is not paused, changes nothing.

use std::borrow::Cow;

use axum::extract::State;
use orch_core::fact::PauseTarget;
use orch_core::{LaneNo, Refusal, TenantNo, limits};
use orch_dispatch::Answer;
use orch_dispatch::answer::PauseFound;
use orch_dispatch::command::{Actor, Command, Read};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::fields::{Refusals, check_text};
use super::json::Json;
use super::query::Query;
use super::texts::{LineText, ReasonText, SmallNumber};
use super::unexpected;
use super::words::{ItemsOut, Moment, check_reason};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of pauses.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_pauses, pause)).routes(routes!(resume))
}

/// What can be paused, or throttled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetBody {
    /// All work of the tenant.
    Tenant,
    /// Jobs of a source, by name.
    Source(String),
    /// Jobs of a type, by name.
    JobType(String),
    /// One lane, by number.
    Lane(u32),
    /// What a quota covers, by the quota's name.
    Quota(String),
}

// Written out, since a derived schema would let each form have further members.
impl PartialSchema for TargetBody {
    fn schema() -> RefOr<Schema> {
        let only = |name: &str, schema: RefOr<Schema>| {
            let object = ObjectBuilder::new().property(name, schema).required(name);
            object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
        };
        let tenant = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["tenant"]));
        let target = OneOfBuilder::new()
            .item(tenant.description(Some("All work of the tenant.")))
            .item(only("source", LineText::schema()).description(Some("Jobs of a source, by name.")))
            .item(only("job_type", LineText::schema()).description(Some("Jobs of a type, by name.")))
            .item(only("lane", SmallNumber::schema()).description(Some("One lane, by number.")))
            .item(only("quota", LineText::schema()).description(Some("What a quota covers, by the quota's name.")));
        target.description(Some("What can be paused, or throttled.")).into()
    }
}

impl ToSchema for TargetBody {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PauseTarget")
    }
}

impl From<TargetBody> for PauseTarget {
    fn from(target: TargetBody) -> Self {
        match target {
            TargetBody::Tenant => Self::Tenant,
            TargetBody::Source(name) => Self::Source(name),
            TargetBody::JobType(name) => Self::JobType(name),
            TargetBody::Lane(no) => Self::Lane(LaneNo(no)),
            TargetBody::Quota(name) => Self::Quota(name),
        }
    }
}

impl From<PauseTarget> for TargetBody {
    fn from(target: PauseTarget) -> Self {
        match target {
            PauseTarget::Tenant => Self::Tenant,
            PauseTarget::Source(name) => Self::Source(name),
            PauseTarget::JobType(name) => Self::JobType(name),
            PauseTarget::Lane(no) => Self::Lane(no.0),
            PauseTarget::Quota(name) => Self::Quota(name),
        }
    }
}

/// What to pause, to resume, or to throttle no more, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"target": {"source": "kev"}, "reason": "upstream maintenance"}))]
pub struct PauseIn {
    /// What.
    pub target: TargetBody,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// Something that is paused.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseOut {
    /// What.
    pub target: TargetBody,
    /// Who did it: a token's id.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Moment,
}

impl From<PauseFound> for PauseOut {
    fn from(found: PauseFound) -> Self {
        Self { target: found.target.into(), by: found.by, reason: found.reason, at: Moment(found.at) }
    }
}

/// Lists what is paused.
#[utoipa::path(
    get, path = "/pauses", tag = "pauses",
    responses((status = 200, body = ItemsOut<PauseOut>, description = "Everything that is paused"))
)]
pub async fn list_pauses(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<ItemsOut<PauseOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let answer = app.engine().command(Command::Read(Read::Pauses(caller.tenant()))).await?;
    let Answer::Pauses(found) = answer else { return Err(unexpected(&answer)) };
    let mut items: Vec<_> = found.into_iter().map(PauseOut::from).collect();
    items.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(Json(ItemsOut { items }))
}

/// Pauses: nothing of the target is handed out until it is resumed. What is handed out already goes on.
#[utoipa::path(
    post, path = "/pauses", tag = "pauses", request_body = PauseIn,
    responses((status = 200, body = EmptyOut, description = "It is paused"))
)]
pub async fn pause(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<PauseIn>,
) -> Result<Json<EmptyOut>, Problem> {
    change_target(&app, &caller, query, body, |tenant, target, actor| Command::Pause { tenant, target, actor }).await
}

/// Resumes what was paused under the same target.
#[utoipa::path(
    post, path = "/pauses/resume", tag = "pauses", request_body = PauseIn,
    responses((status = 200, body = EmptyOut, description = "It is not paused"))
)]
pub async fn resume(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<PauseIn>,
) -> Result<Json<EmptyOut>, Problem> {
    change_target(&app, &caller, query, body, |tenant, target, actor| Command::Resume { tenant, target, actor }).await
}

/// What names a target may be a name.
pub fn check_target(target: &TargetBody) -> Result<(), Refusal> {
    match target {
        TargetBody::Source(name) | TargetBody::JobType(name) | TargetBody::Quota(name) => {
            check_text("target", name, limits::NAME_CHARS_MAX)
        }
        TargetBody::Tenant | TargetBody::Lane(_) => Ok(()),
    }
}

/// What an operator does to a target, with a reason.
pub async fn change_target(
    app: &AppState,
    caller: &Caller,
    query: Query,
    body: PauseIn,
    command: impl FnOnce(TenantNo, PauseTarget, Actor) -> Command,
) -> Result<Json<EmptyOut>, Problem> {
    require(caller, Scope::Operate)?;
    query.none()?;
    let (target, reason) = checked(body)?;
    app.engine().command(command(caller.tenant(), target, caller.actor(reason))).await?;
    Ok(Json(EmptyOut {}))
}

/// A target and a reason, checked.
fn checked(body: PauseIn) -> Result<(PauseTarget, Option<String>), Problem> {
    let mut refusals = Refusals::default();
    refusals.note(check_target(&body.target));
    let reason = refusals.note(check_reason(body.reason)).flatten();
    refusals.finish().map(|()| (body.target.into(), reason))
}
