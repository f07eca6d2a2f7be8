//! What every command writes: a table while it runs, and one JSON document at its end.

use std::path::Path;

use anyhow::{Context, Result};
use orch_bench::machine::Machine;
use serde::Serialize;
use serde_json::Value;

use crate::finding::Finding;
use crate::place::Commits;

/// A whole run of one command.
#[derive(Debug, Serialize)]
pub struct Document<S, R> {
    /// The program's version.
    pub version: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// What was chosen.
    pub settings: S,
    /// How the databases commit.
    pub commits: Vec<Commits>,
    /// The measurements.
    pub rows: Vec<R>,
    /// Figures beside their bars.
    pub findings: Vec<Finding>,
}

/// What a report takes from a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// How the databases commit.
    pub commits: Vec<Commits>,
    /// Figures beside their bars.
    pub findings: Vec<Finding>,
    /// The measurements, as the command wrote them.
    pub rows: Vec<Value>,
}

impl Summary {
    /// Takes another one in, but for its measurements.
    pub fn take(&mut self, other: &Self) {
        let fresh: Vec<_> = other.commits.iter().filter(|one| !self.commits.contains(one)).cloned().collect();
        self.commits.extend(fresh);
        self.findings.extend(other.findings.iter().cloned());
    }
}

/// A row as a line of a table.
pub trait Line {
    /// The head of the table.
    const HEAD: &'static [&'static str];

    /// The cells.
    fn cells(&self) -> Vec<String>;
}

impl<S: Serialize, R: Line + Serialize> Document<S, R> {
    /// Begins one, and prints the head of its table.
    pub fn begin(settings: S) -> Self {
        let machine = Machine::here();
        println!("{}\n\n{}\n{}", machine.line(), line(R::HEAD), line(&vec!["---"; R::HEAD.len()]));
        let version = env!("CARGO_PKG_VERSION");
        Self { version, machine, settings, commits: Vec::new(), rows: Vec::new(), findings: Vec::new() }
    }

    /// Adds a measurement and prints it.
    pub fn add(&mut self, commits: Commits, row: R, findings: Vec<Finding>) {
        println!("{}", line(&row.cells()));
        if !self.commits.contains(&commits) {
            self.commits.push(commits);
        }
        self.rows.push(row);
        self.findings.extend(findings);
    }

    /// Prints how the figures stand to their bars, writes the document where it is wanted, and hands on the figures.
    pub fn end(self, json: Option<&Path>) -> Result<Summary> {
        println!("\n{}", self.commits.iter().map(Commits::line).collect::<Vec<_>>().join("\n"));
        for finding in &self.findings {
            let met = if finding.met { "met" } else { "MISSED" };
            println!("{}: {} ({}, {met})", finding.what, finding.text(), finding.bar.text(finding.unit));
        }
        if let Some(path) = json {
            write(path, &self)?;
        }
        let rows = self.rows.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        Ok(Summary { commits: self.commits, findings: self.findings, rows })
    }
}

/// Writes a document as JSON.
pub fn write(path: &Path, document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(document)?;
    std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// A line of a Markdown table.
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

/// A cell that may have nothing to say.
pub fn maybe<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}
