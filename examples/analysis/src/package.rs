//! Packages by ecosystem and name, and how a package URL (`pkg:cargo/serde@1.0.0`) tells them.

use serde::{Deserialize, Serialize};

/// Where a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ecosystem {
    /// Rust's registry.
    #[serde(rename = "crates.io")]
    Cargo,
    /// Python's registry.
    #[serde(rename = "PyPI")]
    Pypi,
}

/// A package, by the one form of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// Its name there.
    pub name: String,
}

impl Ecosystem {
    /// As the feed names it.
    #[must_use]
    pub fn of_feed(name: &str) -> Option<Ecosystem> {
        match name {
            "crates.io" => Some(Ecosystem::Cargo),
            "PyPI" => Some(Ecosystem::Pypi),
            _ => None,
        }
    }
}

impl Package {
    /// A package of that name, in the one form that its registry compares names by.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, name: &str) -> Package {
        let name = match ecosystem {
            Ecosystem::Cargo => name.to_owned(),
            Ecosystem::Pypi => pypi_name(name),
        };
        Package { ecosystem, name }
    }
}

/// PEP 503: small letters, and each run of `-`, `_` and `.` is one `-`.
fn pypi_name(name: &str) -> String {
    let small = name.to_ascii_lowercase();
    let parts: Vec<&str> = small.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// The package and version that a package URL names, if they are of a registry that the feed speaks of.
///
/// One that says that it was got from elsewhere (a folder, a repository, another registry) is another package.
#[must_use]
pub fn of_purl(purl: &str) -> Option<(Package, String)> {
    let rest = purl.strip_prefix("pkg:")?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let elsewhere = ["repository_url=", "vcs_url=", "download_url="];
    if qualifiers.split('&').any(|qualifier| elsewhere.iter().any(|name| qualifier.starts_with(name))) {
        return None;
    }
    let (kind, rest) = rest.trim_start_matches('/').split_once('/')?;
    let ecosystem = match kind.to_ascii_lowercase().as_str() {
        "cargo" => Ecosystem::Cargo,
        "pypi" => Ecosystem::Pypi,
        _ => return None,
    };
    let (name, version) = rest.rsplit_once('@')?;
    let (name, version) = (decoded(name)?, decoded(version)?);
    (!name.is_empty() && !version.is_empty()).then(|| (Package::new(ecosystem, &name), version))
}

/// Without percent signs; `None` if what they hide is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            bytes.extend(hex::decode(after.get(..2)?).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Ecosystem, Package, of_purl};

    #[test]
    fn package_urls_of_the_two_registries_are_read() {
        for (purl, ecosystem, name, version) in [
            ("pkg:cargo/serde@1.0.0", Ecosystem::Cargo, "serde", "1.0.0"),
            ("pkg:cargo/serde@1.0.0%2Bbuild.1", Ecosystem::Cargo, "serde", "1.0.0+build.1"),
            ("pkg:PyPI/Zope.Interface@5.0?arch=x#lib", Ecosystem::Pypi, "zope-interface", "5.0"),
            ("pkg:pypi/a__b@1!2.0", Ecosystem::Pypi, "a-b", "1!2.0"),
        ] {
            assert_eq!(of_purl(purl), Some((Package::new(ecosystem, name), version.to_owned())), "{purl}");
        }
    }

    #[test]
    fn what_is_of_elsewhere_or_has_no_version_is_not() {
        for purl in [
            "pkg:npm/left-pad@1.0.0",
            "pkg:cargo/serde",
            "pkg:cargo/serde@",
            "pkg:cargo/own@0.1.0?download_url=file:///x",
            "pkg:cargo/own@0.1.0?vcs_url=git%2Bhttps://x",
            "pkg:pypi/a%ff@1",
            "pkg:pypi/a%4@1",
            "serde@1",
        ] {
            assert_eq!(of_purl(purl), None, "{purl}");
        }
    }
}
