//! The isolation boundary. Calls are in `tenants`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantOut {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it came to be.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// `active` or `deleting`.
    #[serde(default)]
    pub state: String,
    /// Until when it can be restored, if it is being deleted.
    #[serde(default)]
    pub erase_at: Option<Timestamp>,
}
