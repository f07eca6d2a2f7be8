//! One real run beside its simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use orch_bench::clock;
use orch_core::backfill::{BackfillSpec, Reprocess};
use orch_core::config::{ConfigDoc, Source};
use orch_core::ids::{BackfillId, SessionId};
use orch_core::lease::Token;
use orch_core::schedule::ScheduledJob;
use orch_core::time::Timestamp;
use orch_dispatch::command::{AskedBackfill, Read};
use orch_dispatch::simulate::{Copied, Scenario, Simulated, Until, simulate};
use orch_dispatch::{Answer, Command};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::{Options, Row};
use crate::job::{JOB_TYPE, Kind, Maker, SOURCE, Shape};
use crate::load::{Tasks, finish, watch as look};
use crate::place::{Commits, Place};
use crate::settings::Database;
use crate::site::engine::{EngineSite, success};
use crate::site::{Crewman, Site as _, Task};

/// Jobs whose run times are known before.
const HISTORY: usize = 100;
/// The middle of the run times, and the deviation of their logarithm. They lie between the two bounds.
const WORK_MS: f64 = 150.0;
const SPREAD: f64 = 0.6;
const WORK_MS_LEAST: f64 = 50.0;
const WORK_MS_MOST: f64 = 400.0;
/// What a job takes on average, about; it chooses the size of the work alone.
const MEAN_SECONDS: f64 = 0.17;
/// The work is of so many seconds.
const SECONDS: std::ops::Range<f64> = 4.0..15.0;
/// How long a window is.
const WINDOW_MS: u64 = 60_000;
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(2);
/// What does not end in this time has failed.
const STALLED: Duration = Duration::from_secs(120);

/// What there is to do.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Jobs that wait.
    Backlog,
    /// Windows of which so many are open at the same time.
    Backfill { parallelism: u32 },
}

/// What is tried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    pub work: Work,
    pub jobs: usize,
    pub workers: usize,
    pub capacity: usize,
    pub seed: u64,
}

impl Trial {
    /// By chance.
    pub fn draw(chance: &mut SmallRng) -> Self {
        let (workers, capacity) = (chance.random_range(1..=3_usize), chance.random_range(1..=4_usize));
        let parallelism = chance.random_range(1..=8_u32);
        let backfill = chance.random_bool(0.5);
        let work = if backfill { Work::Backfill { parallelism } } else { Work::Backlog };
        let slots = workers * capacity;
        let slots = if backfill { slots.min(parallelism as usize) } else { slots };
        let jobs = (chance.random_range(SECONDS) * slots as f64 / MEAN_SECONDS) as usize;
        Self { work, jobs, workers, capacity, seed: chance.random() }
    }

    /// Simulates it, and then lets it happen.
    pub async fn run(self, database: Database, options: &Options) -> Result<(Commits, Row)> {
        let mut place = Place::make(database, &options.ground).await?;
        let commits = place.commits().await?;
        let site = Arc::new(EngineSite::open(&place, 1).await?);
        let source = Source { name: SOURCE.to_owned(), kind: "bench".to_owned(), ..Source::default() };
        site.declare(ConfigDoc::Source(source)).await?;
        let crew = Crew::hire(&site, self).await?;
        enqueue(&site, HISTORY).await?;
        crew.work_off(HISTORY).await?;

        let until = self.ask(&site).await?;
        let Answer::Copied(copied) = site.engine().command(Command::Read(Read::Copy(site.tenant()))).await? else {
            bail!("the question for a copy was answered otherwise");
        };
        let began = clock::now();
        let simulated = self.simulate(&site, copied, until, options.samples).await?;
        let simulated_in = began.elapsed().as_secs_f64();
        let real = crew.work_off(self.jobs).await?.as_secs_f64();
        crew.dismiss().await?;
        site.close().await?;
        drop(site);
        place.remove().await?;
        let end = |parts: usize| -> Result<f64> {
            let at = simulated.ended_by(parts).context("a simulation did not end")?;
            Ok(at.ms_since(simulated.now) as f64 / 1e3)
        };
        let (low, middle, high) = (end(50)?, end(500)?, end(950)?);
        Ok((commits, Row { database, trial: self, low, middle, high, real, simulated_in }))
    }

    /// Asks for the work; says what its end is.
    async fn ask(self, site: &EngineSite) -> Result<Until> {
        let Work::Backfill { parallelism } = self.work else {
            enqueue(site, self.jobs).await?;
            return Ok(Until::Idle);
        };
        let now = site.engine().now();
        let to = Timestamp::from_millis(now.millis() - i64::try_from(WINDOW_MS)?);
        let from = Timestamp::from_millis(to.millis() - i64::try_from(WINDOW_MS * self.jobs as u64)?);
        let job = ScheduledJob { job_type: JOB_TYPE.to_owned(), payload: "{}".to_owned(), ..ScheduledJob::default() };
        let spec = BackfillSpec {
            by: "bench".to_owned(),
            from,
            to,
            job: Some(job),
            parallelism,
            reason: "bench".to_owned(),
            reprocess: Reprocess::All,
            source: SOURCE.to_owned(),
            ticket: "bench".to_owned(),
            window_ms: WINDOW_MS,
            ..BackfillSpec::default()
        };
        let (backfill, spec) = (BackfillId::v7(now, 1), Box::new(AskedBackfill(spec)));
        let create = Command::CreateBackfill { tenant: site.tenant(), backfill, spec, key: None };
        site.engine().command(create).await?;
        Ok(Until::Backfill(backfill))
    }

