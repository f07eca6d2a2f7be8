//! How far a source has been read, in event time: one value per source and axis, and the rules by which it moves.
//!
//! `[low, high)` was read, but for its holes and repairs. An advance compares and sets: it names the `high` that its
//! worker read, so that of two that read at the same time one is refused. `high` never falls by an advance and `low`
//! never rises; only an operator sets either as they like. Who may advance which one is not decided here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{
    WATERMARK_AHEAD_MS_MAX, WATERMARK_LATE_MAX, WATERMARK_LATENESS_MS_MAX, WATERMARK_RANGES_MAX,
    WATERMARK_REPAIR_MS_DEFAULT, WATERMARK_REPAIR_MS_MAX, WATERMARK_REPAIR_MS_MIN,
};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// Which of a record's times counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// When the record was published first.
    Published,
    /// When it was changed last.
    Modified,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Published, Self::Modified];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Modified => "modified",
        }
    }

    /// The axis of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.as_str() == word)
    }
}

/// A stretch of event time, in UTC: from its beginning on, up to its end and not further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Range {
    /// The moment lies in it.
    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// All of the other lies in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    /// What of it lies in the other, if something does.
    #[must_use]
    pub fn within(self, other: Self) -> Option<Self> {
        let range = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (range.from < range.to).then_some(range)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// How far a source has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Everything before has been read; `None`: nothing was yet.
    pub high: Option<Timestamp>,
    /// What was left out between `low` and `high`: sorted, disjoint.
    pub holes: Vec<Range>,
    /// A record that is found behind `high` by more than this is late.
    pub lateness_ms: u64,
    /// Back to when it was read. Invariant: set exactly when `high` is, and never above it.
    pub low: Option<Timestamp>,
    /// What late records ask to read again, as `holes`.
    pub repairs: Vec<Range>,
}

/// What a worker says that it read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    /// Of which axis.
    pub axis: Axis,
    /// `high` as the worker read it; `None`: there was none.
    pub expected: Option<Timestamp>,
    /// What it read of what was left out or was to be read again.
    pub filled: Vec<Range>,
    /// Up to where it read.
    pub high: Timestamp,
    /// What it left out of what is new.
    pub holes: Vec<Range>,
    /// Event times of records that it found behind `expected`.
    pub late: Vec<Timestamp>,
    /// Back to when it read, if it read further back than anybody before. At the first advance, without it nothing
    /// before `high` counts as read.
    pub low: Option<Timestamp>,
    /// How long a repair's window is, which begins at a multiple of that; a day (in UTC) when left out.
    pub repair_ms: Option<u64>,
}

impl Advance {
    /// From one `high` to another, and nothing else.
    #[must_use]
    pub fn to(axis: Axis, expected: Option<Timestamp>, high: Timestamp) -> Self {
        let (filled, holes, late) = (Vec::new(), Vec::new(), Vec::new());
        Self { axis, expected, filled, high, holes, late, low: None, repair_ms: None }
    }

    /// Checks what can be said of it by itself.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_ranges("holes", &self.holes)?;
        check_ranges("filled", &self.filled)?;
        if self.late.len() as u64 > WATERMARK_LATE_MAX {
            let detail = format!("`late` has {} entries; at most {WATERMARK_LATE_MAX} are allowed", self.late.len());
            return Err(Refusal::field(Code::LimitExceeded, "late", detail));
        }
        if self.low.is_some_and(|low| low > self.high) {
            return Err(Refusal::field(Code::InvalidField, "low", "`low` must not be after `high`"));
        }
        let most = WATERMARK_REPAIR_MS_MAX;
        match self.repair_ms {
            Some(ms) if !(WATERMARK_REPAIR_MS_MIN..=most).contains(&ms) => {
                let detail = format!("`repair_ms` is {ms}; it must lie between {WATERMARK_REPAIR_MS_MIN} and {most}");
                Err(Refusal::field(Code::LimitExceeded, "repair_ms", detail))
            }
            _ => Ok(()),
        }
    }

    /// What late records ask to read again of what was read before. What was read again just now is not among it, else
    /// a repair that finds them would ask for itself for ever.
    fn repairs(&self, before: Range, lateness_ms: u64) -> Vec<Range> {
        let length = i64::try_from(self.repair_ms.unwrap_or(WATERMARK_REPAIR_MS_DEFAULT)).unwrap_or(i64::MAX);
        let is_late = |at: &&Timestamp| before.contains(**at) && at.plus_ms(lateness_ms) < before.to;
        let read_again = |at: &&Timestamp| self.filled.iter().any(|range| range.contains(**at));
        let late = self.late.iter().filter(is_late).filter(|at| !read_again(at));
        let window = |at: &Timestamp| {
            let from = at.millis() - at.millis().rem_euclid(length);
            let to = Timestamp::from_millis(from.saturating_add(length));
            Range { from: Timestamp::from_millis(from), to }.within(before)
        };
        late.filter_map(window).collect()
    }
}

