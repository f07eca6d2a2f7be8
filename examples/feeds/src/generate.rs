//! Makes a small folder of feeds in the shape of the real ones, so that everything runs without any data.
//! The same plan gives the same bytes; what it must come to is returned beside them.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    document::DocumentCode,
    feed::Feed,
    merge::Duplicate,
    reading::{FeedCounts, Rejected},
};

mod bad;
mod csaf;
mod kev;
mod pypa;
mod random;
mod rustsec;
#[cfg(test)]
mod tests;

use random::Random;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The seed of everything that is left to chance.
    pub seed: u64,
    /// Good RustSec and PyPA documents, KEV entries and twice the CSAF documents.
    pub size: usize,
    /// Bad documents of each of the kinds in `bad`.
    pub bad: usize,
    /// Entries of each feed that are there a second time.
    pub duplicates: usize,
}

/// What a folder must come to. Same shapes as a reading's summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Counts by feed.
    pub feeds: BTreeMap<Feed, FeedCounts>,
    /// Documents that must be refused, by path.
    pub rejected: Vec<Rejected>,
    /// Entries that must be left out.
    pub duplicates: Vec<Duplicate>,
}

/// Files by path, and what they must come to.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What they must come to.
    pub expected: Expected,
}

/// The files of a plan.
#[must_use]
pub fn files(plan: &Plan) -> Generated {
    let mut made =
        Made { files: BTreeMap::new(), documents: BTreeMap::new(), rejected: Vec::new(), duplicates: Vec::new() };
    let mut random = Random::new(plan.seed);
    rustsec::make(&mut made, &mut random, plan);
    pypa::make(&mut made, &mut random, plan);
    csaf::make(&mut made, &mut random, plan);
    let entries = kev::make(&mut made, &mut random, plan);
    bad::make(&mut made, &mut random, plan.bad);
    made.finish(entries)
}

/// Writes the files of a plan below `dir`.
///
/// # Errors
/// A file or folder that cannot be written.
pub fn generate(dir: &Path, plan: &Plan) -> io::Result<Expected> {
    let generated = files(plan);
    for (path, bytes) in &generated.files {
        let file = dir.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, bytes)?;
    }
    Ok(generated.expected)
}

/// What has been made so far.
struct Made {
    files: BTreeMap<String, Vec<u8>>,
    documents: BTreeMap<Feed, u64>,
    rejected: Vec<Rejected>,
    duplicates: Vec<Duplicate>,
}

impl Made {
    /// Adds a document, and the hash beside it where its feed has one.
    fn document(&mut self, feed: Feed, path: &str, bytes: Vec<u8>) {
        if let Some(hash_path) = feed.hash_path(path) {
            let name = path.rsplit('/').next().unwrap_or(path);
            self.files.insert(hash_path, format!("{}  {name}", csaf::sha512(&bytes)).into_bytes());
        }
        *self.documents.entry(feed).or_default() += 1;
        self.files.insert(path.to_owned(), bytes);
    }

    /// Adds a document that must be refused.
    fn bad(&mut self, feed: Feed, path: &str, bytes: Vec<u8>, code: DocumentCode) {
        self.document(feed, path, bytes);
        self.rejected.push(Rejected { path: path.to_owned(), code });
    }

    /// Adds the document at `path` once more at `other`.
    fn twice(&mut self, feed: Feed, id: &str, path: &str, other: &str) {
        let bytes = self.files.get(path).cloned().unwrap_or_default();
        self.document(feed, other, bytes);
        self.duplicate(feed, id, path, other);
    }

    fn duplicate(&mut self, feed: Feed, id: &str, path: &str, other: &str) {
        let (kept, rejected) = (path.min(other).to_owned(), path.max(other).to_owned());
        self.duplicates.push(Duplicate { feed, id: id.to_owned(), kept, rejected });
    }

    fn finish(mut self, kev_entries: u64) -> Generated {
        self.rejected.sort();
        self.duplicates.sort();
        let counts = |feed: Feed| {
            let documents = self.documents.get(&feed).copied().unwrap_or_default();
            let rejected =
                self.rejected.iter().filter(|rejected| Feed::of_path(&rejected.path) == Some(feed)).count() as u64;
            let parsed = documents - rejected;
            let entries = if feed == Feed::Kev { kev_entries } else { parsed };
            (feed, FeedCounts { documents, parsed, rejected, entries })
        };
        let feeds = Feed::ALL.into_iter().map(counts).collect();
        Generated {
            files: self.files,
            expected: Expected { feeds, rejected: self.rejected, duplicates: self.duplicates },
        }
    }
}

/// The CVE of the vulnerability with that number; feeds that draw the same number tell of the same one.
fn cve(number: usize) -> String {
    format!("CVE-2021-{}", 10_000 + number)
}

/// The GHSA id of the vulnerability with that number.
fn ghsa(number: usize) -> String {
    format!("GHSA-{:04x}-gene-rate", 0x1000 + number)
}

/// A date of the year 2021.
fn date(random: &mut Random) -> String {
    format!("2021-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28))
}
