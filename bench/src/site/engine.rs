//! The engine in this process: commands without HTTP.
//!
//! What the edge does to a job (its id, the hash of its payload) is done here, too, since it is part of the price.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use orch_bench::clock;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::ids::{ClaimId, SessionId, TenantNo};
use orch_core::job::{LaneKey, Priority, payload_sha256};
use orch_core::port::{BlobStore, Ledger};
use orch_dispatch::command::{ClaimParams, Completion, Expect, KeyUse, NewJob, Report, SessionParams};
use orch_dispatch::{Answer, Command};
use orch_engine::{Engine, EngineOptions, Lease};
use orch_store::FolderBlobs;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_store::sqlite::SqliteLedger;

use crate::job::{JOB_TYPE, Job};
use crate::place::Place;
use crate::progress::Progress;
use crate::site::{Crewman, Site};

/// How long a claim waits for work.
const CLAIM_WAIT_MS: u64 = 1_000;

/// An engine that serves.
pub struct EngineSite {
    engine: Engine,
    tenants: Vec<TenantNo>,
    claims: AtomicU64,
}

impl EngineSite {
    /// Starts an engine on an empty ledger, with so many tenants.
    pub async fn open(place: &Place, tenants: usize) -> Result<Self> {
        let engine = Engine::start(EngineOptions::new(ledger(place).await?, blobs(place)?));
        ensure!(engine.serving().await, "the engine does not serve");
        let mut site = Self { engine, tenants: Vec::new(), claims: AtomicU64::new(0) };
        for number in 0..tenants {
            let tenant = site.engine.create_tenant(&format!("bench-{number}")).await?;
            let (tenant, expect) = (tenant.no, Expect::Absent);
            let doc = ConfigDoc::JobType(JobType::named(JOB_TYPE));
            site.engine.command(Command::PutConfig { tenant, doc, expect }).await?;
            site.tenants.push(tenant);
        }
        Ok(site)
    }

    fn new_job(&self, job: Job) -> NewJob {
        let payload = Bytes::from(job.payload);
        NewJob {
            id: self.engine.new_job_id(),
            id_given: false,
            // The fingerprint is a hash at the edge; any bytes cost the engine the same.
            key: job.key.map(|key| KeyUse { key, fingerprint: key }),
            lane: LaneKey {
                concurrency_key: None,
                job_type: JOB_TYPE.to_owned(),
                priority: Priority::Normal,
                project: "default".to_owned(),
                source: None,
            },
            payload_sha256: payload_sha256(&payload),
            misfit: None,
            payload,
            labels: [].into(),
            not_before: None,
            deadline: None,
            depends_on: Vec::new(),
            correlation_id: None,
            origin: None,
        }
    }

    async fn session(&self, worker: Crewman) -> Result<SessionId> {
        let session = SessionId::of(self.tenants[0], "bench", &worker.number.to_string());
        let params = SessionParams {
            session,
            tenants: self.tenants.clone(),
            worker: format!("bench-{}", worker.number),
            boot: worker.number.to_string(),
            job_types: vec![JOB_TYPE.to_owned()],
            capacity: u32::try_from(worker.claim)?,
            sdk: "orch-bench".to_owned(),
        };
        self.engine.command(Command::OpenSession(params)).await?;
        Ok(session)
    }

    async fn claim(&self, session: SessionId, max: usize) -> Result<Vec<Lease>> {
        let now = self.engine.now();
        let claim = self.claims.fetch_add(1, Ordering::Relaxed);
        let params = ClaimParams {
            session,
            claim: ClaimId::v7(now, u128::from(claim)),
            max,
            job_types: Vec::new(),
            auto_ack: true,
            wait_until: Some(now.plus_ms(CLAIM_WAIT_MS)),
        };
        Ok(self.engine.claim(params).await?.leases)
    }

    async fn complete(&self, leases: Vec<Lease>) -> Result<usize> {
        let completions = leases.into_iter().map(|lease| {
            let token = lease.grant.token;
            Completion {
                token,
                outcome: Report::Succeeded { result: None, result_sha256: None },
                fingerprint: token.job.0.into_bytes(),
                artifacts: Vec::new(),
                follow_ups: Vec::new(),
            }
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

#[async_trait]
impl Site for EngineSite {
    async fn enqueue(&self, tenant: usize, jobs: Vec<Job>) -> Result<()> {
        let tenant = self.tenants[tenant % self.tenants.len()];
        let jobs = jobs.into_iter().map(|job| self.new_job(job)).collect();
        let key = None;
        self.engine.command(Command::Enqueue { tenant, jobs, key }).await?;
        Ok(())
    }

    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()> {
        let session = self.session(worker).await?;
        loop {
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
            let done = self.complete(leases).await?;
            progress.complete.add(claimed.elapsed());
            progress.add_done(done);
        }
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
        Place::Sqlite(folder) => Arc::new(SqliteLedger::open(folder.path().join("ledger.sqlite"))?),
        Place::Postgres(database) => {
            PostgresLedger::migrate(database.url()).await?;
            Arc::new(PostgresLedger::connect(database.url(), PostgresOptions::default()).await?)
        }
    })
}

fn blobs(place: &Place) -> Result<Arc<dyn BlobStore>> {
    Ok(Arc::new(FolderBlobs::open(place.folder().join("blobs"))?))
}