impl Watermark {
    /// Between `low` and `high`; `None`: nothing was read yet.
    #[must_use]
    pub fn reach(&self) -> Option<Range> {
        Some(Range { from: self.low?, to: self.high? })
    }

    /// How far `high` is behind now, in milliseconds.
    #[must_use]
    pub fn lag_ms(&self, now: Timestamp) -> Option<u64> {
        self.high.map(|high| now.ms_since(high))
    }

    /// The watermark after an advance.
    ///
    /// # Errors
    /// `watermark_conflict` when another advance came first, or it goes back; another code when the advance cannot be.
    pub fn advance(&self, advance: &Advance, now: Timestamp) -> Result<Self, Refusal> {
        self.compare(advance)?;
        advance.check()?;
        check_ahead("high", advance.high, now)?;
        let before = self.reach();
        let back_to = before.map_or(advance.high, |before| before.from);
        let low = advance.low.map_or(back_to, |low| low.min(back_to));
        let new = match before {
            None => vec![Range { from: low, to: advance.high }],
            Some(Range { from, to }) => vec![Range { from: low, to: from }, Range { from: to, to: advance.high }],
        };
        for (place, hole) in advance.holes.iter().enumerate() {
            if !new.iter().any(|part| part.covers(*hole)) {
                let field = format!("holes[{place}]");
                let detail = format!("`{field}` ({hole}) does not lie in what this advance adds");
                return Err(Refusal::field(Code::InvalidField, field, detail));
            }
        }
        let filled = merged(advance.filled.clone());
        let holes = joined(merged([without(&self.holes, &filled), advance.holes.clone()].concat()));
        let late = before.map(|before| advance.repairs(before, self.lateness_ms)).unwrap_or_default();
        let late = without(&merged(late), &holes);
        let repairs = joined(merged([without(&self.repairs, &filled), late].concat()));
        Ok(Self { high: Some(advance.high), holes, lateness_ms: self.lateness_ms, low: Some(low), repairs })
    }

