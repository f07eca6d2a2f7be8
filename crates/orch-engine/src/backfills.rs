//! Reading backfills: what the owner's memory knows of open ones, and what the ledger holds of those that ended. And what
//! would happen: a copy of the owner's state is tried elsewhere than where the owner works.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::backfill::{BackfillSpec, Order, Reprocess};
use orch_core::ids::{BackfillId, TenantNo};
use orch_core::limits;
use orch_core::port::{BackfillEndRow, BackfillFound, BackfillRow};
use orch_core::refusal::{Code, Refusal};
use orch_core::schedule::Asked;
use orch_core::watermark::Range;
use orch_dispatch::answer::OpenBackfillFound;
use orch_dispatch::command::Read;
use orch_dispatch::simulate::{Copied, Preview, Scenario, Simulated, Until, preview, simulate};
use orch_dispatch::{Answer, Command};
use tokio::sync::OwnedSemaphorePermit;

use crate::engine::{Engine, unexpected};
use crate::error::Error;
use crate::runs::RunStanding;

/// A backfill that begins or ends between two looks is looked at again so often.
const LOOKS_MAX: usize = 3;
/// A scenario goes on for so long, when nothing else is said.
const HORIZON_MS: u64 = 30 * 86_400_000;
/// It is tried so often, when nothing else is said.
const SAMPLES: u32 = 20;
/// Facts of all samples together: some seconds of one processor.
const FACTS: usize = 400_000;

/// A backfill as it stands.
#[derive(Debug, Clone)]
pub struct BackfillView {
    /// The stored row.
    pub row: BackfillRow,
    /// What the owner's memory knows, if it is open.
    pub open: Option<OpenBackfillFound>,
    /// How it ended.
    pub end: Option<BackfillEndRow>,
}

/// Where a window of a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowStanding {
    /// Its turn has not come.
    Waiting,
    /// A job or a run reads it.
    Open,
    /// It was not read: that failed, was canceled, or never began.
    Failed,
    /// It was read, by this backfill or before it.
    Done,
}

/// A window of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowView {
    /// Its number, from 0 with the earliest.
    pub number: u32,
    /// The stretch of event time.
    pub range: Range,
    /// Where it is.
    pub standing: WindowStanding,
    /// What reads it, while it is open.
    pub asked: Option<Asked>,
}

/// Both sides of a question: with what is supposed, and as things are.
#[derive(Debug, Clone)]
pub struct Compared {
    /// With it.
    pub with: Simulated,
    /// Without.
    pub without: Simulated,
}

impl WindowStanding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Open, Self::Failed, Self::Done];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

impl BackfillView {
    fn of(row: BackfillRow, open: Option<OpenBackfillFound>, end: Option<BackfillEndRow>) -> Self {
        Self { row, open: open.filter(|_| end.is_none()), end }
    }

    /// Where it is in its life: in the words of runs.
    #[must_use]
    pub fn standing(&self) -> RunStanding {
        match (&self.end, &self.open) {
            (Some(end), _) => end.outcome.into(),
            (None, Some(open)) => open.state.into(),
            (None, None) => RunStanding::Running,
        }
    }

