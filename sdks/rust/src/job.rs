//! A job as it is asked for and as it is shown, and the words around it. Calls are in `jobs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::artifact::ArtifactRef;
use crate::backfill::WindowOf;
use crate::error::Error;
use crate::id::{BackfillId, JobId, RunId};
use crate::run::RunPart;
use crate::schedule::Firing;
use crate::word::words;

words! {
    /// Where a job is in its life. The last four are final.
    JobState {
        /// Waits for other jobs.
        Blocked = "blocked",
        /// Waits for a moment (also back-off).
        Scheduled = "scheduled",
        /// Waits in its lane.
        Ready = "ready",
        /// Handed out, not yet acknowledged.
        Leased = "leased",
        /// Acknowledged by a worker.
        Running = "running",
        /// Done.
        Succeeded = "succeeded",
        /// Tries spent, or not retryable; has a dead letter.
        Failed = "failed",
        /// Ended on request.
        Canceled = "canceled",
        /// A dependency made it pointless.
        Skipped = "skipped",
    }
}

impl JobState {
    /// Final is final.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Skipped)
    }
}

words! {
    /// What a job is before others.
    #[derive(Default)]
    Priority {
        /// An operator waits for it.
        Urgent = "urgent",
        /// Before the usual.
        High = "high",
        /// The usual.
        #[default]
        Normal = "normal",
        /// After the usual.
        Low = "low",
        /// Always below fresh work.
        Backfill = "backfill",
    }
}

words! {
    /// How an attempt ended.
    AttemptOutcome {
        /// The worker reported success.
        Succeeded = "succeeded",
        /// The worker reported an error.
        Failed = "failed",
        /// Ended by a cancel.
        Canceled = "canceled",
        /// Ran longer than its execution time-out.
        TimedOut = "timed_out",
        /// Its lease expired.
        Lost = "lost",
        /// Given back; cost no try.
        Released = "released",
    }
}

words! {
    /// Which kind of "again" made a job.
    OriginKind {
        /// A finished job was asked for again.
        Retry = "retry",
        /// A dead letter was sent round again.
        DeadLetter = "dead_letter",
        /// A worker asked for it while working on another job.
        FollowUp = "follow_up",
        /// A final job's work was asked for once more, before others.
        Replay = "replay",
    }
}

words! {
    /// The review entry of a failed job.
    DeadLetterState {
        /// Nobody has settled it.
        Open = "open",
        /// It was replayed or discarded.
        Settled = "settled",
    }
}

words! {
    /// How much a log line matters.
    LogLevel {
        /// Each step.
        Trace = "trace",
        /// For those who look for a defect.
        Debug = "debug",
        /// The usual.
        Info = "info",
        /// Something to look at.
        Warn = "warn",
        /// Something went wrong.
        Error = "error",
    }
}

/// When a dependency counts as met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependsOn {
    /// The parent succeeded; any other end skips the child.
    Succeeded,
    /// The parent is in any final state.
    Done,
}

/// One dependency of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The parent: a job that exists, or one of the same call.
    pub job: JobId,
    /// When it is met.
    pub on: DependsOn,
}

/// A job that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<JobId>,
    job_type: String,
    #[serde(default = "empty")]
    payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

/// What a job without a payload has, as the server says.
fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
}

impl JobIn {
    /// A job of this type.
    ///
    /// # Errors
    /// The payload cannot be written as JSON.
    pub fn new<P: Serialize + ?Sized>(job_type: &str, payload: &P) -> Result<Self, Error> {
        let payload = serde_json::value::to_raw_value(payload).map_err(Error::Encode)?;
        Ok(Self {
            id: None,
            job_type: job_type.to_owned(),
            payload,
            project: None,
            source: None,
            priority: None,
            labels: BTreeMap::new(),
            not_before: None,
            deadline: None,
            depends_on: Vec::new(),
            correlation_id: None,
            concurrency_key: None,
            idempotency_key: None,
        })
    }

    /// With an id of the caller's making.
    #[must_use]
    pub fn id(mut self, id: JobId) -> Self {
        self.id = Some(id);
        self
    }

    /// The id that was set.
    #[must_use]
    pub fn id_set(&self) -> Option<JobId> {
        self.id
    }

    /// This job's own key.
    pub(crate) fn key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// Bytes of the payload.
    pub(crate) fn payload_len(&self) -> usize {
        self.payload.get().len()
    }

    /// In this project instead of `default`.
    #[must_use]
    pub fn project(mut self, project: &str) -> Self {
        self.project = Some(project.to_owned());
        self
    }

    /// For this source.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        self.source = Some(source.to_owned());
        self
    }

    /// With this priority instead of normal.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// With one label more.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Not before this moment.
    #[must_use]
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.not_before = Some(moment);
        self
    }

    /// It must be final by then.
    #[must_use]
    pub fn deadline(mut self, moment: Timestamp) -> Self {
        self.deadline = Some(moment);
        self
    }

    /// Waits for one job more.
    #[must_use]
    pub fn depends_on(mut self, job: JobId, on: DependsOn) -> Self {
        self.depends_on.push(Dependency { job, on });
        self
    }

    /// Correlates jobs of one cause.
    #[must_use]
    pub fn correlation_id(mut self, id: &str) -> Self {
        self.correlation_id = Some(id.to_owned());
        self
    }

    /// Jobs with the same key exclude each other as their type says.
    #[must_use]
    pub fn concurrency_key(mut self, key: &str) -> Self {
        self.concurrency_key = Some(key.to_owned());
        self
    }

    /// This job's own key inside a batch.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

