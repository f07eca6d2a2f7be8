//! `feeds.parse`: brings the document that its parent fetched to the common shape.
//! A bad document fails for good, with the reason as its code.

use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{ParsePayload, failure, fetch::Fetched};
use crate::{
    document::{self, Document},
    feed::Feed,
    record::Entry,
};

/// Larger outputs are artifacts. Results are paged to the merge, so they are kept small.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// What a parse job came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parsed {
    pub(super) feed: Feed,
    pub(super) path: String,
    /// How many entries there are.
    pub(super) entries: u64,
    /// The entries, if they are small.
    pub(super) inline: Option<Vec<Entry>>,
    /// The digest of the artifact that holds them otherwise.
    pub(super) sha256: Option<String>,
}

pub(super) async fn run(ctx: JobContext, payload: ParsePayload) -> Result<Done, HandlerError> {
    let fetched = fetched(&ctx).await?;
    let bytes = ctx.client().artifacts().get(&fetched.sha256).await?;
    let ParsePayload { feed, path } = payload;
    let reading = tokio::task::spawn_blocking(move || {
        let Fetched { path, sha512, .. } = &fetched;
        document::read(&Document { feed, path, bytes: &bytes, sha512: sha512.as_deref() })
    });
    let read = reading.await.map_err(failure::of_thread)?;
    let entries = read.map_err(|error| failure::of_document(&error))?;
    let mut parsed = Parsed { feed, path, entries: entries.len() as u64, inline: None, sha256: None };
    let encoded = serde_json::to_vec(&entries)?;
    if encoded.len() <= INLINE_BYTES_MAX {
        parsed.inline = Some(entries);
        return Ok(Done::result(&parsed)?);
    }
    let artifact = ctx.put_artifact(encoded, "application/json").await?;
    parsed.sha256 = Some(artifact.sha256.clone());
    Ok(Done::result(&parsed)?.artifact(artifact))
}

/// The result of the only parent.
async fn fetched(ctx: &JobContext) -> Result<Fetched, HandlerError> {
    let page = ctx.parents_page(None).await?;
    let result = page.items.into_iter().next().and_then(|parent| parent.result);
    let result = result.ok_or_else(|| failure::of_parent("no fetch job, or it has no result"))?;
    serde_json::from_value(result).map_err(|error| failure::of_parent(format!("the fetch job's result: {error}")))
}
