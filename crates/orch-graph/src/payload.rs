//! What the jobs of a step get, and what its sub-graph gets: the step's own payload, inputs of the run, and an item.
//!
//! Texts come out with their members sorted and without blanks, as they stand in facts.

use std::collections::BTreeSet;

use orch_core::graph::{Graph, ITEM, Step};
use orch_core::refusal::{Code, Refusal};
use serde_json::{Map, Value};

/// The inputs of a run: an object.
pub type Inputs = Map<String, Value>;

/// Checks a run's inputs: each that a step uses is given or has a value in that step's own payload, and each that is
/// given is used.
///
/// # Errors
/// A refusal that names `inputs.since`.
pub fn check_inputs(graph: &Graph, inputs: &Inputs) -> Result<(), Refusal> {
    let refused =
        |name: &str, detail: String| Err(Refusal::field(Code::InvalidField, format!("inputs.{name}"), detail));
    for step in &graph.steps {
        let own = own_payload(step);
        let missing = step.inputs.iter().find(|name| !inputs.contains_key(*name) && !own.contains_key(*name));
        if let Some(name) = missing {
            return refused(name, format!("`{name}` is not given, and the step `{}` uses it", step.name));
        }
    }
    let used: BTreeSet<&str> = graph.steps.iter().flat_map(|step| &step.inputs).map(String::as_str).collect();
    match inputs.keys().find(|name| !used.contains(name.as_str())) {
        Some(name) => refused(name, format!("no step of `{}` uses `{name}`", graph.name)),
        None => Ok(()),
    }
}

/// The names that a sub-graph's inputs will have, whatever their values.
#[must_use]
pub fn given_to(step: &Step) -> Inputs {
    let mut given = own_payload(step);
    given.extend(step.inputs.iter().map(|name| (name.clone(), Value::Null)));
    given
}

/// The payload of a step's job, as JSON text: its own, with those of the run's inputs that it uses over it, and the
/// item (JSON text) where the step is a map. `{}` when there is nothing of all that.
#[must_use]
pub fn of(step: &Step, inputs: &Inputs, item: Option<&str>) -> String {
    if let (Some(text), true, None) = (&step.payload, step.inputs.is_empty(), item) {
        return text.clone();
    }
    let mut payload = own_payload(step);
    let used = step.inputs.iter().filter_map(|name| inputs.get(name).map(|value| (name.clone(), value.clone())));
    payload.extend(used);
    if let Some(item) = item {
        let item = serde_json::from_str(item).expect("items are written by this crate");
        payload.insert(ITEM.to_owned(), item);
    }
    Value::Object(payload).to_string()
}

/// The members of the step's own payload, which was checked.
fn own_payload(step: &Step) -> Inputs {
    let own = step.payload.as_deref().and_then(|text| serde_json::from_str(text).ok());
    own.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(payload: Option<&str>, inputs: &[&str]) -> Step {
        let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
        Step { inputs, name: "a".to_owned(), payload: payload.map(str::to_owned), ..Step::default() }
    }

    fn inputs(value: Value) -> Inputs {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn inputs_stand_over_the_steps_own_members_and_the_item_beside_them() {
        let given = inputs(json!({"since": "2026-01-01", "other": 1}));
        let own = r#"{"since":"2020-01-01","window":7}"#;
        assert_eq!(of(&step(Some(own), &[]), &given, None), own);
        assert_eq!(of(&step(Some(own), &["since"]), &given, None), r#"{"since":"2026-01-01","window":7}"#);
        assert_eq!(of(&step(Some(own), &["since"]), &Inputs::new(), None), own);
        assert_eq!(of(&step(None, &["since"]), &given, Some("[1]")), r#"{"item":[1],"since":"2026-01-01"}"#);
        assert_eq!(of(&step(None, &[]), &given, None), "{}");
        assert_eq!(of(&step(Some("[1, 2]"), &[]), &given, None), "[1, 2]");
    }

    #[test]
    fn an_input_that_is_missing_or_that_nobody_uses_is_refused_by_name() {
        let graph = |step: Step| Graph { name: "g".to_owned(), steps: vec![step], ..Graph::default() };
        let field = |step: Step, given: Value| check_inputs(&graph(step), &inputs(given)).unwrap_err().field;
        assert_eq!(field(step(None, &["since"]), json!({})).as_deref(), Some("inputs.since"));
        assert_eq!(field(step(None, &[]), json!({"until": 1})).as_deref(), Some("inputs.until"));
        let usual = step(Some(r#"{"since":1}"#), &["since"]);
        assert_eq!(check_inputs(&graph(usual.clone()), &inputs(json!({}))), Ok(()));
        assert_eq!(check_inputs(&graph(usual), &inputs(json!({"since": 2}))), Ok(()));
    }
}
