//! Job types: the policy of named kinds of work.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::concurrency::PerKeyStrategy;
use orch_core::config::{self, ConfigDoc, ConfigKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::{CountNumber, KeyHeaderText, LimitNumber, MessageText, NameText, PointerText};
use super::words::{Moment, PageOut, PerKeyStrategyWord, maybe_exact};
use crate::access::Caller;
use crate::state::AppState;

/// The routes of job types.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_job_types, create_job_type)).routes(routes!(get_job_type, put_job_type))
}

/// The policy of a named kind of work. Members that are left out have their defaults.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobType, example = json!({"name": "feeds.fetch", "tries_max": 8, "lease_ms": 30000}))]
pub struct JobTypeBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// How long a lease lasts without a heartbeat.
    #[schema(minimum = 1000, maximum = 3600000)]
    pub lease_ms: u64,
    /// How long an attempt may run.
    #[schema(minimum = 1000, maximum = 604800000)]
    pub execution_ms_max: u64,
    /// Tries before the job is a dead letter.
    #[schema(minimum = 1, maximum = 1000)]
    pub tries_max: u32,
    /// Lost leases before the job is a dead letter.
    #[schema(minimum = 1, maximum = 10000)]
    pub lost_max: u32,
    /// First back-off; doubles with each try.
    #[schema(minimum = 1, maximum = 86400000)]
    pub backoff_ms: u64,
    /// Longest back-off.
    #[schema(minimum = 1, maximum = 86400000)]
    pub backoff_ms_max: u64,
    /// From a cancel request to the fence rising.
    #[schema(minimum = 0, maximum = 3600000)]
    pub cancel_grace_ms: u64,
    /// Where payloads hold the concurrency key of jobs that name none: a JSON pointer. A string, number or boolean of at
    /// most 128 characters there is the key; jobs with anything else, or nothing, have the key `orch:no-key`.
    #[schema(value_type = Option<PointerText>)]
    pub concurrency_key_pointer: Option<String>,
    /// Attempts of this type at the same time in the tenant.
    #[schema(value_type = Option<CountNumber>)]
    pub concurrency_max: Option<u32>,
    /// Attempts of one concurrency key at the same time.
    #[schema(value_type = Option<CountNumber>)]
    pub concurrency_per_key_max: Option<u32>,
    /// What becomes of a key's jobs when more are open than that: they wait for each other (`queue`), a new one is
    /// canceled at once (`drop_newest`), or a new one takes the place of the oldest (`cancel_running`).
    /// Other than `queue` it needs that limit.
    #[schema(value_type = PerKeyStrategyWord)]
    pub concurrency_per_key_strategy: PerKeyStrategy,
    /// Requests that an attempt makes: what it spends of each bucket of its source's host.
    #[schema(minimum = 1, maximum = 10000)]
    pub cost: u32,
    /// What payloads must look like: JSON Schema 2020-12 without references to elsewhere; checked when jobs are made.
    #[schema(value_type = Option<Object>)]
    pub payload_schema: Option<Map<String, Value>>,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

impl Default for JobTypeBody {
    fn default() -> Self {
        let doc = config::JobType::default();
        Self {
            name: doc.name,
            description: doc.description,
            lease_ms: doc.lease_ms,
            execution_ms_max: doc.execution_ms_max,
            tries_max: doc.tries_max,
            lost_max: doc.lost_max,
            backoff_ms: doc.backoff_ms,
            backoff_ms_max: doc.backoff_ms_max,
            cancel_grace_ms: doc.cancel_grace_ms,
            concurrency_key_pointer: doc.concurrency_key_pointer,
            concurrency_max: doc.concurrency_max,
            concurrency_per_key_max: doc.concurrency_per_key_max,
            concurrency_per_key_strategy: doc.concurrency_per_key_strategy,
            cost: doc.cost,
            payload_schema: None,
            version: None,
            updated_at: None,
        }
    }
}

/// The schema of one to be.
pub type JobTypeNew = New<JobTypeBody>;

/// The schema of one as shown.
pub type JobTypeOut = Full<JobTypeBody>;

impl Declared for JobTypeBody {
    const KIND: ConfigKind = ConfigKind::JobType;
    const NAME: &'static str = "job type";
    const PATH: &'static str = "job-types";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        ConfigDoc::JobType(config::JobType {
            name: self.name,
            description: self.description,
            lease_ms: self.lease_ms,
            execution_ms_max: self.execution_ms_max,
            tries_max: self.tries_max,
            lost_max: self.lost_max,
            backoff_ms: self.backoff_ms,
            backoff_ms_max: self.backoff_ms_max,
            cancel_grace_ms: self.cancel_grace_ms,
            concurrency_key_pointer: self.concurrency_key_pointer,
            concurrency_max: self.concurrency_max,
            concurrency_per_key_max: self.concurrency_per_key_max,
            concurrency_per_key_strategy: self.concurrency_per_key_strategy,
            cost: self.cost,
            payload_schema: self.payload_schema.map(|schema| Value::Object(schema).to_string()),
        })
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::JobType(doc) = doc else { return None };
        Some(Self {
            name: doc.name,
            description: doc.description,
            lease_ms: doc.lease_ms,
            execution_ms_max: doc.execution_ms_max,
            tries_max: doc.tries_max,
            lost_max: doc.lost_max,
            backoff_ms: doc.backoff_ms,
            backoff_ms_max: doc.backoff_ms_max,
            cancel_grace_ms: doc.cancel_grace_ms,
            concurrency_key_pointer: doc.concurrency_key_pointer,
            concurrency_max: doc.concurrency_max,
            concurrency_per_key_max: doc.concurrency_per_key_max,
            concurrency_per_key_strategy: doc.concurrency_per_key_strategy,
            cost: doc.cost,
            payload_schema: doc.payload_schema.and_then(|text| serde_json::from_str(&text).ok()),
            version: Some(version),
            updated_at: Some(updated_at),
        })
    }
}

/// Lists job types by name.
#[utoipa::path(
    get, path = "/job-types", tag = "job-types",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<JobTypeOut>, description = "A page"))
)]
pub async fn list_job_types(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<JobTypeBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a job type.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/job-types", tag = "job-types",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = JobTypeNew,
    responses(
        (status = 201, body = JobTypeOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = JobTypeOut, description = "The same call made it before"),
    )
)]
pub async fn create_job_type(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<JobTypeBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a job type.
#[utoipa::path(
    get, path = "/job-types/{name}", tag = "job-types", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = JobTypeOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_job_type(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<JobTypeBody>(&app, &caller, &name, query).await
}

/// Creates a job type, or replaces the version that `If-Match` names.
#[utoipa::path(
    put, path = "/job-types/{name}", tag = "job-types",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = JobTypeBody,
    responses(
        (status = 200, body = JobTypeOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = JobTypeOut, description = "It was made"),
    )
)]
pub async fn put_job_type(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<JobTypeBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}
