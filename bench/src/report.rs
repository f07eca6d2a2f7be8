//! A row for each load: its figures beside its bars. It draws no conclusion but the ratio to the bar.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bar::{self, LoadBar};
use crate::document::{Line, maybe};
use crate::figures::mean_of_last;
use crate::finding::{Bar, Finding, Subject};
use crate::latency::Spread;
use crate::load::Outcome;
use crate::meter::{Cost, Spent};
use crate::settings::{Case, Database, Settings, Workload};
use crate::stress::Stress;

/// Seconds of a cycle from which its last minute is compared with the whole.
const LONG: usize = 300;

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The ledger.
    pub database: Database,
    /// What was done.
    pub workload: Workload,
    /// What made it harder.
    pub stress: String,
    /// Tenants.
    pub tenants: usize,
    /// Jobs in one call.
    pub batch: usize,
    /// Jobs that went through.
    pub jobs: u64,
    /// Jobs a second.
    pub jobs_per_second: f64,
    /// The bar, and this figure divided by it; 1 or more is met.
    pub bar: Option<LoadBar>,
    /// See `bar`.
    pub bar_ratio: Option<f64>,
    /// What the jobs cost.
    #[serde(flatten)]
    pub cost: Cost,
    /// The bar of the log divided by the figure, where there is one; 1 or more is met.
    pub log_bar_ratio: Option<f64>,
    /// The most memory that the server held, in MiB; in the engine with the load, and what the allocator kept of earlier
    /// measurements.
    pub server_peak_memory_mib: f64,
    /// Times of calls, by kind.
    pub calls: BTreeMap<&'static str, Spread>,
    /// Jobs done in each whole second of `work` and `cycle`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_second: Vec<u64>,
    /// Jobs that waited in each whole second of `cycle`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<u64>,
    /// What it took.
    pub spent: Spent,
}

impl Row {
    /// The row of a measurement.
    pub fn new(case: Case, settings: &Settings, outcome: Outcome, peak_memory_bytes: f64) -> Self {
        let Outcome { jobs, spent, calls, per_second, waiting, dead_tuples } = outcome;
        let jobs_per_second = jobs as f64 / spent.seconds;
        // The bars are those of plain work.
        let plain = settings.stress == Stress::default();
        let bar = bar::of(settings.face, case, settings.keys).filter(|_| plain);
        let cost = Cost::new(&spent, jobs, dead_tuples);
        let with_keys = plain && settings.keys;
        let log_has_bar = with_keys && case.workload == Workload::Cycle && case.database == Database::Postgres;
        Self {
            database: case.database,
            workload: case.workload,
            stress: settings.stress.name(),
            tenants: case.tenants,
            batch: case.batch,
            jobs,
            jobs_per_second,
            bar,
            bar_ratio: bar.map(|bar| jobs_per_second / bar.jobs_per_second),
            log_bar_ratio: log_has_bar.then(|| bar::LOG_BYTES_PER_JOB / cost.log_bytes_per_job),
            cost,
            server_peak_memory_mib: peak_memory_bytes / f64::from(1 << 20),
            calls: calls.into_iter().collect(),
            per_second,
            waiting,
            spent,
        }
    }

    /// Its figures beside their bars.
    pub fn findings(&self, settings: &Settings) -> Vec<Finding> {
        let (face, database, workload) = (settings.face.name(), self.database.name(), self.workload.name());
        let keys = if settings.keys { "" } else { ", no keys" };
        let tenants = if self.tenants == 1 { "1 tenant".to_owned() } else { format!("{} tenants", self.tenants) };
        let what = format!("{workload}, {face}, {database}, {tenants}{keys}");
        let mut findings = Vec::new();
        if let Some(bar) = self.bar {
            let at_least = Bar::AtLeast(bar.jobs_per_second);
            let note = if bar.note.is_empty() { String::new() } else { format!(" ({})", bar.note) };
            findings.push(Finding::new(
                bar.subject,
                format!("{what}{note}"),
                (self.jobs_per_second, "jobs/s"),
                at_least,
            ));
            let last = mean_of_last(&self.per_second, 60).filter(|_| self.per_second.len() >= LONG);
            if let Some(last) = last.filter(|_| self.workload == Workload::Cycle) {
                let ratio = last / self.jobs_per_second;
                let what = format!("{what}: last minute ÷ whole");
                findings.push(Finding::new(bar.subject, what, (ratio, "×"), Bar::AtLeast(bar::LAST_MINUTE)));
            }
        }
        if self.log_bar_ratio.is_some() {
            let bar = Bar::AtMost(bar::LOG_BYTES_PER_JOB);
            let what = format!("log of the {what}");
            findings.push(Finding::new(Subject::Log, what, (self.cost.log_bytes_per_job, "B/job"), bar));
        }
        findings
    }
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "load",
        "stress",
        "tenants",
        "batch",
        "jobs",
        "jobs/s",
        "of the bar",
        Cost::HEAD[0],
        Cost::HEAD[1],
        Cost::HEAD[2],
        Cost::HEAD[3],
        Cost::HEAD[4],
        "enqueue p50 / p99 ms",
        "claim",
        "complete",
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.database.name().to_owned(),
            self.workload.name().to_owned(),
            self.stress.clone(),
            self.tenants.to_string(),
            self.batch.to_string(),
            self.jobs.to_string(),
            format!("{:.0}", self.jobs_per_second),
            maybe(self.bar.zip(self.bar_ratio), |(bar, ratio)| format!("{ratio:.2} of {:.0}", bar.jobs_per_second)),
        ];
        cells.extend(self.cost.cells());
        for kind in ["enqueue", "claim", "complete"] {
            let spread = self.calls.get(kind).copied();
            cells.push(maybe(spread, |spread| format!("{:.1} / {:.1}", spread.p50_ms, spread.p99_ms)));
        }
        cells
    }
}

#[cfg(test)]
mod tests;
