//! Graphs: declared templates of steps that depend on each other, and the order in which their steps come.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::graph::{Approval, Condition, Edge, FanOut, Graph, ListAt, Step, StepKind, SubGraph, Trigger};
use orch_core::job::Priority;
use orch_core::{Code, Refusal, StepNo};
use orch_engine::GraphPlan;
use orch_graph::Plan;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::declared::{self, Declared, Full, New, name};
use super::error::Problem;
use super::idempotency::IdempotencyKey;
use super::json::{Json, canonical, keepable};
use super::object::{maybe_object, objects};
use super::query::Query;
use super::segment::Segment;
use super::texts::{KeyHeaderText, LimitNumber, MessageText, NameText, PointerText};
use super::words::{Moment, PageOut, PriorityWord, TriggerWord, maybe_exact};
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The segment of the path that is no graph's name.
const VALIDATE: &str = "validate";

/// The routes of graphs.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_graphs, create_graph))
        .routes(routes!(validate_graph))
        .routes(routes!(get_graph, put_graph, delete_graph))
        .routes(routes!(get_graph_plan))
}

/// Steps that depend on each other. A run is one execution of them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Graph, example = json!({
    "name": "kev", "steps": [
        {"name": "list", "job_type": "feeds.list", "inputs": ["since"]},
        {
            "name": "fetch", "job_type": "feeds.fetch",
            "after": [{"step": "list", "when": {"pointer": "/documents/0", "exists": true}}],
            "map": {"over": {"step": "list", "pointer": "/documents"}, "max": 500, "concurrency_max": 8}
        },
        {"name": "publish", "after": [{"step": "fetch"}], "approval": {"timeout_ms": 3_600_000}}
    ]
}))]
pub struct GraphBody {
    /// The name; unique in the tenant. `validate` is none.
    #[serde(deserialize_with = "name")]
    #[schema(value_type = NameText)]
    pub name: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub description: String,
    /// The steps, in any order.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 10000, required = true)]
    pub steps: Vec<StepBody>,
    /// The version, from 1; read only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub version: Option<u64>,
    /// When this version was set; read only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Moment>,
}

/// A part of a graph: a job, or one of `map`, `graph` and `approval`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[schema(as = Step, example = json!({"name": "list", "job_type": "feeds.list", "inputs": ["since"]}))]
pub struct StepBody {
    /// The name; unique in the graph.
    #[schema(value_type = NameText, required = true)]
    pub name: String,
    /// The type of its jobs; a step with `graph` or `approval` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub job_type: Option<String>,
    /// What ends before it; each step at most once.
    #[serde(deserialize_with = "objects")]
    #[schema(max_items = 10000)]
    pub after: Vec<EdgeBody>,
    /// How what is before it must have ended: `all_succeeded`; `all_done`, however; `one_failed`, without waiting for the
    /// others; `none_failed`, all succeeded or were skipped; `none_failed_min_one_success`, the same, and one succeeded.
    #[schema(value_type = TriggerWord, default = "all_succeeded")]
    pub trigger: Trigger,
    /// The payload of its jobs, or the inputs of its sub-graph: any JSON up to 1 MiB, an object where anything is added.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "keepable")]
    #[schema(value_type = serde_json::Value)]
    pub payload: Option<Value>,
    /// Inputs of the run that become members of the payload, over members of these names that stand there.
    #[schema(value_type = Vec<NameText>, max_items = 32)]
    pub inputs: BTreeSet<String>,
    /// What its jobs are before others.
    #[schema(value_type = PriorityWord, default = "normal")]
    pub priority: Priority,
    /// The project of its jobs; the run's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub project: Option<String>,
    /// The source of its jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub source: Option<String>,
    /// It is passed over: what ends before it counts, for those after it, in its stead.
    pub disabled: bool,
    /// A job for each item of a list.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_object")]
    pub map: Option<MapBody>,
    /// A run of another graph.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_object")]
    pub graph: Option<SubGraphBody>,
    /// Somebody is asked.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_object")]
    pub approval: Option<ApprovalBody>,
}

impl<'de> Deserialize<'de> for StepBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let step = Self::deserialize(deserializer)?;
        let kinds = [step.map.is_some(), step.graph.is_some(), step.approval.is_some()];
        if kinds.into_iter().filter(|given| *given).count() > 1 {
            return Err(de::Error::custom("a step has at most one of `map`, `graph` and `approval`"));
        }
        Ok(step)
    }
}

