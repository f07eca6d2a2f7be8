//! The engine in this process: commands without HTTP.
//!
//! What the edge does to a job (its id, the hash of its payload) is done here, too, since it is part of the price.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use orch_bench::clock;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::fact::PauseTarget;
use orch_core::ids::{ClaimId, JobId, SessionId, TenantNo};
use orch_core::job::{Dependency, DependsOn, JobError, LaneKey, Priority, sha256_hex};
use orch_core::lease::Token;
use orch_core::port::{BlobStore, Ledger};
use orch_dispatch::command::{Actor, ClaimParams, Completion, Expect, KeyUse, NewJob, Report, SessionParams};
use orch_dispatch::{Answer, Command};
use orch_engine::{Engine, EngineOptions, Lease};
use orch_store::FolderBlobs;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_store::sqlite::SqliteLedger;

use super::gates;
use crate::job::{JOB_TYPE, JOB_TYPES, Job, Kind, LABEL, RARE_TYPE};
use crate::place::Place;
use crate::progress::Progress;
use crate::site::{CLAIM_WAIT, Crewman, LATER_MS, Site, Task, started};

/// One job in so many fails where some fail.
const FAIL: u64 = 100;

/// An engine that serves.
pub struct EngineSite {
    engine: Engine,
    tenants: Vec<TenantNo>,
    claims: AtomicU64,
    completed: AtomicU64,
}

impl EngineSite {
    /// Starts an engine on an empty ledger, with so many tenants.
    pub async fn open(place: &Place, tenants: usize) -> Result<Self> {
        let mut site = Self::start(place).await?;
        for number in 0..tenants {
            let tenant = site.engine.create_tenant(&format!("bench-{number}")).await?.no;
            for job_type in JOB_TYPES {
                let doc = ConfigDoc::JobType(JobType::named(job_type));
                site.engine.command(Command::PutConfig { tenant, doc, expect: Expect::Absent }).await?;
            }
            site.tenants.push(tenant);
        }
        Ok(site)
    }

    /// Starts an engine on a ledger that a server has left, for its first tenant.
    pub async fn on_servers(place: &Place) -> Result<Self> {
        let mut site = Self::start(place).await?;
        let all = site.engine.ledger().tenant_list().await?;
        let first = all.iter().find(|tenant| tenant.name == "default").context("the server made a tenant")?;
        site.tenants.push(first.no);
        Ok(site)
    }

    async fn start(place: &Place) -> Result<Self> {
        let engine = Engine::start(EngineOptions::new(ledger(place).await?, blobs(place)?));
        ensure!(engine.serving().await, "the engine does not serve");
        Ok(Self { engine, tenants: Vec::new(), claims: AtomicU64::new(0), completed: AtomicU64::new(0) })
    }

    /// The engine, for what no load has a verb for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its first tenant.
    pub fn tenant(&self) -> TenantNo {
        self.tenants[0]
    }

    /// Declares something for its first tenant.
    pub async fn declare(&self, doc: ConfigDoc) -> Result<()> {
        let (tenant, expect) = (self.tenant(), Expect::Any);
        self.engine.command(Command::PutConfig { tenant, doc, expect }).await?;
        Ok(())
    }

    fn new_job(&self, job: Job, ids: &[JobId], place: usize) -> NewJob {
        let (job_type, group) = (job.job_type().to_owned(), job.group());
        let source = job.source().map(str::to_owned);
        let payload = Bytes::from(job.payload);
        NewJob {
            id: ids[place],
            id_given: false,
            // The fingerprint is a hash at the edge; any bytes cost the engine the same.
            key: job.key.map(|key| KeyUse { key, fingerprint: key }),
            lane: LaneKey {
                concurrency_key: None,
                job_type,
                priority: Priority::Normal,
                project: "default".to_owned(),
                source,
            },
            payload_sha256: sha256_hex(&payload),
            misfit: None,
            payload,
            labels: group.map(|group| (LABEL.to_owned(), group)).into_iter().collect(),
            not_before: (job.kind == Kind::Later).then(|| self.engine.now().plus_ms(LATER_MS)),
            deadline: None,
            depends_on: job
                .parent
                .map(|parent| Dependency { job: ids[parent], on: DependsOn::Done })
                .into_iter()
                .collect(),
            correlation_id: None,
            origin: None,
            firing: None,
            part: None,
            window: None,
        }
    }

    /// Announces a worker that takes so many jobs at a time.
    pub async fn session(&self, worker: Crewman) -> Result<SessionId> {
        let session = SessionId::of(self.tenants[0], "bench", &worker.number.to_string());
        let params = SessionParams {
            session,
            tenants: self.tenants.clone(),
            worker: format!("bench-{}", worker.number),
            boot: worker.number.to_string(),
            job_types: vec![JOB_TYPE.to_owned(), RARE_TYPE.to_owned()],
            capacity: u32::try_from(worker.claim)?,
            sdk: "orch-bench".to_owned(),
        };
        self.engine.command(Command::OpenSession(params)).await?;
        Ok(session)
    }

