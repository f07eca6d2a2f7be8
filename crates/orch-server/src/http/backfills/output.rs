//! Backfills as shown.

use orch_core::JobId;
use orch_core::backfill::{Order, Reprocess};
use orch_core::ids::{BackfillId, RunId};
use orch_core::port::BackfillRow;
use orch_core::schedule::Asked;
use orch_core::watermark::Axis;
use orch_engine::{BackfillView, WindowView};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::BackfillJobBody;
use crate::http::runs::output::StoppedOut;
use crate::http::schedules::ScheduledRunBody;
use crate::http::texts::{BackfillIdText, JobIdText, RunIdText};
use crate::http::words::{AxisWord, Moment, OrderWord, ReprocessWord, RunStateWord};

/// A backfill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backfill)]
pub struct BackfillOut {
    /// The id.
    #[schema(value_type = BackfillIdText)]
    pub id: BackfillId,
    /// Where it is in its life. More states may come.
    #[schema(value_type = RunStateWord)]
    pub state: &'static str,
    /// When it was asked for.
    pub created_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Who asked for it: a token's id.
    pub by: String,
    /// The source that is read.
    pub source: String,
    /// Which of the records' times the range is about.
    #[schema(value_type = AxisWord)]
    pub axis: Axis,
    /// The first moment of the range.
    pub from: Moment,
    /// The first moment after it.
    pub to: Moment,
    /// How long a window is, in milliseconds.
    pub window_ms: u64,
    /// In which order windows come.
    #[schema(value_type = OrderWord)]
    pub order: Order,
    /// Which windows are read.
    #[schema(value_type = ReprocessWord)]
    pub reprocess: Reprocess,
    /// So many windows are open at the same time.
    pub parallelism: u32,
    /// What is asked for at each window, where that is a job.
    pub job: Option<BackfillJobBody>,
    /// What is asked for at each window, where that is a run.
    pub run: Option<ScheduledRunBody>,
    /// Why.
    pub reason: String,
    /// The ticket that asks for it.
    pub ticket: String,
    /// The ended backfill of which it reads what that did not.
    #[schema(value_type = Option<BackfillIdText>)]
    pub of: Option<BackfillId>,
    /// What became of its windows.
    pub windows: WindowCountsOut,
    /// Who holds it; null: nobody.
    pub paused: Option<StoppedOut>,
    /// Who asked for its end; null: nobody, or it has ended.
    pub canceled: Option<StoppedOut>,
}

/// What became of windows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WindowCounts)]
pub struct WindowCountsOut {
    /// All of them.
    pub total: u32,
    /// Those whose turn has not come.
    pub waiting: u32,
    /// Open.
    pub open: u32,
    /// Read.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Canceled, or never begun.
    pub canceled: u32,
    /// Left out, since they were read before.
    pub read_before: u32,
}

/// A window of a backfill.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackfillWindowOut {
    /// Its number, from 0 with the earliest.
    pub number: u32,
    /// The first moment of it.
    pub from: Moment,
    /// The first moment after it.
    pub to: Moment,
    /// `waiting`; `open`; `failed`: it was not read by this backfill, because that failed, was canceled or never began;
    /// `done`: it was read, now or before. More may come.
    #[schema(example = "open")]
    pub state: &'static str,
    /// The job that reads it, while it is open; those of ended ones are found by `/jobs?backfill=`.
    #[schema(value_type = Option<JobIdText>)]
    pub job: Option<JobId>,
    /// The run that reads it, while it is open.
    #[schema(value_type = Option<RunIdText>)]
    pub run: Option<RunId>,
}

impl From<BackfillView> for BackfillOut {
    fn from(view: BackfillView) -> Self {
        let state = view.standing().as_str();
        let BackfillView { row: BackfillRow { id, at, spec, .. }, open, end } = view;
        let total = spec.places();
        let counts = open.as_ref().map(|open| open.counts).or(end.as_ref().map(|end| end.course.counts));
        let counts = counts.unwrap_or_default();
        let waiting = open.as_ref().map_or(0, |open| total.saturating_sub(open.next));
        let open_count = open.as_ref().map_or(0, |open| open.open_count);
        let (paused, canceled) = open.map(|open| (open.paused, open.canceled)).unwrap_or_default();
        Self {
            id,
            state,
            created_at: Moment(at),
            ended_at: end.map(|end| Moment(end.at)),
            by: spec.by,
            source: spec.source,
            axis: spec.axis,
            from: Moment(spec.from),
            to: Moment(spec.to),
            window_ms: spec.window_ms,
            order: spec.order,
            reprocess: spec.reprocess,
            parallelism: spec.parallelism,
            job: spec.job.map(BackfillJobBody::from),
            run: spec.run.map(ScheduledRunBody::from),
            reason: spec.reason,
            ticket: spec.ticket,
            of: spec.of,
            windows: WindowCountsOut {
                total,
                waiting,
                open: open_count,
                succeeded: counts.succeeded,
                failed: counts.failed,
                canceled: counts.canceled,
                read_before: counts.skipped,
            },
            paused: paused.map(StoppedOut::from),
            canceled: canceled.map(StoppedOut::from),
        }
    }
}

impl From<WindowView> for BackfillWindowOut {
    fn from(window: WindowView) -> Self {
        Self {
            number: window.number,
            from: Moment(window.range.from),
            to: Moment(window.range.to),
            state: window.standing.as_str(),
            job: window.asked.and_then(Asked::job),
            run: window.asked.and_then(Asked::run),
        }
    }
}
