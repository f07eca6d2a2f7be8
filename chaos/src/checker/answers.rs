//! What callers were told, compared with the ledger: nothing acknowledged is missing, nothing happened twice, no call
//! under a fence that was known to be over was accepted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Verdict;
use super::history::{Life, Lives};
use super::ledger::Ledger;
use crate::record::{Call, Outcome};

/// How the markers of jobs begin that a report of another job asked for.
const OF_ANOTHER: &str = "of-";

const FINAL: [&str; 4] = ["succeeded", "failed", "canceled", "skipped"];

/// Compares answers with lives and rows.
pub fn compare(calls: &[Call], ledger: &Ledger, lives: &Lives, verdict: &mut Verdict) {
    for call in calls {
        let name = match &call.outcome {
            Outcome::Ok { .. } => "calls answered",
            Outcome::Refused { .. } => "calls refused",
            Outcome::Unknown { .. } => "calls of unknown outcome",
        };
        verdict.count(name, 1);
    }
    submissions(calls, ledger, lives, verdict);
    grants(calls, lives, verdict);
    fences(calls, verdict);
    for call in calls {
        let Outcome::Ok { answer, .. } = &call.outcome else { continue };
        match call.op.as_str() {
            "complete" => completions(call, answer, lives, verdict),
            "release" => releases(call, answer, lives, verdict),
            "get" | "cancel" | "submit" => state_shown(call, answer, lives, verdict),
            _ => {}
        }
    }
    results(calls, lives, verdict);
}

/// What the calls that named one marker came to.
#[derive(Default)]
struct Marked {
    keyed: bool,
    /// Jobs that callers were told.
    told: BTreeSet<String>,
    /// Every call was refused.
    all_refused: bool,
    calls: u64,
}

