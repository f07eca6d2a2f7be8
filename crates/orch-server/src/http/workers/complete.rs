//! Completions: what became of attempts. Each item is judged for itself; a bad one leaves the others alone.

use axum::extract::State;
use orch_core::job::{Origin, OriginKind, sha256_hex};
use orch_core::lease::Token;
use orch_core::{Code, JobId, Refusal, limits};
use orch_dispatch::Answer;
use orch_dispatch::command::{Command, Completion, Report, Took};
use orch_engine::Engine;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::advance::AdvanceIn;
use super::stale;
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::fields::{check_count, check_text};
use crate::http::idempotency::{Fingerprint, KeySpace};
use crate::http::jobs::check_batch;
use crate::http::jobs::input::{Intake, JobIn, fingerprint_of_call};
use crate::http::json::Json;
use crate::http::object::{maybe_object, objects};
use crate::http::query::Query;
use crate::http::texts::JobIdText;
use crate::http::unexpected;
use crate::http::words::{ArtifactBody, CodeWord, ErrorBody, ItemsOut, check_json, exact, maybe_exact};
use crate::state::AppState;

/// Reports on attempts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"items": [{
    "token": "lse_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.0.1.2.0198f0c2b7a07c3e8d9f0a1b2c3d4e5f.1",
    "outcome": "succeeded", "result": {"documents": 1404}
}]}))]
pub struct CompleteIn {
    /// The reports, at most 1,000.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 1000)]
    pub items: Vec<CompletionIn>,
}

/// A report on one attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionIn {
    /// The attempt.
    pub token: String,
    /// What became of it.
    pub outcome: OutcomeIn,
    /// Any JSON up to 64 KiB; only with `succeeded`.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    pub result: Option<Box<RawValue>>,
    /// Outputs by digest, at most 100.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 100)]
    pub artifacts: Vec<ArtifactBody>,
    /// What went wrong; with `failed`.
    #[serde(default, deserialize_with = "maybe_object")]
    pub error: Option<ErrorBody>,
    /// What was seen of upstreams, at most 100: how long the host of the job's source took to answer tells its buckets when
    /// it becomes slow.
    #[serde(default, deserialize_with = "objects")]
    pub observations: Vec<ObservationIn>,
    /// Jobs that become real together with the success, at most 1,000; only with `succeeded`.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 1000)]
    pub follow_ups: Vec<JobIn>,
    /// How far the job's source was read; only with `succeeded`. If it cannot be taken, the whole report is refused.
    #[serde(default, deserialize_with = "maybe_object")]
    pub watermark: Option<AdvanceIn>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeIn {
    /// It is done.
    Succeeded,
    /// It is not, and `error` says why.
    Failed,
    /// The worker stopped because of a cancel.
    Canceled,
}

/// One answer of an upstream, as the worker saw it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObservationIn {
    /// The upstream's host.
    pub host: String,
    /// Its HTTP status.
    #[schema(maximum = 65535)]
    pub status: u16,
    /// How long it took.
    #[serde(deserialize_with = "exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub latency_ms: u64,
    /// What it asked for.
    #[serde(default, deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub retry_after_ms: Option<u64>,
}

/// What became of one report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"status": "ok", "follow_ups": []}))]
pub struct CompletedOut {
    /// `ok` or `refused`.
    pub status: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CodeWord>)]
    pub code: Option<Code>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The member to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The follow-up jobs that were made, in order; none when the report was known already.
    #[schema(value_type = Vec<JobIdText>)]
    pub follow_ups: Vec<JobId>,
}

impl From<Result<Vec<JobId>, Refusal>> for CompletedOut {
    fn from(result: Result<Vec<JobId>, Refusal>) -> Self {
        match result {
            Ok(follow_ups) => Self { status: "ok", code: None, detail: None, field: None, follow_ups },
            Err(refusal) => Self {
                status: "refused",
                code: Some(refusal.code),
                detail: Some(refusal.detail),
                field: refusal.field,
                follow_ups: Vec::new(),
            },
        }
    }
}

/// Reports what became of attempts.
///
/// The same report again gets the same answer; another one gets `completion_conflict`. One whose watermark is not where
/// it expects it gets `watermark_conflict`, and its attempt stays open.
#[utoipa::path(
    post, path = "/worker/complete", tag = "worker", request_body = CompleteIn,
    responses((status = 200, body = ItemsOut<CompletedOut>, description = "One answer a report, in order"))
)]
pub async fn complete_leases(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(CompleteIn { items }): Json<CompleteIn>,
) -> Result<Json<ItemsOut<CompletedOut>>, Problem> {
    require(&caller, Scope::Worker)?;
    query.none()?;
    check_batch("items", items.len(), limits::REPORTS_PER_CALL_MAX)?;
    let mut answers: Vec<Option<CompletedOut>> = Vec::with_capacity(items.len());
    let mut good = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        match completion_of(app.engine(), item) {
            Ok(completion) => {
                good.push((place, completion));
                answers.push(None);
            }
            Err(refusal) => answers.push(Some(Err(refusal).into())),
        }
    }
    for (places, completions) in commands(good) {
        let answer = app.engine().command(Command::Complete { tenants: caller.tenants(), completions }).await?;
        let Answer::Completed(results) = answer else { return Err(unexpected(&answer)) };
        for (place, result) in places.into_iter().zip(results) {
            answers[place] = Some(result.into());
        }
    }
    let items: Vec<_> = answers.into_iter().flatten().collect();
    Ok(Json(ItemsOut { items }))
}

