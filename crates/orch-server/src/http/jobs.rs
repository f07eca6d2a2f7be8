//! Jobs: create, batch, list, get, history, attempts, logs, cancel, retry, summary.
//! The wire forms are in `input`, `output` and `history`; log pages are in `logs`.

pub mod history;
pub mod input;
pub mod legacy;
pub mod list;
pub mod logs;
pub mod output;
pub mod summary;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::{JobId, JobState, Priority, limits};
use orch_dispatch::Answer;
use orch_dispatch::answer::Enqueued;
use orch_dispatch::command::{Command, KeyUse, NewJob, Read};
use orch_engine::JobView;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::history::{AttemptOut, FactOut, attempts};
use self::input::{Intake, JobIn, fingerprint_of_call};
use self::output::{AcceptedOut, JobOut};
use super::BASE;
use super::error::Problem;
use super::fields::{Refusals, check_count};
use super::idempotency::{Fingerprint, IdempotencyKey, KeySpace};
use super::json::{Json, OptionalJson};
use super::object::objects;
use super::prefer::Prefer;
use super::query::Query;
use super::segment::Segment;
use super::texts::{JobIdText, KeyHeaderText, ReasonText};
use super::words::{ItemsOut, PriorityWord, ReasonIn, check_reason};
use super::{id_of, unexpected};
use crate::access::{Caller, Scope, Submitter, require};
use crate::state::AppState;

/// The routes of jobs.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_jobs, create_job))
        .routes(routes!(create_jobs))
        .routes(routes!(summary::summarize_jobs))
        .routes(routes!(get_job))
        .routes(routes!(legacy::get_job_detail))
        .routes(routes!(legacy::get_job_summary))
        .routes(routes!(list_job_history))
        .routes(routes!(list_job_attempts))
        .routes(routes!(logs::list_job_logs))
        .routes(routes!(cancel_job))
        .routes(routes!(reprioritize_job))
        .routes(routes!(retry_job))
        .routes(routes!(replay_job))
}

/// Several jobs to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchIn {
    /// The jobs, at most 1,000: all of them are accepted, or none.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 1000)]
    pub jobs: Vec<JobIn>,
}

/// Creates a job.
///
/// With an idempotency key (the header or the member, which mean the same here), the same content again
/// answers 200 with the first job, another content 422 `idempotency_mismatch`.
#[utoipa::path(
    post, path = "/jobs", tag = "jobs",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours")),
    request_body = JobIn,
    responses(
        (status = 201, body = JobOut, description = "The job was accepted"),
        (status = 200, body = JobOut, description = "The key was used before: the first job"),
    )
)]
pub async fn create_job(
    State(app): State<AppState>,
    Submitter { caller, turn: _turn }: Submitter,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(mut job): Json<JobIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Submit)?;
    query.none()?;
    let by_header = key.is_some();
    if by_header && job.idempotency_key.is_some() && job.idempotency_key != key {
        let detail = "`idempotency_key` and the header `Idempotency-Key` differ";
        return Err(Problem::field(orch_core::Code::InvalidField, "idempotency_key", detail));
    }
    job.idempotency_key = key.or(job.idempotency_key);
    let job = intake(&app, &caller).job(job)?;
    let answer = accept(&app, &caller, vec![job], None).await;
    let jobs = answer.map_err(|problem| problem.map_fields(|field| Some(field_of_one(field, by_header))))?;
    let job = jobs.into_iter().next().ok_or_else(|| Problem::internal("one job went in and none came out"))?;
    Ok(if job.replayed == Some(true) { Json(job).into_response() } else { created(job) })
}

/// A batch of one is blamed by the names of a single job.
fn field_of_one(field: &str, key_by_header: bool) -> String {
    match field.strip_prefix("jobs[0].") {
        Some("idempotency_key") if key_by_header => "Idempotency-Key".to_owned(),
        Some(rest) => rest.to_owned(),
        None => field.to_owned(),
    }
}

