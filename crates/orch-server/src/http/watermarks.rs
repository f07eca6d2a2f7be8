//! Watermarks: how far sources have been read. Workers move them with their reports; here they are shown and set.

use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::config::check_name;
use orch_core::watermark::{Axis, Watermark};
use orch_core::{Code, JobId};
use orch_dispatch::Answer;
use orch_dispatch::answer::{MovedBy, WatermarkFound};
use orch_dispatch::command::{Actor, Command, Expect, Read};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::declared::expect;
use super::error::Problem;
use super::json::Json;
use super::object::objects;
use super::query::Query;
use super::segment::Segments;
use super::texts::{JobIdText, LimitNumber, NameText, ReasonText};
use super::words::{AxisWord, Moment, PageOut, RangeBody, check_reason};
use super::{BASE, page_of, unexpected};
use crate::access::{Caller, Scope, require, require_any};
use crate::state::AppState;

/// What may look at watermarks: workers, too, who need to know where to begin.
const LOOKS: [Scope; 2] = [Scope::Read, Scope::Worker];

/// The routes of watermarks.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_watermarks)).routes(routes!(get_watermark, put_watermark))
}

/// How far a source has been read: from `low` up to `high`, but for the holes and the repairs.
#[derive(Debug, Serialize, ToSchema)]
pub struct WatermarkOut {
    /// The source.
    #[schema(value_type = NameText)]
    pub source: String,
    /// Which of the records' times counts.
    #[schema(value_type = AxisWord)]
    pub axis: Axis,
    /// Back to when it was read.
    pub low: Option<Moment>,
    /// Up to when it was read; null: it counts as never read.
    pub high: Option<Moment>,
    /// How far `high` is behind now: the freshness of what was read.
    pub lag_ms: Option<u64>,
    /// A record that is found behind `high` by more than this is late.
    pub lateness_ms: u64,
    /// What was left out, in order.
    pub holes: Vec<RangeBody>,
    /// What late records ask to read again, in order.
    pub repairs: Vec<RangeBody>,
    /// The version, from 1.
    pub version: u64,
    /// When it was moved last.
    pub updated_at: Moment,
    /// The job whose report moved it last; null: an operator set it.
    #[schema(value_type = Option<JobIdText>)]
    pub job: Option<JobId>,
    /// Who set it, if an operator did so last: a token's id.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl From<WatermarkFound> for WatermarkOut {
    fn from(found: WatermarkFound) -> Self {
        let WatermarkFound { source, axis, watermark, version, at, by, lag_ms } = found;
        let Watermark { high, holes, lateness_ms, low, repairs } = watermark;
        let (job, by, reason) = match by {
            MovedBy::Job(job) => (Some(job), None, None),
            MovedBy::Operator(Actor { by, reason }) => (None, Some(by), reason),
        };
        Self {
            source,
            axis,
            low: low.map(Moment),
            high: high.map(Moment),
            lag_ms,
            lateness_ms,
            holes: holes.into_iter().map(RangeBody::from).collect(),
            repairs: repairs.into_iter().map(RangeBody::from).collect(),
            version,
            updated_at: Moment(at),
            job,
            by,
            reason,
        }
    }
}

