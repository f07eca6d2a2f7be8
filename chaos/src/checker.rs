//! The judge: a function of call log and ledger. It shares no code with the server: own SQL, own decoding, own rules.
//!
//! `history` reads the facts and what they make of each job, `tables` compares the rows with them, `answers` compares
//! what callers were told.

pub mod answers;
pub mod history;
pub mod ledger;
pub mod tables;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{self, Line};
use ledger::Ledger;

/// Violations of one rule that are told in full.
const TOLD_MAX: usize = 12;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub rule: &'static str,
    /// Where it shows.
    pub what: String,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// The first few of each rule.
    pub violations: Vec<Violation>,
    /// All of them, by rule.
    pub by_rule: BTreeMap<&'static str, usize>,
    /// What was looked at.
    pub counted: BTreeMap<String, u64>,
}

impl Verdict {
    /// A promise is broken.
    pub fn broken(&mut self, rule: &'static str, what: impl Into<String>) {
        let count = self.by_rule.entry(rule).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            self.violations.push(Violation { rule, what: what.into() });
        }
    }

    /// Something was looked at.
    pub fn count(&mut self, name: &str, by: u64) {
        *self.counted.entry(name.to_owned()).or_default() += by;
    }
}

/// Judges.
#[must_use]
pub fn judge(lines: &[Line], ledger: &Ledger) -> Verdict {
    let mut verdict = Verdict::default();
    let lives = history::read(ledger, &mut verdict);
    tables::compare(ledger, &lives, &mut verdict);
    answers::compare(&record::calls(lines), ledger, &lives, &mut verdict);
    verdict
}
