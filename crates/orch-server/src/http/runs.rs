//! Runs: begin, list, get, hold, end, decide, repair.
//! The wire forms are in `input` and `output`; what a run looks like from its steps and jobs is in `graph`, `timeline` and
//! `first_signal`.

pub mod first_signal;
pub mod graph;
pub mod input;
pub mod output;
pub mod timeline;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::Code;
use orch_core::config::check_name;
use orch_core::ids::RunId;
use orch_dispatch::Answer;
use orch_dispatch::command::{Actor, Command, KeyUse, NewRun};
use orch_dispatch::run::RunCourse;
use orch_engine::{Rerun, RunFilter, RunStanding, RunView};
use orch_graph::Plan;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::input::{RerunIn, RunIn, field_of_call, fingerprint};
use self::output::RunOut;
use super::BASE;
use super::cursor::List;
use super::error::Problem;
use super::idempotency::{IdempotencyKey, KeySpace};
use super::json::{Json, OptionalJson};
use super::query::{Params, Query};
use super::segment::{Segment, Segments};
use super::texts::{KeyHeaderText, LimitNumber, NameText, RunIdText};
use super::words::{PageOut, ReasonIn, RunStateWord, check_reason};
use super::{id_of, unexpected};
use crate::access::{Caller, Scope, Submitter, require, require_any};
use crate::state::AppState;

/// What it is called.
const NAME: &str = "run";

/// The routes of runs.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_runs, create_run))
        .routes(routes!(get_run))
        .routes(routes!(graph::get_run_graph))
        .routes(routes!(timeline::get_run_timeline))
        .routes(routes!(first_signal::get_first_signal))
        .routes(routes!(cancel_run))
        .routes(routes!(pause_run))
        .routes(routes!(resume_run))
        .routes(routes!(rerun))
        .routes(routes!(approve_step))
        .routes(routes!(reject_step))
}

/// The run of an id in a path, with all of its steps.
async fn find(app: &AppState, caller: &Caller, id: &str) -> Result<RunView, Problem> {
    app.engine().run(caller.tenant(), id_of(id, NAME)?).await?.ok_or_else(|| Problem::not_found(NAME))
}

/// The plan that a run follows, and where its steps are.
fn planned(view: RunView) -> Result<(Plan, RunCourse), Problem> {
    let (Some(graph), Some(course)) = (view.graph, view.course) else {
        return Err(Problem::new(Code::NotFound, "the version of the graph that it followed is not kept any more"));
    };
    Ok((Plan::of(graph)?, course))
}

/// Begins a run of a graph.
///
/// The same `run_token`, graph, version and inputs are answered 200 with the run that began first, and so is the same
/// `Idempotency-Key` with the same content.
#[utoipa::path(
    post, path = "/runs", tag = "runs",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours")),
    request_body = RunIn,
    responses(
        (status = 201, body = RunOut, description = "It began"),
        (status = 200, body = RunOut, description = "It began before, by its token or its key"),
    )
)]
pub async fn create_run(
    State(app): State<AppState>,
    Submitter { caller, turn: _turn }: Submitter,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<RunIn>,
) -> Result<Response, Problem> {
    require_any(&caller, &[Scope::Submit, Scope::Operate])?;
    query.none()?;
    let (graph, spec) = body.into_spec(caller.subject(), app.engine().now())?;
    let content = fingerprint(&graph, &spec)?;
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "runs.create").key(&key, content));
    let new = NewRun { run: app.engine().new_run_id(), graph, spec };
    start(&app, &caller, new, key).await
}

