//! What a leased job's dependencies came to, page by page, for the worker that holds the lease.

use axum::extract::State;
use orch_core::job::Dependency;
use orch_core::port::{DoneRow, JobOutput};
use orch_core::{Code, JobId, JobState};
use orch_dispatch::command::Command;
use serde::Serialize;
use utoipa::ToSchema;

use super::token_of;
use crate::access::{Caller, Scope, require};
use crate::http::cursor::List;
use crate::http::error::Problem;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::texts::{JobIdText, LeaseText, LimitNumber};
use crate::http::words::{ArtifactBody, PageOut, StateWord};
use crate::state::AppState;

/// A dependency of the leased job.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParentOut {
    /// The job.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// How it ended.
    #[schema(value_type = StateWord)]
    pub state: JobState,
    /// What its worker gave back.
    #[schema(value_type = Option<serde_json::Value>)]
    pub result: Option<serde_json::Value>,
    /// Its outputs by digest.
    pub artifacts: Vec<ArtifactBody>,
}

/// Lists the leased job's dependencies with their results, in the order in which they were named.
#[utoipa::path(
    get, path = "/worker/parents", tag = "worker",
    params(
        ("token" = inline(LeaseText), Query, description = "The attempt"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<ParentOut>, description = "A page"))
)]
pub async fn list_parents(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<ParentOut>>, Problem> {
    require(&caller, Scope::Worker)?;
    let mut params = query.open()?;
    let text = params.one("token")?.unwrap_or_default();
    if text.is_empty() {
        return Err(Problem::field(Code::InvalidField, "token", "the parameter `token` is missing"));
    }
    let token = token_of(&text)?;
    let job = token.job.to_string();
    let list = List::new("parents", app.engine().incarnation().await?, caller.tenant(), &[&job]);
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    app.engine().command(Command::CheckLease { tenants: caller.tenants(), token }).await?;
    let view = app.engine().job(caller.tenant(), token.job).await?.ok_or_else(|| Problem::not_found("job"))?;
    let from = page.from.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let rest = view.extra.depends_on.get(from..).unwrap_or_default();
    let (here, more) = rest.split_at(page.limit.min(rest.len()));
    let items = parents(&app, &caller, here).await?;
    let next = (!more.is_empty()).then(|| list.close(&((from + here.len()) as u64)));
    Ok(Json(PageOut { items, next_cursor: next }))
}

async fn parents(app: &AppState, caller: &Caller, depends_on: &[Dependency]) -> Result<Vec<ParentOut>, Problem> {
    let ids: Vec<JobId> = depends_on.iter().map(|parent| parent.job).collect();
    let mut done = app.engine().ledger().done_lookup(caller.tenant(), &ids).await?;
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let place = done.iter().position(|done| done.job == id);
        // A leased job's dependencies are final; an end that is missing is a defect, not an empty answer.
        let place = place.ok_or_else(|| Problem::internal("a dependency of a leased job has no end"))?;
        items.push(parent(done.swap_remove(place))?);
    }
    Ok(items)
}

fn parent(done: DoneRow) -> Result<ParentOut, Problem> {
    let output: JobOutput = match &done.output {
        Some(json) => serde_json::from_slice(json).map_err(|error| Problem::internal(&error.to_string()))?,
        None => JobOutput::default(),
    };
    let artifacts = output.artifacts.into_iter().map(ArtifactBody::from).collect();
    Ok(ParentOut { job: done.job, state: done.state, result: output.result, artifacts })
}
