//! A worker that acts out the fates of jobs: it completes, holds, repeats, contradicts itself, comes back too late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::chance::Chance;
use xtask::clock::pause;

use super::SERVED;
use super::caller::{Caller, is_later};
use crate::clock::mono_us;
use crate::record::Outcome;

const MS: u64 = 1_000;
/// Leases that it holds at most.
const HELD_MAX: usize = 24;
/// Longer than a lease.
const TOO_LATE_US: u64 = 4_800 * MS;
/// A report that is not answered for so long is given up.
const REPORT_PATIENCE_US: u64 = 60_000 * MS;

/// A lease in our hands.
#[derive(Debug, Clone)]
struct Held {
    token: String,
    job: String,
    attempt: u64,
    marker: String,
    fate: String,
    since_us: u64,
    due_us: u64,
    /// `None`: no heartbeat any more.
    beat_us: Option<u64>,
    /// Heartbeats stop after the first.
    silent: bool,
    /// It is never reported.
    abandoned: bool,
    canceled: bool,
}

/// One working thread.
#[derive(Debug)]
pub struct Hands {
    caller: Caller,
    chance: Chance,
    boot: String,
    session: Option<String>,
    claim: String,
    held: Vec<Held>,
    number: u64,
}

fn claim_id() -> String {
    format!("clm_{}", Uuid::now_v7().simple())
}

