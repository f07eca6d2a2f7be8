//! Reading jobs: what the ledger holds of them, overlaid with what the owner's memory knows.

use std::collections::{BTreeSet, HashMap};

use orch_core::backfill::BACKFILL_LABEL;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::Record;
use orch_core::ids::{BackfillId, JobId, LaneNo, RunId, Stream, TenantNo};
use orch_core::job::{JobError, JobState, LaneKey};
use orch_core::limits;
use orch_core::port::{DoneRow, JobExtra, JobFound, JobOutput, JobPageParams, JobRow};
use orch_core::query::Pattern;
use orch_core::run::RUN_LABEL;
use orch_core::time::Timestamp;
use orch_dispatch::answer::OpenJob;
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// A job as it stands.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The stored row.
    pub row: JobRow,
    /// What the row's `extra` holds.
    pub extra: JobExtra,
    /// Where it waits, or was last: another lane than its row's once it has another priority.
    pub lane: LaneKey,
    /// That lane's number.
    pub lane_no: LaneNo,
    /// Its state.
    pub state: JobState,
    /// What the owner's memory knows, if it holds the job.
    pub open: Option<OpenJob>,
    /// Its end.
    pub done: Option<DoneRow>,
    /// What the end's `output` holds.
    pub output: JobOutput,
    /// Its dead letter was settled.
    pub settled: bool,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only these states; empty: all.
    pub states: Vec<JobState>,
    /// Only these job types; empty: all.
    pub job_types: Vec<Pattern>,
    /// Only these sources; empty: all.
    pub sources: Vec<Pattern>,
    /// Only sources with these hosts; empty: all, and jobs without a source.
    pub hosts: Vec<Pattern>,
    /// Only these projects; empty: all.
    pub projects: Vec<Pattern>,
    /// Only jobs with all of these labels.
    pub labels: Vec<(String, String)>,
    /// Only jobs with all of these labels, each in one of its values.
    pub labels_in: Vec<(String, Vec<String>)>,
    /// Only jobs whose last error has one of these codes or classes; empty: no matter which.
    pub errors: Vec<String>,
    /// Only these; empty: all.
    pub ids: Vec<JobId>,
    /// Only parts of this run.
    pub run: Option<RunId>,
    /// Only those that read windows of this backfill.
    pub backfill: Option<BackfillId>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Ids below this.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: usize,
}

/// Jobs of one lane in one final state.
#[derive(Debug, Clone)]
pub struct SummaryRow {
    /// The lane.
    pub lane: LaneKey,
    /// The state.
    pub state: JobState,
    /// How many.
    pub jobs: u64,
}

/// Pages read for one page of answers at the most, when filters leave little.
const PAGES_MAX: usize = 8;