/// Parts the completions so that no command makes more jobs than a commit can hold.
/// Items stand for themselves, and a repeated call gets the same answers, so parting is harmless.
fn commands(good: Vec<(usize, Completion)>) -> Vec<(Vec<usize>, Vec<Completion>)> {
    let mut parts: Vec<(Vec<usize>, Vec<Completion>)> = Vec::new();
    let mut jobs = u64::MAX;
    for (place, completion) in good {
        let more = completion.follow_ups.len() as u64;
        jobs = jobs.saturating_add(more);
        if jobs > limits::FOLLOW_UPS_MAX {
            parts.push((Vec::new(), Vec::new()));
            jobs = more;
        }
        if let Some((places, completions)) = parts.last_mut() {
            places.push(place);
            completions.push(completion);
        }
    }
    parts
}

fn completion_of(engine: &Engine, item: CompletionIn) -> Result<Completion, Refusal> {
    let token: Token = item.token.parse().map_err(|_| stale())?;
    check(&item)?;
    let mut content = Fingerprint::default();
    content.part(&[item.outcome as u8]);
    check_count("artifacts", item.artifacts.len(), limits::ARTIFACTS_MAX, "entries")?;
    let mut artifacts = Vec::with_capacity(item.artifacts.len());
    for (place, artifact) in item.artifacts.into_iter().enumerate() {
        let artifact = artifact.into_ref(&format!("artifacts[{place}]"))?;
        content.part(artifact.sha256.as_bytes());
        content.part(artifact.uri.as_bytes());
        artifacts.push(artifact);
    }
    let outcome = match item.outcome {
        OutcomeIn::Succeeded => succeeded(item.result.as_deref(), &mut content)?,
        OutcomeIn::Canceled => Report::Canceled,
        OutcomeIn::Failed => {
            let missing = || Refusal::field(Code::InvalidField, "error", "`failed` needs an `error`");
            let error = item.error.ok_or_else(missing)?.into_error("error")?;
            content.part(format!("{error:?}").as_bytes());
            Report::Failed(error)
        }
    };
    let keys = KeySpace::of_parent(token.job, "follow_up");
    let origin = Some(Origin { kind: OriginKind::FollowUp, of: token.job });
    let follow_ups = Intake { engine, keys, origin }.jobs_of_item(item.follow_ups, "follow_ups")?;
    if !follow_ups.is_empty() {
        content.part(&fingerprint_of_call(&follow_ups));
    }
    let watermark = item.watermark.map(AdvanceIn::into_advance).transpose()?.map(Box::new);
    if let Some(advance) = &watermark {
        content.part(format!("{advance:?}").as_bytes());
    }
    let took = item.observations.into_iter().filter_map(ObservationIn::took).collect();
    Ok(Completion { token, outcome, fingerprint: content.finish(), artifacts, follow_ups, took, watermark })
}

impl ObservationIn {
    /// How long it took to answer. A refusal is quick, and says nothing of that.
    fn took(self) -> Option<Took> {
        let Self { host, status, latency_ms, .. } = self;
        (!matches!(status, 403 | 429 | 503)).then_some(Took { host, latency_ms })
    }
}

/// Members that belong to another outcome are refused rather than dropped.
fn check(item: &CompletionIn) -> Result<(), Refusal> {
    let only = |field: &str, with: &str| {
        Err(Refusal::field(Code::InvalidField, field, format!("`{field}` goes only with `{with}`")))
    };
    let succeeded = item.outcome == OutcomeIn::Succeeded;
    if item.result.is_some() && !succeeded {
        return only("result", "succeeded");
    }
    if !item.follow_ups.is_empty() && !succeeded {
        return only("follow_ups", "succeeded");
    }
    if item.watermark.is_some() && !succeeded {
        return only("watermark", "succeeded");
    }
    if item.error.is_some() && succeeded {
        return only("error", "failed");
    }
    check_count("observations", item.observations.len(), limits::ARTIFACTS_MAX, "entries")?;
    for (place, seen) in item.observations.iter().enumerate() {
        check_text(&format!("observations[{place}].host"), &seen.host, limits::LABEL_VALUE_CHARS_MAX)?;
        tracing::trace!(status = seen.status, latency_ms = seen.latency_ms, retry_after_ms = seen.retry_after_ms);
    }
    Ok(())
}

fn succeeded(result: Option<&RawValue>, content: &mut Fingerprint) -> Result<Report, Refusal> {
    let Some(json) = result else { return Ok(Report::Succeeded { result: None, result_sha256: None }) };
    check_json("result", json, limits::RESULT_BYTES_MAX)?;
    let refused = |error: serde_json::Error| {
        Refusal::field(Code::InvalidField, "result", format!("`result` cannot be kept: {error}"))
    };
    let value: Value = serde_json::from_str(json.get()).map_err(refused)?;
    let canonical = serde_json_canonicalizer::to_vec(&value).map_err(refused)?;
    // The canonical form rounds large numbers; the fingerprint must tell them apart.
    content.part(&serde_json::to_vec(&value).map_err(refused)?);
    let result_sha256 = Some(sha256_hex(&canonical));
    Ok(Report::Succeeded { result: Some(value), result_sha256 })
}
