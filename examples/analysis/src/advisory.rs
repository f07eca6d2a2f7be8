//! The merged feed, as `examples/feeds` exports it: one canonical JSON line for each advisory, by id.
//! Only what matching needs is read; what an advisory says otherwise still counts in its digest.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    package::{Ecosystem, Package},
    sbom::Sbom,
};

/// An advisory, as far as matching needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Advisory {
    /// Its id.
    pub id: String,
    /// Its other ids.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// When it was withdrawn, if it was.
    #[serde(default)]
    pub withdrawn: Option<String>,
    /// One line.
    #[serde(default)]
    pub summary: Option<String>,
    /// All scores.
    #[serde(default)]
    pub severity: Vec<Score>,
    /// All that is affected.
    #[serde(default)]
    pub affected: Vec<Affected>,
    /// What single feeds say, by name.
    #[serde(default)]
    pub database_specific: BTreeMap<String, Vec<String>>,
}

/// A score.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Score {
    /// The CVSS vector.
    pub score: String,
}

/// An affected package with its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Affected {
    /// The package.
    pub package: Named,
    /// Ranges of versions.
    #[serde(default)]
    pub ranges: Vec<Range>,
    /// Versions one by one.
    #[serde(default)]
    pub versions: Vec<String>,
}

/// A package as the feed names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// `crates.io`, `PyPI`, or what nothing here is compared with.
    pub ecosystem: String,
    /// The name there.
    pub name: String,
}

/// A range of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Range {
    /// `ECOSYSTEM`, `SEMVER` or `GIT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `introduced`, `fixed`, `last_affected`.
    pub events: Vec<BTreeMap<String, String>>,
}

/// How bad it is, by CVSS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Below 4.
    Low,
    /// From 4.
    Medium,
    /// From 7.
    High,
    /// From 9.
    Critical,
}

/// An export that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is no advisory")]
pub struct FeedError {
    line: u64,
    source: serde_json::Error,
}

/// A line of the feed.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its bytes, with the line break.
    pub bytes: Vec<u8>,
    /// What it says.
    pub advisory: Advisory,
}

/// The merged feed.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    lines: Vec<Line>,
    by_package: HashMap<Package, Vec<usize>>,
}

impl Affected {
    /// The package, if an SBOM could have it.
    #[must_use]
    pub fn package(&self) -> Option<Package> {
        Ecosystem::of_feed(&self.package.ecosystem).map(|ecosystem| Package::new(ecosystem, &self.package.name))
    }
}

impl Advisory {
    /// The packages that it speaks of.
    #[must_use]
    pub fn packages(&self) -> BTreeSet<Package> {
        self.affected.iter().filter_map(Affected::package).collect()
    }

    /// The worst of its scores; `None` if it has none that says anything.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let read = |score: &Score| cvss::Cvss::from_str(&score.score).ok();
        let word = |cvss: cvss::Cvss| match cvss.score() {
            score if score >= 9.0 => Some(Severity::Critical),
            score if score >= 7.0 => Some(Severity::High),
            score if score >= 4.0 => Some(Severity::Medium),
            score if score > 0.0 => Some(Severity::Low),
            _ => None,
        };
        self.severity.iter().filter_map(read).filter_map(word).max()
    }

    /// True if it is known to be exploited: CISA's catalogue has it.
    #[must_use]
    pub fn exploited(&self) -> bool {
        self.database_specific.contains_key("exploited_added_at")
    }

    /// What it is if it is no vulnerability: `unmaintained`, `unsound`, `notice`.
    #[must_use]
    pub fn informational(&self) -> Option<&str> {
        self.database_specific.get("informational")?.first().map(String::as_str)
    }
}

impl Feed {
    /// Reads an export, or some lines of one.
    ///
    /// # Errors
    /// The first line that is no advisory.
    pub fn read(bytes: &[u8]) -> Result<Feed, FeedError> {
        let mut feed = Feed::default();
        for (number, line) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
            let advisory: Advisory =
                serde_json::from_slice(line).map_err(|source| FeedError { line: number, source })?;
            for package in advisory.packages() {
                feed.by_package.entry(package).or_default().push(feed.lines.len());
            }
            feed.lines.push(Line { bytes: line.to_vec(), advisory });
        }
        Ok(feed)
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The advisories that speak of a package, in the feed's order.
    pub fn of_package(&self, package: &Package) -> impl Iterator<Item = &Advisory> {
        let places = self.by_package.get(package).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|&place| &self.lines[place].advisory)
    }

    /// The lines that touch an SBOM: those that speak of one of its packages, at any version, in the feed's order.
    #[must_use]
    pub fn touching(&self, sbom: &Sbom) -> Vec<&Line> {
        let of = |package| self.by_package.get(package).map(Vec::as_slice).unwrap_or_default();
        let places: BTreeSet<usize> =
            sbom.components.iter().flat_map(|component| of(&component.package)).copied().collect();
        places.into_iter().map(|place| &self.lines[place]).collect()
    }

    /// Those lines as bytes: a small feed of its own.
    #[must_use]
    pub fn slice(&self, sbom: &Sbom) -> Vec<u8> {
        self.touching(sbom).into_iter().flat_map(|line| line.bytes.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Advisory, Feed, Score, Severity};

    #[test]
    fn the_worst_score_counts_and_what_is_no_vector_does_not() {
        let of = |scores: &[&str]| {
            let severity = scores.iter().map(|score| Score { score: (*score).to_owned() }).collect();
            Advisory { severity, ..Advisory::default() }.severity()
        };
        let critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let medium = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N";
        assert_eq!(of(&[medium, critical, "x"]), Some(Severity::Critical));
        assert_eq!((of(&[medium]), of(&["x"]), of(&[])), (Some(Severity::Medium), None, None));
        let four = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N";
        assert_eq!(of(&[four]), Some(Severity::Critical));
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = Feed::read(b"{\"id\":\"A\"}\n{\"id\":\n").expect_err("is broken");
        assert_eq!(error.to_string(), "line 2 is no advisory");
    }
}
