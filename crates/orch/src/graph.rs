//! `orch graph …`.

use std::path::PathBuf;

use clap::Subcommand;
use orch_client::{Client, Condition, Edge, Error, Graph, GraphPlan, PlannedStep, Problem, Step};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::apply;
use crate::complete;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::output::{Listing, Output, View, Watch, all, text};

/// Commands about graphs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List graphs.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Print what one says, as it was declared.
    Get {
        /// Its name.
        #[arg(add = complete::graphs())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show the steps of one in their order: what each does, and when it starts.
    Show {
        /// Its name.
        #[arg(add = complete::graphs())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show in which order the steps of one come, and what a run of it comes to at most.
    Plan {
        /// Its name.
        #[arg(add = complete::graphs())]
        name: String,
    },
    /// Plan graphs of files without declaring them; what declaring them would be refused for is refused.
    Validate {
        /// A file of YAML or JSON documents, a folder of such files, or - for standard input; `declare: graph` may be
        /// left out.
        #[arg(required = true, value_name = "FILE|FOLDER|-")]
        files: Vec<PathBuf>,
    },
    /// Declare graphs of files. What is not in the files stays as it is; open runs go on as they began.
    Apply {
        /// A file of YAML or JSON documents, a folder of such files, or - for standard input; `declare: graph` may be
        /// left out.
        #[arg(required = true, value_name = "FILE|FOLDER|-")]
        files: Vec<PathBuf>,
        /// Print what is changed, too; --dry-run always does.
        #[arg(long)]
        diff: bool,
    },
    /// Delete one. Open runs of it go on.
    Delete {
        /// Its name.
        #[arg(add = complete::graphs())]
        name: String,
    },
}

/// What a document says it declares.
const DECLARE: &str = "declare";
/// The kind of ours.
const GRAPH: &str = "graph";

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("STEPS", "/steps"),
        ("DESCRIPTION", "/description"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
    wide: &[],
};

const STEPS: View = View {
    name: "/step",
    columns: &[
        ("STEP", "/step"),
        ("LEVEL", "/level"),
        ("KIND", "/kind"),
        ("DOES", "/does"),
        ("TRIGGER", "/trigger"),
        ("AFTER", "/after"),
    ],
    wide: &[("CHAIN", "/chain"), ("INPUTS", "/inputs"), ("PRIORITY", "/priority"), ("SOURCE", "/source")],
};

const PLAN: View =
    View { name: "/name", columns: &[("STEP", "/name"), ("LEVEL", "/level"), ("CHAIN", "/chain")], wide: &[] };

const PLANS: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("STEPS", "/count"),
        ("LEVELS", "/levels"),
        ("DEPTH", "/depth"),
        ("JOBS MAX", "/jobs_max"),
    ],
    wide: &[("CHAINS", "/chains")],
};

/// A step as it is shown.
#[derive(Debug, Serialize)]
struct Row {
    step: String,
    level: u32,
    chain: usize,
    kind: &'static str,
    does: String,
    trigger: String,
    after: Vec<String>,
    inputs: Vec<String>,
    priority: String,
    source: Option<String>,
    disabled: bool,
}

/// A graph that can be declared.
#[derive(Debug, Serialize)]
struct Planned {
    name: String,
    count: usize,
    levels: u32,
    #[serde(flatten)]
    plan: GraphPlan,
}

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let graphs = client.graphs();
    match command {
        Command::List { watch } => list(client, &watch, output).await,
        Command::Get { name, watch } => watch.one(output, &VIEW, async || graphs.get(&name).await, |_| false).await,
        Command::Show { name, watch } => {
            let read = async || {
                let (graph, plan) = (graphs.get(&name).await?, graphs.plan(&name).await?);
                Ok(Listing::from(rows(&graph, &plan, output.is_for_people())))
            };
            watch.list(output, &STEPS, read).await
        }
        Command::Plan { name } => plan(&graphs.plan(&name).await?, output),
        Command::Validate { files } => validate(documents(&files)?, client, output).await,
        Command::Apply { files, diff } => {
            let mut documents = documents(&files)?;
            documents.iter_mut().for_each(|document| document.value[DECLARE] = json!(GRAPH));
            apply::declare(&documents, diff, client, output).await
        }
        Command::Delete { name } => Ok(graphs.delete(&name).await?),
    }
}

