//! The isolation boundary. Calls are in `tenants`.

use serde::{Deserialize, Serialize};

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantOut {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}
