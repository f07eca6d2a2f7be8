//! An output by digest. Calls are in `artifacts`.

use serde::{Deserialize, Serialize};

/// An output of an attempt, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Where it lies; `artifact:{sha256}` when it was uploaded to the orchestrator.
    pub uri: String,
    /// Media type.
    pub media_type: String,
    /// Size.
    pub size_bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}
