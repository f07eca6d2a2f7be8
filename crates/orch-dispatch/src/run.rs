//! Runs of a tenant: which steps are under way, and what follows when one ends.
//!
//! The rules are `orch-graph`'s. Facts go into its `Run`, and what it says is to be done stands in `todo`, in order and
//! in the state, until the fact that does it takes it off again: so a new owner goes on where the last one was, whatever
//! was committed. `run/drive.rs` does what is to be done, `run/ask.rs` is what people ask for.
//! Jobs of runs are held in memory, so that their ends are known and they can be held or asked to end.

mod ask;
mod drive;
mod found;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use orch_core::StepNo;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::{Fact, Record};
use orch_core::graph::Graph;
use orch_core::ids::{JobId, RunId};
use orch_core::job::JobState;
use orch_core::run::{End, Outcome, PartOf, RunSpec, StepCourse};
use orch_core::schedule::Asked;
use orch_core::time::Timestamp;
use orch_graph::run::Part;
use orch_graph::{Action, Plan, Repair, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json_text;
use crate::mutant::{self, Mutant};
use crate::tenant::{Pause, Tenant};
use crate::wheel::{Watched, Wheel};

/// How a run went: what the ledger keeps of it when it has ended, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCourse {
    /// Where its steps are.
    pub run: Run,
    /// What became of each, by its number.
    pub steps: Vec<StepCourse>,
}

/// Which graph a run follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct GraphKey {
    name: String,
    /// 0: it came with a call.
    version: u64,
    /// Then it is this run's own.
    own: Option<RunId>,
}

/// A graph that open runs follow, whatever is declared meanwhile.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Followed {
    #[serde(with = "json_text")]
    graph: Graph,
    runs: u32,
}

/// An open run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OpenRun {
    pub graph: GraphKey,
    #[serde(with = "json_text")]
    pub spec: RunSpec,
    /// Seq of the fact that began it.
    pub seq: u64,
    pub at: Timestamp,
    pub course: RunCourse,
    /// What is to be done, in order. Asking what is under way to stop is not here: who is asked follows from the rest.
    pub todo: VecDeque<Action>,
    /// Its open jobs, by step and item.
    pub open: BTreeMap<(StepNo, Option<u32>), JobId>,
    /// Its open sub-graphs.
    pub children: BTreeMap<StepNo, RunId>,
    /// Approvals that are waited for, and until when.
    pub approvals: BTreeMap<StepNo, Timestamp>,
    /// Somebody asked for its end.
    pub canceled: Option<Pause>,
    pub paused: Option<Pause>,
}

/// What is rebuilt of runs, and never saved.
#[derive(Debug, Default)]
pub(crate) struct RunIndex {
    plans: BTreeMap<GraphKey, Arc<Plan>>,
    /// Runs with something to do, in the order in which they began: by the seq of the fact that began each.
    stirred: BTreeSet<(u64, RunId)>,
    /// Parts of canceled runs that are to be asked to stop.
    cancels: VecDeque<(RunId, Part)>,
}

impl RunIndex {
    pub fn is_idle(&self) -> bool {
        self.stirred.is_empty() && self.cancels.is_empty()
    }
}

impl Tenant {
    /// The declared graph of this name, and its version.
    pub fn graph(&self, name: &str) -> Option<(&Graph, u64)> {
        let found = self.configs.get(&(ConfigKind::Graph, name.to_owned()))?;
        match &found.doc {
            ConfigDoc::Graph(doc) => Some((doc, found.version)),
            _ => None,
        }
    }

    /// The plan of an open run.
    fn plan(&self, run: &OpenRun) -> Arc<Plan> {
        Arc::clone(self.index.runs.plans.get(&run.graph).expect("the graph of an open run is kept"))
    }

