//! What the ledger says afterwards, read through the API without the SDK: every job final, none lost, none twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::probes::{BASE, JOB_TYPE, Probes, insist};
use crate::clock::wait_for;
use crate::http::{get, post};
use crate::site::Access;

/// How long after the last fault everything may still need: back-off of what failed meanwhile is part of it.
const SETTLE: Duration = Duration::from_secs(120);

const FINAL: [&str; 4] = ["succeeded", "failed", "canceled", "skipped"];

/// A job as the list shows it.
#[derive(Debug, Clone)]
struct Listed {
    id: String,
    job_type: String,
    state: String,
}

/// What was found.
#[derive(Debug)]
pub struct Audit {
    /// Broken promises.
    pub findings: Vec<String>,
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
}

/// Ends the probes, waits until every job is final, and counts.
pub fn audit(access: &Access, probes: &Probes) -> Result<Audit> {
    end_probes(access, probes)?;
    let jobs = settled(access)?;
    let mut findings = unfinished(&jobs);
    findings.extend(listed_twice(&jobs));
    findings.extend(probe_findings(&jobs, probes));
    let (attempts, twice) = attempts(access, &jobs)?;
    findings.extend(twice);

    let mut states: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for job in &jobs {
        *states.entry(job.job_type.clone()).or_default().entry(job.state.clone()).or_default() += 1;
    }
    let text = format!(
        "{} jobs, {} of them probes acknowledged to us ({} calls repeated); attempts by outcome {attempts:?}",
        jobs.len(),
        probes.acknowledged.len(),
        probes.repeated
    );
    let json = json!({
        "jobs": states, "attempts": attempts,
        "probes_acknowledged": probes.acknowledged.len(), "probe_calls_repeated": probes.repeated,
    });
    Ok(Audit { findings, text, json })
}

fn end_probes(access: &Access, probes: &Probes) -> Result<()> {
    for job in probes.acknowledged.values() {
        let path = format!("{BASE}/jobs/{job}/cancel");
        let answer = insist(&mut 0, || post(access, &path, None, &json!({})))?;
        // A job that is not there is found by the list; here it must only not stop us.
        if !matches!(answer.status, 200..=204 | 404 | 409) {
            bail!("could not cancel {job}: {} {}", answer.status, answer.body);
        }
    }
    Ok(())
}

/// All jobs, once every one is final or the patience is over.
fn settled(access: &Access) -> Result<Vec<Listed>> {
    let mut last = list(access)?;
    wait_for(SETTLE, || {
        if unfinished(&last).is_empty() {
            return Some(());
        }
        crate::clock::pause(Duration::from_secs(1));
        // A failure to list shows again below, where it is an error.
        if let Ok(jobs) = list(access) {
            last = jobs;
        }
        None
    });
    list(access)
}

fn list(access: &Access) -> Result<Vec<Listed>> {
    let mut jobs = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let more = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let answer = insist(&mut 0, || get(access, &format!("{BASE}/jobs?limit=200{more}")))?;
        let items = answer.body["items"].as_array().with_context(|| format!("no page of jobs: {}", answer.body))?;
        for item in items {
            let text =
                |name: &str| item[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {item}"));
            jobs.push(Listed { id: text("id")?, job_type: text("job_type")?, state: text("state")? });
        }
        cursor = answer.body["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(jobs);
        }
    }
}

fn unfinished(jobs: &[Listed]) -> Vec<String> {
    let open = jobs.iter().filter(|job| !FINAL.contains(&job.state.as_str()));
    open.map(|job| format!("{} ({}) is not final but {}", job.id, job.job_type, job.state)).collect()
}

fn listed_twice(jobs: &[Listed]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    jobs.iter().filter(|job| !seen.insert(&job.id)).map(|job| format!("{} is listed twice", job.id)).collect()
}

/// Each acknowledged key has one job of its own, and there is no probe that no key made.
fn probe_findings(jobs: &[Listed], probes: &Probes) -> Vec<String> {
    let listed: BTreeSet<&str> =
        jobs.iter().filter(|job| job.job_type == JOB_TYPE).map(|job| job.id.as_str()).collect();
    let told: BTreeSet<&str> = probes.acknowledged.values().map(String::as_str).collect();
    let mut findings: Vec<String> = told.difference(&listed).map(|job| format!("acknowledged {job} is lost")).collect();
    findings.extend(listed.difference(&told).map(|job| format!("{job} exists, and no key was answered with it")));
    if told.len() != probes.acknowledged.len() {
        findings.push("two keys were answered with one job".to_owned());
    }
    findings
}

/// Attempts by outcome; a succeeded job has exactly one that succeeded, any other job none.
fn attempts(access: &Access, jobs: &[Listed]) -> Result<(BTreeMap<String, u32>, Vec<String>)> {
    let (mut outcomes, mut findings) = (BTreeMap::new(), Vec::new());
    for job in jobs.iter().filter(|job| job.job_type != JOB_TYPE) {
        let answer = insist(&mut 0, || get(access, &format!("{BASE}/jobs/{}/attempts", job.id)))?;
        let items =
            answer.body["items"].as_array().with_context(|| format!("no attempts of {}: {}", job.id, answer.body))?;
        let mut counted = 0;
        for item in items {
            let outcome = item["outcome"].as_str().unwrap_or("open");
            counted += u32::from(outcome == "succeeded");
            *outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
        let wanted = u32::from(job.state == "succeeded");
        if counted != wanted {
            findings.push(format!("{} ({}) is {} and counts {counted} results", job.id, job.job_type, job.state));
        }
    }
    Ok((outcomes, findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, job_type: &str, state: &str) -> Listed {
        Listed { id: id.to_owned(), job_type: job_type.to_owned(), state: state.to_owned() }
    }

    fn probes(pairs: &[(&str, &str)]) -> Probes {
        let acknowledged = pairs.iter().map(|(key, job)| ((*key).to_owned(), (*job).to_owned())).collect();
        Probes { acknowledged, repeated: 0 }
    }

    #[test]
    fn lost_unknown_and_shared_probes_are_findings() {
        let jobs = [
            listed("a", JOB_TYPE, "canceled"),
            listed("b", JOB_TYPE, "canceled"),
            listed("c", "feeds.parse", "failed"),
        ];
        assert_eq!(probe_findings(&jobs, &probes(&[("k1", "a"), ("k2", "b")])), Vec::<String>::new());
        assert_eq!(probe_findings(&jobs, &probes(&[("k1", "a"), ("k2", "b"), ("k3", "x")])).len(), 1);
        assert_eq!(probe_findings(&jobs, &probes(&[("k1", "a")])).len(), 1);
        assert_eq!(probe_findings(&jobs, &probes(&[("k1", "a"), ("k2", "a")])).len(), 2);
    }

    #[test]
    fn open_and_repeated_jobs_are_findings() {
        let jobs = [listed("a", "t", "running"), listed("b", "t", "failed"), listed("b", "t", "failed")];
        assert_eq!(unfinished(&jobs).len(), 1);
        assert_eq!(listed_twice(&jobs), ["b is listed twice"]);
    }
}
