//! Which SBOMs run: each whose bytes, or whose advisories, no run of the graph has had yet.
//!
//! The run token is a digest of both, and so are the inputs: the same again is the same run, whatever else the feed says.

use std::time::Duration;

use anyhow::Context;
use orch_client::{Client, JobQuery, NewRun, RunId, RunState};
use uuid::Uuid;

use crate::{
    advisory::Feed,
    canonical,
    jobs::{self, GRAPH, Inputs, REPORT, Reported, SBOM_LABEL},
    policy::Rule,
    sbom::SbomFile,
};

/// An SBOM and its run.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The file's name.
    pub name: String,
    /// Components that are compared.
    pub components: usize,
    /// Advisories that speak of its packages.
    pub advisories: usize,
    /// Its run.
    pub run: RunId,
    /// This call began it; else it was there.
    pub began: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its state.
    pub state: RunState,
    /// What it came to, and the report's bytes, if it succeeded.
    pub report: Option<(Reported, Vec<u8>)>,
}

/// The token of a run: what it is of.
#[must_use]
pub fn token(inputs: &Inputs) -> String {
    canonical::digest(format!("{}\n{}\n", inputs.sbom, inputs.advisories).as_bytes())
}

/// Starts a run for an SBOM, or finds the one that is there. Whether it began is told by the correlation id, which a
/// run keeps from the call that began it.
///
/// # Errors
/// It is no SBOM; the server refuses or cannot be reached.
pub async fn submit(client: &Client, file: &SbomFile, feed: &Feed) -> anyhow::Result<Submitted> {
    let sbom = file.read().with_context(|| format!("{} is no SBOM", file.name))?;
    let call = Uuid::now_v7().to_string();
    let sbom_kept = client.artifacts().put(file.bytes.clone(), "application/vnd.cyclonedx+json").await?;
    let advisories_kept = client.artifacts().put(feed.slice(&sbom), "application/jsonl").await?;
    let inputs = Inputs { sbom: sbom_kept.sha256, advisories: advisories_kept.sha256 };
    let run = NewRun::of(GRAPH)
        .input("sbom", inputs.sbom.clone())
        .input("advisories", inputs.advisories.clone())
        .token(token(&inputs))
        .label(SBOM_LABEL, file.name.clone())
        .correlation_id(call.clone());
    let run = client.runs().start(run).await.with_context(|| format!("could not start a run of {}", file.name))?;
    Ok(Submitted {
        name: file.name.clone(),
        components: sbom.components.len(),
        advisories: feed.touching(&sbom).len(),
        run: run.id,
        began: run.correlation_id.as_deref() == Some(call.as_str()),
    })
}

/// Declares what is needed and submits SBOMs, one after another.
///
/// # Errors
/// The first of them that cannot be submitted.
pub async fn submit_all(
    client: &Client,
    files: &[SbomFile],
    feed: &Feed,
    rules: &[Rule],
) -> anyhow::Result<Vec<Submitted>> {
    jobs::declare(client, rules).await.context("could not declare the job types and the graph")?;
    let mut submitted = Vec::new();
    for file in files {
        submitted.push(submit(client, file, feed).await?);
    }
    Ok(submitted)
}

/// Waits for the end of a run and gets its report.
///
/// # Errors
/// It does not end in time; the server cannot be reached; what succeeded has no report.
pub async fn ended(client: &Client, run: &RunId, patience: Duration) -> anyhow::Result<Ended> {
    let state = client.runs().wait(run, patience).await.with_context(|| format!("could not wait for {run}"))?.state;
    if state != RunState::Succeeded {
        return Ok(Ended { state, report: None });
    }
    let query = JobQuery { run: Some(*run), job_type: Some(REPORT.to_owned()), ..JobQuery::default() };
    let job = client.jobs().list(&query).await?.items.into_iter().next();
    let result = job.and_then(|job| job.result).with_context(|| format!("{run} has no report"))?;
    let reported: Reported = serde_json::from_value(result).with_context(|| format!("the report of {run}"))?;
    let bytes = client.artifacts().get(&reported.sha256).await?.to_vec();
    Ok(Ended { state, report: Some((reported, bytes)) })
}
