//! Tenants: the platform's own act, for `orch:admin`; a caller may look at its own.
//! Deletion is in `deletion`, the export in `export`, its share beside others in `allotment`.

mod allotment;
mod deletion;
mod export;

use axum::extract::State;
use axum::http::StatusCode;
use orch_core::config::check_name;
use orch_core::port::TenantRow;
use orch_core::{Code, TenantId, TenantNo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::allotment::{AllotmentOut, Kept};
use super::cursor::List;
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::page_of;
use super::query::Query;
use super::segment::Segment;
use super::texts::{KeyHeaderText, LimitNumber, NameText, TenantIdText};
use super::words::{Moment, PageOut};
use crate::access::{Caller, Scope, require, require_any};
use crate::state::AppState;

/// The routes of tenants.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_tenants, create_tenant))
        .routes(routes!(get_tenant, deletion::delete_tenant))
        .routes(routes!(deletion::restore_tenant))
        .routes(routes!(allotment::allot_tenant))
        .routes(routes!(export::export_tenant))
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
    /// `active`, or `deleting`: it takes nothing new.
    #[schema(example = "active")]
    pub state: &'static str,
    /// Until when it can be restored, if it is being deleted.
    pub erase_at: Option<Moment>,
    /// Its share beside the others of its shard.
    pub allotment: AllotmentOut,
}

impl TenantOut {
    /// A tenant, its mark if it is marked for deletion, and its share.
    fn new(row: TenantRow, Kept { erase_at, allotment }: Kept) -> Self {
        let state = if erase_at.is_some() { "deleting" } else { "active" };
        let (created_at, erase_at) = (Moment(row.created_at), erase_at.map(Moment));
        Self { id: row.id, name: row.name, created_at, state, erase_at, allotment: allotment.into() }
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
        Ok(row) => return Ok((StatusCode::CREATED, Json(TenantOut::new(row, Kept::default())))),
        Err(error) => Problem::from(error),
    };
    // A tenant is nothing but its name, so that what is there is what a repeated call asks for.
    if key.is_some() && problem.code() == Code::StateConflict {
        let tenants = app.engine().ledger().tenant_list().await?;
        if let Some(row) = tenants.into_iter().find(|row| row.name == name) {
            return Ok((StatusCode::OK, Json(shown(&app, row).await?)));
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
    let list = List::new("tenants", app.engine().incarnation().await?, caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<String>(&list)?;
    params.finish()?;
    let kept = kept(&app).await?;
    let rows = app.engine().ledger().tenant_list().await?.into_iter();
    let tenants = rows.map(|row| TenantOut::new(row.clone(), kept(row.no))).collect();
    Ok(Json(page_of(tenants, &list, page, |tenant: &TenantOut| tenant.name.clone())))
}

/// Shows a tenant: any for `orch:admin`, the caller's own for `orch:read`.
#[utoipa::path(
    get, path = "/tenants/{name}", tag = "tenants",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = TenantOut, description = "The tenant"))
)]
pub async fn get_tenant(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<TenantOut>, Problem> {
    require_any(&caller, &[Scope::Read, Scope::Admin])?;
    query.none()?;
    let row = find(&app, &caller, &name).await?;
    shown(&app, row).await.map(Json)
}

/// The tenant of that name, if the caller may know of it.
pub async fn find(app: &AppState, caller: &Caller, name: &str) -> Result<TenantRow, Problem> {
    let rows = app.engine().ledger().tenant_list().await?;
    let found = rows.into_iter().find(|row| row.name == name);
    let found = found.filter(|row| row.no == caller.tenant() || caller.has(Scope::Admin));
    found.ok_or_else(|| Problem::not_found("tenant"))
}

async fn shown(app: &AppState, row: TenantRow) -> Result<TenantOut, Problem> {
    let kept = kept(app).await?(row.no);
    Ok(TenantOut::new(row, kept))
}

/// What the owners keep of tenants beside their rows.
async fn kept(app: &AppState) -> Result<impl Fn(TenantNo) -> Kept, Problem> {
    let marks = app.engine().tenant_marks().await?;
    let allotments = app.engine().tenant_allotments().await?;
    Ok(move |no: TenantNo| Kept {
        erase_at: marks.get(&no).copied(),
        allotment: allotments.get(&no).copied().unwrap_or_default(),
    })
}