/// Begins a run, or finds the one that the same call began.
async fn start(app: &AppState, caller: &Caller, new: NewRun, key: Option<KeyUse>) -> Result<Response, Problem> {
    let graph = new.graph.clone();
    let command = Command::StartRun { tenant: caller.tenant(), new: Box::new(new), key };
    let answered = app.engine().command(command).await.map_err(Problem::from);
    let answer = answered.map_err(|problem| problem.map_fields(|field| field_of_call(&graph, field)))?;
    let Answer::Run { run, replayed } = answer else { return Err(unexpected(&answer)) };
    let shown = show(app, caller, run).await?;
    if replayed {
        return Ok(Json(shown).into_response());
    }
    let location = HeaderValue::try_from(format!("{BASE}/runs/{run}"));
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn show(app: &AppState, caller: &Caller, run: RunId) -> Result<RunOut, Problem> {
    let view = app.engine().run(caller.tenant(), run).await?.ok_or_else(|| Problem::not_found(NAME))?;
    Ok(view.into())
}

/// Lists runs, newest first.
///
/// A page may be short, even empty, while `next_cursor` is there: follow it until it is null.
#[utoipa::path(
    get, path = "/runs", tag = "runs",
    params(
        ("graph" = inline(Option<NameText>), Query, description = "Only those of this graph"),
        ("state" = inline(Option<RunStateWord>), Query, description = "Only those in this state"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, under the same filter"),
    ),
    responses((status = 200, body = PageOut<RunOut>, description = "A page"))
)]
pub async fn list_runs(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<RunOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let graph = params.one("graph")?;
    graph.iter().try_for_each(|name| check_name("graph", name))?;
    let standing = standing(&mut params)?;
    let canonical = [graph.as_deref().unwrap_or_default(), standing.map_or("", RunStanding::as_str)];
    let list = List::new("runs", app.engine().incarnation().await?, caller.tenant(), &canonical);
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    let filter = RunFilter { graph: graph.clone(), standing, before: page.from, limit: page.limit };
    let (runs, next) = app.engine().runs(caller.tenant(), &filter).await?;
    let items = runs.into_iter().map(RunOut::from).collect();
    Ok(Json(PageOut { items, next_cursor: next.map(|place| list.close(&place)) }))
}

fn standing(params: &mut Params) -> Result<Option<RunStanding>, Problem> {
    let Some(word) = params.one("state")? else { return Ok(None) };
    let refused = || {
        let word: String = word.chars().take(64).collect();
        Problem::field(Code::InvalidField, "state", format!("there is no state `{word}`"))
    };
    RunStanding::parse(&word).map(Some).ok_or_else(refused)
}

/// Gets a run.
#[utoipa::path(
    get, path = "/runs/{id}", tag = "runs", params(("id" = inline(RunIdText), Path, description = "The run")),
    responses((status = 200, body = RunOut, description = "The run"))
)]
pub async fn get_run(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<RunOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    find(&app, &caller, &id).await.map(|view| Json(view.into()))
}

/// Ends a run: what has not begun is skipped, and what is under way is asked to stop.
#[utoipa::path(
    post, path = "/runs/{id}/cancel", tag = "runs", params(("id" = inline(RunIdText), Path, description = "The run")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "wrong feed"})),
    responses(
        (status = 200, body = RunOut, description = "It has ended"),
        (status = 202, body = RunOut, description = "What is under way was asked to stop"),
    )
)]
pub async fn cancel_run(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Response, Problem> {
    let command = |run, actor| Command::CancelRun { tenant: caller.tenant(), run, actor };
    let shown = operate(&app, &caller, &id, query, reason, command).await?;
    let status = if shown.ended_at.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(shown)).into_response())
}

