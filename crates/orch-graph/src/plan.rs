//! A graph made ready: its steps in an order that is the same everywhere, who comes after whom, levels and chains.
//!
//! Each is linear in steps and edges, but for the logarithm of keeping free steps by name.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::StepNo;
use orch_core::graph::{Condition, Graph, Step};
use orch_core::refusal::Refusal;

/// A graph that passed its check, with what runs look up in it. Made once for each version of a graph.
#[derive(Debug, Clone)]
pub struct Plan {
    graph: Graph,
    order: Vec<StepNo>,
    parents: Vec<Vec<StepNo>>,
    children: Vec<Vec<Child>>,
    levels: Vec<u32>,
}

/// A step directly after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Child {
    pub step: StepNo,
    /// The place of the edge in the list of the step after.
    edge: usize,
}

impl Plan {
    /// Plans a graph.
    ///
    /// # Errors
    /// What `Graph::check` refuses.
    pub fn of(graph: Graph) -> Result<Self, Refusal> {
        graph.check()?;
        let parents = graph.parents()?;
        let order = ordered(&graph, &parents);
        let mut children = vec![Vec::new(); parents.len()];
        let mut levels = vec![0; parents.len()];
        for step in &order {
            for (edge, parent) in parents[step.place()].iter().enumerate() {
                children[parent.place()].push(Child { step: *step, edge });
                levels[step.place()] = levels[step.place()].max(levels[parent.place()] + 1);
            }
        }
        Ok(Self { graph, order, parents, children, levels })
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// One of its steps.
    ///
    /// # Panics
    /// When the graph has no such step.
    #[must_use]
    pub fn step(&self, step: StepNo) -> &Step {
        &self.graph.steps[step.place()]
    }

    /// The step of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<StepNo> {
        self.graph.steps.iter().position(|step| step.name == name).map(StepNo::at)
    }

    /// All steps, each after those before it; of those that could be next, the one of the least name is.
    #[must_use]
    pub fn order(&self) -> &[StepNo] {
        &self.order
    }

    /// The steps directly before one, in the order of its edges.
    #[must_use]
    pub fn parents(&self, step: StepNo) -> &[StepNo] {
        &self.parents[step.place()]
    }

    /// The steps directly after one, in the plan's order.
    pub fn after(&self, step: StepNo) -> impl Iterator<Item = StepNo> + '_ {
        self.children(step).iter().map(|child| child.step)
    }

    pub(crate) fn children(&self, step: StepNo) -> &[Child] {
        &self.children[step.place()]
    }

    /// What the edge to a child asks of the result.
    pub(crate) fn condition(&self, child: Child) -> Option<&Condition> {
        self.step(child.step).after[child.edge].when.as_ref()
    }

    /// The number of edges on the longest way to a step from one with nothing before it.
    #[must_use]
    pub fn level(&self, step: StepNo) -> u32 {
        self.levels[step.place()]
    }

    /// Steps that have nothing to do with each other, apart: each chain in the plan's order, and of two chains first
    /// the one that has the least name of all.
    #[must_use]
    pub fn chains(&self) -> Vec<Vec<StepNo>> {
        let mut chain_of = vec![None; self.parents.len()];
        let mut least: Vec<&str> = Vec::new();
        for start in &self.order {
            if chain_of[start.place()].is_some() {
                continue;
            }
            let number = least.len();
            least.push(&self.step(*start).name);
            let mut open = vec![*start];
            while let Some(step) = open.pop() {
                if chain_of[step.place()].replace(number).is_none() {
                    least[number] = least[number].min(&self.step(step).name);
                    open.extend(self.parents(step).iter().copied().chain(self.after(step)));
                }
            }
        }
        let mut by_name: BTreeMap<&str, Vec<StepNo>> = least.iter().map(|name| (*name, Vec::new())).collect();
        for step in &self.order {
            let name = chain_of[step.place()].map(|number| least[number]);
            name.and_then(|name| by_name.get_mut(name)).into_iter().for_each(|chain| chain.push(*step));
        }
        by_name.into_values().collect()
    }
}

/// Kahn's algorithm ("Topological sorting of large networks", CACM 1962), with the free steps kept by name.
fn ordered(graph: &Graph, parents: &[Vec<StepNo>]) -> Vec<StepNo> {
    let mut children = vec![Vec::new(); parents.len()];
    for (place, before) in parents.iter().enumerate() {
        before.iter().for_each(|parent| children[parent.place()].push(place));
    }
    let name = |place: usize| (graph.steps[place].name.as_str(), place);
    let mut open: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut free: BTreeSet<(&str, usize)> = (0..parents.len()).filter(|place| open[*place] == 0).map(name).collect();
    let mut order = Vec::with_capacity(parents.len());
    while let Some((_, place)) = free.pop_first() {
        order.push(StepNo::at(place));
        for child in &children[place] {
            open[*child] -= 1;
            if open[*child] == 0 {
                free.insert(name(*child));
            }
        }
    }
    assert_eq!(order.len(), parents.len(), "a graph that passed its check has no cycle");
    order
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
