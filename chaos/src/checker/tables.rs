//! The rows beside the facts: each accepted job has one, each end has one, each failure has a dead letter.

use std::collections::BTreeSet;

use super::Verdict;
use super::history::Lives;
use super::ledger::Ledger;

/// Compares rows with lives.
pub fn compare(ledger: &Ledger, lives: &Lives, verdict: &mut Verdict) {
    let rows: BTreeSet<&str> = ledger.jobs.iter().map(|row| row.job.as_str()).collect();
    for job in lives.keys().filter(|job| !rows.contains(job.as_str())) {
        verdict.broken("rows_agree", format!("{job} has no row"));
    }
    for job in rows.iter().filter(|job| !lives.contains_key(**job)) {
        verdict.broken("rows_agree", format!("{job} has a row and no facts"));
    }
    let mut ends = BTreeSet::new();
    for row in &ledger.done {
        ends.insert(row.job.as_str());
        let finish = lives.get(&row.job).and_then(|life| life.finish.as_ref());
        let agrees = finish.is_some_and(|finish| {
            number(&finish.state) == row.state && finish.seq == row.seq && finish.attempt as i64 == row.attempt
        });
        if !agrees {
            verdict.broken("rows_agree", format!("the end of {} is {row:?} and {finish:?}", row.job));
        }
    }
    let letters: BTreeSet<&str> = ledger.dead_letters.iter().map(String::as_str).collect();
    for (job, life) in lives {
        let Some(finish) = &life.finish else { continue };
        if !ends.contains(job.as_str()) {
            verdict.broken("rows_agree", format!("{job} has ended and has no row of its end"));
        }
        if (finish.state == "failed") != letters.contains(job.as_str()) {
            verdict.broken("rows_agree", format!("{job} is {} and its dead letter does not agree", finish.state));
        }
    }
}

fn number(state: &str) -> i64 {
    match state {
        "succeeded" => 5,
        "failed" => 6,
        "canceled" => 7,
        "skipped" => 8,
        _ => -1,
    }
}
