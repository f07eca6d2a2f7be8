//! `feeds.discover`: lists the feeds and makes the whole graph of the run.
//! It names its jobs by derived ids and keys, so that a repeat after a crash in the middle adds only what is missing.

use std::collections::BTreeMap;

use orch_client::{DependsOn, Done, Error, HandlerError, JobContext, JobId, JobIn};
use serde::Serialize;

use super::{
    DiscoverPayload, EXPORT, ExportPayload, FEED_LABEL, FETCH, FetchPayload, MERGE, MergePayload, PARSE, ParsePayload,
    RUN_LABEL, failure, ids,
};
use crate::{export::digest, feed::Feed, folder::Listed, location::Reader};

/// Pairs of fetch and parse in a call: a call takes 1,000 jobs.
const PAIRS_PER_CALL: usize = 500;
/// Documents of a run: a merge may depend on so many parses.
const DOCUMENTS_MAX: usize = 10_000;

/// What a discover job found.
#[derive(Debug, Serialize)]
struct Discovered {
    documents: BTreeMap<Feed, u64>,
    merge: JobId,
    export: JobId,
}

pub(super) async fn run(ctx: JobContext, payload: DiscoverPayload, reader: Reader) -> Result<Done, HandlerError> {
    let mut found: Vec<(Feed, Listed)> = Vec::new();
    let mut documents = BTreeMap::new();
    for &feed in &payload.feeds {
        let listed = reader.list(&payload.location, feed).await.map_err(failure::of_reading)?;
        documents.insert(feed, listed.len() as u64);
        found.extend(listed.into_iter().map(|listed| (feed, listed)));
    }
    if found.len() > DOCUMENTS_MAX {
        let message = format!("{} documents, a run takes {DOCUMENTS_MAX}", found.len());
        return Err(HandlerError::permanent("too_many_documents", message));
    }
    let run = Run { id: ctx.job_id(), payload: &payload };
    for (made, pairs) in found.chunks(PAIRS_PER_CALL).enumerate() {
        let percent = made * PAIRS_PER_CALL * 100 / found.len();
        let message = format!("{} of {} documents", made * PAIRS_PER_CALL, found.len());
        ctx.progress(u8::try_from(percent).unwrap_or(100), message);
        make(&ctx, &run.pairs(pairs)?).await?;
    }
    let (merge, export) = run.ending(&found, documents.clone())?;
    let discovered = Discovered { documents, merge: run.derived(MERGE, ""), export: run.derived(EXPORT, "") };
    make(&ctx, &[merge, export]).await?;
    Ok(Done::result(&discovered)?)
}

/// Makes jobs whose ids are derived. The key of the call follows from them, so that only the same jobs share it.
pub(super) async fn make(ctx: &JobContext, jobs: &[JobIn]) -> Result<(), Error> {
    let ids: Vec<String> = jobs.iter().filter_map(JobIn::id_set).map(|id| id.to_string()).collect();
    ctx.follow_ups(jobs, &digest(ids.join(" ").as_bytes())).await?;
    Ok(())
}

/// The jobs of one run.
struct Run<'a> {
    id: JobId,
    payload: &'a DiscoverPayload,
}

impl Run<'_> {
    /// A fetch and a parse for each document.
    fn pairs(&self, found: &[(Feed, Listed)]) -> Result<Vec<JobIn>, Error> {
        let mut jobs = Vec::with_capacity(found.len() * 2);
        for (feed, listed) in found {
            let (feed, path) = (*feed, listed.path.clone());
            let fetch = self.derived(FETCH, &path);
            let payload = FetchPayload { location: self.payload.location.clone(), feed, path: path.clone() };
            let labelled = |job: JobIn| job.source(feed.name()).label(FEED_LABEL, feed.name());
            jobs.push(labelled(self.job(FETCH, &path, &payload)?));
            let payload = ParsePayload { feed, path: path.clone() };
            jobs.push(labelled(self.job(PARSE, &path, &payload)?).depends_on(fetch, DependsOn::Succeeded));
        }
        Ok(jobs)
    }

    /// The merge of all that is parsed, and its export.
    fn ending(&self, found: &[(Feed, Listed)], documents: BTreeMap<Feed, u64>) -> Result<(JobIn, JobIn), Error> {
        let mut merge = self.job(MERGE, "", &MergePayload { documents })?;
        for (_, listed) in found {
            merge = merge.depends_on(self.derived(PARSE, &listed.path), DependsOn::Done);
        }
        let export = self.job(EXPORT, "", &ExportPayload {})?;
        Ok((merge, export.depends_on(self.derived(MERGE, ""), DependsOn::Succeeded)))
    }

    fn job<P: Serialize>(&self, job_type: &str, subject: &str, payload: &P) -> Result<JobIn, Error> {
        let id = self.derived(job_type, subject);
        let job = JobIn::new(job_type, payload)?.id(id).idempotency_key(id.to_string());
        Ok(job.label(RUN_LABEL, self.id.to_string()).correlation_id(&self.id.to_string()))
    }

    fn derived(&self, job_type: &str, subject: &str) -> JobId {
        ids::derived(self.id, job_type, subject)
    }
}
