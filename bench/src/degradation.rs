//! `degradation`: CPU a job of the whole cycle under stress, compared with none, run in turn: A B A B.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::bar;
use crate::document::{Document, Line, Summary, maybe};
use crate::figures::{Ratio, last_third_to_first};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::meter::Cost;
use crate::place::Commits;
use crate::program::measure;
use crate::settings::{Case, Crew, Database, Face, Settings, Workload};
use crate::stress::Stress;

/// How far a standing backlog may leave its size.
const BACKLOG_BAND: f64 = 0.1;

/// What makes the work harder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Load {
    /// A backlog stands beside the work.
    Backlog,
    /// An old transaction is open.
    Transaction,
    /// Held jobs lie in front.
    Held,
    /// Every kind of gate is declared for the work, and none holds it.
    Gates,
}

/// The lengths of a run.
struct Lengths {
    backlog: usize,
    transaction_seconds: u64,
}

const QUICK: Lengths = Lengths { backlog: 2_000_000, transaction_seconds: 300 };
const FULL: Lengths = Lengths { backlog: 5_000_000, transaction_seconds: 1_800 };
/// Seconds of a run without a length of its own.
const SECONDS: u64 = 60;

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Which stress; all in turn when nothing is named.
    #[arg(value_enum)]
    loads: Vec<Load>,
    /// Where jobs go in and come out.
    #[arg(long, value_enum, default_value = "engine")]
    face: Face,
    /// Pairs of a plain run and one under stress.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Jobs of the standing backlog: 5,000,000, or 2,000,000 with `--quick`.
    #[arg(long)]
    backlog: Option<usize>,
    /// Held jobs, of each of two kinds.
    #[arg(long, default_value_t = 100_000)]
    held: usize,
    #[command(flatten)]
    crew: Crew,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

impl Options {
    fn stress(&self, load: Load) -> Stress {
        let lengths = if self.ground.quick { QUICK } else { FULL };
        match load {
            Load::Backlog => Stress { standing: self.backlog.unwrap_or(lengths.backlog), ..Stress::default() },
            Load::Transaction => Stress { held_transaction: true, ..Stress::default() },
            Load::Held => Stress { held: self.held, ..Stress::default() },
            Load::Gates => Stress { gates: true, ..Stress::default() },
        }
    }

    fn seconds(&self, load: Load) -> u64 {
        let lengths = if self.ground.quick { QUICK } else { FULL };
        self.crew.seconds.unwrap_or(if load == Load::Transaction { lengths.transaction_seconds } else { SECONDS })
    }
}

/// One run.
#[derive(Debug, Serialize)]
struct Row {
    database: Database,
    stress: String,
    pair: usize,
    jobs_per_second: f64,
    cpu_ms_per_1000_jobs: f64,
    /// The mean of the last third of the seconds divided by that of the first.
    last_third_to_first: Option<f64>,
    /// The fewest and the most jobs that waited.
    waiting: Option<(u64, u64)>,
    #[serde(flatten)]
    cost: Cost,
    per_second: Vec<u64>,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "stress",
        "pair",
        "jobs/s",
        "CPU ms / 1,000 jobs",
        "last third ÷ first",
        "waiting",
        Cost::HEAD[0],
        Cost::HEAD[1],
        Cost::HEAD[2],
        Cost::HEAD[3],
        Cost::HEAD[4],
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.database.name().to_owned(),
            self.stress.clone(),
            self.pair.to_string(),
            format!("{:.0}", self.jobs_per_second),
            format!("{:.1}", self.cpu_ms_per_1000_jobs),
            maybe(self.last_third_to_first, |ratio| format!("{ratio:.2}")),
            maybe(self.waiting, |(least, most)| format!("{least}–{most}")),
        ];
        cells.extend(self.cost.cells());
        cells
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let all = [Load::Backlog, Load::Transaction, Load::Held, Load::Gates];
    let loads = if options.loads.is_empty() { all.to_vec() } else { options.loads.clone() };
    let settings = Settings::new(options.face, options.crew.clone(), options.ground.clone());
    let mut document = Document::begin(settings.clone());
    for database in options.ground.databases() {
        for &load in &loads {
            let settings = Settings { cycle_seconds: options.seconds(load), ..settings.clone() };
            let stress = options.stress(load);
            let mut figures = [Vec::new(), Vec::new()];
            let mut thirds = Vec::new();
            for pair in 1..=options.pairs {
                for (series, stress) in [Stress::default(), stress].into_iter().enumerate() {
                    let (commits, row) = one(database, pair, Settings { stress, ..settings.clone() }).await?;
                    figures[series].push(row.cpu_ms_per_1000_jobs);
                    let mut findings = Vec::new();
                    if series == 1 {
                        thirds.extend(row.last_third_to_first);
                        findings.extend(left_its_band(&row, stress.standing));
                    }
                    document.add(commits, row, findings);
                }
            }
            let [plain, stressed] = &figures;
            let what = format!("{}, {}, {}", stress.name(), options.face.name(), database.name());
            let most = if load == Load::Gates { bar::GATES_CPU_RATIO } else { bar::CPU_RATIO };
            document.findings.extend(compare(&what, Ratio::of(stressed, plain), most, &thirds));
        }
    }
    document.end(options.ground.json.as_deref())
}

