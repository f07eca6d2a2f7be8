//! `feeds.export`: checks that the merged bytes are an export, and names their digest.
//! It changes nothing in them.

use std::collections::BTreeMap;

use orch_client::{ArtifactRef, Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{ExportPayload, Merging, failure};
use crate::{export::Export, feed::Feed};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Counts by feed.
    pub feeds: BTreeMap<Feed, FeedTotals>,
    /// Entries that were left out as duplicates.
    pub duplicates: u64,
    /// Lines of the export.
    pub advisories: u64,
    /// Bytes of the export.
    pub bytes: u64,
    /// SHA-256 of the export.
    pub sha256: String,
    /// The artifact that holds it.
    pub artifact: ArtifactRef,
}

/// Counts of one feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedTotals {
    /// Documents that were found.
    pub documents: u64,
    /// Documents that were parsed.
    pub parsed: u64,
    /// Documents that have a dead letter instead.
    pub rejected: u64,
    /// Entries in the documents that were parsed.
    pub entries: u64,
}

pub(super) async fn run(ctx: JobContext, _payload: ExportPayload) -> Result<Done, HandlerError> {
    let page = ctx.parents_page(None).await?;
    let parent = page.items.into_iter().next().ok_or_else(|| failure::of_parent("no merge job"))?;
    let merging: Merging = serde_json::from_value(parent.result.unwrap_or_default())
        .map_err(|error| failure::of_parent(format!("the merge job's result: {error}")))?;
    let artifact = parent.artifacts.into_iter().find(|artifact| artifact.sha256 == merging.sha256);
    let artifact = artifact.ok_or_else(|| failure::of_parent("the merge job kept no export"))?;
    let bytes = ctx.client().artifacts().get(&merging.sha256).await?.to_vec();
    let checking = tokio::task::spawn_blocking(move || Export::check(bytes));
    let checked = checking.await.map_err(failure::of_thread)?;
    let export = checked.map_err(|error| HandlerError::permanent("bad_export", error))?;
    let exported = Exported {
        feeds: totals(&merging),
        duplicates: merging.duplicates,
        advisories: export.advisories,
        bytes: export.bytes.len() as u64,
        sha256: export.digest,
        artifact: artifact.clone(),
    };
    Ok(Done::result(&exported)?.artifact(artifact))
}

fn totals(merging: &Merging) -> BTreeMap<Feed, FeedTotals> {
    let of = |counts: &BTreeMap<Feed, u64>, feed| counts.get(&feed).copied().unwrap_or_default();
    let total = |(&feed, &documents): (&Feed, &u64)| {
        let (parsed, entries) = (of(&merging.parsed, feed), of(&merging.entries, feed));
        (feed, FeedTotals { documents, parsed, rejected: documents.saturating_sub(parsed), entries })
    };
    merging.documents.iter().map(total).collect()
}
