//! Runs of graphs as they are asked for and as they are shown, and the words around them. Calls are in `runs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::artifact::ArtifactRef;
use crate::backfill::WindowOf;
use crate::graph::{Condition, Graph, Trigger};
use crate::id::{JobId, RunId};
use crate::job::{AttemptOutcome, JobState};
use crate::schedule::Firing;
use crate::word::words;

words! {
    /// Where a run is in its life. The last three are final.
    RunState {
        /// It goes on.
        Running = "running",
        /// Somebody holds it.
        Paused = "paused",
        /// Somebody asked for its end, and something of it is still under way.
        Canceling = "canceling",
        /// Each step that failed was handled, and none was canceled.
        Succeeded = "succeeded",
        /// A step failed, and its failure was not handled.
        Failed = "failed",
        /// Ended on request, or a step of it was.
        Canceled = "canceled",
    }
}

impl RunState {
    /// Final is final.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

words! {
    /// What asked for a run.
    RunTrigger {
        /// Somebody.
        Manual = "manual",
        /// A schedule.
        Schedule = "schedule",
        /// Something that happened elsewhere.
        Event = "event",
        /// A backfill.
        Backfill = "backfill",
        /// A repair of an ended run.
        Replay = "replay",
        /// A step of another run.
        Step = "step",
    }
}

words! {
    /// What a step does when it starts.
    StepKind {
        /// One job.
        Job = "job",
        /// A job for each item of a list.
        Map = "map",
        /// A run of another graph.
        Graph = "graph",
        /// Asks somebody.
        Approval = "approval",
    }
}

words! {
    /// Where a step of a run is.
    StepState {
        /// It waits for what is before it.
        Waiting = "waiting",
        /// It is under way.
        Running = "running",
        /// Done.
        Succeeded = "succeeded",
        /// Without success.
        Failed = "failed",
        /// Ended on request.
        Canceled = "canceled",
        /// It never began.
        Skipped = "skipped",
        /// It is disabled.
        PassedOver = "passed_over",
    }
}

words! {
    /// What a job does in a stretch of its life.
    SegmentKind {
        /// Waits for other jobs.
        Blocked = "blocked",
        /// Waits for a moment.
        Scheduled = "scheduled",
        /// Waits in its lane.
        Waiting = "waiting",
        /// Waits because its run is held.
        Held = "held",
        /// Handed out, not yet acknowledged.
        Leased = "leased",
        /// A worker has it.
        Running = "running",
        /// Waits for another try.
        Backoff = "backoff",
    }
}

/// A run that is asked for.
#[derive(Debug, Clone, Serialize)]
pub struct NewRun {
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Graph>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    inputs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl NewRun {
    /// A run of a declared graph.
    #[must_use]
    pub fn of(graph: impl Into<String>) -> Self {
        Self::new(Some(graph.into()), None)
    }

    /// A run of a graph that is not declared.
    #[must_use]
    pub fn defined(graph: Graph) -> Self {
        Self::new(None, Some(Graph { version: None, updated_at: None, ..graph }))
    }

    fn new(graph: Option<String>, definition: Option<Graph>) -> Self {
        Self {
            graph,
            definition,
            inputs: Map::new(),
            run_token: None,
            project: None,
            labels: BTreeMap::new(),
            correlation_id: None,
            reason: None,
        }
    }

    /// With one input more.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.inputs.insert(name.into(), value.into());
        self
    }

    /// With these inputs, over those of the same names.
    #[must_use]
    pub fn inputs(mut self, inputs: Map<String, Value>) -> Self {
        self.inputs.extend(inputs);
        self
    }

    /// The same token, graph, version and inputs are the same run.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.run_token = Some(token.into());
        self
    }

    /// Its jobs are in this project, where steps do not say another.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// With one label more; its jobs have the same.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Correlates what has one cause; its jobs have the same.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Why; kept in history.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// A repair of an ended run: a new run that keeps how some of its steps ended. Steps that use an input with another
/// value run again in any case, with all after them.
#[derive(Debug, Clone, Serialize)]
pub struct Rerun {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    inputs: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Rerun {
    /// What failed or was canceled; and directly after something that runs again what was skipped or waits for
    /// failures.
    #[must_use]
    pub fn only_failed() -> Self {
        Self::new("only_failed", None)
    }

    /// What failed or was canceled, and all after it.
    #[must_use]
    pub fn downstream() -> Self {
        Self::new("downstream", None)
    }

    /// One step and all after it; what else failed stays failed.
    #[must_use]
    pub fn from_step(step: impl Into<String>) -> Self {
        Self::new("from_step", Some(step.into()))
    }

    fn new(kind: &'static str, step: Option<String>) -> Self {
        Self { kind, step, inputs: Map::new(), run_token: None, reason: None }
    }

    /// With another value of an input; the others stay as they were.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.inputs.insert(name.into(), value.into());
        self
    }

    /// The same token, graph, version and inputs are the same run.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.run_token = Some(token.into());
        self
    }

