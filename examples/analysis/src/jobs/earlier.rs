//! What earlier steps of the run found. A step's job depends on no other job, so they are looked up by the run.
//!
//! A repair keeps how steps of the run that it repairs ended, and their jobs are that run's: it is looked at, too.

use bytes::Bytes;
use orch_client::{ArtifactRef, HandlerError, JobContext, JobOut, JobQuery, JobState, RunId};
use serde::{Serialize, de::DeserializeOwned};

use super::failure;
use crate::canonical;

/// A job of an earlier step that succeeded.
#[derive(Debug)]
pub(super) struct Earlier<T> {
    /// The item's place, where the step is a map.
    pub index: Option<u32>,
    /// What it found.
    pub result: T,
}

/// The jobs of a type that succeeded in this run and in those that it repairs, the newest run's first.
pub(super) async fn all<T: DeserializeOwned>(
    ctx: &JobContext,
    job_type: &str,
) -> Result<Vec<Earlier<T>>, HandlerError> {
    let part = ctx.run().ok_or_else(|| failure::of_earlier("the job is no part of a run"))?;
    let mut found = Vec::new();
    let mut run = Some(part.run);
    while let Some(id) = run {
        for job in of_run(ctx, id, job_type).await? {
            let result = serde_json::from_value(job.result.unwrap_or_default());
            let result = result.map_err(|error| failure::of_earlier(format!("{}: {error}", job.id)))?;
            found.push(Earlier { index: job.run.and_then(|part| part.index), result });
        }
        run = ctx.client().runs().get(&id).await?.repairs;
    }
    Ok(found)
}

/// The newest one.
pub(super) async fn one<T: DeserializeOwned>(ctx: &JobContext, job_type: &str) -> Result<T, HandlerError> {
    let found = all(ctx, job_type).await?.into_iter().next();
    found.map(|earlier| earlier.result).ok_or_else(|| failure::of_earlier(format!("there is no {job_type}")))
}

async fn of_run(ctx: &JobContext, run: RunId, job_type: &str) -> Result<Vec<JobOut>, HandlerError> {
    let mut query = JobQuery {
        run: Some(run),
        job_type: Some(job_type.to_owned()),
        states: vec![JobState::Succeeded],
        limit: Some(200),
        ..JobQuery::default()
    };
    let mut jobs = Vec::new();
    loop {
        let page = ctx.client().jobs().list(&query).await?;
        jobs.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return Ok(jobs);
        }
    }
}

/// Bytes that the submitter or an earlier step kept.
pub(super) async fn bytes(ctx: &JobContext, sha256: &str) -> Result<Bytes, HandlerError> {
    Ok(ctx.client().artifacts().get(sha256).await?)
}

/// A value that an earlier step kept.
pub(super) async fn kept<T: DeserializeOwned>(ctx: &JobContext, sha256: &str) -> Result<T, HandlerError> {
    let bytes = bytes(ctx, sha256).await?;
    serde_json::from_slice(&bytes).map_err(|error| failure::of_earlier(format!("artifact {sha256}: {error}")))
}

/// Keeps a value for later steps.
pub(super) async fn keep<T: Serialize>(ctx: &JobContext, value: &T) -> Result<ArtifactRef, HandlerError> {
    Ok(ctx.put_artifact(canonical::bytes(value), "application/json").await?)
}
