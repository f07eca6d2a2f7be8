//! Each test against each kind of thing that can be there, as a table.

use serde_json::json;

use super::*;

fn met(condition: &Value, result: Option<&Value>) -> bool {
    holds(&serde_json::from_value(condition.clone()).unwrap(), result)
}

#[test]
fn every_test_against_every_kind_of_value() {
    let found = json!({
        "null": null, "true": true, "one": 1, "one_point_nought": 1.0, "three": 3, "half": 0.5, "a": "a", "b": "b", "list": [1],
        "object": {"x": 1}
    });
    let places = ["missing", "null", "true", "one", "one_point_nought", "three", "half", "a", "b", "list", "object"];
    // One letter a place: does it hold?
    for (test, expected) in [
        (json!({"equals": 1}), "...xx......"),
        (json!({"equals": true}), "..x........"),
        (json!({"equals": "a"}), ".......x..."),
        (json!({"not_equals": 1}), ".xx..xxxxxx"),
        (json!({"not_equals": "a"}), ".xxxxxx.xxx"),
        (json!({"less": 2}), "...xx.x...."),
        (json!({"greater": 1}), ".....x....."),
        (json!({"less": "b"}), ".......x..."),
        (json!({"greater": "a"}), "........x.."),
        (json!({"exists": true}), ".xxxxxxxxxx"),
        (json!({"exists": false}), "x.........."),
        (json!({"in": [3, "b", true]}), "..x..x..x.."),
    ] {
        let holds = |place: &str| {
            let mut condition = test.clone();
            condition["pointer"] = json!(format!("/{place}"));
            if met(&condition, Some(&found)) { 'x' } else { '.' }
        };
        let got: String = places.iter().map(|place| holds(place)).collect();
        assert_eq!(got, expected, "{test}");
    }
}

#[test]
fn without_a_result_only_absence_is_met() {
    assert!(met(&json!({"pointer": "/a", "exists": false}), None));
    assert!(met(&json!({"pointer": "", "exists": false}), None));
    for test in [json!({"exists": true}), json!({"not_equals": 1}), json!({"less": 1}), json!({"in": [1]})] {
        let mut condition = test;
        condition["pointer"] = json!("");
        assert!(!met(&condition, None), "{condition}");
    }
}

#[test]
fn a_condition_without_one_test_is_never_met() {
    assert!(!met(&json!({"pointer": "/a"}), Some(&json!({"a": 1}))));
    assert!(!met(&json!({"pointer": "/a", "equals": 1, "exists": true}), Some(&json!({"a": 1}))));
}

#[test]
fn large_whole_numbers_are_told_apart() {
    let result = json!({"n": 9_007_199_254_740_993_u64, "m": u64::MAX});
    assert!(met(&json!({"pointer": "/n", "greater": 9_007_199_254_740_992_u64}), Some(&result)));
    assert!(met(&json!({"pointer": "/m", "greater": 9_007_199_254_740_992_u64}), Some(&result)));
}

#[test]
fn pointers_reach_into_lists_and_escaped_names() {
    let result = json!({"a/b": [{"~": "x"}]});
    assert!(met(&json!({"pointer": "/a~1b/0/~0", "equals": "x"}), Some(&result)));
    assert!(met(&json!({"pointer": "/a~1b/1", "exists": false}), Some(&result)));
}