/// The ratio of the medians, and the worst fall inside a run.
fn compare(what: &str, ratio: Option<Ratio>, most: f64, thirds: &[f64]) -> Vec<Finding> {
    let ratio = ratio.map(|Ratio { of_medians, min, max }| {
        let what = format!("CPU a job ÷ plain ({min:.2}–{max:.2}), {what}");
        Finding::new(Subject::Degradation, what, (of_medians, "×"), Bar::AtMost(most))
    });
    let worst = thirds.iter().copied().min_by(f64::total_cmp).map(|worst| {
        let what = format!("last third ÷ first, worst run, {what}");
        Finding::new(Subject::Degradation, what, (worst, "×"), Bar::AtLeast(bar::LAST_THIRD))
    });
    ratio.into_iter().chain(worst).collect()
}

/// A backlog that did not stand is no figure of one.
fn left_its_band(row: &Row, standing: usize) -> Option<Finding> {
    let (least, most) = row.waiting.filter(|_| standing > 0)?;
    let size = standing as f64;
    let away = (least as f64 / size - 1.0).abs().max((most as f64 / size - 1.0).abs());
    let what = format!("backlog's largest distance from {standing}, pair {}, {}", row.pair, row.database.name());
    let finding = Finding::new(Subject::Degradation, what, (away * 100.0, "%"), Bar::AtMost(BACKLOG_BAND * 100.0));
    (!finding.met).then_some(finding)
}

async fn one(database: Database, pair: usize, settings: Settings) -> Result<(Commits, Row)> {
    let case = Case { database, workload: Workload::Cycle, tenants: 1, batch: settings.claim };
    let name = settings.stress.name();
    let measured = measure(case, &settings).await;
    let (commits, row) = measured.with_context(|| format!("{name}, pair {pair}, {}", database.name()))?;
    let waiting = row.waiting.iter().min().copied().zip(row.waiting.iter().max().copied());
    let row = Row {
        database,
        stress: name,
        pair,
        jobs_per_second: row.jobs_per_second,
        cpu_ms_per_1000_jobs: row.cost.cpu_ms_per_1000_jobs(),
        last_third_to_first: last_third_to_first(&row.per_second),
        waiting,
        cost: row.cost,
        per_second: row.per_second,
    };
    Ok((commits, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_and_the_worst_third_have_bars() {
        let findings = compare("x", Ratio::of(&[1.1, 1.2], &[1.0, 1.0]), 1.15, &[0.95, 0.8]);
        let met: Vec<_> = findings.iter().map(|finding| finding.met).collect();
        assert_eq!(met, [true, false]);
        assert!(findings[0].what.contains("(1.10–1.20)"));
        assert!(compare("x", None, 1.15, &[]).is_empty());
    }
}