    async fn simulate(self, site: &EngineSite, copied: Box<Copied>, until: Until, samples: u32) -> Result<Simulated> {
        let (tenant, seed) = (site.tenant(), self.seed);
        let scenario =
            Scenario { until, horizon_ms: 3_600_000, seed, samples, facts: 2_000_000, ..Scenario::default() };
        Ok(tokio::task::spawn_blocking(move || simulate(&copied, tenant, &scenario)).await??)
    }
}

async fn enqueue(site: &EngineSite, jobs: usize) -> Result<()> {
    let mut maker = Maker::new(Shape { payload_bytes: 12, keys: false, fan: 0, kind: Kind::Work }, 1);
    let mut left = jobs;
    while left > 0 {
        let batch = maker.batch(left.min(500));
        left -= batch.len();
        site.enqueue(0, batch).await?;
    }
    Ok(())
}

/// What workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Rest,
    Work,
    Leave,
}

/// Workers that take as much as they have room for, and report each job when it has ended.
struct Crew {
    order: watch::Sender<Order>,
    done: Arc<AtomicU64>,
    /// Workers that ask for work now.
    asking: Arc<Semaphore>,
    workers: usize,
    tasks: tokio::sync::Mutex<Tasks>,
}

impl Crew {
    async fn hire(site: &Arc<EngineSite>, trial: Trial) -> Result<Self> {
        let order = watch::Sender::new(Order::Rest);
        let (done, asking) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(trial.workers)));
        let mut tasks = Tasks::new();
        for number in 0..trial.workers {
            let worker = Worker {
                session: site.session(Crewman { number, claim: trial.capacity, task: Task::Succeed }).await?,
                site: Arc::clone(site),
                done: Arc::clone(&done),
                room: Arc::new(Semaphore::new(trial.capacity)),
                asking: Arc::clone(&asking),
                chance: SmallRng::seed_from_u64(trial.seed ^ (number as u64 + 1)),
            };
            tasks.spawn(worker.work(order.subscribe()));
        }
        Ok(Self { order, done, asking, workers: trial.workers, tasks: tasks.into() })
    }

    /// Lets workers work until so many more jobs are done, and rest then; returns how long it took.
    async fn work_off(&self, jobs: usize) -> Result<Duration> {
        let (began, goal) = (clock::now(), self.done.load(Ordering::Relaxed) + jobs as u64);
        self.order.send_replace(Order::Work);
        while self.done.load(Ordering::Relaxed) < goal {
            look(&mut *self.tasks.lock().await)?;
            ensure!(began.elapsed() < STALLED, "{jobs} jobs were not done in time");
            clock::pause(LOOK).await;
        }
        let took = began.elapsed();
        self.order.send_replace(Order::Rest);
        // Nobody asks any more.
        drop(self.asking.acquire_many(u32::try_from(self.workers)?).await?);
        Ok(took)
    }

    async fn dismiss(self) -> Result<()> {
        self.order.send_replace(Order::Leave);
        finish(self.tasks.into_inner()).await
    }
}

struct Worker {
    site: Arc<EngineSite>,
    session: SessionId,
    done: Arc<AtomicU64>,
    room: Arc<Semaphore>,
    asking: Arc<Semaphore>,
    chance: SmallRng,
}

impl Worker {
    async fn work(mut self, mut order: watch::Receiver<Order>) -> Result<()> {
        let mut under_way = Tasks::new();
        loop {
            look(&mut under_way)?;
            if *order.wait_for(|order| *order != Order::Rest).await? == Order::Leave {
                return finish(under_way).await;
            }
            // As much as there is room for, once there is room at all.
            let mut room = Arc::clone(&self.room).acquire_owned().await?;
            while let Ok(more) = Arc::clone(&self.room).try_acquire_owned() {
                room.merge(more);
            }
            let leases = {
                let _asks = self.asking.acquire().await?;
                if *order.borrow() != Order::Work {
                    continue;
                }
                self.site.claim(self.session, room.num_permits()).await?
            };
            for lease in leases {
                let room = room.split(1).context("no more is granted than was asked for")?;
                let (site, done, takes) = (Arc::clone(&self.site), Arc::clone(&self.done), self.takes());
                under_way.spawn(async move {
                    clock::pause(takes).await;
                    let token: Token = lease.grant.token;
                    site.report(vec![(token, success())]).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                    drop(room);
                    Ok(())
                });
            }
        }
    }

    /// A random time: the logarithm is normal, but for the bounds.
    fn takes(&mut self) -> Duration {
        loop {
            let (radius, turn): (f64, f64) = (self.chance.random(), self.chance.random());
            let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * turn).cos();
            let ms = WORK_MS * (SPREAD * normal).exp();
            if (WORK_MS_LEAST..=WORK_MS_MOST).contains(&ms) {
                return Duration::from_secs_f64(ms / 1e3);
            }
        }
    }
}
