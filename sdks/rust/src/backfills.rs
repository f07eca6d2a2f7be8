//! Calls about backfills.

use serde_json::json;

use crate::backfill::{Backfill, BackfillIn, BackfillPreview, BackfillWindow};
use crate::client::Client;
use crate::error::Error;
use crate::id::BackfillId;
use crate::jobs::reason_body;
use crate::page::Page;
use crate::simulations::PATIENCE;
use crate::transport::Call;

/// Calls about backfills.
///
/// ```no_run
/// use std::time::Duration;
///
/// use orch_client::{BackfillIn, BackfillJob, Client, Range};
///
/// # async fn run(client: &Client, january: Range) -> Result<(), orch_client::Error> {
/// let wanted = BackfillIn::new("kev", january, "the export lost January", "OPS-17");
/// let wanted = wanted.window(Duration::from_secs(86_400)).jobs(BackfillJob::of("feeds.fetch"));
/// let preview = client.backfills().preview(&wanted).await?;
/// if preview.warnings.is_empty() {
///     client.backfills().create(&wanted).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Backfills<'a>(pub(crate) &'a Client);

impl Backfills<'_> {
    /// What it would do. Nothing is asked for, so a rehearsing client sends the call, too. It takes some seconds.
    ///
    /// # Errors
    /// Any; what the backfill would be refused with.
    pub async fn preview(&self, backfill: &BackfillIn) -> Result<BackfillPreview, Error> {
        self.0.call(Call::post("/backfills/preview").json(backfill)?.harmless().timeout(PATIENCE)).await
    }

    /// Asks for one. A key of its own keeps repeats of this one call from asking for two.
    ///
    /// # Errors
    /// Any; `state_conflict` when another reads some of the same.
    pub async fn create(&self, backfill: &BackfillIn) -> Result<Backfill, Error> {
        self.0.call(Call::post("/backfills").json(backfill)?.keyed(None)).await
    }

    /// A backfill.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, id: &BackfillId) -> Result<Backfill, Error> {
        self.0.call(Call::get(format!("/backfills/{id}"))).await
    }

    /// A page of backfills, newest first.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, limit: Option<u32>, cursor: Option<&str>) -> Result<Page<Backfill>, Error> {
        let call = Call::get("/backfills").maybe_query("limit", limit.map(|limit| limit.to_string()).as_deref());
        self.0.call(call.maybe_query("cursor", cursor)).await
    }

    /// A page of its windows by number.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn windows(
        &self,
        id: &BackfillId,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<BackfillWindow>, Error> {
        let call = Call::get(format!("/backfills/{id}/windows"));
        let call = call.maybe_query("limit", limit.map(|limit| limit.to_string()).as_deref());
        self.0.call(call.maybe_query("cursor", cursor)).await
    }

    /// Holds it: no window begins. What is open goes on.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn pause(&self, id: &BackfillId, reason: Option<&str>) -> Result<Backfill, Error> {
        self.turn(id, "pause", reason).await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn resume(&self, id: &BackfillId, reason: Option<&str>) -> Result<Backfill, Error> {
        self.turn(id, "resume", reason).await
    }

    /// Ends it: no window begins, and what is open is asked to stop.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn cancel(&self, id: &BackfillId, reason: Option<&str>) -> Result<Backfill, Error> {
        self.turn(id, "cancel", reason).await
    }

    async fn turn(&self, id: &BackfillId, how: &str, reason: Option<&str>) -> Result<Backfill, Error> {
        self.0.call(Call::post(format!("/backfills/{id}/{how}")).json(&reason_body(reason))?.repeatable()).await
    }

    /// Asks for a backfill of the windows that an ended one did not read.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has not ended, or read all.
    pub async fn rerun(&self, id: &BackfillId, reason: &str, ticket: &str) -> Result<Backfill, Error> {
        let body = json!({ "reason": reason, "ticket": ticket });
        self.0.call(Call::post(format!("/backfills/{id}/rerun")).json(&body)?.keyed(None)).await
    }
}
