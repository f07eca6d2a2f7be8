//! Windows of feeds put together again: what backfills read, as entries and as an export.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use orch_client::{
    Backfill, BackfillId, BackfillIn, BackfillJob, Client, Error, JobId, JobIn, JobOut, JobQuery, JobState, Range,
    Reprocess, RunState,
};
use serde_json::{Map, Value, json};

use crate::{
    export::Export,
    feed::Feed,
    jobs::{WINDOW, WindowPayload, WindowRead},
    location::Location,
    merge::merge,
    record::Entry,
};

/// Entries by feed and path: the same entry of two windows is one.
#[derive(Clone, Debug, Default)]
pub struct Parts(BTreeMap<(Feed, String), Entry>);

impl Parts {
    /// Adds what a job read.
    ///
    /// # Errors
    /// The server refuses or cannot be reached, or what the job left is not readable.
    pub async fn add(&mut self, client: &Client, job: &JobOut) -> Result<(), Error> {
        let read: Option<WindowRead> = job.result.clone().and_then(|result| serde_json::from_value(result).ok());
        let Some(sha256) = read.and_then(|read| read.sha256) else { return Ok(()) };
        let bytes = client.artifacts().get(&sha256).await?;
        let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(Error::Encode)?;
        self.0.extend(entries.into_iter().map(|entry| ((entry.feed, entry.path.clone()), entry)));
        Ok(())
    }

    /// Adds what the windows of a backfill read.
    ///
    /// # Errors
    /// The same.
    pub async fn add_backfill(&mut self, client: &Client, backfill: &BackfillId) -> Result<u64, Error> {
        let mut query = JobQuery {
            backfill: Some(*backfill),
            states: vec![JobState::Succeeded],
            limit: Some(200),
            ..JobQuery::default()
        };
        let mut jobs = 0;
        loop {
            let page = client.jobs().list(&query).await?;
            for job in &page.items {
                // Pages leave results out.
                self.add(client, &client.jobs().get(&job.id).await?).await?;
                jobs += 1;
            }
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return Ok(jobs);
            }
        }
    }

    /// Loses what was published within a range. How many entries that were.
    pub fn lose(&mut self, range: Range) -> usize {
        let before = self.0.len();
        self.0.retain(|_, entry| {
            let times =
                entry.records.iter().filter_map(|record| record.published.as_deref()?.parse::<Timestamp>().ok());
            !times.min().is_some_and(|at| range.from <= at && at < range.to)
        });
        before - self.0.len()
    }

    /// All of them, merged.
    #[must_use]
    pub fn export(&self) -> Export {
        Export::write(&merge(self.0.values().cloned().collect()).advisories)
    }
}

/// Reads the entries of a feed that say no time.
///
/// # Errors
/// The server refuses or cannot be reached.
pub async fn undated(client: &Client, location: &Location, feed: Feed, patience: Duration) -> Result<JobOut, Error> {
    let payload = WindowPayload { feed, location: location.clone(), window: None };
    let id = JobId::new();
    client.jobs().create(&JobIn::new(WINDOW, &payload)?.id(id).source(feed.name()), Some(&id.to_string())).await?;
    client.jobs().wait(&id, patience).await
}

/// The backfill of a feed over a range.
#[must_use]
pub fn of_feed(location: &Location, feed: Feed, range: Range, window: Duration, reprocess: Reprocess) -> BackfillIn {
    let payload: Map<String, Value> = match json!({"feed": feed, "location": location}) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let job = BackfillJob { payload, ..BackfillJob::of(WINDOW) };
    let asked = BackfillIn::new(feed.name(), range, "reads a feed again", "FEEDS-1");
    BackfillIn { reprocess: Some(reprocess), parallelism: Some(8), ..asked.window(window).jobs(job) }
}

/// Waits until a backfill has ended: for its open windows, one after the other.
///
/// # Errors
/// The server cannot be reached, or a window takes longer than that.
pub async fn ended(client: &Client, backfill: &BackfillId, patience: Duration) -> Result<Backfill, Error> {
    let states = vec![JobState::Running, JobState::Leased, JobState::Ready, JobState::Scheduled];
    let open = JobQuery { backfill: Some(*backfill), states, limit: Some(1), ..JobQuery::default() };
    loop {
        let found = client.backfills().get(backfill).await?;
        if !matches!(found.state, RunState::Running | RunState::Paused | RunState::Canceling) {
            return Ok(found);
        }
        if let Some(job) = client.jobs().list(&open).await?.items.first() {
            client.jobs().wait(&job.id, patience).await?;
        }
    }
}
