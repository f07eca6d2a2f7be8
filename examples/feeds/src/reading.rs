//! Reads a whole folder of feeds in this process, without any job: what a run of jobs must come to.
//! Its summary has the shape that `tools/read_feeds.py` prints, so that the two can be compared as they are.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    document::{self, Document, DocumentCode, DocumentError},
    export::Export,
    feed::Feed,
    folder,
    merge::{Duplicate, merge},
    record::Entry,
};

/// A folder, read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What the folder holds and what became of it.
    pub summary: Summary,
    /// The documents that were refused, with their whole reasons.
    pub errors: Vec<DocumentError>,
    /// The merged export.
    pub export: Export,
}

/// Counts, refusals and the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Counts by feed.
    pub feeds: BTreeMap<Feed, FeedCounts>,
    /// Documents that were refused, by path.
    pub rejected: Vec<Rejected>,
    /// Entries that were left out, by feed, id and path.
    pub duplicates: Vec<Duplicate>,
    /// Lines of the export.
    pub advisories: u64,
    /// Bytes of the export.
    pub bytes: u64,
    /// SHA-256 of the export.
    pub digest: String,
}

/// Counts of one feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCounts {
    /// Documents that the folder holds.
    pub documents: u64,
    /// Documents that were read.
    pub parsed: u64,
    /// Documents that were refused.
    pub rejected: u64,
    /// Entries in the documents that were read.
    pub entries: u64,
}

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejected {
    /// Its path.
    pub path: String,
    /// Why.
    pub code: DocumentCode,
}

/// Reads the four feeds of a folder, merges them and writes the export.
///
/// # Errors
/// A file or folder that cannot be read; a bad document is no error but part of the reading.
pub fn read_folder(dir: &Path) -> io::Result<Reading> {
    let mut feeds = BTreeMap::new();
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for feed in Feed::ALL {
        feeds.insert(feed, read_feed(dir, feed, &mut entries, &mut errors)?);
    }
    let merged = merge(entries);
    let export = Export::write(&merged.advisories);
    let rejected = |error: &DocumentError| Rejected { path: error.path.clone(), code: error.code };
    let mut rejected: Vec<Rejected> = errors.iter().map(rejected).collect();
    rejected.sort();
    let summary = Summary {
        feeds,
        rejected,
        duplicates: merged.duplicates,
        advisories: export.advisories,
        bytes: export.bytes.len() as u64,
        digest: export.digest.clone(),
    };
    Ok(Reading { summary, errors, export })
}

fn read_feed(
    dir: &Path,
    feed: Feed,
    entries: &mut Vec<Entry>,
    errors: &mut Vec<DocumentError>,
) -> io::Result<FeedCounts> {
    let mut counts = FeedCounts::default();
    for listed in folder::list(dir, feed)? {
        let path = listed.path.as_str();
        let bytes = folder::read(dir, path)?.unwrap_or_default();
        let hash = match feed.hash_path(path) {
            Some(hash_path) => folder::read(dir, &hash_path)?,
            None => None,
        };
        let sha512 = hash.as_deref().map(String::from_utf8_lossy);
        counts.documents += 1;
        match document::read(&Document { feed, path, bytes: &bytes, sha512: sha512.as_deref() }) {
            Ok(read) => {
                counts.parsed += 1;
                counts.entries += read.len() as u64;
                entries.extend(read);
            }
            Err(error) => {
                counts.rejected += 1;
                errors.push(error);
            }
        }
    }
    Ok(counts)
}
