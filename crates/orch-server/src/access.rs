//! Who calls and what they may do: the bearer token's hash leads to its tenant and scopes.
//! Secrets are never kept; what a token may reach inside its tenant is not decided here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use orch_core::port::{TenantRow, TokenRow};
use orch_core::{Code, TenantNo, Timestamp};
use orch_dispatch::command::Actor;
use orch_engine::Admitted;
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::http::error::Problem;
use crate::state::AppState;

/// How long a looked-up token is trusted: a revoked one works at most so long on another replica.
const TRUSTED: Duration = Duration::from_secs(3);

/// Tokens (good and bad) remembered at the same time; beyond it the memory begins anew.
const REMEMBERED_MAX: usize = 10_000;

/// Characters of a secret; more is not even hashed.
const SECRET_CHARS_MAX: usize = 256;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a token allows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Scope {
            $($(#[$doc])* $name,)*
        }

        impl Scope {
            /// All scopes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands in tokens.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The scope of this name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
            }
        }
    };
}

scopes! {
    /// Look at everything in the tenant.
    Read = "orch:read";
    /// Cancel, retry, pause, settle dead letters, declare things, make tokens of at most one's own scopes.
    Operate = "orch:operate";
    /// Set quotas.
    Quota = "orch:quota";
    /// Make backfills.
    Backfill = "orch:backfill";
    /// Speak the worker contract.
    Worker = "orch:worker";
    /// Submit jobs.
    Submit = "orch:submit";
    /// The platform's own acts: tenants, and tokens of any tenant and scope.
    Admin = "orch:admin";
}

/// The SHA-256 under which a token's secret is kept.
#[must_use]
pub fn secret_sha256(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A token's secret from 32 bytes of chance.
#[must_use]
pub fn secret_from(chance: [u8; 32]) -> String {
    format!("orch_{}", hex::encode(chance))
}

/// A caller whose token is good.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Principal>);

#[derive(Debug)]
struct Principal {
    token: TokenRow,
    subject: String,
    tenant: TenantRow,
    tenant_id: String,
}

impl Caller {
    /// The tenant's number.
    pub fn tenant(&self) -> TenantNo {
        self.0.tenant.no
    }

    /// The tenant's id, as the wire shows it.
    pub fn tenant_id(&self) -> &str {
        &self.0.tenant_id
    }

    /// The tenants whose work the caller may do.
    pub fn tenants(&self) -> Vec<TenantNo> {
        vec![self.tenant()]
    }

    /// The subject: the token's id.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The caller as the one who acts, for history.
    pub fn actor(&self, reason: Option<String>) -> Actor {
        Actor { by: self.0.subject.clone(), reason }
    }

    /// What the token allows, as it stands there.
    pub fn scopes(&self) -> &[String] {
        &self.0.token.scopes
    }

    /// Whether the token has a scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.token.scopes.iter().any(|text| text == scope.as_str())
    }
}

/// Refuses a caller without the scope.
pub fn require(caller: &Caller, scope: Scope) -> Result<(), Problem> {
    require_any(caller, &[scope])
}

/// Refuses a caller that has none of the scopes.
pub fn require_any(caller: &Caller, scopes: &[Scope]) -> Result<(), Problem> {
    if scopes.iter().any(|scope| caller.has(*scope)) {
        return Ok(());
    }
    let names: Vec<_> = scopes.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
    Err(Problem::new(Code::Forbidden, format!("this needs the scope {}", names.join(" or "))))
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let secret = bearer(parts).ok_or_else(|| unauthenticated("send `Authorization: Bearer` with an API token"))?;
        let found = app.tokens().look_up(app, secret_sha256(secret)).await?;
        let caller = found.ok_or_else(|| unauthenticated("the token is not known"))?;
        check_alive(&caller.0.token, app.engine().now())?;
        check_tenant(parts, &caller)?;
        Ok(caller)
    }
}

