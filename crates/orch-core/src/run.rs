//! Runs: executions of graphs, as facts, rows and snapshots hold them. What follows from what is in `orch-graph`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::backfill::WindowOf;
use crate::config::{check_labels, check_name};
use crate::graph::Graph;
use crate::ids::{JobId, RunId, StepNo};
use crate::job::JobState;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::schedule::Firing;
use crate::time::Timestamp;

/// The label under which the ledger's index has the jobs of a run. No name of a label may begin like this.
pub const RUN_LABEL: &str = "@run";

/// Which part of which run a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartOf {
    /// The item's place in the list, where the step is a map.
    pub index: Option<u32>,
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepNo,
}

/// How a job, an approval or a sub-graph ended. An approval that was refused, or that nobody answered in time, failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Succeeded,
    /// For good, without success.
    Failed,
    /// On request.
    Canceled,
}

/// Why a step was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Something before it failed.
    UpstreamFailed,
    /// Something before it was canceled.
    UpstreamCanceled,
    /// Its rule asks for a success that was skipped, or did not meet a condition.
    UpstreamSkipped,
    /// It waits for failures, and there was none.
    NothingFailed,
    /// Its run was canceled before it began.
    RunCanceled,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Well. A map: all its items did.
    Succeeded,
    /// Without success. A map: an item of it, or it had no list that it takes.
    Failed,
    /// On request. A map: an item of it, and none failed.
    Canceled,
    /// It never began.
    Skipped(SkipReason),
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Canceled => Self::Canceled,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// No step was canceled, and each that failed was handled.
    Succeeded,
    /// A step failed, and no `one_failed` step after it succeeded.
    Failed,
    /// On request; or no failure was left unhandled, and a step was canceled.
    Canceled,
}

impl RunOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Canceled];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl From<RunOutcome> for Outcome {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Canceled => Self::Canceled,
        }
    }
}

impl From<RunOutcome> for JobState {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Canceled => Self::Canceled,
        }
    }
}

/// How many ended how: the result of a map (its items) and of a sub-graph (its steps) that conditions look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Canceled.
    pub canceled: u32,
    /// Failed.
    pub failed: u32,
    /// Skipped.
    pub skipped: u32,
    /// Succeeded.
    pub succeeded: u32,
    /// All together.
    pub total: u32,
}

impl Counts {
    /// As a result.
    #[must_use]
    pub fn as_result(self) -> serde_json::Value {
        serde_json::to_value(self).expect("numbers are JSON")
    }

    /// One more.
    pub fn count(&mut self, end: End) {
        self.total += 1;
        match end {
            End::Succeeded => self.succeeded += 1,
            End::Failed => self.failed += 1,
            End::Canceled => self.canceled += 1,
            End::Skipped(_) => self.skipped += 1,
        }
    }
}

/// Why a part of a run ended without a job, or a map without items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The step that has the list did not succeed, or its result has nothing there.
    ListMissing,
    /// There is something, and it is no list.
    NoList,
    /// It is longer than the map takes.
    ListTooLong,
    /// Its job, or its sub-graph, was refused.
    Refused,
    /// Its run was canceled before it was made.
    RunCanceled,
}

/// What was said of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// Nobody said anything in time.
    Expired,
    /// The run was canceled before anybody did.
    Withdrawn,
}

impl Verdict {
    /// What it is for the run.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Approved => Outcome::Succeeded,
            Self::Rejected | Self::Expired => Outcome::Failed,
            Self::Withdrawn => Outcome::Canceled,
        }
    }
}

/// What asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RunTrigger {
    /// Somebody.
    #[default]
    Manual,
    /// A schedule.
    Schedule,
    /// Something that happened elsewhere.
    Event,
    /// A backfill.
    Backfill,
    /// A repair of an ended run.
    Replay,
    /// A step of another run.
    Step,
}

impl RunTrigger {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Manual, Self::Schedule, Self::Event, Self::Backfill, Self::Replay, Self::Step];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Event => "event",
            Self::Backfill => "backfill",
            Self::Replay => "replay",
            Self::Step => "step",
        }
    }
}

/// What a repair keeps of an ended run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairs {
    /// The steps that run again.
    pub again: BTreeSet<StepNo>,
    /// How the ended run went: JSON text of what its row holds.
    pub course: String,
    /// Of these maps only these items run again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<StepNo, BTreeSet<u32>>,
    /// The ended run.
    pub of: RunId,
    /// JSON texts of those of its results that conditions and maps look into.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<StepNo, String>,
}

/// What was asked for: what does not change over a run's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RunSpec {
    /// Who asked; nobody, where a schedule or a step of another run did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Correlates what has one cause; its jobs have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The firing that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<Firing>,
    /// The graph itself, where it is not the declared version of now: one that came with the call, or an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Graph>,
    /// The inputs: an object as canonical JSON text (RFC 8785).
    pub inputs: String,
    /// Free labels; its jobs have the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The step of another run that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<PartOf>,
    /// The project of its jobs, where steps do not say another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Why somebody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ended run that it repairs, and what it keeps of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<Repairs>,
    /// The caller's token: the same token, graph and inputs are the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What asked for it.
    pub trigger: RunTrigger,
    /// The window of a backfill that it reads. Its jobs have the priority `backfill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowOf>,
}

impl RunSpec {
    /// Checks what callers say.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        for (field, name) in [("project", &self.project), ("run_token", &self.token)] {
            name.iter().try_for_each(|name| check_name(field, name))?;
        }
        check_labels("labels", &self.labels)?;
        let bytes = self.inputs.len() as u64;
        if bytes > limits::RUN_INPUTS_BYTES_MAX {
            let detail = format!("`inputs` has {bytes} bytes; at most {} are allowed", limits::RUN_INPUTS_BYTES_MAX);
            return Err(Refusal::field(Code::LimitExceeded, "inputs", detail));
        }
        Ok(())
    }
}

/// What became of a step, for people. How it ended is the run's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct StepCourse {
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// Who decided an approval.
    pub by: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended without a job.
    pub fault: Option<Fault>,
    /// The jobs of a map, by their items' places.
    #[serde(default)]
    pub items: BTreeMap<u32, JobId>,
    /// The job that it is, or the last that was made of a map.
    pub job: Option<JobId>,
    /// Jobs that were made.
    pub jobs: u32,
    /// The ended run of which this was kept, where it did not run again.
    pub kept_of: Option<RunId>,
    /// More about a fault, or what was said of an approval.
    pub note: Option<String>,
    /// The run that it is.
    pub run: Option<RunId>,
    /// An approval is waited for until then.
    pub until: Option<Timestamp>,
}
