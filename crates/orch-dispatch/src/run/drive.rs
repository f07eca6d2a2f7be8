//! Doing what is to be done: jobs are made, people are asked, sub-graphs begin, what is under way is asked to stop.

use std::collections::BTreeSet;

use orch_core::StepNo;
use orch_core::fact::Fact;
use orch_core::graph::{Step, StepKind};
use orch_core::ids::{JobId, RunId};
use orch_core::job::{Dependency, DependsOn, LaneKey, Priority, sha256_hex};
use orch_core::limits;
use orch_core::port::{RunEndRow, RunRow};
use orch_core::refusal::{Code, Refusal};
use orch_core::run::{End, Fault, Outcome, PartOf, RunSpec, RunTrigger, SkipReason, Verdict};
use orch_core::schedule::key_in;
use orch_graph::run::{Item, Part};
use orch_graph::{Action, Plan, payload};

use super::OpenRun;
use crate::command::{Actor, NewJob};
use crate::decide::Desk;
use crate::enqueue::DEFAULT_PROJECT;
use crate::mutant::{self, Mutant};
use crate::wheel::Watched;

/// Steps that one fact names.
const SKIPPED_AT_ONCE: usize = 1_000;
/// What found no room is tried again after so many milliseconds.
const NO_ROOM_MS: u64 = 1_000;

/// What became of the first thing that was to be done of a run.
enum Did {
    /// It is done.
    It,
    /// Nothing is to be done, or something holds it that stirs the run when it ends.
    Nothing,
    /// There is no room for it now.
    NoRoom,
}

