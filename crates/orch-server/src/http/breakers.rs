//! Breakers: when too many attempts fail, nothing more is handed out for a while.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_dispatch::Answer;
use orch_dispatch::answer::{BreakerFound, BreakerState};
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
use super::texts::{KeyHeaderText, LimitNumber, MessageText, NameText};
use super::unexpected;
use super::words::{Moment, PageOut, ReasonIn, check_reason, maybe_exact};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of breakers.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_breakers, create_breaker))
        .routes(routes!(get_breaker, put_breaker, delete_breaker))
        .routes(routes!(get_breaker_state))
        .routes(routes!(trip_breaker))
        .routes(routes!(reset_breaker))
}

/// When too many attempts fail, nothing more is handed out for a while; then one attempt, and then one more for each
/// success. It governs a job type, or all sources with a host: exactly one of the two is named.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Breaker, example = json!({"name": "nvd", "host": "services.nvd.nist.gov", "outcomes_min": 10}))]
pub struct BreakerBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// The job type: it governs its jobs. Not together with `host`.
    #[schema(value_type = Option<NameText>)]
    pub job_type: Option<String>,
    /// The host: it governs the jobs of all sources of the tenant that name it. Not together with `job_type`.
    #[schema(value_type = Option<NameText>)]
    pub host: Option<String>,
    /// It opens when so many parts of a hundred of the outcomes in the window are failures…
    #[schema(minimum = 1, maximum = 100)]
    pub failures_percent: u32,
    /// … and there are at least so many outcomes.
    #[schema(minimum = 1, maximum = 100000)]
    pub outcomes_min: u32,
    /// The length of the window in milliseconds.
    #[schema(minimum = 10, maximum = 86400000)]
    pub window_ms: u64,
    /// It stays open for so many milliseconds the first time, and for twice as long after each canary that fails…
    #[schema(minimum = 1, maximum = 86400000)]
    pub open_ms: u64,
    /// … but never longer than this; not below `open_ms`.
    #[schema(minimum = 1, maximum = 86400000)]
    pub open_ms_max: u64,
    /// The ramp is over when so many attempts may be under way.
    #[schema(minimum = 1, maximum = 10000)]
    pub ramp_max: u32,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

impl Default for BreakerBody {
    fn default() -> Self {
        Self::from(config::Breaker::default())
    }
}

impl From<config::Breaker> for BreakerBody {
    fn from(doc: config::Breaker) -> Self {
        Self {
            name: doc.name,
            description: doc.description,
            job_type: doc.job_type,
            host: doc.host,
            failures_percent: doc.failures_percent,
            outcomes_min: doc.outcomes_min,
            window_ms: doc.window_ms,
            open_ms: doc.open_ms,
            open_ms_max: doc.open_ms_max,
            ramp_max: doc.ramp_max,
            version: None,
            updated_at: None,
        }
    }
}

/// What a breaker does now, and what it counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct BreakerStateOut {
    /// The breaker's name.
    pub name: String,
    /// What it does: `closed`, `open`, `probing`, `ramp` or `tripped`. More may come.
    #[schema(example = "open")]
    pub state: String,
    /// Since when.
    pub since: Moment,
    /// Open: until when nothing is handed out; after that, one canary.
    pub until: Option<Moment>,
    /// It opened so often without having closed.
    pub spell: u32,
    /// Attempts under way that it governs.
    pub under_way: u32,
    /// In a ramp: so many may be under way.
    pub under_way_max: Option<u32>,
    /// Good outcomes in its window; only a closed one counts.
    #[schema(maximum = 9007199254740991_u64)]
    pub good: u64,
    /// Failures in its window.
    #[schema(maximum = 9007199254740991_u64)]
    pub bad: u64,
    /// Tripped: who opened it.
    pub tripped_by: Option<String>,
    /// Tripped: why.
    pub reason: Option<String>,
}

