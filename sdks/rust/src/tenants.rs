//! Calls about tenants, for administrators of the platform.

use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::tenant::TenantOut;
use crate::transport::Call;

/// Calls about tenants.
#[derive(Debug, Clone, Copy)]
pub struct Tenants<'a>(pub(crate) &'a Client);

impl Tenants<'_> {
    /// Makes a tenant. Not repeated by itself when no answer comes: the name would be taken.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, name: &str) -> Result<TenantOut, Error> {
        self.0.call(Call::post("/tenants").json(&json!({ "name": name }))?).await
    }

    /// All tenants.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<TenantOut>, Error> {
        self.0.pages("/tenants").await
    }
}
