//! Waits for a run to end and gathers its jobs. It outlives restarts of the server.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use orch_client::{Client, JobId, JobOut, JobQuery, JobState, Page};
use orch_feeds::jobs::{EXPORT, RUN_LABEL, ids};

use crate::commands::clock;

/// Between two looks at a run, and after a call that failed for now.
const PAUSE: Duration = Duration::from_millis(250);
/// Jobs of one page.
const PAGE: u32 = 200;
/// The states that are not final.
const OPEN: [JobState; 5] =
    [JobState::Blocked, JobState::Scheduled, JobState::Ready, JobState::Leased, JobState::Running];

/// A run that is waited for.
pub(super) struct Watch {
    client: Client,
    run: JobId,
    begun: Instant,
    timeout: Duration,
}

/// A run that has ended.
pub(super) struct Ended {
    pub(super) run: JobId,
    /// From the start to the end of the last job.
    pub(super) duration: Duration,
    /// Its export job; none if discover did not come that far.
    pub(super) export: Option<JobOut>,
    /// All its jobs.
    pub(super) jobs: Vec<JobOut>,
}

impl Watch {
    pub(super) fn begin(client: Client, run: JobId, timeout: Duration) -> Watch {
        Watch { client, run, begun: clock::now(), timeout }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until no job of the run is open.
    pub(super) async fn end(&self) -> anyhow::Result<Ended> {
        let discover = self.final_job(self.run).await?;
        let export = match discover.state {
            JobState::Succeeded => Some(self.final_job(ids::derived(self.run, EXPORT, "")).await?),
            _ => None,
        };
        loop {
            let open = self.page(&OPEN, 1, None).await?;
            if open.items.is_empty() && open.next_cursor.is_none() {
                break;
            }
            self.pause().await?;
        }
        let duration = self.begun.elapsed();
        let jobs = self.jobs().await?;
        Ok(Ended { run: self.run, duration, export, jobs })
    }

    async fn final_job(&self, id: JobId) -> anyhow::Result<JobOut> {
        let mut told = clock::now();
        loop {
            match self.client.jobs().get(&id).await {
                Ok(job) if job.state.is_final() => return Ok(job),
                Ok(_) => {}
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error).with_context(|| format!("could not look at {id}")),
            }
            if told.elapsed() > Duration::from_secs(1) {
                told = clock::now();
                self.tell().await;
            }
            self.pause().await?;
        }
    }

    /// One line about where the tenant's jobs are; a failure to get it is no failure of the run.
    async fn tell(&self) {
        let Ok(summary) = self.client.jobs().summary().await else { return };
        let open: Vec<String> = summary.open.iter().map(|(state, jobs)| format!("{state} {jobs}")).collect();
        eprintln!("{:>5} s  {}", self.begun.elapsed().as_secs(), open.join(", "));
    }

    async fn jobs(&self) -> anyhow::Result<Vec<JobOut>> {
        let mut jobs = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.page(&[], PAGE, cursor.take()).await?;
            jobs.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(jobs);
            }
        }
    }

    async fn page(&self, states: &[JobState], limit: u32, cursor: Option<String>) -> anyhow::Result<Page<JobOut>> {
        let query = JobQuery {
            states: states.to_vec(),
            label: Some((RUN_LABEL.to_owned(), self.run.to_string())),
            limit: Some(limit),
            cursor,
            ..JobQuery::default()
        };
        loop {
            match self.client.jobs().list(&query).await {
                Err(error) if error.is_retryable() => self.pause().await?,
                answer => return answer.context("could not list the run's jobs"),
            }
        }
    }

    async fn pause(&self) -> anyhow::Result<()> {
        if self.begun.elapsed() > self.timeout {
            bail!("the run did not end within {} s", self.timeout.as_secs());
        }
        clock::pause(PAUSE).await;
        Ok(())
    }
}
