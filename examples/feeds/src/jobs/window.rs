//! `feeds.window`: reads what a feed published within a stretch of time, for a backfill; without one, what says no time.
//! What was read of a feed is kept as long as its list stays the same: windows on end cost one reading.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::failure;
use crate::{
    document::{self, Document},
    feed::Feed,
    folder::Listed,
    location::{Location, Reader},
    record::Entry,
};

/// A stretch of event time: from its beginning on, up to its end and not further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// What a window job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowPayload {
    /// The feed.
    pub feed: Feed,
    /// Where the feeds are.
    pub location: Location,
    /// When the entries were published; without it, those that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// What a window job came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRead {
    /// The feed.
    pub feed: Feed,
    /// When they were published.
    pub window: Option<Window>,
    /// How many entries there are.
    pub entries: u64,
    /// The digest of the artifact that holds them; nothing where there are none.
    pub sha256: Option<String>,
}

/// What was read last of a feed.
#[derive(Clone, Default)]
pub(super) struct Readings(Arc<Mutex<Vec<Reading>>>);

struct Reading {
    of: (Location, Feed),
    listed: Vec<Listed>,
    entries: Arc<Vec<Entry>>,
}

impl Readings {
    fn known(&self, of: &(Location, Feed), listed: &[Listed]) -> Option<Arc<Vec<Entry>>> {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = readings.iter().find(|reading| reading.of == *of && reading.listed == listed);
        known.map(|reading| Arc::clone(&reading.entries))
    }

    fn keep(&self, reading: Reading) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.retain(|known| known.of != reading.of);
        readings.push(reading);
    }
}

pub(super) async fn run(
    ctx: JobContext,
    payload: WindowPayload,
    reader: Reader,
    readings: Readings,
) -> Result<Done, HandlerError> {
    let WindowPayload { feed, location, window } = payload;
    let entries = all(&ctx, &reader, &readings, (location, feed)).await?;
    let within: Vec<&Entry> = entries.iter().filter(|entry| lies_in(entry, window)).collect();
    let mut read = WindowRead { feed, window, entries: within.len() as u64, sha256: None };
    if within.is_empty() {
        return Ok(Done::result(&read)?);
    }
    let artifact = ctx.put_artifact(serde_json::to_vec(&within)?, "application/json").await?;
    read.sha256 = Some(artifact.sha256.clone());
    Ok(Done::result(&read)?.artifact(artifact))
}

/// All entries of a feed. Documents that are refused have none; their own jobs say why.
async fn all(
    ctx: &JobContext,
    reader: &Reader,
    readings: &Readings,
    of: (Location, Feed),
) -> Result<Arc<Vec<Entry>>, HandlerError> {
    let (location, feed) = &of;
    let listed = reader.list(location, *feed).await.map_err(failure::of_reading)?;
    if let Some(known) = readings.known(&of, &listed) {
        return Ok(known);
    }
    let mut entries = Vec::new();
    for (number, document) in listed.iter().enumerate() {
        let percent = u8::try_from(number * 100 / listed.len().max(1)).unwrap_or(100);
        ctx.progress(percent, format!("{number} of {} documents", listed.len()));
        let path = document.path.as_str();
        let Some(bytes) = reader.read(location, path).await.map_err(failure::of_reading)? else { continue };
        let hash = match feed.hash_path(path) {
            Some(hash) => reader.read(location, &hash).await.map_err(failure::of_reading)?,
            None => None,
        };
        let sha512 = hash.as_deref().map(String::from_utf8_lossy);
        let read = document::read(&Document { feed: *feed, path, bytes: &bytes, sha512: sha512.as_deref() });
        entries.extend(read.unwrap_or_default());
    }
    let entries = Arc::new(entries);
    readings.keep(Reading { of, listed, entries: Arc::clone(&entries) });
    Ok(entries)
}

/// An entry was published when the first of its records was.
fn lies_in(entry: &Entry, window: Option<Window>) -> bool {
    let times = entry.records.iter().filter_map(|record| record.published.as_deref()?.parse::<Timestamp>().ok());
    match (times.min(), window) {
        (Some(at), Some(window)) => window.from <= at && at < window.to,
        (at, window) => at.is_none() && window.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn entry(published: &[Option<&str>]) -> Entry {
        let record = |at: &Option<&str>| Record { published: at.map(str::to_owned), ..Record::default() };
        Entry { feed: Feed::Kev, path: "p".into(), id: "i".into(), records: published.iter().map(record).collect() }
    }

    #[test]
    fn an_entry_lies_where_its_first_record_was_published() {
        let january =
            Window { from: "2026-01-01T00:00:00Z".parse().unwrap(), to: "2026-02-01T00:00:00Z".parse().unwrap() };
        let day = |text| Some(text);
        assert!(lies_in(&entry(&[day("2026-01-01T00:00:00Z")]), Some(january)));
        assert!(!lies_in(&entry(&[day("2026-02-01T00:00:00Z")]), Some(january)));
        assert!(lies_in(&entry(&[day("2026-03-01T00:00:00Z"), None, day("2026-01-31T23:59:59Z")]), Some(january)));
        assert!(lies_in(&entry(&[None]), None) && !lies_in(&entry(&[None]), Some(january)));
        assert!(!lies_in(&entry(&[day("2026-01-05T00:00:00Z")]), None));
    }
}
