//! A server of its own, over HTTP: producers through the SDK's client, workers as the SDK's `Worker`.

pub mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use orch_bench::clock;
use orch_client::{
    Client, DependsOn, Done, HandlerError, JobContext, JobId, JobIn, JobType, PauseTarget, TokenIn, Worker,
};
use serde_json::value::RawValue;

use crate::job::{JOB_TYPE, JOB_TYPES, Job, Kind, LABEL, RARE_TYPE};
use crate::place::Place;
use crate::progress::Progress;
use crate::site::http::server::Server;
use crate::site::{CLAIM_WAIT, Crewman, LATER_MS, Site, Task, started};

/// How long a ledger may still be in use.
const LET_GO: Duration = Duration::from_secs(10);

/// A server that serves.
pub struct HttpSite {
    server: Server,
    tenants: Vec<Client>,
    workers: Client,
}

impl HttpSite {
    /// Starts a server on an empty ledger. One tenant is the first one, whose token is for workers, too; several are
    /// made through the API, with a token each, and workers are for all of them.
    pub async fn open(place: &Place, program: &Path, tenants: usize) -> Result<Self> {
        Self::open_with(place, program, tenants, &[]).await
    }

    /// The same with further arguments for the server.
    pub async fn open_with(place: &Place, program: &Path, tenants: usize, arguments: &[&str]) -> Result<Self> {
        let server = Server::start(place, program, arguments)?;
        let first = client(&server, server.token())?;
        let mut site = Self { server, tenants: vec![first.clone()], workers: first.clone() };
        if tenants > 1 {
            site.workers = client(&site.server, &token(&first, "system", &["orch:worker"]).await?)?;
            site.tenants.clear();
            for number in 0..tenants {
                let name = format!("bench-{number}");
                first.tenants().create(&name).await?;
                let token = token(&first, &name, &["orch:submit", "orch:operate", "orch:read"]).await?;
                site.tenants.push(client(&site.server, &token)?);
            }
        }
        for tenant in &site.tenants {
            for job_type in JOB_TYPES {
                tenant.job_types().create(&JobType::new(job_type)).await?;
            }
        }
        Ok(site)
    }

    /// Starts a server on a ledger that one has left; `token` is of the first tenant.
    pub async fn open_again(place: &Place, program: &Path, token: &str) -> Result<Self> {
        let began = clock::now();
        // An engine in this process may let go of a file a moment after its end.
        let server = loop {
            match Server::start_with(place, program, Some(token.to_owned()), &[]) {
                Err(_) if began.elapsed() < LET_GO => clock::pause(LET_GO / 100).await,
                started => break started?,
            }
        };
        let first = client(&server, token)?;
        Ok(Self { server, tenants: vec![first.clone()], workers: first })
    }

    /// A token of the first tenant.
    pub fn token(&self) -> &str {
        self.server.token()
    }

    /// The first tenant's client.
    pub fn client(&self) -> &Client {
        &self.tenants[0]
    }
}

fn client(server: &Server, token: &str) -> Result<Client> {
    Ok(Client::builder().address(server.address()).token(token).build()?)
}

/// A new token of a tenant.
pub async fn token(by: &Client, tenant: &str, scopes: &[&str]) -> Result<String> {
    let wanted = TokenIn {
        name: "bench".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        tenant: Some(tenant.to_owned()),
        expires_at: None,
    };
    by.tokens().create(&wanted).await?.secret.context("a new token shows its secret")
}

fn job_in(job: &Job, ids: &[JobId]) -> Result<JobIn> {
    let payload: &RawValue = serde_json::from_str(&job.payload)?;
    let mut sent = JobIn::new(job.job_type(), payload)?;
    if let Some(parent) = job.parent {
        sent = sent.depends_on(ids[parent], DependsOn::Done);
    }
    if let Some(group) = job.group() {
        sent = sent.label(LABEL, group);
    }
    if job.kind == Kind::Later {
        let moment = Timestamp::now().checked_add(SignedDuration::from_millis(i64::try_from(LATER_MS)?))?;
        sent = sent.not_before(moment);
    }
    Ok(sent)
}

fn key_text(key: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(key))
}

#[async_trait]
impl Site for HttpSite {
    async fn enqueue(&self, tenant: usize, jobs: Vec<Job>) -> Result<()> {
        enqueue(&self.tenants[tenant % self.tenants.len()], jobs).await
    }

    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()> {
        work(&self.workers, worker, progress).await
    }

    async fn pause(&self, tenant: usize, job_type: &str) -> Result<()> {
        Ok(self.tenants[tenant].pause(&PauseTarget::JobType(job_type.to_owned()), None).await?)
    }

    fn process(&self) -> Option<u32> {
        Some(self.server.pid())
    }

    async fn close(&self) -> Result<()> {
        self.server.stop().await
    }
}

/// Makes jobs in the client's tenant.
pub async fn enqueue(client: &Client, jobs: Vec<Job>) -> Result<()> {
    if let [job] = &jobs[..] {
        let key = job.key.map(key_text);
        client.jobs().create(&job_in(job, &[])?, key.as_deref()).await?;
        return Ok(());
    }
    // Parents need ids that their dependents can name.
    let ids: Vec<_> = if jobs.iter().any(|job| job.parent.is_some()) {
        jobs.iter().map(|_| JobId::new()).collect()
    } else {
        Vec::new()
    };
    let mut batch = Vec::with_capacity(jobs.len());
    for (place, job) in jobs.iter().enumerate() {
        let mut sent = job_in(job, &ids)?;
        if let Some(id) = ids.get(place) {
            sent = sent.id(*id);
        }
        if let Some(key) = job.key {
            sent = sent.idempotency_key(key_text(key));
        }
        batch.push(sent);
    }
    let made = client.jobs().enqueue(&batch, None).await?;
    ensure!(made.len() == batch.len(), "{} of {} jobs were made", made.len(), batch.len());
    Ok(())
}

/// Works as the SDK's worker until told to stop.
pub async fn work(client: &Client, worker: Crewman, progress: Arc<Progress>) -> Result<()> {
    let mut builder = Worker::builder(client.clone())
        .worker_id(format!("bench-{}", worker.number))
        // Twice the batch: the next claim is under way while the last one's jobs are reported.
        .capacity(worker.claim * 2)
        .claim_batch(worker.claim)
        .claim_wait(CLAIM_WAIT);
    for job_type in [JOB_TYPE, RARE_TYPE] {
        let counted = Arc::clone(&progress);
        builder = builder.handler(job_type, move |_: JobContext, payload: Box<RawValue>| {
            started(&counted, payload.get().as_bytes());
            handle(Arc::clone(&counted), worker.task)
        });
    }
    let summary = builder.build().run(async move { progress.stopped().await }).await?;
    ensure!(summary.stale == 0, "{} attempts were lost to others", summary.stale);
    Ok(())
}

async fn handle(progress: Arc<Progress>, task: Task) -> Result<Done, HandlerError> {
    match task {
        Task::Succeed => progress.work_allowed().await,
        Task::Hold => progress.stopped().await,
        Task::FailSome => return Err(HandlerError::permanent("handler", "it was to fail")),
    }
    progress.add_done(1);
    Ok(Done::empty())
}
