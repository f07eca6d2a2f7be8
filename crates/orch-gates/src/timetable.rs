//! The nominal instants of a schedule: times of a zone's wall clock, or an interval.
//!
//! A zone's time is a row of spans, each with one offset. Where a clock is put forward, times are skipped at a span's
//! begin; where it is put back, the span shows times again that the one before has shown. What becomes of both is the
//! timetable's daylight rule; within a span, instants and times of the wall clock are in the same order.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use jiff::tz::TimeZone;
use orch_core::Timestamp;
use orch_core::limits::{CATCH_UP_FIRINGS_MAX, EVERY_MS_MAX, EVERY_MS_MIN, EXCEPT_MAX};
use orch_core::refusal::{Code, Refusal};
use orch_core::schedule::{self, Daylight, Misfire, Schedule};

use crate::beginnings::{Beginnings, check_rule_chars, read_cron, read_days, read_recurrence};
use crate::zones;

/// A timetable that does not come within so many years of a moment never comes.
const YEARS_MAX: i64 = 10;
/// Where a schedule has its timetable.
const PATH: &str = "timetable";
const YEAR_SECONDS: i64 = 366 * 86_400;
/// Days on end that may be excepted.
const SKIPPED_MAX: u64 = EXCEPT_MAX + 1;

/// A timetable that was read, with the moments that a schedule limits it to.
#[derive(Debug, Clone)]
pub struct Timetable {
    rule: Rule,
    daylight: Daylight,
    except: Vec<NaiveDate>,
    zone: TimeZone,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Rule {
    Clock(Beginnings),
    /// So many milliseconds between two, counted from a moment.
    Every {
        ms: i64,
        from: i64,
    },
}

/// A nominal instant, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// The moment.
    pub at: Timestamp,
    /// The same on the wall clock of the timetable's zone, as RFC 3339 has it.
    pub local: String,
}

/// A time in which a zone's offset is the same. Seconds since 1970, and of the wall clock.
struct Span {
    begins: i64,
    ends: Option<i64>,
    offset: i64,
    /// The offset before.
    before: i64,
}

impl Timetable {
    /// Reads a schedule's timetable; fields are named as in the schedule.
    ///
    /// # Errors
    /// A refusal that names the field that makes no sense.
    pub fn read(doc: &Schedule) -> Result<Self, Refusal> {
        let table = &doc.timetable;
        let zone = zones::find(&table.zone);
        let zone = zone.ok_or_else(|| refuse("zone", zones::unknown(&table.zone)))?;
        Self::read_in(doc, zone)
    }

