//! `graphs`: what a step of a run costs, from small graphs to the largest, beside as many jobs without a run.
//!
//! Each measurement is a process of its own, so that what one left in memory is not there for the next. Graphs of all
//! sizes run so often that there are equally many steps of each.

mod shape;

use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use orch_bench::{clock, process};
use orch_core::config::ConfigDoc;
use orch_core::ids::RunId;
use orch_core::run::{RunSpec, RunTrigger};
use orch_dispatch::command::{NewRun, Read, Report, WhichGraph};
use orch_dispatch::{Answer, Command};
use orch_engine::Lease;
use serde::{Deserialize, Serialize};

use crate::bar;
use crate::document::{Document, Line, Summary, maybe, write};
use crate::finding::{Bar, Finding, Subject};
use crate::graphs::shape::{LIST_TYPE, Shape};
use crate::ground::Ground;
use crate::job::{self, Kind, Maker};
use crate::load::{Tasks, finish, watch};
use crate::meter::{Cost, Mark};
use crate::place::{Commits, Place};
use crate::progress::Progress;
use crate::settings::Database;
use crate::site::engine::{EngineSite, success};
use crate::site::{Crewman, Site as _, Task};

/// Steps of a run.
const STEPS: [usize; 3] = [1_000, 3_000, 10_000];
const STEPS_QUICK: [usize; 3] = [300, 1_000, 3_000];
/// So many steps of all runs of a size together; of chains, which go one by one, a twentieth.
const ALL_STEPS: usize = 200_000;
const ALL_STEPS_QUICK: usize = 60_000;
/// Jobs before those that count.
const WARM_UP: usize = 1_000;
/// Jobs in one call.
const BATCH: usize = 500;
/// Workers, and jobs in a claim of theirs. A chain has one worker that takes one.
const WORKERS: usize = 4;
const CLAIM: usize = 200;
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(1);
/// What does not end in this time has failed.
const STALLED: Duration = Duration::from_secs(300);

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only graphs of these shapes.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Shape::ALL)]
    shape: Vec<Shape>,
    /// Steps of a graph, from the fewest: 1,000, 3,000 and 10,000, or fewer with `--quick`.
    #[arg(long, value_delimiter = ',')]
    steps: Vec<usize>,
    /// One measurement, in this process.
    #[arg(long, hide = true)]
    here: bool,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// Graphs of one shape and size.
#[derive(Clone, Copy, Debug)]
struct Cell {
    database: Database,
    shape: Shape,
    steps: usize,
}

/// What came out.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    database: Database,
    shape: Shape,
    steps: usize,
    runs: usize,
    /// A run, on average.
    seconds: f64,
    /// CPU milliseconds of a step: this process, worker included, and the database.
    cpu_ms: f64,
    database_cpu_ms: Option<f64>,
    /// The same of a job without a run.
    plain_cpu_ms: f64,
    plain_database_cpu_ms: Option<f64>,
    /// By how much memory grew while the first graph was declared and run.
    memory_bytes: f64,
    log_bytes: f64,
    plain_log_bytes: f64,
}

impl Row {
    fn step_cpu_ms(&self) -> f64 {
        self.cpu_ms + self.database_cpu_ms.unwrap_or_default()
    }

    fn job_cpu_ms(&self) -> f64 {
        self.plain_cpu_ms + self.plain_database_cpu_ms.unwrap_or_default()
    }

    fn step_bytes(&self) -> f64 {
        self.memory_bytes / self.steps as f64
    }
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "shape",
        "steps",
        "runs",
        "s / run",
        "µs / step",
        "CPU ms / step",
        "PostgreSQL",
        "CPU ms / plain job",
        "PostgreSQL",
        "step less job",
        "step ÷ job",
        "memory MiB",
        "B / step",
        "log B / step",
        "log B / plain job",
    ];

    fn cells(&self) -> Vec<String> {
        let cpu = |ms: Option<f64>| maybe(ms, |ms| format!("{ms:.4}"));
        vec![
            self.database.name().to_owned(),
            self.shape.name().to_owned(),
            self.steps.to_string(),
            self.runs.to_string(),
            format!("{:.2}", self.seconds),
            format!("{:.0}", self.seconds * 1e6 / self.steps as f64),
            cpu(Some(self.cpu_ms)),
            cpu(self.database_cpu_ms),
            cpu(Some(self.plain_cpu_ms)),
            cpu(self.plain_database_cpu_ms),
            format!("{:.4}", self.step_cpu_ms() - self.job_cpu_ms()),
            format!("{:.2}", self.step_cpu_ms() / self.job_cpu_ms()),
            format!("{:.1}", self.memory_bytes / f64::from(1 << 20)),
            format!("{:.0}", self.step_bytes()),
            format!("{:.0}", self.log_bytes),
            format!("{:.0}", self.plain_log_bytes),
        ]
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let sizes = match (&options.steps[..], options.ground.quick) {
        ([], true) => STEPS_QUICK.to_vec(),
        ([], false) => STEPS.to_vec(),
        (steps, _) => steps.to_vec(),
    };
    ensure!(sizes.iter().all(|steps| *steps >= shape::STEPS_MIN), "a graph has {} steps at least", shape::STEPS_MIN);
    if options.here {
        return here(&options, sizes[0]).await;
    }
    let mut document = Document::begin(options.ground.clone());
    for database in options.ground.databases() {
        for &shape in &options.shape {
            let first = document.rows.len();
            for &steps in &sizes {
                let cell = Cell { database, shape, steps };
                let (commits, row) = apart(cell, &options.ground)
                    .with_context(|| format!("{} of {steps} steps on {}", shape.name(), database.name()))?;
                document.add(commits, row, Vec::new());
            }
            let found = findings(&document.rows[first..]);
            document.findings.extend(found);
        }
    }
    document.end(options.ground.json.as_deref())
}

