//! `backfill`: how long fresh jobs wait for their start beside a backfill that takes what is idle, and without one.
//!
//! Fresh jobs arrive at a steady rate and are of little work for their workers; windows of the backfill take all that is
//! left. It is held and let go on in turn, so that both are measured on the same ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use orch_bench::clock;
use orch_core::backfill::{BackfillSpec, Reprocess};
use orch_core::config::{ConfigDoc, Source};
use orch_core::ids::BackfillId;
use orch_core::job::Priority;
use orch_core::schedule::ScheduledJob;
use orch_core::time::Timestamp;
use orch_dispatch::command::{Actor, AskedBackfill, Read};
use orch_dispatch::{Answer, Command};
use rand::Rng as _;
use serde::Serialize;

use crate::arrivals::Arrivals;
use crate::bar;
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::job::{JOB_TYPE, Kind, SOURCE, Shape, arrival};
use crate::latency::Spread;
use crate::load::{Tasks, finish};
use crate::place::{Commits, Place};
use crate::progress::Progress;
use crate::settings::Database;
use crate::site::engine::{EngineSite, success};
use crate::site::{Crewman, Site, Task};
use crate::start_latency::drained;

/// Windows of a backfill.
const WINDOWS: u64 = 100_000;
const WINDOWS_QUICK: u64 = 5_000;
/// How long a window is.
const WINDOW_MS: u64 = 60_000;
/// Fresh jobs before those that count.
const WARM_UP: Duration = Duration::from_secs(2);
/// How often it is looked whether the backfill is at its end.
const LOOK: Duration = Duration::from_millis(100);
/// A job takes up to so long.
const WORK_MICROS_MAX: u64 = 5_000;

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Fresh jobs a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Workers, each of which takes one job at a time.
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// Windows that are open at the same time.
    #[arg(long, default_value_t = 8)]
    parallelism: u32,
    /// Windows of a backfill: 100,000, or 5,000 with `--quick`. One that ends is followed by another.
    #[arg(long)]
    windows: Option<u64>,
    /// Phases without and with the backfill, in turn: 3 of each, or 1 with `--quick`.
    #[arg(long)]
    pairs: Option<usize>,
    /// Seconds of a phase: 20, or 8 with `--quick`.
    #[arg(long)]
    seconds: Option<u64>,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// One phase.
#[derive(Debug, Serialize)]
struct Row {
    database: Database,
    /// The backfill goes on.
    backfill: bool,
    /// Of fresh jobs.
    start: Spread,
    /// Until the calls that made them were answered.
    accepted: Spread,
    windows_per_second: f64,
    /// Percent of the time that all workers have.
    busy_percent: f64,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "backfill",
        "fresh jobs",
        "fresh start p50 ms",
        "p90",
        "p99",
        "max",
        "accepted p50 / p99 ms",
        "windows/s",
        "workers busy",
    ];

    fn cells(&self) -> Vec<String> {
        let start = &self.start;
        let mut cells = vec![
            self.database.name().to_owned(),
            if self.backfill { "goes on" } else { "held" }.to_owned(),
            start.calls.to_string(),
        ];
        cells.extend([start.p50_ms, start.p90_ms, start.p99_ms, start.max_ms].map(|ms| format!("{ms:.2}")));
        cells.extend([
            format!("{:.2} / {:.2}", self.accepted.p50_ms, self.accepted.p99_ms),
            format!("{:.0}", self.windows_per_second),
            format!("{:.0} %", self.busy_percent),
        ]);
        cells
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let mut document = Document::begin(options.ground.clone());
    for database in options.ground.databases() {
        let measured = measure(database, &options, &mut document).await;
        let mut ratios = measured.with_context(|| database.name())?;
        ratios.sort_unstable_by(f64::total_cmp);
        let what = format!(
            "fresh start p99 beside a backfill ÷ without, the middle of {} pairs, {:.0} jobs/s, {}",
            ratios.len(),
            options.rate,
            database.name()
        );
        let ratio = ratios.get(ratios.len() / 2).copied().context("there was no pair")?;
        let bar = Bar::AtMost(bar::BACKFILL_RATIO);
        document.findings.push(Finding::new(Subject::Backfill, what, (ratio, "×"), bar));
    }
    document.end(options.ground.json.as_deref())
}

