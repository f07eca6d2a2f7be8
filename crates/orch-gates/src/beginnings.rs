//! Times of the wall clock that a cron expression or a recurrence rule (RFC 5545) names, without a zone.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use croner::Cron;
use croner::parser::CronParser;
use orch_core::limits::{EXCEPT_MAX, RULE_CHARS_MAX};
use orch_core::refusal::{Code, Refusal};
use rrule::{Frequency, RRuleSet};

/// Beginnings that a recurrence rule may count: they are counted each time.
const COUNT_MAX: u32 = 1_000;

/// A rule that was read.
#[derive(Debug, Clone)]
pub(crate) enum Beginnings {
    Cron(Box<Cron>),
    Recurrence(Box<RRuleSet>),
}

/// Refuses rules that are too long to be read; `path` names what they stand in.
pub(crate) fn check_rule_chars(path: &str, cron: Option<&str>, rrule: Option<&str>) -> Result<(), Refusal> {
    for (field, text) in [("cron", cron), ("rrule", rrule)] {
        if let Some(text) = text.filter(|text| text.len() as u64 > RULE_CHARS_MAX) {
            let why = format!("`{field}` has {} characters; at most {RULE_CHARS_MAX} are allowed", text.len());
            return Err(Refusal::field(Code::LimitExceeded, format!("{path}.{field}"), why));
        }
    }
    Ok(())
}

/// Reads the days of an `except`; `path` names what it stands in.
pub(crate) fn read_days(path: &str, days: &[String]) -> Result<Vec<NaiveDate>, Refusal> {
    if days.len() as u64 > EXCEPT_MAX {
        let why = format!("`except` has {} days; at most {EXCEPT_MAX} are allowed", days.len());
        return Err(Refusal::field(Code::LimitExceeded, format!("{path}.except"), why));
    }
    let day = |(place, text): (usize, &String)| {
        // Ten characters: what reads it takes fewer digits, too.
        let whole = if text.len() == 10 { text.as_str() } else { "" };
        NaiveDate::parse_from_str(whole, "%Y-%m-%d").map_err(|_| {
            let why = format!("`{text}` is no day such as 2026-12-24");
            Refusal::field(Code::InvalidField, format!("{path}.except[{place}]"), why)
        })
    };
    days.iter().enumerate().map(day).collect()
}

/// Reads a recurrence rule; a refusal names the field.
pub(crate) fn read_recurrence(rule: &str, start: Option<&str>) -> Result<Beginnings, (&'static str, String)> {
    let Some(start) = start else {
        return Err(("starts_at", "a recurrence rule needs its first beginning".to_owned()));
    };
    let whole = if start.len() == 19 { start } else { "" };
    let start = NaiveDateTime::parse_from_str(whole, "%Y-%m-%dT%H:%M:%S")
        .map_err(|_| ("starts_at", format!("`{start}` is no time such as 2026-01-03T22:00:00")))?;
    let rule = rule.trim().trim_start_matches("RRULE:").to_uppercase();
    if rule.contains("FREQ=SECONDLY") || rule.contains("FREQ=MINUTELY") {
        return Err(("rrule", "`FREQ` is `HOURLY` at the most: what comes more often is a cron expression".to_owned()));
    }
    // The wall clock passes for UTC, in which each time exists once.
    let text = format!("DTSTART:{}\nRRULE:{}", start.format("%Y%m%dT%H%M%SZ"), in_utc(&rule));
    let set: RRuleSet = text.parse().map_err(|error: rrule::RRuleError| ("rrule", error.to_string()))?;
    if set.get_rrule().iter().any(|rule| rule.get_count() > Some(COUNT_MAX)) {
        return Err(("rrule", format!("a `COUNT` above {COUNT_MAX} is better said as `UNTIL`")));
    }
    Ok(Beginnings::Recurrence(Box::new(set)))
}

/// An `UNTIL` without a zone as the parser wants it beside a start in UTC.
fn in_utc(rule: &str) -> String {
    let part = |part: &str| match part.strip_prefix("UNTIL=") {
        Some(until) if !until.ends_with('Z') && until.contains('T') => format!("UNTIL={until}Z"),
        Some(until) if !until.ends_with('Z') => format!("UNTIL={until}T235959Z"),
        _ => part.to_owned(),
    };
    rule.split(';').map(part).collect::<Vec<_>>().join(";")
}

/// Reads a cron expression.
pub(crate) fn read_cron(text: &str) -> Result<Beginnings, String> {
    let cron = CronParser::new().parse(text).map_err(|error| error.to_string())?;
    Ok(Beginnings::Cron(Box::new(cron)))
}

