//! Transcripts of commands: exit code, standard output and standard error together, with what differs redacted.

use std::fmt::Write as _;

use crate::server::{Outcome, Server};

/// What was typed and what came of it, with everything replaced that differs from run to run.
#[derive(Default)]
pub struct Transcript(pub String);

impl Transcript {
    /// Notes one command.
    pub fn note(&mut self, arguments: &[&str], outcome: &Outcome) {
        writeln!(self.0, "$ orch {}", redact(&arguments.join(" "))).unwrap();
        self.0.push_str(&redact(&outcome.out));
        for line in redact(&outcome.err).lines() {
            writeln!(self.0, "! {line}").unwrap();
        }
        writeln!(self.0, "=> {}\n", outcome.code).unwrap();
    }

    /// Runs one against the server, notes it, and gives what it printed.
    pub fn run(&mut self, server: &Server, arguments: &[&str]) -> String {
        let outcome = server.orch(arguments);
        self.note(arguments, &outcome);
        outcome.out.trim().to_owned()
    }
}

/// Ids, secrets, digests, moments, ports and what memory a machine has become their kinds; the blanks between columns, which depend on the
/// lengths of those, become two.
fn redact(text: &str) -> String {
    let text = kinds(text);
    let lines = text.split_inclusive('\n').map(|line| {
        let indented = line.len() - line.trim_start_matches(' ').len();
        let mut cells = line[indented..].split("  ").map(str::trim_start).filter(|cell| !cell.is_empty());
        let first = cells.next().unwrap_or_default().to_owned();
        " ".repeat(indented) + &cells.fold(first, |line, cell| line + "  " + cell)
    });
    lines.collect()
}

fn kinds(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = ["job_", "run_", "bkf_", "tok_", "ten_", "req_", "wks_", "orch_"]
                .iter()
                .find(|prefix| rest.starts_with(**prefix) && hex_after(rest, prefix.len()) >= 16)
                .map(|prefix| (*prefix, prefix.len() + hex_after(rest, prefix.len())));
            if let Some((prefix, length)) = length {
                out.push_str(&format!("<{}>", prefix.trim_end_matches('_')));
                rest = &rest[length..];
            } else if hex_after(rest, 0) == 64 {
                out.push_str("<sha256>");
                rest = &rest[64..];
            } else if let Some(length) = moment(rest) {
                out.push_str("<moment>");
                rest = &rest[length..];
            } else if let Some(end) = rest.find('}').filter(|_| rest.starts_with("{\"high_mb\":")) {
                out.push_str("<memory>");
                rest = &rest[end + 1..];
            } else if let Some(port) = rest.strip_prefix("127.0.0.1:") {
                out.push_str("127.0.0.1:<port>");
                rest = port.trim_start_matches(|c: char| c.is_ascii_digit());
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn hex_after(text: &str, start: usize) -> usize {
    text.as_bytes()[start..].iter().take_while(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)).count()
}

/// The length of an RFC 3339 moment at the beginning.
fn moment(text: &str) -> Option<usize> {
    let end = text.find('Z').filter(|end| (19..=30).contains(end))? + 1;
    text[..end].parse::<jiff::Timestamp>().ok().map(|_| end)
}
