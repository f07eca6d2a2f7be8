//! Schedules: what asks for jobs in time. What a timetable comes to is worked out by the gates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::concurrency::{DEFAULT_KEY, key_at};
use crate::config::{JobType, check_labels, check_name, check_range};
use crate::ids::{JobId, RunId};
use crate::job::{LaneKey, Priority};
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// Asks for a job, or a run, at each of the nominal instants of its timetable: once, or it is noted why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// What is later than this many milliseconds is not made good for.
    pub catch_up_ms: u64,
    /// Text for people.
    pub description: String,
    /// No nominal instant from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// So many jobs in a row that fail pause it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures_max: Option<u32>,
    /// A firing comes up to so many milliseconds after its nominal instant, always as many after the same one.
    #[serde(skip_serializing_if = "is_zero")]
    pub jitter_ms: u64,
    /// What it asks for, where that is a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<ScheduledJob>,
    /// What becomes of nominal instants that could not be kept.
    pub misfire: Misfire,
    /// The name; unique in the tenant.
    pub name: String,
    /// What becomes of a nominal instant while a job of the schedule is open.
    pub overlap: Overlap,
    /// What it asks for, where that is a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<ScheduledRun>,
    /// No nominal instant before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Its nominal instants.
    pub timetable: Timetable,
}

/// Nominal instants: one of a cron expression, a recurrence rule and an interval, in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timetable {
    /// A cron expression of five fields, or of six with seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// What becomes of times that the zone's clock skips or shows twice.
    pub daylight: Daylight,
    /// So many milliseconds lie between two; whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// Days (`2026-12-24`, on the zone's wall clock) on which there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// The first of a recurrence rule (`2026-01-03T22:00:00`, on the zone's wall clock); of an interval, one from which
    /// the others are counted, and 1970-01-01T00:00:00Z when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A recurrence rule of RFC 5545, such as `FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rrule: Option<String>,
    /// The zone's name in the IANA database.
    pub zone: String,
}

/// The job that a schedule asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduledJob {
    /// Its concurrency key; without one, what its type's pointer finds in the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// It is final so many milliseconds after it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Its type.
    pub job_type: String,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its payload as canonical JSON text.
    pub payload: String,
    /// Its class.
    pub priority: Priority,
    /// Its project; `default` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The run that a schedule asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduledRun {
    /// Its graph; the version that is declared when it begins.
    pub graph: String,
    /// Its inputs: an object as canonical JSON text.
    pub inputs: String,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The project of its jobs, where steps do not say another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// What a firing asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A job.
    Job(JobId),
    /// A run.
    Run(RunId),
}

impl Asked {
    /// The job, if it is one.
    #[must_use]
    pub fn job(self) -> Option<JobId> {
        match self {
            Self::Job(job) => Some(job),
            Self::Run(_) => None,
        }
    }

    /// The run, if it is one.
    #[must_use]
    pub fn run(self) -> Option<RunId> {
        match self {
            Self::Job(_) => None,
            Self::Run(run) => Some(run),
        }
    }
}

/// Which firing of which schedule asked for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The nominal instant.
    pub nominal_at: Timestamp,
    /// The schedule.
    pub schedule: String,
    /// The version of the zone database that it was worked out with.
    pub zones: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$meta])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What becomes of a time of the wall clock that is skipped when a clock is put forward, or shown twice when it is put
    /// back.
    Daylight {
        /// A time that is skipped is left out. One that is shown twice counts the first time.
        Skip = "skip",
        /// A time that is skipped comes as long after the change as it lies behind it on the old clock. One that is shown
        /// twice counts the first time.
        #[default]
        Once = "once",
        /// A time that is skipped comes as with `once`. One that is shown twice counts both times.
        Both = "both",
    }
}

words! {
    /// What becomes of a nominal instant while a job of the schedule is open.
    Overlap {
        /// It is left out.
        #[default]
        Skip = "skip",
        /// One waits until the open job has ended; more are left out.
        BufferOne = "buffer_one",
        /// Each waits its turn; those beyond the limit are left out.
        BufferAll = "buffer_all",
        /// The open jobs are asked to end, and it comes when they have.
        CancelRunning = "cancel_running",
        /// It comes all the same.
        Allow = "allow",
    }
}