impl Engine {
    /// What the owner's memory knows of these jobs.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn open_jobs(&self, tenant: TenantNo, ids: Vec<JobId>) -> Result<Vec<Option<OpenJob>>, Error> {
        match self.command(Command::Read(Read::Jobs { tenant, ids })).await? {
            Answer::Jobs(jobs) => Ok(jobs),
            answer => Err(unexpected(&answer)),
        }
    }

    /// One job.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn job(&self, tenant: TenantNo, id: JobId) -> Result<Option<JobView>, Error> {
        Ok(self.job_views(tenant, &[id]).await?.pop())
    }

    /// Several jobs; unknown ones are left out. In the order of `ids`.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn job_views(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobView>, Error> {
        // Memory first: what ends in between is found in the ledger, which is read later.
        let open = self.open_jobs(tenant, ids.to_vec()).await?;
        let mut found = self.ledger().job_lookup(tenant, ids).await?;
        let mut views = Vec::with_capacity(found.len());
        for (id, open) in ids.iter().zip(open) {
            if let Some(place) = found.iter().position(|found| found.job.id == *id) {
                views.push(self.view(tenant, found.swap_remove(place), open).await?);
            }
        }
        Ok(views)
    }

    async fn view(&self, tenant: TenantNo, found: JobFound, open: Option<OpenJob>) -> Result<JobView, Error> {
        let JobFound { job: row, done, settled } = found;
        let extra = match &row.extra {
            Some(json) => serde_json::from_slice(json).map_err(|error| Error::Internal(error.to_string()))?,
            None => JobExtra::default(),
        };
        let output = match done.as_ref().and_then(|done| done.output.as_ref()) {
            Some(json) => serde_json::from_slice(json).map_err(|error| Error::Internal(error.to_string()))?,
            None => JobOutput::default(),
        };
        let open = open.filter(|_| done.is_none());
        let waiting = open.as_ref().map_or(JobState::Ready, |open| open.state);
        let state = done.as_ref().map_or(waiting, |done| done.state);
        let moved = done.as_ref().map(|done| done.lane).or(open.as_ref().map(|open| open.lane));
        let lane_no = moved.unwrap_or(row.lane);
        let lane = self.lane_key(tenant, lane_no).await?;
        Ok(JobView { row, extra, lane, lane_no, state, open, done, output, settled })
    }

    /// A page of jobs, newest first, and where the next begins. A page may be short while there is a next one.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn jobs(&self, tenant: TenantNo, filter: &JobFilter) -> Result<(Vec<JobView>, Option<JobId>), Error> {
        let limit = filter.limit.clamp(1, limits::PAGE_MAX as usize);
        let sources = self.sources_of(tenant, filter).await?;
        let fits = |view: &JobView| filter.fits(view, sources.as_ref());
        if !filter.ids.is_empty() {
            return self.named_jobs(tenant, filter, fits, limit).await;
        }
        if let [state @ (JobState::Blocked | JobState::Scheduled | JobState::Leased | JobState::Running)] =
            filter.states[..]
        {
            return self.held_jobs(tenant, filter.before, state, fits, limit).await;
        }
        let lanes = self.lanes_of(tenant, filter, sources.as_ref()).await?;
        let finals: Vec<_> = filter.states.iter().copied().filter(|state| state.is_final()).collect();
        let only_final = !filter.states.is_empty() && finals.len() == filter.states.len();
        let mut params = JobPageParams {
            before: filter.before,
            limit,
            lanes,
            states: only_final.then_some(finals.clone()),
            open_only: !filter.states.is_empty() && finals.is_empty(),
            labels: filter.indexed_labels(),
            errors: if only_final { filter.errors.clone() } else { Vec::new() },
            since: filter.since,
            until: filter.until,
        };
        let mut views = Vec::new();
        for _ in 0..PAGES_MAX {
            params.limit = limit - views.len();
            let page = self.ledger().job_page(tenant, &params).await?;
            let ids = page.jobs.iter().map(|found| found.job.id).collect();
            let open = self.open_jobs(tenant, ids).await?;
            let mut ended = self.ended_since(tenant, &page.jobs, &open).await?;
            for (mut found, open) in page.jobs.into_iter().zip(open) {
                found.done = found.done.or_else(|| ended.remove(&found.job.id));
                let view = self.view(tenant, found, open).await?;
                if fits(&view) {
                    views.push(view);
                }
            }
            params.before = page.next;
            if page.next.is_none() || views.len() >= limit {
                break;
            }
        }
        Ok((views, params.before))
    }

    /// The ends of jobs that had none when the page was read and were gone from memory when that was asked.
    async fn ended_since(
        &self,
        tenant: TenantNo,
        page: &[JobFound],
        open: &[Option<OpenJob>],
    ) -> Result<HashMap<JobId, DoneRow>, Error> {
        let unknown = page.iter().zip(open).filter(|(found, open)| found.done.is_none() && open.is_none());
        let ids: Vec<_> = unknown.map(|(found, _)| found.job.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ends = self.ledger().done_lookup(tenant, &ids).await?;
        Ok(ends.into_iter().map(|done| (done.job, done)).collect())
    }

    /// Jobs in a state that the owner holds in memory.
    async fn held_jobs(
        &self,
        tenant: TenantNo,
        mut before: Option<JobId>,
        state: JobState,
        fits: impl Fn(&JobView) -> bool,
        limit: usize,
    ) -> Result<(Vec<JobView>, Option<JobId>), Error> {
        let mut views = Vec::new();
        for _ in 0..PAGES_MAX {
            let read = Read::OpenJobs { tenant, state, before, limit };
            let open = match self.command(Command::Read(read)).await? {
                Answer::OpenJobs(open) => open,
                answer => return Err(unexpected(&answer)),
            };
            let last = open.last().map(|job| job.id);
            let ids: Vec<_> = open.iter().map(|job| job.id).collect();
            let found = self.job_views(tenant, &ids).await?;
            views.extend(found.into_iter().filter(|view| view.state == state && fits(view)));
            before = last.filter(|_| ids.len() == limit);
            if before.is_none() || views.len() >= limit {
                break;
            }
        }
        if views.len() > limit {
            views.truncate(limit);
            before = views.last().map(|view| view.row.id);
        }
        Ok((views, before))
    }

    /// Jobs that the filter names one by one.
    async fn named_jobs(
        &self,
        tenant: TenantNo,
        filter: &JobFilter,
        fits: impl Fn(&JobView) -> bool,
        limit: usize,
    ) -> Result<(Vec<JobView>, Option<JobId>), Error> {
        let mut ids = filter.ids.clone();
        ids.retain(|id| filter.before.is_none_or(|before| *id < before));
        ids.sort_unstable();
        ids.dedup();
        ids.reverse();
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().copied().filter(|_| more);
        let mut views = self.job_views(tenant, &ids).await?;
        views.retain(fits);
        Ok((views, next))
    }

    /// The sources with a host that the filter names; `None`: it names no host.
    async fn sources_of(&self, tenant: TenantNo, filter: &JobFilter) -> Result<Option<BTreeSet<String>>, Error> {
        if filter.hosts.is_empty() {
            return Ok(None);
        }
        let read = Read::Configs { tenant, kind: ConfigKind::Source };
        let found = match self.command(Command::Read(read)).await? {
            Answer::Configs(found) => found,
            answer => return Err(unexpected(&answer)),
        };
        let named = found.into_iter().filter_map(|found| match found.doc {
            ConfigDoc::Source(source) => source.host.filter(|host| any_fits(&filter.hosts, host)).map(|_| source.name),
            _ => None,
        });
        Ok(Some(named.collect()))
    }

    async fn lanes_of(
        &self,
        tenant: TenantNo,
        filter: &JobFilter,
        sources: Option<&BTreeSet<String>>,
    ) -> Result<Option<Vec<LaneNo>>, Error> {
        let patterns = [&filter.job_types, &filter.sources, &filter.projects];
        if sources.is_none() && patterns.iter().all(|patterns| patterns.is_empty()) {
            return Ok(None);
        }
        let keys = self.lane_keys(tenant, LaneNo(0)).await?;
        let fitting = keys.iter().zip(1u32..).filter(|(key, _)| filter.fits_lane(key, sources));
        Ok(Some(fitting.map(|(_, no)| LaneNo(no)).collect()))
    }

    /// The facts of a job, in order.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering, or a ledger that is not whole.
    pub async fn job_history(&self, tenant: TenantNo, id: JobId) -> Result<Option<Vec<Record>>, Error> {
        let Some(view) = self.job(tenant, id).await? else { return Ok(None) };
        let open = view.open.as_ref().map(|open| open.last_seq);
        let last = view.done.as_ref().map(|done| done.seq).or(open).unwrap_or(view.row.seq);
        let mut records = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(last);
        let mut block: Vec<Record> = Vec::new();
        while let Some(seq) = next.filter(|seq| seen.insert(*seq)) {
            if !block.iter().any(|record| record.seq == seq) {
                block = self.block(tenant, seq).await?;
            }
            let record = block.iter().find(|record| record.seq == seq);
            let record = record.ok_or_else(|| Error::Internal(format!("seq {seq} is not in its block")))?;
            next = record.body.prev();
            records.push(record.clone());
        }
        records.reverse();
        Ok(Some(records))
    }

    async fn block(&self, tenant: TenantNo, seq: u64) -> Result<Vec<Record>, Error> {
        let blocks = self.ledger().block_lookup(Stream::from(tenant), &[seq]).await?;
        let block = blocks.first().ok_or_else(|| Error::Internal(format!("no block holds seq {seq}")))?;
        block.records().map_err(|error| Error::Internal(error.to_string()))
    }

    /// Final jobs by lane and state.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn summary(&self, tenant: TenantNo) -> Result<Vec<SummaryRow>, Error> {
        let mut rows = Vec::new();
        for count in self.ledger().done_count(tenant).await? {
            let lane = self.lane_key(tenant, count.lane).await?;
            rows.push(SummaryRow { lane, state: count.state, jobs: count.jobs });
        }
        Ok(rows)
    }
}

