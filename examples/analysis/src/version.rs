//! Versions as their registries order them, and whether a version lies in an advisory's ranges.

use std::{cmp::Ordering, str::FromStr};

use crate::{
    advisory::{Affected, Range},
    package::Ecosystem,
};

/// A version, comparable with others of its ecosystem.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    Cargo(semver::Version),
    Pypi(pep440_rs::Version),
}

impl Version {
    fn read(ecosystem: Ecosystem, text: &str) -> Option<Version> {
        match ecosystem {
            Ecosystem::Cargo => semver::Version::parse(text).ok().map(Version::Cargo),
            Ecosystem::Pypi => pep440_rs::Version::from_str(text).ok().map(Version::Pypi),
        }
    }

    /// Builds are of no account. Versions of two ecosystems have no order, and are never compared.
    fn order(&self, other: &Version) -> Ordering {
        match (self, other) {
            (Version::Cargo(own), Version::Cargo(other)) => own.cmp_precedence(other),
            (Version::Pypi(own), Version::Pypi(other)) => own.cmp(other),
            _ => Ordering::Equal,
        }
    }
}

/// What an advisory says of a version that it affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// This version has it.
    In(String),
    /// No version is known to have it.
    None,
}

/// Whether a version is affected, and where that ends; `None` if it is not, or is no version.
#[must_use]
pub fn affected(ecosystem: Ecosystem, version: &str, by: &Affected) -> Option<Fix> {
    let own = Version::read(ecosystem, version)?;
    let ranges = by.ranges.iter().filter(|range| matches!(range.kind.as_str(), "SEMVER" | "ECOSYSTEM"));
    let fixes: Vec<Fix> = ranges.filter_map(|range| within(&own, ecosystem, range)).collect();
    if !fixes.is_empty() {
        return latest(ecosystem, fixes);
    }
    let same =
        |other: &String| Version::read(ecosystem, other).is_some_and(|other| own.order(&other) == Ordering::Equal);
    let named = by.versions.iter().any(|other| other == version || same(other));
    named.then_some(Fix::None)
}

/// The fix that has all of them; none if one of them is.
#[must_use]
pub fn latest(ecosystem: Ecosystem, fixes: Vec<Fix>) -> Option<Fix> {
    fixes.into_iter().reduce(|one, other| match (one, other) {
        (Fix::In(one), Fix::In(other)) => {
            let less = Version::read(ecosystem, &one).zip(Version::read(ecosystem, &other));
            let less = less.is_some_and(|(one, other)| one.order(&other) == Ordering::Less);
            Fix::In(if less { other } else { one })
        }
        _ => Fix::None,
    })
}

/// Walks the events in the order of their versions: the last one that is reached decides, and the first `fixed` after it
/// is where that ends. A range with a version that cannot be read says nothing.
fn within(own: &Version, ecosystem: Ecosystem, range: &Range) -> Option<Fix> {
    let mut events = Vec::new();
    for (kind, at) in range.events.iter().flatten() {
        let read = if at == "0" { None } else { Some(Version::read(ecosystem, at)?) };
        events.push((read, kind.as_str(), at.as_str()));
    }
    events.sort_by(|one, other| match (&one.0, &other.0) {
        (Some(one), Some(other)) => one.order(other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    });
    let mut inside = false;
    for (read, kind, at) in events {
        let order = read.map_or(Ordering::Greater, |read| own.order(&read));
        // `last_affected` is inside, `fixed` is not.
        let reached = order == Ordering::Greater || (order == Ordering::Equal && kind != "last_affected");
        match (kind, reached) {
            ("introduced", true) => inside = true,
            ("fixed" | "last_affected", true) => inside = false,
            ("fixed", false) if inside => return Some(Fix::In(at.to_owned())),
            ("last_affected", false) if inside => return Some(Fix::None),
            _ => {}
        }
    }
    inside.then_some(Fix::None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Fix, affected};
    use crate::{
        advisory::{Affected, Range},
        package::Ecosystem,
    };

    fn range(kind: &str, events: &[(&str, &str)]) -> Range {
        let event = |(name, at): &(&str, &str)| BTreeMap::from([((*name).to_owned(), (*at).to_owned())]);
        Range { kind: kind.to_owned(), events: events.iter().map(event).collect() }
    }

    fn of(ranges: Vec<Range>) -> Affected {
        Affected { ranges, ..Affected::default() }
    }

    fn fixed(at: &str) -> Option<Fix> {
        Some(Fix::In(at.to_owned()))
    }

    #[test]
    fn branches_of_crates_are_fixed_each_in_its_own_version() {
        let branches = [("introduced", "0.0.0-0"), ("fixed", "0.7.1"), ("introduced", "0.8.0-0"), ("fixed", "0.8.3")];
        let by = of(vec![range("SEMVER", &branches)]);
        for (version, fix) in [
            ("0.1.0", fixed("0.7.1")),
            ("0.7.1-rc.1", fixed("0.7.1")),
            ("0.7.1", None),
            ("0.7.1+build", None),
            ("0.8.0-alpha", fixed("0.8.3")),
            ("0.8.2", fixed("0.8.3")),
            ("0.8.3", None),
            ("no version", None),
        ] {
            assert_eq!(affected(Ecosystem::Cargo, version, &by), fix, "{version}");
        }
    }

    #[test]
    fn python_versions_follow_pep_440() {
        let by = of(vec![range("ECOSYSTEM", &[("introduced", "0"), ("fixed", "2.0.post1")])]);
        for (version, fix) in [
            ("1.9", fixed("2.0.post1")),
            ("2.0rc1", fixed("2.0.post1")),
            ("2.0", fixed("2.0.post1")),
            ("2.0.post1", None),
            ("1!0.1", None),
            ("0.dev0", fixed("2.0.post1")),
        ] {
            assert_eq!(affected(Ecosystem::Pypi, version, &by), fix, "{version}");
        }
        let last = of(vec![range("ECOSYSTEM", &[("introduced", "1.0"), ("last_affected", "1.5")])]);
        for (version, fix) in [("0.9", None), ("1.0", Some(Fix::None)), ("1.5.0", Some(Fix::None)), ("1.5.1", None)] {
            assert_eq!(affected(Ecosystem::Pypi, version, &last), fix, "{version}");
        }
    }

    #[test]
    fn versions_one_by_one_count_too_and_commits_do_not() {
        let by = Affected {
            versions: vec!["1.0".to_owned()],
            ..of(vec![range("GIT", &[("introduced", "0"), ("fixed", "abc")])])
        };
        assert_eq!(affected(Ecosystem::Pypi, "1.0.0", &by), Some(Fix::None));
        assert_eq!(affected(Ecosystem::Pypi, "1.1", &by), None);
    }

    #[test]
    fn all_ranges_must_be_fixed() {
        let two = |end: &str| range("SEMVER", &[("introduced", "0"), ("fixed", end)]);
        assert_eq!(affected(Ecosystem::Cargo, "1.0.0", &of(vec![two("1.9.0"), two("1.10.0")])), fixed("1.10.0"));
        let open = range("SEMVER", &[("introduced", "1.0.0")]);
        assert_eq!(affected(Ecosystem::Cargo, "1.0.0", &of(vec![two("1.9.0"), open])), Some(Fix::None));
    }
}
