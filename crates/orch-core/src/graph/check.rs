//! What a graph must be to be accepted: each refusal names the place, and a cycle its way round.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Approval, COUNT_POINTERS, Edge, FanOut, Graph, ITEM, Step, StepKind, Trigger};
use crate::concurrency::check_pointer;
use crate::config::{check_name, check_range};
use crate::ids::StepNo;
use crate::limits;
use crate::refusal::{Code, Refusal};

/// So many names of a cycle are shown.
const CYCLE_SHOWN: usize = 20;

impl Graph {
    /// Checks each step, and that what they say of each other makes a graph without cycles.
    ///
    /// Whether its sub-graphs are there is another question: `check_nesting`.
    ///
    /// # Errors
    /// A refusal that names the first place that is not acceptable: `steps[2].after[0].step`. Cycles are
    /// `dependency_cycle` and name their steps in order, as `a → b → a`.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        check_range("steps", self.steps.len() as u64, 1, limits::GRAPH_STEPS_MAX)?;
        let edges: usize = self.steps.iter().map(|step| step.after.len()).sum();
        if edges as u64 > limits::GRAPH_EDGES_MAX {
            let detail = format!("the steps have {edges} edges; at most {} are allowed", limits::GRAPH_EDGES_MAX);
            return Err(Refusal::field(Code::LimitExceeded, "steps", detail));
        }
        for (place, step) in self.steps.iter().enumerate() {
            step.check().map_err(|refusal| refusal.under(&format!("steps[{place}]")))?;
        }
        let parents = self.parents()?;
        for (place, step) in self.steps.iter().enumerate() {
            let before: Vec<&Step> = parents[place].iter().map(|parent| &self.steps[parent.place()]).collect();
            step.check_edges(&before).map_err(|refusal| refusal.under(&format!("steps[{place}]")))?;
        }
        match first_cycle(self, &parents) {
            Some(cycle) => Err(self.refused_cycle(&cycle, &parents)),
            None => Ok(()),
        }
    }

    /// For each step those directly before it, in the order of its `after`. Linear in steps and edges, but for the
    /// look-up of names.
    ///
    /// # Errors
    /// Two steps of one name; an edge from a step that is not there, or a second one from the same step.
    pub fn parents(&self) -> Result<Vec<Vec<StepNo>>, Refusal> {
        let mut by_name = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            if let Some(StepNo(first)) = by_name.insert(step.name.as_str(), StepNo::at(place)) {
                let detail = format!("`{}` is the name of `steps[{first}]` as well", step.name);
                return Err(Refusal::field(Code::InvalidField, format!("steps[{place}].name"), detail));
            }
        }
        let mut parents = Vec::with_capacity(self.steps.len());
        for (place, step) in self.steps.iter().enumerate() {
            let mut before = BTreeSet::new();
            let mut found = Vec::with_capacity(step.after.len());
            for (edge, Edge { step: name, .. }) in step.after.iter().enumerate() {
                let refused = |detail: String| {
                    let field = format!("steps[{place}].after[{edge}].step");
                    Refusal::field(Code::InvalidField, field, detail)
                };
                let parent = by_name.get(name.as_str());
                let parent = parent.ok_or_else(|| refused(format!("the graph has no step `{name}`")))?;
                if !before.insert(*parent) {
                    return Err(refused(format!("`{}` comes after `{name}` already", step.name)));
                }
                found.push(*parent);
            }
            parents.push(found);
        }
        Ok(parents)
    }

    fn refused_cycle(&self, cycle: &[StepNo], parents: &[Vec<StepNo>]) -> Refusal {
        let name = |step: &StepNo| self.steps[step.place()].name.as_str();
        let first = cycle[0];
        let last = cycle[cycle.len() - 1];
        let edge = parents[first.place()].iter().position(|parent| *parent == last).unwrap_or(0);
        let mut names: Vec<&str> = cycle.iter().take(CYCLE_SHOWN).map(name).collect();
        if cycle.len() > CYCLE_SHOWN {
            names.push("…");
        }
        names.push(name(&first));
        let detail = format!("steps come after each other in a circle of {}: {}", cycle.len(), names.join(" → "));
        Refusal::field(Code::DependencyCycle, format!("steps[{}].after[{edge}].step", first.0), detail)
    }
}

