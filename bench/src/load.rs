//! The three loads, made of producers and workers. They know neither the database nor the face.

pub mod producers;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use orch_bench::clock;
use tokio::task::JoinSet;

use crate::held_transaction::HeldTransaction;
use crate::job::{HELD_TYPE, Kind, Shape};
use crate::latency::Spread;
use crate::load::producers::{Producers, Supply};
use crate::meter::{Mark, Spent};
use crate::place::Place;
use crate::progress::Progress;
use crate::settings::{Case, Settings, Workload};
use crate::site::{Crewman, Site, Task};

/// Jobs in one call while a backlog is filled.
const FILL_BATCH: usize = 1_000;
/// Jobs that producers may be ahead of workers.
const AHEAD_MAX: u64 = 50_000;
/// How often counters are looked at.
const LOOK: Duration = Duration::from_millis(5);
/// A load that does not move for so long has failed.
const STALLED: Duration = Duration::from_secs(60);

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// Jobs that the figures are about.
    pub jobs: u64,
    /// What they took.
    pub spent: Spent,
    /// Times of the calls, by kind.
    pub calls: Vec<(&'static str, Spread)>,
    /// Jobs done in each whole second of `work` and `cycle`.
    pub per_second: Vec<u64>,
    /// Jobs that waited in each whole second of `cycle`.
    pub waiting: Vec<u64>,
    /// Rows that were dead at the end.
    pub dead_tuples: Option<u64>,
}

/// One load on one site.
pub struct Load<'a> {
    /// The orchestrator.
    pub site: Arc<dyn Site>,
    /// Its ledger.
    pub place: &'a mut Place,
    /// The measurement.
    pub case: Case,
    /// The rest of the choices.
    pub settings: &'a Settings,
}

/// What runs at the same time.
pub type Tasks = JoinSet<Result<()>>;

impl Load<'_> {
    /// Runs it.
    pub async fn run(&mut self) -> Result<Outcome> {
        let progress = Arc::new(Progress::default());
        let stress = self.settings.stress;
        let transaction = if stress.held_transaction { Some(HeldTransaction::open(self.place).await?) } else { None };
        self.hold(stress.held).await?;
        if stress.gates {
            for tenant in 0..self.case.tenants {
                self.site.gate(tenant).await?;
            }
        }
        let mut outcome = match self.case.workload {
            Workload::Enqueue => self.enqueue(progress).await,
            Workload::Work => self.work(progress).await,
            Workload::Cycle => self.cycle(progress).await,
        }?;
        // Processes tell the statistics what they did within a second after a transaction.
        clock::pause(Duration::from_secs(1)).await;
        outcome.dead_tuples = self.place.dead_tuples().await?;
        drop(transaction);
        Ok(outcome)
    }

    /// Puts jobs in front that cannot begin.
    async fn hold(&self, jobs: usize) -> Result<()> {
        if jobs == 0 {
            return Ok(());
        }
        for tenant in 0..self.case.tenants {
            self.site.pause(tenant, HELD_TYPE).await?;
        }
        for (kind, series) in [(Kind::Held, 3), (Kind::Later, 4)] {
            let shape = Shape { kind, fan: 0, ..self.settings.shape() };
            let producers = self.producers(&Arc::default(), Supply::jobs(jobs, FILL_BATCH), series);
            let mut tasks = Tasks::new();
            Producers { shape, ..producers }.spawn(&mut tasks);
            finish(tasks).await?;
        }
        Ok(())
    }

    async fn enqueue(&mut self, progress: Arc<Progress>) -> Result<Outcome> {
        // Lanes, connections and statements are made by a first call of each producer.
        self.fill(&progress, self.settings.producers * self.case.batch, self.case.batch).await?;
        progress.clear_calls();
        let (before, from) = (progress.accepted(), self.mark().await?);
        let until = clock::now() + self.settings.length(Workload::Enqueue);
        let supply = Supply::until(until, self.case.batch);
        let mut tasks = Tasks::new();
        self.producers(&progress, supply, 1).spawn(&mut tasks);
        finish(tasks).await?;
        let spent = from.until(&self.mark().await?);
        Ok(outcome(&progress, progress.accepted() - before, spent))
    }

    async fn work(&mut self, progress: Arc<Progress>) -> Result<Outcome> {
        let backlog = self.settings.backlog;
        self.fill(&progress, backlog, FILL_BATCH).await?;
        progress.clear_calls();
        let from = self.mark().await?;
        let mut tasks = Tasks::new();
        self.hire(&progress, &mut tasks);
        let per_second = done_by_second(&progress, &mut tasks, backlog as u64).await?;
        progress.stop();
        finish(tasks).await?;
        let spent = from.until(&self.mark().await?);
        Ok(Outcome { per_second, ..outcome(&progress, progress.done(), spent) })
    }

    async fn cycle(&mut self, progress: Arc<Progress>) -> Result<Outcome> {
        let standing = self.settings.stress.standing;
        self.fill(&progress, standing, FILL_BATCH).await?;
        progress.set_floor(standing as u64 * 95 / 100);
        let mut tasks = Tasks::new();
        self.hire(&progress, &mut tasks);
        let batch = self.settings.batches.iter().copied().max().unwrap_or(FILL_BATCH);
        let ahead = if standing > 0 { standing as u64 } else { AHEAD_MAX };
        self.producers(&progress, Supply::ahead(ahead, batch), 1).spawn(&mut tasks);
        clock::pause(Duration::from_secs(self.settings.warm_up_seconds)).await;
        progress.clear_calls();
        let (before, from) = (progress.done(), self.mark().await?);
        let (mut per_second, mut waiting) = (Vec::new(), Vec::new());
        let mut so_far = before;
        for second in 0..self.settings.cycle_seconds {
            if self.settings.checkpoint && second == self.settings.cycle_seconds / 2 {
                tasks.spawn(self.place.checkpoint_apart());
            }
            clock::pause(Duration::from_secs(1)).await;
            watch(&mut tasks)?;
            let done = progress.done();
            per_second.push(done - so_far);
            waiting.push(progress.waiting());
            so_far = done;
        }
        let jobs = progress.done() - before;
        let spent = from.until(&self.mark().await?);
        let measured = outcome(&progress, jobs, spent);
        progress.stop();
        finish(tasks).await?;
        Ok(Outcome { per_second, waiting, ..measured })
    }

    /// Makes so many jobs; they count as accepted.
    async fn fill(&self, progress: &Arc<Progress>, jobs: usize, batch: usize) -> Result<()> {
        let mut tasks = Tasks::new();
        self.producers(progress, Supply::jobs(jobs, batch), 2).spawn(&mut tasks);
        finish(tasks).await
    }

    fn producers(&self, progress: &Arc<Progress>, supply: Supply, series: u64) -> Producers {
        Producers {
            site: Arc::clone(&self.site),
            progress: Arc::clone(progress),
            supply: Arc::new(supply),
            shape: self.settings.shape(),
            count: self.settings.producers,
            tenants: self.case.tenants,
            series,
        }
    }

    fn hire(&self, progress: &Arc<Progress>, tasks: &mut Tasks) {
        let one = Crewman { number: 0, claim: self.settings.claim, task: Task::Succeed };
        hire(&self.site, progress, tasks, self.settings.workers, one);
    }

    async fn mark(&mut self) -> Result<Mark> {
        Mark::take(self.place, self.site.process()).await
    }
}