impl Desk<'_> {
    /// Does what is to be done in runs.
    pub fn drive_runs(&mut self) {
        self.drive_backfills();
        // What is left follows a moment later, in commits of its own.
        let full = self.out.facts() + self.sizes.run_facts;
        while self.out.facts() < full && !self.tenant.index.runs.is_idle() {
            if let Some((run, part)) = self.tenant.index.runs.cancels.pop_front() {
                self.ask_to_stop(run, part);
                continue;
            }
            let Some((seq, run)) = self.tenant.index.runs.stirred.first().copied() else { break };
            let did = self.drive(run);
            if matches!(did, Did::It) {
                self.drive_backfills();
                continue;
            }
            self.tenant.index.runs.stirred.remove(&(seq, run));
            if matches!(did, Did::NoRoom) {
                self.wheel.put(self.at.now.plus_ms(NO_ROOM_MS), self.tenant.no, Watched::Run(run));
            }
        }
        if !self.tenant.index.runs.is_idle() {
            self.wheel.put(self.at.now, self.tenant.no, Watched::Runs);
        }
    }

    /// A moment of a run came: an approval may have expired, or there may be room again.
    pub fn look_at_run(&mut self, run: RunId) {
        let Some(open) = self.tenant.runs.get(&run) else { return };
        let now = self.at.now;
        let expired =
            open.approvals.iter().filter(|(_, until)| **until <= now && !mutant::on(Mutant::ApprovalWaitsForEver));
        for step in expired.map(|(step, _)| *step).collect::<Vec<_>>() {
            self.emit(Fact::ApprovalDecided { by: None, reason: None, run, step, verdict: Verdict::Expired });
        }
        self.tenant.stir_run(run);
    }

    /// Does the first thing that is to be done of a run.
    fn drive(&mut self, run: RunId) -> Did {
        let Some(open) = self.tenant.runs.get(&run) else { return Did::Nothing };
        let Some(first) = open.todo.front() else { return Did::Nothing };
        let begins = matches!(first, Action::Start { .. } | Action::StartSubGraph { .. } | Action::AskApproval { .. });
        if begins && open.canceled.is_some() {
            return self.not_begun(run, first.clone());
        }
        let held = open.paused.is_some() && !mutant::on(Mutant::PausedRunGoesOn);
        if begins && (held || self.tenant.erase_at.is_some()) {
            return Did::Nothing;
        }
        match first.clone() {
            Action::Start { step, item } => self.start_job(run, step, item),
            Action::StartSubGraph { step } => self.start_sub_graph(run, step),
            Action::AskApproval { step } => self.ask_approval(run, step),
            Action::Skip { reason, .. } => {
                let same = |action: &Action| match action {
                    Action::Skip { step, reason: of } if *of == reason => Some(*step),
                    _ => None,
                };
                let steps: Vec<_> = open.todo.iter().map_while(same).take(SKIPPED_AT_ONCE).collect();
                self.skip_steps(run, reason, steps)
            }
            Action::Fail { step, fault } => self.part_failed(run, step, None, fault, None),
            Action::End { step, end, counts } => {
                let outcome = match end {
                    End::Succeeded => Outcome::Succeeded,
                    End::Failed => Outcome::Failed,
                    End::Canceled | End::Skipped(_) => Outcome::Canceled,
                };
                self.emit(Fact::MapEnded { counts, outcome, run, step });
                Did::It
            }
            Action::Finish { outcome } => {
                let counts = open.course.run.counts();
                let course = serde_json::to_vec(&open.course).expect("a course holds only what JSON can");
                self.out.rows.run_ends.push(RunEndRow {
                    tenant: self.tenant.no,
                    id: run,
                    seq: open.seq,
                    at: self.at.now,
                    outcome,
                    course: course.into(),
                });
                self.emit(Fact::RunFinished { counts, outcome, run });
                Did::It
            }
            // Never to be done in order.
            Action::Cancel { .. } => Did::Nothing,
        }
    }

    fn skip_steps(&mut self, run: RunId, reason: SkipReason, steps: Vec<StepNo>) -> Did {
        self.emit(Fact::StepsSkipped { reason, run, steps });
        Did::It
    }

    fn part_failed(
        &mut self,
        run: RunId,
        step: StepNo,
        index: Option<u32>,
        fault: Fault,
        refusal: Option<&Refusal>,
    ) -> Did {
        let detail = refusal.map(|refusal| format!("{}: {}", refusal.code.as_str(), refusal.detail));
        self.emit(Fact::PartFailed { detail, fault, index, run, step });
        Did::It
    }

    /// The run was canceled before this began.
    fn not_begun(&mut self, run: RunId, action: Action) -> Did {
        match action {
            Action::Start { step, item } => {
                self.part_failed(run, step, item.map(|item| item.index), Fault::RunCanceled, None)
            }
            Action::StartSubGraph { step } | Action::AskApproval { step } => {
                self.part_failed(run, step, None, Fault::RunCanceled, None)
            }
            _ => Did::Nothing,
        }
    }

    fn start_job(&mut self, run: RunId, step: StepNo, item: Option<Item>) -> Did {
        let index = item.as_ref().map(|item| item.index);
        let job = match self.job_of_part(run, step, item) {
            Ok(job) => job,
            Err(refusal) => return self.part_failed(run, step, index, Fault::Refused, Some(&refusal)),
        };
        let jobs = vec![job];
        let room = self.check_backlog(&jobs);
        match room.and_then(|()| self.try_enqueue(jobs, None, "job")) {
            Ok(_) => Did::It,
            Err(refusal) if refusal.code == Code::BacklogFull => Did::NoRoom,
            Err(refusal) => self.part_failed(run, step, index, Fault::Refused, Some(&refusal)),
        }
    }

    fn job_of_part(&self, run: RunId, step_no: StepNo, item: Option<Item>) -> Result<NewJob, Refusal> {
        let open = &self.tenant.runs[&run];
        let plan = self.tenant.plan(open);
        let step = plan.step(step_no);
        let name = step.job_type.as_deref().unwrap_or_default();
        let Some(job_type) = self.tenant.job_type(name) else {
            return Err(Refusal::field(Code::UnknownJobType, "job_type", format!("there is no job type `{name}`")));
        };
        let index = item.as_ref().map(|item| item.index);
        let text = payload::of(step, &inputs(open, step), item.as_ref().map(|item| item.value.as_str()));
        if text.len() as u64 > limits::PAYLOAD_BYTES_MAX {
            let detail =
                format!("the payload has {} bytes; at most {} are allowed", text.len(), limits::PAYLOAD_BYTES_MAX);
            return Err(Refusal::field(Code::LimitExceeded, "payload", detail));
        }
        let project = step.project.as_deref().or(open.spec.project.as_deref()).unwrap_or(DEFAULT_PROJECT);
        let lane = LaneKey {
            concurrency_key: key_in(job_type, &text),
            job_type: name.to_owned(),
            priority: if open.spec.window.is_some() { Priority::Backfill } else { step.priority },
            project: project.to_owned(),
            source: step.source.clone(),
        };
        Ok(NewJob {
            id: JobId::v7(self.at.now, self.chance_of_part(run, step_no, index)),
            id_given: false,
            key: None,
            lane,
            payload_sha256: sha256_hex(text.as_bytes()),
            payload: text.into(),
            misfit: None,
            labels: open.spec.labels.clone(),
            not_before: None,
            deadline: None,
            depends_on: before(open, &plan, step_no, index.is_some()),
            correlation_id: open.spec.correlation_id.clone(),
            origin: None,
            firing: None,
            part: Some(PartOf { index, run, step: step_no }),
            window: None,
        })
    }

    /// What the ids of a part are made of.
    fn chance_of_part(&self, run: RunId, step: StepNo, index: Option<u32>) -> u128 {
        self.chance(format_args!("{run}/{}/{index:?}", step.0))
    }

    fn start_sub_graph(&mut self, run: RunId, step: StepNo) -> Did {
        let id = RunId::v7(self.at.now, self.chance_of_part(run, step, None));
        match self.sub_graph(run, step) {
            Ok((graph, version, spec)) => {
                self.begin_run(id, graph, version, spec);
                Did::It
            }
            Err(refusal) => self.part_failed(run, step, None, Fault::Refused, Some(&refusal)),
        }
    }

    fn sub_graph(&self, run: RunId, step_no: StepNo) -> Result<(String, u64, RunSpec), Refusal> {
        let open = &self.tenant.runs[&run];
        let plan = self.tenant.plan(open);
        let step = plan.step(step_no);
        let name = match &step.kind {
            StepKind::Graph(of) => of.name.clone(),
            _ => String::new(),
        };
        let Some((graph, version)) = self.tenant.graph(&name) else {
            return Err(Refusal::field(Code::NotFound, "kind.graph.name", format!("there is no graph `{name}`")));
        };
        self.graph_names(graph)?;
        let inputs = payload::of(step, &inputs(open, step), None);
        payload::check_inputs(graph, &serde_json::from_str(&inputs).unwrap_or_default())?;
        let of = open.spec.clone();
        let spec = RunSpec {
            by: of.by,
            correlation_id: of.correlation_id,
            inputs,
            labels: of.labels,
            parent: Some(PartOf { index: None, run, step: step_no }),
            project: step.project.clone().or(of.project),
            trigger: RunTrigger::Step,
            window: None,
            ..RunSpec::default()
        };
        Ok((name, version, spec))
    }

    /// Writes that a run begins.
    pub fn begin_run(&mut self, run: RunId, graph: String, version: u64, spec: RunSpec) {
        let seq = self.emit(Fact::RunStarted { graph: graph.clone(), run, spec: Box::new(spec.clone()), version });
        let (tenant, at) = (self.tenant.no, self.at.now);
        self.out.rows.runs.push(RunRow { tenant, id: run, seq, at, graph, version, spec });
    }

    fn ask_approval(&mut self, run: RunId, step: StepNo) -> Did {
        let open = &self.tenant.runs[&run];
        let plan = self.tenant.plan(open);
        let StepKind::Approval(approval) = &plan.step(step).kind else { return Did::Nothing };
        self.emit(Fact::ApprovalAsked { run, step, until: self.at.now.plus_ms(approval.timeout_ms) });
        Did::It
    }

    /// Asks what is under way of a canceled run to stop. Whoever was asked before is not asked again.
    fn ask_to_stop(&mut self, run: RunId, part: Part) {
        let Some(open) = self.tenant.runs.get(&run) else { return };
        let Some(canceled) = open.canceled.clone() else { return };
        let actor = Actor { by: canceled.by, reason: canceled.reason };
        if let Some(job) = open.open.get(&(part.step, part.index)).copied() {
            if !mutant::on(Mutant::CanceledRunGoesOn) {
                let _ = self.cancel(job, actor);
            }
        } else if let Some(child) = open.children.get(&part.step).copied() {
            self.cancel_open_run(child, actor);
        } else if open.approvals.contains_key(&part.step) {
            let (step, verdict) = (part.step, Verdict::Withdrawn);
            self.emit(Fact::ApprovalDecided { by: None, reason: None, run, step, verdict });
        }
    }

    /// Asks for the end of an open run, once.
    pub fn cancel_open_run(&mut self, run: RunId, Actor { by, reason }: Actor) {
        if self.tenant.runs.get(&run).is_some_and(|open| open.canceled.is_none()) {
            self.emit(Fact::RunCancelRequested { by, reason, run });
        }
    }
}

