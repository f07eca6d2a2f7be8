//! Blackouts: windows of time in which work is held back.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::Timestamp;
use orch_core::blackout::{Blackout, BlackoutAction};
use orch_core::calendar::CalendarRule;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::limits::WINDOW_DURATION_MS_MAX;
use orch_dispatch::blackout::WindowFound;
use orch_engine::Quiet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::query::{Params, Query};
use super::segment::Segment;
use super::texts::{DayText, KeyHeaderText, LimitNumber, MessageText, NameText, RuleText, WallClockText, ZoneText};
use super::words::{BlackoutActionWord, Moment, PageOut, maybe_exact};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// Windows in one answer.
const WINDOWS_MAX: u64 = 20;
/// Windows in one answer, when it is not said how many.
const WINDOWS_DEFAULT: u64 = 5;

/// The routes of blackouts.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_blackouts, create_blackout))
        .routes(routes!(get_next_quiet))
        .routes(routes!(get_blackout, put_blackout, delete_blackout))
        .routes(routes!(list_blackout_windows))
}

/// Windows of time in which nothing new is handed out of what it holds.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Blackout, example = json!({
    "name": "upkeep", "host": "services.nvd.nist.gov", "action": "drain", "lead_ms": 600_000,
    "calendar": {"cron": "0 2 * * SUN", "duration_ms": 7_200_000, "zone": "Europe/Athens"}
}))]
pub struct BlackoutBody {
    /// The name; unique in the tenant. `next-quiet` is none.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// Holds work for sources of this host. What is given must fit all together; nothing given holds all work.
    #[schema(value_type = Option<NameText>)]
    pub host: Option<String>,
    /// Holds work for this source.
    #[schema(value_type = Option<NameText>)]
    pub source: Option<String>,
    /// Holds work of this job type.
    #[schema(value_type = Option<NameText>)]
    pub job_type: Option<String>,
    /// The windows.
    #[schema(value_type = CalendarBody, required = true)]
    pub calendar: CalendarBody,
    /// What becomes of attempts under way: `hold`, they go on; `drain`, nothing new is handed out from `lead_ms` before
    /// the window on, so that they can end by then; `cancel`, they are asked to end and their jobs are canceled.
    #[schema(value_type = BlackoutActionWord, default = "hold")]
    pub action: BlackoutAction,
    /// `drain` alone: so many milliseconds before a window nothing new is handed out.
    #[schema(maximum = 86400000)]
    pub lead_ms: u64,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// Windows of time that come again: a cron expression or a recurrence rule, a length, and a zone.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Calendar, example = json!({"cron": "0 2 * * SUN", "duration_ms": 7_200_000, "zone": "Europe/Athens"}))]
pub struct CalendarBody {
    /// Beginnings as a cron expression of five fields, or of six with seconds. This or `rrule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RuleText>)]
    cron: Option<String>,
    /// Beginnings as a recurrence rule of RFC 5545; an `UNTIL` is a time of the zone's wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RuleText>)]
    rrule: Option<String>,
    /// The first beginning of a recurrence rule, on the zone's wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<WallClockText>)]
    starts_at: Option<String>,
    /// How long each window lasts, in milliseconds, 31 days at most.
    #[schema(minimum = 1, maximum = 2678400000_u64)]
    duration_ms: u64,
    /// The zone's name in the IANA database.
    #[schema(value_type = ZoneText)]
    zone: String,
    /// Days on which none begins, on the zone's wall clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<DayText>, max_items = 366)]
    except: Vec<String>,
}

/// A window of a blackout.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowOut {
    /// Its first moment.
    pub begins_at: Moment,
    /// The moment after its last.
    pub ends_at: Moment,
    /// The first moment on the wall clock of the calendar's zone.
    #[schema(example = "2026-01-18T02:00:00+02:00")]
    pub begins_local: String,
    /// The moment after its last there.
    #[schema(example = "2026-01-18T04:00:00+02:00")]
    pub ends_local: String,
}

/// The next windows of a blackout.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowsOut {
    /// The zone of the wall clock.
    pub zone: String,
    /// The windows, the one that the moment lies in included. A drain begins `lead_ms` before each.
    pub items: Vec<WindowOut>,
}

/// The next time at which work is held by no blackout.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuietOut {
    /// When it begins; null: it was not found among the next few hundred windows.
    pub at: Option<Moment>,
    /// The blackouts that hold such work.
    pub blackouts: Vec<String>,
}

/// The schema of one to be.
pub type BlackoutNew = New<BlackoutBody>;

/// The schema of one as shown.
pub type BlackoutOut = Full<BlackoutBody>;

impl From<WindowFound> for WindowOut {
    fn from(found: WindowFound) -> Self {
        let WindowFound { begins_at, ends_at, begins_local, ends_local } = found;
        Self { begins_at: Moment(begins_at), ends_at: Moment(ends_at), begins_local, ends_local }
    }
}

