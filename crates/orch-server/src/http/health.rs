//! Health: whether this process serves. Needs no credentials and tells nothing about tenants.

use axum::extract::State;
use axum::http::StatusCode;
use orch_engine::{MemoryUse, Role};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::Json;
use crate::state::AppState;

/// The route of health.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_health))
}

/// Whether this process serves.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthOut {
    /// `ok`, `starting`, `standby` or `draining`; only `ok` comes with status 200.
    #[schema(example = "ok")]
    pub status: &'static str,
    /// What the process is to the shards: `owner` of some, `standby`: others own them all, `starting` or `stopped`.
    #[schema(example = "owner")]
    pub role: &'static str,
    /// `postgres` or `sqlite`.
    #[schema(example = "sqlite")]
    pub ledger: &'static str,
    /// The program's version.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
    /// How much memory it has.
    pub memory: MemoryOut,
}

/// How much memory the process has, and whether it takes new work; in MiB.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryOut {
    /// What it had when it was measured last; null: there is no figure here.
    #[schema(example = 118)]
    pub used_mb: Option<u64>,
    /// `memory_high_mb`: above it new work is refused as `overloaded`; 0: never.
    #[schema(example = 3400)]
    pub high_mb: u64,
    /// `memory_low_mb`: below it new work is taken again.
    #[schema(example = 3060)]
    pub low_mb: u64,
    /// New work is refused now. Claims, heartbeats, reports and reads go on.
    pub refuses_new: bool,
}

/// Tells whether this process serves.
#[utoipa::path(
    get, path = "/health", tag = "health", security(()),
    responses(
        (status = 200, body = HealthOut, description = "It serves"),
        (status = 503, body = HealthOut, description = "It does not serve now"),
    )
)]
pub async fn get_health(State(app): State<AppState>) -> (StatusCode, Json<HealthOut>) {
    let (role, status) = match app.engine().role() {
        Role::Owner => ("owner", "ok"),
        Role::Standby { forwards: true } => ("standby", "ok"),
        Role::Standby { forwards: false } => ("standby", "standby"),
        Role::Starting => ("starting", "starting"),
        Role::Stopped => ("stopped", "draining"),
    };
    let status = if app.is_draining() { "draining" } else { status };
    let code = if status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let ledger = app.engine().ledger().name();
    let MemoryUse { used_mb, marks, refuses } = app.engine().memory();
    let memory = MemoryOut { used_mb, high_mb: marks.high_mb, low_mb: marks.low_mb, refuses_new: refuses };
    (code, Json(HealthOut { status, role, ledger, version: env!("CARGO_PKG_VERSION"), memory }))
}
