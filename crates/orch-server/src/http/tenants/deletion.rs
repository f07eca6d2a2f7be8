//! Deleting a tenant: marked first, and restored as long as the waiting period lasts.

use axum::extract::State;
use axum::http::StatusCode;
use orch_dispatch::command::Command;

use super::{TenantOut, find, shown};
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::NameText;
use crate::state::AppState;

/// Marks a tenant for deletion.
///
/// From here on it takes no jobs, tokens or declarations and hands nothing out; what is handed out may be reported,
/// and everything can be read and exported. Until `erase_at` it can be restored.
#[utoipa::path(
    delete, path = "/tenants/{name}", tag = "tenants",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 202, body = TenantOut, description = "The tenant, marked"))
)]
pub async fn delete_tenant(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<(StatusCode, Json<TenantOut>), Problem> {
    require(&caller, Scope::Admin)?;
    query.none()?;
    let row = find(&app, &caller, &name).await?;
    app.engine().command(Command::MarkTenant { tenant: row.no, actor: caller.actor(None) }).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&app, row).await?)))
}

/// Takes the mark back: the tenant is what it was.
#[utoipa::path(
    post, path = "/tenants/{name}/restore", tag = "tenants",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = TenantOut, description = "The tenant, active"))
)]
pub async fn restore_tenant(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<TenantOut>, Problem> {
    require(&caller, Scope::Admin)?;
    query.none()?;
    let row = find(&app, &caller, &name).await?;
    app.engine().command(Command::RestoreTenant { tenant: row.no, actor: caller.actor(None) }).await?;
    shown(&app, row).await.map(Json)
}
