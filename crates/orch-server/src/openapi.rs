//! The API's document, made from the handlers: what they declare, plus what holds for all of them.

mod examples;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::response::Response;
use bytes::Bytes;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ArrayItems, Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Deprecated, OpenApi, Ref, RefOr, SecurityRequirement};
use utoipa::{OpenApi as _, ToSchema as _};

use crate::http::error::ProblemOut;
use crate::http::{BASE, deprecation, json, routes};

const SECURITY: &str = "token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Source & Job Orchestrator",
        description = "Schedules, observes and recovers ingestion and analysis jobs.\n\n\
            **Credentials.** `Authorization: Bearer` with an API token, which is bound to one tenant.\n\n\
            **Numbers.** Whole numbers are written without a fraction and lie below 2^53.\n\n\
            **Errors.** Every error is `application/problem+json` with a stable `code`; each has a page in `docs/errors`.\n\n\
            **Paging.** Lists answer `{items, next_cursor}`; send `next_cursor` as `cursor` with the same filter until it is null.\n\n\
            **Idempotency.** Creating calls take an `Idempotency-Key`: the same key and content give the first answer again, \
            another content gives 422 `idempotency_mismatch`.\n\n\
            **Versions.** Declared things have an `ETag`; replacing one needs `If-Match`. `Orch-Version` names the server's version, `Orch-Api-Version` the API's. \
            What is deprecated says so in `Deprecation`, `Sunset` and `Link`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "Units of work: submit, watch, cancel, try again"),
        (name = "dead-letters", description = "Jobs that failed for good, and what is done about them"),
        (name = "job-types", description = "The policy of named kinds of work"),
        (name = "sources", description = "Registered upstreams"),
        (name = "projects", description = "Groupings inside a tenant"),
        (name = "blackouts", description = "Windows of time in which work is held back"),
        (name = "schedules", description = "What asks for jobs and runs in time"),
        (name = "graphs", description = "Templates of steps that depend on each other"),
        (name = "runs", description = "Executions of graphs: begin, watch, hold, end, repair"),
        (name = "backfills", description = "Stretches of event time that are read again, window by window"),
        (name = "simulations", description = "What would happen, without that it does"),
        (name = "buckets", description = "What hosts allow, and how much of it is used"),
        (name = "quotas", description = "How much of a tenant's work may be under way, begin in an hour, or wait"),
        (name = "breakers", description = "What stops handing out when too many attempts fail"),
        (name = "apply", description = "Declared things from files: compare, then write"),
        (name = "lanes", description = "What jobs wait in"),
        (name = "pauses", description = "What operators hold back"),
        (name = "priorities", description = "What operators put before others for a while"),
        (name = "throttles", description = "What operators hold to limits for a while"),
        (name = "watermarks", description = "How far sources have been read, in event time"),
        (name = "nodes", description = "The processes that serve the ledger"),
        (name = "shards", description = "Where tenants live, and which node serves them"),
        (name = "workers", description = "Worker sessions as operators see them"),
        (name = "worker", description = "The worker contract: claim, heartbeat, complete"),
        (name = "artifacts", description = "Inputs and outputs by digest"),
        (name = "tenants", description = "The isolation boundary"),
        (name = "tokens", description = "API tokens"),
        (name = "health", description = "Whether this process serves"),
    ),
    components(schemas(ProblemOut<'static>))
)]
struct Head;

/// What the document says before any route.
pub(crate) fn head() -> OpenApi {
    Head::openapi()
}

/// The document, with all that holds for every operation.
fn document() -> OpenApi {
    let (_, mut api) = routes().split_for_parts();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    if let Some(components) = api.components.as_mut() {
        components.add_security_scheme(SECURITY, scheme);
        name_items(&mut components.schemas);
        components.schemas.values_mut().for_each(required_has_no_default);
    }
    api.security = Some(vec![SecurityRequirement::new(SECURITY, Vec::<String>::new())]);
    for item in api.paths.paths.values_mut() {
        for operation in operations(item) {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    never_null(&mut parameter.schema);
                }
            }
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                for content in body.content.values_mut() {
                    if let RefOr::T(content) = content {
                        never_null(&mut content.schema);
                    }
                }
            }
            add_problem(operation);
            examples::add(operation);
            let id = operation.operation_id.as_deref().unwrap_or_default();
            if deprecation::OPERATIONS.contains(&id) {
                operation.deprecated = Some(Deprecated::True);
            }
        }
    }
    api
}

/// Lists name the schema of their items, as `PageOut_JobOut` says it, where they would spell it out once more.
fn name_items(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let names: BTreeSet<String> = schemas.keys().cloned().collect();
    for (list, schema) in schemas {
        let item = list.strip_prefix("PageOut_").or_else(|| list.strip_prefix("ItemsOut_"));
        let (Some(item), RefOr::T(Schema::Object(object))) = (item.filter(|item| names.contains(*item)), schema) else {
            continue;
        };
        if let Some(RefOr::T(Schema::Array(items))) = object.properties.get_mut("items") {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
    }
}

/// A list or a number that must be given has no default.
fn required_has_no_default(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            for name in &object.required {
                match object.properties.get_mut(name) {
                    Some(RefOr::T(Schema::Object(member))) => member.default = None,
                    Some(RefOr::T(Schema::Array(member))) => member.default = None,
                    _ => {}
                }
            }
        }
        RefOr::T(Schema::OneOf(either)) => either.items.iter_mut().for_each(required_has_no_default),
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(required_has_no_default),
        _ => {}
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut)
}

/// A parameter or a body that is left out is not there; it has no way to be null.
fn never_null(schema: &mut Option<RefOr<Schema>>) {
    match schema {
        Some(RefOr::T(Schema::OneOf(either))) => {
            if let Some(place) = either.items.iter().position(|schema| !is_null(schema)) {
                *schema = Some(either.items.swap_remove(place));
            }
        }
        Some(RefOr::T(Schema::Object(object))) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let Some(one) = types.iter().find(|one| **one != Type::Null)
            {
                object.schema_type = SchemaType::Type(one.clone());
            }
        }
        _ => {}
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

fn add_problem(operation: &mut Operation) {
    let problem = Ref::from_schema_name(ProblemOut::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let response = ResponseBuilder::new()
        .description("What is wrong; 429 and 503 come with `Retry-After`")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let json = document().to_pretty_json();
    let mut json = json.expect("the document holds only texts, numbers and lists, which JSON can hold");
    json.push('\n');
    Bytes::from(json)
});

/// The document as it is committed under `openapi/` and served.
#[must_use]
pub fn openapi_json() -> String {
    String::from_utf8_lossy(&DOCUMENT).into_owned()
}

/// Serves the document.
pub(crate) async fn get_openapi() -> Response {
    json::of_bytes(DOCUMENT.clone())
}

/// Says where the document is.
pub(crate) async fn discover_openapi() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    json::of_bytes(format!("{{\"openapi\":\"{BASE}/openapi.json\",\"version\":\"{version}\"}}"))
}
