//! How answers are printed: tables for people, JSON, JSON lines, YAML and bare names for programs.

mod page;
mod table;
mod watch;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;

pub use page::{Listing, all, some};
pub use table::{View, is_empty};
pub use watch::Watch;

/// How answers are printed.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// How answers are printed; errors are told as JSON with json and jsonl.
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table", global = true)]
    format: Format,
}

/// A body that nothing is known about.
const BODY: View = View { name: "", columns: &[], wide: &[] };

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns, for people.
    Table,
    /// More columns.
    Wide,
    /// One indented JSON value.
    Json,
    /// One JSON value a line.
    Jsonl,
    /// YAML.
    Yaml,
    /// Names alone, one a line.
    Name,
}

impl Output {
    /// What the arguments ask for, of a command line that could not be read as a whole: errors are told as JSON.
    pub fn wants_json(arguments: impl Iterator<Item = String>) -> bool {
        let words: Vec<String> = arguments.take_while(|word| word != "--").collect();
        let glued = words.iter().filter_map(|word| word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")));
        let apart = words.windows(2).filter(|pair| matches!(pair[0].as_str(), "-o" | "--output"));
        let asked = glued.chain(apart.map(|pair| pair[1].as_str())).last();
        matches!(asked, Some("json" | "jsonl"))
    }

    /// Programs read it, as JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// People read it.
    pub fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// What comes later can be told line by line.
    fn is_by_lines(&self) -> bool {
        matches!(self.format, Format::Jsonl | Format::Name)
    }

    /// Prints a list.
    pub fn list<T: Serialize>(&self, listing: &Listing<T>, view: &View) -> Result<(), Failure> {
        write(&self.list_text(&listing.items, view)?)?;
        self.note_more(listing.more);
        Ok(())
    }

    /// Prints one thing; as a table, the members that have a value, one a line.
    pub fn one<T: Serialize>(&self, item: &T, view: &View) -> Result<(), Failure> {
        write(&self.one_text(item, view)?)
    }

    /// Prints one thing; for people, only this text.
    pub fn brief<T: Serialize>(&self, item: &T, view: &View, text: &str) -> Result<(), Failure> {
        if self.is_for_people() { write(&format!("{text}\n")) } else { self.one(item, view) }
    }

    /// Prints the body of an answer: as it came, or, where it is JSON and a format was asked for, in that.
    pub fn body(&self, bytes: &[u8]) -> Result<(), Failure> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) if !self.is_for_people() => self.one(&value, &BODY),
            _ => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                    out.write_all(b"\n")?;
                }
                Ok(out.flush()?)
            }
        }
    }

    /// A list as text.
    pub fn list_text<T: Serialize>(&self, items: &[T], view: &View) -> Result<String, Failure> {
        let values = items.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        let values = values.context("could not write the answer as JSON")?;
        Ok(match self.format {
            Format::Table => table::rows(&values, view.columns, &[]),
            Format::Wide => table::rows(&values, view.columns, view.wide),
            Format::Json => format!("{:#}\n", Value::Array(values)),
            Format::Jsonl => values.iter().map(|value| format!("{value}\n")).collect(),
            Format::Yaml => yaml(&Value::Array(values))?,
            Format::Name => values.iter().map(|value| view.name_of(value) + "\n").collect(),
        })
    }

    /// One thing as text.
    pub fn one_text<T: Serialize>(&self, item: &T, view: &View) -> Result<String, Failure> {
        let value = serde_json::to_value(item).context("could not write the answer as JSON")?;
        Ok(match self.format {
            Format::Table => table::members(&value),
            Format::Wide => table::all_members(&value),
            Format::Json => format!("{value:#}\n"),
            Format::Jsonl => format!("{value}\n"),
            Format::Yaml => yaml(&value)?,
            Format::Name => view.name_of(&value) + "\n",
        })
    }

    /// Tells people that the list goes on.
    fn note_more(&self, more: bool) {
        if more && self.is_for_people() {
            eprintln!("there is more: raise --limit");
        }
    }
}

/// Prints a text that has no other format.
pub fn text(text: &str) -> Result<(), Failure> {
    write(&format!("{text}\n"))
}

/// Writes bytes as they are to a file, or to standard output when there is none.
pub fn bytes(bytes: &[u8], file: Option<&Path>) -> Result<(), Failure> {
    if let Some(file) = file {
        return Ok(fs::write(file, bytes).with_context(|| format!("could not write {}", file.display()))?);
    }
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

fn write(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes(), None)
}

fn yaml(value: &Value) -> Result<String, Failure> {
    Ok(serde_norway::to_string(value).context("could not write the answer as YAML")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_found_in_a_command_line_that_is_wrong() {
        let wants = |line: &str| Output::wants_json(line.split(' ').map(str::to_owned));
        assert!(wants("job -o json") && wants("-ojsonl job") && wants("x --output=json") && wants("--output json y"));
        assert!(!wants("job list") && !wants("-o json -o table") && !wants("-- -o json") && !wants("-o yaml"));
    }
}
