//! How far a source has been read, in event time. Calls are in `watermarks`; workers report with [`crate::Done`].

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::word::words;
use crate::worker::ms;

words! {
    /// Which of a record's times counts.
    Axis {
        /// When the record was published first.
        Published = "published",
        /// When it was changed last.
        Modified = "modified",
    }
}

/// A stretch of event time: from its beginning on, up to its end and not further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// How far a source has been read: from `low` up to `high`, but for the holes and the repairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The source.
    pub source: String,
    /// Which of the records' times counts.
    pub axis: Axis,
    /// Back to when it was read.
    #[serde(default)]
    pub low: Option<Timestamp>,
    /// Up to when it was read; `None`: it counts as never read.
    #[serde(default)]
    pub high: Option<Timestamp>,
    /// How far `high` is behind now, in milliseconds.
    #[serde(default)]
    pub lag_ms: Option<u64>,
    /// A record that is found behind `high` by more than this is late.
    #[serde(default)]
    pub lateness_ms: u64,
    /// What was left out.
    #[serde(default)]
    pub holes: Vec<Range>,
    /// What late records ask to read again.
    #[serde(default)]
    pub repairs: Vec<Range>,
    /// The version that was read; `set` refuses to overwrite a later one.
    #[serde(default)]
    pub version: u64,
    /// When it was moved last.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// The job whose report moved it last, unless an operator set it.
    #[serde(default)]
    pub job: Option<JobId>,
    /// Who set it, if an operator did so last.
    #[serde(default)]
    pub by: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// How far a source is to count as read. It may go back: what lies between is read again then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WatermarkIn {
    /// Back to when; `high` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Timestamp>,
    /// Up to when; `None`: it counts as never read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Timestamp>,
    /// A record that is found behind `high` by more than this is late.
    pub lateness_ms: u64,
    /// What was left out between them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Range>,
    /// What is to be read again between them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Range>,
    /// Why; kept in history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a watermark was when a job was handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WatermarkHead {
    /// Back to when the source was read.
    pub low: Option<Timestamp>,
    /// Up to when; `None`: it counts as never read.
    pub high: Option<Timestamp>,
    /// A record that is found behind it by more than this is late.
    pub lateness_ms: u64,
}

/// How far a job read its source; see [`crate::JobContext::advance`] and [`crate::Done::watermark`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advance {
    axis: Axis,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Timestamp>,
    high: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holes: Vec<Range>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filled: Vec<Range>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    late: Vec<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_ms: Option<u64>,
}

impl Advance {
    /// From the `high` that was read to another, below which everything was read.
    #[must_use]
    pub fn new(axis: Axis, expected: Option<Timestamp>, high: Timestamp) -> Self {
        let (holes, filled, late) = (Vec::new(), Vec::new(), Vec::new());
        Self { axis, expected, high, low: None, holes, filled, late, repair_ms: None }
    }

    /// Everything back to this moment was read. At the first report of a source, without it nothing before `high`
    /// counts as read.
    #[must_use]
    pub fn back_to(mut self, low: Timestamp) -> Self {
        self.low = Some(low);
        self
    }

    /// This was left out of what is new; at most 256.
    #[must_use]
    pub fn hole(mut self, from: Timestamp, to: Timestamp) -> Self {
        self.holes.push(Range { from, to });
        self
    }

    /// This of earlier holes and repairs was read; at most 256.
    #[must_use]
    pub fn filled(mut self, from: Timestamp, to: Timestamp) -> Self {
        self.filled.push(Range { from, to });
        self
    }

    /// A record with this event time was found behind what was read before; at most 1,000. One that is behind by more
    /// than the watermark's lateness opens a repair.
    #[must_use]
    pub fn late(mut self, at: Timestamp) -> Self {
        self.late.push(at);
        self
    }

    /// Repairs are so long and begin at a multiple of that; a day in UTC where nothing is said.
    #[must_use]
    pub fn repair(mut self, length: Duration) -> Self {
        self.repair_ms = Some(ms(length));
        self
    }

    /// About so many bytes.
    pub(crate) fn weight(&self) -> usize {
        128 + 80 * (self.holes.len() + self.filled.len()) + 32 * self.late.len()
    }
}