    /// Asks for leases, and waits for them a little.
    pub async fn claim(&self, session: SessionId, max: usize) -> Result<Vec<Lease>> {
        let now = self.engine.now();
        let claim = self.claims.fetch_add(1, Ordering::Relaxed);
        let params = ClaimParams {
            session,
            claim: ClaimId::v7(now, u128::from(claim)),
            max,
            job_types: Vec::new(),
            auto_ack: true,
            wait_until: Some(now.plus_ms(u64::try_from(CLAIM_WAIT.as_millis())?)),
        };
        Ok(self.engine.claim(params).await?.leases)
    }

    fn outcome(&self, task: Task) -> Report {
        if task == Task::FailSome && self.completed.fetch_add(1, Ordering::Relaxed).is_multiple_of(FAIL) {
            return Report::Failed(JobError::own("handler", "it was to fail", false));
        }
        success()
    }

    /// Reports what became of attempts; returns how many they were.
    pub async fn report(&self, reports: Vec<(Token, Report)>) -> Result<usize> {
        let completions = reports.into_iter().map(|(token, outcome)| Completion {
            token,
            outcome,
            fingerprint: token.job.0.into_bytes(),
            artifacts: Vec::new(),
            follow_ups: Vec::new(),
            took: Vec::new(),
            watermark: None,
        });
        let command = Command::Complete { tenants: self.tenants.clone(), completions: completions.collect() };
        let Answer::Completed(items) = self.engine.command(command).await? else {
            bail!("a completion was answered otherwise");
        };
        for item in &items {
            if let Err(refusal) = item {
                bail!("a completion was refused: {refusal}");
            }
        }
        Ok(items.len())
    }
}

/// A success without a result.
pub fn success() -> Report {
    Report::Succeeded { result: None, result_sha256: None }
}

#[async_trait]
impl Site for EngineSite {
    async fn enqueue(&self, tenant: usize, jobs: Vec<Job>) -> Result<()> {
        let tenant = self.tenants[tenant % self.tenants.len()];
        let ids: Vec<_> = jobs.iter().map(|_| self.engine.new_job_id()).collect();
        let jobs = jobs.into_iter().enumerate().map(|(place, job)| self.new_job(job, &ids, place)).collect();
        let key = None;
        self.engine.command(Command::Enqueue { tenant, jobs, key }).await?;
        Ok(())
    }

    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()> {
        let session = self.session(worker).await?;
        loop {
            progress.work_allowed().await;
            let began = clock::now();
            let leases = tokio::select! {
                biased;
                () = progress.stopped() => return Ok(()),
                leases = self.claim(session, worker.claim) => leases?,
            };
            if leases.is_empty() {
                continue;
            }
            let claimed = clock::now();
            progress.claim.add(claimed - began);
            leases.iter().for_each(|lease| started(&progress, &lease.payload));
            if worker.task == Task::Hold {
                continue;
            }
            let reports = leases.iter().map(|lease| (lease.grant.token, self.outcome(worker.task))).collect();
            let done = self.report(reports).await?;
            progress.complete.add(claimed.elapsed());
            progress.add_done(done);
        }
    }

    async fn pause(&self, tenant: usize, job_type: &str) -> Result<()> {
        let (tenant, target) = (self.tenants[tenant], PauseTarget::JobType(job_type.to_owned()));
        self.engine.command(Command::Pause { tenant, target, actor: Actor::default() }).await?;
        Ok(())
    }

    async fn gate(&self, tenant: usize) -> Result<()> {
        for doc in gates::documents() {
            let (tenant, expect) = (self.tenants[tenant], Expect::Any);
            self.engine.command(Command::PutConfig { tenant, doc, expect }).await?;
        }
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        None
    }

    async fn close(&self) -> Result<()> {
        self.engine.shutdown().await;
        Ok(())
    }
}

async fn ledger(place: &Place) -> Result<Arc<dyn Ledger>> {
    Ok(match place {
        Place::Sqlite(_) => {
            let data = place.data();
            std::fs::create_dir_all(&data)?;
            Arc::new(SqliteLedger::open(data.join("ledger.sqlite"))?)
        }
        Place::Postgres(database) => {
            PostgresLedger::migrate(database.url()).await?;
            Arc::new(PostgresLedger::connect(database.url(), PostgresOptions::default()).await?)
        }
    })
}

fn blobs(place: &Place) -> Result<Arc<dyn BlobStore>> {
    Ok(Arc::new(FolderBlobs::open(place.folder().join("blobs"))?))
}