/// Lists graphs; people are told how many steps they have.
async fn list(client: &Client, watch: &Watch, output: &Output) -> Result<(), Failure> {
    let page = async |cursor: Option<String>| client.graphs().list(cursor.as_deref()).await;
    if !output.is_for_people() {
        return watch.list(output, &VIEW, async || all(page).await).await;
    }
    let read = async || {
        let Listing { items, more } = all(page).await?;
        let line = |graph: Graph| {
            let Graph { name, description, steps, version, updated_at } = graph;
            json!({
                "name": name, "steps": steps.len(), "description": description.unwrap_or_default(),
                "version": version, "updated_at": updated_at,
            })
        };
        Ok(Listing { items: items.into_iter().map(line).collect(), more })
    };
    watch.list(output, &VIEW, read).await
}

/// The steps in the plan's order; people see their levels by how far they are indented.
fn rows(graph: &Graph, plan: &GraphPlan, indented: bool) -> Vec<Row> {
    let place = |name: &str| plan.steps.iter().position(|planned| planned.name == name);
    let mut steps: Vec<_> = graph.steps.iter().map(|step| (place(&step.name), step)).collect();
    // What is not in the plan was declared in between.
    steps.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
    let row = |(place, step): (Option<usize>, &Step)| {
        let PlannedStep { level, chain, .. } = place.map(|place| plan.steps[place].clone()).unwrap_or_default();
        let indent = if indented { "  ".repeat(level as usize) } else { String::new() };
        Row {
            step: format!("{indent}{}", step.name),
            level,
            chain,
            kind: step.kind(),
            does: does(step),
            trigger: step.trigger.to_string(),
            after: step.after.iter().map(edge).collect(),
            inputs: step.inputs.iter().cloned().collect(),
            priority: step.priority.to_string(),
            source: step.source.clone(),
            disabled: step.disabled,
        }
    };
    steps.into_iter().map(row).collect()
}

/// What a step does, in a few words.
fn does(step: &Step) -> String {
    let job_type = step.job_type.clone().unwrap_or_default();
    let mut text = match (&step.map, &step.graph, &step.approval) {
        (Some(map), _, _) => {
            let at_most = map.concurrency_max.map(|jobs| format!(", {jobs} at a time")).unwrap_or_default();
            format!("{job_type} for each of {}{} (at most {}{at_most})", map.over.step, map.over.pointer, map.max)
        }
        (_, Some(graph), _) => format!("runs {}", graph.name),
        (_, _, Some(approval)) => format!("asks {}", approval.scope.as_deref().unwrap_or("somebody")),
        (None, None, None) => job_type,
    };
    if step.disabled {
        text.push_str(" (disabled)");
    }
    text
}

fn edge(edge: &Edge) -> String {
    match &edge.when {
        Some(when) => format!("{} if {}", edge.step, condition(when)),
        None => edge.step.clone(),
    }
}

/// A condition in one line.
fn condition(when: &Condition) -> String {
    let Condition { pointer, equals, not_equals, one_of, less, greater, exists } = when;
    let place = if pointer.is_empty() { "it" } else { pointer.as_str() };
    let compared = [("=", equals), ("!=", not_equals), ("<", less), (">", greater)];
    let compared = compared.into_iter().find_map(|(sign, value)| Some(format!("{place} {sign} {}", value.as_ref()?)));
    compared
        .or_else(|| Some(format!("{place} in {}", json!(one_of.as_ref()?))))
        .or_else(|| Some(format!("{place} {}", if (*exists)? { "exists" } else { "is missing" })))
        .unwrap_or_else(|| place.to_owned())
}

fn plan(plan: &GraphPlan, output: &Output) -> Result<(), Failure> {
    if !output.is_for_people() {
        return output.one(plan, &PLAN);
    }
    output.list(&plan.steps.clone().into(), &PLAN)?;
    text(&format!("chains {}, depth {}, at most {} jobs", plan.chains.len(), plan.depth, plan.jobs_max))
}

