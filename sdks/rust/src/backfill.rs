//! Backfills as they are asked for and as they are shown, and what they would do. Calls are in `backfills`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{BackfillId, JobId, RunId};
use crate::run::{RunState, Stopped};
use crate::schedule::ScheduledRun;
use crate::simulation::{Ends, Held, Waits};
use crate::watermark::{Axis, Range};
use crate::word::words;
use crate::worker::ms;

words! {
    /// In which order the windows of a backfill come.
    WindowOrder {
        /// The earliest first.
        OldestFirst = "oldest_first",
        /// The latest first.
        NewestFirst = "newest_first",
    }
}

words! {
    /// Which windows of a backfill are read.
    Reprocess {
        /// Those that nobody has read.
        Missing = "missing",
        /// Those, and those that a backfill tried to read and could not.
        MissingAndFailed = "missing_and_failed",
        /// All.
        All = "all",
    }
}

words! {
    /// Where a window of a backfill is.
    WindowState {
        /// Its turn has not come.
        Waiting = "waiting",
        /// A job or a run reads it.
        Open = "open",
        /// It was not read: that failed, was canceled or never began.
        Failed = "failed",
        /// It was read, now or before.
        Done = "done",
    }
}

/// A backfill that is asked for: a stretch of event time, cut into windows, each of which a job or a run reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillIn {
    /// The source that is read.
    pub source: String,
    /// Which of the records' times the range is about; the server's default, when they were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<Axis>,
    /// The first moment of the range.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// How long a window is, in milliseconds; a day where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// In which order windows come; the earliest first where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<WindowOrder>,
    /// Which windows are read; those that nobody has read where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reprocess: Option<Reprocess>,
    /// So many windows are open at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// What is asked for at each window, where that is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<BackfillJob>,
    /// What is asked for at each window, where that is a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<ScheduledRun>,
    /// Why.
    pub reason: String,
    /// The ticket that asks for it.
    pub ticket: String,
}

impl BackfillIn {
    /// Of a source, from one moment up to another, for a reason and with a ticket. What reads a window is still to say:
    /// [`Self::jobs`] or [`Self::runs`].
    #[must_use]
    pub fn new(source: &str, range: Range, reason: &str, ticket: &str) -> Self {
        Self {
            source: source.to_owned(),
            axis: None,
            from: range.from,
            to: range.to,
            window_ms: None,
            order: None,
            reprocess: None,
            parallelism: None,
            job: None,
            run: None,
            reason: reason.to_owned(),
            ticket: ticket.to_owned(),
        }
    }

    /// A job reads each window; its payload has the member `window`.
    #[must_use]
    pub fn jobs(mut self, job: BackfillJob) -> Self {
        self.job = Some(job);
        self
    }

    /// A run reads each window; it has the input `window`.
    #[must_use]
    pub fn runs(mut self, run: ScheduledRun) -> Self {
        self.run = Some(run);
        self
    }

    /// Windows are so long.
    #[must_use]
    pub fn window(mut self, length: Duration) -> Self {
        self.window_ms = Some(ms(length));
        self
    }
}

/// The job that a backfill asks for at each window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackfillJob {
    /// Its type.
    pub job_type: String,
    /// Its payload, which gets the member `window`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub payload: Map<String, Value>,
    /// Its project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its concurrency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// It is final so many milliseconds after it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

impl BackfillJob {
    /// A job of this type, with nothing but the window in its payload.
    #[must_use]
    pub fn of(job_type: &str) -> Self {
        Self { job_type: job_type.to_owned(), ..Self::default() }
    }
}

/// A backfill as the server shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backfill {
    /// The id.
    pub id: BackfillId,
    /// Where it is in its life: in the words of runs.
    pub state: RunState,
    /// When it was asked for.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Who asked for it.
    #[serde(default)]
    pub by: String,
    /// The source that is read.
    pub source: String,
    /// Which of the records' times the range is about.
    pub axis: Axis,
    /// The first moment of the range.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// How long a window is, in milliseconds.
    pub window_ms: u64,
    /// In which order windows come.
    pub order: WindowOrder,
    /// Which windows are read.
    pub reprocess: Reprocess,
    /// So many windows are open at the same time.
    pub parallelism: u32,
    /// What is asked for at each window, where that is a job.
    #[serde(default)]
    pub job: Option<BackfillJob>,
    /// What is asked for at each window, where that is a run.
    #[serde(default)]
    pub run: Option<ScheduledRun>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// The ticket that asks for it.
    #[serde(default)]
    pub ticket: String,
    /// The ended backfill of which it reads what that did not.
    #[serde(default)]
    pub of: Option<BackfillId>,
    /// What became of its windows.
    #[serde(default)]
    pub windows: WindowCounts,
    /// Who holds it; `None`: nobody.
    #[serde(default)]
    pub paused: Option<Stopped>,
    /// Who asked for its end; `None`: nobody, or it has ended.
    #[serde(default)]
    pub canceled: Option<Stopped>,
}

/// What became of the windows of a backfill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowCounts {
    /// All of them.
    pub total: u32,
    /// Those whose turn has not come.
    pub waiting: u32,
    /// Open.
    pub open: u32,
    /// Read.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Canceled, or never begun.
    pub canceled: u32,
    /// Left out, since they were read before.
    pub read_before: u32,
}

/// A window of a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillWindow {
    /// Its number, from 0 with the earliest.
    pub number: u32,
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Where it is.
    pub state: WindowState,
    /// The job that reads it, while it is open.
    #[serde(default)]
    pub job: Option<JobId>,
    /// The run that reads it, while it is open.
    #[serde(default)]
    pub run: Option<RunId>,
}

/// Which window of which backfill a job or a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowOf {
    /// The backfill.
    pub backfill: BackfillId,
    /// The window's number, from 0 with the earliest.
    #[serde(default)]
    pub number: u32,
    /// The first moment of it, in event time.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// What a backfill would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackfillPreview {
    /// The moment that it was worked out for.
    pub now: Timestamp,
    /// Windows of the range.
    pub windows: u64,
    /// Those that would be left out.
    #[serde(default)]
    pub read: u64,
    /// Of those that would be read, how many a backfill could not read before.
    #[serde(default)]
    pub failed_before: u64,
    /// Jobs, or runs, that it would ask for.
    pub asked: u64,
    /// The first windows that would be read.
    #[serde(default)]
    pub first: Vec<Range>,
    /// The host that is read.
    #[serde(default)]
    pub host: Option<String>,
    /// How many first requests the host would get.
    #[serde(default)]
    pub requests: u64,
    /// Quotas that cover its jobs.
    #[serde(default)]
    pub quotas: Vec<PreviewQuota>,
    /// What to know before.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// When it would end.
    #[serde(default)]
    pub ends: Ends,
    /// Attempts that would begin until then.
    #[serde(default)]
    pub attempts: u64,
    /// How long jobs would wait.
    #[serde(default)]
    pub waits: Waits,
    /// What would hold work back, longest first.
    #[serde(default)]
    pub held: Vec<Held>,
    /// Not all of it was tried: the rest was taken to go on like what was.
    #[serde(default)]
    pub in_proportion: bool,
    /// Job types of which nothing has ended yet: how long they take is a guess.
    #[serde(default)]
    pub unknown: Vec<String>,
}

/// What of a quota a backfill would use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewQuota {
    /// Its name.
    pub quota: String,
    /// Jobs that it would count.
    pub jobs: u64,
}

/// Something to know before a backfill is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A word for programs: `source_paused`, `takes_long`, … More may come.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}
