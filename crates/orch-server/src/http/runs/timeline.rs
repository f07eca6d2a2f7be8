//! The timeline of a run: what each of its jobs did when, out of the jobs' facts.

use axum::extract::State;
use orch_core::fact::{Fact, NextTry, Record};
use orch_core::job::AttemptOutcome;
use orch_core::{JobId, JobState, Timestamp};
use orch_dispatch::answer::Gate;
use orch_engine::{JobFilter, JobView};
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::access::{Caller, Scope, require};
use crate::http::cursor::List;
use crate::http::error::Problem;
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::{JobIdText, LimitNumber, RunIdText};
use crate::http::words::{Moment, PageOut, SegmentKindWord, StateWord};
use crate::state::AppState;

/// A job of a run, and what it did when.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineOut {
    /// The name of its step; null: the graph is not kept any more.
    pub step: Option<String>,
    /// The item's place in the list, from 0, where the step is a map.
    pub index: Option<u32>,
    /// The job.
    #[schema(value_type = JobIdText)]
    pub job: JobId,
    /// Its type.
    pub job_type: String,
    /// Its state.
    #[schema(value_type = StateWord)]
    pub state: JobState,
    /// Without gaps, from its beginning on.
    pub segments: Vec<SegmentOut>,
}

/// A stretch of a job's life.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SegmentOut {
    /// What it did: `blocked` by other jobs, `scheduled` for a moment, `waiting` in its lane, `held` with its run, `leased`
    /// to a worker that has not acknowledged it, `running`, or in `backoff`. More may come.
    #[schema(value_type = SegmentKindWord)]
    pub kind: &'static str,
    /// Since when.
    pub from: Moment,
    /// Until when; null: it still does.
    pub to: Option<Moment>,
    /// The attempt, where one was under way.
    pub attempt: Option<u32>,
    /// How the attempt ended.
    #[schema(value_type = Option<String>, example = "succeeded")]
    pub outcome: Option<AttemptOutcome>,
    /// The first gate that holds it now; only where it waits now.
    #[schema(value_type = Option<String>, example = "bucket")]
    pub gate: Option<Gate>,
}

/// The words for what a job does in a segment.
pub const SEGMENT_KINDS: [&str; 7] = ["blocked", "scheduled", "waiting", "held", "leased", "running", "backoff"];

/// The segments that a job's facts tell of, in order; the last of an open job has no end.
fn segments(history: &[Record]) -> Vec<SegmentOut> {
    let mut segments: Vec<SegmentOut> = Vec::new();
    let mut go_on = |at: Timestamp, outcome: Option<AttemptOutcome>, next: Option<(&'static str, Option<u32>)>| {
        if let Some(last) = segments.last_mut().filter(|last| last.to.is_none()) {
            (last.to, last.outcome) = (Some(Moment(at)), outcome);
        }
        if let Some((kind, attempt)) = next {
            segments.push(SegmentOut { kind, from: Moment(at), to: None, attempt, outcome: None, gate: None });
        }
    };
    for record in history {
        let at = record.at;
        match &record.body {
            Fact::JobEnqueued { state, .. } => {
                let kind = match state {
                    JobState::Blocked => "blocked",
                    JobState::Scheduled => "scheduled",
                    _ => "waiting",
                };
                go_on(at, None, Some((kind, None)));
            }
            Fact::JobReady { .. } => go_on(at, None, Some(("waiting", None))),
            Fact::JobScheduled { .. } => go_on(at, None, Some(("scheduled", None))),
            Fact::LeaseGranted { attempt, auto_ack, .. } => {
                go_on(at, None, Some((if *auto_ack { "running" } else { "leased" }, Some(*attempt))));
            }
            Fact::LeaseAcked { attempt, .. } => go_on(at, None, Some(("running", Some(*attempt)))),
            Fact::AttemptEnded { outcome, next, .. } => {
                let kind = if matches!(next, NextTry::Now) { "waiting" } else { "backoff" };
                go_on(at, Some(*outcome), Some((kind, None)));
            }
            Fact::JobFinished { outcome, .. } => go_on(at, *outcome, None),
            _ => {}
        }
    }
    segments
}

/// Parts the last segment of a job that waits at the moment from which on its run is held.
fn held_since(segments: &mut Vec<SegmentOut>, paused: Timestamp) {
    let Some(last) = segments.last_mut().filter(|last| last.kind == "waiting" && last.to.is_none()) else { return };
    if last.from.0 >= paused {
        last.kind = "held";
        return;
    }
    last.to = Some(Moment(paused));
    segments.push(SegmentOut {
        kind: "held",
        from: Moment(paused),
        to: None,
        attempt: None,
        outcome: None,
        gate: None,
    });
}

/// Lists the jobs of a run, newest first, with what each did when.
///
/// A page may be short, even empty, while `next_cursor` is there: follow it until it is null.
#[utoipa::path(
    get, path = "/runs/{id}/timeline", tag = "runs",
    params(
        ("id" = inline(RunIdText), Path, description = "The run"),
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<TimelineOut>, description = "A page"))
)]
pub async fn get_run_timeline(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<PageOut<TimelineOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let list = List::new("timeline", app.engine().incarnation().await?, caller.tenant(), &[&id]);
    let page = params.page::<JobId>(&list)?;
    params.finish()?;
    let run = find(&app, &caller, &id).await?;
    let filter = JobFilter { run: Some(run.row.id), before: page.from, limit: page.limit, ..JobFilter::default() };
    let (jobs, next) = app.engine().jobs(caller.tenant(), &filter).await?;
    let paused = run.open.as_ref().and_then(|open| open.paused.as_ref()).map(|pause| pause.at);
    let mut items = Vec::with_capacity(jobs.len());
    for job in jobs {
        let step = job.extra.part.and_then(|part| run.graph.as_ref()?.steps.get(part.step.place()));
        let step = step.map(|step| step.name.clone());
        items.push(item(&app, &caller, job, step, paused).await?);
    }
    Ok(Json(PageOut { items, next_cursor: next.map(|id| list.close(&id)) }))
}

async fn item(
    app: &AppState,
    caller: &Caller,
    job: JobView,
    step: Option<String>,
    paused: Option<Timestamp>,
) -> Result<TimelineOut, Problem> {
    let tenant = caller.tenant();
    let id = job.row.id;
    let history = app.engine().job_history(tenant, id).await?.unwrap_or_default();
    let mut segments = segments(&history);
    if let Some(paused) = paused {
        held_since(&mut segments, paused);
    }
    if let Some(last) = segments.last_mut().filter(|last| last.to.is_none() && job.open.is_some()) {
        last.gate = match job.state {
            JobState::Blocked => Some(Gate::Dependencies),
            JobState::Scheduled => Some(Gate::Time),
            JobState::Ready => {
                let explained = app.engine().explain_lane(tenant, job.lane_no, Some((id, job.row.seq))).await?;
                explained.and_then(|explained| explained.holds.first().map(|hold| hold.gate))
            }
            _ => None,
        };
    }
    Ok(TimelineOut {
        step,
        index: job.extra.part.and_then(|part| part.index),
        job: id,
        job_type: job.lane.job_type,
        state: job.state,
        segments,
    })
}
