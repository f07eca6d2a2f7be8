//! The bars of the speed table (DESIGN §4), beside which each figure is shown. What has no bar there has none here.

use serde::Serialize;

use crate::finding::Subject;
use crate::settings::{Case, Database, Face, Workload};

/// A bar of a load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadBar {
    /// The row of the table.
    pub subject: Subject,
    /// Jobs a second, at least.
    pub jobs_per_second: f64,
    /// What it is a bar of, where that needs saying.
    pub note: &'static str,
}

/// Bytes of log a job in a whole cycle with keys, at most.
pub const LOG_BYTES_PER_JOB: f64 = 1_600.0;
/// The last minute of a long cycle, compared with the whole of it, at least: not below, but for noise.
pub const LAST_MINUTE: f64 = 0.95;
/// From arrival to start at half load, at most.
pub const START_P50_MS: f64 = 2.0;
/// The same for 99 of 100.
pub const START_P99_MS: f64 = 10.0;
/// CPU a job under stress, compared with none, at most.
pub const CPU_RATIO: f64 = 1.15;
/// The same with every kind of gate declared.
pub const GATES_CPU_RATIO: f64 = 1.2;
/// The last third of a run compared with its first, at least.
pub const LAST_THIRD: f64 = 0.9;
/// Memory of the server, at most.
pub const MEMORY_MIB: f64 = 256.0;
/// A page of the API, at most.
pub const PAGE_P99_MS: f64 = 50.0;
/// The start of quiet tenants' jobs beside a noisy one, compared with none, at most.
pub const FLOOD_RATIO: f64 = 2.0;
/// From a replica's kill to the first grant on a shard of its, at most.
pub const FIRST_GRANT_SECONDS: f64 = 6.0;
/// Jobs that kills may lose, and jobs that they may let end twice.
pub const JOBS_HARMED: f64 = 0.0;
/// CPU a job with three replicas, compared with one, at most.
pub const REPLICAS_CPU_RATIO: f64 = 1.2;
/// Refusals of an upstream whose terms are kept.
pub const REFUSALS: f64 = 0.0;
/// The part of an upstream's allowance that is used while work waits, at least.
pub const ALLOWANCE: f64 = 0.95;
/// How far a tenant's share of an upstream may be from the mean.
pub const SHARE_OFF: f64 = 0.05;
/// How far the shares of two tenants may be apart at an upstream that admits few requests.
pub const SHARES_APART: f64 = 1.0;
/// Attempts that a breaker lets begin in each interval in which it is open.
pub const PROBES: f64 = 1.0;
/// Tries that jobs spend while a breaker is open.
pub const TRIES_OPEN: f64 = 0.0;
/// What a step of the largest graph costs, compared with the smallest, at most.
pub const STEP_RATIO: f64 = 1.3;
/// The start of fresh jobs beside a backfill, compared with none, at most.
pub const BACKFILL_RATIO: f64 = 1.5;
/// Percent of real ends that lie within the simulated band, at least.
pub const WITHIN_BAND: f64 = 85.0;
/// How wide that band is, in percent of the time to its middle, at most.
pub const BAND_WIDTH: f64 = 40.0;

/// The bar of a load.
pub fn of(face: Face, case: Case, keys: bool) -> Option<LoadBar> {
    use Subject::{Cycle, CycleSqlite, Enqueue, Work, WorkEngine};
    let (subject, jobs_per_second, note) = match (face, case.database, case.workload) {
        (Face::Http, Database::Postgres, Workload::Enqueue) if case.batch == 500 => (Enqueue, 100_000.0, ""),
        (Face::Http, Database::Postgres, Workload::Work) => {
            (Work, 80_000.0, "50,000 jobs/s with gates and row-level security")
        }
        (Face::Engine, Database::Postgres, Workload::Work) => {
            (WorkEngine, 100_000.0, "one append in flight; 150,000 jobs/s with two")
        }
        (Face::Engine, Database::Postgres, Workload::Cycle) => {
            (Cycle, 60_000.0, "over 5 minutes with a checkpoint in them")
        }
        (Face::Engine, Database::Sqlite, Workload::Cycle) => (CycleSqlite, if keys { 40_000.0 } else { 60_000.0 }, ""),
        _ => return None,
    };
    Some(LoadBar { subject, jobs_per_second, note })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lower_the_bar_of_sqlite() {
        let case = Case { database: Database::Sqlite, workload: Workload::Cycle, tenants: 1, batch: 200 };
        assert!(
            of(Face::Engine, case, false).unwrap().jobs_per_second
                > of(Face::Engine, case, true).unwrap().jobs_per_second
        );
        let enqueue = Case { workload: Workload::Enqueue, ..case };
        assert_eq!(of(Face::Engine, enqueue, true), None);
    }
}
