//! Graphs: named templates of steps that depend on each other. Calls are in `graphs`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::job::Priority;
use crate::word::words;
use crate::worker::ms;

words! {
    /// How what is before a step must have ended for it to start.
    #[derive(Default)]
    Trigger {
        /// All succeeded.
        #[default]
        AllSucceeded = "all_succeeded",
        /// All ended, however.
        AllDone = "all_done",
        /// One failed; it does not wait for the others.
        OneFailed = "one_failed",
        /// All succeeded or were skipped.
        NoneFailed = "none_failed",
        /// The same, and one succeeded.
        NoneFailedMinOneSuccess = "none_failed_min_one_success",
    }
}

/// A named template of steps that depend on each other; a run is one execution of it.
///
/// ```no_run
/// use orch_client::{Client, Condition, FanOut, Graph, Step};
///
/// # async fn run(client: &Client) -> Result<(), orch_client::Error> {
/// let graph = Graph::named("kev")
///     .step(Step::job("list", "feeds.list").input("since"))
///     .step(
///         Step::map("fetch", "feeds.fetch", FanOut::over("list", "/documents", 500).at_most(8))
///             .after_if("list", Condition::exists("/documents/0")),
///     )
///     .step(Step::job("publish", "feeds.publish").after("fetch"));
/// let plan = client.graphs().validate(&graph).await?;
/// println!("at most {} jobs", plan.jobs_max);
/// client.graphs().create(&graph).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Graph {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The steps, in any order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// A part of a graph: a job, or one of `map`, `graph` and `approval`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// The name; unique in the graph.
    pub name: String,
    /// The type of its jobs; a step with `graph` or `approval` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// What ends before it.
    pub after: Vec<Edge>,
    /// How that must have ended.
    pub trigger: Trigger,
    /// The payload of its jobs, or the inputs of its sub-graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Inputs of the run that become members of the payload.
    pub inputs: BTreeSet<String>,
    /// What its jobs are before others.
    pub priority: Priority,
    /// The project of its jobs; the run's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The source of its jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// It is passed over.
    pub disabled: bool,
    /// A job for each item of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<FanOut>,
    /// A run of another graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph: Option<SubGraph>,
    /// Somebody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// One step comes after another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edge {
    /// The name of the step before.
    pub step: String,
    /// What its result must be. If it is not, the step before counts as skipped here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// A place in a result, as a JSON pointer, and one test of what is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Where in the result; empty for the whole of it.
    pub pointer: String,
    /// This is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// Something else is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_equals: Option<Value>,
    /// One of these is there.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// What is there is less: numbers by value, texts by their code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub less: Option<Value>,
    /// What is there is greater.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greater: Option<Value>,
    /// Anything is there, or nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// A job for each item of a list that a step before it found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FanOut {
    /// The list.
    pub over: ListAt,
    /// A list that is longer fails the step.
    pub max: u32,
    /// So many of its jobs are open at the same time; all of them when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
}

/// A list in the result of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListAt {
    /// The name of the step; one directly before.
    pub step: String,
    /// Where in its result: a JSON pointer; empty for the whole of it.
    pub pointer: String,
}

/// A graph that runs as a step of another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubGraph {
    /// Its name.
    pub name: String,
}

/// Somebody decides whether the run goes on. What is left out is as the server has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Approval {
    /// The scope that who decides must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Who began the run may not decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_self: Option<bool>,
    /// How long it waits, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// In which order the steps of a graph come, and what a run of it comes to at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GraphPlan {
    /// The steps, each after those before it.
    pub steps: Vec<PlannedStep>,
    /// Names of steps that have nothing to do with each other, apart.
    pub chains: Vec<Vec<String>>,
    /// Graphs on the longest way inwards, itself counted.
    pub depth: u64,
    /// Jobs that a run makes at most.
    pub jobs_max: u64,
}

/// A step in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// Edges on the longest way to it from a step with nothing before it.
    pub level: u32,
    /// Which of the plan's chains has it, from 0.
    pub chain: usize,
}

impl Graph {
    /// A graph of this name, without steps.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// With a text for people.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// With one step more.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Step {
    /// A job.
    #[must_use]
    pub fn job(name: impl Into<String>, job_type: impl Into<String>) -> Self {
        Self { name: name.into(), job_type: Some(job_type.into()), ..Self::default() }
    }

    /// A job for each item of a list. It comes after the step that has the list.
    #[must_use]
    pub fn map(name: impl Into<String>, job_type: impl Into<String>, list: FanOut) -> Self {
        Self { map: Some(list), ..Self::job(name, job_type) }
    }

    /// A run of another graph.
    #[must_use]
    pub fn graph(name: impl Into<String>, graph: impl Into<String>) -> Self {
        Self { name: name.into(), graph: Some(SubGraph { name: graph.into() }), ..Self::default() }
    }

    /// Asks somebody.
    #[must_use]
    pub fn approval(name: impl Into<String>, approval: Approval) -> Self {
        Self { name: name.into(), approval: Some(approval), ..Self::default() }
    }

    /// After another step.
    #[must_use]
    pub fn after(self, step: impl Into<String>) -> Self {
        self.edge(step.into(), None)
    }

    /// After another step, if its result is like this.
    #[must_use]
    pub fn after_if(self, step: impl Into<String>, when: Condition) -> Self {
        self.edge(step.into(), Some(when))
    }

    /// A step has one edge from another: a condition that is said later counts.
    fn edge(mut self, step: String, when: Option<Condition>) -> Self {
        self.after.retain(|edge| edge.step != step);
        self.after.push(Edge { step, when });
        self
    }

