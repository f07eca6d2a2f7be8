//! The router: all routes under one base, problems for everything else, request ids, panics caught.

pub mod apply;
pub mod artifacts;
pub mod backfills;
pub mod blackouts;
pub mod breakers;
pub mod buckets;
pub mod catalogue;
pub mod connectors;
pub mod cursor;
pub mod dead_letters;
pub mod declared;
pub mod deprecation;
pub mod error;
pub mod explain;
pub mod fairness;
pub mod fields;
pub mod graphs;
pub mod health;
pub mod idempotency;
pub mod job_types;
pub mod jobs;
pub mod json;
pub mod known_terms;
pub mod lanes;
pub mod nodes;
pub mod object;
pub mod pauses;
pub mod prefer;
pub mod priorities;
pub mod projects;
pub mod query;
pub mod quotas;
pub mod request_id;
pub mod runs;
pub mod schedules;
pub mod segment;
pub mod shards;
pub mod simulations;
pub mod sources;
pub mod tenants;
pub mod texts;
pub mod throttles;
pub mod tokens;
pub mod watermarks;
pub mod words;
pub mod workers;
pub mod workforce;

use std::str::FromStr;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use orch_dispatch::Answer;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use self::cursor::{List, Position};
use self::error::{Problem, finish, no_such_method, no_such_path, panicked};
use self::query::Page;
use self::words::PageOut;
use crate::openapi;
use crate::peers;
use crate::state::AppState;

/// Where all routes lie.
pub const BASE: &str = "/api/v1/orchestrator";

/// All routes with their documentation, under `BASE`.
pub fn routes() -> OpenApiRouter<AppState> {
    let nouns = OpenApiRouter::new()
        .merge(jobs::routes())
        .merge(dead_letters::routes())
        .merge(job_types::routes())
        .merge(catalogue::routes())
        .merge(sources::routes())
        .merge(projects::routes())
        .merge(blackouts::routes())
        .merge(schedules::routes())
        .merge(graphs::routes())
        .merge(runs::routes())
        .merge(backfills::routes())
        .merge(simulations::routes())
        .merge(buckets::routes())
        .merge(quotas::routes())
        .merge(workforce::routes())
        .merge(breakers::routes())
        .merge(known_terms::routes())
        .merge(apply::routes())
        .merge(explain::routes())
        .merge(fairness::routes())
        .merge(lanes::routes())
        .merge(pauses::routes())
        .merge(priorities::routes())
        .merge(throttles::routes())
        .merge(watermarks::routes())
        .merge(workers::routes())
        .merge(artifacts::routes())
        .merge(tenants::routes())
        .merge(tokens::routes())
        .merge(nodes::routes())
        .merge(shards::routes())
        .merge(health::routes());
    OpenApiRouter::with_openapi(openapi::head()).nest(BASE, nouns)
}

/// The whole server as a service.
pub fn router(state: AppState) -> Router {
    let (router, _) = routes().split_for_parts();
    let peers = state.node_secret().map(peers::router).unwrap_or_default();
    router
        .route(&format!("{BASE}/openapi.json"), get(openapi::get_openapi))
        .route("/.well-known/openapi", get(openapi::discover_openapi))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(finish))
        .merge(peers)
        .with_state(state)
}

/// An id in a path. What is not one names nothing.
fn id_of<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

/// The engine answered with something that the command cannot lead to.
fn unexpected(answer: &Answer) -> Problem {
    Problem::internal(&format!("an answer of another kind: {answer:?}"))
}

/// A page out of all items of a list that is short enough to be read whole.
fn page_of<T, K: Position + Ord>(mut items: Vec<T>, list: &List, page: Page<K>, key: impl Fn(&T) -> K) -> PageOut<T> {
    items.sort_by_cached_key(&key);
    if let Some(from) = page.from {
        items.retain(|item| key(item) > from);
    }
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let last = items.last().filter(|_| more);
    PageOut { next_cursor: last.map(|last| list.close(&key(last))), items }
}
