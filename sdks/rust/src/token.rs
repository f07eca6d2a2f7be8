//! An API token. Calls are in `tokens`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A token that is asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TokenIn {
    /// Text for people.
    pub name: String,
    /// What it allows: `orch:read`, `orch:worker`, …
    pub scopes: Vec<String>,
    /// Its tenant, by name or id; `None`: the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A token that was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenOut {
    /// Its id.
    pub id: String,
    /// The secret; shown this once.
    #[serde(default)]
    pub secret: Option<String>,
    /// Text for people.
    #[serde(default)]
    pub name: String,
    /// Its tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What it allows.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When it ends.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

// The secret stays out of logs.
impl std::fmt::Debug for TokenOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenOut").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A token as it stands, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenFound {
    /// Its id.
    pub id: String,
    /// Text for people.
    #[serde(default)]
    pub name: String,
    /// Its tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What it allows.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    #[serde(default)]
    pub state: String,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it ends.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}
