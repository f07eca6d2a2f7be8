//! Tenants: the platform's own act, for `orch:admin`.

use axum::extract::State;
use axum::http::StatusCode;
use orch_core::config::check_name;
use orch_core::port::TenantRow;
use orch_core::{Code, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::page_of;
use super::query::Query;
use super::texts::{KeyHeaderText, LimitNumber, NameText, TenantIdText};
use super::words::{Moment, PageOut};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of tenants.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_tenants, create_tenant))
}

/// A tenant to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "acme"}))]
pub struct TenantIn {
    /// Its name; unique.
    #[schema(value_type = NameText)]
    pub name: String,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantOut {
    /// Its id.
    #[schema(value_type = TenantIdText)]
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// When it came to be.
    pub created_at: Moment,
}

impl From<TenantRow> for TenantOut {
    fn from(row: TenantRow) -> Self {
        Self { id: row.id, name: row.name, created_at: Moment(row.created_at) }
    }
}

/// Creates a tenant.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/tenants", tag = "tenants",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = TenantIn,
    responses(
        (status = 201, body = TenantOut, description = "The tenant"),
        (status = 200, body = TenantOut, description = "The tenant of this name, which was there already"),
    )
)]
pub async fn create_tenant(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(TenantIn { name }): Json<TenantIn>,
) -> Result<(StatusCode, Json<TenantOut>), Problem> {
    require(&caller, Scope::Admin)?;
    query.none()?;
    check_name("name", &name)?;
    let problem = match app.engine().create_tenant(&name).await {
        Ok(row) => return Ok((StatusCode::CREATED, Json(row.into()))),
        Err(error) => Problem::from(error),
    };
    // A tenant is nothing but its name, so that what is there is what a repeated call asks for.
    if key.is_some() && problem.code() == Code::StateConflict {
        let tenants = app.engine().ledger().tenant_list().await?;
        if let Some(row) = tenants.into_iter().find(|row| row.name == name) {
            return Ok((StatusCode::OK, Json(row.into())));
        }
    }
    Err(problem)
}

/// Lists tenants by name.
#[utoipa::path(
    get, path = "/tenants", tag = "tenants",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<TenantOut>, description = "A page"))
)]
pub async fn list_tenants(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<TenantOut>>, Problem> {
    require(&caller, Scope::Admin)?;
    let list = List::new("tenants", app.incarnation(), caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<String>(&list)?;
    params.finish()?;
    let tenants = app.engine().ledger().tenant_list().await?.into_iter().map(TenantOut::from).collect();
    Ok(Json(page_of(tenants, &list, page, |tenant: &TenantOut| tenant.name.clone())))
}
