//! The four feeds: their names, where their documents lie, and which file is a document.
//! It knows nothing of what is inside a document: see `document`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An upstream feed. The order is the precedence of its texts when advisories are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// RustSec: Markdown with a TOML front block.
    Rustsec,
    /// The Python Packaging Advisory Database: OSV as YAML.
    Pypa,
    /// CSAF 2.0 documents, each beside its SHA-512.
    Csaf,
    /// CISA's Known Exploited Vulnerabilities: one JSON document of many entries.
    Kev,
}

impl Feed {
    /// Every feed, in order of precedence.
    pub const ALL: [Feed; 4] = [Feed::Rustsec, Feed::Pypa, Feed::Csaf, Feed::Kev];

    /// The feed's name: its folder, its source and its label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Feed::Rustsec => "rustsec",
            Feed::Pypa => "pypa",
            Feed::Csaf => "csaf",
            Feed::Kev => "kev",
        }
    }

    /// The feed of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Feed> {
        Feed::ALL.into_iter().find(|feed| feed.name() == name)
    }

    /// The feed that a path such as `pypa/flask/PYSEC-2023-62.yaml` belongs to, if it is a document of one.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Feed> {
        let (folder, rest) = path.split_once('/')?;
        let feed = Feed::of_name(folder)?;
        let plain = rest.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        (plain && rest.ends_with(feed.extension())).then_some(feed)
    }

    /// The path of the file that holds the SHA-512 of the document at `path`, for feeds that publish one.
    #[must_use]
    pub fn hash_path(self, path: &str) -> Option<String> {
        (self == Feed::Csaf).then(|| format!("{path}.sha512"))
    }

    fn extension(self) -> &'static str {
        match self {
            Feed::Rustsec => ".md",
            Feed::Pypa => ".yaml",
            Feed::Csaf | Feed::Kev => ".json",
        }
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
