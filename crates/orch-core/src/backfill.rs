//! Backfills: stretches of event time that are read again, window by window.
//!
//! A backfill is asked for once and does not change. Its windows are numbered from the earliest; what becomes of them,
//! and when, is the dispatcher's.

use serde::{Deserialize, Serialize};

use crate::config::check_range;
use crate::ids::BackfillId;
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::run::Counts;
use crate::schedule::{ScheduledJob, ScheduledRun};
use crate::time::Timestamp;
use crate::watermark::{Axis, Range};

/// The member of a window's payload, and the input of its run, that says which window it is.
pub const WINDOW: &str = "window";

/// The label under which the ledger's index has the jobs of a backfill. No name of a label may begin like this.
pub const BACKFILL_LABEL: &str = "@backfill";

/// In which order windows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The earliest first.
    #[default]
    OldestFirst,
    /// The latest first.
    NewestFirst,
}

/// Which windows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Reprocess {
    /// Those that nobody has read.
    #[default]
    Missing,
    /// Those, and those that a backfill tried to read and could not.
    MissingAndFailed,
    /// All.
    All,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::OldestFirst, Self::NewestFirst];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OldestFirst => "oldest_first",
            Self::NewestFirst => "newest_first",
        }
    }
}

impl Reprocess {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Missing, Self::MissingAndFailed, Self::All];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::MissingAndFailed => "missing_and_failed",
            Self::All => "all",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackfillSpec {
    /// Which of a record's times the range is about.
    pub axis: Axis,
    /// Who asked.
    pub by: String,
    /// The first moment of the range.
    pub from: Timestamp,
    /// What is asked for at each window, where that is a job. Its source is the backfill's, its priority `backfill`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<ScheduledJob>,
    /// The ended backfill of which it reads what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<BackfillId>,
    /// Only these windows, by number, rising.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<u32>>,
    /// In which order windows come.
    pub order: Order,
    /// So many windows are open at the same time.
    pub parallelism: u32,
    /// Why.
    pub reason: String,
    /// Which windows are read.
    pub reprocess: Reprocess,
    /// What is asked for at each window, where that is a run. It has the input `window`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<ScheduledRun>,
    /// The source that is read.
    pub source: String,
    /// The ticket that asks for it.
    pub ticket: String,
    /// The first moment after the range.
    pub to: Timestamp,
    /// How long a window is, in milliseconds; the last may be shorter.
    pub window_ms: u64,
}

/// Which window of which backfill something reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowOf {
    /// The backfill.
    pub backfill: BackfillId,
    /// The first moment of the window.
    pub from: Timestamp,
    /// Its number, from 0 with the earliest.
    pub number: u32,
    /// The first moment after it.
    pub to: Timestamp,
}

impl WindowOf {
    /// The stretch of event time.
    #[must_use]
    pub fn range(&self) -> Range {
        Range { from: self.from, to: self.to }
    }
}

/// How a backfill went: what the ledger keeps of it when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct BackfillCourse {
    /// How many windows ended how; `skipped` are those that were read already.
    pub counts: Counts,
    /// The numbers of those that did not succeed.
    pub failed: Vec<u32>,
}

impl Default for BackfillSpec {
    fn default() -> Self {
        Self {
            axis: Axis::Published,
            by: String::new(),
            from: Timestamp::ZERO,
            job: None,
            of: None,
            only: None,
            order: Order::default(),
            parallelism: u32::try_from(limits::BACKFILL_PARALLELISM_DEFAULT).unwrap_or(u32::MAX),
            reason: String::new(),
            reprocess: Reprocess::default(),
            run: None,
            source: String::new(),
            ticket: String::new(),
            to: Timestamp::ZERO,
            window_ms: limits::BACKFILL_WINDOW_MS_DEFAULT,
        }
    }
}

impl BackfillSpec {
    /// The whole range.
    #[must_use]
    pub fn range(&self) -> Range {
        Range { from: self.from, to: self.to }
    }