    /// The same in a zone that the caller has: for comparisons with other zone databases.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_in(doc: &Schedule, zone: TimeZone) -> Result<Self, Refusal> {
        let table = &doc.timetable;
        let rule = read_rule(table, &zone)?;
        let except = read_days(PATH, &table.except)?;
        Ok(Self { rule, daylight: table.daylight, except, zone, starts_at: doc.starts_at, ends_at: doc.ends_at })
    }

    /// Reads the timetable of a schedule that somebody declares now: it must still come, and must not owe more at once
    /// than may be made good for.
    ///
    /// # Errors
    /// As `read`, and those.
    pub fn declare(doc: &Schedule, now: Timestamp) -> Result<Self, Refusal> {
        let read = Self::read(doc)?;
        let Some(first) = read.next_after(now) else {
            let table = &doc.timetable;
            let field = if table.cron.is_some() {
                "cron"
            } else if table.rrule.is_some() {
                "rrule"
            } else {
                "every_ms"
            };
            return Err(refuse(field, format!("it does not come within {YEARS_MAX} years")));
        };
        if doc.misfire == Misfire::FireAll {
            let window_ends = first.plus_ms(doc.catch_up_ms);
            let owed = std::iter::successors(Some(first), |at| read.next_after(*at)).take_while(|at| *at < window_ends);
            let most = usize::try_from(CATCH_UP_FIRINGS_MAX).unwrap_or(usize::MAX);
            if owed.take(most + 1).count() > most {
                let detail = format!(
                    "`catch_up_ms` with `fire_all` would owe more than {CATCH_UP_FIRINGS_MAX} firings at once: shorten \
                     it, or let `misfire` be `fire_last`"
                );
                return Err(Refusal::field(Code::LimitExceeded, "catch_up_ms", detail));
            }
        }
        Ok(read)
    }

    /// The first nominal instant after a moment; `None`: none within ten years.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let before_start = self.starts_at.map(|at| Timestamp::from_millis(at.millis() - 1));
        let after = before_start.map_or(after, |start| start.max(after));
        let at = match &self.rule {
            Rule::Clock(beginnings) => self.next_of_clock(beginnings, after.millis().div_euclid(1_000)),
            Rule::Every { ms, from } => self.next_of_interval(*ms, *from, after.millis()),
        };
        at.map(Timestamp::from_millis).filter(|at| self.ends_at.is_none_or(|ends| *at < ends))
    }

    /// The next nominal instants after a moment, at most so many.
    #[must_use]
    pub fn next(&self, after: Timestamp, count: usize) -> Vec<Instant> {
        let all = std::iter::successors(self.next_after(after), |at| self.next_after(*at));
        all.take(count).map(|at| Instant { at, local: self.local(at) }).collect()
    }

    /// A moment on the zone's wall clock, as RFC 3339 has it.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        zones::local(&self.zone, at)
    }

    fn next_of_interval(&self, ms: i64, from: i64, after: i64) -> Option<i64> {
        let mut after = after;
        for _ in 0..SKIPPED_MAX {
            let at = from + ((after - from).div_euclid(ms) + 1) * ms;
            let day = clock(at.div_euclid(1_000) + self.span_at(at.div_euclid(1_000))?.offset)?.date();
            if !self.except.contains(&day) {
                return Some(at);
            }
            after = self.day_begins(day.checked_add_days(Days::new(1))?)? * 1_000 - 1;
        }
        None
    }

    /// The first second of a day of the zone.
    fn day_begins(&self, day: NaiveDate) -> Option<i64> {
        let day: jiff::civil::Date = day.format("%Y-%m-%d").to_string().parse().ok()?;
        let begins = self.zone.to_ambiguous_zoned_datetime(day.at(0, 0, 0, 0)).compatible().ok()?;
        Some(begins.timestamp().as_second())
    }

    /// In milliseconds; `after` in seconds.
    fn next_of_clock(&self, beginnings: &Beginnings, after: i64) -> Option<i64> {
        let from = after + 1;
        let horizon = from + YEARS_MAX * YEAR_SECONDS;
        let mut span = self.span_at(from)?;
        loop {
            if let Some(at) = self.first_in(beginnings, &span, from) {
                return Some(at * 1_000);
            }
            span = self.span_at(span.ends.filter(|ends| *ends < horizon)?)?;
        }
    }

    /// The first instant of a span at or after a moment.
    fn first_in(&self, beginnings: &Beginnings, span: &Span, from: i64) -> Option<i64> {
        let Span { begins, ends, offset, before } = *span;
        let from = from.max(begins);
        let ends = ends.unwrap_or(from + YEARS_MAX * YEAR_SECONDS);
        // Shown again: the span before has had these times.
        let again = before > offset && self.daylight != Daylight::Both;
        let shown_from = if again { from.max(begins + before - offset) } else { from };
        let shown = self.first_time(beginnings, shown_from + offset, ends + offset).map(|time| time - offset);
        // Skipped: they come as far behind the change as they lie behind it on the clock of before.
        let skipped = if offset > before && self.daylight != Daylight::Skip {
            self.first_time(beginnings, from + before, begins + offset).map(|time| time - before)
        } else {
            None
        };
        shown.into_iter().chain(skipped).min()
    }

    /// The first time of the wall clock from one on, before another, whose day is not excepted. Seconds.
    fn first_time(&self, beginnings: &Beginnings, from: i64, until: i64) -> Option<i64> {
        let end = clock(until)? - TimeDelta::seconds(1);
        let mut from = clock(from)?;
        for _ in 0..SKIPPED_MAX {
            if from > end {
                return None;
            }
            let found = beginnings.first(from, true, end)?;
            if !self.except.contains(&found.date()) {
                return Some(found.and_utc().timestamp());
            }
            from = found.date().checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
        }
        None
    }

    /// The span that a moment lies in.
    fn span_at(&self, at: i64) -> Option<Span> {
        let moment = jiff::Timestamp::from_second(at).ok()?;
        let offset = i64::from(self.zone.to_offset(moment).seconds());
        let ends = self.zone.following(moment).next().map(|turn| turn.timestamp().as_second());
        let just_after = jiff::Timestamp::from_second(at + 1).ok()?;
        let Some(turn) = self.zone.preceding(just_after).next() else {
            return Some(Span { begins: i64::MIN / 2, ends, offset, before: offset });
        };
        let begins = turn.timestamp().as_second();
        let before = jiff::Timestamp::from_second(begins - 1).ok()?;
        Some(Span { begins, ends, offset, before: self.zone.to_offset(before).seconds().into() })
    }
}