/// The error that an attempt ended with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobError {
    /// What kind of trouble: `handler`, `upstream`, `worker_lost`, `timed_out`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// A stable code of the worker's choosing.
    pub code: String,
    /// Text for people.
    pub message: String,
    /// The upstream's HTTP status, if one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Not before this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Whether another try makes sense.
    pub retryable: bool,
}

/// How far an attempt is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// Text for people.
    pub message: String,
}

/// Where a job comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The kind of again.
    pub kind: OriginKind,
    /// The job it comes from.
    pub of: JobId,
}

/// A job as the server shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobOut {
    /// The id.
    pub id: JobId,
    /// The tenant.
    #[serde(default)]
    pub tenant: String,
    /// The project.
    #[serde(default)]
    pub project: String,
    /// The job type.
    #[serde(default)]
    pub job_type: String,
    /// The source.
    #[serde(default)]
    pub source: Option<String>,
    /// What it is before others.
    #[serde(default)]
    pub priority: Priority,
    /// Jobs with the same key exclude each other.
    #[serde(default)]
    pub concurrency_key: Option<String>,
    /// Where it is in its life.
    pub state: JobState,
    /// A cancel was asked for, and an attempt still runs.
    #[serde(default)]
    pub canceling: bool,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When it was accepted.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// Not before.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// It must be final by then.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// What it waits for.
    #[serde(default)]
    pub depends_on: Vec<Dependency>,
    /// Correlates jobs of one cause.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Where it comes from.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The firing that asked for it, if a schedule did.
    #[serde(default)]
    pub firing: Option<Firing>,
    /// The part of a run that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunPart>,
    /// The window of a backfill that it reads, if it reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowOf>,
    /// Hand-outs so far.
    #[serde(default)]
    pub attempt: u32,
    /// Tries that count. Lists leave it out for final jobs.
    #[serde(default)]
    pub tries: Option<u32>,
    /// Lost leases. Lists leave it out for final jobs.
    #[serde(default)]
    pub lost: Option<u32>,
    /// When it is due, if it waits for a moment.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// Open dependencies.
    #[serde(default)]
    pub waits_for: Option<u32>,
    /// The first gate that holds it, while it waits; only in lists and where one job is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_on: Option<String>,
    /// The worker session that holds it.
    #[serde(default)]
    pub session: Option<String>,
    /// When the open or last attempt began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// How far it is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// The result as the worker sent it.
    #[serde(default)]
    pub result: Option<Value>,
    /// Outputs by digest.
    #[serde(default)]
    pub artifacts: Vec<ArtifactRef>,
    /// The last error.
    #[serde(default)]
    pub error: Option<JobError>,
    /// SHA-256 of the payload's bytes.
    #[serde(default)]
    pub payload_sha256: Option<String>,
    /// The payload, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Its dead letter, if it has one.
    #[serde(default)]
    pub dead_letter: Option<DeadLetterState>,
    /// In answers to a create: the key had been used, and this is the first one's job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
}

/// Which jobs a list shows. An empty one shows all, newest first.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// In the query language: `state:failed type:feeds.* label.feed:kev since:24h`; all else here must hold too.
    pub text: Option<String>,
    /// In one of these states.
    pub states: Vec<JobState>,
    /// Of this type.
    pub job_type: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// With this label (key, value).
    pub label: Option<(String, String)>,
    /// Part of this run.
    pub run: Option<RunId>,
    /// Reading a window of this backfill.
    pub backfill: Option<BackfillId>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// At most so many; `None`: the server's default.
    pub limit: Option<u32>,
    /// Where the page begins: the `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl JobQuery {
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let states: Vec<&str> = self.states.iter().map(JobState::as_str).collect();
        let parameters = [
            ("query", self.text.clone()),
            ("state", (!states.is_empty()).then(|| states.join(","))),
            ("job_type", self.job_type.clone()),
            ("source", self.source.clone()),
            ("label", self.label.as_ref().map(|(key, value)| format!("{key}:{value}"))),
            ("run", self.run.map(|run| run.to_string())),
            ("backfill", self.backfill.map(|backfill| backfill.to_string())),
            ("since", self.since.map(|moment| moment.to_string())),
            ("until", self.until.map(|moment| moment.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", self.cursor.clone()),
        ];
        parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// One fact of a job's life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Its place in the tenant's history.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What: `job_enqueued`, `lease_granted`, …
    pub kind: String,
    /// What it says.
    #[serde(default)]
    pub data: Value,
}

/// One hand-out of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number.
    pub attempt: u32,
    /// The worker session.
    #[serde(default)]
    pub session: Option<String>,
    /// When it was granted.
    #[serde(default)]
    pub granted_at: Option<Timestamp>,
    /// When it was acknowledged.
    #[serde(default)]
    pub acked_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default)]
    pub outcome: Option<AttemptOutcome>,
    /// The error that it ended with.
    #[serde(default)]
    pub error: Option<JobError>,
}

/// A line of an attempt's log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogLineOut {
    /// The attempt.
    #[serde(default)]
    pub attempt: u32,
    /// When.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub message: String,
}

/// Counts of a tenant's jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Open jobs by state.
    #[serde(default)]
    pub open: BTreeMap<String, u64>,
    /// All jobs by type, source and state.
    #[serde(default)]
    pub by_type: Vec<SummaryRow>,
    /// Jobs whose payloads held no concurrency key where their type looks for it, by type.
    #[serde(default)]
    pub keyless: Vec<KeylessRow>,
}

/// Jobs of a type whose payloads held no concurrency key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeylessRow {
    /// The job type.
    pub job_type: String,
    /// How many.
    pub jobs: u64,
}

/// One count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SummaryRow {
    /// The job type.
    pub job_type: String,
    /// The source.
    #[serde(default)]
    pub source: Option<String>,
    /// The state.
    pub state: JobState,
    /// How many.
    pub jobs: u64,
}
