//! `analysis.match`: compares a chunk of components with the advisories.

use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{MatchPayload, earlier, failure};
use crate::{advisory::Feed, matching::findings, sbom::Component};

/// What a match job found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// The chunk.
    pub chunk: String,
    /// How many findings.
    pub findings: u64,
    /// The artifact that holds them.
    pub sha256: String,
}

pub(super) async fn run(ctx: JobContext, payload: MatchPayload) -> Result<Done, HandlerError> {
    let advisories = earlier::bytes(&ctx, &payload.advisories).await?;
    let feed = Feed::read(&advisories).map_err(|error| failure::of_input("bad_feed", &error))?;
    let components: Vec<Component> = earlier::kept(&ctx, &payload.item.sha256).await?;
    let found = findings(&components, &feed);
    let artifact = earlier::keep(&ctx, &found).await?;
    let matched = Matched { chunk: payload.item.sha256, findings: found.len() as u64, sha256: artifact.sha256.clone() };
    Ok(Done::result(&matched)?.artifact(artifact))
}
