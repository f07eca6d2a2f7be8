//! Buckets: what hosts allow.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::limits;
use orch_core::term::{CutCause, Term};
use orch_dispatch::Answer;
use orch_dispatch::answer::{Cut, InFlight};
use orch_dispatch::command::{Command, Read};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::{Json, OptionalJson};
use super::query::Query;
use super::segment::Segment;
use super::texts::{KeyHeaderText, LimitNumber, MessageText, NameText};
use super::unexpected;
use super::words::{Moment, PageOut, ReasonIn, check_reason, maybe_exact};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of buckets.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_buckets, create_bucket))
        .routes(routes!(get_bucket, put_bucket, delete_bucket))
        .routes(routes!(get_bucket_state))
        .routes(routes!(reset_bucket))
}

/// What a host allows: requests to it are granted so that none of its terms is ever exceeded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Bucket, example = json!({
    "name": "nvd", "host": "services.nvd.nist.gov", "terms": [{"limit": 5, "window_ms": 30000}]
}))]
pub struct BucketBody {
    /// The name; unique in the tenant.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// The host: all sources of the tenant that name it share the bucket.
    #[schema(value_type = NameText, required = true)]
    pub host: String,
    /// All of them hold.
    #[schema(value_type = TermsList, required = true)]
    pub terms: Vec<TermBody>,
    /// After a refusal by the upstream, milliseconds in which what is used of the terms rises from nothing to all.
    #[schema(minimum = 1000, maximum = 86400000)]
    pub ramp_ms: u64,
    /// Attempts under way at the host at the same time. After a cut half of what might be, and one more for each limit's
    /// worth that ends well; never more than this. Not for the platform's buckets.
    #[schema(minimum = 1, maximum = 100000)]
    pub in_flight_max: Option<u32>,
    /// Answers that take more than twice as long as they usually do, and a tenth of a second more, cut what is used of the
    /// terms as refusals do. True when left out.
    pub latency_cut: bool,
    /// Parts of a hundred of each term that urgent work alone may spend, rounded down to whole requests.
    #[schema(maximum = 50)]
    pub urgent_reserve_percent: u32,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// One sentence of an upstream's terms: so many requests in any window of this length; or, with a burst, a rate.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Term, example = json!({"limit": 5, "window_ms": 30000}))]
pub struct TermBody {
    /// Requests.
    #[schema(minimum = 1, maximum = 100000)]
    limit: u32,
    /// The window's length in milliseconds, a day at most.
    #[schema(minimum = 1, maximum = 86400000)]
    window_ms: u64,
    /// With it, requests come at a rate of `limit` in `window_ms`, and so many may come at once; at most the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    burst: Option<u32>,
}

impl From<Term> for TermBody {
    fn from(Term { burst, limit, window_ms }: Term) -> Self {
        Self { limit, window_ms, burst }
    }
}

/// The schema of a bucket's terms: an empty list is none.
#[derive(Debug)]
pub struct TermsList;

impl PartialSchema for TermsList {
    fn schema() -> RefOr<Schema> {
        let most = usize::try_from(limits::TERMS_MAX).unwrap_or(usize::MAX);
        let terms = ArrayBuilder::new().items(Ref::from_schema_name("Term"));
        terms.min_items(Some(1)).max_items(Some(most)).description(Some("All of them hold.")).into()
    }
}

impl ToSchema for TermsList {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("Term".to_owned(), TermBody::schema()));
    }
}

impl Default for BucketBody {
    fn default() -> Self {
        let doc = config::Bucket::default();
        Self {
            name: doc.name,
            description: doc.description,
            host: doc.host,
            terms: Vec::new(),
            ramp_ms: doc.ramp_ms,
            in_flight_max: doc.in_flight_max,
            latency_cut: doc.latency_cut,
            urgent_reserve_percent: doc.urgent_reserve_percent,
            version: None,
            updated_at: None,
        }
    }
}

/// What was spent of a bucket, and what it admits now.
#[derive(Debug, Serialize, ToSchema)]
pub struct BucketStateOut {
    /// The bucket's name.
    pub name: String,
    /// What each term would admit at once now, in the order of the terms.
    pub left: Vec<u32>,
    /// When the next request may leave, unless that is now.
    pub opens_at: Option<Moment>,
    /// Until when the upstream asked not to be asked.
    pub closed_until: Option<Moment>,
    /// The share of the terms that is used, in parts of a thousand.
    pub share: u32,
    /// When that is the whole again, if nothing cuts it.
    pub whole_at: Option<Moment>,
    /// The last cuts, oldest first.
    pub cuts: Vec<CutOut>,
    /// The share in each minute of the last hour, oldest first; nothing where it was not cut.
    pub history: Vec<SharePointOut>,
    /// What is under way at the host, if that is limited.
    pub in_flight: Option<InFlightOut>,
    /// What answers usually take, in milliseconds; null until that was learnt. A new owner learns it anew.
    pub baseline_ms: Option<u64>,
    /// What the last twenty answers took, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// The share of the terms at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharePointOut {
    /// When.
    pub at: Moment,
    /// The share, in parts of a thousand.
    pub share: u32,
}

/// What is under way at a host, and what may be.
#[derive(Debug, Serialize, ToSchema)]
pub struct InFlightOut {
    /// Attempts under way.
    pub under_way: u32,
    /// So many may be now.
    pub limit: u32,
    /// So many may be at most.
    pub max: u32,
}

impl From<InFlight> for InFlightOut {
    fn from(InFlight { under_way, most, max }: InFlight) -> Self {
        Self { under_way, limit: most, max }
    }
}

