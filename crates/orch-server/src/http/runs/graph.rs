//! The graph of a run: where each of its steps is, and which of them decide how long it takes.

use axum::extract::State;
use orch_core::graph::Trigger;
use orch_core::ids::RunId;
use orch_core::run::{End, Fault, SkipReason, StepCourse};
use orch_core::{JobId, StepNo, Timestamp};
use orch_graph::run::StepState;
use serde::Serialize;
use utoipa::ToSchema;

use super::{find, planned};
use crate::access::{Caller, Scope, require};
use crate::http::error::Problem;
use crate::http::graphs::{ConditionBody, chains};
use crate::http::json::Json;
use crate::http::query::Query;
use crate::http::segment::Segment;
use crate::http::texts::{JobIdText, RunIdText};
use crate::http::words::{Moment, StepKindWord, StepStateWord, TriggerWord};
use crate::state::AppState;

/// The graph of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunGraphOut {
    /// Its steps, in the plan's order.
    pub nodes: Vec<RunNodeOut>,
    /// Which comes after which.
    pub edges: Vec<EdgeOut>,
    /// Steps that follow each other and decide how long it takes; from what is known so far.
    pub critical_path: Vec<String>,
    /// How long they take together.
    pub total_ms: u64,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunNodeOut {
    /// Its name.
    pub step: String,
    /// What it does: `job`, `map`, `graph` or `approval`. More may come.
    #[schema(value_type = StepKindWord)]
    pub kind: &'static str,
    /// The type of its jobs.
    pub job_type: Option<String>,
    /// How what is before it must have ended.
    #[schema(value_type = TriggerWord)]
    pub trigger: Trigger,
    /// Where it is. More states may come.
    #[schema(value_type = StepStateWord)]
    pub state: &'static str,
    /// Why it was skipped.
    #[schema(value_type = Option<String>, example = "upstream_failed")]
    pub skip_reason: Option<SkipReason>,
    /// Edges on the longest way to it from a step with nothing before it.
    pub level: u32,
    /// Which of the parts that have nothing to do with each other has it, from 0.
    pub chain: usize,
    /// When it began.
    pub began_at: Option<Moment>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Its job; of a map the last that was made.
    #[schema(value_type = Option<JobIdText>)]
    pub job: Option<JobId>,
    /// Jobs that were made.
    pub jobs: u32,
    /// The run that it is.
    #[schema(value_type = Option<RunIdText>)]
    pub run: Option<RunId>,
    /// Why it ended without a job: `list_missing`, `no_list`, `list_too_long`, `refused` or `run_canceled`. More may come.
    #[schema(value_type = Option<String>, example = "list_too_long")]
    pub fault: Option<Fault>,
    /// More about a fault, or what was said of an approval.
    pub note: Option<String>,
    /// Who decided an approval.
    pub by: Option<String>,
    /// An approval is waited for until then.
    pub until: Option<Moment>,
    /// The ended run of which this was kept, where it did not run again.
    #[schema(value_type = Option<RunIdText>)]
    pub kept_of: Option<RunId>,
    /// How long it took, or is under way; 0 for what has not begun.
    pub duration_ms: u64,
    /// How much longer it could take without the run taking longer.
    pub slack_ms: u64,
    /// It is on the critical path.
    pub critical: bool,
}

/// One step comes after another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunEdge)]
pub struct EdgeOut {
    /// The step before.
    pub from: String,
    /// The step after.
    pub to: String,
    /// What the result of the step before must be.
    pub when: Option<ConditionBody>,
}

/// The words for where a step is.
pub const STEP_STATES: [&str; 7] = ["waiting", "running", "succeeded", "failed", "canceled", "skipped", "passed_over"];

/// The words of kinds of steps.
pub const STEP_KINDS: [&str; 4] = ["job", "map", "graph", "approval"];

fn word(state: StepState) -> (&'static str, Option<SkipReason>) {
    match state {
        StepState::Waiting(_) => ("waiting", None),
        StepState::UnderWay => ("running", None),
        StepState::PassedOver(_) => ("passed_over", None),
        StepState::Ended(End::Succeeded) => ("succeeded", None),
        StepState::Ended(End::Failed) => ("failed", None),
        StepState::Ended(End::Canceled) => ("canceled", None),
        StepState::Ended(End::Skipped(reason)) => ("skipped", Some(reason)),
    }
}

fn duration_ms(course: &StepCourse, now: Timestamp) -> u64 {
    course.began_at.map_or(0, |began| course.ended_at.unwrap_or(now).ms_since(began))
}

/// Gets the graph of a run: where each step is, and which of them decide how long it takes.
#[utoipa::path(
    get, path = "/runs/{id}/graph", tag = "runs",
    params(("id" = inline(RunIdText), Path, description = "The run")),
    responses((status = 200, body = RunGraphOut, description = "Its steps, what comes after what, and the critical path"))
)]
pub async fn get_run_graph(
    State(app): State<AppState>,
    caller: Caller,
    Segment(id): Segment,
    query: Query,
) -> Result<Json<RunGraphOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let view = find(&app, &caller, &id).await?;
    let (plan, course) = planned(view)?;
    let now = app.engine().now();
    let took_ms = |step: StepNo| course.steps.get(step.place()).map_or(0, |course| duration_ms(course, now));
    let critical = plan.critical_path(took_ms);
    let (_, chain_of) = chains(&plan);
    let node = |no: &StepNo| {
        let step = plan.step(*no);
        let known = course.steps.get(no.place()).cloned().unwrap_or_default();
        let (state, skip_reason) = course.run.state(*no).map_or(("waiting", None), word);
        RunNodeOut {
            step: step.name.clone(),
            kind: step.kind.as_str(),
            job_type: step.job_type.clone(),
            trigger: step.trigger,
            state,
            skip_reason,
            level: plan.level(*no),
            chain: chain_of[no.place()],
            began_at: known.began_at.map(Moment),
            ended_at: known.ended_at.map(Moment),
            job: known.job,
            jobs: known.jobs,
            run: known.run,
            fault: known.fault,
            duration_ms: duration_ms(&known, now),
            note: known.note,
            by: known.by,
            until: known.until.map(Moment),
            kept_of: known.kept_of,
            slack_ms: critical.timings[no.place()].slack_ms(),
            critical: critical.path.contains(no),
        }
    };
    let nodes = plan.order().iter().map(node).collect();
    let edges_to = |no: &StepNo| {
        let step = plan.step(*no);
        step.after.iter().map(|edge| EdgeOut {
            from: edge.step.clone(),
            to: step.name.clone(),
            when: edge.when.clone().map(ConditionBody::from),
        })
    };
    let edges = plan.order().iter().flat_map(edges_to).collect();
    let critical_path = critical.path.iter().map(|step| plan.step(*step).name.clone()).collect();
    Ok(Json(RunGraphOut { nodes, edges, critical_path, total_ms: critical.total_ms }))
}
