//! A figure beside its bar. The rows are those of the speed table (DESIGN §4).

use serde::{Deserialize, Serialize};

/// What a figure must not pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Bar {
    /// Whether a figure meets it.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bar) => figure >= bar,
            Self::AtMost(bar) => figure <= bar,
        }
    }

    /// As it stands in tables.
    pub fn text(self, unit: &str) -> String {
        match self {
            Self::AtLeast(bar) => format!("≥ {}", amount(bar, unit)),
            Self::AtMost(bar) => format!("≤ {}", amount(bar, unit)),
        }
    }
}

/// A row of the speed table; also the name of the file that says why it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Enqueue over HTTP.
    Enqueue,
    /// Work over HTTP.
    Work,
    /// Work in the engine.
    WorkEngine,
    /// The whole cycle in the engine, on PostgreSQL.
    Cycle,
    /// The whole cycle in the engine, on SQLite.
    CycleSqlite,
    /// From enqueue to start.
    Latency,
    /// CPU a job under stress.
    Degradation,
    /// Log bytes a job.
    Log,
    /// Memory of the server.
    Memory,
    /// Pages of the API.
    Lists,
    /// Quiet tenants beside a noisy one.
    Flood,
    /// Replicas: one is killed, and what several cost.
    Failover,
    /// Schedules whose owners change.
    Firings,
    /// An upstream that all tenants share.
    Upstream,
    /// Runs of large graphs.
    Graphs,
    /// Fresh work beside a backfill.
    Backfill,
    /// Ends that were simulated, beside real ones.
    Simulation,
}

impl Subject {
    /// As files are named.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Work => "work",
            Self::WorkEngine => "work-engine",
            Self::Cycle => "cycle",
            Self::CycleSqlite => "cycle-sqlite",
            Self::Latency => "latency",
            Self::Degradation => "degradation",
            Self::Log => "log",
            Self::Memory => "memory",
            Self::Lists => "lists",
            Self::Flood => "flood",
            Self::Failover => "failover",
            Self::Firings => "firings",
            Self::Upstream => "upstream",
            Self::Graphs => "graphs",
            Self::Backfill => "backfill",
            Self::Simulation => "simulation",
        }
    }
}

/// A figure beside its bar.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The row.
    pub subject: Subject,
    /// What exactly was measured.
    pub what: String,
    /// The figure.
    pub figure: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The bar.
    pub bar: Bar,
    /// Whether it is met.
    pub met: bool,
}

impl Finding {
    /// A figure beside its bar.
    pub fn new(subject: Subject, what: String, figure: (f64, &'static str), bar: Bar) -> Self {
        let (figure, unit) = figure;
        Self { subject, what, figure, unit, bar, met: bar.is_met(figure) }
    }

    /// The figure as it stands in tables.
    pub fn text(&self) -> String {
        amount(self.figure, self.unit)
    }
}

/// A number with its unit: small ones with two digits behind the point, large ones with a comma between thousands.
pub fn amount(figure: f64, unit: &str) -> String {
    let number = if figure.abs() < 100.0 && figure.fract() != 0.0 { format!("{figure:.2}") } else { thousands(figure) };
    format!("{number} {unit}").trim_end().to_owned()
}

fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let behind = digits.len() - place;
        if place > 0 && behind.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_from_its_side() {
        assert!(Bar::AtLeast(2.0).is_met(2.0) && !Bar::AtLeast(2.0).is_met(1.9));
        assert!(Bar::AtMost(2.0).is_met(2.0) && !Bar::AtMost(2.0).is_met(2.1));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(amount(1_234_567.0, "jobs/s"), "1,234,567 jobs/s");
        assert_eq!(amount(1.149, "×"), "1.15 ×");
        assert_eq!(amount(2.0, "ms"), "2 ms");
        assert_eq!(Bar::AtMost(10.0).text("ms"), "≤ 10 ms");
    }

    #[test]
    fn a_subject_is_named_as_it_is_written() {
        assert_eq!(serde_json::to_value(Subject::WorkEngine).unwrap(), Subject::WorkEngine.name());
    }
}