/// A cut: less of the terms is used.
#[derive(Debug, Serialize, ToSchema)]
pub struct CutOut {
    /// When.
    pub at: Moment,
    /// Why: `status_429` and the like, or `latency`.
    pub cause: String,
    /// The share before, in parts of a thousand.
    pub from: u32,
    /// The share after.
    pub to: u32,
    /// So many attempts might be under way from then on, if that is limited.
    pub in_flight: Option<u32>,
    /// For slowness: what answers took, in milliseconds…
    pub latency_ms: Option<u64>,
    /// … and what they usually took.
    pub baseline_ms: Option<u64>,
}

impl From<Cut> for CutOut {
    fn from(Cut { at, cause, from, to, in_flight, slow }: Cut) -> Self {
        let cause = match cause {
            CutCause::Status(status) => format!("status_{status}"),
            CutCause::Latency => "latency".to_owned(),
        };
        let (latency_ms, baseline_ms) = (slow.map(|slow| slow.latency_ms), slow.map(|slow| slow.baseline_ms));
        Self { at: Moment(at), cause, from, to, in_flight, latency_ms, baseline_ms }
    }
}

/// The schema of one to be.
pub type BucketNew = New<BucketBody>;

/// The schema of one as shown.
pub type BucketOut = Full<BucketBody>;

impl Declared for BucketBody {
    const KIND: ConfigKind = ConfigKind::Bucket;
    const NAME: &'static str = "bucket";
    const PATH: &'static str = "buckets";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        let terms = self.terms.into_iter().map(|term| {
            let TermBody { limit, window_ms, burst } = term;
            Term { burst, limit, window_ms }
        });
        ConfigDoc::Bucket(config::Bucket {
            name: self.name,
            description: self.description,
            host: self.host,
            terms: terms.collect(),
            ramp_ms: self.ramp_ms,
            in_flight_max: self.in_flight_max,
            latency_cut: self.latency_cut,
            urgent_reserve_percent: self.urgent_reserve_percent,
        })
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Bucket(doc) = doc else { return None };
        let terms = doc.terms.into_iter().map(TermBody::from);
        Some(Self {
            name: doc.name,
            description: doc.description,
            host: doc.host,
            terms: terms.collect(),
            ramp_ms: doc.ramp_ms,
            in_flight_max: doc.in_flight_max,
            latency_cut: doc.latency_cut,
            urgent_reserve_percent: doc.urgent_reserve_percent,
            version: Some(version),
            updated_at: Some(updated_at),
        })
    }
}

/// Lists buckets by name.
#[utoipa::path(
    get, path = "/buckets", tag = "buckets",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<BucketOut>, description = "A page"))
)]
pub async fn list_buckets(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<BucketBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a bucket.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/buckets", tag = "buckets",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = BucketNew,
    responses(
        (status = 201, body = BucketOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = BucketOut, description = "The same call made it before"),
    )
)]
pub async fn create_bucket(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<BucketBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Gets a bucket.
#[utoipa::path(
    get, path = "/buckets/{name}", tag = "buckets", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = BucketOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_bucket(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<BucketBody>(&app, &caller, &name, query).await
}

/// Creates a bucket, or replaces the version that `If-Match` names.
#[utoipa::path(
    put, path = "/buckets/{name}", tag = "buckets",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = BucketBody,
    responses(
        (status = 200, body = BucketOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = BucketOut, description = "It was made"),
    )
)]
pub async fn put_bucket(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<BucketBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}

/// Deletes a bucket: what waits for it goes. What was spent is kept, for when one of this name is declared again.
#[utoipa::path(
    delete, path = "/buckets/{name}", tag = "buckets",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any when left out", example = "\"v1\""),
    ),
    responses((status = 200, body = EmptyOut, description = "It is gone"))
)]
pub async fn delete_bucket(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    declared::delete::<BucketBody>(&app, &caller, &name, query, &headers).await
}

/// Gets what was spent of a bucket, and what it admits now.
#[utoipa::path(
    get, path = "/buckets/{name}/state", tag = "buckets", params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = BucketStateOut, description = "As its owner knows it"))
)]
pub async fn get_bucket_state(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<BucketStateOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let read = Read::Bucket { tenant: caller.tenant(), name: name.clone() };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::Bucket(found) = answer else { return Err(unexpected(&answer)) };
    let found = found.ok_or_else(|| Problem::not_found(BucketBody::NAME))?;
    Ok(Json(BucketStateOut {
        name,
        left: found.left,
        opens_at: found.opens_at.map(Moment),
        closed_until: found.closed_until.map(Moment),
        share: found.share,
        whole_at: found.whole_at.map(Moment),
        cuts: found.cuts.into_iter().map(CutOut::from).collect(),
        history: found
            .history
            .into_iter()
            .map(|point| SharePointOut { at: Moment(point.at), share: point.share })
            .collect(),
        in_flight: found.in_flight.map(InFlightOut::from),
        baseline_ms: found.baseline_ms,
        latency_ms: found.latency_ms,
    }))
}

/// Opens a bucket at the whole of its terms: what upstreams said before does not count any more. What was spent does.
#[utoipa::path(
    post, path = "/buckets/{name}/reset", tag = "buckets", params(("name" = inline(NameText), Path, description = "Its name")),
    request_body(content = Option<ReasonIn>, example = json!({"reason": "the upstream is well again"})),
    responses((status = 200, body = EmptyOut, description = "It is open"))
)]
pub async fn reset_bucket(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    OptionalJson(ReasonIn { reason }): OptionalJson<ReasonIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Operate)?;
    query.none()?;
    let actor = caller.actor(check_reason(reason)?);
    app.engine().command(Command::ResetBucket { tenant: caller.tenant(), bucket: name, actor }).await?;
    Ok(Json(EmptyOut {}))
}
