//! `feeds.mark`: notes how far its source was read, by when records were published. An older run moves nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use orch_client::{Axis, Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use crate::{feed::Feed, record::Entry};

/// When the records of a source were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkPayload {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

/// A watermark is the first moment that was not read.
const STEP: SignedDuration = SignedDuration::from_millis(1);

pub(super) async fn run(ctx: JobContext, MarkPayload { first, last }: MarkPayload) -> Result<Done, HandlerError> {
    let high = last.checked_add(STEP).map_err(|error| HandlerError::permanent("bad_time", error.to_string()))?;
    let head = ctx.watermark(&Axis::Published);
    let (low, before) = (head.and_then(|head| head.low), head.and_then(|head| head.high));
    if before.is_some_and(|before| before >= high) && low.is_some_and(|low| low <= first) {
        return Ok(Done::empty());
    }
    let advance = ctx.advance(Axis::Published, before.map_or(high, |before| before.max(high)));
    let advance = if low.is_none_or(|low| first < low) { advance.back_to(first) } else { advance };
    Ok(Done::empty().watermark(advance))
}

/// What was read of each feed. Times before 1970 are none.
pub(super) fn read(entries: &[Entry]) -> BTreeMap<Feed, MarkPayload> {
    let mut all = BTreeMap::<Feed, MarkPayload>::new();
    for entry in entries {
        let published =
            entry.records.iter().filter_map(|record| record.published.as_deref()?.parse::<Timestamp>().ok());
        for at in published.filter(|at| *at >= Timestamp::UNIX_EPOCH) {
            let mark = all.entry(entry.feed).or_insert(MarkPayload { first: at, last: at });
            (mark.first, mark.last) = (mark.first.min(at), mark.last.max(at));
        }
    }
    all
}