/// The steps of a cycle in the order in which they would follow each other, from the least name on.
///
/// What is left when steps without open parents are taken away again and again lies on cycles or after them; parents
/// followed from there come back to where they were.
fn first_cycle(graph: &Graph, parents: &[Vec<StepNo>]) -> Option<Vec<StepNo>> {
    let mut children = vec![Vec::new(); parents.len()];
    for (place, before) in parents.iter().enumerate() {
        before.iter().for_each(|parent| children[parent.place()].push(place));
    }
    let mut open: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut free: Vec<usize> = (0..parents.len()).filter(|place| open[*place] == 0).collect();
    while let Some(place) = free.pop() {
        for child in &children[place] {
            open[*child] -= 1;
            if open[*child] == 0 {
                free.push(*child);
            }
        }
    }
    let mut at = (0..parents.len()).find(|place| open[*place] > 0)?;
    let mut seen = vec![None; parents.len()];
    let mut way = Vec::new();
    while seen[at].is_none() {
        seen[at] = Some(way.len());
        way.push(at);
        let before = parents[at].iter().find(|parent| open[parent.place()] > 0);
        at = before.expect("what is left has a parent that is left").place();
    }
    let mut cycle = way.split_off(seen[at].unwrap_or(0));
    cycle.reverse();
    let least = (0..cycle.len()).min_by_key(|place| graph.steps[cycle[*place]].name.as_str()).unwrap_or(0);
    cycle.rotate_left(least);
    Some(cycle.into_iter().map(StepNo::at).collect())
}

