//! Examples of what holds for many operations: a page that goes on, a key that was used for something else.

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, RefOr};

/// Adds the examples that an operation's parameters call for.
pub fn add(operation: &mut Operation) {
    let named = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter.name.clone()),
        RefOr::Ref(_) => None,
    });
    let names: Vec<String> = named.collect();
    let takes = |name: &str| names.iter().any(|found| found == name);
    let (pages, keyed) = (takes("cursor"), takes("Idempotency-Key"));
    let Some(content) = problem_content(operation) else { return };
    if pages {
        put(
            content,
            "bad_cursor",
            "A cursor of another list or filter",
            problem(
                "invalid_cursor",
                400,
                "The cursor does not belong to this list",
                "the cursor is not one of this list and filter",
                "cursor",
            ),
        );
    }
    if keyed {
        put(
            content,
            "key_reused",
            "A key that came with another content before",
            problem(
                "idempotency_mismatch",
                422,
                "The key came with another content",
                "this idempotency key was used with another content",
                "Idempotency-Key",
            ),
        );
    }
}

fn problem_content(operation: &mut Operation) -> Option<&mut Content> {
    let RefOr::T(response) = operation.responses.responses.get_mut("default")? else { return None };
    match response.content.get_mut("application/problem+json")? {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    }
}

fn put(content: &mut Content, name: &str, summary: &str, value: Value) {
    let example = ExampleBuilder::new().summary(summary).value(Some(value)).build();
    content.examples.insert(name.to_owned(), RefOr::T(example));
}

fn problem(code: &str, status: u16, title: &str, detail: &str, field: &str) -> Value {
    json!({
        "type": format!("urn:orch:error:{code}"), "title": title, "status": status, "code": code, "detail": detail,
        "retryable": false, "request_id": "req_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f",
        "errors": [{"field": field, "code": code, "detail": detail}]
    })
}
