//! Components against advisories: what is found. It asks nobody and decides nothing.

use serde::{Deserialize, Serialize};

use crate::{
    advisory::{Advisory, Feed, Severity},
    sbom::Component,
    version::{Fix, affected, latest},
};

/// A component that an advisory affects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The component's package URL.
    pub component: String,
    /// The advisory's id.
    pub advisory: String,
    /// Its other ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The first version after the component's that is not affected, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<String>,
    /// How bad it is, if somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// It is known to be exploited.
    pub exploited: bool,
    /// What it is if it is no vulnerability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub informational: Option<String>,
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// What the feed says of some components, sorted. Withdrawn advisories say nothing.
#[must_use]
pub fn findings(components: &[Component], feed: &Feed) -> Vec<Finding> {
    let mut found = Vec::new();
    for component in components {
        let standing = feed.of_package(&component.package).filter(|advisory| advisory.withdrawn.is_none());
        found.extend(standing.filter_map(|advisory| finding(component, advisory)));
    }
    found.sort();
    found
}

fn finding(component: &Component, advisory: &Advisory) -> Option<Finding> {
    let ecosystem = component.package.ecosystem;
    let own = advisory.affected.iter().filter(|affected| affected.package().as_ref() == Some(&component.package));
    let fixes = own.filter_map(|by| affected(ecosystem, &component.version, by)).collect();
    let fixed_in = match latest(ecosystem, fixes)? {
        Fix::In(version) => Some(version),
        Fix::None => None,
    };
    Some(Finding {
        component: component.purl.clone(),
        advisory: advisory.id.clone(),
        aliases: advisory.aliases.clone(),
        fixed_in,
        severity: advisory.severity(),
        exploited: advisory.exploited(),
        informational: advisory.informational().map(str::to_owned),
        summary: advisory.summary.clone(),
    })
}
