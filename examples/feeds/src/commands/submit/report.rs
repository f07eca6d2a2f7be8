//! What a run came to, for people and for programs.

use std::{collections::BTreeMap, fmt};

use orch_client::{JobId, JobOut, JobState};
use orch_feeds::{
    jobs::{Exported, REJECT},
    location::Location,
};
use serde::Serialize;

use super::watch::Ended;

/// Dead letters that the text names one by one; the JSON has all.
const SHOWN_MAX: usize = 40;

/// What a run came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    run: JobId,
    location: Location,
    outcome: JobState,
    duration_ms: u64,
    jobs_per_second: f64,
    /// Jobs by type and state.
    jobs: BTreeMap<String, BTreeMap<String, u64>>,
    /// Hand-outs of all jobs.
    attempts: u64,
    /// Dead letters by type and code.
    reasons: BTreeMap<String, BTreeMap<String, u64>>,
    dead_letters: Vec<DeadLetter>,
    /// Absent if the run came to no export.
    export: Option<Exported>,
}

/// A job that failed for good.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct DeadLetter {
    job_type: String,
    code: String,
    message: String,
    job: JobId,
}

impl Report {
    pub(super) fn new(location: &Location, ended: Ended) -> Report {
        let mut jobs: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for job in &ended.jobs {
            *jobs.entry(job.job_type.clone()).or_default().entry(job.state.to_string()).or_default() += 1;
        }
        let mut dead_letters: Vec<DeadLetter> = ended.jobs.iter().filter_map(dead_letter).collect();
        dead_letters.sort();
        let mut reasons: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for letter in &dead_letters {
            *reasons.entry(letter.job_type.clone()).or_default().entry(letter.code.clone()).or_default() += 1;
        }
        let outcome = ended.export.as_ref().map_or(JobState::Failed, |job| job.state.clone());
        let result = ended.export.and_then(|job| job.result);
        Report {
            run: ended.run,
            location: location.clone(),
            outcome,
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
            jobs_per_second: ended.jobs.len() as f64 / ended.duration.as_secs_f64().max(0.001),
            attempts: ended.jobs.iter().map(|job| u64::from(job.attempt)).sum(),
            jobs,
            reasons,
            dead_letters,
            export: result.and_then(|result| serde_json::from_value(result).ok()),
        }
    }

    /// Whether the run came to an export.
    pub(super) fn succeeded(&self) -> bool {
        self.export.is_some()
    }
}

fn dead_letter(job: &JobOut) -> Option<DeadLetter> {
    if job.state != JobState::Failed {
        return None;
    }
    let error = job.error.clone().unwrap_or_default();
    Some(DeadLetter { job_type: job.job_type.clone(), code: error.code, message: error.message, job: job.id })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<18} {}", "run", self.run)?;
        writeln!(f, "{:<18} {}", "outcome", self.outcome)?;
        writeln!(
            f,
            "{:<18} {:.1} s, {:.0} jobs/s",
            "duration",
            self.duration_ms as f64 / 1_000.0,
            self.jobs_per_second
        )?;
        writeln!(f, "{:<18} {}", "attempts", self.attempts)?;
        for (job_type, states) in &self.jobs {
            let states: Vec<String> = states.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
            writeln!(f, "{job_type:<18} {}", states.join(", "))?;
        }
        if let Some(export) = &self.export {
            for (feed, counts) in &export.feeds {
                let orch_feeds::jobs::FeedTotals { documents, parsed, rejected, entries } = counts;
                let feed = feed.name();
                writeln!(
                    f,
                    "{feed:<18} {documents} documents, {parsed} parsed, {rejected} rejected, {entries} entries"
                )?;
            }
            writeln!(f, "{:<18} {} advisories, {} bytes", "export", export.advisories, export.bytes)?;
            writeln!(f, "{:<18} {}", "sha256", export.sha256)?;
        }
        let duplicates = self.dead_letters.iter().filter(|letter| letter.job_type == REJECT).count();
        writeln!(f, "{:<18} {}, {duplicates} of them duplicates", "dead letters", self.dead_letters.len())?;
        for letter in self.dead_letters.iter().take(SHOWN_MAX) {
            writeln!(f, "  {} {}: {}", letter.job_type, letter.code, letter.message)?;
        }
        match self.dead_letters.len().checked_sub(SHOWN_MAX) {
            Some(more) if more > 0 => writeln!(f, "  and {more} more"),
            _ => Ok(()),
        }
    }
}
