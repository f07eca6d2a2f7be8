//! From RustSec's version requirements (what is patched, what never was affected) to OSV's events (what is affected).
//! It reads no document.

use std::collections::BTreeMap;

use semver::{BuildMetadata, Comparator, Op, Prerelease, Version, VersionReq};

/// From a version on, up to another that is not in it, or without end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    start: Version,
    end: Option<Version>,
}

/// The events of all versions that meet none of the requirements; none if there is no such version.
///
/// # Errors
/// A requirement that cannot be read, by its text.
pub(super) fn events(requirements: &[String]) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut intervals = Vec::new();
    for requirement in requirements {
        intervals.extend(interval(requirement).ok_or_else(|| requirement.clone())?);
    }
    intervals.sort();
    let mut events = Vec::new();
    let event = |name: &str, version: &Version| BTreeMap::from([(name.to_owned(), version.to_string())]);
    let mut reached = Some(least());
    for Interval { start, end } in intervals {
        let Some(from) = reached else { break };
        if start > from {
            events.extend([event("introduced", &from), event("fixed", &start)]);
        }
        reached = end.map(|end| end.max(from));
    }
    events.extend(reached.map(|from| event("introduced", &from)));
    Ok(events)
}

/// The versions that meet all parts of a requirement: `Some(None)` if there are none, `None` if it cannot be read.
#[expect(clippy::option_option, reason = "the outer one is the failure, which has no more to say")]
fn interval(requirement: &str) -> Option<Option<Interval>> {
    let requirement = VersionReq::parse(requirement.trim()).ok()?;
    let mut whole = Interval { start: least(), end: None };
    for comparator in &requirement.comparators {
        let part = part(comparator)?;
        whole.start = whole.start.max(part.start);
        whole.end = match (whole.end, part.end) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    let empty = whole.end.as_ref().is_some_and(|end| *end <= whole.start);
    Some((!empty).then_some(whole))
}

fn part(comparator: &Comparator) -> Option<Interval> {
    let from = first(comparator);
    let beyond = beyond(comparator);
    let (start, end) = match comparator.op {
        Op::Exact | Op::Wildcard => (from, Some(beyond)),
        Op::Greater => (beyond, None),
        Op::GreaterEq => (from, None),
        Op::Less => (least(), Some(from)),
        Op::LessEq => (least(), Some(beyond)),
        Op::Tilde => (from, Some(tilde(comparator))),
        Op::Caret => (from, Some(caret(comparator))),
        _ => return None,
    };
    Some(Interval { start, end })
}

/// The least version of all.
fn least() -> Version {
    Version { pre: lowest(), ..Version::new(0, 0, 0) }
}

/// The first version that a comparator names: parts that are left out are 0.
fn first(comparator: &Comparator) -> Version {
    Version {
        major: comparator.major,
        minor: comparator.minor.unwrap_or_default(),
        patch: comparator.patch.unwrap_or_default(),
        pre: comparator.pre.clone(),
        build: BuildMetadata::EMPTY,
    }
}

/// The first version after those that a comparator names.
fn beyond(comparator: &Comparator) -> Version {
    match (comparator.minor, comparator.patch) {
        (None, _) => Version::new(comparator.major.saturating_add(1), 0, 0),
        (Some(minor), None) => Version::new(comparator.major, minor.saturating_add(1), 0),
        (Some(minor), Some(patch)) if comparator.pre.is_empty() => {
            Version { pre: lowest(), ..Version::new(comparator.major, minor, patch.saturating_add(1)) }
        }
        (Some(_), Some(_)) => {
            let pre = Prerelease::new(&format!("{}.0", comparator.pre));
            Version { pre: pre.unwrap_or_else(|_| lowest()), ..first(comparator) }
        }
    }
}

fn tilde(comparator: &Comparator) -> Version {
    match comparator.minor {
        Some(minor) => Version::new(comparator.major, minor.saturating_add(1), 0),
        None => Version::new(comparator.major.saturating_add(1), 0, 0),
    }
}

/// The next version that may break what the comparator names: the first part that is not 0 counts.
fn caret(comparator: &Comparator) -> Version {
    match (comparator.major, comparator.minor, comparator.patch) {
        (0, Some(0), Some(patch)) => Version::new(0, 0, patch.saturating_add(1)),
        (0, Some(minor), _) => Version::new(0, minor.saturating_add(1), 0),
        (major, _, _) => Version::new(major.saturating_add(1), 0, 0),
    }
}

fn lowest() -> Prerelease {
    Prerelease::new("0").expect("a number is a pre-release")
}

#[cfg(test)]
mod tests {
    use super::events;

    fn check(requirements: &[&str], expected: &str) {
        let requirements: Vec<String> = requirements.iter().map(|&requirement| requirement.to_owned()).collect();
        let events = events(&requirements).expect("readable requirements");
        let shown: Vec<String> = events.iter().flatten().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(shown.join(", "), expected, "{requirements:?}");
    }

    #[test]
    fn what_no_requirement_covers_is_affected() {
        check(&[], "introduced 0.0.0-0");
        check(&[">= 1.2.3"], "introduced 0.0.0-0, fixed 1.2.3");
        check(&[">= 1.2.3 ", "< 1.0.0"], "introduced 1.0.0, fixed 1.2.3");
        check(&[">=2", "^1.2.3", "<= 0.9.1"], "introduced 0.9.2-0, fixed 1.2.3");
        check(
            &["^0.3.1", "~0.5.2", ">= 1.0.0"],
            "introduced 0.0.0-0, fixed 0.3.1, introduced 0.4.0, fixed 0.5.2, introduced 0.6.0, fixed 1.0.0",
        );
        check(&["^0.0.4", "> 1.1"], "introduced 0.0.0-0, fixed 0.0.4, introduced 0.0.5, fixed 1.2.0");
        check(&["= 1.0.0", "> 1.0.5"], "introduced 0.0.0-0, fixed 1.0.0, introduced 1.0.1-0, fixed 1.0.6-0");
        check(
            &["= 1.0.0-beta.1", ">= 1.0"],
            "introduced 0.0.0-0, fixed 1.0.0-beta.1, introduced 1.0.0-beta.1.0, fixed 1.0.0",
        );
        check(&["< 0.7, >= 0.6.1"], "introduced 0.0.0-0, fixed 0.6.1, introduced 0.7.0");
        check(&["< 1.0.0, > 2.0.0"], "introduced 0.0.0-0");
        check(&["*"], "");
    }

    #[test]
    fn an_unreadable_requirement_is_named() {
        assert_eq!(events(&[">= 1".to_owned(), "soon".to_owned()]), Err("soon".to_owned()));
    }
}
