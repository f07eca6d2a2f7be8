//! Documents in files: YAML or JSON, several in one file, several files in a folder. What they mean is the server's.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize as _;
use serde_json::Value;

use crate::failure::Failure;

/// How the names of files end that are read of a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// Standard input.
const STDIN: &str = "-";

/// A document, and where it came from.
#[derive(Debug)]
pub struct Document {
    /// Where it came from.
    pub origin: Origin,
    /// What it says.
    pub value: Value,
}

/// Where a document came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    file: String,
    /// Its place in the file, from 1.
    number: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.number)
    }
}

/// All documents of files, of folders (their files by name), and of standard input.
pub fn read(places: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for place in places {
        for file in files(place)? {
            documents.extend(parse(&name(&file), &text(&file)?, is_json(&file))?);
        }
    }
    if documents.is_empty() {
        return Err(Failure::refused(
            "there is no document in what was given",
            "a folder's *.yaml, *.yml and *.json are read",
        ));
    }
    Ok(documents)
}

fn files(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    if place.as_os_str() == STDIN || !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = fs::read_dir(place).with_context(|| format!("could not read {}", place.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    let mut files: Vec<PathBuf> =
        paths.into_iter().filter(|path| ENDINGS.contains(&ending(path)) && path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

fn is_json(file: &Path) -> bool {
    ending(file) == "json"
}

fn name(file: &Path) -> String {
    if file.as_os_str() == STDIN { "standard input".to_owned() } else { file.display().to_string() }
}

fn text(file: &Path) -> Result<String, Failure> {
    if file.as_os_str() != STDIN {
        return Ok(fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?);
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("could not read the documents from standard input")?;
    Ok(text)
}

/// The documents of one text; those that say nothing are left out, and counted. A reader is not asked for more once it
/// has failed: it would fail for ever.
pub fn parse(file: &str, text: &str, json: bool) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    let mut keep = |value: Result<Value, String>, number: usize| {
        let origin = Origin { file: file.to_owned(), number };
        match value {
            Ok(Value::Null) => {}
            Ok(value) => documents.push(Document { origin, value }),
            Err(error) => {
                let what = if json { "JSON" } else { "YAML" };
                return Err(Failure::refused(format!("{origin} is no {what}: {error}"), "nothing was sent"));
            }
        }
        Ok(())
    };
    if json {
        let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        values.zip(1..).try_for_each(|(value, number)| keep(value.map_err(|error| error.to_string()), number))?;
    } else {
        let values = serde_norway::Deserializer::from_str(text);
        values.zip(1..).try_for_each(|(value, number)| keep(yaml_value(value), number))?;
    }
    Ok(documents)
}

/// By way of YAML's own values, which refuse a member that stands twice.
fn yaml_value(document: serde_norway::Deserializer<'_>) -> Result<Value, String> {
    let value = serde_norway::Value::deserialize(document).map_err(|error| error.to_string())?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(text: &str, json: bool) -> Result<Vec<(usize, Value)>, String> {
        let read =
            parse("f", text, json).map_err(|failure| failure.report().map(|report| report.what).unwrap_or_default());
        Ok(read?.into_iter().map(|document| (document.origin.number, document.value)).collect())
    }

    #[test]
    fn a_file_holds_several_documents_and_empty_ones_count() {
        let text = "# terms\n---\na: 1\nb: [x, yes, 0x10]\n---\n# nothing\n---\n{\"c\": null}\n";
        let expected = vec![(1, json!({"a": 1, "b": ["x", "yes", 16]})), (3, json!({"c": null}))];
        assert_eq!(told(text, false), Ok(expected));
        assert_eq!(told("{\"a\": 1}\n{\"b\": 2}", true), Ok(vec![(1, json!({"a": 1})), (2, json!({"b": 2}))]));
        for empty in ["", "# nothing\n", "---\n---\n"] {
            assert_eq!(told(empty, false), Ok(Vec::new()), "{empty:?}");
        }
        assert_eq!(told(" \n", true), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_named_by_document() {
        for (text, json, start) in [
            ("a: 1\n---\na: [\n", false, "f, document 2 is no YAML: "),
            ("a: 1\na: 2\n", false, "f, document 1 is no YAML: duplicate entry"),
            ("{\"a\": 1} {", true, "f, document 2 is no JSON: EOF"),
        ] {
            let error = told(text, json).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
