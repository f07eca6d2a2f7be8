//! What differs between two documents, member by member.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One place where two documents differ.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Difference, example = json!({"path": "/terms/0/limit", "from": 5, "to": 10}))]
pub struct DifferenceOut {
    /// The place, as a JSON pointer (RFC 6901); empty for the whole document.
    pub path: String,
    /// What is there now; left out where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What is to be there; left out where there is to be nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Where they differ, in the order of members and entries. Entries of lists are compared place by place.
pub fn differences(from: Option<&Value>, to: &Value) -> Vec<DifferenceOut> {
    let mut found = Vec::new();
    compare(&mut String::new(), from, Some(to), &mut found);
    found
}

fn compare(path: &mut String, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<DifferenceOut>) {
    match (from, to) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            let mut names: Vec<&String> = after.keys().chain(gone).collect();
            names.sort_unstable();
            for name in names {
                let step = name.replace('~', "~0").replace('/', "~1");
                below(path, &step, before.get(name), after.get(name), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for place in 0..before.len().max(after.len()) {
                below(path, &place.to_string(), before.get(place), after.get(place), found);
            }
        }
        _ if from == to => {}
        _ => found.push(DifferenceOut { path: path.clone(), from: from.cloned(), to: to.cloned() }),
    }
}

fn below(path: &mut String, step: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<DifferenceOut>) {
    let length = path.len();
    path.push('/');
    path.push_str(step);
    compare(path, from, to, found);
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_pointers_and_what_is_not_there_is_left_out() {
        let before = json!({"a": 1, "b": {"x/y": 1, "z~": null}, "c": [1, {"d": 2}, 3], "e": null});
        let after = json!({"a": 1, "b": {"x/y": 2}, "c": [1, {"d": 3}], "e": [], "f": null});
        let found = serde_json::to_value(differences(Some(&before), &after)).unwrap();
        let expected = json!([
            {"path": "/b/x~1y", "from": 1, "to": 2},
            {"path": "/b/z~0", "from": null},
            {"path": "/c/1/d", "from": 2, "to": 3},
            {"path": "/c/2", "from": 3},
            {"path": "/e", "from": null, "to": []},
            {"path": "/f", "to": null},
        ]);
        assert_eq!(found, expected);
        assert!(differences(Some(&after), &after).is_empty());
        let whole = differences(None, &after);
        assert_eq!(whole, [DifferenceOut { path: String::new(), from: None, to: Some(after) }]);
    }
}
