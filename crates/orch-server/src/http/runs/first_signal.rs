//! The first thing of a run that is worth telling, for those who wait for a sign of life: short, and cheap to ask again.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::graph::{Step, StepKind};
use orch_core::ids::RunId;
use orch_core::job::sha256_hex;
use orch_core::run::{End, StepCourse};
use orch_core::{StepNo, Timestamp};
use orch_dispatch::run::RunCourse;
use orch_engine::RunView;
use orch_graph::Plan;
use orch_graph::run::StepState;
use serde::Serialize;
use utoipa::ToSchema;

use super::{find, planned};
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::json::{Json, canonical};
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::RunIdText;
use crate::http::words::{ArtifactBody, Moment};
use crate::state::AppState;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SOURCE: HeaderName = HeaderName::from_static("x-firstsignal-source");

/// The first signal of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirstSignalOut {
    /// The run.
    #[schema(value_type = RunIdText)]
    pub run_id: RunId,
    /// The signal.
    pub first_signal: SignalOut,
    /// The same as in `ETag`.
    #[schema(example = "W/\"9f86d081884c7d659a2feaa0c55ad015\"")]
    pub summary_etag: String,
}

/// What there is to tell.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Signal)]
pub struct SignalOut {
    /// `failed`, a step did, or the run without one; `started`, the first step began; `blocked`, somebody is asked; else how
    /// the run ended: `succeeded` or `canceled`. More may come.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "started")]
    kind: &'static str,
    /// The job type of the step, or what it is: `graph` or `approval`; `run` for the run's own end.
    stage: String,
    /// The step's name; null: it is the run's own end.
    step: Option<String>,
    /// The same in a sentence.
    message: String,
    /// When.
    at: Moment,
    /// An output of the step that failed.
    artifact: Option<ArtifactBody>,
}

/// Gets the first thing of a run that is worth telling: a step that failed; else the first that began; else that
/// somebody is asked; else the run's end.
#[utoipa::path(
    get, path = "/runs/{id}/first-signal", tag = "runs",
    params(
        ("id" = inline(RunIdText), Path, description = "The run"),
        ("If-None-Match" = Option<String>, Header, description = "ETags of what is known already, separated by commas"),
    ),
    responses(
        (status = 200, body = FirstSignalOut, description = "The signal", headers(
            ("ETag" = String, description = "Of what it says, weak"),
            ("Cache-Control" = String, description = "`private, max-age=60`"),
            ("Cache-Status" = String, description = "`hit`: out of the owner's memory; `miss`: out of the ledger"),
            ("X-FirstSignal-Source" = String, description = "`snapshot` or `cold_start`, in the same sense"),
        )),
        (status = 204, description = "There is nothing to tell yet"),
        (status = 304, description = "It is known already"),
    )
)]
pub async fn get_first_signal(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let view = find(&app, &caller, &id).await?;
    let (run_id, in_memory) = (view.row.id, view.open.is_some());
    let Some(first_signal) = signal(&app, &caller, view).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let content =
        serde_json::to_value((run_id, &first_signal)).map_err(|error| Problem::internal(&error.to_string()))?;
    let tag = format!("W/\"{}\"", &sha256_hex(canonical(&content).as_bytes())[..32]);
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(FirstSignalOut { run_id, first_signal, summary_etag: tag.clone() }).into_response()
    };
    let (status, source) = if in_memory { ("hit", "snapshot") } else { ("miss", "cold_start") };
    let told = response.headers_mut();
    told.insert(ETAG, HeaderValue::try_from(tag).map_err(|error| Problem::internal(&error.to_string()))?);
    told.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    told.insert(CACHE_STATUS, HeaderValue::from_static(status));
    told.insert(SOURCE, HeaderValue::from_static(source));
    Ok(response)
}

/// Whether the caller has this already. Tags are compared weakly (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let sent = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = sent.flat_map(|value| value.split(','));
    tags.any(|sent| sent.trim() == "*" || opaque(sent) == opaque(tag))
}

/// A step of the run with what is known of it. What was kept of a run before says nothing of this one.
struct Known<'a> {
    no: StepNo,
    step: &'a Step,
    course: &'a StepCourse,
}

fn steps<'a>(plan: &'a Plan, course: &'a RunCourse) -> Vec<Known<'a>> {
    let known = plan.order().iter().filter_map(|no| {
        let course = course.steps.get(no.place()).filter(|course| course.kept_of.is_none())?;
        Some(Known { no: *no, step: plan.step(*no), course })
    });
    known.collect()
}

async fn signal(app: &AppState, caller: &Caller, view: RunView) -> Result<Option<SignalOut>, Problem> {
    let (standing, ended_at) = (view.standing, view.ended_at);
    let (plan, course) = planned(view)?;
    let known = steps(&plan, &course);
    let failed = known.iter().filter(|of| course.run.end_of(of.no) == Some(End::Failed));
    if let Some(of) = failed.min_by_key(|of| of.course.ended_at) {
        return failure(app, caller, of).await.map(Some);
    }
    let asks = |of: &&Known<'_>| matches!(of.step.kind, StepKind::Approval(_));
    let began = |of: &Known<'_>| of.course.began_at;
    if let Some((of, at)) = first(known.iter().filter(|of| !asks(of)), began) {
        return Ok(Some(of_step("started", of, format!("`{}` began", of.step.name), at)));
    }
    let waits = known.iter().filter(asks).filter(|of| course.run.state(of.no) == Some(StepState::UnderWay));
    if let Some((of, at)) = first(waits, began) {
        return Ok(Some(of_step("blocked", of, format!("`{}` waits for a decision", of.step.name), at)));
    }
    Ok(ended_at.map(|at| SignalOut {
        kind: standing.as_str(),
        stage: "run".to_owned(),
        step: None,
        message: format!("the run is {}", standing.as_str()),
        at: Moment(at),
        artifact: None,
    }))
}

/// The one that was earliest.
fn first<'a, 'b>(
    of: impl Iterator<Item = &'b Known<'a>>,
    at: impl Fn(&Known<'a>) -> Option<Timestamp>,
) -> Option<(&'b Known<'a>, Timestamp)>
where
    'a: 'b,
{
    of.filter_map(|known| Some((known, at(known)?))).min_by_key(|(_, at)| *at)
}

fn of_step(kind: &'static str, of: &Known<'_>, message: String, at: Timestamp) -> SignalOut {
    let stage = of.step.job_type.clone().unwrap_or_else(|| of.step.kind.as_str().to_owned());
    SignalOut { kind, stage, step: Some(of.step.name.clone()), message, at: Moment(at), artifact: None }
}

/// A step that failed, with what its job says of it.
async fn failure(app: &AppState, caller: &Caller, of: &Known<'_>) -> Result<SignalOut, Problem> {
    let view = match of.course.job {
        Some(job) => app.engine().job(caller.tenant(), job).await?,
        None => None,
    };
    let output = view.map(|view| view.output).unwrap_or_default();
    let fault = of.course.fault.and_then(|fault| serde_json::to_value(fault).ok()?.as_str().map(str::to_owned));
    let error = output.error.map(|error| format!("{}: {}", error.code, error.message));
    let why = error.or_else(|| of.course.note.clone()).or(fault).map(|why| format!(": {why}")).unwrap_or_default();
    let at = of.course.ended_at.or(of.course.began_at).unwrap_or(Timestamp::ZERO);
    let artifact = output.artifacts.into_iter().next().map(ArtifactBody::from);
    Ok(SignalOut { artifact, ..of_step("failed", of, format!("`{}` failed{why}", of.step.name), at) })
}