    /// How many windows the range has.
    #[must_use]
    pub fn windows(&self) -> u64 {
        self.to.ms_since(self.from).div_ceil(self.window_ms.max(1))
    }

    /// How many of them are looked at.
    #[must_use]
    pub fn places(&self) -> u32 {
        let all = self.only.as_ref().map_or_else(|| self.windows(), |only| only.len() as u64);
        u32::try_from(all).unwrap_or(u32::MAX)
    }

    /// The number of the window that comes at a place, from 0.
    #[must_use]
    pub fn number_at(&self, place: u32) -> u32 {
        let place = match self.order {
            Order::OldestFirst => place,
            Order::NewestFirst => self.places().saturating_sub(place + 1),
        };
        match &self.only {
            Some(only) => only.get(place as usize).copied().unwrap_or(0),
            None => place,
        }
    }

    /// The stretch of a window.
    #[must_use]
    pub fn window(&self, number: u32) -> Range {
        let from = self.from.plus_ms(u64::from(number) * self.window_ms);
        Range { from, to: from.plus_ms(self.window_ms).min(self.to) }
    }

    /// Checks what can be said of it by itself.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.to <= self.from {
            return Err(Refusal::field(Code::InvalidField, "to", "`to` does not lie after `from`"));
        }
        let (least, most) = (limits::BACKFILL_WINDOW_MS_MIN, limits::BACKFILL_WINDOW_MS_MAX);
        check_range("window_ms", self.window_ms, least, most)?;
        let windows = self.windows();
        if windows > limits::BACKFILL_WINDOWS_MAX {
            let most = limits::BACKFILL_WINDOWS_MAX;
            let detail =
                format!("the range has {windows} windows; at most {most} are allowed: take longer ones, or less");
            return Err(Refusal::field(Code::LimitExceeded, "window_ms", detail));
        }
        check_range("parallelism", self.parallelism.into(), 1, limits::BACKFILL_PARALLELISM_MAX)?;
        for (field, text, most) in
            [("reason", &self.reason, limits::REASON_CHARS_MAX), ("ticket", &self.ticket, limits::TICKET_CHARS_MAX)]
        {
            let chars = text.chars().count() as u64;
            if chars == 0 || chars > most {
                let detail = format!("`{field}` has {chars} characters; 1 to {most} are needed");
                return Err(Refusal::field(Code::InvalidField, field, detail));
            }
        }
        match (&self.job, &self.run) {
            (Some(job), None) => job.check().map_err(|refusal| refusal.under("job")),
            (None, Some(run)) => run.check().map_err(|refusal| refusal.under("run")),
            (None, None) => Err(Refusal::field(Code::InvalidField, "job", "one of `job` and `run` is needed")),
            (Some(_), Some(_)) => {
                Err(Refusal::field(Code::InvalidField, "run", "a backfill asks for a `job` or a `run`, not for both"))
            }
        }
    }
}

/// Stretches of event time that touch nowhere, in order: what was read, or what failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stretches(Vec<Range>);

impl Stretches {
    /// Of ranges that are sorted and disjoint.
    #[must_use]
    pub fn of(ranges: &[Range]) -> Self {
        Self(ranges.to_vec())
    }

    /// They, in order.
    #[must_use]
    pub fn all(&self) -> &[Range] {
        &self.0
    }

    /// All of the range is in one of them.
    #[must_use]
    pub fn cover(&self, range: Range) -> bool {
        let after = self.0.partition_point(|known| known.from <= range.from);
        after.checked_sub(1).is_some_and(|place| self.0[place].covers(range))
    }

    /// Something of the range is in one of them.
    #[must_use]
    pub fn touch(&self, range: Range) -> bool {
        let after = self.0.partition_point(|known| known.to <= range.from);
        self.0.get(after).is_some_and(|known| known.from < range.to)
    }

