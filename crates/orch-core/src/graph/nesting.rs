//! Graphs inside graphs: they are there, none contains itself, and together they stay within the limits.
//!
//! To be asked again when a run begins: what a graph names may have changed since it was declared.

use std::collections::BTreeMap;

use super::{Graph, StepKind};
use crate::limits;
use crate::refusal::{Code, Refusal};

/// What a graph comes to with all that is inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Graphs on the longest way inwards, itself counted.
    pub depth: u64,
    /// Jobs that a run makes at most: every item of every map, every step of every sub-graph.
    pub jobs: u64,
}

impl Graph {
    /// Checks the sub-graphs, theirs and so on. `find` gives the graph of a name as it stands now.
    ///
    /// # Errors
    /// A refusal that names the step of this graph: an unknown sub-graph, one that contains itself (with the way, as
    /// `a → b → a`), too many levels; or `steps`, when all together come to too many jobs.
    pub fn check_nesting<'a>(&'a self, find: impl Fn(&str) -> Option<&'a Graph>) -> Result<Extent, Refusal> {
        let mut walk = Walk { find, known: BTreeMap::new(), way: Vec::new() };
        let extent = walk.extent(self)?;
        if extent.jobs > limits::GRAPH_JOBS_MAX {
            let max = limits::GRAPH_JOBS_MAX;
            let detail = format!("a run comes to as many as {} jobs; at most {max} are allowed", extent.jobs);
            return Err(Refusal::field(Code::LimitExceeded, "steps", detail));
        }
        Ok(extent)
    }
}

struct Walk<'a, F> {
    find: F,
    /// Each graph is walked once, however many name it.
    known: BTreeMap<&'a str, Extent>,
    way: Vec<&'a str>,
}

impl<'a, F: Fn(&str) -> Option<&'a Graph>> Walk<'a, F> {
    // Calls itself as deep as graphs stand inside each other, which is limited.
    fn extent(&mut self, graph: &'a Graph) -> Result<Extent, Refusal> {
        self.way.push(&graph.name);
        let mut whole = Extent { depth: 1, jobs: 0 };
        for (place, step) in graph.steps.iter().enumerate() {
            let jobs = match &step.kind {
                StepKind::Job => 1,
                StepKind::Map(fan) => u64::from(fan.max),
                StepKind::Approval(_) => 0,
                StepKind::Graph(of) => {
                    // Only the step of the outermost graph is one that the caller knows.
                    let field = format!("steps[{place}].kind.graph.name");
                    let under = |refusal: Refusal| Refusal { field: Some(field), ..refusal };
                    let inside = self.inside(&of.name).map_err(under)?;
                    whole.depth = whole.depth.max(1 + inside.depth);
                    inside.jobs
                }
            };
            whole.jobs = whole.jobs.saturating_add(jobs);
        }
        self.way.pop();
        Ok(whole)
    }

    fn inside(&mut self, name: &str) -> Result<Extent, Refusal> {
        let way = || format!("{} → {name}", self.way.join(" → "));
        if self.way.contains(&name) {
            let detail = format!("a graph contains itself: {}", way());
            return Err(Refusal::new(Code::DependencyCycle, detail));
        }
        let depth = self.way.len() as u64 + self.known.get(name).map_or(1, |known| known.depth);
        if depth > limits::GRAPH_DEPTH_MAX {
            let max = limits::GRAPH_DEPTH_MAX;
            let detail = format!("graphs stand inside each other at most {max} deep: {}", way());
            return Err(Refusal::new(Code::LimitExceeded, detail));
        }
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        let Some(graph) = (self.find)(name) else {
            return Err(Refusal::new(Code::InvalidField, format!("there is no graph `{name}`: {}", way())));
        };
        let extent = self.extent(graph)?;
        self.known.insert(&graph.name, extent);
        Ok(extent)
    }
}