/// All phases on one ledger; returns what each pair came to.
async fn measure(database: Database, options: &Options, document: &mut Document<Ground, Row>) -> Result<Vec<f64>> {
    let mut place = Place::make(database, &options.ground).await?;
    place.checkpoint().await?;
    let commits = place.commits().await?;
    let site = Arc::new(EngineSite::open(&place, 1).await?);
    let source = Source { name: SOURCE.to_owned(), kind: "bench".to_owned(), ..Source::default() };
    site.declare(ConfigDoc::Source(source)).await?;
    let done = Arc::new(Done::default());
    let mut crew = Tasks::new();
    for number in 0..options.workers.max(1) {
        let worker = Crewman { number, claim: 1, task: Task::Succeed };
        crew.spawn(work(Arc::clone(&site), worker, Arc::clone(&done)));
    }
    let mut backfill = Backfill::create(&site, options).await?;
    backfill.hold(true).await?;
    let mut phases = Phases { site: &site, options, done, crew, series: 0 };
    phases.fresh(WARM_UP).await?;
    let mut ratios = Vec::new();
    for _ in 0..options.pairs.unwrap_or(if options.ground.quick { 1 } else { 3 }) {
        let (without, beside) = (phases.without(database).await?, phases.beside(database, &mut backfill).await?);
        ratios.push(beside.start.p99_ms / without.start.p99_ms);
        for row in [without, beside] {
            document.add(Commits::clone(&commits), row, Vec::new());
        }
    }
    let Phases { done, crew, .. } = phases;
    done.fresh.stop();
    finish(crew).await?;
    site.close().await?;
    drop((site, backfill));
    place.remove().await?;
    Ok(ratios)
}

/// What workers did.
#[derive(Default)]
struct Done {
    /// Fresh jobs.
    fresh: Arc<Progress>,
    windows: AtomicU64,
    /// For how long they worked, in microseconds.
    busy: AtomicU64,
}

struct Phases<'a> {
    site: &'a Arc<EngineSite>,
    options: &'a Options,
    done: Arc<Done>,
    crew: Tasks,
    series: u64,
}

impl Phases<'_> {
    async fn without(&mut self, database: Database) -> Result<Row> {
        self.phase(database, false).await
    }

    async fn beside(&mut self, database: Database, backfill: &mut Backfill) -> Result<Row> {
        backfill.hold(false).await?;
        let over = AtomicBool::new(false);
        let measure = async {
            let row = self.phase(database, true).await;
            over.store(true, Ordering::Relaxed);
            row
        };
        let (row, followed) = tokio::join!(measure, backfill.follow(&over));
        followed?;
        backfill.hold(true).await?;
        row
    }

    async fn phase(&mut self, database: Database, backfill: bool) -> Result<Row> {
        let length =
            Duration::from_secs(self.options.seconds.unwrap_or(if self.options.ground.quick { 8 } else { 20 }));
        let (began, done) = (clock::now(), Arc::clone(&self.done));
        let read = || (done.windows.load(Ordering::Relaxed), done.busy.load(Ordering::Relaxed));
        let (windows, busy) = read();
        self.fresh(length).await?;
        let (seconds, (windows_then, busy_then)) = (began.elapsed().as_secs_f64(), read());
        let of_all = seconds * 1e6 * self.options.workers.max(1) as f64;
        Ok(Row {
            database,
            backfill,
            start: done.fresh.start.spread().context("no job began")?,
            accepted: done.fresh.arrive.spread().context("no job was accepted")?,
            windows_per_second: (windows_then - windows) as f64 / seconds,
            busy_percent: (busy_then - busy) as f64 * 100.0 / of_all,
        })
    }

    /// Lets fresh jobs arrive, and waits for their ends.
    async fn fresh(&mut self, length: Duration) -> Result<()> {
        self.series += 1;
        self.done.fresh.clear_calls();
        let arrivals = Arrivals {
            site: Arc::clone(self.site) as Arc<dyn Site>,
            progress: Arc::clone(&self.done.fresh),
            shape: Shape { payload_bytes: 200, keys: false, fan: 0, kind: Kind::Work },
            rate: self.options.rate,
            batch: 1,
            tenants: 0..1,
            length,
            series: self.series,
        };
        arrivals.run().await?;
        drained(&self.done.fresh, &mut self.crew).await
    }
}

