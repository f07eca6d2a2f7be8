//! What jobs cost with one replica or several: the same jobs of the same tenants, over the same shards.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use orch_bench::clock;
use orch_client::{Client, PauseTarget};

use crate::cluster::Cluster;
use crate::failover::row::CpuRow;
use crate::failover::{form, place};
use crate::job::Job;
use crate::load::producers::{Producers, Supply};
use crate::load::{Tasks, finish, hire, watch};
use crate::meter::{Cost, Mark};
use crate::place::Commits;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::site::{Crewman, Site, Task, http};

/// Jobs in one call.
const BATCH: usize = 200;
/// Jobs that producers may be ahead of workers.
const AHEAD: u64 = 20_000;
/// Before the jobs that count, one in so many of their number is done.
const WARM_UP: usize = 10;
/// A run that lasts longer has failed.
const RUN_MAX: Duration = Duration::from_secs(600);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// One run on a ledger of its own.
pub async fn run(settings: &Settings, replicas: usize, jobs: usize, pair: usize) -> Result<(Commits, CpuRow)> {
    let (mut place, commits) = place(&settings.ground).await?;
    let cluster = Cluster::open(&place, &settings.ground.orch, form(replicas)).await?;
    let mut cycle = Cycle::begin(&cluster, settings)?;
    cycle.jobs((jobs / WARM_UP).max(1), 1).await?;
    let servers = cluster.pids();
    let from = Mark::take_all(&mut place, &servers).await?;
    cycle.jobs(jobs, 2).await?;
    let spent = from.until(&Mark::take_all(&mut place, &servers).await?);
    cycle.end().await?;
    let cost = Cost::new(&spent, jobs as u64, place.dead_tuples().await?);
    cluster.stop().await?;
    drop(cluster);
    place.remove().await?;
    let row = CpuRow {
        pair,
        replicas,
        jobs: jobs as u64,
        jobs_per_second: jobs as f64 / spent.seconds,
        cpu_ms_per_1000_jobs: cost.cpu_ms_per_1000_jobs(),
        cost,
    };
    Ok((commits, row))
}

/// Workers at all replicas, and producers where jobs are wanted.
struct Cycle<'a> {
    settings: &'a Settings,
    site: Arc<dyn Site>,
    tenants: usize,
    progress: Arc<Progress>,
    workers: Tasks,
}

impl<'a> Cycle<'a> {
    fn begin(cluster: &Cluster, settings: &'a Settings) -> Result<Self> {
        let site: Arc<dyn Site> = Arc::new(Doors::open(cluster)?);
        let (progress, mut workers) = (Arc::new(Progress::default()), Tasks::new());
        let like = Crewman { number: 0, claim: settings.claim, task: Task::Succeed };
        hire(&site, &progress, &mut workers, settings.workers, like);
        Ok(Self { settings, site, tenants: cluster.tenants().len(), progress, workers })
    }

    /// Makes so many jobs and waits until they are done.
    async fn jobs(&mut self, jobs: usize, series: u64) -> Result<()> {
        let wanted = self.progress.accepted() + jobs as u64;
        let producers = Producers {
            site: Arc::clone(&self.site),
            progress: Arc::clone(&self.progress),
            supply: Arc::new(Supply::jobs(jobs, BATCH).at_most_ahead(AHEAD)),
            shape: self.settings.shape(),
            count: self.settings.producers,
            tenants: self.tenants,
            series,
        };
        let mut producing = Tasks::new();
        producers.spawn(&mut producing);
        let began = clock::now();
        while self.progress.done() < wanted {
            watch(&mut producing)?;
            watch(&mut self.workers)?;
            ensure!(began.elapsed() < RUN_MAX, "{} of {wanted} jobs were done", self.progress.done());
            clock::pause(LOOK).await;
        }
        finish(producing).await
    }

    async fn end(self) -> Result<()> {
        self.progress.stop();
        finish(self.workers).await
    }
}

/// The replicas as one site: tenants and workers go to them in turn.
struct Doors {
    tenants: Vec<Client>,
    workers: Vec<Client>,
}

impl Doors {
    fn open(cluster: &Cluster) -> Result<Self> {
        let tenants = cluster.tenants().iter().enumerate();
        Ok(Self {
            tenants: tenants.map(|(n, it)| cluster.client(&it.token, n % cluster.size())).collect::<Result<_>>()?,
            workers: (0..cluster.size()).map(|first| cluster.worker(first)).collect::<Result<_>>()?,
        })
    }
}

#[async_trait]
impl Site for Doors {
    async fn enqueue(&self, tenant: usize, jobs: Vec<Job>) -> Result<()> {
        http::enqueue(&self.tenants[tenant], jobs).await
    }

    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()> {
        http::work(&self.workers[worker.number % self.workers.len()], worker, progress).await
    }

    async fn pause(&self, tenant: usize, job_type: &str) -> Result<()> {
        Ok(self.tenants[tenant].pause(&PauseTarget::JobType(job_type.to_owned()), None).await?)
    }

    fn process(&self) -> Option<u32> {
        None
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