    /// Why; kept in history.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// A run as the server shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOut {
    /// The id.
    pub id: RunId,
    /// The name of its graph.
    #[serde(default)]
    pub graph: String,
    /// The graph's version; `None`: it came with the call.
    #[serde(default)]
    pub version: Option<u64>,
    /// Where it is in its life.
    pub state: RunState,
    /// What asked for it.
    #[serde(default = "manual")]
    pub trigger: RunTrigger,
    /// When it began.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Who asked for it; `None`: a schedule did, or a step of another run.
    #[serde(default)]
    pub by: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Correlates what has one cause.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Its inputs.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The project of its jobs, where steps do not say another.
    #[serde(default)]
    pub project: Option<String>,
    /// The caller's token.
    #[serde(default)]
    pub run_token: Option<String>,
    /// The step of another run that it is.
    #[serde(default)]
    pub parent: Option<RunParent>,
    /// The ended run that it repairs.
    #[serde(default)]
    pub repairs: Option<RunId>,
    /// The firing that asked for it, if a schedule did.
    #[serde(default)]
    pub firing: Option<Firing>,
    /// The window of a backfill that it reads, if it reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowOf>,
    /// How many of its steps ended how, so far. Lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepCounts>,
    /// Its open jobs.
    #[serde(default)]
    pub open_jobs: u64,
    /// Who asked for its end; `None`: nobody, or it has ended.
    #[serde(default)]
    pub canceled: Option<Stopped>,
    /// Who holds it; `None`: nobody.
    #[serde(default)]
    pub paused: Option<Stopped>,
}

fn manual() -> RunTrigger {
    RunTrigger::Manual
}

/// The step of another run that a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunParent {
    /// The other run.
    pub run: RunId,
    /// The step's place in the list of that graph's steps, from 0.
    #[serde(default)]
    pub step_no: u32,
}

/// Which part of which run a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPart {
    /// The run.
    pub run: RunId,
    /// The step's place in the list of the graph's steps, from 0.
    #[serde(default)]
    pub step_no: u32,
    /// The item's place in the list, from 0, where the step is a map.
    #[serde(default)]
    pub index: Option<u32>,
}

/// How many steps of a run ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepCounts {
    /// All of them, ended or not.
    pub total: u32,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Which runs a list shows. An empty one shows all, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Of this graph.
    pub graph: Option<String>,
    /// In this state.
    pub state: Option<RunState>,
    /// At most so many; `None`: the server's default.
    pub limit: Option<u32>,
    /// Where the page begins: the `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The graph of a run: where each of its steps is, and which of them decide how long it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunGraph {
    /// Its steps, each after those before it.
    pub nodes: Vec<RunNode>,
    /// Which comes after which.
    pub edges: Vec<RunEdge>,
    /// Steps that follow each other and decide how long it takes; from what is known so far.
    pub critical_path: Vec<String>,
    /// How long they take together.
    pub total_ms: u64,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNode {
    /// Its name.
    pub step: String,
    /// What it does.
    pub kind: StepKind,
    /// The type of its jobs.
    #[serde(default)]
    pub job_type: Option<String>,
    /// How what is before it must have ended.
    #[serde(default)]
    pub trigger: Trigger,
    /// Where it is.
    pub state: StepState,
    /// Why it was skipped: `upstream_failed`, `nothing_failed`, … More may come.
    #[serde(default)]
    pub skip_reason: Option<String>,
    /// Edges on the longest way to it from a step with nothing before it.
    #[serde(default)]
    pub level: u32,
    /// Which of the parts that have nothing to do with each other has it, from 0.
    #[serde(default)]
    pub chain: usize,
    /// When it began.
    #[serde(default)]
    pub began_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Its job; of a map the last that was made.
    #[serde(default)]
    pub job: Option<JobId>,
    /// Jobs that were made.
    #[serde(default)]
    pub jobs: u32,
    /// The run that it is.
    #[serde(default)]
    pub run: Option<RunId>,
    /// Why it ended without a job: `list_missing`, `refused`, … More may come.
    #[serde(default)]
    pub fault: Option<String>,
    /// More about a fault, or what was said of an approval.
    #[serde(default)]
    pub note: Option<String>,
    /// Who decided an approval.
    #[serde(default)]
    pub by: Option<String>,
    /// An approval is waited for until then.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The ended run of which this was kept, where it did not run again.
    #[serde(default)]
    pub kept_of: Option<RunId>,
    /// How long it took, or is under way; 0 for what has not begun.
    #[serde(default)]
    pub duration_ms: u64,
    /// How much longer it could take without the run taking longer.
    #[serde(default)]
    pub slack_ms: u64,
    /// It is on the critical path.
    #[serde(default)]
    pub critical: bool,
}

/// One step of a run comes after another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEdge {
    /// The step before.
    pub from: String,
    /// The step after.
    pub to: String,
    /// What the result of the step before must be.
    #[serde(default)]
    pub when: Option<Condition>,
}

