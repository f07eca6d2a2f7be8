//! Calls about API tokens.

use crate::client::Client;
use crate::error::Error;
use crate::token::{TokenFound, TokenIn, TokenOut};
use crate::transport::{Call, segment};

/// Calls about API tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a>(pub(crate) &'a Client);

impl Tokens<'_> {
    /// Makes a token. Not repeated by itself: its secret is shown once, and a repeat could not show it again.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, token: &TokenIn) -> Result<TokenOut, Error> {
        self.0.call(Call::post("/tokens").json(token)?).await
    }

    /// All tokens of the caller's tenant, without their secrets; revoked and expired ones too.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<TokenFound>, Error> {
        self.0.pages("/tokens").await
    }

    /// A token, without its secret.
    ///
    /// # Errors
    /// Any; `not_found` for another tenant's.
    pub async fn get(&self, id: &str) -> Result<TokenFound, Error> {
        self.0.call(Call::get(format!("/tokens/{}", segment(id)))).await
    }

    /// Revokes a token. Doing it again changes nothing.
    ///
    /// # Errors
    /// Any; `not_found` for another tenant's.
    pub async fn revoke(&self, id: &str) -> Result<TokenFound, Error> {
        self.0.call(Call::post(format!("/tokens/{}/revoke", segment(id))).repeatable()).await
    }
}
