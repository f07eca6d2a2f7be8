//! Runs of several shapes as a table of medians.
//! It deliberately draws no conclusion: the rule of decision stands in the ADRs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::measure::Spent;
use crate::shape::Shape;

/// One pass of the whole load over one shape.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What was measured.
    pub shape: Shape,
    /// How many jobs went through.
    pub jobs: usize,
    /// All jobs in.
    pub enqueue: Spent,
    /// All jobs granted and done.
    pub work: Spent,
    /// The whole history read in order of commits, where the shape has an index for it.
    pub tail: Option<Spent>,
    /// Tables and indexes afterwards.
    pub stored_bytes: f64,
    /// History and its indexes afterwards, where the database tells.
    pub history_bytes: Option<f64>,
}

/// Middle, least and greatest of some figures.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let count = figures.len();
        let median = if count.is_multiple_of(2) {
            f64::midpoint(figures[count / 2 - 1], figures[count / 2])
        } else {
            figures[count / 2]
        };
        Self { median, min: figures[0], max: figures[count - 1] }
    }

    fn show(self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.min, self.max)
    }
}

/// The runs as a Markdown table, shapes in the order of their first run.
pub fn table(runs: &[Run]) -> String {
    let mut text = String::from(
        "| shape | phase | CPU ms / 1,000 jobs | of it database | jobs/s | log B/job | stored B/job (history) |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.shape.name) {
            names.push(run.shape.name);
        }
    }
    for name in names {
        let own: Vec<&Run> = runs.iter().filter(|run| run.shape.name == name).collect();
        let stored = Spread::of(own.iter().map(|run| run.stored_bytes / jobs(run)).collect());
        let history: Vec<f64> = own.iter().filter_map(|run| Some(run.history_bytes? / jobs(run))).collect();
        phase_row(&mut text, name, "enqueue", &own, |run| run.enqueue, "");
        phase_row(&mut text, name, "work", &own, |run| run.work, "");
        let mut sizes = format!("{:.0}", stored.median);
        if !history.is_empty() {
            write!(sizes, " ({:.0})", Spread::of(history).median).expect("writing to memory does not fail");
        }
        phase_row(&mut text, name, "cycle", &own, |run| run.enqueue.plus(&run.work), &sizes);
        if own.iter().all(|run| run.tail.is_some()) {
            phase_row(&mut text, name, "tail read", &own, |run| run.tail.unwrap_or_default(), "");
        }
    }
    text
}

fn phase_row(text: &mut String, name: &str, phase: &str, runs: &[&Run], spent: impl Fn(&Run) -> Spent, sizes: &str) {
    let spread = |figure: &dyn Fn(&Run) -> f64| Spread::of(runs.iter().map(|run| figure(run)).collect());
    let cpu = spread(&|run| spent(run).cpu() * 1e6 / jobs(run));
    let database = spread(&|run| spent(run).cpu_database * 1e6 / jobs(run));
    let speed = spread(&|run| jobs(run) / spent(run).seconds);
    let log = spread(&|run| spent(run).log_bytes / jobs(run));
    writeln!(
        text,
        "| {name} | {phase} | {} | {:.1} | {} | {} | {sizes} |",
        cpu.show(1),
        database.median,
        speed.show(0),
        log.show(0),
    )
    .expect("writing to memory does not fail");
}

fn jobs(run: &Run) -> f64 {
    f64::from(u32::try_from(run.jobs).expect("a run has fewer than 4 billion jobs"))
}

#[cfg(test)]
mod tests;
