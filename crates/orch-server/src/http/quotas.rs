//! Quotas: how much of a tenant's work may be under way, begin in an hour, or wait.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::PauseTarget;
use orch_core::quota::Quota;
use orch_dispatch::Answer;
use orch_dispatch::answer::QuotaFound;
use orch_dispatch::command::{Command, Read};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::{Json, OptionalJson};
use super::query::Query;
use super::segment::Segment;
use super::texts::{CountNumber, KeyHeaderText, LimitNumber, MessageText, NameText};
use super::unexpected;
use super::words::{ItemsOut, Moment, PageOut, ReasonIn, check_reason, maybe_exact};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of quotas.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_quotas, create_quota))
        .routes(routes!(summarize_quotas))
        .routes(routes!(get_quota, put_quota, delete_quota))
        .routes(routes!(pause_quota))
        .routes(routes!(resume_quota))
}

/// How much of the work that it covers may be under way, begin in an hour, or wait. Without `project` and `job_type` it
/// covers all work of the tenant, and its `active_max` is shared out among the quotas that name one.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Quota, example = json!({"name": "fetches", "job_type": "feeds.fetch", "active_max": 4, "per_hour_max": 600}))]
pub struct QuotaBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// It covers jobs of this type only.
    #[schema(value_type = Option<NameText>)]
    pub job_type: Option<String>,
    /// It covers jobs of this project only.
    #[schema(value_type = Option<NameText>)]
    pub project: Option<String>,
    /// Attempts under way at the same time.
    #[schema(value_type = Option<CountNumber>)]
    pub active_max: Option<u32>,
    /// Attempts that begin in any hour.
    #[schema(minimum = 1, maximum = 100000)]
    pub per_hour_max: Option<u32>,
    /// With it, attempts begin at the hourly rate, and so many may begin at once; at most `per_hour_max`.
    #[schema(minimum = 1, maximum = 100000)]
    pub burst: Option<u32>,
    /// Jobs that wait in their lanes; more are refused with 429.
    #[serde(deserialize_with = "maybe_exact")]
    #[schema(minimum = 1, maximum = 1000000000)]
    pub backlog_max: Option<u64>,
    /// Of what the tenant may have under way, so many are kept for it while it wants them; at most `active_max`.
    #[schema(value_type = Option<CountNumber>)]
    pub reserved: Option<u32>,
    /// Of what is left, the higher is served before the lower.
    pub priority: Option<u8>,
    /// Its part beside others of the same priority; 1 when left out.
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<u32>,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// What the work of a quota uses, and what it may have now.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuotaUseOut {
    /// The quota's name.
    pub name: String,
    /// Its work is held.
    pub paused: bool,
    /// Attempts under way.
    pub active: u32,
    /// Jobs that wait in their lanes.
    pub waiting: u64,
    /// Its share of what the whole tenant may have under way, if that is limited.
    pub share: Option<u32>,
    /// Attempts that may still begin in this hour, if that is limited.
    pub hour_left: Option<u32>,
    /// When the next may begin, unless that is now.
    pub opens_at: Option<Moment>,
}

impl QuotaUseOut {
    fn of(name: String, found: QuotaFound) -> Self {
        let QuotaFound { active, waiting, share, hour_left, opens_at, paused } = found;
        Self { name, paused, active, waiting, share, hour_left, opens_at: opens_at.map(Moment) }
    }
}

/// The schema of one to be.
pub type QuotaNew = New<QuotaBody>;

/// The schema of one as shown.
pub type QuotaOut = Full<QuotaBody>;