impl Step {
    /// What a step says of itself.
    fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        for (field, name) in [("project", &self.project), ("source", &self.source)] {
            name.iter().try_for_each(|name| check_name(field, name))?;
        }
        let refused = |field: &str, detail: String| Err(Refusal::field(Code::InvalidField, field, detail));
        match &self.job_type {
            Some(name) if self.kind.has_jobs() => check_name("job_type", name)?,
            None if !self.kind.has_jobs() => {}
            Some(_) => return refused("job_type", format!("a step of kind `{}` has no jobs", self.kind.as_str())),
            None => return refused("job_type", format!("a step of kind `{}` needs one", self.kind.as_str())),
        }
        match &self.kind {
            StepKind::Job => {}
            StepKind::Map(fan) => fan.check().map_err(|refusal| refusal.under("kind.map"))?,
            StepKind::Graph(of) => check_name("kind.graph.name", &of.name)?,
            StepKind::Approval(approval) => approval.check().map_err(|refusal| refusal.under("kind.approval"))?,
        }
        if self.after.is_empty() && self.trigger == Trigger::OneFailed {
            return refused("trigger", "nothing is before it that could fail".to_owned());
        }
        if matches!(self.kind, StepKind::Map(_)) && self.trigger == Trigger::OneFailed {
            return refused("trigger", "a map waits for its list, and `one_failed` does not wait".to_owned());
        }
        self.check_payload()
    }

    /// The payload is JSON that what is to be added can be added to.
    fn check_payload(&self) -> Result<(), Refusal> {
        let refused = |field: &str, detail: String| Err(Refusal::field(Code::InvalidField, field, detail));
        check_range("inputs", self.inputs.len() as u64, 0, limits::STEP_INPUTS_MAX)?;
        self.inputs.iter().try_for_each(|name| check_name("inputs", name))?;
        if matches!(self.kind, StepKind::Approval(_)) && (self.payload.is_some() || !self.inputs.is_empty()) {
            return refused("payload", "nobody reads the payload of an approval".to_owned());
        }
        let maps = matches!(self.kind, StepKind::Map(_));
        if maps && self.inputs.contains(ITEM) {
            return refused("inputs", format!("`{ITEM}` is where a map puts its items"));
        }
        let Some(text) = &self.payload else { return Ok(()) };
        check_range("payload", text.len() as u64, 0, limits::PAYLOAD_BYTES_MAX)?;
        match serde_json::from_str::<Value>(text) {
            Err(error) => refused("payload", format!("`payload` is not JSON: {error}")),
            Ok(Value::Object(members)) if maps && members.contains_key(ITEM) => {
                refused("payload", format!("`{ITEM}` is where a map puts its items"))
            }
            Ok(Value::Object(_)) => Ok(()),
            Ok(_) if maps || !self.inputs.is_empty() || matches!(self.kind, StepKind::Graph(_)) => {
                refused("payload", "`payload` must be an object: it gets members".to_owned())
            }
            Ok(_) => Ok(()),
        }
    }

    /// What a step says of those before it, which stand in the order of `after`.
    fn check_edges(&self, before: &[&Step]) -> Result<(), Refusal> {
        for (place, (edge, parent)) in self.after.iter().zip(before).enumerate() {
            if let Some(condition) = &edge.when {
                let under = |refusal: Refusal| refusal.under(&format!("after[{place}].when"));
                condition.check().and_then(|()| self.check_condition(&condition.pointer, parent)).map_err(under)?;
            }
        }
        let StepKind::Map(FanOut { over, .. }) = &self.kind else { return Ok(()) };
        let refused = |detail: String| Err(Refusal::field(Code::InvalidField, "kind.map.over.step", detail));
        match before.iter().find(|parent| parent.name == over.step) {
            None => refused(format!("`{}` is not directly before this step", over.step)),
            Some(list) if list.disabled => refused(format!("`{}` is disabled and finds no list", over.step)),
            Some(list) if list.kind != StepKind::Job => {
                refused(format!("`{}` is of kind `{}`, and only a job has a list", over.step, list.kind.as_str()))
            }
            Some(_) => Ok(()),
        }
    }

    /// A condition on this step's result makes a difference to this one.
    fn check_condition(&self, pointer: &str, parent: &Step) -> Result<(), Refusal> {
        let name = &parent.name;
        let refused = |detail: String| Err(Refusal::field(Code::InvalidField, "pointer", detail));
        if !self.trigger.asks_for_success() {
            return refused(format!("a condition makes no difference to `{}`", self.trigger.as_str()));
        }
        if parent.disabled {
            return refused(format!("`{name}` is disabled and has no result"));
        }
        match &parent.kind {
            StepKind::Job => Ok(()),
            StepKind::Approval(_) => refused(format!("`{name}` is an approval and has no result")),
            StepKind::Map(_) | StepKind::Graph(_) if COUNT_POINTERS.contains(&pointer) => Ok(()),
            StepKind::Map(_) | StepKind::Graph(_) => {
                let known = COUNT_POINTERS.join(", ");
                refused(format!("the result of `{name}`, a {}, has only {known}", parent.kind.as_str()))
            }
        }
    }
}

impl FanOut {
    fn check(&self) -> Result<(), Refusal> {
        if self.max == 0 {
            let detail = "a fan-out has a bound: `max` is the longest list that it takes";
            return Err(Refusal::field(Code::InvalidField, "max", detail));
        }
        check_range("max", u64::from(self.max), 1, limits::MAP_ITEMS_MAX)?;
        check_range("concurrency_max", self.concurrency_max.map_or(1, u64::from), 1, limits::MAP_ITEMS_MAX)?;
        check_pointer("over.pointer", &self.over.pointer)
    }
}

impl Approval {
    fn check(&self) -> Result<(), Refusal> {
        check_name("scope", &self.scope)?;
        check_range("timeout_ms", self.timeout_ms, 1, limits::APPROVAL_MS_MAX)
    }
}