/// How the largest graph stands to the smallest.
fn findings(rows: &[Row]) -> Vec<Finding> {
    let [least, .., most] = rows else { return Vec::new() };
    let of = [("CPU", most.step_cpu_ms() / least.step_cpu_ms()), ("memory", most.step_bytes() / least.step_bytes())];
    let finding = |(what, ratio): (&str, f64)| {
        let (shape, database) = (most.shape.name(), most.database.name());
        let what = format!("{what} a step of {} steps ÷ of {}, {shape}, {database}", most.steps, least.steps);
        Finding::new(Subject::Graphs, what, (ratio, "×"), Bar::AtMost(bar::STEP_RATIO))
    };
    of.map(finding).to_vec()
}

/// Measures in a process of its own.
fn apart(cell: Cell, ground: &Ground) -> Result<(Commits, Row)> {
    let file = tempfile::NamedTempFile::new()?;
    let mut child = Process::new(std::env::current_exe()?);
    child.args(["graphs", "--here", "--shape", cell.shape.name(), "--steps", &cell.steps.to_string()]);
    child.args(["--ledger", cell.database.name(), "--json"]).arg(file.path());
    if ground.quick {
        child.arg("--quick");
    }
    if let Some(url) = &ground.postgres_url {
        child.env("ORCH_BENCH_POSTGRES_URL", url);
    }
    if let Some(pid) = ground.postgres_pid {
        child.env("ORCH_BENCH_POSTGRES_PID", pid.to_string());
    }
    ensure!(child.stdout(Stdio::null()).status()?.success(), "its process failed");
    Ok(serde_json::from_slice(&std::fs::read(file.path())?)?)
}

/// Measures in this process, and writes down what came out.
async fn here(options: &Options, steps: usize) -> Result<Summary> {
    let (Some(database), Some(path)) = (options.ground.ledger, &options.ground.json) else {
        bail!("one measurement is of one ledger, and needs a file");
    };
    let cell = Cell { database, shape: options.shape[0], steps };
    write(path, &measure(cell, &options.ground).await?)?;
    Ok(Summary::default())
}

async fn measure(cell: Cell, ground: &Ground) -> Result<(Commits, Row)> {
    let mut place = Place::make(cell.database, ground).await?;
    place.checkpoint().await?;
    let commits = place.commits().await?;
    let site = Arc::new(EngineSite::open(&place, 1).await?);
    let crew = Crew::hire(&site, cell);
    crew.work_off(WARM_UP).await?;

    let all = if ground.quick { ALL_STEPS_QUICK } else { ALL_STEPS };
    let all = if cell.shape == Shape::Chain { all / 20 } else { all };
    let runs = (all / cell.steps).max(1);
    process::reset_peak_memory()?;
    let before = process::memory_bytes(None)?;
    site.declare(ConfigDoc::Graph(Box::new(cell.shape.graph(cell.steps)))).await?;
    let from = Mark::take(&mut place, None).await?;
    let mut peak = 0.0;
    for number in 0..runs {
        crew.run(number).await?;
        if number == 0 {
            peak = process::peak_memory_bytes(None)?;
        }
    }
    let of_runs = from.until(&Mark::take(&mut place, None).await?);
    let from = Mark::take(&mut place, None).await?;
    crew.work_off(runs * cell.steps).await?;
    let of_jobs = from.until(&Mark::take(&mut place, None).await?);
    crew.dismiss().await?;
    site.close().await?;
    drop(site);
    place.remove().await?;

    let count = (runs * cell.steps) as u64;
    let (step, job) = (Cost::new(&of_runs, count, None), Cost::new(&of_jobs, count, None));
    let row = Row {
        database: cell.database,
        shape: cell.shape,
        steps: cell.steps,
        runs,
        seconds: of_runs.seconds / runs as f64,
        cpu_ms: step.server_cpu_ms_per_1000_jobs / 1e3,
        database_cpu_ms: step.database_cpu_ms_per_1000_jobs.map(|ms| ms / 1e3),
        plain_cpu_ms: job.server_cpu_ms_per_1000_jobs / 1e3,
        plain_database_cpu_ms: job.database_cpu_ms_per_1000_jobs.map(|ms| ms / 1e3),
        memory_bytes: (peak - before).max(0.0),
        log_bytes: step.log_bytes_per_job,
        plain_log_bytes: job.log_bytes_per_job,
    };
    Ok((commits, row))
}