    /// Adds one. Of more than so many the shortest is forgotten.
    pub fn add(&mut self, range: Range, most: usize) {
        let first = self.0.partition_point(|known| known.to < range.from);
        let last = self.0.partition_point(|known| known.from <= range.to);
        let joined = self.0[first..last]
            .iter()
            .fold(range, |all, known| Range { from: all.from.min(known.from), to: all.to.max(known.to) });
        self.0.splice(first..last, [joined]);
        if self.0.len() > most {
            let shortest = (0..self.0.len()).min_by_key(|place| self.0[*place].to.ms_since(self.0[*place].from));
            if let Some(place) = shortest {
                self.0.remove(place);
            }
        }
    }

    /// Takes a range out of them.
    pub fn remove(&mut self, range: Range) {
        let cut = |known: Range| {
            let before = Range { from: known.from, to: known.to.min(range.from) };
            let after = Range { from: known.from.max(range.to), to: known.to };
            [before, after].into_iter().filter(|left| left.from < left.to)
        };
        self.0 = self.0.drain(..).flat_map(cut).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn range(from: i64, to: i64) -> Range {
        Range { from: at(from), to: at(to) }
    }

    fn spec() -> BackfillSpec {
        BackfillSpec {
            from: at(0),
            to: at(250_000),
            window_ms: 100_000,
            reason: "r".into(),
            ticket: "T-1".into(),
            source: "kev".into(),
            job: Some(ScheduledJob { job_type: "t".into(), payload: "{}".into(), ..ScheduledJob::default() }),
            ..BackfillSpec::default()
        }
    }

    #[test]
    fn the_last_window_ends_with_the_range_and_windows_come_either_way() {
        let oldest = spec();
        assert_eq!((oldest.windows(), oldest.places()), (3, 3));
        assert_eq!(oldest.window(2), range(200_000, 250_000));
        assert_eq!([0, 1, 2].map(|place| oldest.number_at(place)), [0, 1, 2]);
        let newest = BackfillSpec { order: Order::NewestFirst, ..spec() };
        assert_eq!([0, 1, 2].map(|place| newest.number_at(place)), [2, 1, 0]);
        let some = BackfillSpec { only: Some(vec![0, 2]), ..newest };
        assert_eq!((some.places(), some.number_at(0), some.number_at(1)), (2, 2, 0));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let field = |spec: BackfillSpec| spec.check().unwrap_err().field.unwrap_or_default();
        assert_eq!(spec().check(), Ok(()));
        assert_eq!(field(BackfillSpec { to: at(0), ..spec() }), "to");
        assert_eq!(field(BackfillSpec { window_ms: 1, ..spec() }), "window_ms");
        assert_eq!(field(BackfillSpec { to: at(i64::MAX / 4), ..spec() }), "window_ms");
        assert_eq!(field(BackfillSpec { parallelism: 0, ..spec() }), "parallelism");
        assert_eq!(field(BackfillSpec { reason: String::new(), ..spec() }), "reason");
        assert_eq!(field(BackfillSpec { ticket: "x".repeat(200), ..spec() }), "ticket");
        assert_eq!(field(BackfillSpec { job: None, ..spec() }), "job");
    }

    #[test]
    fn stretches_join_where_they_touch_and_are_cut() {
        let mut stretches = Stretches::default();
        for (from, to) in [(10, 20), (30, 40), (20, 25), (60, 70)] {
            stretches.add(range(from, to), 10);
        }
        assert_eq!(stretches.all(), [range(10, 25), range(30, 40), range(60, 70)]);
        assert!(stretches.cover(range(12, 25)) && !stretches.cover(range(12, 26)) && !stretches.cover(range(5, 11)));
        assert!(stretches.touch(range(24, 30)) && !stretches.touch(range(25, 30)));
        stretches.add(range(25, 30), 10);
        assert_eq!(stretches.all(), [range(10, 40), range(60, 70)]);
        stretches.remove(range(20, 65));
        assert_eq!(stretches.all(), [range(10, 20), range(65, 70)]);
        stretches.add(range(80, 99), 2);
        assert_eq!(stretches.all(), [range(10, 20), range(80, 99)]);
    }
}