impl Declared for BlackoutBody {
    const KIND: ConfigKind = ConfigKind::Blackout;
    const NAME: &'static str = "blackout";
    const PATH: &'static str = "blackouts";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        let CalendarBody { cron, rrule, starts_at, duration_ms, zone, except } = self.calendar;
        ConfigDoc::Blackout(Box::new(Blackout {
            name: self.name,
            description: self.description,
            host: self.host,
            source: self.source,
            job_type: self.job_type,
            calendar: CalendarRule { cron, rrule, starts_at, duration_ms, zone, except },
            action: self.action,
            lead_ms: self.lead_ms,
        }))
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Blackout(doc) = doc else { return None };
        let CalendarRule { cron, rrule, starts_at, duration_ms, zone, except } = doc.calendar;
        Some(Self {
            name: doc.name,
            description: doc.description,
            host: doc.host,
            source: doc.source,
            job_type: doc.job_type,
            calendar: CalendarBody { cron, rrule, starts_at, duration_ms, zone, except },
            action: doc.action,
            lead_ms: doc.lead_ms,
            version: Some(version),
            updated_at: Some(updated_at),
        })
    }
}

/// Lists blackouts by name.
#[utoipa::path(
    get, path = "/blackouts", tag = "blackouts",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<BlackoutOut>, description = "A page"))
)]
pub async fn list_blackouts(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<BlackoutBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a blackout.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/blackouts", tag = "blackouts",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = BlackoutNew,
    responses(
        (status = 201, body = BlackoutOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = BlackoutOut, description = "The same call made it before"),
    )
)]
pub async fn create_blackout(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<BlackoutBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a blackout.
#[utoipa::path(
    get, path = "/blackouts/{name}", tag = "blackouts",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = BlackoutOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_blackout(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<BlackoutBody>(&app, &caller, &name, query).await
}

/// Creates a blackout, or replaces the version that `If-Match` names.
#[utoipa::path(
    put, path = "/blackouts/{name}", tag = "blackouts",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = BlackoutBody,
    responses(
        (status = 200, body = BlackoutOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = BlackoutOut, description = "It was made"),
    )
)]
pub async fn put_blackout(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<BlackoutBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}

/// Deletes a blackout: what it holds goes.
#[utoipa::path(
    delete, path = "/blackouts/{name}", tag = "blackouts",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any when left out", example = "\"v1\""),
    ),
    responses((status = 200, body = EmptyOut, description = "It is gone"))
)]
pub async fn delete_blackout(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    declared::delete::<BlackoutBody>(&app, &caller, &name, query, &headers).await
}

/// Lists the next windows of a blackout.
#[utoipa::path(
    get, path = "/blackouts/{name}/windows", tag = "blackouts",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("from" = Option<Moment>, Query, description = "From then on; now when left out"),
        ("count" = Option<u32>, Query, description = "Windows, at most 20; 5 when left out", minimum = 1, maximum = 20),
    ),
    responses((status = 200, body = WindowsOut, description = "The windows, in UTC and on the zone's wall clock"))
)]
pub async fn list_blackout_windows(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<WindowsOut>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let from = from(&app, &mut params)?;
    let count = params.number("count", 1, WINDOWS_MAX)?.unwrap_or(WINDOWS_DEFAULT);
    params.finish()?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = app.engine().blackout_windows(caller.tenant(), name, from, count).await?;
    let (doc, windows) = found.ok_or_else(|| Problem::not_found(BlackoutBody::NAME))?;
    let items = windows.into_iter().map(WindowOut::from).collect();
    Ok(Json(WindowsOut { zone: doc.calendar.zone, items }))
}

/// Gets the next time at which work is held by no blackout for so long.
#[utoipa::path(
    get, path = "/blackouts/next-quiet", tag = "blackouts",
    params(
        ("source" = inline(Option<NameText>), Query, description = "Work for this source; without it, work for none"),
        ("job_type" = inline(Option<NameText>), Query, description = "Work of this job type; without it, blackouts of one type do not count"),
        ("duration_ms" = Option<u64>, Query, description = "So long, 31 days at most; a moment when left out", minimum = 0, maximum = 2678400000_u64),
        ("from" = Option<Moment>, Query, description = "From then on; now when left out"),
    ),
    responses((status = 200, body = QuietOut, description = "When, and which blackouts hold such work"))
)]
pub async fn get_next_quiet(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<QuietOut>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let (source, job_type) = (named(&mut params, "source")?, named(&mut params, "job_type")?);
    let length_ms = params.number("duration_ms", 0, WINDOW_DURATION_MS_MAX)?.unwrap_or(0);
    let from = from(&app, &mut params)?;
    params.finish()?;
    let (tenant, source, job_type) = (caller.tenant(), source.as_deref(), job_type.as_deref());
    let Quiet { at, blackouts } = app.engine().next_quiet(tenant, source, job_type, from, length_ms).await?;
    Ok(Json(QuietOut { at: at.map(Moment), blackouts }))
}

fn from(app: &AppState, params: &mut Params) -> Result<Timestamp, Problem> {
    Ok(params.moment("from")?.unwrap_or_else(|| app.engine().now()))
}

fn named(params: &mut Params, field: &str) -> Result<Option<String>, Problem> {
    let name = params.one(field)?;
    if let Some(name) = &name {
        orch_core::config::check_name(field, name)?;
    }
    Ok(name)
}