/// The jobs of the steps directly before one, or before disabled ones between: what its own may look into. All have
/// ended. Items of a map have none of other maps: each would have all of each.
fn before(open: &OpenRun, plan: &Plan, step: StepNo, is_item: bool) -> Vec<Dependency> {
    let (mut steps, mut seen, mut jobs) = (vec![step], BTreeSet::new(), Vec::new());
    while let Some(step) = steps.pop() {
        for parent in plan.parents(step).iter().filter(|parent| seen.insert(**parent)) {
            if plan.step(*parent).disabled {
                steps.push(*parent);
                continue;
            }
            let course = &open.course.steps[parent.place()];
            match &plan.step(*parent).kind {
                StepKind::Map(_) if is_item => {}
                StepKind::Map(_) => jobs.extend(course.items.values().copied()),
                _ => jobs.extend(course.job),
            }
        }
    }
    let most = usize::try_from(limits::DEPENDENCIES_MAX).unwrap_or(usize::MAX);
    jobs.into_iter().take(most).map(|job| Dependency { job, on: DependsOn::Done }).collect()
}

/// The inputs of a run, for a step that uses some: of a map each item asks.
fn inputs(open: &OpenRun, step: &Step) -> payload::Inputs {
    let used = !step.inputs.is_empty();
    used.then(|| serde_json::from_str(&open.spec.inputs).ok()).flatten().unwrap_or_default()
}
