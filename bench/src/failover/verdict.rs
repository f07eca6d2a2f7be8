//! What is left after the kills, judged by what clients were told and by what lies in the ledger.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use orch_bench::{clock, postgres};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use crate::cluster::url;
use crate::failover::crew::Crew;
use crate::failover::notes::Notes;
use crate::place::Place;

/// How long what is open may take to end; a lease that nobody holds any more ends within two heartbeats.
const DRAIN_MAX: Duration = Duration::from_secs(180);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// The number of the state `succeeded`.
const SUCCEEDED: i16 = 5;

const OPEN: &str = "SELECT (SELECT count(*) FROM orchestrator.job) - (SELECT count(*) FROM orchestrator.done)";
const JOBS: &str = "SELECT job.id, done.state, done.attempt FROM orchestrator.job \
     LEFT JOIN orchestrator.done ON done.tenant = job.tenant AND done.job = job.id";

/// What is left.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// Jobs that the server acknowledged.
    pub acknowledged: u64,
    /// Jobs in the ledger.
    pub jobs: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
    /// Ends of attempts that the server told workers it took.
    pub ended: u64,
    /// Ends that it refused, because the attempt was no longer current.
    pub refused: u64,
    /// Jobs that were handed out more than once.
    pub again: u64,
    /// Acknowledged jobs that have not succeeded.
    pub lost: u64,
    /// Ends that were taken beyond one a job, and jobs that nobody made.
    pub doubled: u64,
}

impl Verdict {
    /// In a few words.
    pub fn text(&self) -> String {
        let Self { lost, doubled, again, refused, .. } = self;
        format!("lost {lost}, doubled {doubled}, handed out again {again}, late ends refused {refused}")
    }

    /// Fails unless every job ended once, and workers know of every end.
    pub fn stand(&self) -> Result<()> {
        ensure!(self.lost == 0 && self.doubled == 0, "jobs were harmed: {}", self.text());
        let Self { succeeded, ended, .. } = self;
        ensure!(succeeded == ended, "{succeeded} jobs have succeeded, and workers know of {ended} ends");
        Ok(())
    }

    fn of(acknowledged: &[Uuid], ledger: &HashMap<Uuid, Option<(i16, i32)>>, ended: u64, refused: u64) -> Self {
        let succeeded = |job: &Uuid| matches!(ledger.get(job), Some(Some((SUCCEEDED, _))));
        let known: HashSet<_> = acknowledged.iter().copied().collect();
        let all_succeeded = ledger.keys().filter(|job| succeeded(job)).count() as u64;
        // Two calls that were answered with one job have lost one of theirs.
        let merged = acknowledged.len() - known.len();
        let unknown = ledger.keys().filter(|job| !known.contains(job)).count() as u64;
        let again = ledger.values().filter(|end| matches!(end, Some((_, attempt)) if *attempt > 1)).count();
        Self {
            acknowledged: acknowledged.len() as u64,
            jobs: ledger.len() as u64,
            succeeded: all_succeeded,
            ended,
            refused,
            again: again as u64,
            lost: (known.iter().filter(|job| !succeeded(job)).count() + merged) as u64,
            doubled: ended.saturating_sub(all_succeeded) + unknown,
        }
    }
}

/// Waits until every job of the ledger has ended.
pub async fn drained(place: &Place, crew: &mut Crew) -> Result<()> {
    let mut ledger = postgres::connect(url(place)?).await?;
    let began = clock::now();
    loop {
        crew.watch()?;
        let open: i64 = sqlx::query_scalar(OPEN).fetch_one(&mut ledger).await?;
        if open == 0 {
            return Ok(());
        }
        if began.elapsed() > DRAIN_MAX {
            // They count as lost.
            eprintln!("{open} jobs have not ended within {} s", DRAIN_MAX.as_secs());
            return Ok(());
        }
        clock::pause(LOOK).await;
    }
}

/// Reads the ledger and judges.
pub async fn judge(place: &Place, notes: &Notes) -> Result<Verdict> {
    let mut connection = postgres::connect(url(place)?).await?;
    let mut ledger = HashMap::new();
    for row in sqlx::query(JOBS).fetch_all(&mut connection).await? {
        let (state, attempt): (Option<i16>, Option<i32>) = (row.try_get(1)?, row.try_get(2)?);
        ledger.insert(row.try_get(0)?, state.zip(attempt));
    }
    Ok(Verdict::of(&notes.acknowledged(), &ledger, notes.ended(), notes.refused()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    #[test]
    fn a_job_that_was_handed_out_again_and_ended_once_is_whole() {
        let ledger = HashMap::from([(A, Some((SUCCEEDED, 1))), (B, Some((SUCCEEDED, 2)))]);
        let verdict = Verdict::of(&[A, B], &ledger, 2, 1);
        assert_eq!((verdict.lost, verdict.doubled, verdict.again), (0, 0, 1));
        assert!(verdict.stand().is_ok());
        assert!(Verdict { ended: 1, ..verdict }.stand().is_err(), "an end that nobody knows of");
    }

    #[test]
    fn what_is_missing_open_failed_or_merged_is_lost() {
        let lost = |jobs: &[Uuid], ledger: &[(Uuid, Option<(i16, i32)>)]| {
            Verdict::of(jobs, &ledger.iter().copied().collect(), 0, 0).lost
        };
        assert_eq!(lost(&[A], &[]), 1);
        assert_eq!(lost(&[A], &[(A, None)]), 1);
        assert_eq!(lost(&[A], &[(A, Some((6, 1)))]), 1);
        assert_eq!(lost(&[A, A], &[(A, Some((SUCCEEDED, 1)))]), 1);
    }

    #[test]
    fn a_second_end_and_a_second_job_are_doubled() {
        let ledger = HashMap::from([(A, Some((SUCCEEDED, 2)))]);
        assert_eq!(Verdict::of(&[A], &ledger, 2, 0).doubled, 1);
        let ledger = HashMap::from([(A, Some((SUCCEEDED, 1))), (B, Some((SUCCEEDED, 1)))]);
        assert_eq!(Verdict::of(&[A], &ledger, 2, 0).doubled, 1);
    }
}
