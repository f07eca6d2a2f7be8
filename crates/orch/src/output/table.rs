//! Columns and members as lines of text.

use serde_json::Value;

/// A column of a table: its title and where its value is (a JSON pointer).
pub type Column = (&'static str, &'static str);

/// How a kind of thing is shown.
#[derive(Debug)]
pub struct View {
    /// Where its name is: what other commands call it by.
    pub name: &'static str,
    /// Its columns, in their order.
    pub columns: &'static [Column],
    /// What follows them when there is room.
    pub wide: &'static [Column],
}

impl View {
    /// What other commands call this one by.
    pub fn name_of(&self, value: &Value) -> String {
        cell(value.pointer(self.name))
    }
}

/// A table of these columns.
pub fn rows(values: &[Value], columns: &[Column], more: &[Column]) -> String {
    let columns: Vec<&Column> = columns.iter().chain(more).collect();
    let mut rows = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
    for value in values {
        rows.push(columns.iter().map(|(_, pointer)| cell(value.pointer(pointer))).collect());
    }
    let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The members that have a value, one a line.
pub fn members(value: &Value) -> String {
    lines(value, |value| !is_empty(value))
}

/// All members, one a line.
pub fn all_members(value: &Value) -> String {
    lines(value, |_| true)
}

fn lines(value: &Value, told: impl Fn(&Value) -> bool) -> String {
    let Value::Object(members) = value else { return cell(Some(value)) + "\n" };
    let told: Vec<_> = members.iter().filter(|(_, value)| told(value)).collect();
    let width = told.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    told.iter().map(|(name, value)| format!("{name:<width$}  {}\n", cell(Some(value)))).collect()
}

/// There is nothing in it.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value in one line.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.replace(['\n', '\r', '\t'], " "),
        Some(Value::Array(items)) if !items.is_empty() && items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            texts.join(",")
        }
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Object(members)) if members.is_empty() => "-".to_owned(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let values = [json!({"id": "a", "n": {"m": 1}}), json!({"id": "longer", "n": {"m": null}})];
        let table = rows(&values, &[("ID", "/id")], &[("M", "/n/m")]);
        assert_eq!(table, "ID      M\na       1\nlonger  -\n");
    }

    #[test]
    fn members_without_a_value_are_left_out_and_lines_stay_lines() {
        let value = json!({"a": null, "bcd": "x\ny", "e": ["p", "q"], "f": {}});
        assert_eq!(members(&value), "bcd  x y\ne    p,q\n");
        assert_eq!(all_members(&value), "a    -\nbcd  x y\ne    p,q\nf    -\n");
    }
}
