//! The report on an SBOM: the same SBOM, advisories and rules have the same bytes. No time and no run stands in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    canonical,
    matching::Finding,
    policy::{Rule, Verdict, counts},
};

/// What an SBOM came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What the SBOM is the list of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// SHA-256 of the SBOM.
    pub sbom: String,
    /// SHA-256 of the advisories that speak of its packages.
    pub advisories: String,
    /// Components that were compared.
    pub components: u64,
    /// Components of registries that the feed does not speak of.
    pub elsewhere: u64,
    /// The rules, in the order in which they were applied.
    pub rules: Vec<Rule>,
    /// The worst that any finding came to.
    pub verdict: Verdict,
    /// How many findings came to what.
    pub counts: BTreeMap<Verdict, u64>,
    /// The findings.
    pub findings: Vec<Judged>,
}

/// A finding and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Judged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The rule that decided it; none did where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What it came to.
    pub verdict: Verdict,
}

/// What a report is of.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// What the SBOM is the list of.
    pub name: Option<String>,
    /// SHA-256 of the SBOM.
    pub sbom: String,
    /// SHA-256 of the advisories that speak of its packages.
    pub advisories: String,
    /// Components that were compared.
    pub components: u64,
    /// Components of registries that the feed does not speak of.
    pub elsewhere: u64,
}

impl Report {
    /// The report on what the rules decided, each in its place, and on what they left.
    #[must_use]
    pub fn new(of: Subject, rules: Vec<Rule>, decided: Vec<Vec<Finding>>, left: Vec<Finding>) -> Report {
        let mut findings: Vec<Judged> =
            left.into_iter().map(|finding| Judged { finding, rule: None, verdict: Verdict::Pass }).collect();
        for (rule, decided) in rules.iter().zip(decided) {
            let judged = |finding| Judged { finding, rule: Some(rule.name.clone()), verdict: rule.verdict };
            findings.extend(decided.into_iter().map(judged));
        }
        findings.sort();
        let verdicts = || findings.iter().map(|judged| &judged.verdict);
        Report {
            subject: of.name,
            sbom: of.sbom,
            advisories: of.advisories,
            components: of.components,
            elsewhere: of.elsewhere,
            verdict: verdicts().max().copied().unwrap_or_default(),
            counts: counts(verdicts()),
            findings,
            rules,
        }
    }

    /// Its bytes: canonical JSON, and a line break.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = canonical::bytes(self);
        bytes.push(b'\n');
        bytes
    }
}
