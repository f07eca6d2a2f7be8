//! Who asks the upstream: two workers of each tenant, whose handlers send one request each and tell the server what the
//! upstream answered. Their backlog never runs dry.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use orch_bench::clock;
use orch_client::{
    Done, HandlerError, JobContext, JobId, JobIn, JobType, Source, UpstreamAnswer, Worker, WorkerSummary,
};
use serde::de::IgnoredAny;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Tenant};
use crate::upstream::host::Upstream;

/// The host, as sources name it.
pub const HOST: &str = "upstream.example";
/// The job type.
const JOB_TYPE: &str = "bench.fetch";
/// The source.
const SOURCE: &str = "upstream";
/// Workers of each tenant.
const WORKERS: usize = 2;
/// Jobs that one of them has at the same time.
const CAPACITY: usize = 4;
/// Jobs in one call.
const BATCH: usize = 500;
/// How long handlers may go on at the end.
const GRACE: Duration = Duration::from_secs(5);
/// How long a request may take.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Failures are not what ends jobs here.
const TRIES: u32 = 20;

/// An attempt that a handler began.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// When, by the driver's clock.
    pub at: Duration,
    /// The tenant's number.
    pub tenant: usize,
    /// The same by the wall clock, as history has it.
    pub wall: Timestamp,
    /// The job.
    pub job: JobId,
    /// Its number among those of the job.
    pub attempt: u32,
}

/// Workers that work.
pub struct Crew {
    workers: JoinSet<Result<WorkerSummary>>,
    working: watch::Sender<bool>,
    begun: Arc<Mutex<Vec<Begun>>>,
}

/// Declares in each tenant what its jobs need, and makes so many jobs in each.
pub async fn supply(cluster: &Cluster, jobs: usize) -> Result<()> {
    for Tenant { token, .. } in cluster.tenants() {
        let client = cluster.client(token, 0)?;
        let job_type = JobType { tries_max: Some(TRIES), ..JobType::new(JOB_TYPE) };
        client.job_types().create(&job_type).await?;
        let source = Source { host: Some(HOST.to_owned()), ..Source::new(SOURCE, "nvd") };
        client.sources().create(&source).await?;
        let job = JobIn::new(JOB_TYPE, &serde_json::json!({}))?.source(SOURCE);
        for made in (0..jobs).step_by(BATCH) {
            client.jobs().enqueue(&vec![job.clone(); BATCH.min(jobs - made)], None).await?;
        }
    }
    Ok(())
}

impl Crew {
    /// Hires them; half of a tenant's begin at each replica.
    pub fn hire(cluster: &Cluster, upstream: &Upstream) -> Result<Self> {
        let begun = Arc::default();
        let mut crew = Self { workers: JoinSet::new(), working: watch::Sender::new(true), begun };
        // Each request has a connection of its own, so that a dead upstream is one that nobody can connect to.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(REQUEST_MAX).build()?;
        for (number, tenant) in cluster.tenants().iter().enumerate() {
            for worker in 0..WORKERS {
                let asker = Asker { http: http.clone(), url: upstream.url(number), tenant: number };
                let begun = Arc::clone(&crew.begun);
                let worker = Worker::builder(cluster.client(&tenant.token, worker)?)
                    .worker_id(format!("{}-{worker}", tenant.name))
                    .capacity(CAPACITY)
                    .grace(GRACE)
                    .handler(JOB_TYPE, move |context: JobContext, _: IgnoredAny| {
                        let (asker, begun) = (asker.clone(), Arc::clone(&begun));
                        async move {
                            let (at, wall) = (clock::elapsed(), Timestamp::now());
                            let (job, attempt) = (context.job_id(), context.attempt());
                            let attempt = Begun { at, tenant: asker.tenant, wall, job, attempt };
                            begun.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
                            asker.ask(&context).await
                        }
                    });
                crew.work(worker.build());
            }
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

    /// Attempts that began so far.
    pub fn begun(&self) -> Vec<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends them.
    pub async fn end(mut self) -> Result<()> {
        self.working.send_replace(false);
        while let Some(ended) = self.workers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Asks the upstream for one tenant.
#[derive(Clone)]
struct Asker {
    http: reqwest::Client,
    url: String,
    tenant: usize,
}

impl Asker {
    async fn ask(&self, context: &JobContext) -> Result<Done, HandlerError> {
        let sent = clock::now();
        let answer = self.http.get(&self.url).send().await?;
        let (status, headers) = (answer.status(), answer.headers());
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let said = UpstreamAnswer::read(status.as_u16(), header, Timestamp::now());
        // A bare 403 says nothing by itself; who knows this upstream knows what it means there.
        let throttled = said.throttled || status.as_u16() == 403;
        context.upstream(UpstreamAnswer { throttled, ..said }.sent_ago(sent.elapsed())).await?;
        if status.is_success() {
            return Ok(Done::empty());
        }
        Err(HandlerError::retryable("refused", "the upstream refused").class("upstream").http_status(status.as_u16()))
    }
}
