//! Calls about API tokens.

use crate::client::Client;
use crate::error::Error;
use crate::token::{TokenIn, TokenOut};
use crate::transport::Call;

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
}
