//! Submits jobs with and without keys, repeats keys, misuses them, cancels and looks at jobs.
//!
//! Each job carries a marker in its payload that no other job has, and a fate that our workers act out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use xtask::chance::Chance;
use xtask::clock::pause;

use super::caller::Caller;
use crate::record::Outcome;

/// Fates with their weights.
const FATES: &[(&str, u64)] = &[
    ("ok", 44),
    ("hold", 12),
    ("twice", 6),
    ("other", 6),
    ("stale", 4),
    ("release", 5),
    ("flaky", 6),
    ("broken", 6),
    ("spawn", 4),
    ("log", 4),
    ("ack", 3),
];

/// Fates of jobs that have only two tries.
const BRITTLE: &[(&str, u64)] = &[("lost_then_flaky", 3), ("release_then_flaky", 4), ("broken", 4), ("ok", 4)];

/// One submitting thread.
#[derive(Debug)]
pub struct Submitter {
    caller: Caller,
    chance: Chance,
    number: u64,
    made: u64,
    /// Keys that were answered, with what they were used for.
    used: Vec<(String, Value)>,
    /// Jobs that were acknowledged.
    jobs: Vec<String>,
}

fn pick<'a>(chance: &mut Chance, weighted: &[(&'a str, u64)]) -> &'a str {
    let mut at = chance.between(0, weighted.iter().map(|(_, weight)| weight).sum());
    for (name, weight) in weighted {
        if at < *weight {
            return name;
        }
        at -= weight;
    }
    weighted[0].0
}

impl Submitter {
    /// A submitter; `number` keeps its markers apart from others'.
    #[must_use]
    pub fn new(caller: Caller, chance: Chance, number: u64) -> Self {
        Self { caller, chance, number, made: 0, used: Vec::new(), jobs: Vec::new() }
    }

    /// Submits until told to stop.
    ///
    /// # Errors
    /// The log cannot be written, or the server refuses what it should take.
    pub fn run(mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::SeqCst) {
            match self.chance.between(0, 100) {
                0..46 => self.keyed()?,
                46..60 => self.unkeyed()?,
                60..76 => self.key_again()?,
                76..80 => self.key_for_other_content()?,
                80..88 => self.family()?,
                88..93 => self.cancel()?,
                _ => self.look()?,
            }
            pause(Duration::from_millis(self.chance.between(5, 45)));
        }
        Ok(())
    }

    fn body(&mut self) -> (String, Value) {
        self.made += 1;
        let marker = format!("s{}-{}", self.number, self.made);
        let job_type = pick(
            &mut self.chance,
            &[("chaos.quick", 60), ("chaos.slot", 12), ("chaos.brittle", 14), ("chaos.halt", 14)],
        );
        let fate = match job_type {
            "chaos.brittle" => pick(&mut self.chance, BRITTLE),
            "chaos.quick" => pick(&mut self.chance, FATES),
            "chaos.slot" => pick(&mut self.chance, &[("ok", 3), ("hold", 1), ("release", 1), ("flaky", 1)]),
            _ => "ok",
        };
        (marker.clone(), json!({"job_type": job_type, "payload": {"marker": marker, "fate": fate}}))
    }

    fn submit(&mut self, key: Option<&str>, body: &Value, insist: bool) -> Result<Option<String>> {
        let outcome = if insist {
            self.caller.insist("submit", "POST", "/jobs", key, body, || false)?
        } else {
            self.caller.call("submit", "POST", "/jobs", key, body)?
        };
        match outcome {
            Outcome::Ok { answer, .. } => {
                let job = answer["id"].as_str().map(str::to_owned);
                self.jobs.extend(job.clone());
                Ok(job)
            }
            Outcome::Refused { status, code } if matches!(status, 400..=428) => {
                bail!("{body} was refused: {status} {code}")
            }
            _ => Ok(None),
        }
    }

    fn keyed(&mut self) -> Result<()> {
        let (key, body) = self.body();
        if self.submit(Some(&key), &body, true)?.is_some() {
            self.used.push((key, body));
        }
        Ok(())
    }

    fn unkeyed(&mut self) -> Result<()> {
        let (_, body) = self.body();
        self.submit(None, &body, false)?;
        Ok(())
    }

    fn used_key(&mut self) -> Option<(String, Value)> {
        let from = self.used.len().saturating_sub(400) as u64;
        let index = self.chance.between(from, self.used.len() as u64);
        self.used.get(usize::try_from(index).ok()?).cloned()
    }

    fn key_again(&mut self) -> Result<()> {
        if let Some((key, body)) = self.used_key() {
            self.submit(Some(&key), &body, false)?;
        }
        Ok(())
    }

    fn key_for_other_content(&mut self) -> Result<()> {
        if let Some((key, mut body)) = self.used_key() {
            body["payload"]["marker"] = json!(format!("{key}-misused-{}", self.made));
            self.made += 1;
            let outcome = self.caller.call("submit", "POST", "/jobs", Some(&key), &body)?;
            if let Outcome::Refused { status, code } = &outcome
                && matches!(status, 400..=428)
                && code != "idempotency_mismatch"
            {
                bail!("a key with other content was answered {status} {code}");
            }
        }
        Ok(())
    }

    /// One or two parents, and a child that waits for them.
    fn family(&mut self) -> Result<()> {
        let mut parents = Vec::new();
        for _ in 0..self.chance.between(1, 3) {
            let (key, mut body) = self.body();
            body["job_type"] = json!("chaos.quick");
            body["payload"]["fate"] = json!(pick(&mut self.chance, &[("ok", 3), ("hold", 3), ("broken", 2)]));
            match self.submit(Some(&key), &body, true)? {
                Some(job) => parents.push(job),
                None => return Ok(()),
            }
        }
        let on = pick(&mut self.chance, &[("succeeded", 2), ("done", 1)]);
        let depends_on: Vec<Value> = parents.iter().map(|job| json!({"job": job, "on": on})).collect();
        let (key, mut body) = self.body();
        body["job_type"] = json!("chaos.child");
        body["payload"]["fate"] = json!("ok");
        body["depends_on"] = json!(depends_on);
        self.submit(Some(&key), &body, true)?;
        Ok(())
    }

    fn known_job(&mut self) -> Option<String> {
        let from = self.jobs.len().saturating_sub(200) as u64;
        let index = self.chance.between(from, self.jobs.len() as u64);
        self.jobs.get(usize::try_from(index).ok()?).cloned()
    }

    fn cancel(&mut self) -> Result<()> {
        if let Some(job) = self.known_job() {
            self.caller.call("cancel", "POST", &format!("/jobs/{job}/cancel"), None, &json!({}))?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        if let Some(job) = self.known_job() {
            self.caller.call("get", "GET", &format!("/jobs/{job}"), None, &Value::Null)?;
        }
        Ok(())
    }
}
