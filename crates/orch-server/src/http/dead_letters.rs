//! Dead letters: jobs that failed for good, and what was done about them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use orch_core::port::{DeadLetterFound, DeadLetterPageParams, SettlementRow};
use orch_core::{Code, JobId, Timestamp};
use orch_dispatch::Answer;
use orch_dispatch::command::Command;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::jobs::output::JobOut;
use super::jobs::{created, show};
use super::json::{Json, OptionalJson};
use super::query::Query;
use super::segment::Segment;
use super::texts::{JobIdText, KeyHeaderText, LimitNumber};
use super::words::{ErrorBody, Moment, PageOut, ReasonIn, check_reason};
use super::{id_of, unexpected};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of dead letters.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_dead_letters))
        .routes(routes!(get_dead_letter))
        .routes(routes!(replay_dead_letter))
        .routes(routes!(discard_dead_letter))
}

/// The review entry of a job that ended in failure.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterOut {
    /// The job that failed.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// Its type.
    pub job_type: String,
    /// Its source.
    pub source: Option<String>,
    /// When it failed.
    pub failed_at: Moment,
    /// Why it ended: `tries_spent`, `not_retryable`, `worker_lost` or `deadline`. More may come.
    #[schema(example = "tries_spent")]
    pub cause: String,
    /// What went wrong.
    pub error: ErrorBody,
    /// Attempts that were made.
    pub attempts: u32,
    /// What was done about it; null while it is open.
    pub settlement: Option<SettlementOut>,
}

/// What was done about a dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettlementOut {
    /// `replayed` or `discarded`.
    pub how: &'static str,
    /// The job that it became.
    #[schema(value_type = Option<JobIdText>)]
    pub job: Option<JobId>,
    /// Who did it: a token's id.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Moment,
}

impl From<SettlementRow> for SettlementOut {
    fn from(row: SettlementRow) -> Self {
        let how = if row.replayed_as.is_some() { "replayed" } else { "discarded" };
        Self { how, job: row.replayed_as, by: row.by, reason: row.reason, at: Moment(row.at) }
    }
}

/// Lists dead letters, newest first.
#[utoipa::path(
    get, path = "/dead-letters", tag = "dead-letters",
    params(
        ("settled" = Option<bool>, Query, description = "Settled ones too"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, under the same filter"),
    ),
    responses((status = 200, body = PageOut<DeadLetterOut>, description = "A page"))
)]
pub async fn list_dead_letters(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<DeadLetterOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let settled = params.flag("settled")?;
    let filter = if settled { "all" } else { "open" };
    let list = List::new("dead-letters", app.engine().incarnation().await?, caller.tenant(), &[filter]);
    let page = params.page::<(Timestamp, JobId)>(&list)?;
    params.finish()?;
    // One more than asked for tells whether there is a next page.
    let wanted = DeadLetterPageParams { before: page.from, limit: page.limit + 1, settled };
    let mut found = app.engine().ledger().dead_letter_page(caller.tenant(), &wanted).await?;
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let last = found.last().filter(|_| more).map(|last| (last.row.at, last.row.job));
    let items = shown(&app, &caller, found).await?;
    Ok(Json(PageOut { items, next_cursor: last.map(|place| list.close(&place)) }))
}

async fn shown(app: &AppState, caller: &Caller, found: Vec<DeadLetterFound>) -> Result<Vec<DeadLetterOut>, Problem> {
    let ids: Vec<JobId> = found.iter().map(|found| found.row.job).collect();
    let mut views = app.engine().job_views(caller.tenant(), &ids).await?.into_iter().peekable();
    let mut items = Vec::with_capacity(found.len());
    for DeadLetterFound { row, settlement } in found {
        let lane = views.next_if(|view| view.row.id == row.job).map(|view| view.lane);
        let (job_type, source) = lane.map_or_else(Default::default, |lane| (lane.job_type, lane.source));
        items.push(DeadLetterOut {
            job: row.job,
            job_type,
            source,
            failed_at: Moment(row.at),
            cause: row.cause,
            error: row.error.into(),
            attempts: row.attempts,
            settlement: settlement.map(SettlementOut::from),
        });
    }
    Ok(items)
}

/// Gets the dead letter of a job.
#[utoipa::path(
    get, path = "/dead-letters/{job}", tag = "dead-letters", params(("job" = inline(JobIdText), Path, description = "The job that failed")),
    responses((status = 200, body = DeadLetterOut, description = "The dead letter"))
)]
pub async fn get_dead_letter(
    State(app): State<AppState>,
    caller: Caller,
    Segment(job): Segment,
    query: Query,
) -> Result<Json<DeadLetterOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    one(&app, &caller, id_of(&job, "dead letter")?).await.map(Json)
}

async fn one(app: &AppState, caller: &Caller, job: JobId) -> Result<DeadLetterOut, Problem> {
    let found = app.engine().ledger().dead_letter_get(caller.tenant(), job).await?;
    let shown = shown(app, caller, found.into_iter().collect()).await?;
    shown.into_iter().next().ok_or_else(|| Problem::not_found("dead letter"))
}

/// Sends a dead letter round again as a new job.
///
/// With an `Idempotency-Key`, the same caller's call again is answered 200 with the job that it became.
#[utoipa::path(
    post, path = "/dead-letters/{job}/replay", tag = "dead-letters",
    params(
        ("job" = inline(JobIdText), Path, description = "The job that failed"),
        ("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat"),
    ),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "upstream is back"})),
    responses(
        (status = 201, body = JobOut, description = "The new job, with `origin.kind` `dead_letter`"),
        (status = 200, body = JobOut, description = "The same caller had replayed it before"),
    )
)]
pub async fn replay_dead_letter(
    State(app): State<AppState>,
    caller: Caller,
    Segment(job): Segment,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Response, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let job = id_of(&job, "dead letter")?;
    let actor = caller.actor(check_reason(reason)?);
    let new_id = app.engine().new_job_id();
    let command = Command::ReplayDeadLetter { tenant: caller.tenant(), job, new_id, actor };
    let problem = match app.engine().command(command).await {
        Ok(Answer::Again(again)) => return show(&app, &caller, again, false).await.map(created),
        Ok(answer) => return Err(unexpected(&answer)),
        Err(error) => Problem::from(error),
    };
    if key.is_some() && problem.code() == Code::StateConflict {
        // A dead letter is settled once: if this caller did, this is that call again.
        let found = app.engine().ledger().dead_letter_get(caller.tenant(), job).await?;
        let settled = found.and_then(|found| found.settlement).filter(|settled| settled.by == caller.subject());
        if let Some(again) = settled.and_then(|settled| settled.replayed_as) {
            return Ok(Json(show(&app, &caller, again, false).await?).into_response());
        }
    }
    Err(problem)
}

/// Puts a dead letter away.
#[utoipa::path(
    post, path = "/dead-letters/{job}/discard", tag = "dead-letters", params(("job" = inline(JobIdText), Path, description = "The job that failed")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "withdrawn upstream"})),
    responses((status = 200, body = DeadLetterOut, description = "The dead letter as settled"))
)]
pub async fn discard_dead_letter(
    State(app): State<AppState>,
    caller: Caller,
    Segment(job): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Json<DeadLetterOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let job = id_of(&job, "dead letter")?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().command(Command::DiscardDeadLetter { tenant: caller.tenant(), job, actor }).await?;
    one(&app, &caller, job).await.map(Json)
}
