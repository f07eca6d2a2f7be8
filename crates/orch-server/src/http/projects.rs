//! Projects: groupings inside a tenant.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{self, ConfigDoc, ConfigKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::{KeyHeaderText, LimitNumber, MessageText, NameText};
use super::words::{Moment, PageOut, maybe_exact};
use crate::access::Caller;
use crate::state::AppState;

/// The routes of projects.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_projects, create_project)).routes(routes!(get_project, put_project))
}

/// A grouping inside a tenant.
#[derive(Debug, Serialize, Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Project, example = json!({"name": "intake", "description": "public feeds"}))]
pub struct ProjectBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// The schema of one to be.
pub type ProjectNew = New<ProjectBody>;

/// The schema of one as shown.
pub type ProjectOut = Full<ProjectBody>;

impl Declared for ProjectBody {
    const KIND: ConfigKind = ConfigKind::Project;
    const NAME: &'static str = "project";
    const PATH: &'static str = "projects";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        ConfigDoc::Project(config::Project { name: self.name, description: self.description })
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Project(doc) = doc else { return None };
        Some(Self {
            name: doc.name,
            description: doc.description,
            version: Some(version),
            updated_at: Some(updated_at),
        })
    }
}

/// Lists projects by name.
#[utoipa::path(
    get, path = "/projects", tag = "projects",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<ProjectOut>, description = "A page"))
)]
pub async fn list_projects(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<ProjectBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a project.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/projects", tag = "projects",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = ProjectNew,
    responses(
        (status = 201, body = ProjectOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = ProjectOut, description = "The same call made it before"),
    )
)]
pub async fn create_project(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<ProjectBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a project.
#[utoipa::path(
    get, path = "/projects/{name}", tag = "projects", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = ProjectOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_project(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<ProjectBody>(&app, &caller, &name, query).await
}

/// Creates a project, or replaces the version that `If-Match` names.
#[utoipa::path(
    put, path = "/projects/{name}", tag = "projects",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = ProjectBody,
    responses(
        (status = 200, body = ProjectOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = ProjectOut, description = "It was made"),
    )
)]
pub async fn put_project(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<ProjectBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}
