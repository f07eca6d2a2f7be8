//! Calls about tenants, for administrators of the platform.

use serde::Serialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::explanation::TenantExplanation;
use crate::page::Items;
use crate::tenant::{Allotment, Receipt, TenantOut};
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

    /// Allots a tenant its share beside the others of its shard.
    ///
    /// # Errors
    /// Any; `invalid_field` when the strategy lacks its field, or has another's.
    pub async fn allot(&self, name: &str, allotment: &Allotment, reason: Option<&str>) -> Result<TenantOut, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            allotment: &'a Allotment,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let path = format!("/tenants/{}/allotment", segment(name));
        self.0.call(Call::put(path).json(&Body { allotment, reason })?.repeatable()).await
    }

    /// What the caller's tenant was due and received, hour by hour, the open hour last.
    ///
    /// # Errors
    /// Any.
    pub async fn fairness(&self) -> Result<Vec<Receipt>, Error> {
        let answer: Items<Receipt> = self.0.call(Call::get("/fairness")).await?;
        Ok(answer.items)
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
