//! Strict bodies: what is refused, and which field is named.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the way in is tested")]
struct Batch {
    #[serde(deserialize_with = "crate::http::object::objects")]
    jobs: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the way in is tested")]
struct Item {
    name: String,
    tries: Option<u32>,
    payload: Option<Box<serde_json::value::RawValue>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

fn refused(body: &str) -> (Code, String) {
    let problem = parse::<Batch>(body.as_bytes()).expect_err("the body is bad");
    let code = problem.code();
    let mut field = String::new();
    let _ = problem.map_fields(|path| {
        assert!(path.len() < 400);
        Some(path.to_owned())
    });
    if let Err(problem) = parse::<Batch>(body.as_bytes()) {
        let paths = std::cell::RefCell::new(&mut field);
        let _ = problem.map_fields(|path| {
            paths.borrow_mut().push_str(path);
            None
        });
    }
    (code, field)
}

#[test]
fn each_kind_of_bad_body_names_its_code_and_member() {
    let cases = [
        (r#"{"jobs":[{"name":"a","nmae":1}]}"#, Code::UnknownField, "jobs[0].nmae"),
        (r#"{"jobs":[],"more":1}"#, Code::UnknownField, "more"),
        (r#"{"jobs":[{"name":"a"},{"tries":1}]}"#, Code::InvalidField, "jobs[1].name"),
        (r#"{}"#, Code::InvalidField, "jobs"),
        (r#"{"jobs":[{"name":7}]}"#, Code::InvalidField, "jobs[0].name"),
        (r#"{"jobs":[{"name":"a","tries":-1}]}"#, Code::InvalidField, "jobs[0].tries"),
        (r#"{"jobs":[{"name":"a","tries":4294967296}]}"#, Code::InvalidField, "jobs[0].tries"),
        (r#"{"jobs":[{"name":"a","labels":{"k":1}}]}"#, Code::InvalidField, "jobs[0].labels.k"),
        (r#"{"jobs":[{"name":"a","payload":{"x":[1]},"name":"b"}]}"#, Code::InvalidField, "jobs[0]"),
        (r#"{"jobs":{}}"#, Code::InvalidField, "jobs"),
        ("[]", Code::InvalidBody, ""),
        (r#"{"jobs":[["a"]]}"#, Code::InvalidField, "jobs[0]"),
        (r#"[[{"name":"a"}]]"#, Code::InvalidBody, ""),
        ("7", Code::InvalidBody, ""),
        ("", Code::InvalidBody, ""),
        ("{", Code::InvalidBody, ""),
        (r#"{"jobs":[]} x"#, Code::InvalidBody, ""),
        (r#"{"jobs":[{"name":"a","payload":{"x":}}]}"#, Code::InvalidBody, ""),
    ];
    for (body, code, field) in cases {
        assert_eq!(refused(body), (code, field.to_owned()), "{body}");
    }
}

#[test]
fn a_long_quoted_value_is_cut_in_the_message() {
    let body = format!(r#"{{"jobs":[{{"name":"a","tries":"{}"}}]}}"#, "x".repeat(10_000));
    assert_eq!(refused(&body).1, "jobs[0].tries");
}

#[test]
fn depth_counts_brackets_outside_of_strings() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(check_depth("payload", deep(DEPTH_MAX).as_bytes()).is_ok());
    assert!(check_depth("payload", deep(DEPTH_MAX + 1).as_bytes()).is_err());
    let text = format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(200), "{".repeat(200));
    assert!(check_depth("payload", text.as_bytes()).is_ok());
}
