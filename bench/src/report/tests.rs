//! Rows: figures for a thousand jobs, beside their bars.

use clap::Parser;

use super::*;
use crate::settings::{Face, Options};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    options: Options,
}

fn row(database: Database, workload: Workload) -> Row {
    let settings = Program::try_parse_from(["orch-bench"]).unwrap().options.settle(Face::Engine);
    let case = Case { database, workload, tenants: 1, batch: 200 };
    let spent = Spent {
        seconds: 2.0,
        server_cpu_seconds: 1.0,
        database_cpu_seconds: (database == Database::Postgres).then_some(0.5),
        driver_cpu_seconds: None,
        log_bytes: 160_000_000.0,
    };
    let spread = Spread { calls: 3, p50_ms: 1.0, p99_ms: 2.0, max_ms: 3.0 };
    let outcome = Outcome { jobs: 100_000, spent, calls: vec![("claim", spread)], per_second: Vec::new() };
    Row::new(case, &settings, outcome, 0.0)
}

#[test]
fn figures_are_for_a_thousand_jobs_and_stand_beside_their_bar() {
    let line = row(Database::Postgres, Workload::Cycle).line();
    assert_eq!(
        line,
        "| postgres | cycle | 1 | 200 | 100000 | 50000 | 0.83 of 60000 | 10.0 | 5.0 | – | 1600 (1.00) | – | 1.0 / 2.0 | – |"
    );
    assert_eq!(line.matches('|').count(), HEAD.lines().next().unwrap().matches('|').count());
}

#[test]
fn a_row_without_a_bar_has_no_ratio() {
    let row = row(Database::Sqlite, Workload::Work);
    assert_eq!((row.bar_ratio, row.log_bar_ratio), (None, None));
    assert_eq!(notes(&[row]), "");
}
