//! The first tenant and its token: what a ledger needs before anybody can call.

use anyhow::{Context, Result, bail};
use orch_core::config::check_name;
use orch_core::ids::{TenantId, TokenId, v7};
use orch_core::port::{TenantRow, TokenRow};
use orch_dispatch::Command;
use orch_engine::Engine;
use rand::Rng;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The name of the first tenant.
pub const FIRST_TENANT: &str = "default";

/// All scopes; the first token has them.
pub const SCOPES: [&str; 7] =
    ["orch:read", "orch:operate", "orch:quota", "orch:backfill", "orch:worker", "orch:submit", "orch:admin"];

/// A tenant with a token, as it is printed once.
#[derive(Debug, Serialize)]
pub struct Access {
    /// The tenant's id.
    pub tenant: TenantId,
    /// The token's secret; kept nowhere.
    pub token: String,
}

/// The first tenant, if it has been made.
///
/// # Errors
/// When the ledger does not answer.
pub async fn first_tenant(engine: &Engine) -> Result<Option<TenantRow>> {
    let tenants = engine.ledger().tenant_list().await.context("could not list the tenants")?;
    Ok(tenants.into_iter().find(|tenant| tenant.name == FIRST_TENANT))
}

/// Makes the first tenant and a token with all scopes for it.
///
/// # Errors
/// When the first tenant exists already, or the engine does not answer.
pub async fn bootstrap(engine: &Engine) -> Result<Access> {
    if first_tenant(engine).await?.is_some() {
        bail!("the ledger has its first tenant already; an operator's token makes further ones");
    }
    check_name("name", FIRST_TENANT)?;
    let tenant = engine.create_tenant(FIRST_TENANT).await.context("could not make the first tenant")?;
    let token = first_token(engine, &tenant).await?;
    Ok(Access { tenant: tenant.id, token })
}

/// Makes a token with all scopes for a tenant; returns its secret.
///
/// # Errors
/// When the engine does not answer.
pub async fn first_token(engine: &Engine, tenant: &TenantRow) -> Result<String> {
    let secret = new_secret();
    let now = engine.now();
    let row = TokenRow {
        id: TokenId(v7(now, rand::rng().random())),
        tenant: tenant.no,
        name: "bootstrap".to_owned(),
        secret_sha256: Sha256::digest(&secret).into(),
        scopes: SCOPES.map(str::to_owned).to_vec(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    };
    engine.command(Command::CreateToken(row)).await.context("could not make the first token")?;
    Ok(secret)
}

/// 256 random bits behind a prefix that secret scanners can know.
fn new_secret() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    format!("orch_{}", hex::encode(bytes))
}
