//! `analysis.policy`: gathers what was found in all chunks, and names the rules that are applied to it in order.

use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{LOAD, Loaded, MATCH, Matched, PolicyPayload, earlier, failure};
use crate::{matching::Finding, policy::Rule};

/// What a policy job gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathered {
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// How many findings.
    pub findings: u64,
    /// The artifact that holds them.
    pub sha256: String,
}

pub(super) async fn run(ctx: JobContext, payload: PolicyPayload) -> Result<Done, HandlerError> {
    let loaded: Loaded = earlier::one(&ctx, LOAD).await?;
    let matched = earlier::all::<Matched>(&ctx, MATCH).await?;
    let mut findings: Vec<Finding> = Vec::new();
    for chunk in &loaded.chunks {
        let of_chunk = matched.iter().find(|matched| matched.result.chunk == chunk.sha256);
        let of_chunk =
            of_chunk.ok_or_else(|| failure::of_earlier(format!("chunk {} was not compared", chunk.sha256)))?;
        findings.extend(earlier::kept::<Vec<Finding>>(&ctx, &of_chunk.result.sha256).await?);
    }
    findings.sort();
    let artifact = earlier::keep(&ctx, &findings).await?;
    let gathered = Gathered { rules: payload.rules, findings: findings.len() as u64, sha256: artifact.sha256.clone() };
    Ok(Done::result(&gathered)?.artifact(artifact))
}