    /// Its windows by number, from this number on, and where the next page begins.
    #[must_use]
    pub fn windows(&self, from: u32, limit: usize) -> (Vec<WindowView>, Option<u32>) {
        let spec = &self.row.spec;
        let places = spec.places();
        // The place of a window among all of them, by number.
        let first = spec
            .only
            .as_ref()
            .map_or(from, |only| u32::try_from(only.partition_point(|number| *number < from)).unwrap_or(u32::MAX));
        let asked: BTreeMap<u32, Asked> =
            self.open.iter().flat_map(|open| &open.open).map(|(number, _, asked)| (*number, *asked)).collect();
        let number_of = |place: u32| spec.only.as_ref().map_or(place, |only| only[place as usize]);
        let window = |place: u32| {
            let number = number_of(place);
            let asked = asked.get(&number).copied();
            WindowView {
                number,
                range: spec.window(number),
                standing: self.window_standing(place, number, asked),
                asked,
            }
        };
        let last = first.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX)).min(places);
        let next = (last < places).then(|| number_of(last));
        ((first..last).map(window).collect(), next)
    }

    fn window_standing(&self, place: u32, number: u32, asked: Option<Asked>) -> WindowStanding {
        let (failed, next) = match (&self.open, &self.end) {
            (Some(open), _) => (open.failed.as_slice(), open.next),
            (None, Some(end)) => (end.course.failed.as_slice(), u32::MAX),
            (None, None) => (&[] as &[u32], 0),
        };
        let turn = match self.row.spec.order {
            Order::OldestFirst => place,
            Order::NewestFirst => self.row.spec.places().saturating_sub(place + 1),
        };
        match asked {
            Some(_) => WindowStanding::Open,
            None if turn >= next => WindowStanding::Waiting,
            None if failed.binary_search(&number).is_ok() => WindowStanding::Failed,
            None => WindowStanding::Done,
        }
    }
}

/// A scenario of the usual size.
#[must_use]
pub fn usual_scenario(seed: u64) -> Scenario {
    Scenario { horizon_ms: HORIZON_MS, samples: SAMPLES, facts: FACTS, seed, ..Scenario::default() }
}

impl Engine {
    /// A new id of a backfill.
    #[must_use]
    pub fn new_backfill_id(&self) -> BackfillId {
        BackfillId(self.new_job_id().0)
    }

