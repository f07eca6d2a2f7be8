//! Jobs that we submit ourselves while things are killed, each under a key, until the server acknowledges it.
//!
//! No worker knows their type: they are found and ended by the audit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::clock::{pause, wait_for};
use crate::http::{Answer, post};
use crate::site::Access;

/// Where the API is.
pub const BASE: &str = "/api/v1/orchestrator";

/// A type that only this test uses.
pub const JOB_TYPE: &str = "kills.probe";

/// A server that does not answer for so long does not come back.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct Probes {
    /// Idempotency key → the job that the server named.
    pub acknowledged: BTreeMap<String, String>,
    /// Calls that had to be repeated, because the server was gone, refused for now, or its answer was lost.
    pub repeated: u32,
}

/// Submits until told to stop.
pub fn send(access: &Access, stop: &AtomicBool) -> Result<Probes> {
    let mut probes = Probes::default();
    let made =
        insist(&mut probes.repeated, || post(access, &format!("{BASE}/job-types"), None, &json!({"name": JOB_TYPE})))?;
    if !matches!(made.status, 200 | 201 | 409) {
        bail!("could not make the job type {JOB_TYPE}: {} {}", made.status, made.body);
    }
    while !stop.load(Ordering::Relaxed) {
        let number = probes.acknowledged.len();
        let key = format!("probe-{number}");
        let body = json!({"job_type": JOB_TYPE, "payload": {"number": number}});
        let answer = insist(&mut probes.repeated, || post(access, &format!("{BASE}/jobs"), Some(&key), &body))?;
        let job = answer.body["id"].as_str().filter(|_| matches!(answer.status, 200..=202));
        let job = job.with_context(|| format!("probe {number} was answered {}: {}", answer.status, answer.body))?;
        probes.acknowledged.insert(key, job.to_owned());
        pause(Duration::from_millis(2));
    }
    Ok(probes)
}

/// Repeats a call until there is an answer that is not "later".
pub fn insist(repeated: &mut u32, call: impl Fn() -> Result<Answer>) -> Result<Answer> {
    let mut last = String::new();
    let answer = wait_for(PATIENCE, || match call() {
        Ok(answer) if !matches!(answer.status, 429 | 500..) => Some(answer),
        Ok(answer) => {
            *repeated += 1;
            last = format!("{} {}", answer.status, answer.body);
            None
        }
        Err(error) => {
            *repeated += 1;
            last = format!("{error:#}");
            None
        }
    });
    answer.with_context(|| format!("no answer within {} s; the last was: {last}", PATIENCE.as_secs()))
}
