//! The catalogue: job types that come with the orchestrator, and how a tenant takes them over.

use axum::extract::State;
use orch_core::catalogue;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::query::Pattern;
use orch_core::{Code, Refusal, limits};
use orch_dispatch::command::Expect;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{Declared as _, find, put};
use super::error::Problem;
use super::fields::check_count;
use super::job_types::JobTypeBody;
use super::json::Json;
use super::query::Query;
use super::words::{ItemsOut, Moment};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of the catalogue.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_job_type_catalogue)).routes(routes!(declare_from_catalogue))
}

/// Which entries are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"names": ["concelier.*", "export.mirror"]}))]
pub struct CatalogueIn {
    /// Names; a `*` at the end stands for the rest. Each must mean at least one entry.
    #[schema(min_items = 1, max_items = 200)]
    pub names: Vec<String>,
}

/// What became of an entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueOut, example = json!({"name": "concelier.fetch", "version": 1, "created": true}))]
pub struct DeclaredOut {
    /// The job type's name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// It was made now; otherwise it was there already, and stays as it is.
    pub created: bool,
}

/// Lists the job types that come with the orchestrator, by name. They are not declared by themselves.
#[utoipa::path(
    get, path = "/job-type-catalogue", tag = "job-types",
    responses((status = 200, body = ItemsOut<JobTypeBody>, description = "All entries, as a job type is declared"))
)]
pub async fn list_job_type_catalogue(caller: Caller, query: Query) -> Result<Json<ItemsOut<JobTypeBody>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let shown = |entry: &JobType| {
        let body = JobTypeBody::of_doc(ConfigDoc::JobType(entry.clone()), 0, Moment(orch_core::Timestamp::ZERO))?;
        Some(JobTypeBody { version: None, updated_at: None, ..body })
    };
    Ok(Json(ItemsOut { items: catalogue::all().iter().filter_map(shown).collect() }))
}

/// Declares job types from the catalogue. Those that are there already stay as they are, so the call may be repeated.
#[utoipa::path(
    post, path = "/job-type-catalogue/declare", tag = "job-types", request_body = CatalogueIn,
    responses((status = 200, body = ItemsOut<DeclaredOut>, description = "What is declared now, by name"))
)]
pub async fn declare_from_catalogue(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(CatalogueIn { names }): Json<CatalogueIn>,
) -> Result<Json<ItemsOut<DeclaredOut>>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let mut items = Vec::new();
    for entry in wanted(&names)? {
        items.push(declare(&app, &caller, entry.clone()).await?);
    }
    Ok(Json(ItemsOut { items }))
}

/// The entries that are meant, by name.
fn wanted(names: &[String]) -> Result<Vec<&'static JobType>, Problem> {
    if names.is_empty() {
        return Err(Problem::field(Code::InvalidField, "names", "`names` must not be empty"));
    }
    check_count("names", names.len(), limits::PAGE_MAX, "entries")?;
    let patterns: Vec<Pattern> = names.iter().map(|name| pattern(name)).collect();
    for (place, pattern) in patterns.iter().enumerate() {
        if !catalogue::all().iter().any(|entry| pattern.fits(&entry.name)) {
            let detail = "there is nothing of that name in the catalogue";
            return Err(Refusal::field(Code::UnknownJobType, format!("names[{place}]"), detail).into());
        }
    }
    let meant = |entry: &&JobType| patterns.iter().any(|pattern| pattern.fits(&entry.name));
    Ok(catalogue::all().iter().filter(meant).collect())
}

fn pattern(name: &str) -> Pattern {
    match name.strip_suffix('*') {
        Some(start) => Pattern::Prefix(start.to_owned()),
        None => Pattern::Exact(name.to_owned()),
    }
}

async fn declare(app: &AppState, caller: &Caller, entry: JobType) -> Result<DeclaredOut, Problem> {
    let name = entry.name.clone();
    match put(app, caller, ConfigDoc::JobType(entry), Expect::Absent).await {
        Ok((version, created)) => Ok(DeclaredOut { name, version, created }),
        Err(problem) if problem.code() == Code::StateConflict => {
            let found = find::<JobTypeBody>(app, caller, &name).await?.ok_or(problem)?;
            Ok(DeclaredOut { name, version: found.version, created: false })
        }
        Err(problem) => Err(problem),
    }
}
