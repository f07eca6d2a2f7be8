//! Receipts of fairness: what a tenant was due and received in each hour, and what held its work when it fell short.

use std::collections::BTreeMap;

use axum::extract::State;
use orch_core::fairness::Receipt;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::json::Json;
use super::query::Query;
use super::words::{ItemsOut, Moment};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of receipts.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_fairness))
}

/// What the tenant was due in an hour beside the others of its shard, and what it received.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptOut {
    /// The beginning of the hour, in UTC.
    pub hour: Moment,
    /// The hour is over.
    pub closed: bool,
    /// Its share of the grants that were made while it waited, by weight among all that waited.
    pub due: f64,
    /// Its grants.
    pub received: u64,
    /// What it was due and did not receive.
    pub short_by: f64,
    /// Milliseconds in which it had waiting work.
    pub waited_ms: u64,
    /// Milliseconds in which it had waiting work and none of it could be granted, by the gate that held most of it:
    /// `paused`, `throttled`, `blackout`, `breaker`, `bucket`, `concurrency`, `quota` or `worker`.
    pub short_ms: BTreeMap<&'static str, u64>,
}

impl From<Receipt> for ReceiptOut {
    #[expect(clippy::cast_precision_loss, reason = "an hour has far fewer grants than a float is exact for")]
    fn from(Receipt { closed, due_milli, hour, received, short_ms, waited_ms }: Receipt) -> Self {
        let due = due_milli as f64 / 1_000.0;
        let short_by = due_milli.saturating_sub(received.saturating_mul(1_000)) as f64 / 1_000.0;
        let short_ms = short_ms.into_iter().map(|(short, ms)| (short.as_str(), ms)).collect();
        Self { hour: Moment(hour), closed, due, received, short_by, waited_ms, short_ms }
    }
}

/// Shows what the tenant was due and received: the last 24 hours that it wanted something in, and this one so far.
///
/// A crash of the server forgets what came after the last note, which is five minutes at most: of what was due and of
/// what was received alike.
#[utoipa::path(
    get, path = "/fairness", tag = "tenants",
    responses((status = 200, body = ItemsOut<ReceiptOut>, description = "Receipts by hour, the open one last"))
)]
pub async fn get_fairness(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<ItemsOut<ReceiptOut>>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let receipts = app.engine().fairness(caller.tenant()).await?;
    Ok(Json(ItemsOut { items: receipts.into_iter().map(ReceiptOut::from).collect() }))
}
