//! Keys in payloads: what is found, what is none, and which pointers a schema rules out.

use serde_json::json;

use super::*;
use crate::config::JobType;

fn code(pointer: &str) -> Option<Code> {
    check_pointer("concurrency_key_pointer", pointer).err().map(|refusal| refusal.code)
}

#[test]
fn a_pointer_is_one_of_rfc_6901_and_not_too_long() {
    for good in ["", "/", "/a", "/a/0/b", "/a~0b/c~1d", "/ä"] {
        assert_eq!(code(good), None, "{good}");
    }
    for bad in ["a", "#/a", "/a~", "/a~2", "/~~0", "/a\u{0}"] {
        assert_eq!(code(bad), Some(Code::InvalidField), "{bad}");
    }
    let chars = usize::try_from(limits::KEY_POINTER_CHARS_MAX).unwrap();
    assert_eq!(code(&format!("/{}", "ä".repeat(chars - 1))), None);
    assert_eq!(code(&format!("/{}", "ä".repeat(chars))), Some(Code::LimitExceeded));
}

#[test]
fn a_key_is_a_string_a_number_or_a_boolean() {
    let longest = "k".repeat(usize::try_from(limits::NAME_CHARS_MAX).unwrap());
    let payload = json!({
        "text": "acme/api", "n": 7, "half": 0.5, "yes": true, "null": null, "list": ["first"], "object": {"a/b": {"m~n": "deep"}},
        "empty": "", "longest": longest, "longer": format!("{longest}k"), "control": "a\nb", "": "nameless",
    });
    let found = |pointer| key_at(&payload, pointer);
    for (pointer, key) in [
        ("/text", "acme/api"),
        ("/n", "7"),
        ("/half", "0.5"),
        ("/yes", "true"),
        ("/list/0", "first"),
        ("/object/a~1b/m~0n", "deep"),
        ("/longest", &longest),
        ("/", "nameless"),
    ] {
        assert_eq!(found(pointer).as_deref(), Some(key), "{pointer}");
    }
    for none in
        ["/null", "/list", "/object", "/empty", "/longer", "/control", "/missing", "/text/deeper", "/list/1", ""]
    {
        assert_eq!(found(none), None, "{none}");
    }
    assert_eq!(key_at(&json!("whole"), "").as_deref(), Some("whole"));
}

#[test]
fn a_schema_rules_out_only_what_is_certain() {
    let closed = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"repo": {"type": "object", "properties": {"id": {}}, "additionalProperties": false}, "free": {}, "never": false},
    });
    for there in ["", "/repo", "/repo/id", "/repo/id/deeper", "/free/anything"] {
        assert!(may_be_there(&closed, there), "{there}");
    }
    for absent in ["/other", "/repo/name", "/never", "/never/deeper", "/0"] {
        assert!(!may_be_there(&closed, absent), "{absent}");
    }
    let open = json!({"properties": {"repo": {}}});
    assert!(may_be_there(&open, "/other"));
    let patterns = json!({"additionalProperties": false, "patternProperties": {"^x": {}}});
    assert!(may_be_there(&patterns, "/x1"));
    let maybe_list = json!({"additionalProperties": false});
    assert!(may_be_there(&maybe_list, "/0") && !may_be_there(&maybe_list, "/a"));
    assert!(!may_be_there(&json!(false), ""));
}

#[test]
fn a_job_type_names_the_field_that_makes_no_sense() {
    let refused = |doc: JobType| doc.check().err().and_then(|refusal| refusal.field).unwrap_or_default();
    let pointer = |pointer: &str| Some(pointer.to_owned());
    let base = JobType::named("t");
    let malformed = JobType { concurrency_key_pointer: pointer("repo"), ..base.clone() };
    assert_eq!(refused(malformed), "concurrency_key_pointer");
    let schema = Some(r#"{"properties":{"a":{}},"additionalProperties":false}"#.to_owned());
    let ruled_out = JobType { concurrency_key_pointer: pointer("/b"), payload_schema: schema.clone(), ..base.clone() };
    assert_eq!(refused(ruled_out), "concurrency_key_pointer");
    let fits = JobType { concurrency_key_pointer: pointer("/a"), payload_schema: schema, ..base.clone() };
    assert_eq!(refused(fits), "");
    for strategy in PerKeyStrategy::ALL {
        let unlimited = JobType { concurrency_per_key_strategy: strategy, ..base.clone() };
        let wanted = if strategy == PerKeyStrategy::Queue { "" } else { "concurrency_per_key_strategy" };
        assert_eq!(refused(unlimited.clone()), wanted);
        assert_eq!(refused(JobType { concurrency_per_key_max: Some(1), ..unlimited }), "");
    }
}

#[test]
fn what_says_nothing_of_keys_keeps_its_bytes() {
    let json = serde_json::to_string(&JobType::named("t")).unwrap();
    assert!(!json.contains("pointer") && !json.contains("strategy"), "{json}");
    let all = PerKeyStrategy::ALL.map(|strategy| serde_json::to_value(strategy).unwrap());
    assert_eq!(all, PerKeyStrategy::ALL.map(|strategy| json!(strategy.as_str())));
}