impl BreakerStateOut {
    fn of(name: String, found: BreakerFound) -> Self {
        let BreakerFound { state, since, tripped_by, reason, under_way, good, bad } = found;
        let (word, until, spell, under_way_max) = match state {
            BreakerState::Closed => ("closed", None, 0, None),
            BreakerState::Open { until, spell } => ("open", Some(Moment(until)), spell, None),
            BreakerState::Probing { spell } => ("probing", None, spell, None),
            BreakerState::Ramp { most, spell } => ("ramp", None, spell, Some(most)),
            BreakerState::Tripped => ("tripped", None, 0, None),
        };
        let (state, since) = (word.to_owned(), Moment(since));
        Self { name, state, since, until, spell, under_way, under_way_max, good, bad, tripped_by, reason }
    }
}

/// The schema of one to be.
pub type BreakerNew = New<BreakerBody>;

/// The schema of one as shown.
pub type BreakerOut = Full<BreakerBody>;

impl Declared for BreakerBody {
    const KIND: ConfigKind = ConfigKind::Breaker;
    const NAME: &'static str = "breaker";
    const PATH: &'static str = "breakers";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        ConfigDoc::Breaker(config::Breaker {
            description: self.description,
            failures_percent: self.failures_percent,
            host: self.host,
            job_type: self.job_type,
            name: self.name,
            open_ms: self.open_ms,
            open_ms_max: self.open_ms_max,
            outcomes_min: self.outcomes_min,
            ramp_max: self.ramp_max,
            window_ms: self.window_ms,
        })
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Breaker(doc) = doc else { return None };
        Some(Self { version: Some(version), updated_at: Some(updated_at), ..Self::from(doc) })
    }
}

/// Lists breakers by name.
#[utoipa::path(
    get, path = "/breakers", tag = "breakers",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<BreakerOut>, description = "A page"))
)]
pub async fn list_breakers(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<BreakerBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a breaker.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/breakers", tag = "breakers",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = BreakerNew,
    responses(
        (status = 201, body = BreakerOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = BreakerOut, description = "The same call made it before"),
    )
)]
pub async fn create_breaker(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<BreakerBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a breaker.
#[utoipa::path(
    get, path = "/breakers/{name}", tag = "breakers", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = BreakerOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_breaker(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<BreakerBody>(&app, &caller, &name, query).await
}

/// Creates a breaker, or replaces the version that `If-Match` names.
///
/// It keeps what it knows, unless it governs something else than before.
#[utoipa::path(
    put, path = "/breakers/{name}", tag = "breakers",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = BreakerBody,
    responses(
        (status = 200, body = BreakerOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = BreakerOut, description = "It was made"),
    )
)]
pub async fn put_breaker(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<BreakerBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}

/// Deletes a breaker: what it holds goes, and what it knows is forgotten.
#[utoipa::path(
    delete, path = "/breakers/{name}", tag = "breakers",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any when left out", example = "\"v1\""),
    ),
    responses((status = 200, body = EmptyOut, description = "It is gone"))
)]
pub async fn delete_breaker(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    declared::delete::<BreakerBody>(&app, &caller, &name, query, &headers).await
}

/// Gets what a breaker does now, and what it counts.
#[utoipa::path(
    get, path = "/breakers/{name}/state", tag = "breakers", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = BreakerStateOut, description = "As its owner knows it"))
)]
pub async fn get_breaker_state(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<BreakerStateOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let read = Read::Breaker { tenant: caller.tenant(), name: name.clone() };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::Breaker(found) = answer else { return Err(unexpected(&answer)) };
    let found = found.ok_or_else(|| Problem::not_found(BreakerBody::NAME))?;
    Ok(Json(BreakerStateOut::of(name, found)))
}

/// Opens a breaker: nothing that it governs is handed out until it is reset.
#[utoipa::path(
    post, path = "/breakers/{name}/trip", tag = "breakers", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the upstream is being moved"})),
    responses((status = 200, body = EmptyOut, description = "It is open"))
)]
pub async fn trip_breaker(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().command(Command::TripBreaker { tenant: caller.tenant(), breaker: name, actor }).await?;
    Ok(Json(EmptyOut {}))
}

/// Closes a breaker, with nothing counted.
#[utoipa::path(
    post, path = "/breakers/{name}/reset", tag = "breakers", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the upstream is well again"})),
    responses((status = 200, body = EmptyOut, description = "It is closed"))
)]
pub async fn reset_breaker(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().command(Command::ResetBreaker { tenant: caller.tenant(), breaker: name, actor }).await?;
    Ok(Json(EmptyOut {}))
}
