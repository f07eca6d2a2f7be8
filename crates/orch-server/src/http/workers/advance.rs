//! What a report says of its source's watermark. Whether that can be is decided by the owner, under the fence.

use orch_core::Refusal;
use orch_core::watermark::{Advance, Axis};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::object::objects;
use crate::http::words::{AxisWord, Moment, RangeBody};

/// How far a job's source was read. It compares and sets: `expected` is the `high` that the worker read, null when there
/// was none; if another report came first, this one is refused as `watermark_conflict`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Advance, example = json!({
    "axis": "modified", "expected": "2026-01-15T00:00:00.000Z", "high": "2026-01-15T12:00:00.000Z"
}))]
pub struct AdvanceIn {
    /// Which of the record's times counts.
    #[schema(value_type = AxisWord)]
    pub axis: Axis,
    /// `high` as the worker read it; null when there was none.
    #[serde(default)]
    pub expected: Option<Moment>,
    /// Up to where everything was read; never below `expected`, and at most two days ahead.
    pub high: Moment,
    /// Back to when it was read, if nobody read further back. At the first report, without it nothing before `high`
    /// counts as read.
    #[serde(default)]
    pub low: Option<Moment>,
    /// What was left out of what is new, at most 256.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 256)]
    pub holes: Vec<RangeBody>,
    /// What was read of earlier holes and repairs, at most 256.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 256)]
    pub filled: Vec<RangeBody>,
    /// Event times of records that were found behind `expected`, at most 1,000. Those that are behind by more than the
    /// watermark's lateness each open a repair.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub late: Vec<Moment>,
    /// How long such a repair is, which begins at a multiple of that; a day in UTC when left out.
    #[serde(default)]
    #[schema(minimum = 60000, maximum = 2678400000_u64)]
    pub repair_ms: Option<u64>,
}

impl AdvanceIn {
    /// In the words of the core, checked.
    pub fn into_advance(self) -> Result<Advance, Refusal> {
        let advance = Advance {
            axis: self.axis,
            expected: self.expected.map(|at| at.0),
            filled: self.filled.into_iter().map(Into::into).collect(),
            high: self.high.0,
            holes: self.holes.into_iter().map(Into::into).collect(),
            late: self.late.into_iter().map(|at| at.0).collect(),
            low: self.low.map(|at| at.0),
            repair_ms: self.repair_ms,
        };
        advance.check().map_err(|refusal| refusal.under("watermark"))?;
        Ok(advance)
    }
}
