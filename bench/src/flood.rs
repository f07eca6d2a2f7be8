//! `flood`: how long the jobs of quiet tenants wait for their start, with and without a tenant that floods.
//!
//! Quiet tenants send at a small fixed rate, in turn; the noisy one sends as fast as it is answered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use orch_bench::clock;
use serde::Serialize;

use crate::arrivals::Arrivals;
use crate::bar;
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::latency::Spread;
use crate::load::producers::{Producers, Supply};
use crate::load::{Tasks, finish, hire, watch};
use crate::meter::Cost;
use crate::progress::Progress;
use crate::settings::{Crew, Database, Face, Settings};
use crate::site::{Crewman, Task};
use crate::stand::Stand;

/// Quiet jobs before those that count.
const WARM_UP: Duration = Duration::from_secs(2);
/// Seconds of each phase.
const SECONDS_QUICK: u64 = 15;
const SECONDS_FULL: u64 = 60;
/// Jobs in one call of a flood.
const BATCH: usize = 500;
/// Jobs of the flood that may wait: far more than the windows in memory.
const AHEAD: u64 = 1_000_000;
/// How long quiet jobs may take after the last arrival.
const DRAIN: Duration = Duration::from_secs(30);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Where jobs go in and come out.
    #[arg(long, value_enum, default_value = "http")]
    face: Face,
    /// All tenants.
    #[arg(long, default_value_t = 1_000)]
    tenants: usize,
    /// Those of them that flood.
    #[arg(long, default_value_t = 1)]
    flood: usize,
    /// Jobs a second of all quiet tenants together.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    #[command(flatten)]
    crew: Crew,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

#[derive(Debug, Serialize)]
struct Row {
    database: Database,
    face: Face,
    tenants: usize,
    /// Tenants that flood in this phase.
    flooding: usize,
    /// Jobs of all tenants that were done a second.
    jobs_per_second: f64,
    /// Of quiet tenants' jobs.
    start: Spread,
    /// Until quiet tenants' calls were answered.
    accepted: Spread,
    #[serde(flatten)]
    cost: Cost,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "face",
        "tenants",
        "flooding",
        "jobs/s",
        "quiet jobs",
        "quiet start p50 ms",
        "p90",
        "p99",
        "max",
        "accepted p50 / p99 ms",
        Cost::HEAD[0],
        Cost::HEAD[1],
        Cost::HEAD[2],
        Cost::HEAD[3],
        Cost::HEAD[4],
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.database.name().to_owned(),
            self.face.name().to_owned(),
            self.tenants.to_string(),
            self.flooding.to_string(),
            format!("{:.0}", self.jobs_per_second),
            self.start.calls.to_string(),
        ];
        let start = &self.start;
        cells.extend([start.p50_ms, start.p90_ms, start.p99_ms, start.max_ms].map(|ms| format!("{ms:.2}")));
        cells.push(format!("{:.2} / {:.2}", self.accepted.p50_ms, self.accepted.p99_ms));
        cells.extend(self.cost.cells());
        cells
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    ensure!(options.flood < options.tenants, "at least one tenant must be quiet");
    let settings = Settings::new(options.face, options.crew.clone(), options.ground.clone());
    let mut document = Document::begin(settings.clone());
    for database in options.ground.databases() {
        let mut stand = Stand::open(options.face, database, options.tenants, &options.ground).await?;
        let phase = Phase { options: &options, settings: &settings, database };
        let mut p99 = Vec::new();
        for (series, flooding) in [0, options.flood].into_iter().enumerate() {
            let measured = phase.run(&mut stand, flooding, series as u64).await;
            let row = measured.with_context(|| format!("{flooding} flooding on {}", database.name()))?;
            p99.push(row.start.p99_ms);
            document.add(stand.commits.clone(), row, Vec::new());
        }
        stand.close().await?;
        let what = format!(
            "quiet start p99 with flood ÷ without, {} tenants, {}, {}",
            options.tenants,
            options.face.name(),
            database.name()
        );
        let bar = Bar::AtMost(bar::FLOOD_RATIO);
        document.findings.push(Finding::new(Subject::Flood, what, (p99[1] / p99[0], "×"), bar));
    }
    document.end(options.ground.json.as_deref())
}

/// What the phases have in common.
struct Phase<'a> {
    options: &'a Options,
    settings: &'a Settings,
    database: Database,
}

impl Phase<'_> {
    async fn run(&self, stand: &mut Stand, flooding: usize, series: u64) -> Result<Row> {
        let (options, settings) = (self.options, self.settings);
        let progress = Arc::new(Progress::default());
        let mut crew = Tasks::new();
        let worker = Crewman { number: 0, claim: settings.claim, task: Task::Succeed };
        hire(&stand.site, &progress, &mut crew, settings.workers, worker);
        if flooding > 0 {
            let noisy = Producers {
                site: Arc::clone(&stand.site),
                progress: Arc::clone(&progress),
                supply: Arc::new(Supply::ahead(AHEAD, BATCH)),
                shape: settings.shape(),
                count: settings.producers,
                tenants: flooding,
                series: 10,
            };
            noisy.spawn(&mut crew);
        }
        let seconds = if settings.ground.quick { SECONDS_QUICK } else { SECONDS_FULL };
        let length = Duration::from_secs(options.crew.seconds.unwrap_or(seconds));
        let quiet = |length, series| Arrivals {
            site: Arc::clone(&stand.site),
            progress: Arc::clone(&progress),
            shape: settings.shape(),
            rate: options.rate,
            batch: 1,
            tenants: options.flood..options.tenants,
            length,
            series,
        };
        let (warm_up, measured) = (quiet(WARM_UP, series * 2 + 1), quiet(length, series * 2 + 2));
        let expected = (length.as_secs_f64() * options.rate).round() as u64;
        warm_up.run().await?;
        clock::pause(Duration::from_millis(500)).await;
        progress.clear_calls();
        let (before, from) = (progress.done(), stand.mark().await?);
        measured.run().await?;
        let spent = from.until(&stand.mark().await?);
        let jobs = progress.done() - before;
        let start = quiet_ended(&progress, &mut crew, expected).await?;
        let accepted = progress.arrive.spread().context("no quiet job was accepted")?;
        progress.stop();
        finish(crew).await?;
        Ok(Row {
            database: self.database,
            face: options.face,
            tenants: options.tenants,
            flooding,
            jobs_per_second: jobs as f64 / spent.seconds,
            start,
            accepted,
            cost: Cost::new(&spent, jobs, stand.place.dead_tuples().await?),
        })
    }
}

/// Waits for the starts of so many quiet jobs.
async fn quiet_ended(progress: &Progress, crew: &mut Tasks, expected: u64) -> Result<Spread> {
    let began = clock::now();
    loop {
        watch(crew)?;
        match progress.start.spread() {
            Some(start) if start.calls >= expected => return Ok(start),
            start => ensure!(
                began.elapsed() < DRAIN,
                "{} of {expected} quiet jobs have begun",
                start.map_or(0, |start| start.calls)
            ),
        }
        clock::pause(LOOK).await;
    }
}