/// A time of the wall clock as if it were one of UTC.
fn clock(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc())
}

fn refuse(field: &str, why: String) -> Refusal {
    Refusal::field(Code::InvalidField, format!("{PATH}.{field}"), why)
}

fn read_rule(table: &schedule::Timetable, zone: &TimeZone) -> Result<Rule, Refusal> {
    check_rule_chars(PATH, table.cron.as_deref(), table.rrule.as_deref())?;
    match (&table.cron, &table.rrule, table.every_ms) {
        (Some(_), None, None) if table.from.is_some() => {
            Err(refuse("from", "a cron expression has no first time: see `starts_at` of the schedule".to_owned()))
        }
        (Some(cron), None, None) => read_cron(cron).map(Rule::Clock).map_err(|why| refuse("cron", why)),
        (None, Some(text), None) => {
            let named = |(field, why)| refuse(if field == "starts_at" { "from" } else { field }, why);
            read_recurrence(text, table.from.as_deref()).map(Rule::Clock).map_err(named)
        }
        (None, None, Some(ms)) => read_interval(ms, table.from.as_deref(), zone),
        (None, None, None) => Err(refuse("cron", "none of `cron`, `rrule` and `every_ms` is given".to_owned())),
        (cron, ..) => {
            let field = if cron.is_some() && table.rrule.is_some() { "rrule" } else { "every_ms" };
            Err(refuse(field, "only one of `cron`, `rrule` and `every_ms` may be given".to_owned()))
        }
    }
}

fn read_interval(ms: u64, from: Option<&str>, zone: &TimeZone) -> Result<Rule, Refusal> {
    if !(EVERY_MS_MIN..=EVERY_MS_MAX).contains(&ms) {
        let why = format!("`every_ms` is {ms}; it must lie between {EVERY_MS_MIN} and {EVERY_MS_MAX}");
        return Err(Refusal::field(Code::LimitExceeded, format!("{PATH}.every_ms"), why));
    }
    if !ms.is_multiple_of(1_000) {
        return Err(refuse("every_ms", format!("`every_ms` is {ms}; it must be whole seconds")));
    }
    let from = match from {
        None => 0,
        Some(text) => {
            let read = || {
                let civil: jiff::civil::DateTime = text.parse().ok().filter(|_| text.len() == 19)?;
                zone.to_ambiguous_zoned_datetime(civil).compatible().ok()
            };
            let wrong = || refuse("from", format!("`{text}` is no time such as 2026-01-03T22:00:00"));
            read().ok_or_else(wrong)?.timestamp().as_millisecond()
        }
    };
    Ok(Rule::Every { ms: i64::try_from(ms).unwrap_or(i64::MAX), from })
}

#[cfg(test)]
mod tests;
