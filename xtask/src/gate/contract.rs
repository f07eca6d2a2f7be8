//! The API against strangers, by its OpenAPI document alone: a linter, a client generated from it, and calls good and
//! bad over every operation.
//!
//! Each stranger lies in `tools/`, with its versions pinned. It is set up under `target/xtask/contract` and kept there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::in_ci;
use super::report::Report;
use super::steps::{Log, run_command};
use crate::apt;
use crate::cargo::{Profile, root};
use crate::process::capture;
use crate::site::{Ledger, Programs, Site};

/// Where the server serves the document.
const DOCUMENT: &str = "/api/v1/orchestrator/openapi.json";

/// Runs all three.
pub fn run(report: &mut Report, logs: &Path, programs: &Profile) -> Result<()> {
    if let Err(missing) = requirements() {
        if in_ci() {
            return Err(missing);
        }
        report.skip("contract", &format!("{missing:#}"));
        return Ok(());
    }
    let lint = node_tool("openapi-lint")?;
    step(report, logs, "openapi lint", Command::new("npm").args(["run", "--silent", "lint"]).current_dir(lint))?;
    let client = node_tool("typescript-client")?;
    let calls = python_tool("schemathesis")?;
    let site = Site::open(&Programs::build(programs)?, &Ledger::Sqlite, 1, false)?;
    let access = site.access();
    let at_site = [("ORCH_ADDRESS", &access.address), ("ORCH_TOKEN", &access.token)];
    let mut story = Command::new("npm");
    story.args(["test", "--silent"]).current_dir(client).envs(at_site);
    step(report, logs, "typescript client", &mut story)?;
    let mut schemathesis = Command::new(calls.join("venv/bin/schemathesis"));
    schemathesis.arg("run").arg(format!("{}{DOCUMENT}", access.address)).args(["--url", &access.address]);
    schemathesis.envs(at_site).env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", &calls).current_dir(&calls);
    step(report, logs, "schemathesis", &mut schemathesis)
}

fn step(report: &mut Report, logs: &Path, name: &str, command: &mut Command) -> Result<()> {
    let outcome = run_command(command, &Log::create(logs, "contract", name)?)?;
    report.add("contract", name, outcome);
    Ok(())
}

/// Node with npm, and Python with venv.
fn requirements() -> Result<()> {
    let node = || capture(Command::new("npm").arg("--version")).map(drop);
    let python = || capture(Command::new("python3").args(["-c", "import ensurepip, venv"])).map(drop);
    let mut missing = Vec::new();
    if node().is_err() {
        missing.extend(["nodejs", "npm"]);
    }
    if python().is_err() {
        missing.push("python3-venv");
    }
    if !missing.is_empty() && apt::possible()? {
        apt::install(&missing)?;
    }
    node().context("it needs Node 20 or newer with npm")?;
    python().context("it needs Python 3.11 or newer with venv")
}

/// A tool with its packages from npm, and the document beside it.
fn node_tool(name: &str) -> Result<PathBuf> {
    let folder = copied(name)?;
    fs::copy(root().join("openapi/orchestrator.json"), folder.join("orchestrator.json"))?;
    set_up(&folder, "package-lock.json", || {
        capture(Command::new("npm").args(["ci", "--silent"]).current_dir(&folder)).map(drop)
    })?;
    Ok(folder)
}

/// A tool with its packages from PyPI, in `venv`.
fn python_tool(name: &str) -> Result<PathBuf> {
    let folder = copied(name)?;
    set_up(&folder, "requirements.txt", || {
        capture(Command::new("python3").args(["-m", "venv", "--clear", "venv"]).current_dir(&folder))?;
        let mut pip = Command::new(folder.join("venv/bin/pip"));
        pip.args(["install", "--quiet", "--no-deps", "--requirement", "requirements.txt"]);
        capture(pip.current_dir(&folder)).map(drop)
    })?;
    Ok(folder)
}

/// Sets up what a list of packages asks for, unless that was done for the same list.
fn set_up(folder: &Path, list: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let (wanted, stamp) = (fs::read(folder.join(list))?, folder.join("is-set-up"));
    if fs::read(&stamp).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    println!("setting up {} (packages of {list})", folder.display());
    install().with_context(|| format!("could not set up {}", folder.display()))?;
    Ok(fs::write(stamp, wanted)?)
}

/// A copy of `tools/NAME`; what was set up there before stays.
fn copied(name: &str) -> Result<PathBuf> {
    let to = root().join("target/xtask/contract").join(name);
    copy_files(&root().join("tools").join(name), &to)?;
    Ok(to)
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}
