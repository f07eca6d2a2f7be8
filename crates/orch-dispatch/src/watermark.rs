//! Watermarks of a tenant's sources: where they are, the reports that move them, and the operators who set them.
//!
//! Whose job it is says which source: a report moves the watermark of its own lane's source, under its fence. The rules
//! are in the core; facts say what came of them, so that a later rule changes no history.

use std::collections::BTreeMap;

use orch_core::fact::{Fact, Record};
use orch_core::ids::JobId;
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use orch_core::watermark::{Advance, Axis, Watermark};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, MovedBy, WatermarkFound, WatermarkHead};
use crate::command::{Actor, Completion, Expect, Report};
use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::operate::other_version;
use crate::tenant::Tenant;

/// All watermarks of a tenant, by source.
pub(crate) type Watermarks = BTreeMap<String, BTreeMap<Axis, Kept>>;

/// A watermark as history knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub watermark: Watermark,
    pub version: u64,
    pub at: Timestamp,
    pub by: MovedBy,
}

impl Tenant {
    fn watermark(&self, source: &str, axis: Axis) -> Option<&Kept> {
        self.watermarks.get(source)?.get(&axis)
    }

    /// Where one is.
    pub fn watermark_of(&self, source: &str, axis: Axis) -> Option<&Watermark> {
        self.watermark(source, axis).map(|kept| &kept.watermark)
    }

    /// The same, and its version.
    pub fn watermark_and_version(&self, source: &str, axis: Axis) -> Option<(Watermark, u64)> {
        self.watermark(source, axis).map(|kept| (kept.watermark.clone(), kept.version))
    }

    /// All of them, by source and axis.
    pub fn all_watermarks(&self) -> impl Iterator<Item = (&str, Axis, &Kept)> {
        self.watermarks
            .iter()
            .flat_map(|(source, axes)| axes.iter().map(move |(axis, kept)| (source.as_str(), *axis, kept)))
    }

    /// Where the watermarks of a source are, for a lease.
    pub fn watermark_heads(&self, source: Option<&str>) -> Vec<WatermarkHead> {
        if self.watermarks.is_empty() {
            return Vec::new();
        }
        let found = source.and_then(|name| self.watermarks.get(name)).into_iter().flatten();
        let head = |(axis, kept): (&Axis, &Kept)| {
            let Watermark { high, lateness_ms, low, .. } = kept.watermark;
            WatermarkHead { axis: *axis, low, high, lateness_ms }
        };
        found.map(head).collect()
    }

    /// The facts `watermark_advanced` and `watermark_set`.
    pub fn watermark_moved(&mut self, record: &Record) {
        let (source, axis, version, watermark, by) = match &record.body {
            Fact::WatermarkAdvanced { axis, high, holes, job, low, repairs, source, version, .. } => {
                let lateness_ms = self.watermark(source, *axis).map_or(0, |kept| kept.watermark.lateness_ms);
                let (holes, repairs) = (holes.clone(), repairs.clone());
                let watermark = Watermark { high: Some(*high), holes, lateness_ms, low: Some(*low), repairs };
                (source, *axis, *version, watermark, MovedBy::Job(*job))
            }
            Fact::WatermarkSet { axis, by, high, holes, lateness_ms, low, reason, repairs, source, version } => {
                let (lateness_ms, holes, repairs) = (*lateness_ms, holes.clone(), repairs.clone());
                let watermark = Watermark { high: *high, holes, lateness_ms, low: *low, repairs };
                let by = MovedBy::Operator(Actor { by: by.clone(), reason: reason.clone() });
                (source, *axis, *version, watermark, by)
            }
            _ => return,
        };
        let kept = Kept { watermark, version, at: record.at, by };
        self.watermarks.entry(source.clone()).or_default().insert(axis, kept);
    }
}

