//! The rows: a kill, what was left after all of them, and a run with one replica or several.

use serde::Serialize;

use crate::document::Line;
use crate::failover::verdict::Verdict;
use crate::meter::Cost;

/// A row of either part.
#[derive(Debug, Serialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Row {
    /// A kill.
    Kill(KillRow),
    /// What was left after the last one.
    End(Verdict),
    /// A run.
    Cpu(CpuRow),
}

/// A kill.
#[derive(Clone, Debug, Serialize)]
pub struct KillRow {
    /// Which.
    pub kill: usize,
    /// The replica's number, from 0.
    pub replica: usize,
    /// Leases that handlers held when it was killed.
    pub leases: u64,
    /// Those of them on its shards.
    pub leases_there: u64,
    /// From the kill to the first grant, for each of its shards.
    pub grants: Vec<Grant>,
    /// From its start to an even share for all.
    pub spread_seconds: f64,
}

/// The first grant on a shard.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Grant {
    /// The shard.
    pub shard: u16,
    /// From the kill to the answer at the worker.
    pub seconds: f64,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct CpuRow {
    /// Which.
    pub pair: usize,
    /// Replicas.
    pub replicas: usize,
    /// Jobs that were done.
    pub jobs: u64,
    /// Jobs that were done a second.
    pub jobs_per_second: f64,
    /// Of all servers and of PostgreSQL.
    pub cpu_ms_per_1000_jobs: f64,
    /// What they cost.
    #[serde(flatten)]
    pub cost: Cost,
}

impl KillRow {
    /// The slowest first grant, in seconds.
    pub fn slowest(&self) -> Option<f64> {
        self.grants.iter().map(|grant| grant.seconds).max_by(f64::total_cmp)
    }

    /// One with such grants.
    #[cfg(test)]
    pub fn sample(seconds: &[f64]) -> Self {
        let grants = (0..).zip(seconds).map(|(shard, seconds)| Grant { shard, seconds: *seconds }).collect();
        Self { kill: 1, replica: 0, leases: 0, leases_there: 0, grants, spread_seconds: 0.0 }
    }
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "part",
        "what",
        "leases open (there)",
        "first grants s, by shard",
        "spread again s",
        "jobs",
        "jobs/s",
        "CPU ms / 1,000 jobs",
        Cost::HEAD[0],
        Cost::HEAD[1],
        Cost::HEAD[2],
        Cost::HEAD[3],
        Cost::HEAD[4],
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = match self {
            Self::Kill(row) => row.cells(),
            Self::End(verdict) => vec!["kills".to_owned(), verdict.text(), dash(), dash(), dash(), jobs(verdict)],
            Self::Cpu(row) => row.cells(),
        };
        cells.resize(Self::HEAD.len(), dash());
        cells
    }
}

impl KillRow {
    fn cells(&self) -> Vec<String> {
        let grants: Vec<_> = self.grants.iter().map(|it| format!("{}: {:.2}", it.shard, it.seconds)).collect();
        vec![
            "kills".to_owned(),
            format!("kill {}, replica {}", self.kill, self.replica),
            format!("{} ({})", self.leases, self.leases_there),
            grants.join(", "),
            format!("{:.1}", self.spread_seconds),
        ]
    }
}

impl CpuRow {
    fn cells(&self) -> Vec<String> {
        let mut cells =
            vec!["cpu".to_owned(), format!("pair {}, replicas {}", self.pair, self.replicas), dash(), dash(), dash()];
        cells.extend([self.jobs.to_string(), format!("{:.0}", self.jobs_per_second)]);
        cells.push(format!("{:.1}", self.cpu_ms_per_1000_jobs));
        cells.extend(self.cost.cells());
        cells
    }
}

fn jobs(verdict: &Verdict) -> String {
    verdict.acknowledged.to_string()
}

fn dash() -> String {
    "–".to_owned()
}
