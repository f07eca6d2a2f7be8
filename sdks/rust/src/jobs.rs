//! Calls about jobs.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::explanation::JobExplanation;
use crate::id::JobId;
use crate::job::{Attempt, HistoryEntry, JobIn, JobOut, JobQuery, LogLineOut, Priority, Summary};
use crate::page::{Items, Page};
use crate::transport::Call;
use crate::waiting::{Waited, until_ended};

/// Calls about jobs.
#[derive(Debug, Clone, Copy)]
pub struct Jobs<'a>(pub(crate) &'a Client);

/// What a cancel came to.
#[derive(Debug, Clone)]
pub struct CancelOutcome {
    /// The job now.
    pub job: JobOut,
    /// A running attempt was asked to stop; the job ends when it does, or after its grace.
    pub requested: bool,
}

/// A job that was accepted.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Enqueued {
    /// Its id.
    pub id: JobId,
    /// An idempotency key led to a job that was there already.
    #[serde(default)]
    pub replayed: bool,
    /// It is canceled already: the strategy of its concurrency key ended it.
    #[serde(default)]
    pub canceled: bool,
}

#[derive(Serialize)]
struct BatchIn<'a> {
    jobs: &'a [JobIn],
}

impl Jobs<'_> {
    /// Makes a job. With a key, the same call again gives the same job for 24 hours; without one, a key of its own
    /// keeps repeats of this one call from making two.
    ///
    /// # Errors
    /// Any.
    pub async fn create(&self, job: &JobIn, key: Option<&str>) -> Result<JobOut, Error> {
        self.0.call(Call::post("/jobs").json(job)?.keyed(key.or(job.key()))).await
    }

    /// Makes up to 1,000 jobs together: all or none. They may depend on each other by ids of the caller's making.
    ///
    /// # Errors
    /// Any.
    pub async fn create_batch(&self, jobs: &[JobIn], key: Option<&str>) -> Result<Vec<JobOut>, Error> {
        let call = Call::post("/jobs/batch").json(&BatchIn { jobs })?.keyed(key);
        let answer: Items<JobOut> = self.0.call(call).await?;
        Ok(answer.items)
    }

    /// The same, and only ids come back: for who makes many jobs and does not look at them again.
    ///
    /// # Errors
    /// Any.
    pub async fn enqueue(&self, jobs: &[JobIn], key: Option<&str>) -> Result<Vec<Enqueued>, Error> {
        let call = Call::post("/jobs/batch").json(&BatchIn { jobs })?.keyed(key).minimal();
        let answer: Items<Enqueued> = self.0.call(call).await?;
        Ok(answer.items)
    }

    /// A job.
    ///
    /// # Errors
    /// Any; `not_found` for another tenant's.
    pub async fn get(&self, id: &JobId) -> Result<JobOut, Error> {
        self.0.call(Call::get(format!("/jobs/{id}"))).await
    }

    /// A job with its payload.
    ///
    /// # Errors
    /// Any.
    pub async fn get_with_payload(&self, id: &JobId) -> Result<JobOut, Error> {
        self.0.call(Call::get(format!("/jobs/{id}")).query("payload", "true")).await
    }

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, query: &JobQuery) -> Result<Page<JobOut>, Error> {
        let mut call = Call::get("/jobs");
        for (name, value) in query.pairs() {
            call = call.query(name, value);
        }
        self.0.call(call).await
    }

    /// The facts of a job's life, in order.
    ///
    /// # Errors
    /// Any.
    pub async fn history(&self, id: &JobId) -> Result<Vec<HistoryEntry>, Error> {
        let answer: Items<HistoryEntry> = self.0.call(Call::get(format!("/jobs/{id}/history"))).await?;
        Ok(answer.items)
    }

    /// Its hand-outs, in order.
    ///
    /// # Errors
    /// Any.
    pub async fn attempts(&self, id: &JobId) -> Result<Vec<Attempt>, Error> {
        let answer: Items<Attempt> = self.0.call(Call::get(format!("/jobs/{id}/attempts"))).await?;
        Ok(answer.items)
    }

    /// A page of its log.
    ///
    /// # Errors
    /// Any.
    pub async fn logs(&self, id: &JobId, cursor: Option<&str>) -> Result<Page<LogLineOut>, Error> {
        self.0.call(Call::get(format!("/jobs/{id}/logs")).maybe_query("cursor", cursor)).await
    }

    /// Cancels a job: at once, or, when an attempt runs, by asking it to stop.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended otherwise.
    pub async fn cancel(&self, id: &JobId, reason: Option<&str>) -> Result<CancelOutcome, Error> {
        let call = Call::post(format!("/jobs/{id}/cancel")).json(&reason_body(reason))?.repeatable();
        let (status, job) = self.0.call_with_status(call).await?;
        Ok(CancelOutcome { job, requested: status == 202 })
    }

    /// Gives an open job another priority: it goes behind all that wait in that class.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn reprioritize(&self, id: &JobId, priority: Priority, reason: Option<&str>) -> Result<JobOut, Error> {
        let mut body = reason_body(reason);
        body["priority"] = json!(priority);
        self.0.call(Call::post(format!("/jobs/{id}/reprioritize")).json(&body)?.repeatable()).await
    }

    /// Why it waits: every gate that holds it, in the order in which they are looked at.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn explain(&self, id: &JobId) -> Result<JobExplanation, Error> {
        self.0.call(Call::get(format!("/jobs/{id}/explain"))).await
    }

    /// Tries a job again: one in back-off now, a finished one as a new job.
    ///
    /// # Errors
    /// Any.
    pub async fn retry(&self, id: &JobId) -> Result<JobOut, Error> {
        self.0.call(Call::post(format!("/jobs/{id}/retry")).json(&json!({}))?.keyed(None)).await
    }

    /// Does the work of a final job once more, before others: as a new job.
    ///
    /// # Errors
    /// Any; `state_conflict` when it is not final.
    pub async fn replay(&self, id: &JobId) -> Result<JobOut, Error> {
        self.0.call(Call::post(format!("/jobs/{id}/replay")).json(&json!({}))?.keyed(None)).await
    }

    /// Counts of the tenant's jobs.
    ///
    /// # Errors
    /// Any.
    pub async fn summary(&self) -> Result<Summary, Error> {
        self.0.call(Call::get("/jobs/summary")).await
    }

    /// Waits until a job is final, by looking at it more and more seldom.
    ///
    /// # Errors
    /// `WaitTimedOut` when it is not final in time; any other at once, except while the server cannot be reached.
    pub async fn wait(&self, id: &JobId, timeout: Duration) -> Result<JobOut, Error> {
        match until_ended(timeout, || self.get(id), |job| job.state.is_final()).await? {
            Waited::Ended(job) => Ok(job),
            Waited::Late(last) => {
                let state = last.map_or_else(|| "unreachable".into(), |job| job.state);
                Err(Error::WaitTimedOut { job: *id, state })
            }
        }
    }
}

/// The body of an operator's act.
pub(crate) fn reason_body(reason: Option<&str>) -> Value {
    match reason {
        Some(reason) => json!({ "reason": reason }),
        None => json!({}),
    }
}
