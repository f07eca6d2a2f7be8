//! `cargo xtask kills`: feeds run in a loop while server, worker and database are killed at seeded moments.
//!
//! A quiet run says what the export must be. Afterwards the ledger is read through the API (`kills/audit.rs`): every
//! job final, none lost, none counted twice. Jobs that we acknowledge ourselves are in `kills/probes.rs`, the faults in
//! `kills/faults.rs`. A run whose faults did not fire proves nothing, and fails.

pub(crate) mod audit;
mod faults;
mod probes;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cargo::Profile;
use crate::chance::Chance;
use crate::clock::Stopwatch;
use crate::demo::{Run, digest, generate, submit, write_json};
use crate::scratch::Scratch;
use crate::site::{Access, Ledger, Programs, Site};

/// Which ledger is under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// `orch dev`; server and worker are killed.
    Sqlite,
    /// `orch serve` on a PostgreSQL of our own, which is killed too.
    Postgres,
}

/// What the caller asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How often each of server, worker and PostgreSQL is killed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    kills_each: u32,
    /// The ledger.
    #[arg(long, default_value = "postgres")]
    ledger: Choice,
    /// Repeats the moments and the order of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Documents per generated feed.
    #[arg(long, default_value_t = 200)]
    size: u32,
    /// Read these feeds instead of generated ones.
    #[arg(long, value_name = "DIR", conflicts_with = "size")]
    feeds: Option<PathBuf>,
    /// How many jobs the worker handles at once.
    #[arg(long, default_value_t = 16)]
    handlers: u32,
    /// Leave the temporary folders.
    #[arg(long)]
    keep: bool,
    /// Write what was found here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run programs of the dev profile.
    #[arg(long)]
    dev_profile: bool,
    /// Run the programs of this folder instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "dev_profile")]
    programs: Option<PathBuf>,
}

impl Options {
    fn ledger(&self) -> Ledger {
        match self.ledger {
            Choice::Sqlite => Ledger::Sqlite,
            Choice::Postgres => Ledger::OwnPostgres,
        }
    }
}

/// Runs the kill test. True when every promise held and every fault fired.
pub fn run(options: &Options) -> Result<bool> {
    let seed = options.seed.unwrap_or_else(|| Chance::fresh().draw() >> 32);
    println!("building orch and orch-feeds");
    let programs = Programs::build(&Profile::chosen(options.programs.as_deref(), options.dev_profile))?;
    let scratch = Scratch::new("orch-kills", options.keep)?;
    let feeds = match &options.feeds {
        Some(feeds) => feeds.canonicalize()?,
        None => {
            let feeds = scratch.path().join("feeds");
            generate(&programs, &feeds, options.size)?;
            feeds
        }
    };
    let quiet_site = Site::open(&programs, &options.ledger(), options.handlers, options.keep)?;
    let wanted = quiet(quiet_site, &programs, &feeds, scratch.path())?;
    println!("quiet run: export {wanted}; now with kills, seed {seed}");

    let mut site = Site::open(&programs, &options.ledger(), options.handlers, options.keep)?;
    let strike = |site: &mut Site| faults::fire(site, options.kills_each, &mut Chance::seeded(seed));
    let outcome = under_load(&mut site, &programs, &feeds, strike)?;
    let mut findings = outcome.struck.findings(options.kills_each, options.ledger() == Ledger::OwnPostgres);
    findings.extend(runs_wrong(&outcome.runs, &wanted));
    let audit = audit::audit(site.access(), &outcome.probes)?;
    findings.extend(audit.findings.iter().cloned());
    findings.extend(site.casualties());
    site.close()?;

    println!("{}\n{}", outcome.struck.text(), audit.text);
    println!("{} runs of the feeds in {:.0} s", outcome.runs.len(), outcome.seconds);
    if let Some(file) = &options.json {
        let runs: Vec<&Value> = outcome.runs.iter().map(|run| &run.report).collect();
        let report = json!({
            "succeeded": findings.is_empty(), "seed": seed, "ledger": options.ledger().name(), "wanted": wanted,
            "fired": outcome.struck.json(), "audit": audit.json, "findings": findings, "runs": runs,
        });
        write_json(file, &report)?;
    }
    let held = tell(&findings);
    if !held {
        println!("again: cargo xtask kills --seed {seed} --kills-each {}", options.kills_each);
    }
    Ok(held)
}

