//! The job types of a run of feeds, their policies, and the handlers that a worker needs.
//!
//! ```text
//! discover ──► fetch ──succeeded──► parse ──┐
//!          ──► fetch ──succeeded──► parse ──┼──done──► merge ──succeeded──► export
//!          ──► …                            ┘            ├──► reject, one for each duplicate
//!                                                      └──► mark, one for each feed
//! ```
//! Every handler may run twice: ids are derived (see `ids`), outputs are named by digest.

use orch_client::{Client, Error, JobType, Source, WorkerBuilder};
use serde::{Deserialize, Serialize};

use crate::{
    feed::Feed,
    location::{Location, Reader},
    merge::Duplicate,
};

mod discover;
mod export;
mod failure;
mod fetch;
pub mod ids;
mod mark;
mod merge;
mod parse;
mod reject;
mod window;

pub use export::{Exported, FeedTotals};
pub use mark::MarkPayload;
pub use merge::Merging;
pub use window::{Window, WindowPayload, WindowRead};

/// Lists every feed and makes the jobs of the run.
pub const DISCOVER: &str = "feeds.discover";
/// Fetches one document and keeps it as an artifact.
pub const FETCH: &str = "feeds.fetch";
/// Brings one document to the common shape.
pub const PARSE: &str = "feeds.parse";
/// Merges what was parsed.
pub const MERGE: &str = "feeds.merge";
/// Checks the merged export and names its digest.
pub const EXPORT: &str = "feeds.export";
/// Fails for good, naming a duplicate and what it is a duplicate of.
pub const REJECT: &str = "feeds.reject";

/// Notes how far its source was read.
pub const MARK: &str = "feeds.mark";

/// Reads what a feed published within a stretch of time.
pub const WINDOW: &str = "feeds.window";

/// The label that all jobs of a run carry: the id of its discover job.
pub const RUN_LABEL: &str = "run";
/// The label that names a job's feed.
pub const FEED_LABEL: &str = "feed";

/// What a discover job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverPayload {
    /// Where the feeds are.
    pub location: Location,
    /// Which feeds.
    pub feeds: Vec<Feed>,
}

/// What a fetch job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchPayload {
    /// Where the feeds are.
    pub location: Location,
    /// The document's feed.
    pub feed: Feed,
    /// The document's path.
    pub path: String,
}

/// What a parse job is asked for: a name for people; the bytes come from its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParsePayload {
    /// The document's feed.
    pub feed: Feed,
    /// The document's path.
    pub path: String,
}

/// What a merge job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergePayload {
    /// How many documents discover found, by feed.
    pub documents: std::collections::BTreeMap<Feed, u64>,
}

/// What an export job is asked for: nothing, all comes from its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportPayload {}

/// What a reject job is asked for.
pub type RejectPayload = Duplicate;

/// The lease terms that a run may set; tests with dying workers want short leases and many lost ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaseTerms {
    /// The lease length; the server's default where absent.
    pub lease_ms: Option<u64>,
    /// Lost leases before a job is a dead letter; the server's default where absent.
    pub lost_max: Option<u32>,
}

/// The job types with their policies.
#[must_use]
pub fn job_types(terms: LeaseTerms) -> Vec<JobType> {
    let job_type = |name: &str, description: &str, tries: u32, backoff_ms: u64| JobType {
        description: Some(description.to_owned()),
        tries_max: Some(tries),
        backoff_ms: Some(backoff_ms),
        backoff_ms_max: Some(10_000),
        lease_ms: terms.lease_ms,
        lost_max: terms.lost_max,
        ..JobType::new(name)
    };
    vec![
        job_type(DISCOVER, "lists the feeds and makes the jobs of a run", 20, 250),
        job_type(FETCH, "fetches one document", 20, 250),
        job_type(PARSE, "brings one document to the common shape", 20, 250),
        job_type(MERGE, "merges what was parsed", 20, 1_000),
        job_type(EXPORT, "checks the export and names its digest", 20, 1_000),
        job_type(REJECT, "names a duplicate", 1, 1_000),
        job_type(MARK, "notes how far a source was read", 20, 250),
        job_type(WINDOW, "reads what a feed published within a stretch of time", 20, 250),
    ]
}

/// One source for each feed.
#[must_use]
pub fn sources() -> Vec<Source> {
    let kind = |feed: Feed| match feed {
        Feed::Rustsec | Feed::Pypa => "osv",
        Feed::Csaf => "csaf",
        Feed::Kev => "kev",
    };
    Feed::ALL.into_iter().map(|feed| Source::new(feed.name(), kind(feed))).collect()
}

/// Makes sure that the job types and sources are there.
///
/// # Errors
/// The server refuses or cannot be reached.
pub async fn declare(client: &Client, terms: LeaseTerms) -> Result<(), Error> {
    for job_type in job_types(terms) {
        client.job_types().create(&job_type).await?;
    }
    for source in sources() {
        client.sources().create(&source).await?;
    }
    Ok(())
}

/// Adds the handlers of all job types to a worker.
#[must_use]
pub fn handlers(builder: WorkerBuilder, reader: &Reader) -> WorkerBuilder {
    let (listing, fetching, windows) = (reader.clone(), reader.clone(), reader.clone());
    let readings = window::Readings::default();
    builder
        .handler(DISCOVER, move |ctx, payload: DiscoverPayload| discover::run(ctx, payload, listing.clone()))
        .handler(FETCH, move |ctx, payload: FetchPayload| fetch::run(ctx, payload, fetching.clone()))
        .handler(PARSE, parse::run)
        .handler(MERGE, merge::run)
        .handler(EXPORT, export::run)
        .handler(REJECT, reject::run)
        .handler(MARK, mark::run)
        .handler(WINDOW, move |ctx, payload: WindowPayload| {
            window::run(ctx, payload, windows.clone(), readings.clone())
        })
}