impl Serialize for StepBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// One step comes after another.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Edge)]
pub struct EdgeBody {
    /// The name of the step before.
    #[schema(value_type = NameText, required = true)]
    pub step: String,
    /// What its result must be. If it is not, the step before counts as skipped on this edge.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "maybe_object")]
    pub when: Option<ConditionBody>,
}

/// A place in a result, and one test of what is there: exactly one member beside `pointer` is given.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Condition, example = json!({"pointer": "/documents/0", "exists": true}))]
pub struct ConditionBody {
    /// Where in the result: a JSON pointer (RFC 6901); empty for the whole of it.
    #[schema(value_type = PointerText, required = true)]
    pub pointer: String,
    /// This text, whole number or boolean is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub equals: Option<Value>,
    /// Something is there, and it is not this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub not_equals: Option<Value>,
    /// One of these is there.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>, min_items = 1, max_items = 100)]
    pub one_of: Option<Vec<Value>>,
    /// What is there is less: numbers by value, texts by their code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub less: Option<Value>,
    /// What is there is greater.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub greater: Option<Value>,
    /// Anything is there (`true`), or nothing is (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// A job for each item of a list that a step before it found.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = MapStep)]
pub struct MapBody {
    /// The list.
    #[schema(required = true)]
    pub over: ListAtBody,
    /// A list that is longer fails the step, and none of its jobs is made.
    #[schema(minimum = 1, maximum = 10000, required = true)]
    pub max: u32,
    /// So many of its jobs are open at the same time; all of them when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub concurrency_max: Option<u32>,
}

/// A list in the result of a step.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ListAt)]
pub struct ListAtBody {
    /// The name of the step; one directly before.
    #[schema(value_type = NameText, required = true)]
    pub step: String,
    /// Where in its result: a JSON pointer (RFC 6901); empty for the whole of it.
    #[schema(value_type = PointerText)]
    pub pointer: String,
}

/// A graph that runs as a step of another.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SubGraph)]
pub struct SubGraphBody {
    /// Its name.
    #[schema(value_type = NameText, required = true)]
    pub name: String,
}

/// Somebody decides whether the run goes on: yes is success; no, and no answer in time, are failure.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Approval, example = json!({"timeout_ms": 3_600_000}))]
pub struct ApprovalBody {
    /// The scope that who decides must have.
    #[schema(value_type = NameText, default = "orch:operate")]
    pub scope: String,
    /// Who began the run may not decide.
    #[schema(default = true)]
    pub no_self: bool,
    /// How long it waits, in milliseconds: 31 days at most, a day when left out.
    #[schema(minimum = 1, maximum = 2678400000_u64)]
    pub timeout_ms: u64,
}

/// In which order the steps of a graph come, and what a run of it comes to at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanOut {
    /// The steps, each after those before it; of those that could be next, the one of the least name is.
    pub steps: Vec<PlannedStepOut>,
    /// Names of steps that have nothing to do with each other, apart.
    pub chains: Vec<Vec<String>>,
    /// Graphs on the longest way inwards, itself counted.
    pub depth: u64,
    /// Jobs that a run makes at most: every item of every map, every step of every sub-graph.
    pub jobs_max: u64,
}

/// A step in its place.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlannedStepOut {
    /// Its name.
    pub name: String,
    /// Edges on the longest way to it from a step with nothing before it.
    pub level: u32,
    /// Which of `chains` has it, from 0.
    pub chain: usize,
}

/// The schema of one to be.
pub type GraphNew = New<GraphBody>;

/// The schema of one as shown.
pub type GraphOut = Full<GraphBody>;

impl Default for ApprovalBody {
    fn default() -> Self {
        Self::from(Approval::default())
    }
}

impl From<Approval> for ApprovalBody {
    fn from(Approval { no_self, scope, timeout_ms }: Approval) -> Self {
        Self { scope, no_self, timeout_ms }
    }
}

impl From<Condition> for ConditionBody {
    fn from(condition: Condition) -> Self {
        let Condition { equals, exists, greater, one_of, less, not_equals, pointer } = condition;
        Self { pointer, equals, not_equals, one_of, less, greater, exists }
    }
}

impl From<ConditionBody> for Condition {
    fn from(body: ConditionBody) -> Self {
        let ConditionBody { pointer, equals, not_equals, one_of, less, greater, exists } = body;
        Self { equals, exists, greater, one_of, less, not_equals, pointer }
    }
}