/// Starts so many workers like one.
pub fn hire(site: &Arc<dyn Site>, progress: &Arc<Progress>, tasks: &mut Tasks, workers: usize, like: Crewman) {
    for number in 0..workers {
        let (site, progress) = (Arc::clone(site), Arc::clone(progress));
        tasks.spawn(async move { site.work(Crewman { number, ..like }, progress).await });
    }
}

fn outcome(progress: &Progress, jobs: u64, spent: Spent) -> Outcome {
    let kinds = [("enqueue", &progress.enqueue), ("claim", &progress.claim), ("complete", &progress.complete)];
    let calls = kinds.into_iter().filter_map(|(name, calls)| Some((name, calls.spread()?)));
    let calls = calls.collect();
    Outcome { jobs, spent, calls, per_second: Vec::new(), waiting: Vec::new(), dead_tuples: None }
}

/// Waits until so many jobs are done; returns how many were in each whole second.
async fn done_by_second(progress: &Progress, tasks: &mut Tasks, jobs: u64) -> Result<Vec<u64>> {
    let began = clock::now();
    let mut per_second = Vec::new();
    let (mut before, mut moved) = (0, (0, began));
    while progress.done() < jobs {
        watch(tasks)?;
        clock::pause(LOOK).await;
        let done = progress.done();
        if done > moved.0 {
            moved = (done, clock::now());
        } else if moved.1.elapsed() > STALLED {
            bail!("{done} of {jobs} jobs were done, then no more");
        }
        if began.elapsed().as_secs() > per_second.len() as u64 {
            per_second.push(done - before);
            before = done;
        }
    }
    Ok(per_second)
}

/// Fails when a task has failed while others still run.
pub fn watch(tasks: &mut Tasks) -> Result<()> {
    while let Some(ended) = tasks.try_join_next() {
        ended??;
    }
    Ok(())
}

/// Waits for the end of all; fails with the first that failed.
pub async fn finish(mut tasks: Tasks) -> Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