    /// A fact of a run, or that began one.
    pub fn run_fact(&mut self, record: &Record, wheel: &mut Wheel) {
        let at = record.at;
        match &record.body {
            Fact::RunStarted { graph, run, spec, version } => {
                self.run_started(*run, (graph, *version), spec, record);
            }
            Fact::StepsSkipped { run, steps, .. } => {
                if let Some(open) = self.runs.get_mut(run) {
                    open.todo.drain(..steps.len().min(open.todo.len()));
                }
            }
            Fact::PartFailed { detail, fault, index, run, step } => {
                let Some(open) = self.runs.get_mut(run) else { return };
                let done = open.todo.pop_front();
                let course = &mut open.course.steps[step.place()];
                (course.fault, course.note) = (Some(*fault), detail.clone());
                course.began_at = course.began_at.or(Some(at));
                if !matches!(done, Some(Action::Fail { .. })) {
                    let canceled = *fault == orch_core::run::Fault::RunCanceled;
                    let how = if canceled { Outcome::Canceled } else { Outcome::Failed };
                    self.part_ended(PartOf { index: *index, run: *run, step: *step }, how, None, at);
                }
            }
            Fact::MapEnded { run, .. } => {
                if let Some(open) = self.runs.get_mut(run) {
                    open.todo.pop_front();
                }
            }
            Fact::ApprovalAsked { run, step, until } => {
                let Some(open) = self.runs.get_mut(run) else { return };
                open.todo.pop_front();
                open.approvals.insert(*step, *until);
                let course = &mut open.course.steps[step.place()];
                (course.began_at, course.until) = (Some(at), Some(*until));
                wheel.put(*until, self.no, Watched::Run(*run));
            }
            Fact::ApprovalDecided { by, reason, run, step, verdict } => {
                let Some(open) = self.runs.get_mut(run) else { return };
                open.approvals.remove(step);
                let course = &mut open.course.steps[step.place()];
                (course.by, course.note) = (by.clone(), reason.clone());
                self.part_ended(PartOf { index: None, run: *run, step: *step }, verdict.outcome(), None, at);
            }
            Fact::RunCancelRequested { by, reason, run } => {
                let Some(open) = self.runs.get(run) else { return };
                let plan = self.plan(open);
                let Some(open) = self.runs.get_mut(run) else { return };
                open.canceled = Some(Pause { by: by.clone(), reason: reason.clone(), at });
                let actions = open.course.run.cancel(&plan);
                self.run_goes_on(*run, actions, at);
            }
            Fact::RunPaused { by, reason, run } => {
                self.run_paused(*run, Some(Pause { by: by.clone(), reason: reason.clone(), at }), at, wheel);
            }
            Fact::RunResumed { run, .. } => self.run_paused(*run, None, at, wheel),
            Fact::RunFinished { counts, outcome, run } => {
                let Some(open) = self.runs.remove(run) else { return };
                self.index.runs.stirred.remove(&(open.seq, *run));
                self.unfollow(&open.graph);
                self.schedule_ended(Asked::Run(*run), (*outcome).into(), at, wheel);
                self.window_ended(Asked::Run(*run), (*outcome).into());
                if let Some(parent) = open.spec.parent {
                    if let Some(of) = self.runs.get_mut(&parent.run) {
                        of.children.remove(&parent.step);
                    }
                    self.part_ended(parent, (*outcome).into(), Some(&counts.as_result()), at);
                }
            }
            _ => {}
        }
    }

    fn run_started(&mut self, id: RunId, (name, version): (&str, u64), spec: &RunSpec, record: &Record) {
        let key = GraphKey { name: name.to_owned(), version, own: (version == 0).then_some(id) };
        let plan = self.follow(&key, spec);
        let (run, actions, steps) = begun(&plan, spec);
        let open = OpenRun {
            graph: key,
            spec: spec.clone(),
            seq: record.seq,
            at: record.at,
            course: RunCourse { run, steps },
            todo: VecDeque::new(),
            open: BTreeMap::new(),
            children: BTreeMap::new(),
            approvals: BTreeMap::new(),
            canceled: None,
            paused: None,
        };
        self.runs.insert(id, open);
        self.run_goes_on(id, actions, record.at);
        if let Some(firing) = &spec.firing {
            self.schedule_fired(firing, Asked::Run(id));
        }
        if let Some(window) = &spec.window {
            self.window_began(window, Asked::Run(id));
        }
        if let Some(parent) = spec.parent
            && let Some(of) = self.runs.get_mut(&parent.run)
        {
            of.todo.pop_front();
            of.children.insert(parent.step, id);
            let course = &mut of.course.steps[parent.step.place()];
            (course.began_at, course.run) = (Some(record.at), Some(id));
        }
    }

