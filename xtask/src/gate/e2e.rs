//! The end-to-end step: the same generated feed on SQLite and on PostgreSQL must give the same export.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::in_ci;
use super::report::{Counts, Report};
use super::steps::{Log, run_command};
use crate::cargo::Profile;
use crate::postgres::find_or_install;

/// Runs the demo on both ledgers and compares.
pub fn run(report: &mut Report, logs: &Path, programs: &Profile) -> Result<()> {
    let sqlite = demo(report, logs, programs, "sqlite", &[])?;
    if let Err(missing) = find_or_install()
        && !in_ci()
    {
        report.skip("e2e on PostgreSQL", &missing.to_string());
        return Ok(());
    }
    let postgres = demo(report, logs, programs, "postgres", &["--postgres", "auto"])?;
    if let (Some(one), Some(other)) = (&sqlite, &postgres)
        && one != other
    {
        report.fail("e2e", &format!("export digest {one} on SQLite, {other} on PostgreSQL"), Counts::one_failed());
    }
    Ok(())
}

/// The export's digest, when the demo succeeded.
fn demo(report: &mut Report, logs: &Path, programs: &Profile, ledger: &str, more: &[&str]) -> Result<Option<String>> {
    let file = logs.join(format!("e2e-{ledger}.json"));
    let mut command = match programs {
        // The tests' own build may have put a new file in this program's place.
        Profile::Built(folder) => Command::new(folder.join("xtask")),
        _ => Command::new(std::env::current_exe().context("this program has a path")?),
    };
    command.args(["demo", "--size", "60", "--handlers", "8", "--json"]).arg(&file).args(more);
    match programs {
        Profile::Built(folder) => command.arg("--programs").arg(folder),
        _ => command.arg("--dev-profile"),
    };
    let outcome = run_command(&mut command, &Log::create(logs, "e2e", ledger)?)?;
    let passed = outcome.failure.is_none();
    report.add("e2e", &format!("demo on {ledger}"), outcome);
    if !passed {
        return Ok(None);
    }
    let written: Value = serde_json::from_slice(&fs::read(&file)?).context("the demo wrote no JSON")?;
    let digest = crate::demo::digest(&written["run"]);
    if digest.is_none() {
        report.fail("e2e", &format!("the demo on {ledger} named no export digest"), Counts::one_failed());
    }
    Ok(digest)
}