impl From<Step> for StepBody {
    fn from(step: Step) -> Self {
        let edge = |Edge { step, when }: Edge| EdgeBody { step, when: when.map(ConditionBody::from) };
        let (mut map, mut graph, mut approval) = (None, None, None);
        match step.kind {
            StepKind::Job => {}
            StepKind::Map(FanOut { concurrency_max, max, over: ListAt { pointer, step } }) => {
                map = Some(MapBody { over: ListAtBody { step, pointer }, max, concurrency_max });
            }
            StepKind::Graph(SubGraph { name }) => graph = Some(SubGraphBody { name }),
            StepKind::Approval(of) => approval = Some(of.into()),
        }
        Self {
            name: step.name,
            job_type: step.job_type,
            after: step.after.into_iter().map(edge).collect(),
            trigger: step.trigger,
            payload: step.payload.and_then(|text| serde_json::from_str(&text).ok()),
            inputs: step.inputs,
            priority: step.priority,
            project: step.project,
            source: step.source,
            disabled: step.disabled,
            map,
            graph,
            approval,
        }
    }
}

impl From<StepBody> for Step {
    fn from(body: StepBody) -> Self {
        let edge = |EdgeBody { step, when }: EdgeBody| Edge { step, when: when.map(Condition::from) };
        let kind = match (body.map, body.graph, body.approval) {
            (Some(MapBody { over: ListAtBody { step, pointer }, max, concurrency_max }), _, _) => {
                StepKind::Map(FanOut { concurrency_max, max, over: ListAt { pointer, step } })
            }
            (None, Some(SubGraphBody { name }), _) => StepKind::Graph(SubGraph { name }),
            (None, None, Some(ApprovalBody { scope, no_self, timeout_ms })) => {
                StepKind::Approval(Approval { no_self, scope, timeout_ms })
            }
            (None, None, None) => StepKind::Job,
        };
        Self {
            after: body.after.into_iter().map(edge).collect(),
            disabled: body.disabled,
            inputs: body.inputs,
            job_type: body.job_type,
            kind,
            name: body.name,
            payload: body.payload.as_ref().map(canonical),
            priority: body.priority,
            project: body.project,
            source: body.source,
            trigger: body.trigger,
        }
    }
}

impl From<Graph> for GraphBody {
    fn from(Graph { description, name, steps }: Graph) -> Self {
        let steps = steps.into_iter().map(StepBody::from).collect();
        Self { name, description, steps, version: None, updated_at: None }
    }
}

impl From<GraphBody> for Graph {
    fn from(GraphBody { name, description, steps, .. }: GraphBody) -> Self {
        Self { description, name, steps: steps.into_iter().map(Step::from).collect() }
    }
}

impl Declared for GraphBody {
    const KIND: ConfigKind = ConfigKind::Graph;
    const NAME: &'static str = "graph";
    const PATH: &'static str = "graphs";

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: String) {
        self.name = name;
    }

    fn into_doc(self) -> ConfigDoc {
        ConfigDoc::Graph(Box::new(self.into()))
    }

    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self> {
        let ConfigDoc::Graph(doc) = doc else { return None };
        Some(Self { version: Some(version), updated_at: Some(updated_at), ..Self::from(*doc) })
    }
}

impl From<GraphPlan> for PlanOut {
    fn from(GraphPlan { plan, extent }: GraphPlan) -> Self {
        let (chains, chain_of) = chains(&plan);
        let names = |steps: &Vec<StepNo>| steps.iter().map(|step| plan.step(*step).name.clone()).collect();
        let steps = plan.order().iter().map(|step| PlannedStepOut {
            name: plan.step(*step).name.clone(),
            level: plan.level(*step),
            chain: chain_of[step.place()],
        });
        Self {
            steps: steps.collect(),
            chains: chains.iter().map(names).collect(),
            depth: extent.depth,
            jobs_max: extent.jobs,
        }
    }
}

/// The chains of a plan, and by step in which of them it is.
pub fn chains(plan: &Plan) -> (Vec<Vec<StepNo>>, Vec<usize>) {
    let chains = plan.chains();
    let mut chain_of = vec![0; plan.order().len()];
    for (number, chain) in chains.iter().enumerate() {
        chain.iter().for_each(|step| chain_of[step.place()] = number);
    }
    (chains, chain_of)
}

/// A field of a graph as bodies have it, where the kind of a step is no member of its own.
pub fn field_on_the_wire(field: &str) -> String {
    field.replace("].kind.", "].")
}

