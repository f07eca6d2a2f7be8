//! A server of its own, over HTTP: producers through the SDK's client, workers as the SDK's `Worker`.

mod server;

use std::sync::Arc;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use orch_client::{Client, Done, JobContext, JobIn, JobType, Worker};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::time::Duration;

use crate::job::{JOB_TYPE, Job};
use crate::place::Place;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::site::http::server::Server;
use crate::site::{Crewman, Site};

/// How long a claim is parked at the server.
const CLAIM_WAIT: Duration = Duration::from_secs(1);

/// A server that serves.
pub struct HttpSite {
    server: Server,
    client: Client,
}

impl HttpSite {
    /// Starts a server on an empty ledger; it has one tenant.
    pub async fn open(place: &Place, settings: &Settings) -> Result<Self> {
        let server = Server::start(place, &settings.orch)?;
        let client = Client::builder().address(server.address()).token(server.token()).build()?;
        client.job_types().create(&JobType::new(JOB_TYPE)).await?;
        Ok(Self { server, client })
    }
}

fn job_in(job: &Job) -> Result<JobIn> {
    let payload: &RawValue = serde_json::from_str(&job.payload)?;
    Ok(JobIn::new(JOB_TYPE, payload)?)
}

fn key_text(key: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(key))
}

#[async_trait]
impl Site for HttpSite {
    async fn enqueue(&self, _tenant: usize, jobs: Vec<Job>) -> Result<()> {
        if let [job] = &jobs[..] {
            let key = job.key.map(key_text);
            self.client.jobs().create(&job_in(job)?, key.as_deref()).await?;
            return Ok(());
        }
        let mut batch = Vec::with_capacity(jobs.len());
        for job in &jobs {
            let sent = job_in(job)?;
            batch.push(match job.key {
                Some(key) => sent.idempotency_key(key_text(key)),
                None => sent,
            });
        }
        let made = self.client.jobs().create_batch(&batch, None).await?;
        ensure!(made.len() == batch.len(), "{} of {} jobs were made", made.len(), batch.len());
        Ok(())
    }

    async fn work(&self, worker: Crewman, progress: Arc<Progress>) -> Result<()> {
        let counted = Arc::clone(&progress);
        // Twice the batch: the next claim is under way while the last one's jobs are reported.
        let worker = Worker::builder(self.client.clone())
            .worker_id(format!("bench-{}", worker.number))
            .capacity(worker.claim * 2)
            .claim_batch(worker.claim)
            .claim_wait(CLAIM_WAIT)
            .handler(JOB_TYPE, move |_: JobContext, _: IgnoredAny| {
                counted.add_done(1);
                async { Ok(Done::empty()) }
            })
            .build();
        let summary = worker.run(async move { progress.stopped().await }).await?;
        ensure!(summary.stale == 0, "{} attempts were lost to others", summary.stale);
        Ok(())
    }

    fn process(&self) -> Option<u32> {
        Some(self.server.pid())
    }

    async fn close(&self) -> Result<()> {
        self.server.stop().await
    }
}
