//! Reading runs: what the owner's memory knows of open ones, and what the ledger holds of those that ended. And what a
//! repair of an ended run keeps of it.

use std::collections::BTreeMap;

use orch_core::StepNo;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::graph::{Graph, StepKind};
use orch_core::ids::{RunId, TenantNo};
use orch_core::limits;
use orch_core::port::{RunEndRow, RunFound, RunPageParams, RunRow};
use orch_core::refusal::{Code, Refusal};
use orch_core::run::{Counts, Repairs, RunOutcome, RunSpec, RunTrigger, StepCourse};
use orch_core::time::Timestamp;
use orch_dispatch::answer::{FoundGraph, OpenRunFound, RunState};
use orch_dispatch::command::{NewRun, Read, WhichGraph};
use orch_dispatch::run::RunCourse;
use orch_dispatch::{Answer, Command};
use orch_graph::repair::RepairError;
use orch_graph::{Plan, Repair, RepairKind};
use serde_json::{Map, Value};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// Where a run is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStanding {
    /// Under way.
    Running,
    /// Held.
    Paused,
    /// Its end was asked for.
    Canceling,
    /// It ended well.
    Succeeded,
    /// It ended, and a failure was not handled.
    Failed,
    /// It ended on request.
    Canceled,
}

impl RunStanding {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Paused, Self::Canceling, Self::Succeeded, Self::Failed, Self::Canceled];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }

    /// How a run ended that is here; `None`: it is open.
    #[must_use]
    pub const fn outcome(self) -> Option<RunOutcome> {
        match self {
            Self::Running | Self::Paused | Self::Canceling => None,
            Self::Succeeded => Some(RunOutcome::Succeeded),
            Self::Failed => Some(RunOutcome::Failed),
            Self::Canceled => Some(RunOutcome::Canceled),
        }
    }
}

impl RunStanding {
    /// Where an open run is that is here; `None`: it has ended.
    const fn open(self) -> Option<RunState> {
        match self {
            Self::Running => Some(RunState::Running),
            Self::Paused => Some(RunState::Paused),
            Self::Canceling => Some(RunState::Canceling),
            Self::Succeeded | Self::Failed | Self::Canceled => None,
        }
    }
}

impl From<RunState> for RunStanding {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Running => Self::Running,
            RunState::Paused => Self::Paused,
            RunState::Canceling => Self::Canceling,
        }
    }
}

impl From<RunOutcome> for RunStanding {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Canceled => Self::Canceled,
        }
    }
}

/// A run as it stands.
#[derive(Debug, Clone)]
pub struct RunView {
    /// The stored row.
    pub row: RunRow,
    /// Where it is.
    pub standing: RunStanding,
    /// What the owner's memory knows, if it is open.
    pub open: Option<OpenRunFound>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where its steps are, or were when it ended. Pages leave it out.
    pub course: Option<RunCourse>,
    /// The graph that it follows. Pages leave it out.
    pub graph: Option<Graph>,
}

impl RunView {
    fn of(row: RunRow, open: Option<OpenRunFound>, end: Option<&RunEndRow>) -> Self {
        let open = open.filter(|_| end.is_none());
        let standing = match (end, &open) {
            (Some(end), _) => end.outcome.into(),
            (None, Some(open)) => open.state.into(),
            (None, None) => RunStanding::Running,
        };
        Self { row, standing, open, ended_at: end.map(|end| end.at), course: None, graph: None }
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only those of this graph.
    pub graph: Option<String>,
    /// Only those that are here.
    pub standing: Option<RunStanding>,
    /// Only those that began before the fact of this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// How far a repair goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RerunKind {
    /// What failed or was canceled.
    OnlyFailed,
    /// The same, and all after it.
    Downstream,
    /// The step of this name, and all after it.
    FromStep(String),
}

/// A repair that is asked for.
#[derive(Debug, Clone)]
pub struct Rerun {
    /// Who asks.
    pub by: String,
    /// How far it goes.
    pub kind: RerunKind,
    /// Inputs that have another value this time.
    pub inputs: Map<String, Value>,
    /// Why.
    pub reason: Option<String>,
    /// The caller's token.
    pub token: Option<String>,
}

/// Pages read for one page of answers at the most, when filters leave little.
const PAGES_MAX: usize = 8;
/// A run that begins or ends between two looks is looked at again so often.
const LOOKS_MAX: usize = 3;

impl Engine {
    /// A new id of a run.
    #[must_use]
    pub fn new_run_id(&self) -> RunId {
        RunId(self.new_job_id().0)
    }