/// Plans each, and stops at the first that is refused.
async fn validate(documents: Vec<Document>, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut planned = Vec::with_capacity(documents.len());
    for Document { origin, value } in documents {
        let name = value["name"].as_str().unwrap_or_default().to_owned();
        let plan = client.graphs().validate(&value).await.map_err(|error| placed(error, &origin.to_string()))?;
        let levels = plan.steps.iter().map(|step| step.level + 1).max().unwrap_or(0);
        planned.push(Planned { name, count: plan.steps.len(), levels, plan });
    }
    output.list(&planned.into(), &PLANS)
}

/// The graphs in files, without the word that says so.
fn documents(files: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let read = document::read(files)?;
    let graph = |Document { origin, value }: Document| {
        let refused = |what: &str| {
            let hint = "a graph is an object with `name` and `steps`; `orch apply -f` declares what is of other kinds";
            Err(Failure::refused(format!("{origin} {what}"), hint))
        };
        let Value::Object(mut members): Value = value else { return refused("is no object") };
        match declared(&mut members) {
            None => Ok(Document { origin, value: Value::Object(members) }),
            Some(kind) => refused(&format!("declares {kind} and no graph")),
        }
    };
    read.into_iter().map(graph).collect()
}

/// The kind that a document says, if it is another than ours.
fn declared(members: &mut Map<String, Value>) -> Option<Value> {
    members.remove(DECLARE).filter(|kind| kind != GRAPH)
}

/// The same error, with its fields in a file.
fn placed(error: Error, origin: &str) -> Error {
    let Error::Problem(mut problem) = error else { return error };
    let Problem { errors, .. } = &mut *problem;
    for error in errors {
        error.field = format!("{origin}, {}", error.field);
    }
    Error::Problem(problem)
}

#[cfg(test)]
mod tests {
    use orch_client::{Approval, FanOut, Trigger};

    use super::*;

    #[test]
    fn a_condition_is_a_line() {
        for (when, line) in [
            (Condition::equals("/kind", "full"), "/kind = \"full\""),
            (Condition::not_equals("/n", 3), "/n != 3"),
            (Condition::less("/n", 3), "/n < 3"),
            (Condition::greater("", "a"), "it > \"a\""),
            (Condition::one_of("/n", [1, 2]), "/n in [1,2]"),
            (Condition::exists("/n"), "/n exists"),
            (Condition::missing("/n"), "/n is missing"),
            (Condition::default(), "it"),
        ] {
            assert_eq!(condition(&when), line);
        }
    }

    #[test]
    fn steps_are_shown_in_the_order_of_the_plan() {
        let graph = Graph::named("kev")
            .step(Step::approval("ask", Approval::default().scope("orch:operate")).after("fetch"))
            .step(
                Step::map("fetch", "feeds.fetch", FanOut::over("list", "/documents", 500).at_most(8))
                    .after_if("list", Condition::exists("/documents"))
                    .trigger(Trigger::NoneFailed),
            )
            .step(Step::job("list", "feeds.list").disabled())
            .step(Step::graph("late", "other"));
        let planned = |name: &str, level| PlannedStep { name: name.to_owned(), level, chain: 0 };
        let steps = vec![planned("list", 0), planned("fetch", 1), planned("ask", 2)];
        let plan = GraphPlan { steps, ..GraphPlan::default() };
        let rows = rows(&graph, &plan, true);
        let told: Vec<_> = rows.iter().map(|row| (row.step.as_str(), row.does.as_str())).collect();
        let expected = [
            ("list", "feeds.list (disabled)"),
            ("  fetch", "feeds.fetch for each of list/documents (at most 500, 8 at a time)"),
            ("    ask", "asks orch:operate"),
            ("late", "runs other"),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (rows[1].after.as_slice(), rows[1].trigger.as_str()),
            (&["list if /documents exists".to_owned()][..], "none_failed")
        );
    }

    #[test]
    fn only_graphs_are_taken() {
        let mut members = json!({"declare": "graph", "name": "kev"}).as_object().unwrap().clone();
        assert_eq!(declared(&mut members), None);
        assert_eq!(Value::Object(members), json!({"name": "kev"}));
        let mut other = json!({"declare": "bucket"}).as_object().unwrap().clone();
        assert_eq!(declared(&mut other), Some(json!("bucket")));
    }
}