/// The backfill, and those that follow it.
struct Backfill {
    site: Arc<EngineSite>,
    id: BackfillId,
    windows: u64,
    parallelism: u32,
    /// So many were made.
    made: u32,
}

impl Backfill {
    async fn create(site: &Arc<EngineSite>, options: &Options) -> Result<Self> {
        let usual = if options.ground.quick { WINDOWS_QUICK } else { WINDOWS };
        let mut backfill = Self {
            site: Arc::clone(site),
            id: BackfillId::v7(site.engine().now(), 0),
            windows: options.windows.unwrap_or(usual),
            parallelism: options.parallelism,
            made: 0,
        };
        backfill.next().await?;
        Ok(backfill)
    }

    async fn next(&mut self) -> Result<()> {
        let now = self.site.engine().now();
        self.made += 1;
        self.id = BackfillId::v7(now, self.made.into());
        let before = |at: Timestamp, windows: u64| -> Result<Timestamp> {
            Ok(Timestamp::from_millis(at.millis() - i64::try_from(windows * WINDOW_MS)?))
        };
        let to = before(now, 1)?;
        let job = ScheduledJob { job_type: JOB_TYPE.to_owned(), payload: "{}".to_owned(), ..ScheduledJob::default() };
        let spec = BackfillSpec {
            by: "bench".to_owned(),
            from: before(to, self.windows)?,
            to,
            job: Some(job),
            parallelism: self.parallelism,
            reason: "bench".to_owned(),
            reprocess: Reprocess::All,
            source: SOURCE.to_owned(),
            ticket: "bench".to_owned(),
            window_ms: WINDOW_MS,
            ..BackfillSpec::default()
        };
        let spec = Box::new(AskedBackfill(spec));
        let create = Command::CreateBackfill { tenant: self.site.tenant(), backfill: self.id, spec, key: None };
        self.site.engine().command(create).await?;
        Ok(())
    }

    async fn hold(&mut self, pause: bool) -> Result<()> {
        self.look().await?;
        let (tenant, actor) = (self.site.tenant(), Actor::default());
        let pause = Command::PauseBackfill { tenant, backfill: self.id, pause, actor };
        self.site.engine().command(pause).await?;
        Ok(())
    }

    /// Makes another one whenever one has ended.
    async fn follow(&mut self, over: &AtomicBool) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            clock::pause(LOOK).await;
            self.look().await?;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        let read = Read::Backfills { tenant: self.site.tenant(), backfills: vec![self.id] };
        match self.site.engine().command(Command::Read(read)).await? {
            Answer::OpenBackfills(found) if found == [None] => self.next().await,
            Answer::OpenBackfills(_) => Ok(()),
            _ => bail!("the question for a backfill was answered otherwise"),
        }
    }
}

/// Takes one job, works on it, reports it.
async fn work(site: Arc<EngineSite>, worker: Crewman, done: Arc<Done>) -> Result<()> {
    let session = site.session(worker).await?;
    loop {
        let leases = tokio::select! {
            biased;
            () = done.fresh.stopped() => return Ok(()),
            leases = site.claim(session, 1) => leases?,
        };
        for lease in leases {
            let began = clock::now();
            let fresh = lease.grant.lane.priority != Priority::Backfill;
            if let Some(arrival) = arrival(&lease.payload) {
                done.fresh.start.add(clock::elapsed().saturating_sub(arrival));
            }
            let takes = rand::rng().random_range(0..=WORK_MICROS_MAX);
            clock::pause(Duration::from_micros(takes)).await;
            site.report(vec![(lease.grant.token, success())]).await?;
            done.busy.fetch_add(u64::try_from(began.elapsed().as_micros())?, Ordering::Relaxed);
            if fresh {
                done.fresh.add_done(1);
            } else {
                done.windows.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
