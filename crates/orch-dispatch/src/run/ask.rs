//! What people ask of runs: begin, cancel, pause, decide. And what a graph must find to be declared or to run.

use std::collections::BTreeMap;

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::graph::{Graph, StepKind};
use orch_core::ids::{JobId, RunId};
use orch_core::limits;
use orch_core::refusal::{Code, Refusal};
use orch_core::run::Verdict;
use orch_graph::approval::{Decider, check_decider};
use orch_graph::identity::RunIdentity;
use orch_graph::payload;

use super::RunCourse;
use crate::answer::Answer;
use crate::command::{Actor, KeyUse, NewRun, WhichGraph};
use crate::decide::Desk;
use crate::enqueue::DEFAULT_PROJECT;
use crate::mutant::{self, Mutant};
use crate::tenant::{Tenant, of_kind};

fn no_run() -> Refusal {
    Refusal::new(Code::NotFound, "there is no open run of this id")
}

impl Tenant {
    /// The key under which a run's token is kept: the same token, graph and inputs are the same run. A repair is none of
    /// the runs that repair something else, nor the one that it repairs.
    pub fn token_key(&self, new: &NewRun) -> Option<KeyUse> {
        let own = new.spec.token.as_deref()?;
        // Tokens hold no blanks.
        let of_repair = new.spec.repairs.as_ref().map(|repairs| format!("{own} {}", repairs.of));
        let token = of_repair.as_deref().unwrap_or(own);
        let text;
        let (graph, version) = match &new.graph {
            WhichGraph::Declared(name) => (name.as_str(), self.graph(name).map_or(0, |(_, version)| version)),
            WhichGraph::Own(graph) => {
                text = serde_json::to_string(graph).expect("a graph is JSON");
                (text.as_str(), 0)
            }
            WhichGraph::Version(graph, version) => (graph.name.as_str(), *version),
        };
        let digest = RunIdentity { graph, inputs: &new.spec.inputs, token, version }.digest();
        let half = |digits: &str| u128::from_str_radix(digits, 16).unwrap_or_default().to_be_bytes();
        let (key, fingerprint) = digest.split_at(32);
        Some(KeyUse { key: half(key), fingerprint: half(fingerprint) })
    }
}