    /// Starts when what is before it ended like this, instead of when all succeeded.
    #[must_use]
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// With this payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Value>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// With an input of the run as a member of its payload.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>) -> Self {
        self.inputs.insert(name.into());
        self
    }

    /// With this priority instead of normal.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// In this project instead of the run's.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// For this source.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Passed over: what ends before it counts, for those after it, in its stead.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// What it does when it starts: `job`, `map`, `graph` or `approval`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (&self.map, &self.graph, &self.approval) {
            (Some(_), _, _) => "map",
            (_, Some(_), _) => "graph",
            (_, _, Some(_)) => "approval",
            (None, None, None) => "job",
        }
    }
}

impl Condition {
    fn at(pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), ..Self::default() }
    }

    /// This text, whole number or boolean is there.
    #[must_use]
    pub fn equals(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { equals: Some(value.into()), ..Self::at(pointer) }
    }

    /// Something is there, and it is not this.
    #[must_use]
    pub fn not_equals(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { not_equals: Some(value.into()), ..Self::at(pointer) }
    }

    /// One of these is there.
    #[must_use]
    pub fn one_of<V: Into<Value>>(pointer: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self { one_of: Some(values.into_iter().map(Into::into).collect()), ..Self::at(pointer) }
    }

    /// What is there is less.
    #[must_use]
    pub fn less(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { less: Some(value.into()), ..Self::at(pointer) }
    }

    /// What is there is greater.
    #[must_use]
    pub fn greater(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { greater: Some(value.into()), ..Self::at(pointer) }
    }

    /// Anything is there.
    #[must_use]
    pub fn exists(pointer: impl Into<String>) -> Self {
        Self { exists: Some(true), ..Self::at(pointer) }
    }

    /// Nothing is there.
    #[must_use]
    pub fn missing(pointer: impl Into<String>) -> Self {
        Self { exists: Some(false), ..Self::at(pointer) }
    }
}

impl FanOut {
    /// Over a list in the result of a step, of at most so many items.
    #[must_use]
    pub fn over(step: impl Into<String>, pointer: impl Into<String>, max: u32) -> Self {
        Self { over: ListAt { step: step.into(), pointer: pointer.into() }, max, concurrency_max: None }
    }

    /// At most so many of its jobs are open at the same time.
    #[must_use]
    pub fn at_most(mut self, jobs: u32) -> Self {
        self.concurrency_max = Some(jobs);
        self
    }
}

impl Approval {
    /// Who decides must have this scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Who began the run may decide, too.
    #[must_use]
    pub fn by_anybody(mut self) -> Self {
        self.no_self = Some(false);
        self
    }

    /// It waits so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(ms(timeout));
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_graph_is_written_as_the_server_shows_it() {
        let graph = Graph::named("kev")
            .step(Step::job("list", "feeds.list").input("since").payload(json!({"feed": "kev"})))
            .step(
                Step::map("fetch", "feeds.fetch", FanOut::over("list", "/documents", 500).at_most(8))
                    .after("list")
                    .after_if("list", Condition::one_of("/kind", ["full", "delta"])),
            )
            .step(
                Step::approval("ask", Approval::default().timeout(Duration::from_secs(60)).by_anybody()).after("fetch"),
            )
            .step(Step::graph("rest", "publish").after("ask").trigger(Trigger::NoneFailed).disabled());
        let usual = |name: &str| {
            json!({
                "name": name, "after": [], "trigger": "all_succeeded", "inputs": [], "priority": "normal",
                "disabled": false,
            })
        };
        let over = |mut step: Value, members: Value| {
            step.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            step
        };
        let steps = [
            over(usual("list"), json!({"job_type": "feeds.list", "inputs": ["since"], "payload": {"feed": "kev"}})),
            over(
                usual("fetch"),
                json!({
                    "job_type": "feeds.fetch",
                    "after": [{"step": "list", "when": {"pointer": "/kind", "in": ["full", "delta"]}}],
                    "map": {"over": {"step": "list", "pointer": "/documents"}, "max": 500, "concurrency_max": 8},
                }),
            ),
            over(
                usual("ask"),
                json!({"after": [{"step": "fetch"}], "approval": {"no_self": false, "timeout_ms": 60_000}}),
            ),
            over(
                usual("rest"),
                json!({
                    "after": [{"step": "ask"}], "trigger": "none_failed", "graph": {"name": "publish"}, "disabled": true,
                }),
            ),
        ];
        assert_eq!(serde_json::to_value(&graph).unwrap(), json!({"name": "kev", "steps": steps}));
        let kinds: Vec<_> = graph.steps.iter().map(Step::kind).collect();
        assert_eq!(kinds, ["job", "map", "approval", "graph"]);
    }

    #[test]
    fn a_condition_has_one_test() {
        for (condition, wire) in [
            (Condition::equals("/a", 1), json!({"pointer": "/a", "equals": 1})),
            (Condition::not_equals("/a", "x"), json!({"pointer": "/a", "not_equals": "x"})),
            (Condition::less("", 2.5), json!({"pointer": "", "less": 2.5})),
            (Condition::greater("/a", "m"), json!({"pointer": "/a", "greater": "m"})),
            (Condition::missing("/a"), json!({"pointer": "/a", "exists": false})),
        ] {
            assert_eq!(serde_json::to_value(&condition).unwrap(), wire);
            assert_eq!(serde_json::from_value::<Condition>(wire).unwrap(), condition);
        }
    }

    #[test]
    fn what_is_not_known_of_a_graph_is_kept_or_left_out() {
        let wire = json!({
            "name": "kev", "color": "red", "version": 3,
            "steps": [{"name": "list", "trigger": "two_failed", "after": [{"step": "x", "since": 1}]}],
        });
        let graph: Graph = serde_json::from_value(wire).unwrap();
        assert_eq!(graph.steps[0].trigger, Trigger::Unknown("two_failed".to_owned()));
        assert_eq!(graph.version, Some(3));
    }
}