/// Holds a run with all that is inside it: nothing of it begins. What is handed out goes on.
#[utoipa::path(
    post, path = "/runs/{id}/pause", tag = "runs", params(("id" = inline(RunIdText), Path, description = "The run")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the feed moves"})),
    responses((status = 200, body = RunOut, description = "It is held"))
)]
pub async fn pause_run(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<RunOut>, Problem> {
    let command = |run, actor| Command::PauseRun { tenant: caller.tenant(), run, pause: true, actor };
    operate(&app, &caller, &id, query, reason, command).await.map(Json)
}

/// Lets a run go on.
#[utoipa::path(
    post, path = "/runs/{id}/resume", tag = "runs", params(("id" = inline(RunIdText), Path, description = "The run")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the feed has moved"})),
    responses((status = 200, body = RunOut, description = "It is not held"))
)]
pub async fn resume_run(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<RunOut>, Problem> {
    let command = |run, actor| Command::PauseRun { tenant: caller.tenant(), run, pause: false, actor };
    operate(&app, &caller, &id, query, reason, command).await.map(Json)
}

/// Does something to an open run, as operators do.
async fn operate(
    app: &AppState,
    caller: &Caller,
    id: &str,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
    command: impl FnOnce(RunId, Actor) -> Command,
) -> Result<RunOut, Problem> {
    require(caller, Scope::Operate)?;
    query.none()?;
    let run: RunId = id_of(id, NAME)?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().run_command(caller.tenant(), run, command(run, actor)).await?;
    show(app, caller, run).await
}

/// Repairs an ended run: a new run of the same version of the graph keeps how some of its steps ended, and what they
/// found.
#[utoipa::path(
    post, path = "/runs/{id}/rerun", tag = "runs",
    params(
        ("id" = inline(RunIdText), Path, description = "The ended run"),
        ("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours"),
    ),
    request_body = RerunIn,
    responses(
        (status = 201, body = RunOut, description = "The new run"),
        (status = 200, body = RunOut, description = "It began before, by its token or its key"),
    )
)]
pub async fn rerun(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<RerunIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let run: RunId = id_of(&id, NAME)?;
    let kind = body.kind()?;
    let content = body.fingerprint(run.0.as_bytes());
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "runs.rerun").key(&key, content));
    let RerunIn { inputs, run_token: token, reason, .. } = body;
    let reason = check_reason(reason)?;
    let rerun = Rerun { by: caller.subject().to_owned(), kind, inputs, reason, token };
    let new = app.engine().rerun(caller.tenant(), run, rerun).await?;
    start(&app, &caller, new, key).await
}

/// Says yes where a run asks. The step says which scope that needs, and whether who began the run may.
#[utoipa::path(
    post, path = "/runs/{id}/steps/{step}/approve", tag = "runs",
    params(
        ("id" = inline(RunIdText), Path, description = "The run"),
        ("step" = inline(NameText), Path, description = "The name of the step that asks"),
    ),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the numbers are plausible"})),
    responses((status = 200, body = RunOut, description = "The step succeeded"))
)]
pub async fn approve_step(
    State(app): State<AppState>,
    caller: Caller,
    segments: Segments,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<RunOut>, Problem> {
    decide(&app, &caller, segments, query, reason, true).await
}

/// Says no where a run asks: the step fails.
#[utoipa::path(
    post, path = "/runs/{id}/steps/{step}/reject", tag = "runs",
    params(
        ("id" = inline(RunIdText), Path, description = "The run"),
        ("step" = inline(NameText), Path, description = "The name of the step that asks"),
    ),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "half of it is missing"})),
    responses((status = 200, body = RunOut, description = "The step failed"))
)]
pub async fn reject_step(
    State(app): State<AppState>,
    caller: Caller,
    segments: Segments,
    query: Query,
    reason: OptionalJson<ReasonIn>,
) -> Result<Json<RunOut>, Problem> {
    decide(&app, &caller, segments, query, reason, false).await
}

async fn decide(
    app: &AppState,
    caller: &Caller,
    Segments(id, step): Segments,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
    approve: bool,
) -> Result<Json<RunOut>, Problem> {
    query.none()?;
    let run: RunId = id_of(&id, NAME)?;
    let (tenant, actor) = (caller.tenant(), caller.actor(check_reason(reason)?));
    let scopes = caller.scopes().to_vec();
    let command = Command::DecideApproval { tenant, run, step, approve, scopes, actor };
    app.engine().run_command(tenant, run, command).await?;
    show(app, caller, run).await.map(Json)
}
