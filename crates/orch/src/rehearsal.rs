//! `--dry-run`: what a command would have sent.

use std::fmt::Write as _;

use orch_client::{Error, Rehearsal};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Output, View};

const VIEW: View = View { name: "/path", columns: &[], wide: &[] };

/// Prints a write that was not sent.
pub fn print(rehearsal: &Rehearsal, output: &Output) -> Result<(), Failure> {
    output.brief(&document(rehearsal), &VIEW, lines(rehearsal).trim_end())
}

/// The answer; or nothing, when the write was only told.
pub fn told<T>(answer: Result<T, Error>, output: &Output) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Rehearsed(rehearsal)) => print(&rehearsal, output).map(|()| None),
        Err(error) => Err(error.into()),
    }
}

fn document(rehearsal: &Rehearsal) -> Value {
    let headers: Value = rehearsal.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body: Option<Value> = serde_json::from_slice(&rehearsal.body).ok();
    json!({ "method": rehearsal.method, "path": rehearsal.path, "headers": headers, "body": body })
}

fn lines(rehearsal: &Rehearsal) -> String {
    let mut text = format!("{} {}\n", rehearsal.method, rehearsal.path);
    for (name, value) in &rehearsal.headers {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    let _ = match serde_json::from_slice::<Value>(&rehearsal.body) {
        Ok(body) => writeln!(text, "\n{body:#}\n"),
        Err(_) if rehearsal.body.is_empty() => Ok(()),
        Err(_) => writeln!(text, "\n({} bytes)\n", rehearsal.body.len()),
    };
    text + "nothing was sent"
}
