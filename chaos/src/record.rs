//! The call log: begin and end of every call with its outcome, and every fault, one JSON line each, only appended.
//!
//! A call without an end, or whose end is `unknown`, may or may not have happened.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock;

/// One line of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// A call is about to be sent.
    Begin {
        /// Its number.
        n: u64,
        /// Monotonic time.
        mono_us: u64,
        /// Wall time.
        wall_ms: u64,
        /// Which thread calls.
        who: String,
        /// What it asks for: `submit`, `claim`, `complete`, …
        op: String,
        /// Where it is sent.
        address: String,
        /// Its idempotency key.
        key: Option<String>,
        /// Its body.
        request: Value,
    },
    /// A call has ended.
    End {
        /// Its number.
        n: u64,
        /// Monotonic time.
        mono_us: u64,
        /// Wall time.
        wall_ms: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// A fault begins or ends.
    Fault {
        /// Monotonic time.
        mono_us: u64,
        /// Wall time.
        wall_ms: u64,
        /// Which.
        kind: String,
        /// `begin` or `end`.
        phase: String,
        /// An append was held without its answer when it struck.
        append_in_flight: bool,
        /// For people.
        detail: String,
    },
}

/// How a call ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// The server did it.
    Ok {
        /// HTTP status.
        status: u16,
        /// The body.
        answer: Value,
    },
    /// The server says that it did not do it, or was never reached.
    Refused {
        /// HTTP status; 0 when nobody listened.
        status: u16,
        /// The problem's code.
        code: String,
    },
    /// Nobody knows.
    Unknown {
        /// For people.
        why: String,
    },
}

/// A call, put together from its lines.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its number.
    pub n: u64,
    /// What it asked for.
    pub op: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// Its body.
    pub request: Value,
    /// Monotonic time before it was sent.
    pub begin_us: u64,
    /// Monotonic time after its answer.
    pub end_us: Option<u64>,
    /// How it ended; a call without an end is unknown.
    pub outcome: Outcome,
}

/// Writes the log.
#[derive(Debug)]
pub struct Recorder {
    file: Mutex<File>,
    next: AtomicU64,
}

impl Recorder {
    /// A new log.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("could not make {}", path.display()))?;
        Ok(Self { file: Mutex::new(file), next: AtomicU64::new(1) })
    }

    /// A call begins; the number is for its end.
    ///
    /// # Errors
    /// The line cannot be written: then the call must not be sent.
    pub fn begin(&self, who: &str, op: &str, address: &str, key: Option<&str>, request: &Value) -> Result<u64> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(&Line::Begin {
            n,
            mono_us: clock::mono_us(),
            wall_ms: clock::wall_ms(),
            who: who.to_owned(),
            op: op.to_owned(),
            address: address.to_owned(),
            key: key.map(str::to_owned),
            request: request.clone(),
        })?;
        Ok(n)
    }

    /// A call has ended.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn end(&self, n: u64, outcome: &Outcome) -> Result<()> {
        let (mono_us, wall_ms) = (clock::mono_us(), clock::wall_ms());
        self.write(&Line::End { n, mono_us, wall_ms, outcome: outcome.clone() })
    }

    /// A fault begins or ends.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn fault(&self, kind: &str, phase: &str, append_in_flight: bool, detail: &str) -> Result<()> {
        self.write(&Line::Fault {
            mono_us: clock::mono_us(),
            wall_ms: clock::wall_ms(),
            kind: kind.to_owned(),
            phase: phase.to_owned(),
            append_in_flight,
            detail: detail.to_owned(),
        })
    }

    fn write(&self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text).context("could not write the call log")
    }
}

/// Reads a log.
///
/// # Errors
/// The file cannot be read, or a line is none.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let file = File::open(path).with_context(|| format!("could not open {}", path.display()))?;
    let lines = BufReader::new(file).lines();
    lines.map(|line| serde_json::from_str(&line?).context("a line of the call log is none")).collect()
}

/// The calls of a log, in the order of their begins.
#[must_use]
pub fn calls(lines: &[Line]) -> Vec<Call> {
    let mut calls: std::collections::BTreeMap<u64, Call> = std::collections::BTreeMap::new();
    for line in lines {
        match line {
            Line::Begin { n, mono_us, op, key, request, .. } => {
                let outcome = Outcome::Unknown { why: "no end".to_owned() };
                let (op, key, request) = (op.clone(), key.clone(), request.clone());
                calls.insert(*n, Call { n: *n, op, key, request, begin_us: *mono_us, end_us: None, outcome });
            }
            Line::End { n, mono_us, outcome, .. } => {
                if let Some(call) = calls.get_mut(n) {
                    call.end_us = Some(*mono_us);
                    call.outcome = outcome.clone();
                }
            }
            Line::Fault { .. } => {}
        }
    }
    calls.into_values().collect()
}
