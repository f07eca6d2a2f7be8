//! The bars of the speed table (DESIGN §4), beside which each figure is shown. What has no bar there has none here.

use serde::Serialize;

use crate::settings::{Case, Database, Face, Workload};

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Jobs a second, at least.
    pub jobs_per_second: f64,
    /// What it is a bar of, where that needs saying.
    pub note: &'static str,
}

/// Bytes of log a job in a whole cycle with keys, at most.
pub const LOG_BYTES_PER_JOB: f64 = 1_600.0;

/// The bar of a measurement.
pub fn of(face: Face, case: Case, keys: bool) -> Option<Bar> {
    let (jobs_per_second, note) = match (face, case.database, case.workload) {
        (Face::Http, Database::Postgres, Workload::Enqueue) if case.batch == 500 => (100_000.0, ""),
        (Face::Http, Database::Postgres, Workload::Work) => (80_000.0, "50,000 with gates and row-level security"),
        (Face::Engine, Database::Postgres, Workload::Work) => (100_000.0, "one append in flight; 150,000 with two"),
        (Face::Engine, Database::Postgres, Workload::Cycle) => (60_000.0, "over 5 minutes with a checkpoint in them"),
        (Face::Engine, Database::Sqlite, Workload::Cycle) => (if keys { 40_000.0 } else { 60_000.0 }, ""),
        _ => return None,
    };
    Some(Bar { jobs_per_second, note })
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
