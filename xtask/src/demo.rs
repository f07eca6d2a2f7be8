//! `cargo xtask demo`: vulnerability feeds through the real programs, with live progress and a summary.
//!
//! It decides nothing about the feeds; what came of a run is read from what `orch-feeds submit --json` wrote.

mod summary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cargo::Profile;
use crate::clock::Stopwatch;
use crate::process::capture;
use crate::site::{Ledger, Programs, Site};

/// What the caller asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Read these feeds (a folder with rustsec, pypa, kev, csaf) instead of generated ones.
    #[arg(long, value_name = "DIR")]
    pub feeds: Option<PathBuf>,
    /// Keep the ledger in PostgreSQL: `auto` starts a temporary one, a URL uses that database. Default: SQLite.
    #[arg(long, value_name = "URL|auto")]
    pub postgres: Option<String>,
    /// Leave the temporary folder (ledger, logs, feeds, export).
    #[arg(long)]
    pub keep: bool,
    /// Write the summary here.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// How many jobs the worker handles at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub handlers: u32,
    /// Documents per generated feed.
    #[arg(long, default_value_t = 200, conflicts_with = "feeds")]
    pub size: u32,
    /// Run programs of the dev profile, which compile faster and run slower.
    #[arg(long)]
    pub dev_profile: bool,
    /// Run the programs of this folder instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "dev_profile")]
    pub programs: Option<PathBuf>,
}

/// Runs the demo. True when the run succeeded and everything ended in order.
pub fn run(options: &Options) -> Result<bool> {
    println!("building orch and orch-feeds");
    let programs = Programs::build(&Profile::chosen(options.programs.as_deref(), options.dev_profile))?;
    let ledger = Ledger::from_option(options.postgres.as_deref());
    let mut site = Site::open(&programs, &ledger, options.handlers, options.keep)?;
    println!("server on {}, ledger {}, folder {}", site.access().address, ledger.name(), site.folder().display());
    let feeds = feeds(options, &programs, site.folder())?;

    site.start_worker()?;
    let watch = Stopwatch::start();
    let run = submit(programs.feeds_at(site.access(), "submit"), &feeds, &site.folder().join("run.json"))?;
    let seconds = watch.seconds();
    let casualties = site.casualties();
    let orderly = site.close()?;

    for casualty in &casualties {
        println!("{casualty}");
    }
    if !orderly {
        println!("worker or server had to be killed: they did not end within 10 s of SIGTERM");
    }
    let succeeded = run.succeeded && casualties.is_empty() && orderly;
    println!("{}", summary::text(&run.report, seconds));
    if let Some(file) = &options.json {
        let whole = json!({
            "succeeded": succeeded,
            "ledger": ledger.name(),
            "handlers": options.handlers,
            "seconds": seconds,
            "run": run.report,
        });
        write_json(file, &whole)?;
    }
    if options.keep {
        println!("kept: {}", site.folder().display());
    }
    Ok(succeeded)
}

/// What one submission came to.
#[derive(Debug)]
pub struct Run {
    /// It ended 0.
    pub succeeded: bool,
    /// What it wrote about itself.
    pub report: Value,
}

/// Submits the feeds and waits; progress goes where `command` sends it.
pub fn submit(mut command: Command, feeds: &Path, report: &Path) -> Result<Run> {
    command.arg("--location").arg(feeds).arg("--wait").arg("--json").arg(report);
    let status = command.status().context("could not run orch-feeds submit")?;
    let report = match fs::read(report) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("orch-feeds submit wrote no JSON")?,
        Err(error) => json!({"error": format!("no report: {error}")}),
    };
    Ok(Run { succeeded: status.success(), report })
}

/// The folder that was named, or a generated one.
fn feeds(options: &Options, programs: &Programs, folder: &Path) -> Result<PathBuf> {
    if let Some(feeds) = &options.feeds {
        return feeds.canonicalize().with_context(|| format!("no folder {}", feeds.display()));
    }
    let feeds = folder.join("feeds");
    generate(programs, &feeds, options.size)?;
    Ok(feeds)
}

/// Generates feeds, some documents of which are bad on purpose.
pub fn generate(programs: &Programs, feeds: &Path, size: u32) -> Result<()> {
    let mut command = programs.feeds("generate");
    command.arg("--out").arg(feeds).args(["--seed", "1", "--size", &size.to_string(), "--bad"]);
    capture(&mut command).context("could not generate feeds")?;
    Ok(())
}

/// Writes JSON for people and programs.
pub fn write_json(file: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    fs::write(file, text + "\n").with_context(|| format!("could not write {}", file.display()))
}

/// The digest of the export that a run's report names.
pub fn digest(report: &Value) -> Option<String> {
    report["export"]["sha256"].as_str().map(str::to_owned)
}
