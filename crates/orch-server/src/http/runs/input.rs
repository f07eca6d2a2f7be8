//! Runs as asked for: the wire forms, the limits of each field, and what becomes of them for the engine.

use std::collections::BTreeMap;

use orch_core::config::ConfigDoc;
use orch_core::graph::Graph;
use orch_core::run::RunSpec;
use orch_core::{Code, Refusal, Timestamp, limits};
use orch_dispatch::command::WhichGraph;
use orch_engine::RerunKind;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::declared;
use crate::http::error::Problem;
use crate::http::fields::{Refusals, check_filled, check_text};
use crate::http::graphs::{GraphBody, GraphNew, field_on_the_wire};
use crate::http::idempotency::Fingerprint;
use crate::http::json::{canonical, check_depth, keepable_object};
use crate::http::object::maybe_object;
use crate::http::texts::{FilledText, LabelsMap, NameText, ReasonText};
use crate::http::words::check_reason;

/// A run to be: of a declared graph, or of one that comes with the call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"graph": "kev", "inputs": {"since": "2026-01-14"}, "run_token": "kev/2026-01-15"}))]
pub struct RunIn {
    /// The name of a declared graph. This or `definition`.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub graph: Option<String>,
    /// A graph that is not declared.
    #[serde(default, deserialize_with = "maybe_object")]
    #[schema(value_type = Option<GraphNew>)]
    pub definition: Option<GraphBody>,
    /// The inputs that its steps use: an object up to 64 KiB.
    #[serde(default, deserialize_with = "keepable_object")]
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// The same token, graph, version and inputs are the same run, for at least 24 hours.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub run_token: Option<String>,
    /// The project of its jobs, where steps do not say another.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub project: Option<String>,
    /// Free labels, at most 32; its jobs have the same.
    #[serde(default)]
    #[schema(value_type = LabelsMap)]
    pub labels: BTreeMap<String, String>,
    /// Correlates what has one cause; its jobs have the same.
    #[serde(default)]
    #[schema(value_type = Option<FilledText>)]
    pub correlation_id: Option<String>,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// A repair of an ended run to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "only_failed", "reason": "the feed is back"}))]
pub struct RerunIn {
    /// What runs again. Steps that use an input with another value do in any case, with all after them.
    pub kind: RerunKindIn,
    /// `from_step` alone: the step's name.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub step: Option<String>,
    /// Inputs that have another value this time; the others stay as they were.
    #[serde(default, deserialize_with = "keepable_object")]
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// The same token, graph, version and inputs are the same run, for at least 24 hours.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub run_token: Option<String>,
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// How far a repair goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RerunKind)]
pub enum RerunKindIn {
    /// What failed or was canceled; and directly after something that runs again what was skipped or waits for failures.
    OnlyFailed,
    /// What failed or was canceled, and all after it.
    Downstream,
    /// One step and all after it; what else failed stays failed.
    FromStep,
}

impl RunIn {
    /// What is asked for, checked as far as nothing declared is needed.
    pub fn into_spec(self, by: &str, now: Timestamp) -> Result<(WhichGraph, RunSpec), Problem> {
        let graph = match (self.graph, self.definition) {
            (Some(name), None) => WhichGraph::Declared(name),
            (None, Some(body)) => WhichGraph::Own(own(body, now)?),
            (None, None) => {
                return Err(Problem::field(Code::InvalidField, "graph", "one of `graph` and `definition` is needed"));
            }
            (Some(_), Some(_)) => {
                let detail = "a run follows a `graph` or a `definition`, not both";
                return Err(Problem::field(Code::InvalidField, "definition", detail));
            }
        };
        let mut refusals = Refusals::default();
        let inputs = inputs(&self.inputs, &mut refusals);
        for (key, value) in &self.labels {
            refusals.note(check_text(&format!("labels.{key}"), value, limits::LABEL_VALUE_CHARS_MAX));
        }
        if let Some(text) = &self.correlation_id {
            refusals.note(check_filled("correlation_id", text, limits::CORRELATION_ID_CHARS_MAX));
        }
        let reason = refusals.note(check_reason(self.reason)).flatten();
        let spec = RunSpec {
            by: Some(by.to_owned()),
            correlation_id: self.correlation_id,
            inputs,
            labels: self.labels,
            project: self.project,
            reason,
            token: self.run_token,
            ..RunSpec::default()
        };
        refusals.note(spec.check());
        refusals.finish().map(|()| (graph, spec))
    }
}

impl RerunIn {
    /// How far it goes.
    pub fn kind(&self) -> Result<RerunKind, Problem> {
        let refused = |detail: &str| Err(Problem::field(Code::InvalidField, "step", detail));
        match (self.kind, &self.step) {
            (RerunKindIn::FromStep, Some(step)) => Ok(RerunKind::FromStep(step.clone())),
            (RerunKindIn::FromStep, None) => refused("`from_step` needs the name of a step"),
            (RerunKindIn::OnlyFailed, None) => Ok(RerunKind::OnlyFailed),
            (RerunKindIn::Downstream, None) => Ok(RerunKind::Downstream),
            (_, Some(_)) => refused("only `from_step` has a step"),
        }
    }

    /// The hash of what is asked for.
    pub fn fingerprint(&self, run: &[u8]) -> [u8; 16] {
        let mut content = Fingerprint::default();
        content.part(run);
        content.part(format!("{:?}", self.kind).as_bytes());
        for text in [&self.step, &self.run_token, &self.reason] {
            content.maybe(text.as_ref().map(|text| text.as_bytes()));
        }
        content.part(canonical(&Value::Object(self.inputs.clone())).as_bytes());
        content.finish()
    }
}

fn own(body: GraphBody, now: Timestamp) -> Result<Graph, Refusal> {
    let doc = ConfigDoc::Graph(Box::new(body.into()));
    declared::check(&doc, now).map_err(|refusal| refusal.under("definition"))?;
    match doc {
        ConfigDoc::Graph(graph) => Ok(*graph),
        _ => Err(Refusal::new(Code::Internal, "a document of another kind")),
    }
}

fn inputs(inputs: &Map<String, Value>, refusals: &mut Refusals) -> String {
    let text = canonical(&Value::Object(inputs.clone()));
    refusals.note(check_depth("inputs", text.as_bytes()));
    text
}

/// The hash of what is asked for.
pub fn fingerprint(graph: &WhichGraph, spec: &RunSpec) -> Result<[u8; 16], Problem> {
    let failed = |error: serde_json::Error| Problem::internal(&error.to_string());
    let mut content = Fingerprint::default();
    content.part(&serde_json::to_vec(graph).map_err(failed)?);
    content.part(&serde_json::to_vec(spec).map_err(failed)?);
    Ok(content.finish())
}

/// A field that the engine blames, as the call has it; `None`: it has no such field.
pub fn field_of_call(graph: &WhichGraph, field: &str) -> Option<String> {
    let of_graph = field.starts_with("steps");
    match (graph, field.strip_prefix("graph.")) {
        (WhichGraph::Own(_), Some(rest)) => Some(field_on_the_wire(&format!("definition.{rest}"))),
        (WhichGraph::Declared(_), _) if of_graph => Some("graph".to_owned()),
        (WhichGraph::Version(..), _) if of_graph => None,
        _ => Some(field.to_owned()),
    }
}
