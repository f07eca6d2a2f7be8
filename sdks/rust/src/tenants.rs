//! Calls about tenants, for administrators of the platform.

use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::explanation::TenantExplanation;
use crate::tenant::TenantOut;
use crate::transport::{Call, segment};

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

    /// The one of that name.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, name: &str) -> Result<TenantOut, Error> {
        self.0.call(Call::get(format!("/tenants/{}", segment(name)))).await
    }

    /// Marks a tenant for deletion; until its `erase_at` it can be restored.
    ///
    /// # Errors
    /// Any.
    pub async fn delete(&self, name: &str) -> Result<TenantOut, Error> {
        self.0.call(Call::delete(format!("/tenants/{}", segment(name))).repeatable()).await
    }

    /// Takes the mark back.
    ///
    /// # Errors
    /// Any; `state_conflict` when the waiting period is over.
    pub async fn restore(&self, name: &str) -> Result<TenantOut, Error> {
        self.0.call(Call::post(format!("/tenants/{}/restore", segment(name))).repeatable()).await
    }

    /// What holds its work, and who is there to do it.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn explain(&self, name: &str) -> Result<TenantExplanation, Error> {
        self.0.call(Call::get(format!("/tenants/{}/explain", segment(name)))).await
    }

    /// Everything of a tenant as JSON lines. The last line is of kind `end`; without it the transfer broke off.
    ///
    /// # Errors
    /// Any.
    pub async fn export(&self, name: &str) -> Result<bytes::Bytes, Error> {
        Ok(self.0.send(Call::get(format!("/tenants/{}/export", segment(name)))).await?.body)
    }

    /// All tenants.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<TenantOut>, Error> {
        self.0.pages("/tenants").await
    }
}
