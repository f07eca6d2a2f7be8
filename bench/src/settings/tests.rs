//! Options: what is measured by default, and over HTTP.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    options: Options,
}

fn settings(face: Face, arguments: &[&str]) -> Settings {
    let arguments = std::iter::once(&"orch-bench").chain(arguments);
    Program::try_parse_from(arguments).unwrap().options.settle(face)
}

#[test]
fn everything_is_measured_on_both_databases_when_nothing_is_named() {
    let cases = settings(Face::Engine, &["--quick"]).cases();
    assert_eq!(cases.len(), 2 * 2 * 5);
    assert!(cases[..10].iter().all(|case| case.database == Database::Sqlite));
}

#[test]
fn tenants_and_batches_are_rows_of_their_own() {
    let arguments = ["enqueue", "--ledger", "sqlite", "--batches", "7", "--tenants", "1,3"];
    let cases = settings(Face::Http, &arguments).cases();
    let (database, workload) = (Database::Sqlite, Workload::Enqueue);
    assert_eq!(cases, [1, 3].map(|tenants| Case { database, workload, tenants, batch: 7 }));
}

#[test]
fn a_process_number_of_nought_is_none() {
    assert_eq!(settings(Face::Engine, &["--postgres-pid", "0"]).ground.postgres_pid(), None);
}