/// Every accepted job exists, once; a key makes one job, with the content that it was first used for.
fn submissions(calls: &[Call], ledger: &Ledger, lives: &Lives, verdict: &mut Verdict) {
    let mut made: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in &ledger.jobs {
        let payload: Value = serde_json::from_slice(&row.payload).unwrap_or_default();
        if let Some(marker) = payload["marker"].as_str() {
            made.entry(marker.to_owned()).or_default().push(&row.job);
        }
    }
    for (marker, jobs) in made.iter().filter(|(marker, jobs)| marker.starts_with(OF_ANOTHER) && jobs.len() > 1) {
        verdict.broken("results_counted_once", format!("{marker}: one report made {jobs:?}"));
    }
    let mut marked: BTreeMap<String, Marked> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.op == "submit" || call.op == "submit_batch") {
        let jobs: Vec<&Value> = match call.request["jobs"].as_array() {
            Some(jobs) => jobs.iter().collect(),
            None => vec![&call.request],
        };
        for (index, job) in jobs.iter().enumerate() {
            let Some(marker) = job["payload"]["marker"].as_str() else { continue };
            let entry =
                marked.entry(marker.to_owned()).or_insert_with(|| Marked { all_refused: true, ..Marked::default() });
            entry.calls += 1;
            entry.keyed |= call.key.is_some() || job["idempotency_key"].is_string();
            entry.all_refused &= matches!(call.outcome, Outcome::Refused { .. });
            if let Outcome::Ok { answer, .. } = &call.outcome {
                verdict.count("jobs acknowledged", 1);
                let answer = answer["items"].get(index).unwrap_or(answer);
                entry.told.insert(answer["id"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    for (marker, entry) in &marked {
        let jobs = made.get(marker).map_or(&[][..], Vec::as_slice);
        if entry.told.len() > 1 {
            verdict.broken("one_job_per_key", format!("{marker}: callers were told {:?}", entry.told));
        }
        for job in entry.told.iter().filter(|job| !lives.contains_key(*job)) {
            verdict.broken("acknowledged_is_kept", format!("{marker}: {job} was acknowledged and is not there"));
        }
        for job in entry.told.iter().filter(|job| lives.contains_key(*job) && !jobs.contains(&job.as_str())) {
            verdict.broken("one_job_per_key", format!("{marker}: {job} was told and holds other content"));
        }
        if jobs.len() as u64 > if entry.keyed { 1 } else { entry.calls } {
            verdict.broken("one_job_per_key", format!("{marker}: {} calls made {jobs:?}", entry.calls));
        }
        if entry.all_refused && !jobs.is_empty() {
            verdict.broken("refused_is_not_done", format!("{marker}: every call was refused, and {jobs:?} is there"));
        }
    }
    for (marker, jobs) in made.iter().filter(|(marker, _)| !marked.contains_key(*marker)) {
        // What a worker asked for while it completed: its completion counts once.
        if jobs.len() > 1 {
            verdict.broken("results_counted_once", format!("{marker}: {jobs:?}"));
        }
    }
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["items"].as_array().into_iter().flatten()
}

/// Each lease that a worker was told is in history, for that claim and session, and told for no other.
fn grants(calls: &[Call], lives: &Lives, verdict: &mut Verdict) {
    let mut told: BTreeMap<(String, u64), String> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.op == "claim") {
        let Outcome::Ok { answer, .. } = &call.outcome else { continue };
        let claim = call.request["claim_id"].as_str().unwrap_or_default();
        for lease in answer["leases"].as_array().into_iter().flatten() {
            verdict.count("leases told", 1);
            let job = lease["job"].as_str().unwrap_or_default();
            let attempt = lease["attempt"].as_u64().unwrap_or_default();
            let grant = lives.get(job).and_then(|life| life.grants.iter().find(|grant| grant.attempt == attempt));
            let session = &call.request["session"];
            if !grant.is_some_and(|grant| grant.claim == claim && *session == *grant.session) {
                let what = format!("{job} attempt {attempt} was told for {claim}, history says {grant:?}");
                verdict.broken("answers_in_ledger", what);
            }
            let first = told.entry((job.to_owned(), attempt)).or_insert_with(|| claim.to_owned());
            if first != claim {
                verdict
                    .broken("one_current_lease", format!("{job} attempt {attempt} was told for {first} and {claim}"));
            }
        }
    }
}

/// Job and attempt of a fencing token.
fn token_parts(token: &str) -> Option<(String, u64)> {
    let mut parts = token.rsplit('.');
    let attempt = parts.next()?.parse().ok()?;
    Some((format!("job_{}", parts.next()?), attempt))
}

/// No call that began after its attempt was known to be over was accepted.
fn fences(calls: &[Call], verdict: &mut Verdict) {
    let mut over: BTreeMap<(String, u64), (u64, String)> = BTreeMap::new();
    let mut note = |job: &str, attempt: u64, at: Option<u64>, why: String| {
        let Some(at) = at else { return };
        let entry = over.entry((job.to_owned(), attempt)).or_insert((at, why.clone()));
        if at < entry.0 {
            *entry = (at, why);
        }
    };
    for call in calls {
        let Outcome::Ok { answer, .. } = &call.outcome else { continue };
        match call.op.as_str() {
            "claim" => {
                for lease in answer["leases"].as_array().into_iter().flatten() {
                    let attempt = lease["attempt"].as_u64().unwrap_or_default();
                    let job = lease["job"].as_str().unwrap_or_default();
                    for before in 1..attempt {
                        note(job, before, call.end_us, format!("attempt {attempt} was handed out in call {}", call.n));
                    }
                }
            }
            "complete" | "release" => {
                for (token, item) in tokens(call).zip(items(answer)) {
                    let Some((job, attempt)) = token_parts(token) else { continue };
                    if item["status"] == "ok" || item["code"] == "stale_lease" {
                        note(&job, attempt, call.end_us, format!("call {} ended it", call.n));
                    }
                }
            }
            _ => {}
        }
    }
    for call in calls.iter().filter(|call| matches!(call.op.as_str(), "heartbeat" | "ack" | "logs" | "release")) {
        let Outcome::Ok { answer, .. } = &call.outcome else { continue };
        let single = [answer.clone()];
        let answers: Vec<&Value> = if call.op == "logs" { single.iter().collect() } else { items(answer).collect() };
        for (token, item) in tokens(call).zip(answers) {
            let accepted = match call.op.as_str() {
                "heartbeat" => item["answer"] != "lost",
                "logs" => true,
                _ => item["status"] == "ok",
            };
            let Some(parts) = token_parts(token) else { continue };
            // A release that is repeated may be told again that it is done.
            if !accepted || call.op == "release" {
                continue;
            }
            verdict.count("calls under a fence accepted", 1);
            if let Some((since, why)) = over.get(&parts)
                && *since < call.begin_us
            {
                let what = format!("call {} ({}) for {} attempt {}: {why}", call.n, call.op, parts.0, parts.1);
                verdict.broken("no_stale_fence", what);
            }
        }
    }
}

/// The tokens that a call names, in order.
fn tokens(call: &Call) -> Box<dyn Iterator<Item = &str> + '_> {
    let member = |name: &'static str| call.request[name].as_array().into_iter().flatten();
    match call.op.as_str() {
        "heartbeat" => Box::new(member("leases").filter_map(|lease| lease["token"].as_str())),
        "complete" => Box::new(member("items").filter_map(|item| item["token"].as_str())),
        "logs" => Box::new(call.request["token"].as_str().into_iter()),
        _ => Box::new(member("tokens").filter_map(Value::as_str)),
    }
}

/// An accepted report ended its own attempt, as it said.
fn completions(call: &Call, answer: &Value, lives: &Lives, verdict: &mut Verdict) {
    let reports = call.request["items"].as_array().into_iter().flatten();
    for (report, item) in reports.zip(items(answer)) {
        let Some((job, attempt)) = report["token"].as_str().and_then(token_parts) else { continue };
        if item["status"] != "ok" {
            continue;
        }
        verdict.count("reports accepted", 1);
        let life = lives.get(&job);
        let end = life.and_then(|life| life.ends.iter().find(|end| end.attempt == attempt));
        let canceled = life.is_some_and(|life| life.cancel_requested);
        let right = end.is_some_and(|end| end.reported && (canceled || report["outcome"] == *end.outcome));
        if !right {
            let what =
                format!("call {}: {} for {job} attempt {attempt}; history says {end:?}", call.n, report["outcome"]);
            verdict.broken("no_stale_fence", what);
        }
        for follow_up in item["follow_ups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !lives.contains_key(follow_up) {
                verdict.broken("acknowledged_is_kept", format!("follow-up {follow_up} of {job} is not there"));
            }
        }
    }
}

fn releases(call: &Call, answer: &Value, lives: &Lives, verdict: &mut Verdict) {
    for (token, item) in tokens(call).zip(items(answer)) {
        let Some((job, attempt)) = token_parts(token) else { continue };
        let ended = lives.get(&job).is_some_and(|life| life.ends.iter().any(|end| end.attempt == attempt));
        if item["status"] == "ok" && !ended {
            verdict.broken("answers_in_ledger", format!("call {}: release of {job} attempt {attempt}", call.n));
        }
    }
}

/// A job that was shown is there; a final state that was shown is the one it has.
fn state_shown(call: &Call, answer: &Value, lives: &Lives, verdict: &mut Verdict) {
    let Some(job) = answer["id"].as_str() else { return };
    let Some(life) = lives.get(job) else {
        if call.op != "submit" {
            verdict.broken("answers_in_ledger", format!("call {}: {job} was shown and is not there", call.n));
        }
        return;
    };
    let state = answer["state"].as_str().unwrap_or_default();
    let last = life.finish.as_ref().map_or("open", |finish| finish.state.as_str());
    if FINAL.contains(&state) && state != last {
        verdict.broken("final_is_final", format!("call {}: {job} was shown {state} and is {last}", call.n));
    }
    let attempt = answer["attempt"].as_u64().unwrap_or_default();
    if attempt > life.grants.len() as u64 {
        verdict.broken("answers_in_ledger", format!("call {}: {job} was shown at attempt {attempt}", call.n));
    }
    let asked = answer["canceling"] == true;
    if asked && !life.cancel_requested {
        verdict.broken("answers_in_ledger", format!("call {}: the cancel of {job} is not there", call.n));
    }
}

/// A result that counts is one that a worker sent for that very attempt, and two results never both counted.
fn results(calls: &[Call], lives: &Lives, verdict: &mut Verdict) {
    let mut sent: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    let mut accepted: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.op == "complete") {
        let answers: Vec<&Value> = match &call.outcome {
            Outcome::Ok { answer, .. } => items(answer).collect(),
            _ => Vec::new(),
        };
        for (index, report) in call.request["items"].as_array().into_iter().flatten().enumerate() {
            let Some(parts) = report["token"].as_str().and_then(token_parts) else { continue };
            let digest = digest(&report["result"]);
            if answers.get(index).is_some_and(|item| item["status"] == "ok") {
                let what = format!("{} {digest:?}", report["outcome"]);
                accepted.entry(parts.clone()).or_default().insert(what);
            }
            sent.entry(parts).or_default().extend(digest);
        }
    }
    for ((job, attempt), reports) in accepted.iter().filter(|(_, reports)| reports.len() > 1) {
        verdict.broken("results_counted_once", format!("{job} attempt {attempt}: {reports:?} were all accepted"));
    }
    for (job, life) in lives.iter().filter(|(_, life)| ours(life)) {
        let Some(finish) = life.finish.as_ref().filter(|finish| finish.state == "succeeded") else { continue };
        let known = sent.get(&(job.clone(), finish.attempt));
        let counts = finish.result_sha256.as_ref().is_none_or(|sha| known.is_some_and(|known| known.contains(sha)));
        if !counts || known.is_none() {
            let what = format!("{job} counts a result that nobody sent for attempt {}", finish.attempt);
            verdict.broken("results_counted_once", what);
        }
    }
}

/// Job types that only our own recorded workers serve.
fn ours(life: &Life) -> bool {
    life.job_type.starts_with("chaos.") && !life.job_type.starts_with("chaos.bad.")
}

fn digest(result: &Value) -> Option<String> {
    if result.is_null() {
        return None;
    }
    let canonical = serde_json_canonicalizer::to_vec(result).ok()?;
    Some(hex::encode(Sha256::digest(canonical)))
}