impl Hands {
    /// A worker.
    #[must_use]
    pub fn new(caller: Caller, chance: Chance, number: u64) -> Self {
        let boot = Uuid::now_v7().simple().to_string();
        Self { caller, chance, boot, session: None, claim: claim_id(), held: Vec::new(), number }
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// The log cannot be written, or the server refuses what it should take.
    pub fn run(mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::SeqCst) {
            let Some(session) = self.session()? else {
                pause(Duration::from_millis(100));
                continue;
            };
            self.beat(&session)?;
            self.act()?;
            if self.held.len() < HELD_MAX {
                self.claim(&session)?;
            } else {
                pause(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn session(&mut self) -> Result<Option<String>> {
        if self.session.is_none() {
            let body = json!({
                "worker_id": format!("chaos-{}", self.number), "boot_id": self.boot, "job_types": SERVED,
                "capacity": HELD_MAX, "sdk": "chaos/0",
            });
            if let Outcome::Ok { answer, .. } = self.caller.call("session", "POST", "/worker/sessions", None, &body)? {
                self.session = answer["session"].as_str().map(str::to_owned);
            }
        }
        Ok(self.session.clone())
    }

    fn forget_session(&mut self, outcome: &Outcome) {
        if matches!(outcome, Outcome::Refused { code, .. } if code == "unknown_session") {
            self.session = None;
        }
    }

    fn claim(&mut self, session: &str) -> Result<()> {
        let room = (HELD_MAX - self.held.len()).min(6);
        let body = json!({
            "session": session, "claim_id": self.claim, "max": room, "wait_ms": 150, "auto_ack": self.number != 0,
        });
        let outcome = self.caller.call("claim", "POST", "/worker/claim", None, &body)?;
        self.forget_session(&outcome);
        let Outcome::Ok { answer, .. } = &outcome else {
            // The same claim id again: what was granted meanwhile must not be granted elsewhere.
            pause(Duration::from_millis(50));
            return Ok(());
        };
        self.claim = claim_id();
        for lease in answer["leases"].as_array().into_iter().flatten() {
            self.take(lease);
        }
        if self.number == 0 {
            self.ack()?;
        }
        Ok(())
    }

    fn ack(&mut self) -> Result<()> {
        let now = mono_us();
        let fresh: Vec<&str> =
            self.held.iter().filter(|held| now - held.since_us < 400 * MS).map(|held| held.token.as_str()).collect();
        if !fresh.is_empty() {
            let body = json!({"tokens": fresh});
            self.caller.call("ack", "POST", "/worker/ack", None, &body)?;
        }
        Ok(())
    }

    fn take(&mut self, lease: &Value) {
        let text = |name: &str| lease[name].as_str().unwrap_or_default().to_owned();
        let now = mono_us();
        let attempt = lease["attempt"].as_u64().unwrap_or(1);
        let fate = lease["payload"]["fate"].as_str().unwrap_or("ok").to_owned();
        let mut held = Held {
            token: text("token"),
            job: text("job"),
            attempt,
            marker: lease["payload"]["marker"].as_str().unwrap_or_default().to_owned(),
            since_us: now,
            due_us: now,
            beat_us: None,
            silent: false,
            abandoned: false,
            canceled: false,
            fate,
        };
        match (held.fate.as_str(), attempt) {
            ("hold", _) => {
                held.due_us += self.chance.between(300, 2_500) * MS;
                held.beat_us = Some(now + 900 * MS);
            }
            ("stale", 1) | ("lost_then_flaky", 1) => {
                held.due_us += TOO_LATE_US;
                held.beat_us = Some(now + 150 * MS);
                held.silent = true;
                held.abandoned = held.fate != "stale";
            }
            ("stale", _) => {
                held.due_us += 3_000 * MS;
                held.beat_us = Some(now + 500 * MS);
            }
            _ => {}
        }
        self.held.push(held);
    }

    /// One heartbeat for all leases that are due one.
    fn beat(&mut self, session: &str) -> Result<()> {
        let now = mono_us();
        let due: Vec<String> = self
            .held
            .iter()
            .filter(|held| held.beat_us.is_some_and(|at| at <= now))
            .map(|held| held.token.clone())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let leases: Vec<Value> = due.iter().map(|token| json!({"token": token})).collect();
        let body = json!({"session": session, "leases": leases});
        let outcome = self.caller.call("heartbeat", "POST", "/worker/heartbeat", None, &body)?;
        self.forget_session(&outcome);
        let Outcome::Ok { answer, .. } = outcome else { return Ok(()) };
        for (token, item) in due.iter().zip(answer["items"].as_array().into_iter().flatten()) {
            let Some(held) = self.held.iter_mut().find(|held| held.token == *token) else { continue };
            held.beat_us = if held.silent { None } else { Some(now + 900 * MS) };
            match item["answer"].as_str() {
                Some("lost") if !held.silent => held.abandoned = true,
                Some("cancel") if !held.silent => {
                    held.canceled = true;
                    held.due_us = now;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reports on what is due.
    fn act(&mut self) -> Result<()> {
        let now = mono_us();
        let (due, rest): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(|held| held.due_us <= now);
        self.held = rest;
        for mut held in due.into_iter().filter(|held| !held.abandoned) {
            if !self.report(&held)? && now - held.since_us < REPORT_PATIENCE_US {
                held.due_us = mono_us() + 250 * MS;
                self.held.push(held);
            }
        }
        Ok(())
    }

    /// True when the report's outcome is known.
    fn report(&mut self, held: &Held) -> Result<bool> {
        let result = json!({"job": held.job, "attempt": held.attempt, "by": self.caller.who()});
        let succeeded = json!({"token": held.token, "outcome": "succeeded", "result": result});
        let failed = |retryable: bool| {
            json!({
                "token": held.token, "outcome": "failed",
                "error": {"class": "handler", "code": "chaos", "message": "as planned", "retryable": retryable},
            })
        };
        if held.canceled {
            return self.complete(&json!({"token": held.token, "outcome": "canceled"}));
        }
        match (held.fate.as_str(), held.attempt) {
            ("release", 1) | ("release_then_flaky", 1) => {
                let outcome =
                    self.caller.call("release", "POST", "/worker/release", None, &json!({"tokens": [held.token]}))?;
                return Ok(!is_later(&outcome));
            }
            ("flaky", 1) | ("lost_then_flaky" | "release_then_flaky", 2) => return self.complete(&failed(true)),
            ("broken", _) => return self.complete(&failed(false)),
            ("log", _) => {
                let lines = json!([{"level": "info", "message": held.marker}]);
                self.caller.call(
                    "logs",
                    "POST",
                    "/worker/logs",
                    None,
                    &json!({"token": held.token, "lines": lines}),
                )?;
            }
            ("spawn", _) => {
                let mut report = succeeded.clone();
                report["follow_ups"] = json!([{
                    "job_type": "chaos.quick",
                    "payload": {"marker": format!("of-{}", held.marker), "fate": "ok"},
                }]);
                // Said twice: the jobs that follow are made once.
                return Ok(self.complete(&report)? && self.complete(&report)?);
            }
            ("stale", 1) => {
                // Too late on purpose: the lease is over, or the server was away all the time.
                let session = self.session.clone().unwrap_or_default();
                let beat = json!({"session": session, "leases": [{"token": held.token}]});
                self.caller.call("heartbeat", "POST", "/worker/heartbeat", None, &beat)?;
            }
            _ => {}
        }
        let known = self.complete(&succeeded)?;
        if known && held.fate == "twice" {
            self.complete(&succeeded)?;
        }
        if known && held.fate == "other" {
            let mut other = succeeded;
            other["result"]["other"] = json!(true);
            self.complete(&other)?;
        }
        Ok(known)
    }

    fn complete(&mut self, report: &Value) -> Result<bool> {
        let body = json!({"items": [report]});
        let outcome = self.caller.call("complete", "POST", "/worker/complete", None, &body)?;
        if let Outcome::Refused { status, code } = &outcome
            && matches!(status, 400..=428)
        {
            bail!("a report was refused: {status} {code}: {body}");
        }
        Ok(!is_later(&outcome))
    }
}
