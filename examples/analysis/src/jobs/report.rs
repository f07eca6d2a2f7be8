//! `analysis.report`: writes the report, and names its digest.

use std::collections::BTreeMap;

use orch_client::{ArtifactRef, Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{Gathered, Inputs, LOAD, Loaded, POLICY, earlier, rule};
use crate::{
    policy::Verdict,
    report::{Report, Subject},
};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The worst that any finding came to.
    pub verdict: Verdict,
    /// How many findings came to what.
    pub counts: BTreeMap<Verdict, u64>,
    /// Components that were compared.
    pub components: u64,
    /// SHA-256 of the report.
    pub sha256: String,
    /// The artifact that holds it.
    pub artifact: ArtifactRef,
}

pub(super) async fn run(ctx: JobContext, inputs: Inputs) -> Result<Done, HandlerError> {
    let loaded: Loaded = earlier::one(&ctx, LOAD).await?;
    let gathered: Gathered = earlier::one(&ctx, POLICY).await?;
    let count = u32::try_from(gathered.rules.len()).unwrap_or(u32::MAX);
    let mut left = match gathered.rules.is_empty() {
        true => earlier::kept(&ctx, &gathered.sha256).await?,
        false => Vec::new(),
    };
    let mut decided = Vec::new();
    for step in rule::steps(&ctx, &gathered, count).await? {
        decided.push(step.decided);
        left = step.left;
    }
    let of = Subject {
        name: loaded.subject,
        sbom: inputs.sbom,
        advisories: inputs.advisories,
        components: loaded.components,
        elsewhere: loaded.elsewhere,
    };
    let report = Report::new(of, gathered.rules, decided, left);
    let artifact = ctx.put_artifact(report.bytes(), "application/json").await?;
    let reported = Reported {
        verdict: report.verdict,
        counts: report.counts,
        components: report.components,
        sha256: artifact.sha256.clone(),
        artifact: artifact.clone(),
    };
    Ok(Done::result(&reported)?.artifact(artifact))
}