/// Creates up to 1,000 jobs: all of them or none.
///
/// Jobs may depend on each other by ids of the caller's making, in any order.
/// Each may have its own idempotency key, and the header holds one for the whole call.
#[utoipa::path(
    post, path = "/jobs/batch", tag = "jobs",
    params(
        ("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal`: only the jobs' ids come back, which is quicker")
    ),
    request_body(content = BatchIn, example = json!({"jobs": [
        {"job_type": "feeds.fetch", "payload": {"path": "a.json"}, "idempotency_key": "a"},
        {"job_type": "feeds.fetch", "payload": {"path": "b.json"}, "idempotency_key": "b"}
    ]})),
    responses(
        (status = 201, body = ItemsOut<AcceptedOut>, description = "The jobs, in order"),
        (status = 200, body = ItemsOut<AcceptedOut>, description = "All of them were there already, by their keys"),
    )
)]
pub async fn create_jobs(
    State(app): State<AppState>,
    Submitter { caller, turn: _turn }: Submitter,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    prefer: Prefer,
    Json(BatchIn { jobs }): Json<BatchIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Submit)?;
    query.none()?;
    check_batch("jobs", jobs.len(), limits::JOBS_PER_CALL_MAX)?;
    let jobs = intake(&app, &caller).jobs(jobs, "jobs")?;
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "jobs.batch").key(&key, fingerprint_of_call(&jobs)));
    let items: Vec<AcceptedOut> = match prefer {
        Prefer::Whole => {
            accept(&app, &caller, jobs, key).await?.into_iter().map(Box::new).map(AcceptedOut::Whole).collect()
        }
        Prefer::Minimal => enqueue(&app, &caller, jobs, key).await?.into_iter().map(AcceptedOut::minimal).collect(),
    };
    let status = if items.iter().all(AcceptedOut::replayed) { StatusCode::OK } else { StatusCode::CREATED };
    Ok(prefer.noted((status, Json(ItemsOut { items })).into_response()))
}

/// A list in a body has at least one entry and at most so many.
pub fn check_batch(field: &str, entries: usize, max: u64) -> Result<(), Problem> {
    let mut refusals = Refusals::default();
    refusals.note(check_count(field, entries, max, "entries"));
    if entries == 0 {
        let detail = format!("`{field}` must not be empty");
        refusals.note::<()>(Err(orch_core::Refusal::field(orch_core::Code::InvalidField, field, detail)));
    }
    refusals.finish()
}

/// Gets a job.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs",
    params(("id" = inline(JobIdText), Path, description = "The job"), ("payload" = Option<bool>, Query, description = "Show the payload too")),
    responses((status = 200, body = JobOut, description = "The job"))
)]
pub async fn get_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<JobOut>, Problem> {
    require(&caller, Scope::Read)?;
    let id = id_of(&id, "job")?;
    let mut params = query.open()?;
    let with_payload = params.flag("payload")?;
    params.finish()?;
    show(&app, &caller, id, with_payload).await.map(Json)
}

/// A job with all that is known of it.
pub async fn show(app: &AppState, caller: &Caller, id: JobId, with_payload: bool) -> Result<JobOut, Problem> {
    let view = app.engine().job(caller.tenant(), id).await?.ok_or_else(|| Problem::not_found("job"))?;
    let payload = with_payload.then(|| view.row.payload.clone());
    let waiting_on = app.engine().waiting_on(caller.tenant(), std::slice::from_ref(&view)).await?.pop().flatten();
    let mut job = JobOut { waiting_on, ..JobOut::of_view(view, caller.tenant_id()) };
    if let Some(bytes) = payload {
        job.payload = serde_json::from_slice(&bytes).map_err(|error| Problem::internal(&error.to_string()))?;
    }
    if job.state.is_final() {
        let history = if job.attempt > 0 { app.engine().job_history(caller.tenant(), id).await? } else { None };
        job.count_attempts(&history.unwrap_or_default());
    }
    Ok(job)
}

/// Lists the facts of a job's life, in order.
#[utoipa::path(
    get, path = "/jobs/{id}/history", tag = "jobs", params(("id" = inline(JobIdText), Path, description = "The job")),
    responses((status = 200, body = ItemsOut<FactOut>, description = "Facts, oldest first"))
)]
pub async fn list_job_history(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<ItemsOut<FactOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let history = history_of(&app, &caller, &id).await?;
    Ok(Json(ItemsOut { items: history.into_iter().map(FactOut::from).collect() }))
}

/// Lists a job's attempts, in order.
#[utoipa::path(
    get, path = "/jobs/{id}/attempts", tag = "jobs", params(("id" = inline(JobIdText), Path, description = "The job")),
    responses((status = 200, body = ItemsOut<AttemptOut>, description = "Attempts, oldest first"))
)]
pub async fn list_job_attempts(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<ItemsOut<AttemptOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let history = history_of(&app, &caller, &id).await?;
    Ok(Json(ItemsOut { items: attempts(history) }))
}