impl Declared for QuotaBody {
    const KIND: ConfigKind = ConfigKind::Quota;
    const NAME: &'static str = "quota";
    const PATH: &'static str = "quotas";
    const SCOPE: Scope = Scope::Quota;

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        ConfigDoc::Quota(Quota {
            active_max: self.active_max,
            backlog_max: self.backlog_max,
            burst: self.burst,
            description: self.description,
            job_type: self.job_type,
            name: self.name,
            per_hour_max: self.per_hour_max,
            priority: self.priority,
            project: self.project,
            reserved: self.reserved,
            weight: self.weight,
        })
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Quota(doc) = doc else { return None };
        Some(Self {
            name: doc.name,
            description: doc.description,
            job_type: doc.job_type,
            project: doc.project,
            active_max: doc.active_max,
            per_hour_max: doc.per_hour_max,
            burst: doc.burst,
            backlog_max: doc.backlog_max,
            reserved: doc.reserved,
            priority: doc.priority,
            weight: doc.weight,
            version: Some(version),
            updated_at: Some(updated_at),
        })
    }
}

/// Lists quotas by name.
#[utoipa::path(
    get, path = "/quotas", tag = "quotas",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<QuotaOut>, description = "A page"))
)]
pub async fn list_quotas(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<QuotaBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Says what the work of each quota uses, and what it may have now.
#[utoipa::path(
    get, path = "/quotas/summary", tag = "quotas",
    responses((status = 200, body = ItemsOut<QuotaUseOut>, description = "All quotas, by name"))
)]
pub async fn summarize_quotas(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<ItemsOut<QuotaUseOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let answer = app.engine().command(Command::Read(Read::Quotas(caller.tenant()))).await?;
    let Answer::Quotas(found) = answer else { return Err(unexpected(&answer)) };
    Ok(Json(ItemsOut { items: found.into_iter().map(|(name, found)| QuotaUseOut::of(name, found)).collect() }))
}

/// Creates a quota.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/quotas", tag = "quotas",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = QuotaNew,
    responses(
        (status = 201, body = QuotaOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = QuotaOut, description = "The same call made it before"),
    )
)]
pub async fn create_quota(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<QuotaBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a quota.
#[utoipa::path(
    get, path = "/quotas/{name}", tag = "quotas", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = QuotaOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_quota(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<QuotaBody>(&app, &caller, &name, query).await
}

/// Creates a quota, or replaces the version that `If-Match` names.
#[utoipa::path(
    put, path = "/quotas/{name}", tag = "quotas",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = QuotaBody,
    responses(
        (status = 200, body = QuotaOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = QuotaOut, description = "It was made"),
    )
)]
pub async fn put_quota(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<QuotaBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}

/// Deletes a quota: its work is not limited by it any more.
#[utoipa::path(
    delete, path = "/quotas/{name}", tag = "quotas",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any when left out", example = "\"v1\""),
    ),
    responses((status = 200, body = EmptyOut, description = "It is gone"))
)]
pub async fn delete_quota(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    declared::delete::<QuotaBody>(&app, &caller, &name, query, &headers).await
}

/// Holds the work of a quota: nothing of it is handed out until it is resumed.
#[utoipa::path(
    post, path = "/quotas/{name}/pause", tag = "quotas", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the month's budget is spent"})),
    responses((status = 200, body = EmptyOut, description = "It is paused"))
)]
pub async fn pause_quota(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Quota)?;
    query.none()?;
    let (target, actor) = (PauseTarget::Quota(name), caller.actor(check_reason(reason)?));
    app.engine().command(Command::Pause { tenant: caller.tenant(), target, actor }).await?;
    Ok(Json(EmptyOut {}))
}

/// Lets the work of a quota go on.
#[utoipa::path(
    post, path = "/quotas/{name}/resume", tag = "quotas", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "a new month"})),
    responses((status = 200, body = EmptyOut, description = "It is not paused"))
)]
pub async fn resume_quota(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Quota)?;
    query.none()?;
    let (target, actor) = (PauseTarget::Quota(name), caller.actor(check_reason(reason)?));
    app.engine().command(Command::Resume { tenant: caller.tenant(), target, actor }).await?;
    Ok(Json(EmptyOut {}))
}