words! {
    /// What becomes of nominal instants that could not be kept, because nobody served or the schedule's owner was late.
    /// Those that are older than `catch_up_ms` are left out in any case.
    Misfire {
        /// Each comes late.
        FireAll = "fire_all",
        /// The last of them comes late, unless another is due by now.
        #[default]
        FireLast = "fire_last",
        /// They are left out.
        Skip = "skip",
    }
}

words! {
    /// Why a nominal instant has no job.
    SkipCause {
        /// A job of the schedule was open.
        #[default]
        Overlap = "overlap",
        /// As many wait for open jobs as may.
        BufferFull = "buffer_full",
        /// A later one took its place while it waited.
        Superseded = "superseded",
        /// It could not be kept, and the misfire policy leaves it out.
        Misfire = "misfire",
        /// It is older than what is made good for.
        CatchUp = "catch_up",
        /// The schedule was paused.
        Paused = "paused",
        /// Another version, or none, of the schedule took its place before it was due.
        Replaced = "replaced",
        /// The job was refused.
        Refused = "refused",
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            catch_up_ms: limits::CATCH_UP_MS_DEFAULT,
            description: String::new(),
            ends_at: None,
            failures_max: None,
            jitter_ms: 0,
            job: None,
            misfire: Misfire::default(),
            name: String::new(),
            overlap: Overlap::default(),
            run: None,
            starts_at: None,
            timetable: Timetable::default(),
        }
    }
}

impl Default for Timetable {
    fn default() -> Self {
        Self {
            cron: None,
            daylight: Daylight::default(),
            every_ms: None,
            except: Vec::new(),
            from: None,
            rrule: None,
            zone: "UTC".to_owned(),
        }
    }
}

impl ScheduledJob {
    /// Where it waits, given what is declared of its type.
    #[must_use]
    pub fn lane(&self, job_type: &JobType, project: &str) -> LaneKey {
        let concurrency_key = self.concurrency_key.clone().or_else(|| key_in(job_type, &self.payload));
        LaneKey {
            concurrency_key,
            job_type: self.job_type.clone(),
            priority: self.priority,
            project: self.project.clone().unwrap_or_else(|| project.to_owned()),
            source: self.source.clone(),
        }
    }

    /// Checks each field.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_name("job_type", &self.job_type)?;
        for (field, name) in [("project", &self.project), ("source", &self.source)] {
            name.iter().try_for_each(|name| check_name(field, name))?;
        }
        self.concurrency_key.iter().try_for_each(|key| check_name("concurrency_key", key))?;
        let deadline = self.deadline_ms.unwrap_or(limits::DEADLINE_MS_MIN);
        check_range("deadline_ms", deadline, limits::DEADLINE_MS_MIN, limits::AHEAD_DAYS_MAX * 86_400_000)?;
        check_range("payload", self.payload.len() as u64, 0, limits::SCHEDULE_PAYLOAD_BYTES_MAX)?;
        check_labels("labels", &self.labels)
    }
}

impl ScheduledRun {
    /// Checks each field.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        check_name("graph", &self.graph)?;
        self.project.iter().try_for_each(|name| check_name("project", name))?;
        check_range("inputs", self.inputs.len() as u64, 0, limits::RUN_INPUTS_BYTES_MAX)?;
        check_labels("labels", &self.labels)
    }
}

/// The concurrency key that a type's pointer finds in a payload (JSON text), where the type has one.
#[must_use]
pub fn key_in(job_type: &JobType, payload: &str) -> Option<String> {
    let pointer = job_type.concurrency_key_pointer.as_deref()?;
    let payload = serde_json::from_str(payload).unwrap_or_default();
    Some(key_at(&payload, pointer).unwrap_or_else(|| DEFAULT_KEY.to_owned()))
}

