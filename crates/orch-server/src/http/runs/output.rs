//! Runs as shown.

use std::collections::BTreeMap;

use orch_core::ids::RunId;
use orch_core::port::RunRow;
use orch_core::run::RunTrigger;
use orch_dispatch::answer::Stopped;
use orch_engine::{RunStanding, RunView};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::jobs::output::{FiringRefOut, WindowOfOut};
use crate::http::texts::RunIdText;
use crate::http::words::{Moment, RunStateWord, RunTriggerWord};

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunOut {
    /// The id.
    #[schema(value_type = RunIdText)]
    pub id: RunId,
    /// The name of its graph.
    pub graph: String,
    /// The graph's version; null: it came with the call.
    pub version: Option<u64>,
    /// Where it is in its life. More states may come.
    #[serde(serialize_with = "word")]
    #[schema(value_type = RunStateWord)]
    pub state: RunStanding,
    /// What asked for it. More may come.
    #[schema(value_type = RunTriggerWord)]
    pub trigger: RunTrigger,
    /// When it began.
    pub created_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Who asked for it; null: a schedule did, or a step of another run that nobody asked for.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Correlates what has one cause.
    pub correlation_id: Option<String>,
    /// Its inputs.
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// The project of its jobs, where steps do not say another.
    pub project: Option<String>,
    /// The caller's token.
    pub run_token: Option<String>,
    /// The step of another run that it is.
    pub parent: Option<RunParentOut>,
    /// The ended run that it repairs.
    #[schema(value_type = Option<RunIdText>)]
    pub repairs: Option<RunId>,
    /// The firing that asked for it, if a schedule did.
    pub firing: Option<FiringRefOut>,
    /// The window of a backfill that it reads, if it reads one.
    pub window: Option<WindowOfOut>,
    /// How many of its steps ended how, so far. Lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepCountsOut>,
    /// Its open jobs.
    pub open_jobs: u64,
    /// Who asked for its end; null: nobody, or it has ended.
    pub canceled: Option<StoppedOut>,
    /// Who holds it; null: nobody.
    pub paused: Option<StoppedOut>,
}

/// The step of another run that a run is.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunParentOut {
    /// The other run.
    #[schema(value_type = RunIdText)]
    pub run: RunId,
    /// The step's number: its place in the list of that graph's steps, from 0.
    pub step_no: u32,
}

/// How many steps ended how.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepCountsOut {
    /// All of them, ended or not.
    pub total: usize,
    /// Succeeded.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Canceled.
    pub canceled: u32,
    /// Skipped.
    pub skipped: u32,
}

/// Who held or ended something, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoppedOut {
    /// Who: a token's id.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Moment,
}

fn word<S: Serializer>(standing: &RunStanding, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(standing.as_str())
}

impl From<Stopped> for StoppedOut {
    fn from(Stopped { by, reason, at }: Stopped) -> Self {
        Self { by, reason, at: Moment(at) }
    }
}

impl From<RunView> for RunOut {
    fn from(view: RunView) -> Self {
        let counts = view.course.as_ref().map(|course| course.run.counts());
        let steps = counts.zip(view.graph.as_ref()).map(|(counts, graph)| StepCountsOut {
            total: graph.steps.len(),
            succeeded: counts.succeeded,
            failed: counts.failed,
            canceled: counts.canceled,
            skipped: counts.skipped,
        });
        let RunRow { id, at, graph, version, spec, .. } = view.row;
        let open_jobs = view.open.as_ref().map_or(0, |open| open.open_jobs);
        let (canceled, paused) = view.open.map(|open| (open.canceled, open.paused)).unwrap_or_default();
        Self {
            id,
            graph,
            version: (version > 0).then_some(version),
            state: view.standing,
            trigger: spec.trigger,
            created_at: Moment(at),
            ended_at: view.ended_at.map(Moment),
            by: spec.by,
            reason: spec.reason,
            correlation_id: spec.correlation_id,
            inputs: serde_json::from_str(&spec.inputs).unwrap_or_default(),
            labels: spec.labels,
            project: spec.project,
            run_token: spec.token,
            parent: spec.parent.map(|parent| RunParentOut { run: parent.run, step_no: parent.step.0 }),
            repairs: spec.repairs.map(|repairs| repairs.of),
            firing: spec.firing.as_ref().map(FiringRefOut::from),
            window: spec.window.map(WindowOfOut::from),
            steps,
            open_jobs,
            canceled: canceled.map(StoppedOut::from),
            paused: paused.map(StoppedOut::from),
        }
    }
}