impl Desk<'_> {
    /// Refuses a report whose watermark cannot be taken, before anything of it counts. A report that is not current is
    /// judged by its fence.
    pub fn watermark_fits(&self, completion: &Completion) -> Result<(), Refusal> {
        match self.current(completion.token) {
            Ok(id) => self.watermark_of(id, completion).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// What a report makes of the watermark of its job's source; nothing when it says nothing of it, or nothing new.
    pub fn watermark_of(&self, id: JobId, completion: &Completion) -> Result<Option<Fact>, Refusal> {
        let succeeded = matches!(completion.outcome, Report::Succeeded { .. });
        let Some(advance) = completion.watermark.as_deref().filter(|_| succeeded) else { return Ok(None) };
        let lane = self.tenant.jobs.get(&id).map(|job| self.tenant.lane(job.lane));
        let Some(source) = lane.and_then(|lane| lane.key.source.clone()) else {
            let detail = "the job has no source, and a report can move the watermark of its job's source only";
            return Err(Refusal::field(Code::InvalidField, "watermark.source", detail));
        };
        let (axis, from) = (advance.axis, advance.expected);
        let before = self.tenant.watermark(&source, axis);
        let watermark = before.map(|kept| kept.watermark.clone()).unwrap_or_default();
        let after = advanced(&watermark, advance, self.at.now).map_err(|refusal| refusal.under("watermark"))?;
        let Watermark { high, holes, low, repairs, .. } = after.clone();
        let (Some(high), Some(low)) = (high, low) else { return Ok(None) };
        if after == watermark {
            return Ok(None);
        }
        let (attempt, version) = (completion.token.attempt, before.map_or(0, |kept| kept.version) + 1);
        Ok(Some(Fact::WatermarkAdvanced { attempt, axis, from, high, holes, job: id, low, repairs, source, version }))
    }

    /// The command `PutWatermark`. The same again changes nothing.
    pub fn put_watermark(
        &mut self,
        (source, axis): (String, Axis),
        watermark: Watermark,
        expect: Expect,
        actor: Actor,
    ) -> Answer {
        if self.tenant.source(&source).is_none() {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is no source of this name"));
        }
        let before = self.tenant.watermark(&source, axis);
        let version = before.map_or(0, |kept| kept.version);
        match expect {
            Expect::Absent if version > 0 => {
                return Answer::Refused(Refusal::new(Code::StateConflict, "this watermark exists already"));
            }
            Expect::Version(wanted) if wanted != version => return Answer::Refused(other_version(version, wanted)),
            _ => {}
        }
        let wanted = match watermark.ordered(self.at.now) {
            Ok(wanted) => wanted,
            Err(refusal) => return Answer::Refused(refusal),
        };
        if before.is_some_and(|kept| kept.watermark == wanted) {
            return Answer::Config { version, created: false };
        }
        let (Watermark { high, holes, lateness_ms, low, repairs }, Actor { by, reason }) = (wanted, actor);
        let (created, version) = (version == 0, version + 1);
        self.emit(Fact::WatermarkSet { axis, by, high, holes, lateness_ms, low, reason, repairs, source, version });
        Answer::Config { version, created }
    }
}

/// The rules of the core, and the bugs that are planted beside them.
fn advanced(watermark: &Watermark, advance: &Advance, now: Timestamp) -> Result<Watermark, Refusal> {
    if mutant::on(Mutant::WatermarkWithoutCompare) {
        return watermark.advance(&Advance { expected: watermark.high, ..advance.clone() }, now);
    }
    let back = advance.expected == watermark.high && watermark.high.is_some_and(|high| advance.high < high);
    if back && mutant::on(Mutant::WatermarkGoesBack) {
        let (high, low) = (Some(advance.high), watermark.low.map(|low| low.min(advance.high)));
        let lower = Watermark { high, low, lateness_ms: watermark.lateness_ms, ..Watermark::default() };
        return lower.advance(&Advance { expected: high, ..advance.clone() }, now);
    }
    watermark.advance(advance, now)
}

/// The watermarks of a source, or of all, by source and axis.
pub(crate) fn found(tenant: &Tenant, source: Option<&str>, now: Timestamp) -> Vec<WatermarkFound> {
    let wanted = tenant.all_watermarks().filter(|(name, _, _)| source.is_none_or(|source| source == *name));
    let one = |(name, axis, kept): (&str, Axis, &Kept)| {
        let Kept { watermark, version, at, by } = kept.clone();
        let lag_ms = watermark.lag_ms(now);
        WatermarkFound { source: name.to_owned(), axis, watermark, version, at, by, lag_ms }
    };
    wanted.map(one).collect()
}

#[cfg(test)]
mod tests;
