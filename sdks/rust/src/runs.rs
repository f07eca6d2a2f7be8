//! Calls about runs.

use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::id::RunId;
use crate::jobs::reason_body;
use crate::page::Page;
use crate::run::{FirstSignal, NewRun, Rerun, RunGraph, RunOut, RunQuery, RunState, TimelineItem};
use crate::transport::{Call, segment};
use crate::waiting::{Waited, until_ended};

/// Calls about runs.
///
/// ```no_run
/// use std::time::Duration;
///
/// use orch_client::{Client, NewRun, Rerun, RunState};
///
/// # async fn run(client: &Client) -> Result<(), orch_client::Error> {
/// let run = client.runs().start(NewRun::of("kev").input("since", "2026-01-01").token("kev/2026-01-02")).await?;
/// let ended = client.runs().wait(&run.id, Duration::from_secs(600)).await?;
/// if ended.state == RunState::Failed {
///     client.runs().rerun(&run.id, Rerun::only_failed().reason("the feed is back")).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Runs<'a>(pub(crate) &'a Client);

impl Runs<'_> {
    /// Begins a run, or finds the one that the same token began. A key of its own keeps repeats of this one call from
    /// beginning two.
    ///
    /// # Errors
    /// Any.
    pub async fn start(&self, run: NewRun) -> Result<RunOut, Error> {
        self.0.call(Call::post("/runs").json(&run)?.keyed(None)).await
    }

    /// A run.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn get(&self, id: &RunId) -> Result<RunOut, Error> {
        self.0.call(Call::get(format!("/runs/{id}"))).await
    }

    /// A page of runs, newest first.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, query: &RunQuery) -> Result<Page<RunOut>, Error> {
        let call = Call::get("/runs").maybe_query("graph", query.graph.as_deref());
        let call = call.maybe_query("state", query.state.as_ref().map(RunState::as_str));
        let call = call.maybe_query("limit", query.limit.map(|limit| limit.to_string()).as_deref());
        self.0.call(call.maybe_query("cursor", query.cursor.as_deref())).await
    }

    /// Where each of its steps is, and which of them decide how long it takes.
    ///
    /// # Errors
    /// Any; `not_found`, also when the version of its graph is not kept any more.
    pub async fn graph(&self, id: &RunId) -> Result<RunGraph, Error> {
        self.0.call(Call::get(format!("/runs/{id}/graph"))).await
    }

    /// A page of its jobs, newest first, with what each did when.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn timeline(&self, id: &RunId, cursor: Option<&str>) -> Result<Page<TimelineItem>, Error> {
        self.0.call(Call::get(format!("/runs/{id}/timeline")).maybe_query("cursor", cursor)).await
    }

    /// The first thing of it that is worth telling; `None`: there is nothing yet.
    ///
    /// # Errors
    /// Any; `not_found`.
    pub async fn first_signal(&self, id: &RunId) -> Result<Option<FirstSignal>, Error> {
        self.0.call_or_nothing(Call::get(format!("/runs/{id}/first-signal"))).await
    }

    /// Ends it: what has not begun is skipped, and what is under way is asked to stop. It is `canceling` until that
    /// has.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn cancel(&self, id: &RunId, reason: Option<&str>) -> Result<RunOut, Error> {
        self.turn(id, "cancel", reason).await
    }

    /// Holds it with all that is inside it: nothing of it begins. What is handed out goes on.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn pause(&self, id: &RunId, reason: Option<&str>) -> Result<RunOut, Error> {
        self.turn(id, "pause", reason).await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has ended.
    pub async fn resume(&self, id: &RunId, reason: Option<&str>) -> Result<RunOut, Error> {
        self.turn(id, "resume", reason).await
    }

    async fn turn(&self, id: &RunId, how: &str, reason: Option<&str>) -> Result<RunOut, Error> {
        self.0.call(Call::post(format!("/runs/{id}/{how}")).json(&reason_body(reason))?.repeatable()).await
    }

    /// Repairs an ended run: begins a new one of the same version of the graph, which keeps how some of its steps
    /// ended, and what they found.
    ///
    /// # Errors
    /// Any; `state_conflict` when it has not ended, or there is nothing to repair.
    pub async fn rerun(&self, id: &RunId, rerun: Rerun) -> Result<RunOut, Error> {
        self.0.call(Call::post(format!("/runs/{id}/rerun")).json(&rerun)?.keyed(None)).await
    }

    /// Says yes where it asks: the step succeeds.
    ///
    /// # Errors
    /// Any; `forbidden` when somebody else must decide; `state_conflict` when it does not ask.
    pub async fn approve(&self, id: &RunId, step: &str, reason: Option<&str>) -> Result<RunOut, Error> {
        self.decide(id, step, "approve", reason).await
    }

    /// Says no where it asks: the step fails.
    ///
    /// # Errors
    /// Any; `forbidden` when somebody else must decide; `state_conflict` when it does not ask.
    pub async fn reject(&self, id: &RunId, step: &str, reason: Option<&str>) -> Result<RunOut, Error> {
        self.decide(id, step, "reject", reason).await
    }

    async fn decide(&self, id: &RunId, step: &str, how: &str, reason: Option<&str>) -> Result<RunOut, Error> {
        let path = format!("/runs/{id}/steps/{}/{how}", segment(step));
        self.0.call(Call::post(path).json(&reason_body(reason))?).await
    }

    /// Waits until it has ended, by looking at it more and more seldom.
    ///
    /// # Errors
    /// `RunWaitTimedOut` when it has not ended in time; any other at once, except while the server cannot be reached.
    pub async fn wait(&self, id: &RunId, timeout: Duration) -> Result<RunOut, Error> {
        match until_ended(timeout, || self.get(id), |run| run.state.is_final()).await? {
            Waited::Ended(run) => Ok(run),
            Waited::Late(last) => {
                let state = last.map_or_else(|| "unreachable".into(), |run| run.state);
                Err(Error::RunWaitTimedOut { run: *id, state })
            }
        }
    }
}