/// Prints what is broken, and whether everything held.
pub(crate) fn tell(findings: &[String]) -> bool {
    for finding in findings {
        println!("BROKEN  {finding}");
    }
    println!("{}", if findings.is_empty() { "every promise held" } else { "NOT every promise held" });
    findings.is_empty()
}

/// The export's digest when nobody disturbs.
pub(crate) fn quiet(mut site: Site, programs: &Programs, feeds: &Path, folder: &Path) -> Result<String> {
    site.start_worker()?;
    let run =
        submit(submission(programs, site.access(), &folder.join("quiet.log"))?, feeds, &folder.join("quiet.json"))?;
    site.close()?;
    if !run.succeeded {
        bail!("the quiet run failed: {}", run.report);
    }
    digest(&run.report).with_context(|| format!("the quiet run named no export digest: {}", run.report))
}

/// `orch-feeds submit` with short leases, and a cap on lost leases that kills alone do not reach.
fn submission(programs: &Programs, access: &Access, log: &Path) -> Result<Command> {
    let file = File::options().create(true).append(true).open(log)?;
    let mut command = programs.feeds_at(access, "submit");
    command.args(["--lease-seconds", "3", "--lost-cap", "1000"]).stdout(file.try_clone()?).stderr(file);
    Ok(command)
}

/// What happened while the site was struck.
#[derive(Debug)]
pub(crate) struct UnderLoad<T> {
    /// What the strike came to.
    pub struck: T,
    /// The runs of the feeds.
    pub runs: Vec<Run>,
    /// What was acknowledged to us.
    pub probes: probes::Probes,
    /// How long it took.
    pub seconds: f64,
}

/// Runs that failed or came to another export.
pub(crate) fn runs_wrong(runs: &[Run], wanted: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if !run.succeeded {
            findings.push(format!("run {}: failed: {}", index + 1, run.report));
        } else if digest(&run.report).as_deref() != Some(wanted) {
            findings.push(format!("run {}: export {:?}, wanted {wanted}", index + 1, digest(&run.report)));
        }
    }
    if runs.is_empty() {
        findings.push("no run of the feeds ended".to_owned());
    }
    findings
}

/// Feeds and probes in threads of their own, the strike in this one.
pub(crate) fn under_load<T>(
    site: &mut Site,
    programs: &Programs,
    feeds: &Path,
    strike: impl FnOnce(&mut Site) -> Result<T>,
) -> Result<UnderLoad<T>> {
    site.start_worker()?;
    let access = site.access().clone();
    let folder = site.folder().to_owned();
    let stop = AtomicBool::new(false);
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        let runs = scope.spawn(|| run_in_a_loop(programs, &access, feeds, &folder, &stop));
        let probes = scope.spawn(|| probes::send(&access, &stop));
        let struck = strike(site);
        stop.store(true, Ordering::Relaxed);
        // The last run goes on to its end, undisturbed: what was broken would show there.
        let runs = runs.join().map_err(|_| anyhow::anyhow!("the feeds' thread panicked"))??;
        let probes = probes.join().map_err(|_| anyhow::anyhow!("the probes' thread panicked"))??;
        Ok(UnderLoad { struck: struck?, runs, probes, seconds: watch.seconds() })
    })
}

fn run_in_a_loop(
    programs: &Programs,
    access: &Access,
    feeds: &Path,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = runs.len() + 1;
        let command = submission(programs, access, &folder.join(format!("run-{number}.log")))?;
        runs.push(submit(command, feeds, &folder.join(format!("run-{number}.json")))?);
    }
    Ok(runs)
}
