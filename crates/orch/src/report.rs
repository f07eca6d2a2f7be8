//! What is said about a failure on standard error: lines for people, or one line of JSON for programs.

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::Exit;

/// A failure as it is told.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What went wrong, in one sentence.
    #[serde(rename = "error")]
    pub what: String,
    /// What is known beyond that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// The stable code of the server's problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The HTTP status of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Names the request in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The same call may succeed later.
    pub retryable: bool,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the command exits with.
    pub exit_code: u8,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const ASIDE: Style = Style::new().dimmed();
const HINT: Style = AnsiColor::Cyan.on_default();

impl Report {
    /// A failure without anything of the server's.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { what: what.into(), exit_code: exit.code(), ..Self::default() }
    }

    /// With something to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on standard error. Colours only where a terminal shows them and `NO_COLOR` is not set.
    pub fn print(&self, json: bool) {
        let mut err = anstream::stderr().lock();
        let written = if json { self.write_json(&mut err) } else { self.write_lines(&mut err) };
        // Nobody is left to be told that standard error is gone.
        drop(written);
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", serde_json::to_string(self)?)
    }

    fn write_lines(&self, out: &mut impl Write) -> io::Result<()> {
        line(out, ERROR, "error", &self.what)?;
        if let (Some(code), Some(status)) = (&self.code, self.status) {
            line(out, ASIDE, "code", &format!("{code} (HTTP {status})"))?;
        }
        self.details.iter().try_for_each(|detail| line(out, ASIDE, "detail", detail))?;
        if let Some(id) = &self.request_id {
            line(out, ASIDE, "request", id)?;
        }
        self.hint.iter().try_for_each(|hint| line(out, HINT, "hint", hint))
    }
}

fn line(out: &mut impl Write, style: Style, title: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{style}{title}:{style:#} {text}")
}
