//! Jobs as submitted: the wire form, the limits of each field, and what becomes of them for the engine.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orch_core::config::{check_labels, check_name};
use orch_core::job::{Dependency, DependsOn, LaneKey, Origin, Priority, sha256_hex};
use orch_core::{Code, JobId, Refusal, limits};
use orch_dispatch::command::NewJob;
use orch_engine::Engine;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_count, check_filled, check_text};
use crate::http::idempotency::{Fingerprint, KeySpace};
use crate::http::object::objects;
use crate::http::texts::{FilledText, JobIdText, KeyText, LabelsMap, NameText};
use crate::http::words::{DependsOnWord, Moment, PriorityWord, check_json};

/// A job to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "job_type": "feeds.fetch",
    "payload": {"path": "known_exploited_vulnerabilities.json"},
    "source": "kev",
    "priority": "high",
    "labels": {"feed": "kev"},
    "idempotency_key": "kev/2026-01-15"
}))]
pub struct JobIn {
    /// An id of the caller's making (a UUIDv7 after `job_`); else one is made.
    #[serde(default)]
    #[schema(value_type = Option<JobIdText>)]
    pub id: Option<JobId>,
    /// The job type's name.
    #[schema(value_type = NameText)]
    pub job_type: String,
    /// Any JSON up to 1 MiB; handed to the worker byte for byte.
    #[serde(default = "empty_object")]
    #[schema(value_type = serde_json::Value)]
    pub payload: Box<RawValue>,
    /// The project's name; `default` when left out.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub project: Option<String>,
    /// The source's name.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub source: Option<String>,
    /// What it is before others.
    #[serde(default)]
    #[schema(value_type = Option<PriorityWord>)]
    pub priority: Option<Priority>,
    /// Free labels, at most 32.
    #[serde(default)]
    #[schema(value_type = LabelsMap)]
    pub labels: BTreeMap<String, String>,
    /// Not before; at most 366 days ahead.
    #[serde(default)]
    pub not_before: Option<Moment>,
    /// Final by then; at most 366 days ahead.
    #[serde(default)]
    pub deadline: Option<Moment>,
    /// Existing jobs, or jobs of the same call; at most 10,000.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 10000)]
    pub depends_on: Vec<DependencyIn>,
    /// Correlates jobs of one cause.
    #[serde(default)]
    #[schema(value_type = Option<FilledText>)]
    pub correlation_id: Option<String>,
    /// Jobs of one type with the same key exclude each other as the type says.
    #[serde(default)]
    #[schema(value_type = Option<FilledText>)]
    pub concurrency_key: Option<String>,
    /// The same key with the same content gives the same job for at least 24 hours.
    #[serde(default)]
    #[schema(value_type = Option<KeyText>)]
    pub idempotency_key: Option<String>,
}

/// One dependency.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DependencyIn {
    /// The parent.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// When it is met: `succeeded` (the default; any other end skips the child) or `done` (any end).
    #[serde(default = "succeeded")]
    #[schema(value_type = DependsOnWord)]
    pub on: DependsOn,
}

fn succeeded() -> DependsOn {
    DependsOn::Succeeded
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
}

/// What jobs of one call have in common.
pub struct Intake<'a> {
    /// Makes ids.
    pub engine: &'a Engine,
    /// Where the jobs' own keys belong.
    pub keys: KeySpace,
    /// Where the jobs come from.
    pub origin: Option<Origin>,
}

