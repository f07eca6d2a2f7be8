//! `analysis.load`: reads the SBOM and cuts its components into chunks, each an artifact.

use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{CHUNKS_MAX, Inputs, earlier, failure};
use crate::sbom::Sbom;

/// Components of a chunk, unless that makes too many chunks.
const CHUNK: usize = 100;

/// What a load job found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// What the SBOM is the list of.
    pub subject: Option<String>,
    /// Components that are compared.
    pub components: u64,
    /// Components of registries that the feed does not speak of.
    pub elsewhere: u64,
    /// The chunks.
    pub chunks: Vec<Chunk>,
}

/// Some components.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// The artifact that holds them.
    pub sha256: String,
    /// How many.
    pub components: u64,
}

pub(super) async fn run(ctx: JobContext, inputs: Inputs) -> Result<Done, HandlerError> {
    let bytes = earlier::bytes(&ctx, &inputs.sbom).await?;
    let sbom = Sbom::read(&bytes).map_err(|error| failure::of_input("bad_sbom", &error))?;
    let components = sbom.components.len();
    let size = CHUNK.max(components.div_ceil(CHUNKS_MAX as usize));
    let mut chunks = Vec::new();
    let mut artifacts = Vec::new();
    for chunk in sbom.components.chunks(size) {
        let artifact = earlier::keep(&ctx, &chunk).await?;
        chunks.push(Chunk { sha256: artifact.sha256.clone(), components: chunk.len() as u64 });
        artifacts.push(artifact);
    }
    ctx.log(format!("{components} components in {} chunks, {} of elsewhere", chunks.len(), sbom.elsewhere));
    let loaded = Loaded { subject: sbom.subject, components: components as u64, elsewhere: sbom.elsewhere, chunks };
    Ok(artifacts.into_iter().fold(Done::result(&loaded)?, Done::artifact))
}
