//! Rows of runs and of backfills.

use bytes::Bytes;

use crate::backfill::{BackfillCourse, BackfillSpec};
use crate::ids::{BackfillId, RunId, TenantNo};
use crate::run::{RunOutcome, RunSpec};
use crate::time::Timestamp;

/// The immutable row of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The id.
    pub id: RunId,
    /// Seq of its `run_started`: the order of pages.
    pub seq: u64,
    /// When it began.
    pub at: Timestamp,
    /// The name of its graph.
    pub graph: String,
    /// The graph's version; 0: it came with the call.
    pub version: u64,
    /// What was asked for.
    pub spec: RunSpec,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEndRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The run.
    pub id: RunId,
    /// Seq of its `run_started`, as in its row.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
    /// What became of its steps: JSON of the dispatcher's making.
    pub course: Bytes,
}

/// A run with its end, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFound {
    /// The run.
    pub row: RunRow,
    /// Its end.
    pub end: Option<RunEndRow>,
}

/// The immutable row of a backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The id.
    pub id: BackfillId,
    /// Seq of its `backfill_created`: the order of pages.
    pub seq: u64,
    /// When it was asked for.
    pub at: Timestamp,
    /// What was asked for.
    pub spec: BackfillSpec,
}

/// How a backfill ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillEndRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The backfill.
    pub id: BackfillId,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
    /// What became of its windows.
    pub course: BackfillCourse,
}

/// A backfill with its end, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillFound {
    /// The backfill.
    pub row: BackfillRow,
    /// Its end.
    pub end: Option<BackfillEndRow>,
}

/// A page of runs, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunPageParams {
    /// Only those with a `seq` below this.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Only those of this graph.
    pub graph: Option<String>,
    /// Only those that ended like this.
    pub outcome: Option<RunOutcome>,
}
