//! Backfills: what they would do, ask for them, list, get, hold, end, read again what they did not read.
//! The wire forms are in `input` and `output`; what would happen is told in `outcome`.

pub mod input;
pub mod outcome;
pub mod output;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::backfill::BackfillSpec;
use orch_core::ids::BackfillId;
use orch_dispatch::Answer;
use orch_dispatch::command::{Actor, AskedBackfill, Command, KeyUse};
use orch_engine::{BackfillView, usual_scenario};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::input::{BackfillIn, BackfillRerunIn, fingerprint};
use self::outcome::PreviewOut;
use self::output::{BackfillOut, BackfillWindowOut};
use super::BASE;
use super::cursor::List;
use super::error::Problem;
use super::idempotency::{IdempotencyKey, KeySpace};
use super::json::{Json, OptionalJson};
use super::query::Query;
use super::segment::Segment;
use super::texts::{BackfillIdText, KeyHeaderText, LimitNumber};
use super::words::{PageOut, ReasonIn, check_reason};
use super::{id_of, unexpected};
use crate::access::{Caller, Scope, Submitter, require};
use crate::state::AppState;

/// What it is called.
const NAME: &str = "backfill";

/// The routes of backfills.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(preview_backfill))
        .routes(routes!(list_backfills, create_backfill))
        .routes(routes!(get_backfill))
        .routes(routes!(list_backfill_windows))
        .routes(routes!(pause_backfill))
        .routes(routes!(resume_backfill))
        .routes(routes!(cancel_backfill))
        .routes(routes!(rerun_backfill))
}

/// The backfill of an id in a path.
async fn find(app: &AppState, caller: &Caller, id: &str) -> Result<BackfillView, Problem> {
    app.engine().backfill(caller.tenant(), id_of(id, NAME)?).await?.ok_or_else(|| Problem::not_found(NAME))
}

/// Says what a backfill would do, and asks for nothing.
///
/// It takes some seconds, and one is worked out at a time: 503 `overloaded` means that another is.
#[utoipa::path(
    post, path = "/backfills/preview", tag = "backfills",
    request_body = BackfillIn,
    responses((status = 200, body = PreviewOut, description = "What it would do"))
)]
pub async fn preview_backfill(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<BackfillIn>,
) -> Result<Json<PreviewOut>, Problem> {
    require(&caller, Scope::Backfill)?;
    query.none()?;
    let spec = body.into_spec(caller.subject())?;
    let preview = app.engine().preview_backfill(caller.tenant(), spec, usual_scenario(0)).await?;
    Ok(Json(preview.into()))
}

/// Asks for a backfill. Two never read the same of a source and axis at the same time: the second is refused.
///
/// The same `Idempotency-Key` with the same content is answered 200 with the backfill that was asked for first.
#[utoipa::path(
    post, path = "/backfills", tag = "backfills",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours")),
    request_body = BackfillIn,
    responses(
        (status = 201, body = BackfillOut, description = "It is under way"),
        (status = 200, body = BackfillOut, description = "The same call asked for it before"),
    )
)]
pub async fn create_backfill(
    State(app): State<AppState>,
    Submitter { caller, turn: _turn }: Submitter,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<BackfillIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Backfill)?;
    query.none()?;
    let spec = body.into_spec(caller.subject())?;
    let content = fingerprint(&spec)?;
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "backfills.create").key(&key, content));
    create(&app, &caller, spec, key).await
}

async fn create(app: &AppState, caller: &Caller, spec: BackfillSpec, key: Option<KeyUse>) -> Result<Response, Problem> {
    let (tenant, backfill) = (caller.tenant(), app.engine().new_backfill_id());
    let command = Command::CreateBackfill { tenant, backfill, spec: Box::new(AskedBackfill(spec)), key };
    let answer = app.engine().command(command).await?;
    let Answer::Backfill { backfill, replayed } = answer else { return Err(unexpected(&answer)) };
    let shown = show(app, caller, backfill).await?;
    if replayed {
        return Ok(Json(shown).into_response());
    }
    let location = HeaderValue::try_from(format!("{BASE}/backfills/{backfill}"));
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn show(app: &AppState, caller: &Caller, backfill: BackfillId) -> Result<BackfillOut, Problem> {
    let view = app.engine().backfill(caller.tenant(), backfill).await?.ok_or_else(|| Problem::not_found(NAME))?;
    Ok(view.into())
}

/// Lists backfills, newest first.
#[utoipa::path(
    get, path = "/backfills", tag = "backfills",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<BackfillOut>, description = "A page"))
)]
pub async fn list_backfills(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<BackfillOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let list = List::new("backfills", app.engine().incarnation().await?, caller.tenant(), &[]);
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    let (backfills, next) = app.engine().backfills(caller.tenant(), page.from, page.limit).await?;
    let items = backfills.into_iter().map(BackfillOut::from).collect();
    Ok(Json(PageOut { items, next_cursor: next.map(|place| list.close(&place)) }))
}

