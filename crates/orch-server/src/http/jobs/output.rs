//! Jobs as shown: the wire form and how it is filled from what the engine knows.

use std::collections::BTreeMap;

use orch_core::backfill::WindowOf;
use orch_core::fact::Record;
use orch_core::ids::{BackfillId, RunId};
use orch_core::job::{Dependency, DependsOn, OriginKind, Priority, sha256_hex};
use orch_core::run::PartOf;
use orch_core::schedule::Firing;
use orch_core::{JobId, JobState, SessionId, Timestamp};
use orch_dispatch::answer::{Enqueued, Gate, OpenJob};
use orch_dispatch::command::NewJob;
use orch_engine::JobView;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::texts::{BackfillIdText, JobIdText, RunIdText, SessionIdText};
use crate::http::words::{ArtifactBody, DependsOnWord, ErrorBody, Moment, PriorityWord, ProgressBody, StateWord};

/// A job. Members without a value are left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobOut {
    /// The id.
    #[schema(value_type = JobIdText)]
    pub id: JobId,
    /// The tenant's id.
    #[schema(example = "ten_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f")]
    pub tenant: String,
    /// The project's name.
    pub project: String,
    /// The job type's name.
    pub job_type: String,
    /// The source's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it is before others.
    #[schema(value_type = PriorityWord)]
    pub priority: Priority,
    /// Under what it excludes others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// Where it is in its life. More states may come.
    #[schema(value_type = StateWord)]
    pub state: JobState,
    /// A cancel was asked for and the worker has not ended it yet.
    pub canceling: bool,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// When it was accepted. The answer to a creation leaves it out, since the ledger's time counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Moment>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Moment>,
    /// Final by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Moment>,
    /// What it depends on.
    pub depends_on: Vec<DependencyOut>,
    /// Correlates jobs of one cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Where it comes from, if from another job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginOut>,
    /// The firing that asked for it, if a schedule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firing: Option<FiringRefOut>,
    /// The part of a run that it is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<PartOut>,
    /// The window of a backfill that it reads, if it reads one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowOfOut>,
    /// Attempts so far.
    pub attempt: u32,
    /// Attempts that count against the budget. Lists leave it out for final jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Leases that were lost. Lists leave it out for final jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u32>,
    /// When it is due, if it waits for a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Moment>,
    /// Dependencies that are not met yet.
    pub waits_for: u32,
    /// The first gate that holds it, while it waits: `/jobs/{id}/explain` names all. Only in lists and where one job is
    /// read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "bucket")]
    pub waiting_on: Option<Gate>,
    /// The worker session that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SessionIdText>)]
    pub session: Option<SessionId>,
    /// When the open attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Moment>,
    /// How far the open attempt is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressBody>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// What the worker gave back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub result: Option<serde_json::Value>,
    /// Outputs by digest.
    pub artifacts: Vec<ArtifactBody>,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// SHA-256 of the payload's bytes.
    pub payload_sha256: String,
    /// The payload; only when a single job is read with `payload=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub payload: Option<Box<RawValue>>,
    /// `open` or `settled`, for a job that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "open")]
    pub dead_letter: Option<&'static str>,
    /// An idempotency key led to a job that was there already; only in answers to a creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
}

/// A job that was accepted: all of it, or its id where the caller prefers that.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AcceptedOut {
    /// All of it.
    Whole(Box<JobOut>),
    /// Its id.
    Minimal(MinimalJobOut),
}

/// A job by its id, and nothing more: so that nobody takes one for the whole.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MinimalJobOut {
    /// The id.
    #[schema(value_type = JobIdText)]
    pub id: JobId,
    /// An idempotency key led to a job that was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
    /// It is canceled already: the strategy of its concurrency key ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled: Option<bool>,
}

impl AcceptedOut {
    /// The id alone.
    pub fn minimal(accepted: Enqueued) -> Self {
        let Enqueued { id, replayed, canceled, .. } = accepted;
        let told = |flag: bool| flag.then_some(true);
        Self::Minimal(MinimalJobOut { id, replayed: told(replayed), canceled: told(canceled) })
    }

    /// It was there already.
    pub fn replayed(&self) -> bool {
        let replayed = match self {
            Self::Whole(job) => job.replayed,
            Self::Minimal(job) => job.replayed,
        };
        replayed == Some(true)
    }
}

/// One dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct DependencyOut {
    /// The parent.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// When it is met.
    #[schema(value_type = DependsOnWord)]
    pub on: DependsOn,
}

/// Which firing of which schedule asked for a job.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FiringRef)]
pub struct FiringRefOut {
    /// The schedule.
    pub schedule: String,
    /// The nominal instant: what the job is for, whenever it runs.
    pub nominal_at: Moment,
}

impl From<&Firing> for FiringRefOut {
    fn from(firing: &Firing) -> Self {
        Self { schedule: firing.schedule.clone(), nominal_at: Moment(firing.nominal_at) }
    }
}

/// Which part of which run a job is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Part)]
pub struct PartOut {
    /// The run.
    #[schema(value_type = RunIdText)]
    pub run: RunId,
    /// The step's number: its place in the list of the graph's steps, from 0.
    pub step_no: u32,
    /// The item's place in the list, from 0, where the step is a map.
    #[serde(default)]
    pub index: Option<u32>,
}

impl From<PartOf> for PartOut {
    fn from(PartOf { index, run, step }: PartOf) -> Self {
        Self { run, step_no: step.0, index }
    }
}

