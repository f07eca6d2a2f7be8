//! Uploads and downloads by digest.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::artifact::ArtifactRef;
use crate::client::Client;
use crate::error::Error;
use crate::transport::Call;

/// Calls about artifacts.
#[derive(Debug, Clone, Copy)]
pub struct Artifacts<'a>(pub(crate) &'a Client);

impl Artifacts<'_> {
    /// Uploads bytes. The same bytes again are the same artifact.
    ///
    /// # Errors
    /// Any.
    pub async fn put(&self, bytes: impl Into<Bytes>, media_type: &str) -> Result<ArtifactRef, Error> {
        let bytes = bytes.into();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        self.0.call(Call::put(format!("/artifacts/{sha256}")).bytes(bytes, media_type).repeatable()).await
    }

    /// Downloads bytes and checks their digest.
    ///
    /// # Errors
    /// Any; `digest_mismatch` when other bytes came than were asked for.
    pub async fn get(&self, sha256: &str) -> Result<Bytes, Error> {
        let bytes = self.0.send(Call::get(format!("/artifacts/{sha256}"))).await?.body;
        let found = hex::encode(Sha256::digest(&bytes));
        if found == sha256 {
            return Ok(bytes);
        }
        Err(Error::Problem(Box::new(crate::error::Problem {
            code: "digest_mismatch".to_owned(),
            status: 200,
            title: "digest mismatch".to_owned(),
            detail: format!("the bytes of artifact {sha256} came with digest {found}"),
            retryable: true,
            ..Default::default()
        })))
    }
}
