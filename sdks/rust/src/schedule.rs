//! What asks for jobs and runs in time. Calls are in `schedules`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{JobId, RunId};
use crate::job::Priority;

/// Asks for a job, or a run of a graph, at each nominal instant of its timetable: once, or it is noted why not. What is
/// left out is as the server has it, or as it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its nominal instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timetable: Option<Timetable>,
    /// What it asks for, where that is a job. This or `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<ScheduledJob>,
    /// What it asks for, where that is a run of a graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<ScheduledRun>,
    /// What becomes of a nominal instant while a job or run of the schedule is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// What becomes of nominal instants that could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfire: Option<Misfire>,
    /// What is later than this many milliseconds is left out in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up_ms: Option<u64>,
    /// A firing comes up to so many milliseconds after its nominal instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u64>,
    /// So many jobs or runs in a row that fail pause it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures_max: Option<u32>,
    /// No nominal instant before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// No nominal instant from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// Nominal instants: one of a cron expression, a recurrence rule and an interval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timetable {
    /// A cron expression of five fields, or of six with seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// A recurrence rule of RFC 5545.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rrule: Option<String>,
    /// So many milliseconds lie between two; whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// The first time of a recurrence rule, or one from which an interval is counted, on the zone's wall clock:
    /// `2026-01-03T22:00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The zone's name in the IANA database; the server takes `UTC` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What becomes of times that the zone's clock skips or shows twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daylight: Option<Daylight>,
    /// Days (`2026-12-24`) on which there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// The job that a schedule asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduledJob {
    /// Its type.
    pub job_type: String,
    /// Its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Its project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it is before others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Its concurrency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// It is final so many milliseconds after it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// The run that a schedule asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduledRun {
    /// Its graph; the version that is declared when it begins.
    pub graph: String,
    /// Its inputs.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The project of its jobs, where steps do not say another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// What becomes of times that a zone's clock skips or shows twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Daylight {
    /// Skipped ones are left out; of those shown twice the first counts.
    Skip,
    /// Skipped ones come after the change; of those shown twice the first counts.
    #[default]
    Once,
    /// Skipped ones come after the change; those shown twice count twice.
    Both,
}

/// What becomes of a nominal instant while a job or run of the schedule is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// One waits until what is open has ended; more are left out.
    BufferOne,
    /// Each waits its turn.
    BufferAll,
    /// What is open is asked to end, and it comes when that has.
    CancelRunning,
    /// It comes all the same.
    Allow,
}

/// What becomes of nominal instants that could not be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// Each comes late.
    FireAll,
    /// The last of them comes late.
    #[default]
    FireLast,
    /// They are left out.
    Skip,
}

/// A nominal instant to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant {
    /// The moment.
    pub at: Timestamp,
    /// The same on the wall clock of the timetable's zone.
    #[serde(default)]
    pub local: String,
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Nominal instants up to here are decided, or wait.
    pub decided_until: Timestamp,
    /// When the next one is due; `None`: none comes, or it is paused.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// Nominal instants that wait for what is open, in order.
    #[serde(default)]
    pub waiting: Vec<Timestamp>,
    /// Open jobs, or runs, that it asked for.
    #[serde(default)]
    pub open_count: u64,
    /// The first hundred jobs of them.
    #[serde(default)]
    pub open: Vec<JobId>,
    /// The first hundred runs of them.
    #[serde(default)]
    pub open_runs: Vec<RunId>,
    /// Jobs, or runs, in a row that failed.
    #[serde(default)]
    pub failures: u32,
    /// Nominal instants that had a job or a run.
    #[serde(default)]
    pub fired: u64,
    /// Those that had none, for whatever reason.
    #[serde(default)]
    pub skipped: u64,
    /// Of those, the ones that could not be kept because nobody served.
    #[serde(default)]
    pub missed: u64,
    /// The last nominal instant that had a job or a run.
    #[serde(default)]
    pub last_nominal_at: Option<Timestamp>,
    /// That job.
    #[serde(default)]
    pub last_job: Option<JobId>,
    /// That run.
    #[serde(default)]
    pub last_run: Option<RunId>,
    /// Who paused it; `None`: it is not paused.
    #[serde(default)]
    pub paused: Option<SchedulePause>,
}

/// Who paused a schedule, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulePause {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// What became of a nominal instant, or of several on end that have neither job nor run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringFound {
    /// The nominal instant; the first of several.
    pub nominal_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// How many.
    pub count: u64,
    /// When that was decided.
    pub at: Timestamp,
    /// The job; `None`: there is none.
    #[serde(default)]
    pub job: Option<JobId>,
    /// The run; `None`: there is none.
    #[serde(default)]
    pub run: Option<RunId>,
    /// Why there is neither: `overlap`, `misfire`, `paused`, … More may come.
    #[serde(default)]
    pub cause: Option<String>,
}

/// Which firing of which schedule asked for a job or a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The schedule.
    pub schedule: String,
    /// The nominal instant: what it is for, whenever it runs.
    pub nominal_at: Timestamp,
}

impl Schedule {
    /// A schedule of this name.
    #[must_use]
    pub fn new(name: &str, timetable: Timetable, job: ScheduledJob) -> Self {
        Self { name: name.to_owned(), timetable: Some(timetable), job: Some(job), ..Self::default() }
    }

    /// A schedule of this name that asks for runs.
    #[must_use]
    pub fn of_runs(name: &str, timetable: Timetable, run: ScheduledRun) -> Self {
        Self { name: name.to_owned(), timetable: Some(timetable), run: Some(run), ..Self::default() }
    }
}

impl Timetable {
    /// By a cron expression in a zone.
    #[must_use]
    pub fn cron(expression: &str, zone: &str) -> Self {
        Self { cron: Some(expression.to_owned()), zone: Some(zone.to_owned()), ..Self::default() }
    }
}
