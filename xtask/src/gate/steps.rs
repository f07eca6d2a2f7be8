//! Running one step: a command or a set of compiled tests, with its output in a file and a limit on its time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::report::{Counts, Outcome, skipped};
use crate::cargo::Executable;
use crate::clock::{Stopwatch, wait_for};
use crate::guard;
use crate::process::tail;

/// No step takes as long; one that does hangs.
const STEP_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Lines of a failed step's output that are shown at once; the rest is in its log.
const SHOWN_LINES: usize = 80;

/// Where a step's output goes: standard output and errors apart, since cargo's messages are read by us.
#[derive(Debug)]
pub struct Log {
    out: PathBuf,
    errors: PathBuf,
}

impl Log {
    /// Names the files of a step.
    pub fn create(folder: &Path, area: &str, target: &str) -> Result<Self> {
        let name = format!("{area}-{target}").replace([' ', ':', '/'], "-");
        let name = name.trim_end_matches('-');
        let log = Self { out: folder.join(format!("{name}.out")), errors: folder.join(format!("{name}.err")) };
        for path in [&log.out, &log.errors] {
            File::create(path).with_context(|| format!("could not write {}", path.display()))?;
        }
        Ok(log)
    }

    /// What was printed.
    pub fn stdout(&self) -> String {
        fs::read(&self.out).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn shown(&self) -> String {
        [tail(&self.out, SHOWN_LINES), tail(&self.errors, SHOWN_LINES)].join("\n").trim().to_owned()
    }
}

/// Runs a command that counts as one.
pub fn run_command(command: &mut Command, log: &Log) -> Result<Outcome> {
    let (seconds, failure) = run(command, log)?;
    let counts = if failure.is_none() { Counts::one_passed() } else { Counts::one_failed() };
    // Cargo's JSON messages are no explanation of anything; its complaints are in the other file.
    let failure = failure.map(|why| format!("{}\n{why}", shown_without_json(log)));
    Ok(Outcome { counts, skipped: Vec::new(), seconds, failure, log: log.errors.clone() })
}

/// Runs a set of tests as `cargo test` would.
pub fn run_tests(executable: &Executable, log: &Log, environment: &[(&str, Option<String>)]) -> Result<Outcome> {
    let mut command = Command::new(&executable.path);
    // Also of tests that pass: one that finds nothing to run on says so there.
    command.arg("--show-output");
    command.current_dir(&executable.folder).env("CARGO_MANIFEST_DIR", &executable.folder);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let (seconds, failure) = run(&mut command, log)?;
    let output = log.stdout();
    let (mut counts, skipped) = (Counts::read(&output), skipped(&output));
    counts.passed = counts.passed.saturating_sub(skipped.len() as u32);
    if failure.is_some() && counts.failed == 0 {
        counts.failed = 1;
    }
    let failure = failure.map(|why| format!("{}\n{why}; again: {}", log.shown(), executable.command()));
    Ok(Outcome { counts, skipped, seconds, failure, log: log.out.clone() })
}

/// Seconds, and why it failed.
fn run(command: &mut Command, log: &Log) -> Result<(f64, Option<String>)> {
    let watch = Stopwatch::start();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::options().append(true).open(&log.out)?)
        .stderr(File::options().append(true).open(&log.errors)?)
        .spawn()
        .with_context(|| format!("could not run {command:?}"))?;
    guard::watch(child.id())?;
    let failure = wait(&mut child)?;
    guard::forget(child.id())?;
    Ok((watch.seconds(), failure))
}

fn wait(child: &mut Child) -> Result<Option<String>> {
    match wait_for(STEP_LIMIT, || child.try_wait().transpose()) {
        Some(status) => {
            let status = status?;
            Ok((!status.success()).then(|| status.to_string()))
        }
        None => {
            child.kill()?;
            child.wait()?;
            Ok(Some(format!("ended by us: it took more than {} s", STEP_LIMIT.as_secs())))
        }
    }
}

fn shown_without_json(log: &Log) -> String {
    log.shown().lines().filter(|line| !line.starts_with("{\"")).collect::<Vec<_>>().join("\n")
}
