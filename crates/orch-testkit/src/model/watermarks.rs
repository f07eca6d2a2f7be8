//! Judges watermarks: each goes where a report or an operator wanted it, from where it is, and back by operators only.

use orch_core::fact::{Fact, Record};
use orch_core::ids::TenantNo;
use orch_core::lease::Token;
use orch_core::watermark::{Advance, Axis, Watermark};
use orch_dispatch::answer::WatermarkFound;

use super::{Judged, Model, Tenant, ensure};

const MOVES: &str = "a watermark moves from where it is, and back by operators only";
const ASKED: &str = "nothing unasked";
const FENCE: &str = "4: a stale fence changes nothing";
const TOLD: &str = "3: what was told is in the ledger";
const TRUE: &str = "a refusal is true";

/// A watermark, as history tells it.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    /// Where it is.
    pub watermark: Watermark,
    /// Its version.
    pub version: u64,
    /// The commit that moved it.
    pub commit: u64,
}

impl Tenant {
    /// The source of a token's job.
    #[must_use]
    pub fn source_of(&self, token: Token) -> Option<&str> {
        self.lane(self.jobs.get(&token.job)?.lane)?.key.source.as_deref()
    }

    /// A watermark of a source; where it begins, if nobody ever moved it.
    #[must_use]
    pub fn watermark(&self, source: &str, axis: Axis) -> Moved {
        self.watermarks.get(&(source.to_owned(), axis)).cloned().unwrap_or_default()
    }
}

impl Model {
    /// Takes the facts `watermark_advanced` and `watermark_set`.
    pub(super) fn watermark_moved(&mut self, no: TenantNo, record: &Record) -> Judged {
        let tenant = self.tenants.entry(no).or_default();
        let (source, axis, version, after, back) = match &record.body {
            Fact::WatermarkAdvanced { attempt, axis, from, high, holes, job, low, repairs, source, version } => {
                let before = tenant.watermark(source, *axis).watermark;
                let (holes, repairs) = (holes.clone(), repairs.clone());
                let (high, low) = (Some(*high), Some(*low));
                let after = Watermark { high, holes, lateness_ms: before.lateness_ms, low, repairs };
                let of = tenant.jobs.get(job).filter(|of| of.attempt == *attempt && of.lease.is_some());
                let theirs = of.and_then(|of| tenant.lane(of.lane)).and_then(|lane| lane.key.source.as_ref());
                ensure(theirs == Some(source), FENCE, || format!("{job} moved the watermark of {source}"))?;
                ensure(*from == before.high, MOVES, || format!("{source} goes on at {from:?} and is at {before:?}"))?;
                let falls = high < before.high || before.low.is_some_and(|was| low > Some(was));
                ensure(!falls, MOVES, || format!("{source} goes from {before:?} to {after:?}"))?;
                let said = self.log.advances.get(&(no, *job, *attempt));
                let fits = |advance: &Advance| {
                    advance.axis == *axis && before.advance(advance, record.at).as_ref() == Ok(&after)
                };
                ensure(said.into_iter().flatten().any(fits), ASKED, || format!("{source} is at {after:?}"))?;
                tenant.advanced.insert((*job, *attempt, *axis, after.high));
                (source, *axis, *version, after, false)
            }
            Fact::WatermarkSet { axis, high, holes, lateness_ms, low, repairs, source, version, .. } => {
                let (holes, repairs) = (holes.clone(), repairs.clone());
                let after = Watermark { high: *high, holes, lateness_ms: *lateness_ms, low: *low, repairs };
                let key = (no, source.clone(), *axis);
                let said = self.log.watermarks.get(&key);
                let fits = |wanted: &Watermark| wanted.clone().ordered(record.at).as_ref() == Ok(&after);
                ensure(said.into_iter().flatten().any(fits), ASKED, || format!("{source} was set to {after:?}"))?;
                let back = *high < tenant.watermark(source, *axis).watermark.high;
                (source, *axis, *version, after, back)
            }
            _ => return Ok(()),
        };
        ensure(after.is_sound(), MOVES, || format!("{source} is at {after:?}"))?;
        let before = tenant.watermark(source, axis).version;
        ensure(version == before + 1, "facts", || format!("version {version} of {source} after {before}"))?;
        let moved = Moved { watermark: after, version, commit: self.commit };
        tenant.watermarks.insert((source.clone(), axis), moved);
        if back {
            self.saw("an operator took a watermark back");
        }
        Ok(())
    }

    /// A report was taken, so what it says of a watermark was.
    pub(super) fn judge_advanced(&self, token: Token, advance: &Advance) -> Judged {
        let high = Some(advance.high);
        let key = (token.job, token.attempt, advance.axis, high);
        let taken = self.tenants.get(&token.tenant).is_some_and(|tenant| tenant.advanced.contains(&key));
        // Whoever read no further says nothing new.
        ensure(taken || advance.expected == high, TOLD, || format!("{token} read up to {high:?}"))
    }

    /// A report was refused because of its watermark: that is elsewhere, or the report would take it back.
    pub(super) fn judge_watermark_conflict(&mut self, token: Token, advance: Option<&Advance>) -> Judged {
        let tenant = self.tenants.get(&token.tenant);
        let (Some(tenant), Some(advance)) = (tenant, advance) else {
            return ensure(false, TRUE, || format!("{token} says nothing of a watermark"));
        };
        let found = tenant.watermark(tenant.source_of(token).unwrap_or_default(), advance.axis);
        let high = found.watermark.high;
        let (elsewhere, back) = (advance.expected != high, Some(advance.high) < high);
        // One that moved in this same commit may have been elsewhere before.
        let settled = found.commit < self.commit;
        ensure(!settled || elsewhere || back, TRUE, || format!("{token}: {advance:?} of {found:?}"))?;
        self.saw(if elsewhere { "a watermark was elsewhere" } else { "a report would have taken a watermark back" });
        Ok(())
    }

    /// What is shown of watermarks is what the ledger says.
    pub(super) fn judge_watermarks(&self, no: TenantNo, found: &[WatermarkFound]) -> Judged {
        for shown in found {
            let moved = self.tenants.get(&no).map(|tenant| tenant.watermark(&shown.source, shown.axis));
            let moved = moved.unwrap_or_default();
            let same = (shown.version, &shown.watermark) == (moved.version, &moved.watermark);
            let overtaken = moved.commit == self.commit && shown.version < moved.version;
            ensure(same || overtaken, TOLD, || format!("{shown:?}, the ledger says {moved:?}"))?;
        }
        Ok(())
    }
}