    /// One run with all of its steps.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn run(&self, tenant: TenantNo, run: RunId) -> Result<Option<RunView>, Error> {
        for _ in 0..LOOKS_MAX {
            // Memory first: what ends in between is found in the ledger, which is read later.
            let open = match self.command(Command::Read(Read::Run { tenant, run })).await? {
                Answer::OpenRun(open) => open.map(|found| *found),
                answer => return Err(unexpected(&answer)),
            };
            let Some(RunFound { row, end }) = self.ledger().run_get(tenant, run).await? else { return Ok(None) };
            match (end, open) {
                (Some(end), _) => {
                    let graph = self.graph_of_ended(tenant, &row).await?;
                    let course = Some(course_of(&end)?);
                    return Ok(Some(RunView { course, graph, ..RunView::of(row, None, Some(&end)) }));
                }
                (None, Some((mut open, FoundGraph(graph)))) => {
                    let course = open.course.take();
                    return Ok(Some(RunView { course, graph: Some(graph), ..RunView::of(row, Some(open), None) }));
                }
                // It began in between.
                (None, None) => {}
            }
        }
        Err(Error::Overloaded { retry_after_ms: 1_000 })
    }

    async fn graph_of_ended(&self, tenant: TenantNo, row: &RunRow) -> Result<Option<Graph>, Error> {
        if let Some(graph) = &row.spec.graph {
            return Ok(Some(graph.clone()));
        }
        let found = self.ledger().config_get(tenant, ConfigKind::Graph, &row.graph, row.version).await?;
        match found.map(|json| serde_json::from_slice(&json)).transpose() {
            Ok(Some(ConfigDoc::Graph(graph))) => Ok(Some(*graph)),
            Ok(_) => Ok(None),
            Err(error) => Err(Error::Internal(error.to_string())),
        }
    }

