//! Tokens as operators see them afterwards: without their secrets, and how they are revoked.

use axum::extract::State;
use orch_core::port::{TenantRow, TokenRow};
use orch_core::{Timestamp, TokenId};
use orch_dispatch::command::Command;
use serde::Serialize;
use utoipa::ToSchema;

use super::tenant_of;
use crate::access::{Caller, Scope, require_any};
use crate::http::cursor::List;
use crate::http::error::Problem;
use crate::http::id_of;
use crate::http::json::Json;
use crate::http::query::{Params, Query};
use crate::http::segment::Segment;
use crate::http::texts::{LimitNumber, TokenIdText};
use crate::http::words::{Moment, PageOut};
use crate::state::AppState;

/// A token as it stands. Its secret is nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenFoundOut {
    /// Its id.
    #[schema(value_type = TokenIdText)]
    pub id: TokenId,
    /// Text for people.
    pub name: String,
    /// Its tenant's id.
    pub tenant: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    pub state: &'static str,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends.
    pub expires_at: Option<Moment>,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
}

impl TokenFoundOut {
    fn of_row(row: TokenRow, tenant: &str, now: Timestamp) -> Self {
        let state = match (row.revoked_at, row.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            _ => "active",
        };
        Self {
            id: row.id,
            name: row.name,
            tenant: tenant.to_owned(),
            scopes: row.scopes,
            state,
            created_at: Moment(row.created_at),
            expires_at: row.expires_at.map(Moment),
            revoked_at: row.revoked_at.map(Moment),
        }
    }
}

/// The tenant that is meant: the caller's own, or the one that the parameter names.
async fn named(app: &AppState, caller: &Caller, params: &mut Params) -> Result<TenantRow, Problem> {
    let tenant = params.one("tenant")?;
    tenant_of(app, caller, tenant.as_deref()).await
}

/// The token that is meant, with its tenant.
async fn token_of(app: &AppState, caller: &Caller, id: &str, query: Query) -> Result<(TenantRow, TokenRow), Problem> {
    let mut params = query.open()?;
    let tenant = named(app, caller, &mut params).await?;
    params.finish()?;
    let found = app.engine().ledger().token_get(tenant.no, id_of(id, "token")?).await?;
    Ok((tenant, found.ok_or_else(|| Problem::not_found("token"))?))
}

/// Lists tokens, the oldest first; revoked and expired ones too.
#[utoipa::path(
    get, path = "/tokens", tag = "tokens",
    params(
        ("tenant" = Option<String>, Query, description = "Another tenant, by id or name; only with `orch:admin`"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<TokenFoundOut>, description = "A page"))
)]
pub async fn list_tokens(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<TokenFoundOut>>, Problem> {
    require_any(&caller, &[Scope::Operate, Scope::Admin])?;
    let mut params = query.open()?;
    let tenant = named(&app, &caller, &mut params).await?;
    let list = List::new("tokens", app.engine().incarnation().await?, tenant.no, &[]);
    let page = params.page::<TokenId>(&list)?;
    params.finish()?;
    let mut rows = app.engine().ledger().token_page(tenant.no, page.from, page.limit + 1).await?;
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| list.close(&row.id));
    let (id, now) = (tenant.id.to_string(), app.engine().now());
    let items = rows.into_iter().map(|row| TokenFoundOut::of_row(row, &id, now)).collect();
    Ok(Json(PageOut { items, next_cursor }))
}

/// Shows a token.
#[utoipa::path(
    get, path = "/tokens/{id}", tag = "tokens",
    params(
        ("id" = inline(TokenIdText), Path, description = "The token"),
        ("tenant" = Option<String>, Query, description = "Another tenant, by id or name; only with `orch:admin`"),
    ),
    responses((status = 200, body = TokenFoundOut, description = "The token, without its secret"))
)]
pub async fn get_token(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<TokenFoundOut>, Problem> {
    require_any(&caller, &[Scope::Operate, Scope::Admin])?;
    let (tenant, row) = token_of(&app, &caller, &id, query).await?;
    Ok(Json(TokenFoundOut::of_row(row, &tenant.id.to_string(), app.engine().now())))
}

/// Revokes a token: it opens nothing any more. On other replicas it may work for three seconds.
#[utoipa::path(
    post, path = "/tokens/{id}/revoke", tag = "tokens",
    params(
        ("id" = inline(TokenIdText), Path, description = "The token"),
        ("tenant" = Option<String>, Query, description = "Another tenant, by id or name; only with `orch:admin`"),
    ),
    responses((status = 200, body = TokenFoundOut, description = "The token, revoked"))
)]
pub async fn revoke_token(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<TokenFoundOut>, Problem> {
    require_any(&caller, &[Scope::Operate, Scope::Admin])?;
    let (tenant, row) = token_of(&app, &caller, &id, query).await?;
    app.tokens().forget(&row.secret_sha256);
    app.engine().command(Command::RevokeToken { tenant: tenant.no, row: row.clone() }).await?;
    app.tokens().forget(&row.secret_sha256);
    let row = app.engine().ledger().token_get(tenant.no, row.id).await?.unwrap_or(row);
    Ok(Json(TokenFoundOut::of_row(row, &tenant.id.to_string(), app.engine().now())))
}
