//! `latency`: from a job's arrival to its start at a worker that waits for it, at shares of the rate that the site can
//! take. Jobs arrive at fixed times and count from there, whatever became of the call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use orch_bench::clock;
use serde::Serialize;

use crate::arrivals::Arrivals;
use crate::bar;
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::latency::Spread;
use crate::load::{self, Tasks, finish, hire};
use crate::meter::Cost;
use crate::place::Commits;
use crate::program::measure;
use crate::progress::Progress;
use crate::settings::{Case, Crew, Database, Face, Settings, Workload};
use crate::site::{Crewman, Task};
use crate::stand::Stand;

/// Shares of the saturated rate, in percent.
const SHARES: [u32; 3] = [10, 50, 90];
/// The share that has a bar.
const HALF: u32 = 50;
/// Arrivals before those that count.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long jobs may go on after the last arrival.
const DRAIN: Duration = Duration::from_secs(30);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only this face; both in turn by default.
    #[arg(long, value_enum)]
    face: Option<Face>,
    /// Jobs a second, instead of shares of what the site can take.
    #[arg(long)]
    rate: Option<f64>,
    /// Jobs that arrive together.
    #[arg(long, default_value_t = 10)]
    batch: usize,
    #[command(flatten)]
    crew: Crew,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
struct Point {
    face: Face,
    database: Database,
    /// Jobs a second.
    rate: f64,
    /// Percent of the saturated rate, where that was measured.
    share: Option<u32>,
    batch: usize,
}

/// One rate.
#[derive(Debug, Serialize)]
struct Row {
    face: Face,
    database: Database,
    share_percent: Option<u32>,
    jobs_per_second_wanted: f64,
    jobs_per_second: f64,
    batch: usize,
    start: Spread,
    /// Until the calls that made them were answered.
    accepted: Spread,
    #[serde(flatten)]
    cost: Cost,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "face",
        "share",
        "jobs/s wanted",
        "jobs/s",
        "start p50 ms",
        "p90",
        "p99",
        "p99.9",
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
            self.share_percent.map_or_else(|| "–".to_owned(), |share| format!("{share} %")),
            format!("{:.0}", self.jobs_per_second_wanted),
            format!("{:.0}", self.jobs_per_second),
        ];
        let start = &self.start;
        let times = [start.p50_ms, start.p90_ms, start.p99_ms, start.p999_ms, start.max_ms];
        cells.extend(times.map(|ms| format!("{ms:.2}")));
        cells.push(format!("{:.2} / {:.2}", self.accepted.p50_ms, self.accepted.p99_ms));
        cells.extend(self.cost.cells());
        cells
    }
}

impl Row {
    fn findings(&self) -> Vec<Finding> {
        if self.face != Face::Http || self.share_percent.is_some_and(|share| share != HALF) {
            return Vec::new();
        }
        let what = format!("start at {:.0} jobs/s, http, {}", self.jobs_per_second_wanted, self.database.name());
        [("p50", self.start.p50_ms, bar::START_P50_MS), ("p99", self.start.p99_ms, bar::START_P99_MS)]
            .map(|(name, ms, bar)| {
                Finding::new(Subject::Latency, format!("{what}: {name}"), (ms, "ms"), Bar::AtMost(bar))
            })
            .to_vec()
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let faces = options.face.map_or_else(|| vec![Face::Engine, Face::Http], |face| vec![face]);
    let settings = |face| Settings {
        batches: vec![options.batch],
        ..Settings::new(face, options.crew.clone(), options.ground.clone())
    };
    let mut document = Document::begin(settings(faces[0]));
    for database in options.ground.databases() {
        for &face in &faces {
            let settings = settings(face);
            let points = match options.rate {
                Some(rate) => vec![(None, rate)],
                None => {
                    let most = saturated(database, &settings).await?;
                    SHARES.map(|share| (Some(share), most * f64::from(share) / 100.0)).to_vec()
                }
            };
            for (share, rate) in points {
                let point = Point { face, database, rate, share, batch: options.batch };
                let (commits, row) = at(point, &settings)
                    .await
                    .with_context(|| format!("{rate:.0} jobs/s on {}, {}", database.name(), face.name()))?;
                let findings = row.findings();
                document.add(commits, row, findings);
            }
        }
    }
    document.end(options.ground.json.as_deref())
}

/// Jobs a second that the site takes when producers wait for nothing but their calls.
async fn saturated(database: Database, settings: &Settings) -> Result<f64> {
    let batch = settings.batches[0];
    let case = Case { database, workload: Workload::Cycle, tenants: 1, batch };
    let settings = Settings { cycle_seconds: settings.enqueue_seconds.clamp(4, 10), ..settings.clone() };
    Ok(measure(case, &settings).await?.1.jobs_per_second)
}

async fn at(point: Point, settings: &Settings) -> Result<(Commits, Row)> {
    let mut stand = Stand::open(point.face, point.database, 1, &settings.ground).await?;
    let progress = Arc::new(Progress::default());
    let mut crew = Tasks::new();
    let worker = Crewman { number: 0, claim: settings.claim, task: Task::Succeed };
    hire(&stand.site, &progress, &mut crew, settings.workers, worker);
    let arrivals = |length, series| Arrivals {
        site: Arc::clone(&stand.site),
        progress: Arc::clone(&progress),
        shape: settings.shape(),
        rate: point.rate,
        batch: point.batch,
        tenants: 0..1,
        length,
        series,
    };
    let (warm_up, measured) = (arrivals(WARM_UP, 1), arrivals(Duration::from_secs(settings.enqueue_seconds.max(5)), 2));
    warm_up.run().await?;
    drained(&progress, &mut crew).await?;
    progress.clear_calls();
    let (before, from) = (progress.done(), stand.mark().await?);
    measured.run().await?;
    drained(&progress, &mut crew).await?;
    let spent = from.until(&stand.mark().await?);
    let jobs = progress.done() - before;
    let start = progress.start.spread().context("no job began")?;
    let accepted = progress.arrive.spread().context("no job was accepted")?;
    progress.stop();
    finish(crew).await?;
    let dead = stand.place.dead_tuples().await?;
    let commits = stand.commits.clone();
    drop((warm_up, measured));
    stand.close().await?;
    let row = Row {
        face: point.face,
        database: point.database,
        share_percent: point.share,
        jobs_per_second_wanted: point.rate,
        jobs_per_second: jobs as f64 / spent.seconds,
        batch: point.batch,
        start,
        accepted,
        cost: Cost::new(&spent, jobs, dead),
    };
    Ok((commits, row))
}

/// Waits until every accepted job is done.
pub async fn drained(progress: &Progress, crew: &mut Tasks) -> Result<()> {
    let began = clock::now();
    while progress.waiting() > 0 {
        load::watch(crew)?;
        anyhow::ensure!(began.elapsed() < DRAIN, "{} jobs still wait", progress.waiting());
        clock::pause(LOOK).await;
    }
    Ok(())
}
