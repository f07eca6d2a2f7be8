//! What the platform allots a tenant beside the others of its shard.

use axum::extract::State;
use orch_core::Timestamp;
use orch_core::allotment::{Allotment, Strategy, WEIGHT_USUAL};
use orch_dispatch::command::Command;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{TenantOut, find, shown};
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::fields::Refusals;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::{NameText, ReasonText};
use crate::http::words::{StrategyWord, check_reason};
use crate::state::AppState;

/// A tenant's share beside others of its shard, and why. Each strategy takes its own field and no other's; without
/// one (`unlimited`) the weight is the usual.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"strategy": "proportional", "weight": 200, "reason": "two teams"}))]
pub struct AllotmentIn {
    /// How it shares.
    #[schema(value_type = StrategyWord)]
    pub strategy: Strategy,
    /// Its share beside others that wait; 100 when left out.
    #[serde(default = "usual")]
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: u32,
    /// With `max_limit`: attempts under way at the same time.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub active_max: Option<u32>,
    /// With `priority`: the higher is served before the lower.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub priority: Option<u32>,
    /// With `reserved`: attempts under way up to which it is served first.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub reserved: Option<u32>,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// A tenant's share beside others of its shard.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllotmentOut {
    /// How it shares.
    #[schema(value_type = StrategyWord)]
    pub strategy: Strategy,
    /// Its share beside others that wait; 100 is the usual.
    pub weight: u32,
    /// Attempts under way at the same time, at most.
    pub active_max: Option<u32>,
    /// The higher is served before the lower.
    pub priority: Option<u32>,
    /// Attempts under way up to which it is served first.
    pub reserved: Option<u32>,
}

impl From<Allotment> for AllotmentOut {
    fn from(Allotment { active_max, priority, reserved, strategy, weight }: Allotment) -> Self {
        Self { strategy, weight, active_max, priority, reserved }
    }
}

fn usual() -> u32 {
    WEIGHT_USUAL
}

/// Allots a tenant its share beside the others of its shard. The same again changes nothing.
#[utoipa::path(
    put, path = "/tenants/{name}/allotment", tag = "tenants",
    params(("name" = inline(NameText), Path, description = "Its name")),
    request_body = AllotmentIn,
    responses((status = 200, body = TenantOut, description = "The tenant"))
)]
pub async fn allot_tenant(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    Json(body): Json<AllotmentIn>,
) -> Result<Json<TenantOut>, Problem> {
    require(&caller, Scope::Admin)?;
    query.none()?;
    let AllotmentIn { strategy, weight, active_max, priority, reserved, reason } = body;
    let allotment = Allotment { active_max, priority, reserved, strategy, weight };
    let mut refusals = Refusals::default();
    refusals.note(allotment.check());
    let reason = refusals.note(check_reason(reason)).flatten();
    refusals.finish()?;
    let row = find(&app, &caller, &name).await?;
    let (tenant, actor) = (row.no, caller.actor(reason));
    app.engine().command(Command::AllotTenant { tenant, allotment, actor }).await?;
    shown(&app, row).await.map(Json)
}

/// What is kept of a tenant beside its row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept {
    /// Until when it can be restored, if it is marked for deletion.
    pub erase_at: Option<Timestamp>,
    /// Its share.
    pub allotment: Allotment,
}
