//! Workers: what operators see of them, and the routes of the worker contract, one file a call underneath.

pub mod advance;
pub mod claim;
pub mod complete;
pub mod follow_ups;
pub mod parents;
pub mod reports;
pub mod sessions;
pub mod upstream;

use axum::extract::State;
use orch_core::SessionId;
use orch_core::lease::Token;
use orch_dispatch::Answer;
use orch_dispatch::answer::WorkerFound;
use orch_dispatch::command::{Command, Read};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::reports::EmptyOut;
use super::cursor::List;
use super::error::Problem;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::{LimitNumber, SessionIdText};
use super::words::{Moment, PageOut};
use super::{id_of, unexpected};
use crate::access::{Caller, Scope, require};
use crate::http::page_of;
use crate::state::AppState;

/// The routes of workers and of the worker contract.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_workers))
        .routes(routes!(drain_worker))
        .routes(routes!(sessions::open_worker_session))
        .routes(routes!(claim::claim_leases))
        .routes(routes!(reports::ack_leases))
        .routes(routes!(reports::heartbeat_leases))
        .routes(routes!(reports::release_leases))
        .routes(routes!(reports::append_job_logs))
        .routes(routes!(complete::complete_leases))
        .routes(routes!(follow_ups::create_follow_ups))
        .routes(routes!(parents::list_parents))
        .routes(routes!(upstream::report_upstream))
}

/// A worker session.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerOut {
    /// Its id.
    #[schema(value_type = SessionIdText)]
    pub session: SessionId,
    /// The worker's name.
    pub worker_id: String,
    /// This boot of it.
    pub boot_id: String,
    /// Job types that it can do.
    pub job_types: Vec<String>,
    /// Leases that it wants at the same time.
    pub capacity: u32,
    /// Leases that it has from this tenant.
    pub leases: u32,
    /// SDK name and version.
    pub sdk: String,
    /// The last sign of life.
    pub heard_at: Moment,
    /// `ready`, or `draining`: it gets nothing more.
    pub state: &'static str,
}

impl From<WorkerFound> for WorkerOut {
    fn from(found: WorkerFound) -> Self {
        Self {
            session: found.session,
            worker_id: found.worker,
            boot_id: found.boot,
            job_types: found.job_types,
            capacity: found.capacity,
            leases: found.leases,
            sdk: found.sdk,
            heard_at: Moment(found.heard_at),
            state: if found.draining { "draining" } else { "ready" },
        }
    }
}

/// Lists the worker sessions that the owner knows.
#[utoipa::path(
    get, path = "/workers", tag = "workers",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<WorkerOut>, description = "A page"))
)]
pub async fn list_workers(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<WorkerOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let list = List::new("workers", app.engine().incarnation().await?, caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<String>(&list)?;
    params.finish()?;
    let answer = app.engine().command(Command::Read(Read::Workers(caller.tenant()))).await?;
    let Answer::Workers(found) = answer else { return Err(unexpected(&answer)) };
    let workers = found.into_iter().map(WorkerOut::from).collect();
    Ok(Json(page_of(workers, &list, page, |worker| worker.session.to_string())))
}

/// Drains a worker session: it gets nothing more, and is told so at its next heartbeat or claim.
///
/// What it holds goes on. The mark is kept by the shard's owner alone: after a take-over, drain again.
#[utoipa::path(
    post, path = "/workers/{session}/drain", tag = "workers",
    params(("session" = inline(SessionIdText), Path, description = "The session")),
    responses((status = 200, body = EmptyOut, description = "It is draining"))
)]
pub async fn drain_worker(
    State(app): State<AppState>,
    caller: Caller,
    Segment(session): Segment,
    query: Query,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let session = id_of(&session, "worker session")?;
    app.engine().command(Command::Drain { tenant: caller.tenant(), session }).await?;
    Ok(Json(EmptyOut {}))
}

/// A token's text; whatever is not one cannot be current.
pub fn token_of(text: &str) -> Result<Token, Problem> {
    text.parse().map_err(|_| stale().into())
}

/// The refusal of a text that is no current lease's token.
pub fn stale() -> orch_core::Refusal {
    let detail = "this lease is not current: drop the attempt";
    orch_core::Refusal::field(orch_core::Code::StaleLease, "token", detail)
}
