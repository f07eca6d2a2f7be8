//! The first tenant and its token, made through the engine as any other would be.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use orch_core::TokenId;
use orch_core::port::{TenantRow, TokenRow};
use orch_dispatch::Command;
use orch_engine::Engine;
use orch_server::access::{Scope, secret_from, secret_sha256};
use rand::Rng as _;
use serde::Serialize;

/// The name of the first tenant.
pub const TENANT: &str = "default";

/// A tenant's id with a token's secret.
#[derive(Debug, Serialize)]
pub struct Access {
    /// The tenant's id.
    pub tenant: String,
    /// The secret.
    pub token: String,
}

/// Waits until the engine owns its shard.
pub async fn serving(engine: &Engine, limit: Duration) -> Result<()> {
    match tokio::time::timeout(limit, engine.serving()).await {
        Ok(true) => Ok(()),
        Ok(false) => bail!("the engine has stopped; the log says why"),
        Err(_) => bail!("another server owns this ledger, or it cannot be read; the log says which"),
    }
}

/// The tenant of that name, if there is one.
pub async fn find_tenant(engine: &Engine) -> Result<Option<TenantRow>> {
    let tenants = engine.ledger().tenant_list().await.context("could not read the tenants")?;
    Ok(tenants.into_iter().find(|tenant| tenant.name == TENANT))
}

/// The first tenant; made if it is not there.
pub async fn first_tenant(engine: &Engine) -> Result<TenantRow> {
    match find_tenant(engine).await? {
        Some(tenant) => Ok(tenant),
        None => engine.create_tenant(TENANT).await.map_err(|error| anyhow!(error)).context("could not make the tenant"),
    }
}

/// Makes a token that may do everything; returns its secret, of which only a hash is kept.
pub async fn make_token(engine: &Engine, tenant: &TenantRow, name: &str) -> Result<String> {
    let secret = secret_from(rand::rng().random());
    let row = TokenRow {
        id: TokenId(engine.new_job_id().0),
        tenant: tenant.no,
        name: name.to_owned(),
        secret_sha256: secret_sha256(&secret),
        scopes: Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at: engine.now(),
        expires_at: None,
        revoked_at: None,
    };
    let made = engine.command(Command::CreateToken(row)).await;
    made.map_err(|error| anyhow!(error)).context("could not make the token")?;
    Ok(secret)
}

/// The token is one of this ledger's, of this tenant, and neither revoked nor expired.
pub async fn is_good(engine: &Engine, tenant: &TenantRow, secret: &str) -> Result<bool> {
    let found = engine.ledger().token_lookup(secret_sha256(secret)).await.context("could not read the tokens")?;
    Ok(found.is_some_and(|row| {
        let alive = row.expires_at.is_none_or(|end| end > engine.now());
        row.tenant == tenant.no && row.revoked_at.is_none() && alive
    }))
}
