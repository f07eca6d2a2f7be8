//! One ledger's run: site, load, feeds in a loop, faults, drain, and the judgement of what is left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Runtime;
use xtask::chance::Chance;
use xtask::clock::Stopwatch;
use xtask::demo::{Run, digest, submit};

use crate::checker::ledger::{Ledger, read_postgres, read_sqlite};
use crate::checker::{Verdict, judge};
use crate::faults::{Fault, Fired, Share, Striker, plan};
use crate::load::caller::Caller;
use crate::load::{LEASE_MS, Load, declare, drained};
use crate::record::{self, Line, Outcome, Recorder};
use crate::site::{Form, Programs, Site};

/// What is the same for all ledgers of a run.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The programs.
    pub programs: &'a Programs,
    /// For proxies and the checker's PostgreSQL.
    pub runtime: &'a Runtime,
    /// The feeds' folder, if feeds are to run.
    pub feeds: Option<&'a Path>,
    /// The export's digest in the quiet run.
    pub wanted: Option<&'a str>,
    /// A bug to plant in the server.
    pub plant: Option<&'a str>,
    /// How long the drain may take.
    pub drain: Duration,
    /// Leave the folder.
    pub keep: bool,
}

/// How many kills struck when.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Coverage {
    /// Kills.
    pub kills: u32,
    /// By victim.
    pub by_victim: BTreeMap<String, u32>,
    /// While one of our own workers held a lease.
    pub lease_open: u32,
    /// While an append was sent and not answered.
    pub append_in_flight: u32,
}

/// What came of one ledger.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which.
    pub form: Form,
    /// The faults.
    pub fired: Fired,
    /// When they struck.
    pub coverage: Coverage,
    /// The checker's word.
    pub verdict: Verdict,
    /// What else is wrong.
    pub findings: Vec<String>,
    /// Runs of the feeds.
    pub runs: usize,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.by_rule.is_empty() && self.findings.is_empty()
    }
}

/// Runs one ledger under fire. `faults` gives the plan; `None` stands for all kinds.
///
/// # Errors
/// It could not be run to its end.
pub fn fight(form: Form, share: Share, seed: u64, what: &Plan<'_>, faults: Option<&[Fault]>) -> Result<Report> {
    let watch = Stopwatch::start();
    let mut site = Site::open(form, what.programs, what.runtime.handle(), what.plant, what.keep)?;
    let log = site.folder().join("calls.jsonl");
    let recorder = Arc::new(Recorder::create(&log)?);
    let caller = |who: &str| Caller::new(site.access(), Arc::clone(&recorder), who.to_owned());
    let (mut declaring, striking, mut watching) = (caller("setup"), caller("driver"), caller("watcher"));
    declare(&mut declaring)?;
    site.start_worker()?;
    let mut load = Load::start(&site.access(), &recorder, seed);
    let stop = AtomicBool::new(false);
    let (command, folder) = (site.feeds("submit"), site.folder().to_owned());
    let (fired, runs) = std::thread::scope(|scope| -> Result<(Fired, Vec<Run>)> {
        let runs = scope.spawn(|| feeds_in_a_loop(command, what.feeds, &folder, &stop));
        let mut chance = Chance::seeded(seed);
        let plan = faults.map_or_else(|| plan(&site, share, &mut chance), <[Fault]>::to_vec);
        let mut striker = Striker::new(&mut site, &recorder, striking, chance);
        let struck = striker.all(&plan);
        let fired = striker.fired;
        stop.store(true, Ordering::SeqCst);
        let runs = runs.join().map_err(|_| anyhow::anyhow!("the feeds' thread panicked"))?;
        struck?;
        Ok((fired, runs?))
    })?;
    let mut findings = fired.findings.clone();
    findings.extend(load.end_submitters().err().map(|error| format!("the load: {error:#}")));
    if !drained(&mut watching, what.drain)? {
        findings.push(format!("not every job was final {} s after the last fault", what.drain.as_secs()));
    }
    findings.extend(load.end_workers().err().map(|error| format!("the load: {error:#}")));
    findings.extend(site.revive()?);
    findings.extend(site.quiet()?);
    findings.extend(runs_wrong(&runs, what.wanted));
    let ledger = ledger(&mut site, what.runtime)?;
    let lines = record::read(&log)?;
    let verdict = judge(&lines, &ledger);
    let coverage = coverage(&lines);
    if what.keep {
        std::fs::copy(site.sqlite_file(), site.folder().join("ledger.sqlite")).map(drop).or_else(|error| {
            if form == Form::Sqlite { Err(error).context("could not keep the ledger") } else { Ok(()) }
        })?;
        println!("kept: {}", site.folder().display());
    }
    Ok(Report { form, fired, coverage, verdict, findings, runs: runs.len(), seconds: watch.seconds() })
}