async fn history_of(app: &AppState, caller: &Caller, id: &str) -> Result<Vec<orch_core::fact::Record>, Problem> {
    let history = app.engine().job_history(caller.tenant(), id_of(id, "job")?).await?;
    history.ok_or_else(|| Problem::not_found("job"))
}

/// Cancels a job: at once, or, when an attempt runs, by asking the worker to stop.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", tag = "jobs", params(("id" = inline(JobIdText), Path, description = "The job")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "wrong feed"})),
    responses(
        (status = 200, body = JobOut, description = "It is canceled"),
        (status = 202, body = JobOut, description = "The running attempt was asked to stop"),
    )
)]
pub async fn cancel_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let job = id_of(&id, "job")?;
    let actor = caller.actor(check_reason(reason)?);
    let answer = app.engine().command(Command::Cancel { tenant: caller.tenant(), job, actor }).await?;
    let Answer::Canceled { requested, .. } = answer else { return Err(unexpected(&answer)) };
    let status = if requested { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(show(&app, &caller, job, false).await?)).into_response())
}

/// What a job is before others from now on, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriorityIn {
    /// The priority.
    #[schema(value_type = PriorityWord)]
    pub priority: Priority,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// Gives an open job another priority: it goes into the lane of that class, behind all that wait there.
///
/// One that is handed out goes on; if it is tried again, it waits in its new lane. The same priority changes nothing.
#[utoipa::path(
    post, path = "/jobs/{id}/reprioritize", tag = "jobs",
    params(("id" = inline(JobIdText), Path, description = "The job")),
    request_body(content = PriorityIn, example = json!({"priority": "urgent", "reason": "a customer waits"})),
    responses((status = 200, body = JobOut, description = "It has this priority"))
)]
pub async fn reprioritize_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    Json(PriorityIn { priority, reason }): Json<PriorityIn>,
) -> Result<Json<JobOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let job = id_of(&id, "job")?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().command(Command::Reprioritize { tenant: caller.tenant(), job, priority, actor }).await?;
    show(&app, &caller, job, false).await.map(Json)
}

/// A body without members.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyIn {}

/// Tries a job again: one that waits for its next try is tried now; a final one is made anew.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", tag = "jobs",
    params(
        ("id" = inline(JobIdText), Path, description = "The job"),
        ("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours"),
    ),
    request_body(content = Option<EmptyIn>, example = json!({})),
    responses(
        (status = 200, body = JobOut, description = "The job itself is tried now"),
        (status = 201, body = JobOut, description = "A new job with `origin.kind` `retry`"),
    )
)]
pub async fn retry_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJson(EmptyIn {}): OptionalJson<EmptyIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let job: JobId = id_of(&id, "job")?;
    let mut content = Fingerprint::default();
    content.part(job.0.as_bytes());
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "jobs.retry").key(&key, content.finish()));
    let new_id = app.engine().new_job_id();
    let answer = app.engine().command(Command::Retry { tenant: caller.tenant(), job, new_id, key }).await?;
    let Answer::Again(again) = answer else { return Err(unexpected(&answer)) };
    let shown = show(&app, &caller, again, false).await?;
    Ok(if again == job { Json(shown).into_response() } else { created(shown) })
}

/// Does the work of a final job once more, before others: as a new job, at least of priority `high`.
#[utoipa::path(
    post, path = "/jobs/{id}/replay", tag = "jobs",
    params(
        ("id" = inline(JobIdText), Path, description = "The job"),
        ("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat for 24 hours"),
    ),
    request_body(content = Option<EmptyIn>, example = json!({})),
    responses((status = 201, body = JobOut, description = "A new job with `origin.kind` `replay`"))
)]
pub async fn replay_job(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJson(EmptyIn {}): OptionalJson<EmptyIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let job: JobId = id_of(&id, "job")?;
    let mut content = Fingerprint::default();
    content.part(job.0.as_bytes());
    let key = key.map(|key| KeySpace::of_subject(caller.subject(), "jobs.replay").key(&key, content.finish()));
    let new_id = app.engine().new_job_id();
    let answer = app.engine().command(Command::Replay { tenant: caller.tenant(), job, new_id, key }).await?;
    let Answer::Again(again) = answer else { return Err(unexpected(&answer)) };
    Ok(created(show(&app, &caller, again, false).await?))
}

