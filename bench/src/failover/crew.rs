//! The load of one kill: producers through all replicas, workers that end their jobs at once, and workers that hold
//! theirs. All begin at replicas in turn, the one that will be killed included, and go on by themselves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use orch_bench::clock;
use orch_client::{Client, Done, JobContext, JobIn, Worker, WorkerSummary};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::failover::notes::Notes;
use crate::job::{HELD_TYPE, JOB_TYPE};
use crate::load::{Tasks, finish, watch as look_at};

/// Jobs in one call of a producer, and how long it rests after one.
const BATCH: usize = 10;
const REST: Duration = Duration::from_millis(100);
/// A call is repeated for so long until it is answered.
const INSIST: Duration = Duration::from_secs(60);
/// The pause before a call is repeated.
const AGAIN: Duration = Duration::from_millis(100);
/// Workers at each replica that end their jobs at once; one more holds.
const QUICK_WORKERS: usize = 2;
/// Jobs that one of them has at the same time.
const CAPACITY: usize = 200;
/// Leases in one claim of a holder.
const CLAIM: usize = 500;
/// How long a claim waits for work.
const CLAIM_WAIT: Duration = Duration::from_secs(1);

/// What a job says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Payload {
    /// Where its tenant lives.
    shard: u16,
}

/// A load that runs.
pub struct Crew {
    notes: Arc<Notes>,
    producers: Tasks,
    workers: JoinSet<Result<WorkerSummary>>,
    producing: watch::Sender<bool>,
    holding: watch::Sender<bool>,
    working: watch::Sender<bool>,
}

impl Crew {
    /// Workers alone. `leases` is what holders hold together at most; none: they hold nothing.
    pub fn hire(cluster: &Cluster, notes: &Arc<Notes>, leases: usize) -> Result<Self> {
        let mut crew = Self {
            notes: Arc::clone(notes),
            producers: Tasks::new(),
            workers: JoinSet::new(),
            producing: watch::Sender::new(true),
            holding: watch::Sender::new(leases > 0),
            working: watch::Sender::new(true),
        };
        for number in 0..cluster.size() * QUICK_WORKERS {
            let worker = Worker::builder(cluster.worker(number % cluster.size())?)
                .worker_id(format!("quick-{number}"))
                .capacity(CAPACITY)
                .claim_wait(CLAIM_WAIT)
                .handler(JOB_TYPE, async |_: JobContext, _: Payload| Ok(Done::empty()));
            crew.work(worker.build());
        }
        // A little more than a share each, so that one that has little to do with a shard does not hold up its jobs.
        let capacity = (leases * 5 / 4).div_ceil(cluster.size()).max(CAPACITY);
        for number in 0..cluster.size() {
            let (notes, holding) = (Arc::clone(notes), crew.holding.subscribe());
            let worker = Worker::builder(cluster.worker(number)?)
                .worker_id(format!("holder-{number}"))
                .capacity(capacity)
                .claim_batch(CLAIM)
                .claim_wait(CLAIM_WAIT)
                .handler(HELD_TYPE, move |_: JobContext, payload: Payload| {
                    let (notes, mut holding) = (Arc::clone(&notes), holding.clone());
                    async move {
                        let _held = notes.hold(payload.shard);
                        // The sender outlives its workers; if it were gone, nothing would be held either.
                        let _ = holding.wait_for(|holding| !holding).await;
                        Ok(Done::empty())
                    }
                });
            crew.work(worker.build());
        }
        Ok(crew)
    }

    fn work(&mut self, worker: Worker) {
        let mut working = self.working.subscribe();
        self.workers.spawn(async move {
            let stopped = async { drop(working.wait_for(|working| !working).await) };
            Ok(worker.run(stopped).await?)
        });
    }

    /// Starts a producer for each tenant, with `leases` jobs to hold, shared out over tenants. `round` tells the keys of
    /// two crews apart.
    pub fn produce(&mut self, cluster: &Cluster, leases: usize, round: usize) -> Result<()> {
        let share = leases.div_ceil(cluster.tenants().len().max(1));
        for (number, tenant) in cluster.tenants().iter().enumerate() {
            let clients = (0..cluster.size()).map(|first| cluster.client(&tenant.token, first + number));
            let producer = Producer {
                clients: clients.collect::<Result<_>>()?,
                notes: Arc::clone(&self.notes),
                producing: self.producing.subscribe(),
                payload: Payload { shard: tenant.shard },
                name: format!("{round}-{number}"),
            };
            self.producers.spawn(producer.run(share));
        }
        Ok(())
    }

    /// Fails when one of them has failed.
    pub fn watch(&mut self) -> Result<()> {
        look_at(&mut self.producers)?;
        while let Some(ended) = self.workers.try_join_next() {
            let summary = ended??;
            self.notes.add_ends(summary.completed, summary.stale);
        }
        Ok(())
    }

    /// Handlers that hold their jobs end them.
    pub fn let_go(&self) {
        self.holding.send_replace(false);
    }

    /// Ends the producers, each after its last answer, then the workers.
    pub async fn end(mut self) -> Result<()> {
        self.let_go();
        self.producing.send_replace(false);
        finish(std::mem::take(&mut self.producers)).await?;
        self.working.send_replace(false);
        while let Some(ended) = self.workers.join_next().await {
            let summary = ended??;
            self.notes.add_ends(summary.completed, summary.stale);
        }
        Ok(())
    }
}

/// Makes jobs in one tenant, steadily.
struct Producer {
    clients: Vec<Client>,
    notes: Arc<Notes>,
    producing: watch::Receiver<bool>,
    payload: Payload,
    name: String,
}

impl Producer {
    async fn run(self, held: usize) -> Result<()> {
        let held = vec![JobIn::new(HELD_TYPE, &self.payload)?; held];
        self.make(&self.clients[0], &held, &format!("{}-held", self.name)).await?;
        let batch = vec![JobIn::new(JOB_TYPE, &self.payload)?; BATCH];
        for (number, client) in self.clients.iter().cycle().enumerate() {
            if !*self.producing.borrow() {
                break;
            }
            self.make(client, &batch, &format!("{}-{number}", self.name)).await?;
            clock::pause(REST).await;
        }
        Ok(())
    }

    /// One call, repeated with its key until it is answered.
    async fn make(&self, client: &Client, jobs: &[JobIn], key: &str) -> Result<()> {
        let began = clock::now();
        let made = loop {
            match client.jobs().enqueue(jobs, Some(key)).await {
                Err(error) if error.is_retryable() && began.elapsed() < INSIST => clock::pause(AGAIN).await,
                answer => break answer?,
            }
        };
        ensure!(made.len() == jobs.len(), "{} of {} jobs were made", made.len(), jobs.len());
        self.notes.acknowledge(made.iter().map(|job| job.id.uuid()));
        Ok(())
    }
}