    /// One backfill.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn backfill(&self, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillView>, Error> {
        for _ in 0..LOOKS_MAX {
            // Memory first: what ends in between is found in the ledger, which is read later.
            let open = self.open_backfills(tenant, vec![backfill]).await?.pop().flatten();
            let found = self.ledger().backfill_get(tenant, backfill).await?;
            let Some(BackfillFound { row, end }) = found else { return Ok(None) };
            if open.is_some() || end.is_some() {
                return Ok(Some(BackfillView::of(row, open, end)));
            }
            // It began in between.
        }
        Err(Error::Overloaded { retry_after_ms: 1_000 })
    }

    async fn open_backfills(
        &self,
        tenant: TenantNo,
        backfills: Vec<BackfillId>,
    ) -> Result<Vec<Option<OpenBackfillFound>>, Error> {
        match self.command(Command::Read(Read::Backfills { tenant, backfills })).await? {
            Answer::OpenBackfills(found) => Ok(found),
            answer => Err(unexpected(&answer)),
        }
    }

    /// A page of backfills, newest first, and where the next begins.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn backfills(
        &self,
        tenant: TenantNo,
        before: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<BackfillView>, Option<u64>), Error> {
        let limit = limit.clamp(1, limits::PAGE_MAX as usize);
        let page = self.ledger().backfill_page(tenant, before, limit).await?;
        let next = page.last().map(|found| found.row.seq).filter(|_| page.len() >= limit);
        let ids: Vec<_> = page.iter().filter(|found| found.end.is_none()).map(|found| found.row.id).collect();
        let mut open: BTreeMap<BackfillId, Option<OpenBackfillFound>> = BTreeMap::new();
        if !ids.is_empty() {
            open.extend(ids.iter().copied().zip(self.open_backfills(tenant, ids.clone()).await?));
        }
        let mut views = Vec::with_capacity(page.len());
        for BackfillFound { row, mut end } in page {
            let open = open.remove(&row.id).flatten();
            if end.is_none() && open.is_none() {
                // It ended in between.
                end = self.ledger().backfill_get(tenant, row.id).await?.and_then(|found| found.end);
            }
            views.push(BackfillView::of(row, open, end));
        }
        Ok((views, next))
    }

    /// Runs a command for an open backfill; of one that has ended the refusal says so.
    ///
    /// # Errors
    /// Refusals, and whatever kept the command from being answered.
    pub async fn backfill_command(
        &self,
        tenant: TenantNo,
        backfill: BackfillId,
        command: Command,
    ) -> Result<Answer, Error> {
        match self.command(command).await {
            Err(Error::Refused(refusal)) if refusal.code == Code::NotFound && refusal.field.is_none() => {
                let found = self.ledger().backfill_get(tenant, backfill).await?;
                Err(match found.and_then(|found| found.end) {
                    None => no_backfill(),
                    Some(end) => {
                        let detail = format!("the backfill is {} already", end.outcome.as_str());
                        Refusal::new(Code::StateConflict, detail).into()
                    }
                })
            }
            answered => answered,
        }
    }

    /// The backfill that reads what an ended one did not.
    ///
    /// # Errors
    /// There is no such backfill, it has not ended, or it read all; and whatever keeps the engine or the ledger from
    /// answering.
    pub async fn rerun_backfill(
        &self,
        tenant: TenantNo,
        backfill: BackfillId,
        by: String,
        reason: String,
        ticket: String,
    ) -> Result<BackfillSpec, Error> {
        let view = self.backfill(tenant, backfill).await?.ok_or_else(no_backfill)?;
        let refused = |detail: &str| Error::Refused(Refusal::new(Code::StateConflict, detail));
        let Some(end) = view.end else { return Err(refused("the backfill has not ended")) };
        if end.course.failed.is_empty() {
            return Err(refused("the backfill read all of its windows: there is nothing to read again"));
        }
        Ok(BackfillSpec {
            by,
            of: Some(backfill),
            only: Some(end.course.failed),
            reason,
            // Nothing of it is left out because somebody failed to read it.
            reprocess: Reprocess::All,
            ticket,
            ..view.row.spec
        })
    }

    /// What a backfill would do.
    ///
    /// # Errors
    /// What it would be refused with, another calculation is under way, and whatever keeps the engine from answering.
    pub async fn preview_backfill(
        &self,
        tenant: TenantNo,
        spec: BackfillSpec,
        scenario: Scenario,
    ) -> Result<Preview, Error> {
        let turn = self.turn_to_think()?;
        let copied = self.copied(tenant).await?;
        think(turn, move || preview(&copied, tenant, spec, &scenario)).await
    }

    /// What a scenario would come to, and the same without its changes and workers.
    ///
    /// # Errors
    /// What a change is refused with, another calculation is under way, and whatever keeps the engine from answering.
    pub async fn simulate(&self, tenant: TenantNo, scenario: Scenario) -> Result<Compared, Error> {
        let turn = self.turn_to_think()?;
        let copied = self.copied(tenant).await?;
        think(turn, move || {
            // The end of a backfill that is only supposed cannot be waited for without it.
            let until = match scenario.until {
                Until::Run(run) => Until::Run(run),
                Until::Idle | Until::Backfill(_) => Until::Idle,
            };
            let without = Scenario { changes: Vec::new(), workers: Vec::new(), until, ..scenario.clone() };
            let with = simulate(&copied, tenant, &scenario)?;
            Ok(Compared { with, without: simulate(&copied, tenant, &without)? })
        })
        .await
    }

    /// One such calculation at a time: each takes a processor for some seconds.
    fn turn_to_think(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.inner.thinking).try_acquire_owned().map_err(|_| {
            let detail = "another preview or simulation is under way: try again in a few seconds";
            Refusal::new(Code::Overloaded, detail).into()
        })
    }

    async fn copied(&self, tenant: TenantNo) -> Result<Copied, Error> {
        match self.command(Command::Read(Read::Copy(tenant))).await? {
            Answer::Copied(copied) => Ok(*copied),
            answer => Err(unexpected(&answer)),
        }
    }
}

