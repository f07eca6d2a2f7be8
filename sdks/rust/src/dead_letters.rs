//! Calls about dead letters.

use crate::client::Client;
use crate::dead_letter::{DeadLetterOut, DeadLetterQuery};
use crate::error::Error;
use crate::id::JobId;
use crate::job::JobOut;
use crate::jobs::reason_body;
use crate::page::Page;
use crate::transport::Call;

/// Calls about dead letters.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetters<'a>(pub(crate) &'a Client);

impl DeadLetters<'_> {
    /// A page of them, newest first.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, query: &DeadLetterQuery) -> Result<Page<DeadLetterOut>, Error> {
        let call = Call::get("/dead-letters")
            .maybe_query("settled", query.settled.then_some("true"))
            .maybe_query("limit", query.limit.map(|limit| limit.to_string()).as_deref())
            .maybe_query("cursor", query.cursor.as_deref());
        self.0.call(call).await
    }

    /// The one of that job.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, job: &JobId) -> Result<DeadLetterOut, Error> {
        self.0.call(Call::get(format!("/dead-letters/{job}"))).await
    }

    /// Makes its job anew and settles it. Not repeated by itself when no answer comes: once settled, it stays so.
    ///
    /// # Errors
    /// Any; `state_conflict` when it is settled.
    pub async fn replay(&self, job: &JobId, reason: Option<&str>) -> Result<JobOut, Error> {
        let call = Call::post(format!("/dead-letters/{job}/replay")).json(&reason_body(reason))?;
        self.0.call(call).await
    }

    /// Settles it: nothing more is to be done.
    ///
    /// # Errors
    /// Any; `state_conflict` when it is settled.
    pub async fn discard(&self, job: &JobId, reason: Option<&str>) -> Result<(), Error> {
        let call = Call::post(format!("/dead-letters/{job}/discard")).json(&reason_body(reason))?;
        self.0.send(call).await.map(drop)
    }
}
