//! The common shape that every document is brought to: OSV's fields, lists sorted and free of repeats.
//! It holds no rule of any feed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{canonical, feed::Feed};

/// What one entry of a document became.
///
/// An entry is what must be unique in its feed: a file, or one vulnerability of the KEV catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The feed that it came from.
    pub feed: Feed,
    /// The document's path, and for KEV the place in it (`…json#/vulnerabilities/3`).
    pub path: String,
    /// The entry's own id in its feed: a RustSec, PyPA or CVE id, or the id of a CSAF document.
    pub id: String,
    /// Its records: one, or for CSAF one for each vulnerability that it names.
    pub records: Vec<Record>,
}

/// One vulnerability as one feed tells it, in OSV's shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Last change, in the normal form of `timestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// First publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// When it was withdrawn, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Other ids of the same vulnerability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids of things that have to do with it but are not it; never merged by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The long text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    /// What is affected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<Affected>,
    /// Links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// What only this feed says, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub database_specific: BTreeMap<String, Vec<String>>,
}

/// A score and the system that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severity {
    /// `CVSS_V2`, `CVSS_V3` or `CVSS_V4`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The vector.
    pub score: String,
}

/// A link and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// OSV's reference type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub url: String,
}

/// An affected package with its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The package.
    pub package: Package,
    /// Ranges of versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Versions one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// What only this ecosystem says, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ecosystem_specific: BTreeMap<String, Vec<String>>,
}

/// A package's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// `crates.io`, `PyPI` or `CSAF`.
    pub ecosystem: String,
    /// The name there.
    pub name: String,
    /// Its package URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// A range of versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `ECOSYSTEM`, `SEMVER` or `GIT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The repository, for `GIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// `introduced`, `fixed` and the like, in the feed's own order, which has a meaning.
    pub events: Vec<BTreeMap<String, String>>,
}

impl Record {
    /// Sorts every list whose order means nothing and drops repeats.
    #[must_use]
    pub fn normalised(mut self) -> Record {
        canonical::sort_texts(&mut self.aliases);
        canonical::sort_texts(&mut self.related);
        for affected in &mut self.affected {
            affected.normalise();
        }
        canonical::sort(&mut self.severity);
        canonical::sort(&mut self.affected);
        canonical::sort(&mut self.references);
        canonical::sort_map(&mut self.database_specific);
        self
    }

    /// Its id and its aliases.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

impl Affected {
    /// A package with neither ranges nor versions yet.
    #[must_use]
    pub fn of(package: Package) -> Affected {
        Affected { package, ranges: Vec::new(), versions: Vec::new(), ecosystem_specific: BTreeMap::new() }
    }

    fn normalise(&mut self) {
        canonical::sort(&mut self.ranges);
        canonical::sort_texts(&mut self.versions);
        canonical::sort_map(&mut self.ecosystem_specific);
    }
}
