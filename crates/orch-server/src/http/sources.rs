//! Sources: registered upstreams.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{self, ConfigDoc, ConfigKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connectors::ConnectorBody;
use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::{
    CountNumber, KeyHeaderText, LabelValueText, LabelsMap, LimitNumber, LineText, MessageText, NameText, SecretRefText,
};
use super::words::{Moment, PageOut, maybe_exact};
use crate::access::Caller;
use crate::state::AppState;

/// The routes of sources.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_sources, create_source)).routes(routes!(get_source, put_source))
}

/// A registered upstream.
#[derive(Debug, Serialize, Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Source, example = json!({"name": "kev", "kind": "kev", "host": "www.cisa.gov", "labels": {"feed": "kev"}}))]
pub struct SourceBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// What kind of upstream: `osv`, `nvd`, `ghsa`, `csaf`, …
    #[schema(value_type = LineText)]
    pub kind: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// The upstream's host.
    #[schema(value_type = Option<LabelValueText>)]
    pub host: Option<String>,
    /// Where its secret is kept, as `secret:feeds/nvd/api-key`; never the secret.
    #[schema(value_type = Option<SecretRefText>)]
    pub auth_ref: Option<String>,
    /// Hosts that its workers may call.
    #[schema(value_type = Vec<LabelValueText>, max_items = 200)]
    pub egress_allow: Vec<String>,
    /// The connector that reads it.
    pub connector: Option<ConnectorBody>,
    /// Attempts for this source at the same time in the tenant.
    #[schema(value_type = Option<CountNumber>)]
    pub concurrency_max: Option<u32>,
    /// Free labels.
    #[schema(value_type = LabelsMap)]
    pub labels: BTreeMap<String, String>,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// The schema of one to be.
pub type SourceNew = New<SourceBody>;

/// The schema of one as shown.
pub type SourceOut = Full<SourceBody>;

impl Declared for SourceBody {
    const KIND: ConfigKind = ConfigKind::Source;
    const NAME: &'static str = "source";
    const PATH: &'static str = "sources";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        let listed = !self.egress_allow.is_empty();
        ConfigDoc::Source(config::Source {
            connector: self.connector.map(|connector| Box::new(connector.into_record(listed))),
            name: self.name,
            kind: self.kind,
            description: self.description,
            host: self.host,
            auth_ref: self.auth_ref,
            egress_allow: self.egress_allow,
            concurrency_max: self.concurrency_max,
            labels: self.labels,
        })
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Source(doc) = doc else { return None };
        Some(Self {
            name: doc.name,
            kind: doc.kind,
            description: doc.description,
            host: doc.host,
            auth_ref: doc.auth_ref,
            egress_allow: doc.egress_allow,
            concurrency_max: doc.concurrency_max,
            labels: doc.labels,
            connector: doc.connector.map(|connector| ConnectorBody::from(*connector)),
            version: Some(version),
            updated_at: Some(updated_at),
        })
    }
}

/// Lists sources by name.
#[utoipa::path(
    get, path = "/sources", tag = "sources",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<SourceOut>, description = "A page"))
)]
pub async fn list_sources(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<SourceBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a source.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/sources", tag = "sources",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = SourceNew,
    responses(
        (status = 201, body = SourceOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = SourceOut, description = "The same call made it before"),
    )
)]
pub async fn create_source(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<SourceBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a source.
#[utoipa::path(
    get, path = "/sources/{name}", tag = "sources", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = SourceOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_source(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<SourceBody>(&app, &caller, &name, query).await
}

/// Creates a source, or replaces the version that `If-Match` names.
#[utoipa::path(
    put, path = "/sources/{name}", tag = "sources",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = SourceBody,
    responses(
        (status = 200, body = SourceOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = SourceOut, description = "It was made"),
    )
)]
pub async fn put_source(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<SourceBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}
