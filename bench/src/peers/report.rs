//! The figures of the peers: runs as they were, their medians, and the table. It compares nothing with the orchestrator.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Settings;
use super::peer::Peer;
use crate::machine::Machine;
use crate::postgres::How;

/// A whole measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The program's version.
    pub version: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// How PostgreSQL commits.
    pub postgres: How,
    /// What was chosen.
    pub settings: Settings,
    /// The peers that were measured.
    pub peers: Vec<Measured>,
    /// Those that could not be set up.
    pub left_out: Vec<LeftOut>,
}

/// A peer that could not be set up.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// The peer.
    pub peer: Peer,
    /// Why.
    pub reason: String,
}

/// What came out for one peer.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The peer.
    pub peer: Peer,
    /// Its version.
    pub version: String,
    /// How it was set, in its own words.
    pub settings: Value,
    /// What it does without.
    pub gives_up: &'static str,
    /// Jobs in.
    pub enqueue: PhaseSummary,
    /// Jobs done.
    pub work: PhaseSummary,
    /// Dead rows after a run; Redis has none.
    pub dead_tuples: Option<Spread>,
    /// The runs.
    pub runs: Vec<Run>,
}

/// Medians of one phase.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseSummary {
    /// Jobs a second.
    pub jobs_per_second: Spread,
    /// CPU seconds of the peer's processes for 1,000 jobs: its workers, or its producers.
    pub peer_cpu_seconds_per_1000_jobs: Spread,
    /// CPU seconds of PostgreSQL or Redis for 1,000 jobs, where they can be seen.
    pub store_cpu_seconds_per_1000_jobs: Option<Spread>,
    /// Bytes of log for a job.
    pub log_bytes_per_job: Spread,
}

/// The middle of several figures, the lowest and the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; between the two middle ones when their number is even.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

/// One run of one peer.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The peer.
    pub peer: Peer,
    /// Its version.
    pub version: String,
    /// How it was set.
    pub settings: Value,
    /// Jobs in.
    pub enqueue: Figures,
    /// Jobs done.
    pub work: Figures,
    /// Dead rows at the end; Redis has none.
    pub dead_tuples: Option<u64>,
}

/// What a peer does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Jobs go in.
    Enqueue,
    /// Jobs are done, from the first handler to the last durable completion.
    Work,
}

/// What one phase of one run took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Jobs.
    pub jobs: u64,
    /// Wall time.
    pub seconds: f64,
    /// Jobs a second.
    pub jobs_per_second: f64,
    /// CPU seconds of the peer's processes.
    pub peer_cpu_seconds: f64,
    /// CPU seconds of PostgreSQL or Redis, where they can be seen.
    pub store_cpu_seconds: Option<f64>,
    /// Bytes of log.
    pub log_bytes: f64,
}

impl Figures {
    fn thousands(&self) -> f64 {
        self.jobs.max(1) as f64 / 1e3
    }
}

impl Spread {
    /// The spread of some figures; `None` when there are none.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (figures.first()?, figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            (figures[middle - 1] + figures[middle]) / 2.0
        } else {
            figures[middle]
        };
        Some(Self { median, min, max })
    }

    fn text(&self, scale: f64, digits: usize) -> String {
        let [median, min, max] = [self.median, self.min, self.max].map(|figure| figure * scale);
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

impl PhaseSummary {
    fn new(runs: &[Figures]) -> Result<Self> {
        let spread = |of: &dyn Fn(&Figures) -> f64| {
            Spread::of(runs.iter().map(of).collect()).context("a peer has at least one run")
        };
        let store = runs.iter().map(|run| Some(run.store_cpu_seconds? / run.thousands())).collect::<Option<Vec<_>>>();
        Ok(Self {
            jobs_per_second: spread(&|run| run.jobs_per_second)?,
            peer_cpu_seconds_per_1000_jobs: spread(&|run| run.peer_cpu_seconds / run.thousands())?,
            store_cpu_seconds_per_1000_jobs: store.and_then(Spread::of),
            log_bytes_per_job: spread(&|run| run.log_bytes / run.thousands() / 1e3)?,
        })
    }
}

impl Run {
    /// The run as a line.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} {}: {:.0} jobs/s in, {:.0} jobs/s done ({} in {:.1} s)",
            self.peer.name(),
            self.version,
            self.enqueue.jobs_per_second,
            self.work.jobs_per_second,
            self.work.jobs,
            self.work.seconds
        )
    }
}

impl Measured {
    /// What came out for one peer, of all runs.
    pub(super) fn new(peer: Peer, runs: &[Run]) -> Result<Self> {
        let runs: Vec<Run> = runs.iter().filter(|run| run.peer == peer).cloned().collect();
        let last = runs.last().context("a peer has at least one run")?;
        let phase = |of: fn(&Run) -> Figures| PhaseSummary::new(&runs.iter().map(of).collect::<Vec<_>>());
        let dead = runs.iter().map(|run| run.dead_tuples.map(|dead| dead as f64)).collect::<Option<Vec<_>>>();
        Ok(Self {
            peer,
            version: last.version.clone(),
            settings: last.settings.clone(),
            gives_up: peer.gives_up(),
            enqueue: phase(|run| run.enqueue)?,
            work: phase(|run| run.work)?,
            dead_tuples: dead.and_then(Spread::of),
            runs,
        })
    }

    fn line(&self, phase: Phase) -> String {
        let (name, summary, dead) = match phase {
            Phase::Enqueue => ("enqueue", &self.enqueue, None),
            Phase::Work => ("work", &self.work, self.dead_tuples),
        };
        let maybe = |spread: Option<Spread>, scale: f64, digits| {
            spread.map_or_else(|| "–".to_owned(), |spread| spread.text(scale, digits))
        };
        format!(
            "| {} {} | {name} | {} | {} | {} | {} | {} |",
            self.peer.name(),
            self.version,
            summary.jobs_per_second.text(1.0, 0),
            summary.peer_cpu_seconds_per_1000_jobs.text(1e3, 1),
            maybe(summary.store_cpu_seconds_per_1000_jobs, 1e3, 1),
            summary.log_bytes_per_job.text(1.0, 0),
            maybe(dead, 1.0, 0),
        )
    }
}

/// The head of the table.
const HEAD: &str = "\
| peer | phase | jobs/s (lowest–highest) | peer CPU ms / 1,000 jobs | database CPU ms / 1,000 jobs | log B/job | dead tuples |
| --- | --- | --- | --- | --- | --- | --- |";

impl Comparison {
    /// The table, and what each peer gives up.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for phase in [Phase::Enqueue, Phase::Work] {
            for peer in &self.peers {
                writeln!(text, "{}", peer.line(phase)).expect("writing to memory does not fail");
            }
        }
        for peer in &self.peers {
            write!(text, "\n{}: {}", peer.peer.name(), peer.gives_up).expect("writing to memory does not fail");
        }
        if !self.left_out.is_empty() {
            write!(text, "\n\nleft out: {}", reasons(&self.left_out)).expect("writing to memory does not fail");
        }
        text
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
    }
}

/// Why peers were left out.
pub(super) fn reasons(left_out: &[LeftOut]) -> String {
    let all: Vec<String> = left_out.iter().map(|one| format!("{} ({})", one.peer.name(), one.reason)).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests;