/// A caller who makes jobs, and its turn, which it keeps until it is answered. Taken before the body is read.
pub struct Submitter {
    /// The caller.
    pub caller: Caller,
    /// Held, not looked at.
    pub turn: Admitted,
}

impl FromRequestParts<AppState> for Submitter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        // Before the body is read: it would be memory, too.
        app.engine().takes_new()?;
        let turn = app.engine().admit(caller.tenant()).await;
        Ok(Self { caller, turn })
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    let fine = values.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    let secret = secret.trim();
    (fine && !secret.is_empty() && secret.len() <= SECRET_CHARS_MAX).then_some(secret)
}

fn check_alive(token: &TokenRow, now: Timestamp) -> Result<(), Problem> {
    if token.revoked_at.is_some() {
        return Err(unauthenticated("the token was revoked"));
    }
    if token.expires_at.is_some_and(|end| end <= now) {
        return Err(unauthenticated("the token has expired"));
    }
    Ok(())
}

/// The header may only name the tenant that the token is bound to.
fn check_tenant(parts: &Parts, caller: &Caller) -> Result<(), Problem> {
    let own = |value: &[u8]| value == caller.0.tenant_id.as_bytes() || value == caller.0.tenant.name.as_bytes();
    if parts.headers.get_all("x-stella-tenant").iter().all(|value| own(value.as_bytes())) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "`X-Stella-Tenant` names a tenant that the token does not allow"))
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail)
}

/// Tokens looked up of late, and the tenants, which never change.
#[derive(Debug, Default)]
pub struct Tokens {
    recent: Mutex<HashMap<[u8; 32], Recent>>,
    tenants: RwLock<HashMap<TenantNo, TenantRow>>,
}

#[derive(Debug, Clone)]
struct Recent {
    caller: Option<Caller>,
    at: Instant,
}

impl Tokens {
    async fn look_up(&self, app: &AppState, secret_sha256: [u8; 32]) -> Result<Option<Caller>, Problem> {
        let now = clock::instant();
        if let Some(recent) = self.recent(&secret_sha256, now) {
            return Ok(recent.caller);
        }
        let caller = match app.engine().ledger().token_lookup(secret_sha256).await? {
            Some(token) => Some(self.caller(app, token).await?),
            None => None,
        };
        self.remember(secret_sha256, Recent { caller: caller.clone(), at: now });
        Ok(caller)
    }

    /// Looks a token up again at its next use, since it was changed here.
    pub(crate) fn forget(&self, secret_sha256: &[u8; 32]) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).remove(secret_sha256);
    }

    fn recent(&self, secret_sha256: &[u8; 32], now: Instant) -> Option<Recent> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(secret_sha256).filter(|found| now.duration_since(found.at) < TRUSTED).cloned()
    }

    fn remember(&self, secret_sha256: [u8; 32], found: Recent) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= REMEMBERED_MAX {
            recent.clear();
        }
        recent.insert(secret_sha256, found);
    }

    async fn caller(&self, app: &AppState, token: TokenRow) -> Result<Caller, Problem> {
        let tenant = self.tenant(app, token.tenant).await?;
        let tenant = tenant.ok_or_else(|| Problem::internal("a token names a tenant that is not in the ledger"))?;
        let (subject, tenant_id) = (token.id.to_string(), tenant.id.to_string());
        Ok(Caller(Arc::new(Principal { token, subject, tenant, tenant_id })))
    }

    async fn tenant(&self, app: &AppState, no: TenantNo) -> Result<Option<TenantRow>, Problem> {
        let known = |map: &HashMap<TenantNo, TenantRow>| map.get(&no).cloned();
        if let Some(tenant) = known(&self.tenants.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(tenant));
        }
        let all = app.engine().ledger().tenant_list().await?;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.extend(all.into_iter().map(|tenant| (tenant.no, tenant)));
        Ok(known(&tenants))
    }
}
