//! What upstreams answer, as workers tell it: refusals, and when to come again.

use axum::extract::State;
use orch_core::{Code, Refusal};
use orch_dispatch::command::{Command, UpstreamSaid};
use serde::Deserialize;
use utoipa::ToSchema;

use super::reports::EmptyOut;
use super::token_of;
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::words::maybe_exact;
use crate::state::AppState;

/// What an upstream answered to a request of an attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "lse_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.0.1.2.0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.1",
    "status": 429, "retry_after_ms": 30000
}))]
pub struct UpstreamIn {
    /// The attempt.
    token: String,
    /// Its status. 429 and 503 are refusals, and 403 is one with `throttled`.
    #[schema(minimum = 100, maximum = 599)]
    status: u16,
    /// It says that there were too many requests: for a 403, which can mean other things.
    #[serde(default)]
    throttled: bool,
    /// It is to be asked again after so many milliseconds, and not before: its `Retry-After`, or the end of its window.
    #[serde(default, deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    retry_after_ms: Option<u64>,
    /// So many milliseconds ago the request left; without it, when the attempt began.
    #[serde(default, deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    sent_ms_ago: Option<u64>,
    /// So many milliseconds it took to answer: buckets learn what is usual, and what is much slower cuts them as well.
    #[serde(default, deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    latency_ms: Option<u64>,
}

/// Tells what an upstream answered: a refusal halves what is used of its bucket's terms, "come again later" closes it.
#[utoipa::path(
    post, path = "/worker/upstream", tag = "worker", request_body = UpstreamIn,
    responses((status = 200, body = EmptyOut, description = "It is kept"))
)]
pub async fn report_upstream(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<UpstreamIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    let UpstreamIn { token, status, throttled, retry_after_ms, sent_ms_ago, latency_ms } = body;
    if !(100..600).contains(&status) {
        let detail = format!("`status` is {status}; it must lie between 100 and 599");
        return Err(Refusal::field(Code::InvalidField, "status", detail).into());
    }
    let token = token_of(&token)?;
    let refused = matches!(status, 429 | 503) || throttled;
    let said = UpstreamSaid { throttled: refused.then_some(status), retry_after_ms, sent_ms_ago, latency_ms };
    app.engine().command(Command::Upstream { tenants: caller.tenants(), token, said }).await?;
    Ok(Json(EmptyOut {}))
}