impl Desk<'_> {
    /// The command `StartRun`.
    pub fn start_run(&mut self, new: NewRun, key: Option<KeyUse>) -> Answer {
        match self.try_start_run(new, key) {
            Ok((run, replayed)) => Answer::Run { run, replayed },
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Begins a run, or says why not; in the latter case nothing is written. True: the same was asked for before.
    pub fn try_start_run(&mut self, new: NewRun, key: Option<KeyUse>) -> Result<(RunId, bool), Refusal> {
        let token = self.tenant.token_key(&new).filter(|_| !mutant::on(Mutant::RunTokenForgotten));
        for (used, field) in [(key, "Idempotency-Key"), (token, "run_token")] {
            if let Some(ids) = self.key_replay(used, field)?
                && let Some(id) = ids.first()
            {
                return Ok((RunId(id.0), true));
            }
        }
        let NewRun { run, graph, mut spec } = new;
        spec.check()?;
        let (name, version) = match graph {
            WhichGraph::Declared(name) => {
                let Some((graph, version)) = self.tenant.graph(&name) else {
                    return Err(Refusal::field(Code::NotFound, "graph", format!("there is no graph `{name}`")));
                };
                self.run_fits(graph, &spec.inputs)?;
                (name, version)
            }
            WhichGraph::Own(graph) => {
                graph.check().map_err(|refusal| refusal.under("graph"))?;
                self.run_fits(&graph, &spec.inputs).map_err(under_graph)?;
                let name = graph.name.clone();
                spec.graph = Some(graph);
                (name, 0)
            }
            WhichGraph::Version(graph, version) => {
                graph.check()?;
                self.run_fits(&graph, &spec.inputs)?;
                let name = graph.name.clone();
                let declared = self.tenant.graph(&name).is_some_and(|(_, current)| current == version);
                spec.graph = (!declared).then_some(graph);
                (name, version)
            }
        };
        self.repair_fits(&spec)?;
        self.run_room(&spec)?;
        self.begin_run(run, name, version, spec);
        for used in [key, token] {
            self.key_use(used, &[JobId(run.0)]);
        }
        Ok((run, false))
    }

    /// What the run repairs was read by this program, and has as many steps as its graph.
    fn repair_fits(&self, spec: &orch_core::run::RunSpec) -> Result<(), Refusal> {
        let Some(repairs) = &spec.repairs else { return Ok(()) };
        let course: Result<RunCourse, _> = serde_json::from_str(&repairs.course);
        let ended = course.is_ok_and(|course| course.run.outcome().is_some());
        if ended { Ok(()) } else { Err(Refusal::new(Code::StateConflict, "the run has not ended")) }
    }

    fn run_room(&self, spec: &orch_core::run::RunSpec) -> Result<(), Refusal> {
        if let Some(project) = spec.project.as_deref() {
            self.check_project(project)?;
        }
        let open = self.tenant.runs.len() as u64;
        if open >= limits::OPEN_RUNS_MAX {
            let detail = format!("{open} runs are open; at most {} may be", limits::OPEN_RUNS_MAX);
            return Err(Refusal::new(Code::BacklogFull, detail));
        }
        Ok(())
    }

    /// A run of this graph can begin with these inputs.
    pub fn run_fits(&self, graph: &Graph, inputs: &str) -> Result<(), Refusal> {
        self.graph_names(graph)?;
        let inputs = serde_json::from_str(inputs)
            .map_err(|_| Refusal::field(Code::InvalidField, "inputs", "`inputs` must be an object"))?;
        payload::check_inputs(graph, &inputs)
    }

    /// What a graph names is there, and what is inside it stays within the limits.
    pub fn graph_names(&self, graph: &Graph) -> Result<(), Refusal> {
        for (place, step) in graph.steps.iter().enumerate() {
            let under = |refusal: Refusal| refusal.under(&format!("steps[{place}]"));
            let project = step.project.as_deref().unwrap_or(DEFAULT_PROJECT);
            match step.job_type.as_deref() {
                Some(job_type) => self.check_names(job_type, step.source.as_deref(), project),
                None => self.check_project(project),
            }
            .map_err(under)?;
            if let StepKind::Graph(of) = &step.kind
                && let Some((inner, _)) = self.tenant.graph(&of.name)
            {
                payload::check_inputs(inner, &payload::given_to(step)).map_err(under)?;
            }
        }
        let find =
            |name: &str| if name == graph.name { Some(graph) } else { self.tenant.graph(name).map(|found| found.0) };
        graph.check_nesting(find).map(drop)
    }

    /// A graph can be declared.
    pub fn graph_fits(&self, doc: &ConfigDoc) -> Result<(), Refusal> {
        let ConfigDoc::Graph(graph) = doc else { return Ok(()) };
        self.graph_names(graph)?;
        let bytes = serde_json::to_string(graph).map_or(0, |text| text.len() as u64);
        if bytes > limits::GRAPH_BYTES_MAX {
            let detail = format!("the graph has {bytes} bytes; at most {} are allowed", limits::GRAPH_BYTES_MAX);
            return Err(Refusal::field(Code::LimitExceeded, "steps", detail));
        }
        // Those that have it inside must still stay within their limits, and none may come to contain itself.
        let all: BTreeMap<&str, &Graph> = self.graphs().map(|of| (of.name.as_str(), of)).collect();
        let find = |name: &str| if name == graph.name { Some(&**graph) } else { all.get(name).copied() };
        for outer in all.values().filter(|outer| outer.name != graph.name && contains(outer, &graph.name)) {
            outer.check_nesting(find).map_err(|refusal| {
                let detail = format!("`{}` has it inside: {}", outer.name, refusal.detail);
                Refusal::field(refusal.code, "steps", detail)
            })?;
        }
        let declared = all.len() as u64;
        if !all.contains_key(graph.name.as_str()) && declared >= limits::GRAPHS_MAX {
            let detail = format!("the tenant has {declared} graphs, the most that are allowed");
            return Err(Refusal::new(Code::LimitExceeded, detail));
        }
        Ok(())
    }

    fn graphs(&self) -> impl Iterator<Item = &Graph> {
        of_kind(&self.tenant.configs, ConfigKind::Graph).filter_map(|found| match &found.doc {
            ConfigDoc::Graph(doc) => Some(&**doc),
            _ => None,
        })
    }

    /// Nothing that is declared needs this graph.
    pub fn graph_is_free(&self, name: &str) -> Result<(), Refusal> {
        let outer = self.graphs().find(|outer| outer.name != name && contains(outer, name));
        let schedule = of_kind(&self.tenant.configs, ConfigKind::Schedule).find_map(|found| match &found.doc {
            ConfigDoc::Schedule(doc) => doc.run.as_ref().filter(|run| run.graph == name).map(|_| &doc.name),
            _ => None,
        });
        let by = outer.map(|outer| format!("the graph `{}`", outer.name));
        match by.or_else(|| schedule.map(|name| format!("the schedule `{name}`"))) {
            Some(by) => Err(Refusal::new(Code::StateConflict, format!("{by} needs the graph `{name}`"))),
            None => Ok(()),
        }
    }

    /// The command `CancelRun`. Asking again changes nothing.
    pub fn cancel_run(&mut self, run: RunId, actor: Actor) -> Answer {
        if !self.tenant.runs.contains_key(&run) {
            return Answer::Refused(no_run());
        }
        self.cancel_open_run(run, actor);
        Answer::Done
    }

    /// The command `PauseRun`: of a run with all that is inside it. Pausing what is paused changes nothing.
    pub fn pause_run(&mut self, run: RunId, pause: bool, actor: Actor) -> Answer {
        if !self.tenant.runs.contains_key(&run) {
            return Answer::Refused(no_run());
        }
        let mut all = vec![run];
        while let Some(run) = all.pop() {
            let Some(open) = self.tenant.runs.get(&run) else { continue };
            all.extend(open.children.values());
            if open.paused.is_some() != pause {
                let Actor { by, reason } = actor.clone();
                self.emit(if pause {
                    Fact::RunPaused { by, reason, run }
                } else {
                    Fact::RunResumed { by, reason, run }
                });
            }
        }
        Answer::Done
    }

    /// The command `DecideApproval`.
    pub fn decide_approval(
        &mut self,
        run: RunId,
        (step, approve): (&str, bool),
        scopes: &[String],
        actor: Actor,
    ) -> Answer {
        let Some(open) = self.tenant.runs.get(&run) else { return Answer::Refused(no_run()) };
        let plan = self.tenant.plan(open);
        let Some(no) = plan.named(step) else {
            let detail = format!("the run has no step `{step}`");
            return Answer::Refused(Refusal::field(Code::NotFound, "step", detail));
        };
        let StepKind::Approval(approval) = &plan.step(no).kind else {
            let detail = format!("the step `{step}` asks nobody");
            return Answer::Refused(Refusal::field(Code::StateConflict, "step", detail));
        };
        if !open.approvals.contains_key(&no) {
            let detail = format!("the step `{step}` does not wait for a decision");
            return Answer::Refused(Refusal::field(Code::StateConflict, "step", detail));
        }
        let decider = Decider { name: &actor.by, run_by: open.spec.by.as_deref(), scopes };
        if let Err(refusal) = check_decider(approval, decider)
            && !mutant::on(Mutant::AnybodyApproves)
        {
            return Answer::Refused(refusal);
        }
        let Actor { by, reason } = actor;
        let verdict = if approve { Verdict::Approved } else { Verdict::Rejected };
        self.emit(Fact::ApprovalDecided { by: Some(by), reason, run, step: no, verdict });
        Answer::Done
    }
}

/// Whether a graph has another directly inside it.
fn contains(outer: &Graph, name: &str) -> bool {
    outer.steps.iter().any(|step| matches!(&step.kind, StepKind::Graph(of) if of.name == name))
}

/// A refusal of a graph that came with the call.
fn under_graph(refusal: Refusal) -> Refusal {
    match refusal.field.as_deref() {
        Some(field) if field.starts_with("inputs") => refusal,
        _ => refusal.under("graph"),
    }
}