    /// What an operator wants, in order: lists sorted and merged, `low` at `high` where only that is given.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn ordered(self, now: Timestamp) -> Result<Self, Refusal> {
        if self.lateness_ms > WATERMARK_LATENESS_MS_MAX {
            let detail =
                format!("`lateness_ms` is {}; it must be at most {WATERMARK_LATENESS_MS_MAX}", self.lateness_ms);
            return Err(Refusal::field(Code::LimitExceeded, "lateness_ms", detail));
        }
        if let Some(high) = self.high {
            check_ahead("high", high, now)?;
        }
        let low = match (self.low, self.high) {
            (Some(_), None) => return Err(Refusal::field(Code::InvalidField, "low", "`low` needs a `high`")),
            (Some(low), Some(high)) if low > high => {
                return Err(Refusal::field(Code::InvalidField, "low", "`low` must not be after `high`"));
            }
            (low, high) => low.or(high),
        };
        let ordered = Self { low, ..self };
        let reach = ordered.reach();
        for (field, ranges) in [("holes", &ordered.holes), ("repairs", &ordered.repairs)] {
            check_ranges(field, ranges)?;
            let outside = ranges.iter().position(|range| !reach.is_some_and(|reach| reach.covers(*range)));
            if let Some(place) = outside {
                let field = format!("{field}[{place}]");
                let detail = format!("`{field}` does not lie between `low` and `high`");
                return Err(Refusal::field(Code::InvalidField, field, detail));
            }
        }
        let (holes, repairs) = (merged(ordered.holes), merged(ordered.repairs));
        Ok(Self { holes, repairs, ..ordered })
    }

    /// Whether everything that is said of its fields holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let reach = self.reach();
        let apart = |ranges: &[Range]| {
            let inside =
                ranges.iter().all(|range| range.from < range.to && reach.is_some_and(|reach| reach.covers(*range)));
            let few = ranges.len() as u64 <= WATERMARK_RANGES_MAX;
            inside && few && ranges.windows(2).all(|pair| pair[0].to < pair[1].from)
        };
        let ends = self.low.is_some() == self.high.is_some() && reach.is_none_or(|reach| reach.from <= reach.to);
        ends && apart(&self.holes) && apart(&self.repairs)
    }

    fn compare(&self, advance: &Advance) -> Result<(), Refusal> {
        let at = |high: Option<Timestamp>| high.map_or("nowhere yet".to_owned(), |high| format!("at {high}"));
        if advance.expected != self.high {
            let (is, expected) = (at(self.high), at(advance.expected));
            let detail = format!("the watermark is {is}, and the report expects it {expected}: read it again");
            return Err(Refusal::field(Code::WatermarkConflict, "expected", detail));
        }
        if self.high.is_some_and(|high| advance.high < high) {
            let detail = format!(
                "the watermark is {} and a report cannot take it back to {}: an operator can",
                at(self.high),
                advance.high
            );
            return Err(Refusal::field(Code::WatermarkConflict, "high", detail));
        }
        Ok(())
    }
}

fn check_ahead(field: &str, at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if at <= now.plus_ms(WATERMARK_AHEAD_MS_MAX) {
        return Ok(());
    }
    let detail = format!("`{field}` is {at}; it must be at most {WATERMARK_AHEAD_MS_MAX} ms ahead of now ({now})");
    Err(Refusal::field(Code::TimeOutOfRange, field, detail))
}

fn check_ranges(field: &str, ranges: &[Range]) -> Result<(), Refusal> {
    if ranges.len() as u64 > WATERMARK_RANGES_MAX {
        let detail = format!("`{field}` has {} entries; at most {WATERMARK_RANGES_MAX} are allowed", ranges.len());
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    let empty = ranges.iter().position(|range| range.from >= range.to);
    empty.map_or(Ok(()), |place| {
        let field = format!("{field}[{place}]");
        let detail = format!("`{field}` must begin before it ends");
        Err(Refusal::field(Code::InvalidField, field, detail))
    })
}

/// In order, with those made one that overlap or touch.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_by_key(|range| range.from);
    let mut apart: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
            _ => apart.push(range),
        }
    }
    apart
}

/// What is left of ranges when others are taken away; both in order and apart.
fn without(ranges: &[Range], taken: &[Range]) -> Vec<Range> {
    let mut left = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut rest = *range;
        for cut in taken.iter().filter(|cut| cut.within(*range).is_some()) {
            if rest.from < cut.from {
                left.push(Range { from: rest.from, to: cut.from });
            }
            rest.from = cut.to;
        }
        if rest.from < rest.to {
            left.push(rest);
        }
    }
    left
}

/// At most so many as are kept: those closest to each other become one, so that more is read again and never less.
fn joined(ranges: Vec<Range>) -> Vec<Range> {
    let most = usize::try_from(WATERMARK_RANGES_MAX).unwrap_or(usize::MAX);
    let surplus = ranges.len().saturating_sub(most);
    if surplus == 0 {
        return ranges;
    }
    let mut gaps: Vec<(u64, usize)> =
        ranges.windows(2).zip(1..).map(|(pair, place)| (pair[1].from.ms_since(pair[0].to), place)).collect();
    gaps.sort_unstable();
    let closed: std::collections::BTreeSet<usize> = gaps.iter().take(surplus).map(|(_, place)| *place).collect();
    let mut few: Vec<Range> = Vec::with_capacity(most);
    for (place, range) in ranges.into_iter().enumerate() {
        match few.last_mut() {
            Some(last) if closed.contains(&place) => last.to = range.to,
            _ => few.push(range),
        }
    }
    few
}

#[cfg(test)]
mod tests;
