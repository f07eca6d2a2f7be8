//! `simulation`: how far simulated ends of work are from real ones.
//!
//! Workers take random times for jobs until some are known, and stop. Then there is a backlog or a backfill; on a copy of
//! the state it is tried when that ends, and then workers go on and it is seen when it does.

mod trial;

use anyhow::{Context as _, Result};
use clap::Args;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::bar;
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::place::Commits;
use crate::settings::Database;
use crate::simulation::trial::{Trial, Work};

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Real runs: 60, or 6 with `--quick`.
    #[arg(long)]
    trials: Option<usize>,
    /// So many of them at the same time; each is on a ledger and an engine of its own, and mostly sleeps.
    #[arg(long, default_value_t = 4)]
    abreast: usize,
    /// How often each end is simulated.
    #[arg(long, default_value_t = 40)]
    samples: u32,
    /// Another number is other chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// One real run.
#[derive(Debug, Serialize)]
struct Row {
    database: Database,
    #[serde(flatten)]
    trial: Trial,
    /// Seconds from now to the end: the simulated band of 5 to 95 percent, its middle, and the real one.
    low: f64,
    middle: f64,
    high: f64,
    real: f64,
    /// What the simulation took.
    simulated_in: f64,
}

impl Row {
    fn within(&self) -> bool {
        self.low <= self.real && self.real <= self.high
    }

    /// Percent of the time to the middle.
    fn width(&self) -> f64 {
        (self.high - self.low) * 100.0 / self.middle
    }

    fn off(&self) -> f64 {
        (self.real - self.middle) * 100.0 / self.middle
    }
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "ledger",
        "work",
        "jobs",
        "workers",
        "simulated s: 5 %",
        "50 %",
        "95 %",
        "real s",
        "within",
        "band",
        "real less middle",
        "simulated in s",
    ];

    fn cells(&self) -> Vec<String> {
        let Trial { work, jobs, workers, capacity, .. } = &self.trial;
        let work = match work {
            Work::Backlog => "backlog".to_owned(),
            Work::Backfill { parallelism } => format!("backfill, {parallelism} open"),
        };
        vec![
            self.database.name().to_owned(),
            work,
            jobs.to_string(),
            format!("{workers} × {capacity}"),
            format!("{:.2}", self.low),
            format!("{:.2}", self.middle),
            format!("{:.2}", self.high),
            format!("{:.2}", self.real),
            if self.within() { "yes" } else { "no" }.to_owned(),
            format!("{:.0} %", self.width()),
            format!("{:+.1} %", self.off()),
            format!("{:.2}", self.simulated_in),
        ]
    }
}

/// Measures.
pub async fn run(options: Options) -> Result<Summary> {
    let trials = options.trials.unwrap_or(if options.ground.quick { 6 } else { 60 });
    let mut document = Document::begin(options.ground.clone());
    for database in options.ground.databases() {
        let first = document.rows.len();
        let mut chance = SmallRng::seed_from_u64(options.seed);
        let mut left = (0..trials).map(|_| Trial::draw(&mut chance)).collect::<Vec<_>>().into_iter();
        let mut running: JoinSet<Result<(Commits, Row)>> = JoinSet::new();
        loop {
            while running.len() < options.abreast.max(1)
                && let Some(trial) = left.next()
            {
                let options = options.clone();
                running.spawn(async move { trial.run(database, &options).await });
            }
            let Some(ended) = running.join_next().await else { break };
            let (commits, row) = ended?.with_context(|| database.name())?;
            document.add(commits, row, Vec::new());
        }
        let found = findings(&document.rows[first..]);
        document.findings.extend(found);
    }
    document.end(options.ground.json.as_deref())
}

fn findings(rows: &[Row]) -> Vec<Finding> {
    let Some(first) = rows.first() else { return Vec::new() };
    let middle = |of: &dyn Fn(&Row) -> f64| {
        let mut all: Vec<f64> = rows.iter().map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let within = rows.iter().filter(|row| row.within()).count() as f64 * 100.0 / rows.len() as f64;
    let (count, database) = (rows.len(), first.database.name());
    println!("\nreal less simulated middle, the middle of all: {:+.1} %", middle(&Row::off));
    let of = [
        ("real ends within the simulated band of 5 to 95 %", within, Bar::AtLeast(bar::WITHIN_BAND)),
        ("width of the band, of the time to its middle", middle(&Row::width), Bar::AtMost(bar::BAND_WIDTH)),
    ];
    of.map(|(what, figure, bar)| {
        Finding::new(Subject::Simulation, format!("{what}, {count} runs, {database}"), (figure, "%"), bar)
    })
    .to_vec()
}
