//! The whole run: a quiet one, then each ledger under fire, then whether the faults were enough to prove anything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use xtask::chance::Chance;
use xtask::clock::Stopwatch;
use xtask::demo::write_json;
use xtask::process::capture;
use xtask::scratch::Scratch;

use crate::arena::{Coverage, Plan, Report, fight, quiet};
use crate::faults::{Fault, shares};
use crate::site::{Form, Programs};

/// How long the drain after the last fault may take: back-off of what failed meanwhile is part of it.
const DRAIN: Duration = Duration::from_secs(120);

/// What the caller asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// `orch`.
    #[arg(long)]
    pub orch: PathBuf,
    /// `orch-feeds`.
    #[arg(long)]
    pub feeds: PathBuf,
    /// Kills over all ledgers.
    #[arg(long, default_value_t = 50)]
    pub kills: u32,
    /// Only this ledger.
    #[arg(long)]
    pub ledger: Option<Form>,
    /// The seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// A run that takes longer fails.
    #[arg(long, default_value_t = 20)]
    pub minutes: u32,
    /// Where the report goes.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Leave the folders.
    #[arg(long)]
    pub keep: bool,
    /// Of the planted bugs, only these.
    #[arg(long)]
    pub plant: Vec<String>,
}

impl Options {
    /// The seed that was given, or a new one.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| Chance::fresh().draw() >> 32)
    }

    /// The programs.
    ///
    /// # Errors
    /// This program's own place is not known.
    pub fn programs(&self) -> Result<Programs> {
        let worker = crate::arena::beside("orch-chaos-worker")?;
        Ok(Programs { orch: self.orch.clone(), feeds: self.feeds.clone(), worker })
    }
}

/// Runs it. True when every promise held and the faults were enough.
///
/// # Errors
/// It could not be run to its end.
pub fn run(options: &Options) -> Result<bool> {
    let (watch, seed) = (Stopwatch::start(), options.seed());
    let programs = options.programs()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let scratch = Scratch::new("orch-chaos-feeds", false)?;
    let feeds = scratch.path().join("feeds");
    let mut generate = Command::new(&programs.feeds);
    generate.args(["generate", "--seed", "1", "--size", "60", "--bad", "--out"]).arg(&feeds);
    capture(&mut generate).context("could not generate feeds")?;
    let wanted = quiet(&programs, &runtime, &feeds)?;
    println!("seed {seed}; the quiet run's export is {wanted}");

    let forms: Vec<Form> = options.ledger.map_or_else(|| Form::ALL.to_vec(), |form| vec![form]);
    let mut reports = Vec::new();
    for (form, share) in forms.iter().zip(shares(options.kills, &forms)) {
        let plan = Plan {
            programs: &programs,
            runtime: &runtime,
            feeds: Some(&feeds),
            wanted: Some(&wanted),
            plant: None,
            drain: DRAIN,
            keep: options.keep,
        };
        println!("\n{}: {share:?}", form.name());
        let report = fight(*form, share, seed, &plan, None)?;
        tell(&report);
        reports.push(report);
    }
    let minutes = watch.seconds() / 60.0;
    let lacking = lacking(&reports, options, &forms, minutes);
    let clean = reports.iter().all(Report::is_clean);
    for what in &lacking {
        println!("LACKING {what}");
    }
    let held = clean && lacking.is_empty();
    println!("\n{} in {minutes:.1} min", if held { "every promise held" } else { "NOT every promise held" });
    if !held {
        println!("again: cargo xtask chaos --kills {} --seed {seed}", options.kills);
    }
    if let Some(file) = &options.json {
        let report = json!({
            "succeeded": held, "seed": seed, "minutes": minutes, "wanted": wanted, "lacking": lacking, "ledgers": reports,
        });
        write_json(file, &report)?;
    }
    Ok(held)
}

/// One ledger, for people.
pub fn tell(report: &Report) {
    let fired: Vec<String> =
        report.fired.count.iter().map(|(fault, count)| format!("{} {count}", fault.name())).collect();
    println!("  faults: {}", fired.join(", "));
    let Coverage { kills, lease_open, append_in_flight, by_victim } = &report.coverage;
    println!(
        "  kills {kills} {by_victim:?}; {lease_open} with a lease open, {append_in_flight} with an append in flight"
    );
    let counted: Vec<String> = report.verdict.counted.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("  checked: {}", counted.join(", "));
    println!("  {} runs of the feeds in {:.0} s", report.runs, report.seconds);
    for note in &report.fired.notes {
        println!("  note: {note}");
    }
    for finding in &report.findings {
        println!("  FINDING {finding}");
    }
    for (rule, count) in &report.verdict.by_rule {
        println!("  VIOLATED {rule}: {count}");
    }
    for violation in &report.verdict.violations {
        println!("    {}: {}", violation.rule, violation.what);
    }
}

/// What a run must have seen before it proves anything.
fn lacking(reports: &[Report], options: &Options, forms: &[Form], minutes: f64) -> Vec<String> {
    let mut lacking = Vec::new();
    let sum = |of: fn(&Coverage) -> u32| reports.iter().map(|report| of(&report.coverage)).sum::<u32>();
    let (kills, leases) = (sum(|coverage| coverage.kills), sum(|coverage| coverage.lease_open));
    if kills < options.kills {
        lacking.push(format!("{kills} kills, not {}", options.kills));
    }
    let clusters = forms.iter().any(|form| *form != Form::Sqlite);
    for victim in ["server", "worker", "postgres"] {
        let count: u32 = reports.iter().filter_map(|report| report.coverage.by_victim.get(victim)).sum();
        if f64::from(count) < 0.3 * f64::from(kills) && (clusters || victim != "postgres") {
            lacking.push(format!("{victim} was killed {count} times of {kills}: less than 30 %"));
        }
    }
    if leases * 50 < options.kills * 30 {
        lacking.push(format!("{leases} kills struck while a lease was open: less than 30 of 50"));
    }
    let appends = sum(|coverage| coverage.append_in_flight);
    if clusters && appends * 50 < options.kills * 10 {
        lacking.push(format!("{appends} kills struck while an append was in flight: less than 10 of 50"));
    }
    let mut seen: BTreeMap<Fault, u32> = BTreeMap::new();
    for (fault, count) in reports.iter().flat_map(|report| &report.fired.count) {
        *seen.entry(*fault).or_default() += count;
    }
    for fault in wanted_kinds(clusters) {
        if seen.get(&fault).copied().unwrap_or(0) == 0 {
            lacking.push(format!("{} was not seen", fault.name()));
        }
    }
    if minutes > f64::from(options.minutes) {
        lacking.push(format!("it took {minutes:.1} min, more than {}", options.minutes));
    }
    lacking
}

fn wanted_kinds(clusters: bool) -> Vec<Fault> {
    let mut kinds = vec![
        Fault::KillServer,
        Fault::KillWorker,
        Fault::PauseServer,
        Fault::PauseWorker,
        Fault::FullDisk,
        Fault::SlowDisk,
        Fault::ClockStep,
        Fault::WorkerAborts,
        Fault::WorkerBurns,
        Fault::WorkerLeaks,
    ];
    if clusters {
        kinds.extend([Fault::KillPostgres, Fault::StopPostgres, Fault::CutAfterCommit, Fault::CutAfterSend]);
    }
    kinds
}