    /// Another run follows a graph.
    fn follow(&mut self, key: &GraphKey, spec: &RunSpec) -> Arc<Plan> {
        if let Some(followed) = self.graphs.get_mut(key) {
            followed.runs += 1;
            return Arc::clone(&self.index.runs.plans[key]);
        }
        let declared = || self.graph(&key.name).map(|(graph, _)| graph.clone());
        let graph = spec.graph.clone().or_else(declared).expect("a run begins with a graph that is there");
        let plan = Arc::new(Plan::of(graph.clone()).expect("the graph of a run was checked"));
        self.graphs.insert(key.clone(), Followed { graph, runs: 1 });
        self.index.runs.plans.insert(key.clone(), Arc::clone(&plan));
        plan
    }

    fn unfollow(&mut self, key: &GraphKey) {
        let Some(followed) = self.graphs.get_mut(key) else { return };
        followed.runs -= 1;
        if followed.runs == 0 {
            self.graphs.remove(key);
            self.index.runs.plans.remove(key);
        }
    }

    /// What follows is to be done.
    fn run_goes_on(&mut self, id: RunId, actions: Vec<Action>, at: Timestamp) {
        let Some(open) = self.runs.get_mut(&id) else { return };
        for action in actions {
            match action {
                Action::Cancel { step, index } => {
                    self.index.runs.cancels.push_back((id, Part { step, index }));
                    continue;
                }
                Action::Skip { step, .. } => open.course.steps[step.place()].ended_at = Some(at),
                Action::Fail { step, .. } | Action::End { step, .. } => {
                    let course = &mut open.course.steps[step.place()];
                    course.began_at = course.began_at.or(Some(at));
                    course.ended_at = Some(at);
                }
                _ => {}
            }
            open.todo.push_back(action);
        }
        if !open.todo.is_empty() {
            self.index.runs.stirred.insert((open.seq, id));
        }
    }

    /// The job of a part was accepted.
    pub fn part_began(&mut self, part: PartOf, job: JobId, at: Timestamp) {
        let Some(open) = self.runs.get_mut(&part.run) else { return };
        open.todo.pop_front();
        open.open.insert((part.step, part.index), job);
        let course = &mut open.course.steps[part.step.place()];
        course.began_at = course.began_at.or(Some(at));
        course.job = Some(job);
        course.jobs += 1;
        if let Some(index) = part.index {
            course.items.insert(index, job);
        }
    }

    /// A part ended: its job, its sub-graph, its approval.
    fn part_ended(&mut self, part: PartOf, how: Outcome, result: Option<&Value>, at: Timestamp) {
        let Some(open) = self.runs.get(&part.run) else { return };
        let plan = self.plan(open);
        let Some(open) = self.runs.get_mut(&part.run) else { return };
        open.open.remove(&(part.step, part.index));
        let ended = open.course.run.end(&plan, Part { step: part.step, index: part.index }, how, result);
        let actions = ended.expect("what ends in a run is under way there");
        if open.course.run.end_of(part.step).is_some() {
            open.course.steps[part.step.place()].ended_at = Some(at);
        }
        self.run_goes_on(part.run, actions, at);
    }

    /// A job ended that is part of a run. `found` is what the run needs of its result.
    pub fn job_of_run_ended(&mut self, part: PartOf, state: JobState, found: Option<&str>, at: Timestamp) {
        if mutant::on(Mutant::RunUntold) && part.index.is_none() && state == JobState::Canceled {
            return;
        }
        let result = found.filter(|_| !mutant::on(Mutant::FoundNotKept));
        let result = result.and_then(|text| serde_json::from_str(text).ok());
        let how = match state {
            JobState::Succeeded => Outcome::Succeeded,
            JobState::Failed => Outcome::Failed,
            _ => Outcome::Canceled,
        };
        self.part_ended(part, how, result.as_ref(), at);
    }

    /// A run is held, or goes on: so do those of its jobs that wait in their lanes.
    fn run_paused(&mut self, id: RunId, pause: Option<Pause>, at: Timestamp, wheel: &mut Wheel) {
        let Some(open) = self.runs.get_mut(&id) else { return };
        let holds = pause.is_some();
        open.paused = pause;
        let jobs: Vec<JobId> = open.open.values().copied().collect();
        for job in jobs {
            if holds {
                self.hold(job);
            } else {
                self.unhold(job, at, wheel);
            }
        }
        if !holds {
            self.stir_run(id);
        }
    }

