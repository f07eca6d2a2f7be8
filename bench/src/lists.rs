//! `lists`: how long pages of the API take on a ledger with many finished jobs, one call at a time, through the SDK.
//!
//! The jobs are finished by the real engine, in this process, on the ledger that the server then serves: one in a
//! hundred fails, one in a thousand is of a rare type, and each has a label with one of a hundred values.

mod pages;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use crate::bar;
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::job::{Kind, Shape};
use crate::latency::Spread;
use crate::lists::pages::{Page, Reader};
use crate::load::producers::{Producers, Supply};
use crate::load::{self, Tasks, hire};
use crate::place::{Commits, Place};
use crate::progress::Progress;
use crate::settings::{Crew, Database, Face, Settings};
use crate::site::engine::EngineSite;
use crate::site::http::HttpSite;
use crate::site::{Crewman, Site, Task};
use crate::start_latency::drained;

const FINISHED_QUICK: usize = 1_000_000;
const FINISHED_FULL: usize = 10_000_000;
/// Jobs in one call of the fill.
const BATCH: usize = 1_000;
/// Jobs that the fill may be ahead of its workers.
const AHEAD: u64 = 50_000;

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Finished jobs: 10,000,000, or 1,000,000 with `--quick`.
    #[arg(long)]
    finished: Option<usize>,
    /// Calls of each kind.
    #[arg(long, default_value_t = 200)]
    calls: usize,
    /// Leave PostgreSQL's statistics as the fill left them; otherwise they are gathered first, as autovacuum does later.
    #[arg(long)]
    no_statistics: bool,
    #[command(flatten)]
    crew: Crew,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

#[derive(Debug, Serialize)]
struct Row {
    database: Database,
    finished: usize,
    page: Page,
    /// Items of a page, in the middle of all calls.
    items: usize,
    times: Spread,
    /// CPU milliseconds of server and database for one page.
    cpu_ms_per_page: f64,
    dead_tuples: Option<u64>,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "finished",
        "page",
        "calls",
        "items",
        "p50 ms",
        "p90",
        "p99",
        "max",
        "CPU ms / page",
        "dead tuples",
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.database.name().to_owned(),
            self.finished.to_string(),
            self.page.name().to_owned(),
            self.times.calls.to_string(),
            self.items.to_string(),
        ];
        let times = [self.times.p50_ms, self.times.p90_ms, self.times.p99_ms, self.times.max_ms];
        cells.extend(times.map(|ms| format!("{ms:.1}")));
        cells.push(format!("{:.1}", self.cpu_ms_per_page));
        cells.push(crate::document::maybe(self.dead_tuples, |dead| dead.to_string()));
        cells
    }
}

impl Row {
    fn finding(&self) -> Finding {
        let what = format!("{}, {} finished, {}: p99", self.page.name(), self.finished, self.database.name());
        Finding::new(Subject::Lists, what, (self.times.p99_ms, "ms"), Bar::AtMost(bar::PAGE_P99_MS))
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let settings = Settings::new(Face::Http, options.crew.clone(), options.ground.clone());
    let mut document = Document::begin(settings.clone());
    for database in options.ground.databases() {
        let rows = one(database, &options, &settings).await;
        for (commits, row) in rows.with_context(|| format!("pages on {}", database.name()))? {
            let finding = row.finding();
            document.add(commits, row, vec![finding]);
        }
    }
    document.end(options.ground.json.as_deref())
}

async fn one(database: Database, options: &Options, settings: &Settings) -> Result<Vec<(Commits, Row)>> {
    let finished = options.finished.unwrap_or(if options.ground.quick { FINISHED_QUICK } else { FINISHED_FULL });
    let mut place = Place::make(database, &options.ground).await?;
    let commits = place.commits().await?;
    let server = HttpSite::open(&place, &options.ground.orch, 1).await?;
    let token = server.token().to_owned();
    server.close().await?;
    drop(server);
    finish_jobs(&place, finished, settings).await?;
    place.checkpoint().await?;
    if !options.no_statistics {
        place.analyze().await?;
    }
    let server = HttpSite::open_again(&place, &options.ground.orch, &token).await?;
    let mut rows = Vec::new();
    let reader = Reader::new(server.client(), options.calls).await?;
    for page in Page::ALL {
        let cpu = |place: &Place| -> Result<f64> {
            Ok(server.process().map_or(Ok(0.0), orch_bench::process::cpu)? + place.cpu()?.unwrap_or_default())
        };
        let before = cpu(&place)?;
        let read = reader.read(page).await.with_context(|| page.name())?;
        let cpu_ms_per_page = (cpu(&place)? - before) * 1e3 / read.calls as f64;
        let dead_tuples = place.dead_tuples().await?;
        let row = Row { database, finished, page, items: read.items, times: read.times, cpu_ms_per_page, dead_tuples };
        rows.push((commits.clone(), row));
    }
    server.close().await?;
    drop(reader);
    drop(server);
    place.remove().await?;
    Ok(rows)
}

/// Lets an engine in this process take and finish so many jobs.
async fn finish_jobs(place: &Place, finished: usize, settings: &Settings) -> Result<()> {
    let site: Arc<dyn Site> = Arc::new(EngineSite::on_servers(place).await?);
    let progress = Arc::new(Progress::default());
    let mut crew = Tasks::new();
    hire(&site, &progress, &mut crew, 16, Crewman { number: 0, claim: settings.claim, task: Task::FailSome });
    let producers = Producers {
        site: Arc::clone(&site),
        progress: Arc::clone(&progress),
        supply: Arc::new(Supply::jobs(finished, BATCH).at_most_ahead(AHEAD)),
        shape: Shape { kind: Kind::Labelled, ..settings.shape() },
        count: settings.producers,
        tenants: 1,
        series: 1,
    };
    let mut fill = Tasks::new();
    producers.spawn(&mut fill);
    load::finish(fill).await?;
    drained(&progress, &mut crew).await?;
    progress.stop();
    load::finish(crew).await?;
    site.close().await
}