/// A refusal of a graph that names fields as bodies have them.
pub fn as_on_the_wire(mut refusal: Refusal) -> Refusal {
    refusal.field = refusal.field.as_deref().map(field_on_the_wire);
    refusal.also = refusal.also.into_iter().map(as_on_the_wire).collect();
    refusal
}

/// A name that the path of a graph can have.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    if name == VALIDATE {
        return Err(Refusal::field(Code::InvalidField, "name", format!("`{VALIDATE}` is a path of its own")));
    }
    Ok(())
}

/// Lists graphs by name.
#[utoipa::path(
    get, path = "/graphs", tag = "graphs",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<GraphOut>, description = "A page"))
)]
pub async fn list_graphs(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<GraphBody>>, Problem> {
    declared::list(&app, &caller, query).await
}

/// Creates a graph.
///
/// With an `Idempotency-Key`, the same call again is answered 200 with what it made.
#[utoipa::path(
    post, path = "/graphs", tag = "graphs",
    params(("Idempotency-Key" = inline(Option<KeyHeaderText>), Header, description = "Makes the call safe to repeat")),
    request_body = GraphNew,
    responses(
        (status = 201, body = GraphOut, description = "It was made", headers(("ETag" = String, description = "Its version"))),
        (status = 200, body = GraphOut, description = "The same call made it before"),
    )
)]
pub async fn create_graph(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<GraphBody>,
) -> Result<Response, Problem> {
    declared::create(&app, &caller, query, key.is_some(), body).await
}

/// Plans a graph without declaring it: what declaring it would be refused for is refused.
#[utoipa::path(
    post, path = "/graphs/validate", tag = "graphs", request_body = GraphNew,
    responses((status = 200, body = PlanOut, description = "It can be declared; its steps in order"))
)]
pub async fn validate_graph(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
    Json(body): Json<GraphBody>,
) -> Result<Json<PlanOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let doc = body.into_doc();
    declared::check(&doc, app.engine().now())?;
    let ConfigDoc::Graph(graph) = doc else { return Err(Problem::internal("a document of another kind")) };
    let planned = app.engine().graph_check(caller.tenant(), *graph).await.map_err(Problem::from);
    let planned = planned.map_err(|problem| problem.map_fields(|field| Some(field_on_the_wire(field))))?;
    Ok(Json(planned.into()))
}

/// Gets a graph.
#[utoipa::path(
    get, path = "/graphs/{name}", tag = "graphs",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = GraphOut, description = "The current version", headers(("ETag" = String, description = "Its version"))))
)]
pub async fn get_graph(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Response, Problem> {
    declared::get::<GraphBody>(&app, &caller, &name, query).await
}

/// Creates a graph, or replaces the version that `If-Match` names. Open runs go on as they began.
#[utoipa::path(
    put, path = "/graphs/{name}", tag = "graphs",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to replace; needed when it exists", example = "\"v1\""),
    ),
    request_body = GraphBody,
    responses(
        (status = 200, body = GraphOut, description = "The new version", headers(("ETag" = String, description = "Its version"))),
        (status = 201, body = GraphOut, description = "It was made"),
    )
)]
pub async fn put_graph(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
    Json(body): Json<GraphBody>,
) -> Result<Response, Problem> {
    declared::replace(&app, &caller, &name, query, &headers, body).await
}

/// Deletes a graph that nothing declared needs. Open runs of it go on.
#[utoipa::path(
    delete, path = "/graphs/{name}", tag = "graphs",
    params(
        ("name" = inline(NameText), Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to delete; any when left out", example = "\"v1\""),
    ),
    responses((status = 200, body = EmptyOut, description = "It is gone"))
)]
pub async fn delete_graph(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    declared::delete::<GraphBody>(&app, &caller, &name, query, &headers).await
}

/// Gets the plan of a graph: its steps in order, and what a run of it comes to at most.
#[utoipa::path(
    get, path = "/graphs/{name}/plan", tag = "graphs",
    params(("name" = inline(NameText), Path, description = "Its name")),
    responses((status = 200, body = PlanOut, description = "The plan of the current version"))
)]
pub async fn get_graph_plan(
    State(app): State<AppState>,
    caller: Caller,
    Segment(name): Segment,
    query: Query,
) -> Result<Json<PlanOut>, Problem> {
    require(&caller, Scope::Read)?;
    query.none()?;
    let found = app.engine().graph_plan(caller.tenant(), &name).await?;
    found.map(|plan| Json(plan.into())).ok_or_else(|| Problem::not_found(GraphBody::NAME))
}
