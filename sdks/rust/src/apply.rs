//! The call that declares what documents say.

use serde::Serialize;
use serde_json::json;

use crate::applied::Applied;
use crate::client::Client;
use crate::error::Error;
use crate::page::Items;
use crate::transport::Call;

impl Client {
    /// Declares what documents say, in one call: an object each, with `declare` for its kind beside its members.
    ///
    /// Nothing is written if one of them is not acceptable. Then each is written by itself: look at every answer, also
    /// when the call succeeds. With `dry_run` nothing is written at all, so a rehearsing client sends the call, too.
    ///
    /// # Errors
    /// Any; a problem names the place of what is not acceptable, as `documents[3].terms[0].limit`.
    pub async fn apply<T: Serialize>(&self, documents: &[T], dry_run: bool) -> Result<Vec<Applied>, Error> {
        let call = Call::post("/apply").json(&json!({ "documents": documents, "dry_run": dry_run }))?;
        let call = if dry_run { call.harmless() } else { call };
        let answer: Items<Applied> = self.call(call).await?;
        Ok(answer.items)
    }
}