/// Gets a backfill.
#[utoipa::path(
    get, path = "/backfills/{id}", tag = "backfills",
    params(("id" = inline(BackfillIdText), Path, description = "The backfill")),
    responses((status = 200, body = BackfillOut, description = "The backfill"))
)]
pub async fn get_backfill(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<BackfillOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    find(&app, &caller, &id).await.map(|view| Json(view.into()))
}

/// Lists the windows of a backfill by number, from the earliest.
#[utoipa::path(
    get, path = "/backfills/{id}/windows", tag = "backfills",
    params(
        ("id" = inline(BackfillIdText), Path, description = "The backfill"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<BackfillWindowOut>, description = "A page"))
)]
pub async fn list_backfill_windows(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<PageOut<BackfillWindowOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let list = List::new("backfill_windows", app.engine().incarnation().await?, caller.tenant(), &[&id]);
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    let from = page.from.map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX));
    let (windows, next) = find(&app, &caller, &id).await?.windows(from, page.limit);
    let items = windows.into_iter().map(BackfillWindowOut::from).collect();
    Ok(Json(PageOut { items, next_cursor: next.map(|number| list.close(&u64::from(number))) }))
}

/// Holds a backfill: no window begins. What is open goes on.
#[utoipa::path(
    post, path = "/backfills/{id}/pause", tag = "backfills",
    params(("id" = inline(BackfillIdText), Path, description = "The backfill")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the feed moves"})),
    responses((status = 200, body = BackfillOut, description = "It is held"))
)]
pub async fn pause_backfill(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<BackfillOut>, Problem> {
    let command = |backfill, actor| Command::PauseBackfill { tenant: caller.tenant(), backfill, pause: true, actor };
    operate(&app, &caller, &id, query, reason, command).await.map(Json)
}

/// Lets a backfill go on.
#[utoipa::path(
    post, path = "/backfills/{id}/resume", tag = "backfills",
    params(("id" = inline(BackfillIdText), Path, description = "The backfill")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the feed has moved"})),
    responses((status = 200, body = BackfillOut, description = "It is not held"))
)]
pub async fn resume_backfill(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<BackfillOut>, Problem> {
    let command = |backfill, actor| Command::PauseBackfill { tenant: caller.tenant(), backfill, pause: false, actor };
    operate(&app, &caller, &id, query, reason, command).await.map(Json)
}

/// Ends a backfill: no window begins, and what is open is asked to stop.
#[utoipa::path(
    post, path = "/backfills/{id}/cancel", tag = "backfills",
    params(("id" = inline(BackfillIdText), Path, description = "The backfill")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "wrong range"})),
    responses(
        (status = 200, body = BackfillOut, description = "It has ended"),
        (status = 202, body = BackfillOut, description = "What is open was asked to stop"),
    )
)]
pub async fn cancel_backfill(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Response, Problem> {
    let command = |backfill, actor| Command::CancelBackfill { tenant: caller.tenant(), backfill, actor };
    let shown = operate(&app, &caller, &id, query, reason, command).await?;
    let status = if shown.ended_at.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(shown)).into_response())
}

/// Does something to an open backfill.
async fn operate(
    app: &AppState,
    caller: &Caller,
    id: &str,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
    command: impl FnOnce(BackfillId, Actor) -> Command,
) -> Result<BackfillOut, Problem> {
    require(caller, Scope::Backfill)?;
    query.none()?;
    let backfill: BackfillId = id_of(id, NAME)?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().backfill_command(caller.tenant(), backfill, command(backfill, actor)).await?;
    show(app, caller, backfill).await
}

/// Asks for a backfill of the windows that an ended one did not read, whatever others tried.
#[utoipa::path(
    post, path = "/backfills/{id}/rerun", tag = "backfills",
    params(
        ("id" = inline(BackfillIdText), Path, description = "The ended backfill"),
        ("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours"),
    ),
    request_body = BackfillRerunIn,
    responses(
        (status = 201, body = BackfillOut, description = "The new backfill"),
        (status = 200, body = BackfillOut, description = "The same call asked for it before"),
    )
)]
pub async fn rerun_backfill(
    State(app): State<AppState>,
    Submitter { caller, turn: _turn }: Submitter,
    Segment(id): Segment,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<BackfillRerunIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Backfill)?;
    query.none()?;
    let backfill: BackfillId = id_of(&id, NAME)?;
    body.check()?;
    let (by, BackfillRerunIn { reason, ticket }) = (caller.subject().to_owned(), body);
    let spec = app.engine().rerun_backfill(caller.tenant(), backfill, by, reason, ticket).await?;
    let content = fingerprint(&spec)?;
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "backfills.rerun").key(&key, content));
    create(&app, &caller, spec, key).await
}