fn ledger(site: &mut Site, runtime: &Runtime) -> Result<Ledger> {
    match site.cluster() {
        None => read_sqlite(&site.sqlite_file()),
        Some(cluster) => runtime.block_on(read_postgres(&cluster.url())),
    }
}

/// One quiet run of the feeds: the digest that every other run must come to.
///
/// # Errors
/// It does not succeed.
pub fn quiet(programs: &Programs, runtime: &Runtime, feeds: &Path) -> Result<String> {
    let mut site = Site::open(Form::Sqlite, programs, runtime.handle(), None, false)?;
    site.start_worker()?;
    let (command, folder) = (site.feeds("submit"), site.folder().to_owned());
    let stop = AtomicBool::new(true);
    let run = feeds_in_a_loop(command, Some(feeds), &folder, &stop)?.pop().context("the feeds ran once")?;
    site.quiet()?;
    digest(&run.report)
        .filter(|_| run.succeeded)
        .with_context(|| format!("the quiet run came to no export: {}", run.report))
}

/// At least one run; the last goes on to its end, undisturbed: what faults broke would show there.
fn feeds_in_a_loop(template: Command, feeds: Option<&Path>, folder: &Path, stop: &AtomicBool) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let Some(feeds) = feeds else { return Ok(runs) };
    loop {
        let number = runs.len() + 1;
        let log = std::fs::File::create(folder.join(format!("run-{number}.log")))?;
        let mut command = Command::new(template.get_program());
        command.args(template.get_args());
        let lease = (LEASE_MS / 1_000).to_string();
        command.args(["--lease-seconds", &lease, "--lost-cap", "1000", "--timeout-seconds", "300"]);
        command.stdout(log.try_clone()?).stderr(log);
        let mut run = submit(command, feeds, &folder.join(format!("run-{number}.json")))?;
        if !run.succeeded {
            let said = xtask::process::tail(&folder.join(format!("run-{number}.log")), 6);
            run.report["log"] = Value::String(said);
        }
        runs.push(run);
        if stop.load(Ordering::SeqCst) {
            return Ok(runs);
        }
    }
}

fn runs_wrong(runs: &[Run], wanted: Option<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let came = digest(&run.report);
        if !run.succeeded {
            wrong.push(format!("run {} of the feeds failed: {}", index + 1, run.report));
        } else if came.as_deref() != wanted {
            wrong.push(format!("run {} of the feeds: export {came:?}, wanted {wanted:?}", index + 1));
        }
    }
    wrong
}

/// A lease of our own workers, by monotonic time: from when it was told to when its report begins, at most its length
/// after the last heartbeat.
struct Open {
    from_us: u64,
    to_us: u64,
}

fn open_leases(lines: &[Line]) -> Vec<Open> {
    let mut open: BTreeMap<String, Open> = BTreeMap::new();
    let length = LEASE_MS * 1_000;
    for call in record::calls(lines) {
        match (call.op.as_str(), &call.outcome, call.end_us) {
            ("claim", Outcome::Ok { answer, .. }, Some(end)) => {
                for lease in answer["leases"].as_array().into_iter().flatten() {
                    let token = lease["token"].as_str().unwrap_or_default().to_owned();
                    open.insert(token, Open { from_us: end, to_us: end + length });
                }
            }
            ("heartbeat", Outcome::Ok { answer, .. }, Some(end)) => {
                let leases = call.request["leases"].as_array().into_iter().flatten();
                for (lease, item) in leases.zip(answer["items"].as_array().into_iter().flatten()) {
                    let known = lease["token"].as_str().and_then(|token| open.get_mut(token));
                    if let Some(known) = known.filter(|_| item["answer"] == "continue") {
                        known.to_us = end + length;
                    }
                }
            }
            ("complete", ..) => {
                for item in call.request["items"].as_array().into_iter().flatten() {
                    if let Some(known) = item["token"].as_str().and_then(|token| open.get_mut(token)) {
                        known.to_us = known.to_us.min(call.begin_us);
                    }
                }
            }
            _ => {}
        }
    }
    open.into_values().collect()
}

fn coverage(lines: &[Line]) -> Coverage {
    let open = open_leases(lines);
    let mut coverage = Coverage::default();
    for line in lines {
        let Line::Fault { mono_us, kind, phase, append_in_flight, .. } = line else { continue };
        let victim = match kind.as_str() {
            "kill_server" => "server",
            "kill_worker" => "worker",
            "kill_postgres" | "stop_postgres" => "postgres",
            _ => continue,
        };
        if phase != "begin" {
            continue;
        }
        coverage.kills += 1;
        *coverage.by_victim.entry(victim.to_owned()).or_default() += 1;
        coverage.append_in_flight += u32::from(*append_in_flight);
        coverage.lease_open += u32::from(open.iter().any(|open| open.from_us <= *mono_us && *mono_us < open.to_us));
    }
    coverage
}

/// The programs beside this one.
///
/// # Errors
/// This program's own place is not known.
pub fn beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
