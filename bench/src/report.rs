//! The figures: a row for each measurement, as a table and as JSON. It draws no conclusion but the ratio to the bar.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orch_bench::machine::Machine;
use serde::Serialize;

use crate::bar::{self, Bar};
use crate::latency::Spread;
use crate::load::Outcome;
use crate::meter::Spent;
use crate::place::Commits;
use crate::settings::{Case, Database, Settings, Workload};

/// A whole run of the program.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The program's version.
    pub version: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// What was chosen.
    pub settings: Settings,
    /// How the databases commit.
    pub commits: Vec<Commits>,
    /// The measurements.
    pub rows: Vec<Row>,
}

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The ledger.
    pub database: Database,
    /// What was done.
    pub workload: Workload,
    /// Tenants.
    pub tenants: usize,
    /// Jobs in one call.
    pub batch: usize,
    /// Jobs that went through.
    pub jobs: u64,
    /// Jobs a second.
    pub jobs_per_second: f64,
    /// The bar, and this figure divided by it; 1 or more is met.
    pub bar: Option<Bar>,
    /// See `bar`.
    pub bar_ratio: Option<f64>,
    /// CPU seconds of the server for 1,000 jobs.
    pub server_cpu_seconds_per_1000_jobs: f64,
    /// CPU seconds of PostgreSQL for 1,000 jobs.
    pub database_cpu_seconds_per_1000_jobs: Option<f64>,
    /// CPU seconds of producers and workers for 1,000 jobs, where they are a process of their own.
    pub driver_cpu_seconds_per_1000_jobs: Option<f64>,
    /// Bytes of log for a job.
    pub log_bytes_per_job: f64,
    /// The bar of the log divided by this figure, where there is one; 1 or more is met.
    pub log_bar_ratio: Option<f64>,
    /// The most memory that the server held, in MiB; in the engine with the load, and what the allocator kept of earlier
    /// measurements.
    pub server_peak_memory_mib: f64,
    /// Times of calls, by kind.
    pub calls: BTreeMap<&'static str, Spread>,
    /// Jobs done in each whole second of `work` and `cycle`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_second: Vec<u64>,
    /// What it took.
    pub spent: Spent,
}

impl Row {
    /// The row of a measurement.
    pub fn new(case: Case, settings: &Settings, outcome: Outcome, peak_memory_bytes: f64) -> Self {
        let Outcome { jobs, spent, calls, per_second } = outcome;
        let thousands = jobs.max(1) as f64 / 1e3;
        let jobs_per_second = jobs as f64 / spent.seconds;
        let bar = bar::of(settings.face, case, settings.keys);
        let log_bytes_per_job = spent.log_bytes / thousands / 1e3;
        let log_has_bar = case.workload == Workload::Cycle && case.database == Database::Postgres && settings.keys;
        Self {
            database: case.database,
            workload: case.workload,
            tenants: case.tenants,
            batch: case.batch,
            jobs,
            jobs_per_second,
            bar,
            bar_ratio: bar.map(|bar| jobs_per_second / bar.jobs_per_second),
            server_cpu_seconds_per_1000_jobs: spent.server_cpu_seconds / thousands,
            database_cpu_seconds_per_1000_jobs: spent.database_cpu_seconds.map(|cpu| cpu / thousands),
            driver_cpu_seconds_per_1000_jobs: spent.driver_cpu_seconds.map(|cpu| cpu / thousands),
            log_bytes_per_job,
            log_bar_ratio: log_has_bar.then(|| bar::LOG_BYTES_PER_JOB / log_bytes_per_job),
            server_peak_memory_mib: peak_memory_bytes / f64::from(1 << 20),
            calls: calls.into_iter().collect(),
            per_second,
            spent,
        }
    }

    /// The row as a line of the table.
    pub fn line(&self) -> String {
        let mut line = format!(
            "| {} | {} | {} | {} | {} | {:.0} | {} | {:.1} | {} | {} | {}{} |",
            self.database.name(),
            self.workload.name(),
            self.tenants,
            self.batch,
            self.jobs,
            self.jobs_per_second,
            maybe(self.bar.zip(self.bar_ratio), |(bar, ratio)| format!("{ratio:.2} of {:.0}", bar.jobs_per_second)),
            self.server_cpu_seconds_per_1000_jobs * 1e3,
            maybe(self.database_cpu_seconds_per_1000_jobs, |cpu| format!("{:.1}", cpu * 1e3)),
            maybe(self.driver_cpu_seconds_per_1000_jobs, |cpu| format!("{:.1}", cpu * 1e3)),
            format_args!("{:.0}", self.log_bytes_per_job),
            self.log_bar_ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})")),
        );
        for kind in ["enqueue", "claim", "complete"] {
            let cell =
                maybe(self.calls.get(kind).copied(), |spread| format!("{:.1} / {:.1}", spread.p50_ms, spread.p99_ms));
            write!(line, " {cell} |").expect("writing to memory does not fail");
        }
        line
    }
}

/// The head of the table.
pub const HEAD: &str = "\
| ledger | load | tenants | batch | jobs | jobs/s | of the bar | server CPU ms / 1,000 jobs | PostgreSQL | driver | log B/job (bar ÷) | enqueue p50 / p99 ms | claim | complete |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

fn maybe<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

/// What the bars in the rows mean, where that needs saying.
pub fn notes(rows: &[Row]) -> String {
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        if let Some(bar) = row.bar.filter(|bar| !bar.note.is_empty()) {
            let (database, workload) = (row.database.name(), row.workload.name());
            let note = format!("bar of {database} {workload}: {:.0} jobs/s, {}", bar.jobs_per_second, bar.note);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes.join("\n")
}

#[cfg(test)]
mod tests;