impl Beginnings {
    /// The first beginning from one time of the wall clock on, not after another.
    pub fn first(&self, from: NaiveDateTime, inclusive: bool, end: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Cron(cron) => cron.find_next_occurrence(&from, inclusive).ok().filter(|at| *at <= end),
            Self::Recurrence(set) => {
                let from = if inclusive { from } else { from + TimeDelta::seconds(1) };
                let set = near(set, from).after(zoned(from)).before(zoned(end));
                set.all(1).dates.first().map(DateTime::naive_utc)
            }
        }
    }

    /// The last beginning up to one time of the wall clock, not before another.
    pub fn last(&self, to: NaiveDateTime, inclusive: bool, floor: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Self::Cron(cron) => cron.find_previous_occurrence(&to, inclusive).ok().filter(|at| *at >= floor),
            Self::Recurrence(set) => {
                let to = if inclusive { to } else { to - TimeDelta::seconds(1) };
                let set = near(set, floor).after(zoned(floor)).before(zoned(to));
                set.all(u16::MAX).dates.last().map(DateTime::naive_utc)
            }
        }
    }
}

/// The same rule as if it had first come shortly before this time: it is worked out from its first beginning on, which
/// may lie years back. Whole steps of the rule keep its phase; what it takes from its first beginning it has taken.
fn near(set: &RRuleSet, from: NaiveDateTime) -> RRuleSet {
    let Some(rule) = set.get_rrule().first().filter(|rule| rule.get_count().is_none()) else { return set.clone() };
    let start = set.get_dt_start().naive_utc();
    let every = i64::from(rule.get_interval().max(1));
    let whole = |passed: i64, step: i64| (passed / step - 1).max(0) * step;
    let hours = |step: i64| start.checked_add_signed(TimeDelta::hours(whole((from - start).num_hours(), step)));
    let months = |step: i64| {
        let month = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
        let moved = Months::new(u32::try_from(whole(month(from) - month(start), step)).ok()?);
        let first = start.date().with_day(1)?.checked_add_months(moved)?.and_time(NaiveTime::MIN);
        Some(first.max(start))
    };
    let nearer = match rule.get_freq() {
        Frequency::Yearly => months(12 * every),
        Frequency::Monthly => months(every),
        Frequency::Weekly => hours(7 * 24 * every),
        Frequency::Daily => hours(24 * every),
        _ => hours(every),
    };
    match nearer {
        Some(nearer) if nearer > start => RRuleSet::new(zoned(nearer)).rrule(rule.clone()),
        _ => set.clone(),
    }
}

/// A time of the wall clock as if it were one of UTC.
pub(crate) fn zoned(at: NaiveDateTime) -> DateTime<rrule::Tz> {
    DateTime::<Utc>::from_naive_utc_and_offset(at, Utc).with_timezone(&rrule::Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_recurrence_is_worked_out_from_changes_nothing() {
        let (start, days) = ("2019-05-31T22:30:00", 366 * 7 + 100);
        for text in [
            "FREQ=HOURLY;INTERVAL=7",
            "FREQ=HOURLY;INTERVAL=5;BYHOUR=1,2,3,22;BYMINUTE=10,30",
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=DAILY;BYDAY=MO,WE",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU",
            "FREQ=WEEKLY;INTERVAL=3;WKST=SU;BYDAY=SU,MO",
            "FREQ=MONTHLY",
            "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=28,29",
            "FREQ=YEARLY",
            "FREQ=YEARLY;BYWEEKNO=1,20;BYDAY=TH",
        ] {
            let Ok(Beginnings::Recurrence(set)) = read_recurrence(text, Some(start)) else { panic!("{text}") };
            let begin = set.get_dt_start().naive_utc();
            let all: Vec<_> = set.as_ref().clone().before(zoned(begin + TimeDelta::days(days))).all(u16::MAX).dates;
            let all: Vec<_> = all.iter().map(DateTime::naive_utc).collect();
            let rule = Beginnings::Recurrence(set);
            for hour in (0..24 * (days - 400)).step_by(1_013) {
                let at = begin + TimeDelta::hours(hour);
                let next = all.iter().find(|one| **one >= at).copied();
                assert_eq!(rule.first(at, true, begin + TimeDelta::days(days)), next, "{text} after {at}");
                let before = all.iter().rev().find(|one| **one < at && **one >= at - TimeDelta::days(40)).copied();
                assert_eq!(rule.last(at, false, at - TimeDelta::days(40)), before, "{text} before {at}");
            }
        }
    }
}
