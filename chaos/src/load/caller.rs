//! One recorded HTTP call at a time, to whichever address serves.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use xtask::clock::{Stopwatch, pause};
use xtask::http::{Answer, exchange};

use super::Access;
use crate::record::{Outcome, Recorder};

/// No answer takes longer, except from a server that is stopped.
const LIMIT: Duration = Duration::from_secs(4);

/// How long a call is repeated.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client with a place in the list of addresses.
#[derive(Debug)]
pub struct Caller {
    access: Access,
    recorder: Arc<Recorder>,
    who: String,
    place: usize,
}

impl Caller {
    /// A client; `who` names it in the log.
    #[must_use]
    pub fn new(access: Access, recorder: Arc<Recorder>, who: String) -> Self {
        Self { access, recorder, who, place: 0 }
    }

    /// Its name.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.who
    }

    /// One exchange with one address, recorded. After anything but an answer the next call goes to the next address.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn call(&mut self, op: &str, method: &str, path: &str, key: Option<&str>, body: &Value) -> Result<Outcome> {
        let address = self.access.addresses[self.place % self.access.addresses.len()].clone();
        let request = if body.is_null() { json!({"path": path}) } else { body.clone() };
        let n = self.recorder.begin(&self.who, op, &address, key, &request)?;
        let access = xtask::site::Access { address, token: self.access.token.clone() };
        let path = format!("/api/v1/orchestrator{path}");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let outcome = judge(exchange(&access, method, &path, key, &text, LIMIT));
        self.recorder.end(n, &outcome)?;
        let elsewhere = match &outcome {
            Outcome::Ok { .. } => false,
            Outcome::Refused { status, .. } => matches!(status, 0 | 503),
            Outcome::Unknown { .. } => true,
        };
        self.place += usize::from(elsewhere);
        Ok(outcome)
    }

    /// Repeats a call until its outcome is known and is not "later"; `stop` ends that early.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn insist(
        &mut self,
        op: &str,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
        stop: impl Fn() -> bool,
    ) -> Result<Outcome> {
        let watch = Stopwatch::start();
        loop {
            let outcome = self.call(op, method, path, key, body)?;
            if !is_later(&outcome) || watch.elapsed() > PATIENCE || stop() {
                return Ok(outcome);
            }
            pause(Duration::from_millis(60));
        }
    }
}

/// Whether the same call may be answered otherwise later.
#[must_use]
pub fn is_later(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Ok { .. } => false,
        Outcome::Refused { status, .. } => matches!(status, 0 | 429 | 500..),
        Outcome::Unknown { .. } => true,
    }
}

fn judge(answer: Result<Answer>) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            if kind == Some(ErrorKind::ConnectionRefused) {
                return Outcome::Refused { status: 0, code: "nobody_listens".to_owned() };
            }
            return Outcome::Unknown { why: format!("{error:#}") };
        }
    };
    let Answer { status, body } = answer;
    if (200..300).contains(&status) {
        return Outcome::Ok { status, answer: body };
    }
    let code = body["code"].as_str().unwrap_or_default().to_owned();
    let known = status < 500 || matches!(code.as_str(), "not_owner" | "draining" | "overloaded" | "backlog_full");
    if known { Outcome::Refused { status, code } } else { Outcome::Unknown { why: format!("{status} {code}") } }
}
