//! How answers are printed: tables for people, JSON and JSON lines for programs.

use std::io::{self, Write};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;

/// How answers are printed.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// How answers are printed.
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table", global = true)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns, for people.
    Table,
    /// One indented JSON value.
    Json,
    /// One JSON value a line.
    Jsonl,
}

/// A column of a table: its title and where its value is (a JSON pointer).
pub type Column = (&'static str, &'static str);

impl Output {
    /// Programs read it.
    pub fn is_json(&self) -> bool {
        self.format != Format::Table
    }

    /// Prints a list.
    pub fn list<T: Serialize>(&self, items: &[T], columns: &[Column]) -> Result<(), Failure> {
        let values = items.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        let values = values.context("could not write the answer as JSON")?;
        let mut out = io::stdout().lock();
        match self.format {
            Format::Table => print_table(&mut out, &values, columns)?,
            Format::Json => writeln!(out, "{:#}", Value::Array(values))?,
            Format::Jsonl => values.iter().try_for_each(|value| writeln!(out, "{value}"))?,
        }
        Ok(())
    }

    /// Prints one thing; as a table, the members that have a value, one a line.
    pub fn one<T: Serialize>(&self, item: &T) -> Result<(), Failure> {
        let value = serde_json::to_value(item).context("could not write the answer as JSON")?;
        let mut out = io::stdout().lock();
        match self.format {
            Format::Table => print_members(&mut out, &value)?,
            Format::Json => writeln!(out, "{value:#}")?,
            Format::Jsonl => writeln!(out, "{value}")?,
        }
        Ok(())
    }

    /// Prints one thing; for people, only this text.
    pub fn brief<T: Serialize>(&self, item: &T, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table => Ok(writeln!(io::stdout().lock(), "{text}")?),
            Format::Json | Format::Jsonl => self.one(item),
        }
    }

    /// Tells people that the list goes on.
    pub fn note_more(&self, more: bool) {
        if more && self.format == Format::Table {
            eprintln!("there is more: raise --limit");
        }
    }
}

fn print_table(out: &mut impl Write, values: &[Value], columns: &[Column]) -> io::Result<()> {
    let mut rows = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
    for value in values {
        rows.push(columns.iter().map(|(_, pointer)| cell(value.pointer(pointer))).collect());
    }
    let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn print_members(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let Value::Object(members) = value else { return writeln!(out, "{}", cell(Some(value))) };
    let told = |(_, value): &(&String, &Value)| !is_empty(value);
    let width = members.iter().filter(told).map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in members.iter().filter(told) {
        writeln!(out, "{name:<width$}  {}", cell(Some(value)))?;
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
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
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            texts.join(",")
        }
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(print: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [json!({"id": "a", "n": {"m": 1}}), json!({"id": "longer", "n": {"m": null}})];
        let table = text(|out| print_table(out, &rows, &[("ID", "/id"), ("M", "/n/m")]));
        assert_eq!(table, "ID      M\na       1\nlonger  -\n");
    }

    #[test]
    fn members_without_a_value_are_left_out_and_lines_stay_lines() {
        let value = json!({"a": null, "bcd": "x\ny", "e": ["p", "q"], "f": {}});
        assert_eq!(text(|out| print_members(out, &value)), "bcd  x y\ne    p,q\n");
    }
}
