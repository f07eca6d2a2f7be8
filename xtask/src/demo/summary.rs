//! A run's report as text for a terminal: whatever members it has, tables aligned, long lists cut.

use serde_json::{Map, Value};

/// Entries of a list (dead letters) that are shown; the rest is in the JSON file.
const LIST_SHOWN: usize = 20;

/// The report as people read it.
pub fn text(report: &Value, seconds: f64) -> String {
    let mut lines = vec![format!("finished in {seconds:.1} s")];
    match report {
        Value::Object(members) => object(members, 0, &mut lines),
        other => lines.push(plain(other)),
    }
    lines.join("\n")
}

fn object(members: &Map<String, Value>, depth: usize, lines: &mut Vec<String>) {
    let pad = "  ".repeat(depth);
    let width = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        match value {
            Value::Object(inner) if inner.values().all(is_plain) => {
                let row: Vec<String> = inner.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect();
                lines.push(format!("{pad}{name:width$}  {}", row.join(", ")));
            }
            Value::Object(inner) => {
                lines.push(format!("{pad}{name}"));
                object(inner, depth + 1, lines);
            }
            Value::Array(items) => {
                lines.push(format!("{pad}{name:width$}  {} entries", items.len()));
                list(items, depth + 1, lines);
            }
            other => lines.push(format!("{pad}{name:width$}  {}", plain(other))),
        }
    }
}

fn list(items: &[Value], depth: usize, lines: &mut Vec<String>) {
    let pad = "  ".repeat(depth);
    for item in items.iter().take(LIST_SHOWN) {
        let row = match item {
            Value::Object(members) => {
                members.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect::<Vec<_>>().join("  ")
            }
            other => plain(other),
        };
        lines.push(format!("{pad}{row}"));
    }
    if items.len() > LIST_SHOWN {
        lines.push(format!("{pad}and {} more", items.len() - LIST_SHOWN));
    }
}

fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) => format!("{float:.1}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn tables_are_aligned_and_lists_are_cut() {
        let letters: Vec<_> = (0..22).map(|n| json!({"path": format!("p{n}"), "reason": "truncated"})).collect();
        let report = json!({
            "jobs": {"feeds.fetch": {"succeeded": 4}, "feeds.parse": {"succeeded": 203, "failed": 2}},
            "rate": 12.345,
            "dead_letters": letters,
        });
        let shown = text(&report, 1.25);
        assert!(shown.contains("  feeds.parse  failed 2, succeeded 203"), "{shown}");
        assert!(shown.contains("rate          12.3"), "{shown}");
        assert!(shown.contains("and 2 more"), "{shown}");
    }
}