/// A job of a run, and what it did when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineItem {
    /// The name of its step; `None`: the graph is not kept any more.
    #[serde(default)]
    pub step: Option<String>,
    /// The item's place in the list, from 0, where the step is a map.
    #[serde(default)]
    pub index: Option<u32>,
    /// The job.
    pub job: JobId,
    /// Its type.
    #[serde(default)]
    pub job_type: String,
    /// Its state.
    pub state: JobState,
    /// Without gaps, from its beginning on.
    #[serde(default)]
    pub segments: Vec<Segment>,
}

/// A stretch of a job's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What it did.
    pub kind: SegmentKind,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None`: it still does.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// The attempt, where one was under way.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// How the attempt ended.
    #[serde(default)]
    pub outcome: Option<AttemptOutcome>,
    /// The first gate that holds it now; only where it waits now.
    #[serde(default)]
    pub gate: Option<String>,
}

/// The first thing of a run that is worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstSignal {
    /// The run.
    pub run_id: RunId,
    /// The signal.
    pub first_signal: Signal,
    /// Changes when the signal does.
    #[serde(default)]
    pub summary_etag: String,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// `failed`, `started`, `blocked`; or how the run ended: `succeeded`, `canceled`. More may come.
    #[serde(rename = "type")]
    pub kind: String,
    /// The job type of the step, or what it is: `graph` or `approval`; `run` for the run's own end.
    #[serde(default)]
    pub stage: String,
    /// The step's name; `None`: it is the run's own end.
    #[serde(default)]
    pub step: Option<String>,
    /// The same in a sentence.
    #[serde(default)]
    pub message: String,
    /// When.
    pub at: Timestamp,
    /// An output of the step that failed.
    #[serde(default)]
    pub artifact: Option<ArtifactRef>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::Step;

    #[test]
    fn what_is_asked_for_says_what_was_set_and_no_more() {
        assert_eq!(serde_json::to_value(NewRun::of("kev")).unwrap(), json!({"graph": "kev"}));
        let Value::Object(others) = json!({"since": "2026-01-01", "full": true}) else { unreachable!() };
        let run = NewRun::of("kev").input("since", "2025-01-01").inputs(others).token("t").label("team", "feeds");
        let run = run.project("p").correlation_id("c").reason("why");
        let wire = json!({
            "graph": "kev", "inputs": {"since": "2026-01-01", "full": true}, "run_token": "t", "project": "p",
            "labels": {"team": "feeds"}, "correlation_id": "c", "reason": "why",
        });
        assert_eq!(serde_json::to_value(run).unwrap(), wire);
        let graph = Graph { version: Some(3), ..Graph::named("own").step(Step::job("a", "t")) };
        let own = serde_json::to_value(NewRun::defined(graph)).unwrap();
        assert_eq!((&own["definition"]["name"], own["definition"].get("version")), (&json!("own"), None));
    }

    #[test]
    fn a_repair_says_how_far_it_goes() {
        assert_eq!(serde_json::to_value(Rerun::only_failed()).unwrap(), json!({"kind": "only_failed"}));
        let rerun = Rerun::from_step("fetch").input("since", 3).token("t").reason("why");
        let wire = json!({
            "kind": "from_step", "step": "fetch", "inputs": {"since": 3}, "run_token": "t", "reason": "why",
        });
        assert_eq!(serde_json::to_value(rerun).unwrap(), wire);
    }

    #[test]
    fn a_run_is_read_with_what_is_there() {
        let wire = json!({
            "id": "run_0198f2f0a1b27c3d8e4f5a6b7c8d9e0f", "graph": "kev", "version": null, "state": "canceling",
            "trigger": "comet", "created_at": "2026-01-14T00:00:00Z", "inputs": {"n": 1}, "open_jobs": 2,
            "parent": {"run": "run_0198f2f0a1b27c3d8e4f5a6b7c8d9e00", "step_no": 4}, "later": [],
            "canceled": {"by": "tok", "reason": null, "at": "2026-01-14T00:00:01Z"},
            "steps": {"total": 3, "succeeded": 1, "failed": 0, "canceled": 0, "skipped": 0},
        });
        let run: RunOut = serde_json::from_value(wire).unwrap();
        assert!(!run.state.is_final() && run.version.is_none());
        assert_eq!(run.trigger, RunTrigger::Unknown("comet".to_owned()));
        assert_eq!(run.parent.map(|parent| parent.step_no), Some(4));
        assert_eq!(run.steps.map(|steps| (steps.total, steps.succeeded)), Some((3, 1)));
        let least = json!({"id": "run_0198f2f0a1b27c3d8e4f5a6b7c8d9e0f", "state": "failed"});
        assert!(serde_json::from_value::<RunOut>(least).unwrap().state.is_final());
    }

    #[test]
    fn a_signal_is_read_by_the_names_it_has() {
        let wire = json!({
            "runId": "run_0198f2f0a1b27c3d8e4f5a6b7c8d9e0f", "summaryEtag": "W/\"1\"",
            "firstSignal": {
                "type": "started", "stage": "feeds.list", "step": "list", "message": "`list` began",
                "at": "2026-01-14T00:00:00Z", "artifact": null,
            },
        });
        let found: FirstSignal = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(found.first_signal.kind, "started");
        assert_eq!(serde_json::to_value(found).unwrap(), wire);
    }
}