impl JobFilter {
    /// The labels under which the ledger's index has what the filter wants.
    fn indexed_labels(&self) -> Vec<(String, String)> {
        let of_run = self.run.map(|run| (RUN_LABEL.to_owned(), run.to_string()));
        let of_backfill = self.backfill.map(|backfill| (BACKFILL_LABEL.to_owned(), backfill.to_string()));
        of_run.into_iter().chain(of_backfill).chain(self.labels.iter().cloned()).collect()
    }

    fn fits_lane(&self, lane: &LaneKey, sources: Option<&BTreeSet<String>>) -> bool {
        let source = lane.source.as_deref();
        let hosted = sources.is_none_or(|sources| source.is_some_and(|source| sources.contains(source)));
        let of_source = self.sources.is_empty() || source.is_some_and(|source| any_fits(&self.sources, source));
        let of_project = self.projects.is_empty() || any_fits(&self.projects, &lane.project);
        let of_type = self.job_types.is_empty() || any_fits(&self.job_types, &lane.job_type);
        of_type && of_source && of_project && hosted
    }

    fn fits(&self, view: &JobView, sources: Option<&BTreeSet<String>>) -> bool {
        let in_state = self.states.is_empty() || self.states.contains(&view.state);
        let label = |key: &String| view.extra.labels.get(key);
        let labelled = self.labels.iter().all(|(key, value)| label(key) == Some(value));
        let labelled_in = self.labels_in.iter().all(|(key, of)| label(key).is_some_and(|value| of.contains(value)));
        let after = self.since.is_none_or(|since| view.row.created_at >= since);
        let before = self.until.is_none_or(|until| view.row.created_at < until);
        let in_lane = self.fits_lane(&view.lane, sources);
        let in_run = self.run.is_none_or(|run| view.extra.part.is_some_and(|part| part.run == run));
        let in_backfill =
            self.backfill.is_none_or(|backfill| view.extra.window.is_some_and(|window| window.backfill == backfill));
        in_run
            && in_backfill
            && in_state
            && in_lane
            && labelled
            && labelled_in
            && after
            && before
            && self.fits_error(view)
    }

    fn fits_error(&self, view: &JobView) -> bool {
        let last = view.output.error.as_ref().or(view.open.as_ref().and_then(|open| open.error.as_ref()));
        let named = |error: &JobError| self.errors.iter().any(|text| *text == error.code || *text == error.class);
        self.errors.is_empty() || last.is_some_and(named)
    }
}

fn any_fits(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.fits(name))
}