/// How far a source counts as read, and why. It may go back: what lies between is read again then.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "low": "2025-01-01T00:00:00.000Z", "high": "2026-01-01T00:00:00.000Z", "lateness_ms": 3600000,
    "reason": "January has to be read again"
}))]
pub struct WatermarkIn {
    /// Back to when it counts as read; `high` when left out.
    #[serde(default)]
    pub low: Option<Moment>,
    /// Up to when; when left out, it counts as never read.
    #[serde(default)]
    pub high: Option<Moment>,
    /// A record that is found behind `high` by more than this is late.
    #[serde(default)]
    #[schema(maximum = 31622400000_u64)]
    pub lateness_ms: u64,
    /// What was left out between them, at most 256.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 256)]
    pub holes: Vec<RangeBody>,
    /// What is to be read again between them, at most 256.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 256)]
    pub repairs: Vec<RangeBody>,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// Lists watermarks by source and axis.
#[utoipa::path(
    get, path = "/watermarks", tag = "watermarks",
    params(
        ("source" = inline(Option<NameText>), Query, description = "Only those of this source"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<WatermarkOut>, description = "A page"))
)]
pub async fn list_watermarks(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<WatermarkOut>>, Problem> {
    require_any(&caller, &LOOKS)?;
    let mut params = query.open()?;
    let source = params.one("source")?;
    source.iter().try_for_each(|name| check_name("source", name))?;
    let incarnation = app.engine().incarnation().await?;
    let list = List::new("watermarks", incarnation, caller.tenant(), &[source.as_deref().unwrap_or_default()]);
    let page = params.page::<String>(&list)?;
    params.finish()?;
    let items = read(&app, &caller, source).await?.into_iter().map(WatermarkOut::from).collect();
    // The axis is what follows the last slash, so that no two have the same place.
    let place = |item: &WatermarkOut| format!("{}/{}", item.source, item.axis.as_str());
    Ok(Json(page_of(items, &list, page, place)))
}

/// Gets a watermark.
#[utoipa::path(
    get, path = "/watermarks/{source}/{axis}", tag = "watermarks",
    params(
        ("source" = inline(NameText), Path, description = "The source's name"),
        ("axis" = inline(AxisWord), Path, description = "Which of its watermarks"),
    ),
    responses((status = 200, body = WatermarkOut, description = "Where it is", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_watermark(
    State(app): State<AppState>,
    caller: Caller,
    Segments(source, axis): Segments,
    query: Query,
) -> Result<Response, Problem> {
    require_any(&caller, &LOOKS)?;
    query.none()?;
    let axis = axis_of(&axis)?;
    let found = find(&app, &caller, &source, axis).await?.ok_or_else(none_there)?;
    Ok(answer(StatusCode::OK, found))
}

/// Says how far a source has been read, also back; needs the version that `If-Match` names if somebody said so before.
#[utoipa::path(
    put, path = "/watermarks/{source}/{axis}", tag = "watermarks",
    params(
        ("source" = inline(NameText), Path, description = "The source's name"),
        ("axis" = inline(AxisWord), Path, description = "Which of its watermarks"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = WatermarkIn,
    responses(
        (status = 200, body = WatermarkOut, description = "Where it is now", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = WatermarkOut, description = "It was made"),
    )
)]
pub async fn put_watermark(
    State(app): State<AppState>,
    caller: Caller,
    Segments(source, axis): Segments,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<WatermarkIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let axis = axis_of(&axis)?;
    let actor = caller.actor(check_reason(body.reason)?);
    let watermark = Watermark {
        high: body.high.map(|at| at.0),
        holes: body.holes.into_iter().map(Into::into).collect(),
        lateness_ms: body.lateness_ms,
        low: body.low.map(|at| at.0),
        repairs: body.repairs.into_iter().map(Into::into).collect(),
    };
    // What cannot be acceptable is told before what is there is looked at.
    let watermark = watermark.ordered(app.engine().now())?;
    let expect = expect(&headers)?;
    if expect == Expect::Any && find(&app, &caller, &source, axis).await?.is_none() {
        return Err(Problem::new(Code::VersionConflict, "there is no watermark here to match"));
    }
    let tenant = caller.tenant();
    let command = Command::PutWatermark { tenant, source: source.clone(), axis, watermark, expect, actor };
    match app.engine().command(command).await.map_err(Problem::from) {
        Ok(Answer::Config { created, .. }) => {
            let found = find(&app, &caller, &source, axis).await?.ok_or_else(none_there)?;
            if !created {
                return Ok(answer(StatusCode::OK, found));
            }
            let mut response = answer(StatusCode::CREATED, found);
            let segment = source.replace('/', "%2F").replace(':', "%3A");
            if let Ok(location) = HeaderValue::try_from(format!("{BASE}/watermarks/{segment}/{}", axis.as_str())) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        Ok(other) => Err(unexpected(&other)),
        Err(problem) if expect == Expect::Absent && problem.code() == Code::StateConflict => {
            let detail = "this watermark exists: name its version with If-Match, as its ETag has it";
            Err(Problem::new(Code::VersionRequired, detail))
        }
        Err(problem) => Err(problem),
    }
}

fn axis_of(word: &str) -> Result<Axis, Problem> {
    Axis::parse(word).ok_or_else(none_there)
}

fn none_there() -> Problem {
    Problem::not_found("watermark")
}

async fn read(app: &AppState, caller: &Caller, source: Option<String>) -> Result<Vec<WatermarkFound>, Problem> {
    let read = Read::Watermarks { tenant: caller.tenant(), source };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::Watermarks(found) = answer else { return Err(unexpected(&answer)) };
    Ok(found)
}

async fn find(app: &AppState, caller: &Caller, source: &str, axis: Axis) -> Result<Option<WatermarkFound>, Problem> {
    let all = read(app, caller, Some(source.to_owned())).await?;
    Ok(all.into_iter().find(|found| found.axis == axis))
}

fn answer(status: StatusCode, found: WatermarkFound) -> Response {
    let etag = HeaderValue::try_from(format!("\"v{}\"", found.version));
    let mut response = (status, Json(WatermarkOut::from(found))).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