    /// Takes a job that waits out of its lane.
    fn hold(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.state == JobState::Ready && !job.held) else { return };
        job.held = true;
        let (lane, key) = (job.lane, job.order_key);
        self.lane_mut(lane).again.remove(&key);
        self.refresh_lane(lane);
    }

    /// Puts it back, where it was.
    fn unhold(&mut self, id: JobId, at: Timestamp, wheel: &mut Wheel) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.held) else { return };
        job.held = false;
        let (lane, key) = (job.lane, job.order_key);
        self.begin_waiting(lane, at, wheel);
        self.lane_mut(lane).again.insert(key, id);
        self.refresh_lane(lane);
    }

    /// Whether a job's run is held.
    pub fn run_holds(&self, id: JobId) -> bool {
        let part = self.jobs.get(&id).and_then(|job| job.part.as_deref());
        part.and_then(|part| self.runs.get(&part.run)).is_some_and(|run| run.paused.is_some())
            && !mutant::on(Mutant::PausedRunGoesOn)
    }

    /// Has what is to be done in an open run looked at.
    fn stir_run(&mut self, id: RunId) {
        self.index.runs.stirred.extend(self.runs.get(&id).map(|open| (open.seq, id)));
    }

    /// Has everything that is to be done looked at.
    pub fn stir_runs(&mut self) {
        let stirred = self.runs.iter().filter(|(_, open)| !open.todo.is_empty()).map(|(id, open)| (open.seq, *id));
        self.index.runs.stirred = stirred.collect();
    }

    /// Makes the index anew.
    pub fn index_runs(&mut self) {
        let plan = |followed: &Followed| Plan::of(followed.graph.clone()).expect("the graph of a run was checked");
        self.index.runs.plans = self.graphs.iter().map(|(key, of)| (key.clone(), Arc::new(plan(of)))).collect();
        if mutant::on(Mutant::RunsNotGoneOnWith) {
            return;
        }
        self.stir_runs();
        let under_way = |(id, open): (&RunId, &OpenRun)| {
            let jobs = open.open.keys().map(|(step, index)| Part { step: *step, index: *index });
            let others =
                open.children.keys().chain(open.approvals.keys()).map(|step| Part { step: *step, index: None });
            jobs.chain(others).map(|part| (*id, part)).collect::<Vec<_>>()
        };
        let canceled = self.runs.iter().filter(|(_, open)| open.canceled.is_some());
        self.index.runs.cancels = canceled.flat_map(under_way).collect();
    }

    /// Has the timer wheel look at runs that have something to do, and at approvals when they expire.
    pub fn watch_runs_anew(&self, now: Timestamp, wheel: &mut Wheel) {
        if !self.index.runs.is_idle() {
            wheel.put(now, self.no, Watched::Runs);
        }
        for (id, open) in &self.runs {
            open.approvals.values().for_each(|until| wheel.put(*until, self.no, Watched::Run(*id)));
        }
    }
}

/// A run as it begins: where its steps are, what is to be done, and what is known of each step.
fn begun(plan: &Plan, spec: &RunSpec) -> (Run, Vec<Action>, Vec<StepCourse>) {
    let nothing = vec![StepCourse::default(); plan.order().len()];
    let Some(repairs) = &spec.repairs else {
        let (run, actions) = Run::begin(plan);
        return (run, actions, nothing);
    };
    let before: RunCourse = serde_json::from_str(&repairs.course).expect("the course of an ended run was checked");
    let repair = Repair { again: repairs.again.clone(), items: repairs.items.clone(), ..Repair::default() };
    let result = |(step, text): (&StepNo, &String)| Some((*step, serde_json::from_str(text).ok()?));
    let results = repairs.results.iter().filter_map(result).collect();
    let (run, actions) = Run::repaired(plan, &before.run, &repair, &results);
    let mut steps = nothing;
    for (place, course) in before.steps.into_iter().enumerate() {
        let step = StepNo::at(place);
        let ended = run.end_of(step).is_some_and(|end| !matches!(end, End::Skipped(_)));
        if ended && !repair.again.contains(&step) {
            let kept_of = course.kept_of.or(Some(repairs.of));
            steps[place] = StepCourse { kept_of, ..course };
        } else if repair.items.contains_key(&step) {
            // Those that run again take the places of those that failed.
            steps[place].items = course.items;
        }
    }
    (run, actions, steps)
}

#[cfg(test)]
mod tests;
