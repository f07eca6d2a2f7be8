//! Graphs as they would run: worked out from what is declared, and not at the shard's owner.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::graph::{Extent, Graph};
use orch_core::ids::TenantNo;
use orch_core::refusal::{Code, Refusal};
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};
use orch_graph::Plan;

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// The project that is there without being declared.
const DEFAULT_PROJECT: &str = "default";

/// In which order the steps of a graph come, and what a run of it comes to.
#[derive(Debug, Clone)]
pub struct GraphPlan {
    /// The order.
    pub plan: Plan,
    /// What it comes to with all that is inside it.
    pub extent: Extent,
}

impl Engine {
    /// The plan of a declared graph. `None`: there is none of that name.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn graph_plan(&self, tenant: TenantNo, name: &str) -> Result<Option<GraphPlan>, Error> {
        let declared = self.graphs(tenant).await?;
        let Some(graph) = declared.get(name) else { return Ok(None) };
        planned(graph.clone(), &declared).map(Some)
    }

    /// The plan of a graph that is not declared, or not like this. Nothing is made.
    ///
    /// # Errors
    /// What declaring it would be refused for, and whatever keeps the engine from answering.
    pub async fn graph_check(&self, tenant: TenantNo, graph: Graph) -> Result<GraphPlan, Error> {
        graph.check()?;
        let mut known = BTreeMap::new();
        for kind in [ConfigKind::JobType, ConfigKind::Source, ConfigKind::Project] {
            let docs = self.declared(tenant, kind).await?;
            known.insert(kind, docs.iter().map(|doc| doc.name().to_owned()).collect());
        }
        check_names(&graph, &known)?;
        planned(graph, &self.graphs(tenant).await?)
    }

    async fn graphs(&self, tenant: TenantNo) -> Result<BTreeMap<String, Graph>, Error> {
        let docs = self.declared(tenant, ConfigKind::Graph).await?.into_iter();
        let graphs = docs.filter_map(|doc| match doc {
            ConfigDoc::Graph(graph) => Some((graph.name.clone(), *graph)),
            _ => None,
        });
        Ok(graphs.collect())
    }

    async fn declared(&self, tenant: TenantNo, kind: ConfigKind) -> Result<Vec<ConfigDoc>, Error> {
        match self.command(Command::Read(Read::Configs { tenant, kind })).await? {
            Answer::Configs(found) => Ok(found.into_iter().map(|found| found.doc).collect()),
            answer => Err(unexpected(&answer)),
        }
    }
}

fn planned(graph: Graph, declared: &BTreeMap<String, Graph>) -> Result<GraphPlan, Error> {
    let plan = Plan::of(graph)?;
    let own = plan.graph();
    let extent = own.check_nesting(|name| if name == own.name { Some(own) } else { declared.get(name) })?;
    Ok(GraphPlan { plan, extent })
}

/// What a graph names is declared.
fn check_names(graph: &Graph, known: &BTreeMap<ConfigKind, BTreeSet<String>>) -> Result<(), Refusal> {
    for (place, step) in graph.steps.iter().enumerate() {
        let project = step.project.as_ref().filter(|name| *name != DEFAULT_PROJECT);
        for (kind, name, code, field, what) in [
            (ConfigKind::JobType, step.job_type.as_ref(), Code::UnknownJobType, "job_type", "job type"),
            (ConfigKind::Source, step.source.as_ref(), Code::UnknownSource, "source", "source"),
            (ConfigKind::Project, project, Code::UnknownProject, "project", "project"),
        ] {
            if let Some(name) = name.filter(|name| !known.get(&kind).is_some_and(|names| names.contains(*name))) {
                let detail = format!("there is no {what} `{name}`");
                return Err(Refusal::field(code, format!("steps[{place}].{field}"), detail));
            }
        }
    }
    Ok(())
}