/// 201 with the job's address.
pub fn created(job: JobOut) -> Response {
    let location = HeaderValue::try_from(format!("{BASE}/jobs/{}", job.id));
    let mut response = (StatusCode::CREATED, Json(job)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn intake<'a>(app: &'a AppState, caller: &Caller) -> Intake<'a> {
    let keys = KeySpace::of_subject(caller.subject(), "job");
    Intake { engine: app.engine(), keys, origin: None }
}

/// Hands jobs to the engine and shows them as they were accepted.
async fn accept(
    app: &AppState,
    caller: &Caller,
    jobs: Vec<NewJob>,
    key: Option<KeyUse>,
) -> Result<Vec<JobOut>, Problem> {
    let now = app.engine().now();
    let mut shown: Vec<_> = jobs.iter().map(|job| JobOut::accepted(job, caller.tenant_id(), now)).collect();
    let enqueued = enqueue(app, caller, jobs, key).await?;
    show_blocked(app, caller, &mut shown, &enqueued).await?;
    show_replayed(app, caller, &mut shown, &enqueued).await?;
    Ok(shown)
}

async fn enqueue(
    app: &AppState,
    caller: &Caller,
    jobs: Vec<NewJob>,
    key: Option<KeyUse>,
) -> Result<Vec<Enqueued>, Problem> {
    match app.engine().command(Command::Enqueue { tenant: caller.tenant(), jobs, key }).await? {
        Answer::Enqueued(enqueued) => Ok(enqueued),
        answer => Err(unexpected(&answer)),
    }
}

/// What a key led to, and what is canceled already, is shown as it is now.
async fn show_replayed(
    app: &AppState,
    caller: &Caller,
    shown: &mut Vec<JobOut>,
    enqueued: &[Enqueued],
) -> Result<(), Problem> {
    for (job, accepted) in shown.iter_mut().zip(enqueued).filter(|(_, accepted)| accepted.concurrency_key.is_some()) {
        job.concurrency_key.clone_from(&accepted.concurrency_key);
    }
    let other = |accepted: &&Enqueued| accepted.replayed || accepted.canceled;
    let ids: Vec<JobId> = enqueued.iter().filter(other).map(|accepted| accepted.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    // A call's key leads to the first call's jobs, which may be ordered and numbered like these or not.
    shown.truncate(enqueued.len());
    let views = app.engine().job_views(caller.tenant(), &ids).await?;
    let mut views: BTreeMap<JobId, JobView> = views.into_iter().map(|view| (view.row.id, view)).collect();
    for (job, accepted) in shown.iter_mut().zip(enqueued).filter(|(_, accepted)| other(accepted)) {
        match views.remove(&accepted.id) {
            Some(view) => *job = JobOut::of_view(view, caller.tenant_id()),
            // It ended and was removed, before its key: the content is the same, so it is shown as it was accepted.
            None => job.id = accepted.id,
        }
        job.replayed = Some(accepted.replayed);
    }
    Ok(())
}

/// Whether a job with dependencies is still blocked, only the owner knows.
async fn show_blocked(
    app: &AppState,
    caller: &Caller,
    shown: &mut [JobOut],
    enqueued: &[Enqueued],
) -> Result<(), Problem> {
    let fresh = |(job, accepted): &(&mut JobOut, &Enqueued)| {
        !accepted.replayed && !accepted.canceled && job.state == JobState::Blocked
    };
    let blocked: Vec<&mut JobOut> = shown.iter_mut().zip(enqueued).filter(fresh).map(|(job, _)| job).collect();
    if blocked.is_empty() {
        return Ok(());
    }
    let tenant = caller.tenant();
    let ids: Vec<JobId> = blocked.iter().map(|job| job.id).collect();
    let answer = app.engine().command(Command::Read(Read::Jobs { tenant, ids: ids.clone() })).await?;
    let Answer::Jobs(open) = answer else { return Err(unexpected(&answer)) };
    let gone: Vec<JobId> = ids.iter().zip(&open).filter(|(_, open)| open.is_none()).map(|(id, _)| *id).collect();
    let done = if gone.is_empty() { Vec::new() } else { app.engine().ledger().done_lookup(tenant, &gone).await? };
    for (job, open) in blocked.into_iter().zip(open) {
        match open {
            Some(open) => job.show_open(open),
            None => {
                let ended = done.iter().find(|done| done.job == job.id);
                job.state = ended.map_or(JobState::Ready, |done| done.state);
            }
        }
    }
    Ok(())
}