/// Calculates beside what serves. The turn ends with it, even if nobody waits for it any more.
async fn think<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Error> {
    let task = tokio::task::spawn_blocking(move || {
        let thought = work();
        drop(turn);
        thought
    });
    match task.await {
        Ok(thought) => Ok(thought?),
        Err(error) => Err(Error::Internal(error.to_string())),
    }
}

fn no_backfill() -> Error {
    Refusal::new(Code::NotFound, "there is no such backfill").into()
}

#[cfg(test)]
mod tests {
    use orch_core::backfill::BackfillCourse;
    use orch_core::ids::JobId;
    use orch_core::run::{Counts, RunOutcome};
    use orch_core::time::Timestamp;
    use orch_dispatch::answer::RunState;
    use uuid::Uuid;

    use super::*;

    fn view(order: Order, only: Option<Vec<u32>>) -> BackfillView {
        let spec = BackfillSpec {
            order,
            only,
            to: Timestamp::from_millis(500_000),
            window_ms: 100_000,
            ..BackfillSpec::default()
        };
        let id = BackfillId(Uuid::from_u128(1));
        BackfillView::of(BackfillRow { tenant: TenantNo(1), id, seq: 1, at: Timestamp::ZERO, spec }, None, None)
    }

    fn open(next: u32, open: &[u32], failed: &[u32]) -> Option<OpenBackfillFound> {
        let asked = Asked::Job(JobId(Uuid::from_u128(7)));
        let range = Range { from: Timestamp::ZERO, to: Timestamp::ZERO };
        Some(OpenBackfillFound {
            state: RunState::Running,
            windows: 5,
            next,
            counts: Counts::default(),
            open: open.iter().map(|number| (*number, range, asked)).collect(),
            open_count: 0,
            failed: failed.to_vec(),
            paused: None,
            canceled: None,
        })
    }

    fn words(view: &BackfillView) -> Vec<(u32, &'static str)> {
        view.windows(0, 100).0.into_iter().map(|window| (window.number, window.standing.as_str())).collect()
    }

    #[test]
    fn windows_are_told_by_number_whatever_the_order_in_which_they_come() {
        let oldest = BackfillView { open: open(3, &[2], &[1]), ..view(Order::OldestFirst, None) };
        let all = [(0, "done"), (1, "failed"), (2, "open"), (3, "waiting"), (4, "waiting")];
        assert_eq!(words(&oldest), all);
        let newest = BackfillView { open: open(3, &[2], &[3]), ..view(Order::NewestFirst, None) };
        let all = [(0, "waiting"), (1, "waiting"), (2, "open"), (3, "failed"), (4, "done")];
        assert_eq!(words(&newest), all);
        let some = BackfillView { open: open(1, &[4], &[]), ..view(Order::NewestFirst, Some(vec![1, 4])) };
        assert_eq!(words(&some), [(1, "waiting"), (4, "open")]);
        let course = BackfillCourse { counts: Counts::default(), failed: vec![1] };
        let (tenant, id) = (some.row.tenant, some.row.id);
        let end = BackfillEndRow { tenant, id, at: Timestamp::ZERO, outcome: RunOutcome::Failed, course };
        let ended = BackfillView { open: None, end: Some(end), ..some };
        assert_eq!(words(&ended), [(1, "failed"), (4, "done")]);
    }

    #[test]
    fn a_page_of_windows_says_where_the_next_begins() {
        let all = view(Order::OldestFirst, None);
        let (first, next) = all.windows(0, 2);
        assert_eq!((first.len(), next), (2, Some(2)));
        let (rest, next) = all.windows(2, 3);
        assert_eq!((rest[0].number, rest.len(), next), (2, 3, None));
        let some = view(Order::OldestFirst, Some(vec![1, 3, 4]));
        let (first, next) = some.windows(0, 1);
        assert_eq!((first[0].number, next), (1, Some(3)));
        assert_eq!(some.windows(3, 2).0.len(), 2);
    }
}
