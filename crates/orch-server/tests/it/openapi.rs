//! The committed document is the one that the handlers make.

use std::collections::BTreeSet;

use serde_json::Value;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/orchestrator.json");

pub fn document() -> Value {
    serde_json::from_str(&orch_server::openapi_json()).unwrap()
}

/// (method, path, operation) of each operation.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    operations
}

#[test]
fn the_committed_document_is_current() {
    let made = orch_server::openapi_json();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(COMMITTED, &made).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(committed == made, "openapi/orchestrator.json is not what the handlers make: run the test with UPDATE=1");
}

#[test]
fn operations_have_ids_summaries_tags_and_a_problem() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
        assert!(ids.insert(id.to_owned()), "{id} stands twice");
        assert!(operation["summary"].is_string(), "{id} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{id} has no tag");
        let problem = &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(problem, "#/components/schemas/Problem", "{id}");
    }
}

#[test]
fn references_lead_somewhere_and_bodies_have_examples() {
    let document = document();
    let text = document.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "there is no schema {name}");
    }
    for (method, path, operation) in operations(&document) {
        let Some(json) = operation["requestBody"]["content"].get("application/json") else { continue };
        let by_name = json["schema"]["$ref"].as_str().map(|name| name.rsplit('/').next().unwrap());
        let schema = by_name.map_or(&Value::Null, |name| &document["components"]["schemas"][name]);
        let shown = json.get("example").or_else(|| schema.get("example")).or_else(|| schema["examples"].get(0));
        assert!(shown.is_some(), "the body of {method} {path} has no example");
    }
}