    /// A page of runs, newest first, and where the next begins. A page may be short while there is a next one.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn runs(&self, tenant: TenantNo, filter: &RunFilter) -> Result<(Vec<RunView>, Option<u64>), Error> {
        let limit = filter.limit.clamp(1, limits::PAGE_MAX as usize);
        if let Some(state) = filter.standing.and_then(RunStanding::open) {
            return self.open_runs(tenant, filter, state, limit).await;
        }
        let outcome = filter.standing.and_then(RunStanding::outcome);
        let (before, graph) = (filter.before, filter.graph.clone());
        let mut params = RunPageParams { before, limit, graph, outcome };
        let mut views = Vec::new();
        for _ in 0..PAGES_MAX {
            params.limit = limit - views.len();
            let page = self.ledger().run_page(tenant, &params).await?;
            params.before = page.last().map(|found| found.row.seq).filter(|_| page.len() >= params.limit);
            let page = self.over_memory(tenant, page).await?;
            views.extend(page.into_iter().filter(|view| filter.standing.is_none_or(|of| view.standing == of)));
            if params.before.is_none() || views.len() >= limit {
                break;
            }
        }
        Ok((views, params.before))
    }

    /// A page of open runs: the owner's memory has them all.
    async fn open_runs(
        &self,
        tenant: TenantNo,
        filter: &RunFilter,
        state: RunState,
        limit: usize,
    ) -> Result<(Vec<RunView>, Option<u64>), Error> {
        let (graph, before) = (filter.graph.clone(), filter.before);
        let read = Read::OpenRuns { tenant, graph, state: Some(state), before, limit };
        let seqs = match self.command(Command::Read(read)).await? {
            Answer::OpenRunSeqs(seqs) => seqs,
            answer => return Err(unexpected(&answer)),
        };
        let next = seqs.last().map(|(seq, _)| *seq).filter(|_| seqs.len() >= limit);
        let mut page = Vec::with_capacity(seqs.len());
        for (_, run) in seqs {
            page.extend(self.ledger().run_get(tenant, run).await?);
        }
        let views = self.over_memory(tenant, page).await?;
        Ok((views.into_iter().filter(|view| filter.standing == Some(view.standing)).collect(), next))
    }

    /// What a page says, with what the owner's memory knows of those that are open.
    async fn over_memory(&self, tenant: TenantNo, page: Vec<RunFound>) -> Result<Vec<RunView>, Error> {
        let runs: Vec<_> = page.iter().filter(|found| found.end.is_none()).map(|found| found.row.id).collect();
        let mut open: BTreeMap<RunId, Option<OpenRunFound>> = BTreeMap::new();
        if !runs.is_empty() {
            match self.command(Command::Read(Read::Runs { tenant, runs: runs.clone() })).await? {
                Answer::OpenRuns(found) => open.extend(runs.into_iter().zip(found)),
                answer => return Err(unexpected(&answer)),
            }
        }
        let mut views = Vec::with_capacity(page.len());
        for RunFound { row, mut end } in page {
            let open = open.remove(&row.id).flatten();
            if end.is_none() && open.is_none() {
                // It ended in between.
                end = self.ledger().run_get(tenant, row.id).await?.and_then(|found| found.end);
            }
            views.push(RunView::of(row, open, end.as_ref()));
        }
        Ok(views)
    }

    /// Runs a command for an open run; of one that has ended the refusal says so.
    ///
    /// # Errors
    /// Refusals, and whatever kept the command from being answered.
    pub async fn run_command(&self, tenant: TenantNo, run: RunId, command: Command) -> Result<Answer, Error> {
        match self.command(command).await {
            Err(Error::Refused(refusal)) if refusal.code == Code::NotFound && refusal.field.is_none() => {
                let found = self.ledger().run_get(tenant, run).await?;
                let none = || Error::Refused(Refusal::new(Code::NotFound, "there is no such run"));
                Err(found.and_then(|found| found.end).map_or_else(none, |end| ended_already(&end)))
            }
            answered => answered,
        }
    }

    /// The run that repairs an ended one: what it keeps, what runs again, and the results that it looks into.
    ///
    /// # Errors
    /// There is no such run, it has not ended, there is nothing to repair, a step or an input is not there, or something
    /// that is needed of it is not kept any more; and whatever keeps the engine or the ledger from answering.
    pub async fn rerun(&self, tenant: TenantNo, run: RunId, rerun: Rerun) -> Result<NewRun, Error> {
        let Some(view) = self.run(tenant, run).await? else {
            return Err(Refusal::new(Code::NotFound, "there is no such run").into());
        };
        let (true, Some(course)) = (view.ended_at.is_some(), view.course) else {
            return Err(refused_repair(&RepairError::NotEnded).into());
        };
        let Some(graph) = view.graph else {
            return Err(Refusal::new(Code::StateConflict, "the version of the graph that it followed is gone").into());
        };
        let plan = Plan::of(graph)?;
        let kind = match &rerun.kind {
            RerunKind::OnlyFailed => RepairKind::OnlyFailed,
            RerunKind::Downstream => RepairKind::Downstream,
            RerunKind::FromStep(name) => RepairKind::FromStep(plan.named(name).ok_or_else(|| {
                Refusal::field(Code::InvalidField, "step", format!("the graph of the run has no step `{name}`"))
            })?),
        };
        let old = view.row.spec;
        let mut inputs: Map<String, Value> =
            serde_json::from_str(&old.inputs).map_err(|error| Error::Internal(error.to_string()))?;
        let changed = rerun.inputs.iter().filter(|(name, value)| inputs.get(*name) != Some(*value));
        let changed = changed.map(|(name, _)| name.clone()).collect();
        let repair = Repair::of(&plan, &course.run, kind, &changed).map_err(|error| refused_repair(&error))?;
        let mut results = BTreeMap::new();
        for step in &repair.results_wanted {
            let result = self.result_of(tenant, &plan, &course.steps, *step).await?;
            if let Some(text) = result.and_then(|result| plan.found(*step, &result)) {
                results.insert(*step, text);
            }
        }
        inputs.extend(rerun.inputs);
        let canonical = |value: &Map<String, Value>| serde_json_canonicalizer::to_string(value);
        let inputs = canonical(&inputs).map_err(|error| {
            Refusal::field(Code::InvalidField, "inputs", format!("`inputs` cannot be kept: {error}"))
        })?;
        let course = serde_json::to_string(&course).map_err(|error| Error::Internal(error.to_string()))?;
        let repairs = Repairs { again: repair.again, course, items: repair.items, of: run, results };
        let spec = RunSpec {
            by: Some(rerun.by),
            correlation_id: old.correlation_id,
            inputs,
            labels: old.labels,
            project: old.project,
            reason: rerun.reason,
            repairs: Some(repairs),
            token: rerun.token,
            trigger: RunTrigger::Replay,
            ..RunSpec::default()
        };
        let graph = WhichGraph::Version(plan.graph().clone(), view.row.version);
        Ok(NewRun { run: self.new_run_id(), graph, spec })
    }

    /// What a step found that succeeded. `None`: its job gave no result.
    async fn result_of(
        &self,
        tenant: TenantNo,
        plan: &Plan,
        steps: &[StepCourse],
        no: StepNo,
    ) -> Result<Option<Value>, Error> {
        let step = plan.step(no);
        let gone = || {
            let detail = format!("what the step `{}` found is not kept any more: run it again", step.name);
            Error::Refused(Refusal::new(Code::StateConflict, detail))
        };
        let course = steps.get(no.place()).ok_or_else(gone)?;
        match &step.kind {
            StepKind::Job => {
                let job = course.job.ok_or_else(gone)?;
                let view = self.job(tenant, job).await?.ok_or_else(gone)?;
                Ok(view.output.result)
            }
            // All of its items succeeded: they are as many as the list is long.
            StepKind::Map(map) => {
                let list = plan.named(&map.over.step).and_then(|list| steps.get(list.place())?.job).ok_or_else(gone)?;
                let view = self.job(tenant, list).await?.ok_or_else(gone)?;
                let list = view.output.result.as_ref().and_then(|result| result.pointer(&map.over.pointer));
                let total = list.and_then(Value::as_array).ok_or_else(gone)?.len();
                let total = u32::try_from(total).unwrap_or(u32::MAX);
                Ok(Some(Counts { succeeded: total, total, ..Counts::default() }.as_result()))
            }
            StepKind::Graph(_) => {
                let found = self.ledger().run_get(tenant, course.run.ok_or_else(gone)?).await?;
                let end = found.and_then(|found| found.end).ok_or_else(gone)?;
                Ok(Some(course_of(&end)?.run.counts().as_result()))
            }
            StepKind::Approval(_) => Ok(None),
        }
    }
}

fn course_of(end: &RunEndRow) -> Result<RunCourse, Error> {
    serde_json::from_slice(&end.course).map_err(|error| Error::Internal(error.to_string()))
}

fn ended_already(end: &RunEndRow) -> Error {
    let detail = format!("the run is {} already", end.outcome.as_str());
    Refusal::new(Code::StateConflict, detail).into()
}

fn refused_repair(error: &RepairError) -> Refusal {
    let detail = error.to_string();
    match error {
        RepairError::NotEnded | RepairError::Nothing => Refusal::new(Code::StateConflict, detail),
        RepairError::UnknownStep(_) => Refusal::field(Code::InvalidField, "step", detail),
        RepairError::UnknownInput(name) => Refusal::field(Code::InvalidField, format!("inputs.{name}"), detail),
    }
}
