//! API tokens: made here, shown once. Only a hash of the secret is kept. Looking at them is in `list`.

mod list;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::port::{TenantRow, TokenRow};
use orch_core::{Code, Refusal, TokenId, limits};
use orch_dispatch::command::Command;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::fields::{Refusals, check_count, check_filled};
use super::json::Json;
use super::query::Query;
use super::texts::{FilledText, TokenIdText};
use super::words::{Moment, ScopeWord};
use crate::access::{Caller, Scope, require, require_any, secret_from, secret_sha256};
use crate::state::AppState;

/// The routes of tokens.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_token, list::list_tokens))
        .routes(routes!(list::get_token))
        .routes(routes!(list::revoke_token))
}

/// A token to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "feeds worker", "scopes": ["orch:worker", "orch:submit"]}))]
pub struct TokenIn {
    /// Text for people.
    #[schema(value_type = FilledText)]
    pub name: String,
    /// What it allows. Without `orch:admin`, at most what one's own token allows.
    #[schema(value_type = Vec<ScopeWord>, min_items = 1, max_items = 7)]
    pub scopes: Vec<String>,
    /// Another tenant, by id or name; only with `orch:admin`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// When it ends.
    #[serde(default)]
    pub expires_at: Option<Moment>,
}

/// A token with its secret, which is shown only here.
#[derive(Serialize, ToSchema)]
pub struct TokenOut {
    /// Its id.
    #[schema(value_type = TokenIdText)]
    pub id: TokenId,
    /// Send it as `Authorization: Bearer`.
    pub secret: String,
    /// Text for people.
    pub name: String,
    /// Its tenant's id.
    pub tenant: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<Moment>,
}

/// Creates a token. The secret cannot be shown again, so the call takes no idempotency key.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = TokenIn,
    responses((status = 201, body = TokenOut, description = "The token with its secret"))
)]
pub async fn create_token(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(token): Json<TokenIn>,
) -> Result<Response, Problem> {
    require_any(&caller, &[Scope::Operate, Scope::Admin])?;
    query.none()?;
    check(&app, &caller, &token)?;
    let tenant = tenant_of(&app, &caller, token.tenant.as_deref()).await?;
    let secret = secret_from(rand::rng().random());
    let row = TokenRow {
        id: TokenId(app.engine().new_job_id().0),
        tenant: tenant.no,
        name: token.name,
        secret_sha256: secret_sha256(&secret),
        scopes: token.scopes,
        created_at: app.engine().now(),
        expires_at: token.expires_at.map(|at| at.0),
        revoked_at: None,
    };
    app.engine().command(Command::CreateToken(row.clone())).await?;
    let out = TokenOut {
        id: row.id,
        secret,
        name: row.name,
        tenant: tenant.id.to_string(),
        scopes: row.scopes,
        expires_at: token.expires_at,
    };
    let mut response = (StatusCode::CREATED, Json(out)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn check(app: &AppState, caller: &Caller, token: &TokenIn) -> Result<(), Problem> {
    let mut refusals = Refusals::default();
    refusals.note(check_filled("name", &token.name, limits::NAME_CHARS_MAX));
    refusals.note(check_count("scopes", token.scopes.len(), Scope::ALL.len() as u64, "entries"));
    if token.scopes.is_empty() {
        refusals.note::<()>(Err(Refusal::field(Code::InvalidField, "scopes", "`scopes` must not be empty")));
    }
    for (place, text) in token.scopes.iter().enumerate().take(Scope::ALL.len()) {
        refusals.note(check_scope(caller, &format!("scopes[{place}]"), text));
    }
    if token.expires_at.is_some_and(|at| at.0 <= app.engine().now()) {
        let detail = "`expires_at` must lie ahead";
        refusals.note::<()>(Err(Refusal::field(Code::TimeOutOfRange, "expires_at", detail)));
    }
    refusals.finish()
}

fn check_scope(caller: &Caller, field: &str, text: &str) -> Result<(), Refusal> {
    let Some(scope) = Scope::parse(text) else {
        let names: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let detail = format!("`{field}` must be one of {}", names.join(", "));
        return Err(Refusal::field(Code::InvalidField, field, detail));
    };
    if caller.has(scope) || caller.has(Scope::Admin) {
        return Ok(());
    }
    let detail = format!("a token cannot give `{text}`, which it does not have itself");
    Err(Refusal::field(Code::Forbidden, field, detail))
}

async fn tenant_of(app: &AppState, caller: &Caller, named: Option<&str>) -> Result<TenantRow, Problem> {
    if named.is_some() {
        require(caller, Scope::Admin)?;
    }
    let tenants = app.engine().ledger().tenant_list().await?;
    let wanted = |row: &TenantRow| match named {
        Some(text) => row.name == text || row.id.to_string() == text,
        None => row.no == caller.tenant(),
    };
    let missing = || Problem::field(Code::NotFound, "tenant", "there is no such tenant");
    tenants.into_iter().find(wanted).ok_or_else(missing)
}
