//! `memory`: what a server's process holds while many jobs wait and many leases are out.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use orch_bench::{clock, process};
use serde::Serialize;

use crate::bar;
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::load::producers::{Producers, Supply};
use crate::load::{self, Tasks, hire};
use crate::meter::Cost;
use crate::place::Commits;
use crate::progress::Progress;
use crate::settings::{Crew, Database, Face, Settings};
use crate::site::{Crewman, Task};
use crate::stand::Stand;

const WAITING_QUICK: usize = 1_000_000;
const WAITING_FULL: usize = 5_000_000;
/// Jobs in one call and in one claim.
const BATCH: usize = 1_000;
/// Memory is looked at so long after the last call.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the leases may take.
const LEASES_MAX: Duration = Duration::from_secs(60);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Jobs that wait: 5,000,000, or 1,000,000 with `--quick`.
    #[arg(long)]
    waiting: Option<usize>,
    /// Leases that workers hold.
    #[arg(long, default_value_t = 10_000)]
    leases: usize,
    #[command(flatten)]
    crew: Crew,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

#[derive(Debug, Serialize)]
struct Row {
    database: Database,
    waiting: u64,
    leases: u64,
    /// Resident while jobs wait.
    waiting_mib: f64,
    /// Resident while leases are held, too.
    leased_mib: f64,
    /// The most at any time, the fill included.
    peak_mib: f64,
    /// What the fill cost.
    #[serde(flatten)]
    cost: Cost,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "waiting",
        "leases",
        "waiting MiB",
        "with leases MiB",
        "peak MiB",
        Cost::HEAD[0],
        Cost::HEAD[1],
        Cost::HEAD[2],
        Cost::HEAD[3],
        Cost::HEAD[4],
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.database.name().to_owned(), self.waiting.to_string(), self.leases.to_string()];
        cells.extend([self.waiting_mib, self.leased_mib, self.peak_mib].map(|mib| format!("{mib:.0}")));
        cells.extend(self.cost.cells());
        cells
    }
}

impl Row {
    fn finding(&self) -> Finding {
        let what =
            format!("peak with {} jobs waiting and {} leases, {}", self.waiting, self.leases, self.database.name());
        Finding::new(Subject::Memory, what, (self.peak_mib, "MiB"), Bar::AtMost(bar::MEMORY_MIB))
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let settings = Settings::new(Face::Http, options.crew.clone(), options.ground.clone());
    let waiting = if options.ground.quick { WAITING_QUICK } else { WAITING_FULL };
    let waiting = options.waiting.unwrap_or(waiting);
    let mut document = Document::begin(settings.clone());
    for database in options.ground.databases() {
        let measured = one(database, waiting, options.leases, &settings).await;
        let (commits, row) = measured.with_context(|| format!("memory on {}", database.name()))?;
        let finding = row.finding();
        document.add(commits, row, vec![finding]);
    }
    document.end(options.ground.json.as_deref())
}

async fn one(database: Database, waiting: usize, leases: usize, settings: &Settings) -> Result<(Commits, Row)> {
    let mut stand = Stand::open(Face::Http, database, 1, &settings.ground).await?;
    let server = stand.site.process();
    let progress = Arc::new(Progress::default());
    let from = stand.mark().await?;
    let producers = Producers {
        site: Arc::clone(&stand.site),
        progress: Arc::clone(&progress),
        supply: Arc::new(Supply::jobs(waiting + leases, BATCH)),
        shape: settings.shape(),
        count: settings.producers,
        tenants: 1,
        series: 1,
    };
    let mut fill = Tasks::new();
    producers.spawn(&mut fill);
    load::finish(fill).await?;
    let spent = from.until(&stand.mark().await?);
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    clock::pause(SETTLE).await;
    let waiting_mib = mib(process::memory_bytes(server)?);
    let mut crew = hold(leases, &stand, &progress).await?;
    clock::pause(SETTLE).await;
    load::watch(&mut crew)?;
    let row = Row {
        database,
        waiting: progress.accepted() - progress.started(),
        leases: progress.started(),
        waiting_mib,
        leased_mib: mib(process::memory_bytes(server)?),
        peak_mib: mib(process::peak_memory_bytes(server)?),
        cost: Cost::new(&spent, progress.accepted(), stand.place.dead_tuples().await?),
    };
    progress.stop();
    load::finish(crew).await?;
    let commits = stand.commits.clone();
    stand.close().await?;
    Ok((commits, row))
}

/// Hires workers, each of which takes twice its claim, until so many leases are held.
async fn hold(leases: usize, stand: &Stand, progress: &Arc<Progress>) -> Result<Tasks> {
    let mut crew = Tasks::new();
    let worker = Crewman { number: 0, claim: BATCH.min(leases.div_ceil(2)), task: Task::Hold };
    hire(&stand.site, progress, &mut crew, leases.div_ceil(worker.claim.max(1) * 2), worker);
    let began = clock::now();
    while progress.started() < leases as u64 {
        load::watch(&mut crew)?;
        ensure!(began.elapsed() < LEASES_MAX, "only {} of {leases} leases were had", progress.started());
        clock::pause(LOOK).await;
    }
    Ok(crew)
}
