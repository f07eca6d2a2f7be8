//! Rules over findings. They are applied one after another, and each sees what those before it left: order matters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{advisory::Severity, matching::Finding};

/// What a finding, and a whole SBOM, comes to. The later is the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is said of it.
    #[default]
    Pass,
    /// To be known.
    Note,
    /// To be mended.
    Warn,
    /// Not to be shipped.
    Block,
}

impl Verdict {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Note => "note",
            Verdict::Warn => "warn",
            Verdict::Block => "block",
        }
    }
}

/// A rule: what it says of findings that meet all of its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// At least so bad. What has no score does not meet it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Known to be exploited, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<bool>,
    /// With a version that has it fixed, or without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixable: Option<bool>,
    /// No vulnerability, or one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub informational: Option<bool>,
    /// What it says.
    pub verdict: Verdict,
}

/// What a rule made of the findings that were left for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it decided.
    pub decided: Vec<Finding>,
    /// What it left for those after it.
    pub left: Vec<Finding>,
}

impl Rule {
    fn new(name: &str, verdict: Verdict) -> Rule {
        Rule { name: name.to_owned(), severity: None, exploited: None, fixable: None, informational: None, verdict }
    }

    /// Whether a finding meets all of its conditions.
    #[must_use]
    pub fn holds(&self, finding: &Finding) -> bool {
        self.severity.is_none_or(|least| finding.severity.is_some_and(|severity| severity >= least))
            && self.exploited.is_none_or(|wanted| finding.exploited == wanted)
            && self.fixable.is_none_or(|wanted| finding.fixed_in.is_some() == wanted)
            && self.informational.is_none_or(|wanted| finding.informational.is_some() == wanted)
    }

    /// Decides those that meet it, and leaves the rest.
    #[must_use]
    pub fn apply(&self, findings: Vec<Finding>) -> Step {
        let (decided, left) = findings.into_iter().partition(|finding| self.holds(finding));
        Step { decided, left }
    }
}

/// The rules where nobody gives others.
#[must_use]
pub fn usual() -> Vec<Rule> {
    vec![
        Rule { exploited: Some(true), ..Rule::new("exploited", Verdict::Block) },
        Rule { informational: Some(true), ..Rule::new("informational", Verdict::Note) },
        Rule { severity: Some(Severity::Critical), ..Rule::new("critical", Verdict::Block) },
        Rule { severity: Some(Severity::High), fixable: Some(true), ..Rule::new("high and fixable", Verdict::Block) },
        Rule { fixable: Some(true), ..Rule::new("fixable", Verdict::Warn) },
        Rule::new("rest", Verdict::Note),
    ]
}

/// How many findings came to what.
#[must_use]
pub fn counts<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> BTreeMap<Verdict, u64> {
    let mut counts = BTreeMap::new();
    for verdict in verdicts {
        *counts.entry(*verdict).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::{Rule, Verdict, usual};
    use crate::{advisory::Severity, matching::Finding};

    fn finding(severity: Option<Severity>, fixed_in: Option<&str>, exploited: bool) -> Finding {
        Finding {
            component: "pkg:cargo/a@1.0.0".to_owned(),
            advisory: "CVE-1".to_owned(),
            aliases: Vec::new(),
            fixed_in: fixed_in.map(str::to_owned),
            severity,
            exploited,
            informational: None,
            summary: None,
        }
    }

    fn verdict(rules: &[Rule], finding: &Finding) -> (String, Verdict) {
        let rule = rules.iter().find(|rule| rule.holds(finding)).expect("the last one holds");
        (rule.name.clone(), rule.verdict)
    }

    #[test]
    fn the_first_rule_that_holds_decides() {
        let rules = usual();
        for (of, name, word) in [
            (finding(Some(Severity::Low), None, true), "exploited", Verdict::Block),
            (finding(Some(Severity::Critical), None, false), "critical", Verdict::Block),
            (finding(Some(Severity::High), Some("2"), false), "high and fixable", Verdict::Block),
            (finding(Some(Severity::High), None, false), "rest", Verdict::Note),
            (finding(None, Some("2"), false), "fixable", Verdict::Warn),
        ] {
            assert_eq!(verdict(&rules, &of), (name.to_owned(), word));
        }
        let mut turned = rules;
        turned.reverse();
        let of = finding(Some(Severity::Critical), Some("2"), true);
        assert_eq!(verdict(&turned, &of).0, "rest", "order matters");
    }

    #[test]
    fn what_a_rule_does_not_decide_is_left() {
        let rule = Rule { fixable: Some(true), ..Rule::new("fixable", Verdict::Warn) };
        let step = rule.apply(vec![finding(None, Some("2"), false), finding(None, None, false)]);
        assert_eq!((step.decided.len(), step.left.len()), (1, 1));
    }
}