impl Schedule {
    /// Checks each field but the timetable, which the gates read.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        check_range("catch_up_ms", self.catch_up_ms, 0, limits::CATCH_UP_MS_MAX)?;
        check_range("jitter_ms", self.jitter_ms, 0, limits::JITTER_MS_MAX)?;
        check_range("failures_max", self.failures_max.map_or(1, u64::from), 1, limits::FAILURES_IN_A_ROW_MAX)?;
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at)
            && end <= start
        {
            return Err(Refusal::field(Code::InvalidField, "ends_at", "`ends_at` does not lie after `starts_at`"));
        }
        match (&self.job, &self.run) {
            (Some(job), None) => job.check().map_err(|refusal| refusal.under("job")),
            (None, Some(run)) => run.check().map_err(|refusal| refusal.under("run")),
            (None, None) => Err(Refusal::field(Code::InvalidField, "job", "one of `job` and `run` is needed")),
            (Some(_), Some(_)) => {
                Err(Refusal::field(Code::InvalidField, "run", "a schedule asks for a `job` or a `run`, not for both"))
            }
        }
    }

    /// How long after its nominal instant a firing comes, in milliseconds: always the same, and evenly spread.
    #[must_use]
    pub fn jitter_of(&self, nominal_at: Timestamp) -> u64 {
        if self.jitter_ms == 0 {
            return 0;
        }
        let text = format!("{}@{}", self.name, nominal_at.millis());
        let digest = crate::job::sha256_hex(text.as_bytes());
        u64::from_str_radix(&digest[..16], 16).unwrap_or(0) % (self.jitter_ms + 1)
    }
}

// The form that `skip_serializing_if` wants.
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Schedule {
        let job = ScheduledJob { job_type: "fetch".into(), payload: "{}".into(), ..ScheduledJob::default() };
        Schedule { name: name.to_owned(), job: Some(job), ..Schedule::default() }
    }

    fn field(schedule: &Schedule) -> String {
        schedule.check().unwrap_err().field.unwrap_or_default()
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        assert!(named("s").check().is_ok());
        assert_eq!(field(&named("")), "name");
        assert_eq!(field(&Schedule { jitter_ms: limits::JITTER_MS_MAX + 1, ..named("s") }), "jitter_ms");
        assert_eq!(field(&Schedule { catch_up_ms: limits::CATCH_UP_MS_MAX + 1, ..named("s") }), "catch_up_ms");
        assert_eq!(field(&Schedule { failures_max: Some(0), ..named("s") }), "failures_max");
        let at = |ms| Some(Timestamp::from_millis(ms));
        assert_eq!(field(&Schedule { starts_at: at(5), ends_at: at(5), ..named("s") }), "ends_at");
        let mut schedule = named("s");
        schedule.job.as_mut().unwrap().job_type.clear();
        assert_eq!(field(&schedule), "job.job_type");
        schedule = named("s");
        schedule.job.as_mut().unwrap().deadline_ms = Some(0);
        assert_eq!(field(&schedule), "job.deadline_ms");
        schedule.run = Some(ScheduledRun { graph: "g".into(), ..ScheduledRun::default() });
        assert_eq!(field(&schedule), "run");
        schedule.job = None;
        assert!(schedule.check().is_ok());
        assert_eq!(field(&Schedule { job: None, ..named("s") }), "job");
    }

    #[test]
    fn jitter_is_the_same_each_time_and_spread() {
        let schedule = Schedule { jitter_ms: 9, ..named("s") };
        let all: Vec<_> = (0..1_000).map(|n| schedule.jitter_of(Timestamp::from_millis(n * 60_000))).collect();
        for ms in 0..10 {
            let hits = all.iter().filter(|jitter| **jitter == ms).count();
            assert!((60..=140).contains(&hits), "{ms}: {hits}");
        }
        assert_eq!(schedule.jitter_of(Timestamp::from_millis(60_000)), all[1]);
        assert_eq!(named("s").jitter_of(Timestamp::ZERO), 0);
    }

    #[test]
    fn the_key_is_found_in_the_payload() {
        let mut of = JobType::named("fetch");
        let job = ScheduledJob { payload: r#"{"feed":"nvd"}"#.into(), ..named("s").job.unwrap() };
        assert_eq!(job.lane(&of, "p").concurrency_key, None);
        of.concurrency_key_pointer = Some("/feed".into());
        assert_eq!(job.lane(&of, "p").concurrency_key.as_deref(), Some("nvd"));
        of.concurrency_key_pointer = Some("/none".into());
        assert_eq!(job.lane(&of, "p").concurrency_key.as_deref(), Some(DEFAULT_KEY));
        let given = ScheduledJob { concurrency_key: Some("k".into()), ..job };
        assert_eq!(given.lane(&of, "p").concurrency_key.as_deref(), Some("k"));
    }
}