impl Intake<'_> {
    /// Checks all jobs of a call; `field` is the path of the list.
    pub fn jobs(&self, jobs: Vec<JobIn>, field: &str) -> Result<Vec<NewJob>, Problem> {
        let mut refusals = Refusals::default();
        let jobs = self.checked(jobs, field, &mut refusals);
        refusals.finish().map(|()| jobs)
    }

    /// Checks all jobs of one item of a call; the first refusal is the item's.
    pub fn jobs_of_item(&self, jobs: Vec<JobIn>, field: &str) -> Result<Vec<NewJob>, Refusal> {
        let mut refusals = Refusals::default();
        refusals.note(check_count(field, jobs.len(), limits::FOLLOW_UPS_MAX, "entries"));
        let jobs = self.checked(jobs, field, &mut refusals);
        refusals.into_first().map_or(Ok(jobs), Err)
    }

    /// Checks one job.
    pub fn job(&self, job: JobIn) -> Result<NewJob, Problem> {
        let (job, refusals) = self.one(job);
        refusals.finish().map(|()| job)
    }

    fn checked(&self, jobs: Vec<JobIn>, field: &str, refusals: &mut Refusals) -> Vec<NewJob> {
        let mut new = Vec::with_capacity(jobs.len());
        for (place, job) in jobs.into_iter().enumerate() {
            let (job, refused) = self.one(job);
            refusals.note_under(|| format!("{field}[{place}]"), refused);
            new.push(job);
            if refusals.full() {
                break;
            }
        }
        new
    }

    fn one(&self, job: JobIn) -> (NewJob, Refusals) {
        let mut refusals = Refusals::default();
        check(&job, &mut refusals);
        let depends_on = job.depends_on.iter().map(|parent| Dependency { job: parent.job, on: parent.on });
        let mut new = NewJob {
            id: job.id.unwrap_or_else(|| self.engine.new_job_id()),
            id_given: job.id.is_some(),
            key: None,
            payload_sha256: sha256_hex(job.payload.get().as_bytes()),
            misfit: None,
            labels: job.labels,
            not_before: job.not_before.map(|at| at.0),
            deadline: job.deadline.map(|at| at.0),
            depends_on: depends_on.collect(),
            correlation_id: job.correlation_id,
            origin: self.origin,
            firing: None,
            part: None,
            window: None,
            lane: LaneKey {
                concurrency_key: job.concurrency_key,
                job_type: job.job_type,
                priority: job.priority.unwrap_or_default(),
                project: job.project.unwrap_or_else(|| "default".to_owned()),
                source: job.source,
            },
            payload: Bytes::from(String::from(Box::<str>::from(job.payload))),
        };
        new.key = job.idempotency_key.map(|key| self.keys.key(&key, fingerprint(&new)));
        (new, refusals)
    }
}

fn check(job: &JobIn, refusals: &mut Refusals) {
    refusals.note(check_name("job_type", &job.job_type));
    for (field, name) in [("project", &job.project), ("source", &job.source)] {
        if let Some(name) = name {
            refusals.note(check_name(field, name));
        }
    }
    refusals.note(check_json("payload", &job.payload, limits::PAYLOAD_BYTES_MAX));
    refusals.note(check_labels("labels", &job.labels));
    for (key, value) in &job.labels {
        // The length was checked above; here it is about characters that a database refuses.
        if value.chars().any(char::is_control) {
            refusals.note(check_text(&format!("labels.{key}"), value, limits::LABEL_VALUE_CHARS_MAX));
        }
    }
    refusals.note(check_dependencies(&job.depends_on));
    let texts = [
        ("correlation_id", &job.correlation_id, limits::CORRELATION_ID_CHARS_MAX),
        ("concurrency_key", &job.concurrency_key, limits::NAME_CHARS_MAX),
        ("idempotency_key", &job.idempotency_key, limits::KEY_CHARS_MAX),
    ];
    for (field, text, chars_max) in texts {
        if let Some(text) = text {
            refusals.note(check_filled(field, text, chars_max));
        }
    }
}

fn check_dependencies(parents: &[DependencyIn]) -> Result<(), Refusal> {
    if parents.is_empty() {
        return Ok(());
    }
    check_count("depends_on", parents.len(), limits::DEPENDENCIES_MAX, "entries")?;
    let mut seen = BTreeSet::new();
    for (place, parent) in parents.iter().enumerate() {
        if !seen.insert(parent.job) {
            let detail = format!("{} stands in `depends_on` more than once", parent.job);
            return Err(Refusal::field(Code::InvalidField, format!("depends_on[{place}].job"), detail));
        }
    }
    Ok(())
}

/// The hash of what is asked for: each member as it counts, not as it is spelled, except for the payload's bytes.
fn fingerprint(job: &NewJob) -> [u8; 16] {
    let mut hash = Fingerprint::default();
    for text in [&job.lane.job_type, &job.payload_sha256, &job.lane.project] {
        hash.part(text.as_bytes());
    }
    hash.part(job.lane.priority.as_str().as_bytes());
    hash.maybe(job.id_given.then_some(job.id.0.as_bytes().as_slice()));
    for text in [&job.lane.source, &job.correlation_id, &job.lane.concurrency_key] {
        hash.maybe(text.as_ref().map(|text| text.as_bytes()));
    }
    for at in [job.not_before, job.deadline] {
        hash.maybe(at.map(|at| at.millis().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
    }
    hash.part(&(job.labels.len() as u64).to_be_bytes());
    for (key, value) in &job.labels {
        hash.part(key.as_bytes());
        hash.part(value.as_bytes());
    }
    for parent in &job.depends_on {
        hash.part(parent.job.0.as_bytes());
        hash.part(&[parent.on as u8]);
    }
    hash.finish()
}

/// The hash of a whole call: of its jobs' contents and keys, in order.
pub fn fingerprint_of_call(jobs: &[NewJob]) -> [u8; 16] {
    let mut hash = Fingerprint::default();
    for job in jobs {
        hash.part(&fingerprint(job));
        hash.maybe(job.key.as_ref().map(|used| used.key.as_slice()));
    }
    hash.finish()
}