/// Which window of which backfill a job or a run reads.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WindowOf)]
pub struct WindowOfOut {
    /// The backfill.
    #[schema(value_type = BackfillIdText)]
    pub backfill: BackfillId,
    /// The window's number, from 0 with the earliest.
    pub number: u32,
    /// The first moment of it, in event time.
    pub from: Moment,
    /// The first moment after it.
    pub to: Moment,
}

impl From<WindowOf> for WindowOfOut {
    fn from(WindowOf { backfill, from, number, to }: WindowOf) -> Self {
        Self { backfill, number, from: Moment(from), to: Moment(to) }
    }
}

/// Where a job comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct OriginOut {
    /// `retry`, `dead_letter`, `follow_up` or `replay`. More may come.
    #[schema(value_type = String, example = "retry")]
    pub kind: OriginKind,
    /// The job it comes from.
    #[schema(value_type = JobIdText)]
    pub of: JobId,
}

fn dependencies(depends_on: &[Dependency]) -> Vec<DependencyOut> {
    depends_on.iter().map(|parent| DependencyOut { job: parent.job, on: parent.on }).collect()
}

impl JobOut {
    /// A job as it is when it is accepted, if it was not there already.
    pub fn accepted(job: &NewJob, tenant: &str, now: Timestamp) -> Self {
        let early = job.not_before.filter(|at| *at > now);
        let state = match (job.depends_on.is_empty(), early) {
            (false, _) => JobState::Blocked,
            (true, Some(_)) => JobState::Scheduled,
            (true, None) => JobState::Ready,
        };
        Self {
            id: job.id,
            tenant: tenant.to_owned(),
            project: job.lane.project.clone(),
            job_type: job.lane.job_type.clone(),
            source: job.lane.source.clone(),
            priority: job.lane.priority,
            concurrency_key: job.lane.concurrency_key.clone(),
            state,
            canceling: false,
            labels: job.labels.clone(),
            created_at: None,
            not_before: job.not_before.map(Moment),
            deadline: job.deadline.map(Moment),
            depends_on: dependencies(&job.depends_on),
            correlation_id: job.correlation_id.clone(),
            origin: job.origin.map(|origin| OriginOut { kind: origin.kind, of: origin.of }),
            firing: None,
            run: None,
            window: None,
            attempt: 0,
            tries: Some(0),
            lost: Some(0),
            due_at: early.filter(|_| state == JobState::Scheduled).map(Moment),
            waits_for: 0,
            waiting_on: None,
            session: None,
            started_at: None,
            progress: None,
            finished_at: None,
            result: None,
            artifacts: Vec::new(),
            error: None,
            payload_sha256: job.payload_sha256.clone(),
            payload: None,
            dead_letter: None,
            replayed: Some(false),
        }
    }

    /// A job as the engine shows it.
    pub fn of_view(view: JobView, tenant: &str) -> Self {
        let done = view.done.as_ref();
        let failed = view.state == JobState::Failed;
        let mut out = Self {
            id: view.row.id,
            tenant: tenant.to_owned(),
            project: view.lane.project,
            job_type: view.lane.job_type,
            source: view.lane.source,
            priority: view.lane.priority,
            concurrency_key: view.lane.concurrency_key,
            state: view.state,
            canceling: false,
            labels: view.extra.labels,
            created_at: Some(Moment(view.row.created_at)),
            not_before: view.extra.not_before.map(Moment),
            deadline: view.extra.deadline.map(Moment),
            depends_on: dependencies(&view.extra.depends_on),
            correlation_id: view.extra.correlation_id,
            origin: view.extra.origin.map(|origin| OriginOut { kind: origin.kind, of: origin.of }),
            firing: view.extra.firing.as_ref().map(FiringRefOut::from),
            run: view.extra.part.map(PartOut::from),
            window: view.extra.window.map(WindowOfOut::from),
            attempt: done.map_or(0, |done| done.attempt),
            tries: done.is_none().then_some(0),
            lost: done.is_none().then_some(0),
            due_at: None,
            waits_for: 0,
            waiting_on: None,
            session: None,
            started_at: None,
            progress: None,
            finished_at: done.map(|done| Moment(done.at)),
            result: view.output.result,
            artifacts: view.output.artifacts.into_iter().map(ArtifactBody::from).collect(),
            error: view.output.error.map(ErrorBody::from),
            payload_sha256: sha256_hex(&view.row.payload),
            payload: None,
            dead_letter: failed.then_some(if view.settled { "settled" } else { "open" }),
            replayed: None,
        };
        if let Some(open) = view.open {
            out.show_open(open);
        }
        out
    }

    /// Adds what the owner knows of an open job.
    pub fn show_open(&mut self, open: OpenJob) {
        self.state = open.state;
        self.canceling = open.canceling;
        self.attempt = open.attempt;
        self.tries = Some(open.tries);
        self.lost = Some(open.lost);
        self.due_at = open.due_at.map(Moment);
        self.waits_for = open.waits_for;
        self.session = open.session;
        self.started_at = open.started_at.map(Moment);
        self.error = open.error.map(ErrorBody::from);
        let progress = open.progress;
        self.progress = progress.map(|p| ProgressBody { percent: p.percent, message: p.message });
    }

    /// Adds tries and lost leases of a final job, which only its history still knows.
    pub fn count_attempts(&mut self, history: &[Record]) {
        let counts = super::history::counts(history);
        self.tries = Some(counts.tries);
        self.lost = Some(counts.lost);
    }
}
