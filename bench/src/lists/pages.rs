//! The pages: which call each is, and how its calls differ from one another.

use std::future::Future;

use anyhow::{Context as _, Result, ensure};
use orch_bench::clock;
use orch_client::{Client, DeadLetterQuery, Error, JobId, JobQuery, JobState};
use serde::Serialize;

use crate::job::{GROUPS, JOB_TYPE, LABEL, RARE_TYPE};
use crate::latency::{Latencies, Spread};

/// Items of a page.
const LIMIT: u32 = 50;
/// Items of a page on the way to a deep cursor: the most there may be.
const STRIDE: u32 = 200;
/// Pages on that way.
const STRIDES: usize = 100;

/// A kind of page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The newest jobs.
    Newest,
    /// The newest that succeeded.
    Succeeded,
    /// The newest that failed: one in a hundred.
    Failed,
    /// The newest that are running: none.
    Running,
    /// Those of the common type.
    Type,
    /// Those of a type that one in a thousand has.
    RareType,
    /// Those with a label that one in a hundred has.
    Label,
    /// Pages far behind the newest, one after the other.
    Deep,
    /// One job.
    Detail,
    /// The facts of one job.
    History,
    /// Open dead letters.
    DeadLetters,
    /// Counts.
    Summary,
}

impl Page {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Newest,
        Self::Succeeded,
        Self::Failed,
        Self::Running,
        Self::Type,
        Self::RareType,
        Self::Label,
        Self::Deep,
        Self::Detail,
        Self::History,
        Self::DeadLetters,
        Self::Summary,
    ];

    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest jobs",
            Self::Succeeded => "by state (succeeded)",
            Self::Failed => "by state (failed, 1 %)",
            Self::Running => "by state (running, none)",
            Self::Type => "by type",
            Self::RareType => "by rare type (0.1 %)",
            Self::Label => "by label (1 %)",
            Self::Deep => "deep cursor",
            Self::Detail => "job detail",
            Self::History => "job history",
            Self::DeadLetters => "dead letters",
            Self::Summary => "summary",
        }
    }
}

/// What came out for one kind.
pub struct Read {
    /// Calls.
    pub calls: usize,
    /// Items in the middle call.
    pub items: usize,
    /// Their times.
    pub times: Spread,
}

/// Reads pages, one after the other.
pub struct Reader<'a> {
    client: &'a Client,
    calls: usize,
    /// Jobs from the newest to far behind.
    jobs: Vec<JobId>,
    deep: String,
}

impl<'a> Reader<'a> {
    /// Walks far behind the newest job, and remembers some on the way.
    pub async fn new(client: &'a Client, calls: usize) -> Result<Self> {
        let mut query = JobQuery { limit: Some(STRIDE), ..JobQuery::default() };
        let mut jobs = Vec::new();
        for _ in 0..STRIDES {
            let page = client.jobs().list(&query).await?;
            jobs.extend(page.items.iter().step_by(7).map(|job| job.id));
            let Some(next) = page.next_cursor else { break };
            query.cursor = Some(next);
        }
        ensure!(!jobs.is_empty(), "there are no jobs");
        Ok(Self { client, calls, jobs, deep: query.cursor.context("there are too few jobs for a deep cursor")? })
    }

    /// Reads one kind.
    pub async fn read(&self, page: Page) -> Result<Read> {
        let state = |state| JobQuery { states: vec![state], ..JobQuery::default() };
        let of_type = |name: &str| JobQuery { job_type: Some(name.to_owned()), ..JobQuery::default() };
        match page {
            Page::Newest => self.lists(|_| JobQuery::default()).await,
            Page::Succeeded => self.lists(|_| state(JobState::Succeeded)).await,
            Page::Failed => self.lists(|_| state(JobState::Failed)).await,
            Page::Running => self.lists(|_| state(JobState::Running)).await,
            Page::Type => self.lists(|_| of_type(JOB_TYPE)).await,
            Page::RareType => self.lists(|_| of_type(RARE_TYPE)).await,
            Page::Label => {
                let label = |call: usize| Some((LABEL.to_owned(), (call * 37 % GROUPS).to_string()));
                self.lists(|call| JobQuery { label: label(call), ..JobQuery::default() }).await
            }
            Page::Deep => self.deep().await,
            Page::Detail => {
                timed(self.calls, |call| async move { self.client.jobs().get(self.job(call)).await.map(|_| 1) }).await
            }
            Page::History => {
                timed(self.calls, |call| async move { Ok(self.client.jobs().history(self.job(call)).await?.len()) })
                    .await
            }
            Page::DeadLetters => {
                let query = &DeadLetterQuery { limit: Some(LIMIT), ..DeadLetterQuery::default() };
                timed(self.calls, |_| async move { Ok(self.client.dead_letters().list(query).await?.items.len()) })
                    .await
            }
            Page::Summary => timed(self.calls, |_| async move { self.client.jobs().summary().await.map(|_| 1) }).await,
        }
    }

    fn job(&self, call: usize) -> &JobId {
        &self.jobs[call * 7_919 % self.jobs.len()]
    }

    async fn lists(&self, query: impl Fn(usize) -> JobQuery) -> Result<Read> {
        timed(self.calls, |call| {
            let query = JobQuery { limit: Some(LIMIT), ..query(call) };
            async move { Ok(self.client.jobs().list(&query).await?.items.len()) }
        })
        .await
    }

    async fn deep(&self) -> Result<Read> {
        let cursor = tokio::sync::Mutex::new(self.deep.clone());
        let cursor = &cursor;
        timed(self.calls, |_| async move {
            let mut cursor = cursor.lock().await;
            let query = JobQuery { cursor: Some(cursor.clone()), limit: Some(STRIDE), ..JobQuery::default() };
            let page = self.client.jobs().list(&query).await?;
            // Behind the oldest it begins anew.
            *cursor = page.next_cursor.unwrap_or_else(|| self.deep.clone());
            Ok(page.items.len())
        })
        .await
    }
}

/// So many calls; a call returns its items. A first one, which opens the connection, does not count.
async fn timed<F: Future<Output = Result<usize, Error>>>(calls: usize, call: impl Fn(usize) -> F) -> Result<Read> {
    call(0).await?;
    let times = Latencies::default();
    let mut items = Vec::with_capacity(calls);
    for number in 0..calls {
        let began = clock::now();
        items.push(call(number).await?);
        times.add(began.elapsed());
    }
    items.sort_unstable();
    let middle = items.get(items.len() / 2).copied().unwrap_or_default();
    Ok(Read { calls, items: middle, times: times.spread().context("no page was read")? })
}
