//! `feeds.fetch`: reads one document, with its hash where the feed has one, and keeps its bytes as an artifact.
//! It looks at nothing in them: that is `feeds.parse`.

use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{FetchPayload, failure};
use crate::{
    feed::Feed,
    location::{ReadError, Reader},
};

/// A hash file is two words; more than this of one is not looked at.
const HASH_BYTES_MAX: usize = 1_024;

/// What a fetch job kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetched {
    pub(super) feed: Feed,
    pub(super) path: String,
    /// The digest of the artifact that holds the document.
    pub(super) sha256: String,
    /// The content of the hash file beside the document.
    pub(super) sha512: Option<String>,
}

pub(super) async fn run(ctx: JobContext, payload: FetchPayload, reader: Reader) -> Result<Done, HandlerError> {
    let FetchPayload { location, feed, path } = payload;
    let read = reader.read(&location, &path).await.map_err(failure::of_reading)?;
    let bytes = read.ok_or_else(|| {
        failure::of_reading(ReadError::Refused { path: path.clone(), detail: "listed, but not there".to_owned() })
    })?;
    let hash = match feed.hash_path(&path) {
        Some(hash_path) => reader.read(&location, &hash_path).await.map_err(failure::of_reading)?,
        None => None,
    };
    let sha512 = hash.map(|hash| String::from_utf8_lossy(&hash[..hash.len().min(HASH_BYTES_MAX)]).into_owned());
    let artifact = ctx.put_artifact(bytes, media_type(feed)).await?;
    let fetched = Fetched { feed, path, sha256: artifact.sha256.clone(), sha512 };
    Ok(Done::result(&fetched)?.artifact(artifact))
}

fn media_type(feed: Feed) -> &'static str {
    match feed {
        Feed::Rustsec => "text/markdown",
        Feed::Pypa => "application/yaml",
        Feed::Csaf | Feed::Kev => "application/json",
    }
}
