//! Backfills as asked for: the wire forms, the limits of each field, and what becomes of them for the engine.

use std::collections::BTreeMap;

use orch_core::backfill::{BackfillSpec, Order, Reprocess};
use orch_core::config::check_name;
use orch_core::job::Priority;
use orch_core::limits;
use orch_core::schedule::ScheduledJob;
use orch_core::watermark::Axis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_filled, check_text};
use crate::http::idempotency::Fingerprint;
use crate::http::json::{canonical, check_depth, keepable_object};
use crate::http::object::maybe_object;
use crate::http::schedules::ScheduledRunBody;
use crate::http::texts::{LabelsMap, NameText, TicketText, WhyText};
use crate::http::words::{AxisWord, Moment, OrderWord, ReprocessWord};

/// A backfill to be: a stretch of event time, cut into windows, each of which a job or a run reads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "source": "kev", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "window_ms": 86400000,
    "job": {"job_type": "feeds.fetch", "payload": {"path": "known_exploited_vulnerabilities.json"}},
    "reason": "the export lost January", "ticket": "OPS-17"
}))]
pub struct BackfillIn {
    /// The source that is read.
    #[schema(value_type = NameText)]
    pub source: String,
    /// Which of the records' times the range is about.
    #[serde(default = "published")]
    #[schema(value_type = AxisWord, default = "published")]
    pub axis: Axis,
    /// The first moment of the range.
    pub from: Moment,
    /// The first moment after it, not after now.
    pub to: Moment,
    /// How long a window is, in milliseconds: a minute to 366 days. They are counted from `from`; the last may be shorter.
    #[serde(default = "day")]
    #[schema(minimum = 60000, maximum = 31622400000_u64, default = 86400000)]
    pub window_ms: u64,
    /// In which order windows come.
    #[serde(default)]
    #[schema(value_type = OrderWord, default = "oldest_first")]
    pub order: Order,
    /// Which windows are read: `missing`, that nobody has read; `missing_and_failed`, also those that a backfill tried to
    /// read and could not; `all`.
    #[serde(default)]
    #[schema(value_type = ReprocessWord, default = "missing")]
    pub reprocess: Reprocess,
    /// So many windows are open at the same time.
    #[serde(default = "parallelism")]
    #[schema(minimum = 1, maximum = 1000, default = 4)]
    pub parallelism: u32,
    /// What is asked for at each window, where that is a job. This or `run`.
    #[serde(default, deserialize_with = "maybe_object")]
    pub job: Option<BackfillJobBody>,
    /// What is asked for at each window, where that is a run. It gets the input `window`.
    #[serde(default, deserialize_with = "maybe_object")]
    pub run: Option<ScheduledRunBody>,
    /// Why; kept in history.
    #[schema(value_type = WhyText)]
    pub reason: String,
    /// The ticket that asks for it.
    #[schema(value_type = TicketText)]
    pub ticket: String,
}

/// The job that a backfill asks for at each window. Its source is the backfill's, its priority `backfill`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = BackfillJob, example = json!({"job_type": "feeds.fetch"}))]
pub struct BackfillJobBody {
    /// Its type.
    #[schema(value_type = NameText, required = true)]
    job_type: String,
    /// Its payload: an object up to 64 KiB. It gets the member `window`, with `from` and `to`.
    #[serde(deserialize_with = "keepable_object")]
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
    /// Its project; `default` when left out.
    #[schema(value_type = Option<NameText>)]
    project: Option<String>,
    /// Free labels.
    #[schema(value_type = LabelsMap)]
    labels: BTreeMap<String, String>,
    /// Its concurrency key; without one, what its type's pointer finds in the payload.
    #[schema(value_type = Option<NameText>)]
    concurrency_key: Option<String>,
    /// It is final so many milliseconds after it was asked for, 366 days at most.
    #[schema(minimum = 1000, maximum = 31622400000_u64)]
    deadline_ms: Option<u64>,
}

/// Why what an ended backfill did not read is read again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackfillRerun, example = json!({"reason": "the feed is back", "ticket": "OPS-18"}))]
pub struct BackfillRerunIn {
    /// Why; kept in history.
    #[schema(value_type = WhyText)]
    pub reason: String,
    /// The ticket that asks for it.
    #[schema(value_type = TicketText)]
    pub ticket: String,
}

fn published() -> Axis {
    Axis::Published
}

fn day() -> u64 {
    limits::BACKFILL_WINDOW_MS_DEFAULT
}

fn parallelism() -> u32 {
    BackfillSpec::default().parallelism
}

impl From<BackfillJobBody> for ScheduledJob {
    fn from(body: BackfillJobBody) -> Self {
        let BackfillJobBody { job_type, payload, project, labels, concurrency_key, deadline_ms } = body;
        let (payload, priority) = (canonical(&Value::Object(payload)), Priority::Backfill);
        Self { concurrency_key, deadline_ms, job_type, labels, payload, priority, project, source: None }
    }
}

impl From<ScheduledJob> for BackfillJobBody {
    fn from(job: ScheduledJob) -> Self {
        let ScheduledJob { concurrency_key, deadline_ms, job_type, labels, payload, project, .. } = job;
        let payload = serde_json::from_str(&payload).unwrap_or_default();
        Self { job_type, payload, project, labels, concurrency_key, deadline_ms }
    }
}

impl BackfillIn {
    /// What is asked for, checked as far as nothing declared is needed.
    pub fn into_spec(self, by: &str) -> Result<BackfillSpec, Problem> {
        let spec = BackfillSpec {
            axis: self.axis,
            by: by.to_owned(),
            from: self.from.0,
            job: self.job.map(Into::into),
            of: None,
            only: None,
            order: self.order,
            parallelism: self.parallelism,
            reason: self.reason,
            reprocess: self.reprocess,
            run: self.run.map(Into::into),
            source: self.source,
            ticket: self.ticket,
            to: self.to.0,
            window_ms: self.window_ms,
        };
        let mut refusals = Refusals::default();
        refusals.note(check_name("source", &spec.source));
        check_why(&spec.reason, &spec.ticket, &mut refusals);
        for (place, labels) in
            [("job", spec.job.as_ref().map(|job| &job.labels)), ("run", spec.run.as_ref().map(|run| &run.labels))]
        {
            for (key, value) in labels.into_iter().flatten() {
                refusals.note(check_text(&format!("{place}.labels.{key}"), value, limits::LABEL_VALUE_CHARS_MAX));
            }
        }
        let payload = spec.job.iter().map(|job| ("job.payload", &job.payload));
        for (field, text) in payload.chain(spec.run.iter().map(|run| ("run.inputs", &run.inputs))) {
            refusals.note(check_depth(field, text.as_bytes()));
        }
        refusals.finish()?;
        spec.check()?;
        Ok(spec)
    }
}

impl BackfillRerunIn {
    /// Checks what can be said of it by itself.
    pub fn check(&self) -> Result<(), Problem> {
        let mut refusals = Refusals::default();
        check_why(&self.reason, &self.ticket, &mut refusals);
        refusals.finish()
    }
}

fn check_why(reason: &str, ticket: &str, refusals: &mut Refusals) {
    refusals.note(check_filled("reason", reason, limits::REASON_CHARS_MAX));
    refusals.note(check_filled("ticket", ticket, limits::TICKET_CHARS_MAX));
}

/// The hash of what is asked for.
pub fn fingerprint(spec: &BackfillSpec) -> Result<[u8; 16], Problem> {
    let mut content = Fingerprint::default();
    content.part(&serde_json::to_vec(spec).map_err(|error| Problem::internal(&error.to_string()))?);
    Ok(content.finish())
}
