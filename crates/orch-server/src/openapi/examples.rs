//! Examples of what holds for many operations: a page that goes on, a key that was used for something else.

use orch_core::{Code, Refusal};
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, RefOr};

use crate::http::error::Problem;

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
        let detail = "the cursor is not one of this list and filter";
        let refusal = Refusal::field(Code::InvalidCursor, "cursor", detail);
        put(content, "bad_cursor", example("A cursor of another list or filter", refusal));
    }
    if keyed {
        let detail = "this idempotency key was used with another content";
        let refusal = Refusal::field(Code::IdempotencyMismatch, "Idempotency-Key", detail);
        put(content, "key_reused", example("A key that came with another content before", refusal));
    }
}

fn problem_content(operation: &mut Operation) -> Option<&mut Content> {
    let RefOr::T(response) = operation.responses.responses.get_mut("default")? else { return None };
    match response.content.get_mut("application/problem+json")? {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    }
}

fn put(content: &mut Content, name: &str, example: Example) {
    content.examples.insert(name.to_owned(), RefOr::T(example));
}

/// What a caller would be answered.
fn example(summary: &str, refusal: Refusal) -> Example {
    let body = Problem::from(refusal).body("req_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f");
    ExampleBuilder::new().summary(summary).value(serde_json::from_slice(&body).ok()).build()
}
