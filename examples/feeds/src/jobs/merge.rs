//! `feeds.merge`: pages through what was parsed, merges it and keeps the export as an artifact.
//! Each duplicate becomes a `feeds.reject` job, which fails and so tells of it.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use orch_client::{Done, Error, HandlerError, JobContext, JobIn, JobState};
use serde::{Deserialize, Serialize};

use super::{
    FEED_LABEL, MARK, MarkPayload, MergePayload, REJECT, RUN_LABEL, discover, failure, ids, mark, parse::Parsed,
};
use crate::{
    export::Export,
    feed::Feed,
    merge::{Duplicate, merge},
    record::Entry,
};

/// Large parse results that are fetched at a time.
const FETCHES_MAX: usize = 8;
/// Jobs of one call.
const FOLLOW_UPS_MAX: usize = 1_000;

/// What a merge job came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merging {
    /// Documents that discover found, by feed.
    pub documents: BTreeMap<Feed, u64>,
    /// Documents that were parsed, by feed.
    pub parsed: BTreeMap<Feed, u64>,
    /// Entries in them, by feed.
    pub entries: BTreeMap<Feed, u64>,
    /// Entries that were left out as duplicates.
    pub duplicates: u64,
    /// The digest of the export.
    pub sha256: String,
}

pub(super) async fn run(ctx: JobContext, payload: MergePayload) -> Result<Done, HandlerError> {
    let parents = gathered(&ctx).await?;
    let counted = |count: fn(&Parsed) -> u64| {
        let mut counts: BTreeMap<Feed, u64> = payload.documents.keys().map(|&feed| (feed, 0)).collect();
        for parsed in &parents {
            *counts.entry(parsed.feed).or_default() += count(parsed);
        }
        counts
    };
    let (parsed, entries) = (counted(|_| 1), counted(|parsed| parsed.entries));
    let loaded = loaded(&ctx, parents).await?;
    let marks = mark::read(&loaded);
    ctx.progress(60, "merging");
    let merging = tokio::task::spawn_blocking(move || {
        let merged = merge(loaded);
        (Export::write(&merged.advisories), merged.duplicates)
    });
    let (export, duplicates) = merging.await.map_err(failure::of_thread)?;
    ctx.progress(80, format!("{} advisories, {} duplicates", export.advisories, duplicates.len()));
    let artifact = ctx.put_artifact(export.bytes, "application/jsonl").await?;
    for duplicates in duplicates.chunks(FOLLOW_UPS_MAX) {
        discover::make(&ctx, &rejects(&ctx, duplicates)?).await?;
    }
    discover::make(&ctx, &marking(&ctx, &marks)?).await?;
    let merging = Merging {
        documents: payload.documents,
        parsed,
        entries,
        duplicates: duplicates.len() as u64,
        sha256: artifact.sha256.clone(),
    };
    Ok(Done::result(&merging)?.artifact(artifact))
}

/// The results of all parents that succeeded; the others have dead letters of their own.
async fn gathered(ctx: &JobContext) -> Result<Vec<Parsed>, HandlerError> {
    let mut gathered = Vec::new();
    let mut cursor = None;
    loop {
        let page = ctx.parents_page(cursor.as_deref()).await?;
        for parent in page.items {
            if parent.state != JobState::Succeeded {
                continue;
            }
            let parsed = serde_json::from_value(parent.result.unwrap_or_default());
            gathered.push(parsed.map_err(|error| failure::of_parent(format!("{}: {error}", parent.job)))?);
        }
        ctx.progress(10, format!("{} documents", gathered.len()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(gathered);
        }
    }
}

/// The entries of all documents, large ones from their artifacts.
async fn loaded(ctx: &JobContext, parents: Vec<Parsed>) -> Result<Vec<Entry>, HandlerError> {
    let loading = parents.into_iter().map(|parsed| async move {
        if let Some(entries) = parsed.inline {
            return Ok::<Vec<Entry>, HandlerError>(entries);
        }
        let bytes = ctx.client().artifacts().get(parsed.sha256.as_deref().unwrap_or_default()).await?;
        let entries = serde_json::from_slice(&bytes);
        entries.map_err(|error| failure::of_parent(format!("{}: {error}", parsed.path)))
    });
    let loaded: Vec<Vec<Entry>> = stream::iter(loading).buffer_unordered(FETCHES_MAX).try_collect().await?;
    Ok(loaded.into_iter().flatten().collect())
}

/// A note for each feed of which something was read.
fn marking(ctx: &JobContext, marks: &BTreeMap<Feed, MarkPayload>) -> Result<Vec<JobIn>, Error> {
    let of = |(feed, mark): (&Feed, &MarkPayload)| follow_up(ctx, MARK, (*feed, feed.name()), mark);
    marks.iter().map(of).collect()
}

/// A job of this run for a feed.
fn follow_up<P: Serialize>(
    ctx: &JobContext,
    job_type: &str,
    (feed, subject): (Feed, &str),
    payload: &P,
) -> Result<JobIn, Error> {
    let run = ctx.labels().get(RUN_LABEL).cloned().unwrap_or_default();
    let id = ids::derived(ctx.job_id(), job_type, subject);
    let job = JobIn::new(job_type, payload)?.id(id).idempotency_key(id.to_string());
    let job = job.source(feed.name()).label(FEED_LABEL, feed.name());
    Ok(job.label(RUN_LABEL, run.clone()).correlation_id(&run))
}

fn rejects(ctx: &JobContext, duplicates: &[Duplicate]) -> Result<Vec<JobIn>, Error> {
    duplicates.iter().map(|of| follow_up(ctx, REJECT, (of.feed, &of.rejected), of)).collect()
}