/// Workers of one measurement.
struct Crew {
    site: Arc<EngineSite>,
    cell: Cell,
    progress: Arc<Progress>,
    tasks: tokio::sync::Mutex<Tasks>,
}

impl Crew {
    fn hire(site: &Arc<EngineSite>, cell: Cell) -> Self {
        let progress = Arc::new(Progress::default());
        let (workers, claim) = if cell.shape == Shape::Chain { (1, 1) } else { (WORKERS, CLAIM) };
        let mut tasks = Tasks::new();
        for number in 0..workers {
            let worker = Crewman { number, claim, task: Task::Succeed };
            tasks.spawn(work(Arc::clone(site), worker, cell, Arc::clone(&progress)));
        }
        Self { site: Arc::clone(site), cell, progress, tasks: tasks.into() }
    }

    /// Jobs without a run.
    async fn work_off(&self, jobs: usize) -> Result<()> {
        let before = self.progress.done();
        let mut maker = Maker::new(job::Shape { payload_bytes: 12, keys: false, fan: 0, kind: Kind::Work }, 1);
        let mut left = jobs;
        while left > 0 {
            let batch = maker.batch(left.min(BATCH));
            left -= batch.len();
            self.site.enqueue(0, batch).await?;
        }
        self.done(before + jobs as u64).await
    }

    /// One run, from its call to its end.
    async fn run(&self, number: usize) -> Result<()> {
        let (before, tenant) = (self.progress.done(), self.site.tenant());
        let run = RunId::v7(self.site.engine().now(), number as u128);
        let spec = RunSpec { inputs: "{}".to_owned(), trigger: RunTrigger::Manual, ..RunSpec::default() };
        let graph = WhichGraph::Declared(shape::NAME.to_owned());
        let new = Box::new(NewRun { run, graph, spec });
        self.site.engine().command(Command::StartRun { tenant, new, key: None }).await?;
        self.done(before + self.cell.steps as u64).await?;
        loop {
            match self.site.engine().command(Command::Read(Read::Runs { tenant, runs: vec![run] })).await? {
                Answer::OpenRuns(found) if found == [None] => return Ok(()),
                Answer::OpenRuns(_) => clock::pause(LOOK).await,
                _ => bail!("the question for a run was answered otherwise"),
            }
        }
    }

    /// Waits until so many jobs are done.
    async fn done(&self, jobs: u64) -> Result<()> {
        let began = clock::now();
        while self.progress.done() < jobs {
            watch(&mut *self.tasks.lock().await)?;
            let left = jobs.saturating_sub(self.progress.done());
            ensure!(began.elapsed() < STALLED, "{left} jobs were not done in time");
            clock::pause(LOOK).await;
        }
        Ok(())
    }

    async fn dismiss(self) -> Result<()> {
        self.progress.stop();
        finish(self.tasks.into_inner()).await
    }
}

/// Takes what there is and reports success at once; who makes the list of a fan-out has it as the result.
async fn work(site: Arc<EngineSite>, worker: Crewman, cell: Cell, progress: Arc<Progress>) -> Result<()> {
    let session = site.session(worker).await?;
    loop {
        let leases = tokio::select! {
            biased;
            () = progress.stopped() => return Ok(()),
            leases = site.claim(session, worker.claim) => leases?,
        };
        if leases.is_empty() {
            continue;
        }
        let report = |lease: &Lease| -> Report {
            if lease.grant.lane.job_type == LIST_TYPE { cell.shape.list(cell.steps) } else { success() }
        };
        let done = site.report(leases.iter().map(|lease| (lease.grant.token, report(lease))).collect()).await?;
        progress.add_done(done);
    }
}
