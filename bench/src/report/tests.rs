//! Rows: figures for a thousand jobs, beside their bars.

use clap::Parser;

use super::*;
use crate::document::line;
use crate::settings::{Face, Options};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    options: Options,
}

fn settings() -> Settings {
    Program::try_parse_from(["orch-bench"]).unwrap().options.settle(Face::Engine)
}

fn row(database: Database, workload: Workload) -> Row {
    let case = Case { database, workload, tenants: 1, batch: 200 };
    let spent = Spent {
        seconds: 2.0,
        server_cpu_seconds: 1.0,
        database_cpu_seconds: (database == Database::Postgres).then_some(0.5),
        driver_cpu_seconds: None,
        log_bytes: 160_000_000.0,
    };
    let spread = Spread { calls: 3, p50_ms: 1.0, p90_ms: 1.5, p99_ms: 2.0, p999_ms: 3.0, max_ms: 3.0 };
    let calls = vec![("claim", spread)];
    let outcome = Outcome {
        jobs: 100_000,
        spent,
        calls,
        per_second: vec![50_000; LONG],
        waiting: Vec::new(),
        dead_tuples: Some(7),
    };
    Row::new(case, &settings(), outcome, 0.0)
}

#[test]
fn figures_are_for_a_thousand_jobs_and_stand_beside_their_bar() {
    let row = row(Database::Postgres, Workload::Cycle);
    assert_eq!(
        line(&row.cells()),
        "| postgres | cycle | plain | 1 | 200 | 100000 | 50000 | 0.83 of 60000 | 10.0 | 5.0 | – | 1600 | 7 | – | 1.0 / 2.0 | – |"
    );
    assert_eq!(row.cells().len(), Row::HEAD.len());
    let findings = row.findings(&settings());
    let met: Vec<_> = findings.iter().map(|finding| (finding.subject, finding.met)).collect();
    assert_eq!(met, [(Subject::Cycle, false), (Subject::Cycle, true), (Subject::Log, true)]);
}

#[test]
fn a_row_without_a_bar_has_no_ratio() {
    let row = row(Database::Sqlite, Workload::Work);
    assert_eq!((row.bar_ratio, row.log_bar_ratio), (None, None));
    assert!(row.findings(&settings()).is_empty());
}
