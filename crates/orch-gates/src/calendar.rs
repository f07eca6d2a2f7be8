//! Times that come again: a cron expression or a recurrence rule (RFC 5545), a length, a zone, and days that are excepted.
//!
//! Rules are worked out on the wall clock, without a zone, and each moment is then put into the zone: one that a clock
//! skips comes when the clock has gone on, one that it shows twice comes the first time (RFC 5545, 3.3.5). So both kinds
//! of rules, and zones of one database alone, follow the same law.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use croner::Cron;
use croner::parser::CronParser;
use jiff::civil;
use jiff::tz::TimeZone;
use orch_core::Timestamp;
use orch_core::refusal::{Code, Refusal};
use rrule::RRuleSet;
use serde::{Deserialize, Serialize};

/// The longest time that a window lasts.
const DURATION_MS_MAX: u64 = 31 * 24 * 60 * 60 * 1_000;
/// Days that can be excepted.
const EXCEPT_MAX: usize = 366;
/// Windows that one question may meet.
const LOOKED_MAX: u16 = 400;
/// Beginnings that are worked out at a time.
const AT_A_TIME: u16 = 8;
/// A rule that does not come within so many years of a moment never comes.
const YEARS_MAX: i64 = 10;
/// The longest text of a rule.
const TEXT_MAX: usize = 512;

/// Windows of time that come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarRule {
    /// Beginnings as a cron expression of five fields, or of six with seconds. This or `rrule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// How long each lasts, in milliseconds.
    pub duration_ms: u64,
    /// Days (`2026-12-24`, on the zone's wall clock) on which none begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Beginnings as a recurrence rule, such as `FREQ=WEEKLY;BYDAY=SA`; an `UNTIL` is a time of the wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rrule: Option<String>,
    /// The first beginning of a recurrence rule (`2026-01-03T22:00:00`, on the zone's wall clock).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// The zone's name in the IANA database.
    pub zone: String,
}

/// A rule that was read.
#[derive(Debug, Clone)]
pub struct Calendar {
    beginnings: Beginnings,
    duration_ms: u64,
    except: Vec<NaiveDate>,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Beginnings {
    Cron(Box<Cron>),
    Recurrence(Box<RRuleSet>),
}

/// A window of time: from the first moment to the one after the last.
pub type Window = (Timestamp, Timestamp);

impl CalendarRule {
    /// Reads the rule; `path` names it in the document, and `now` is when it must still come.
    ///
    /// # Errors
    /// A refusal that names the field that makes no sense, and a rule that never comes.
    pub fn read(&self, path: &str, now: Timestamp) -> Result<Calendar, Refusal> {
        let refuse = |field: &str, why: String| Refusal::field(Code::InvalidField, format!("{path}.{field}"), why);
        let zone = TimeZone::get(&self.zone)
            .map_err(|_| refuse("zone", format!("`{}` is no zone of the IANA database", self.zone)))?;
        if !(1..=DURATION_MS_MAX).contains(&self.duration_ms) {
            let why = format!("`duration_ms` is {}; it must lie between 1 and {DURATION_MS_MAX}", self.duration_ms);
            return Err(Refusal::field(Code::LimitExceeded, format!("{path}.duration_ms"), why));
        }
        if self.except.len() > EXCEPT_MAX {
            let why = format!("`except` has {} days; at most {EXCEPT_MAX} are allowed", self.except.len());
            return Err(Refusal::field(Code::LimitExceeded, format!("{path}.except"), why));
        }
        let day = |(place, text): (usize, &String)| {
            let wrong = |_| refuse(&format!("except[{place}]"), format!("`{text}` is no day such as 2026-12-24"));
            NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(wrong)
        };
        let except = self.except.iter().enumerate().map(day).collect::<Result<_, _>>()?;
        let beginnings = match (&self.cron, &self.rrule) {
            (Some(cron), None) if self.starts_at.is_none() => read_cron(cron).map_err(|why| refuse("cron", why))?,
            (Some(_), None) => return Err(refuse("starts_at", "a cron expression has no first beginning".to_owned())),
            (None, Some(rule)) => self.read_recurrence(rule).map_err(|(field, why)| refuse(field, why))?,
            (Some(_), Some(_)) => return Err(refuse("rrule", "`cron` is given, too: only one of them".to_owned())),
            (None, None) => return Err(refuse("cron", "neither `cron` nor `rrule` is given".to_owned())),
        };
        let calendar = Calendar { beginnings, duration_ms: self.duration_ms, except, zone };
        let never = calendar.window_at(now).is_none() && calendar.next_after(now).is_none();
        let field = if self.cron.is_some() { "cron" } else { "rrule" };
        if never { Err(refuse(field, format!("it does not come within {YEARS_MAX} years"))) } else { Ok(calendar) }
    }

    fn read_recurrence(&self, rule: &str) -> Result<Beginnings, (&'static str, String)> {
        let Some(start) = &self.starts_at else {
            return Err(("starts_at", "a recurrence rule needs its first beginning".to_owned()));
        };
        let start = NaiveDateTime::parse_from_str(start, "%Y-%m-%dT%H:%M:%S")
            .map_err(|_| ("starts_at", format!("`{start}` is no time such as 2026-01-03T22:00:00")))?;
        if rule.len() > TEXT_MAX {
            return Err(("rrule", format!("it has {} characters; at most {TEXT_MAX} are allowed", rule.len())));
        }
        let rule = rule.trim().trim_start_matches("RRULE:").to_uppercase();
        if rule.contains("FREQ=SECONDLY") || rule.contains("FREQ=MINUTELY") {
            return Err(("rrule", "windows that come each minute are a rate: use a bucket".to_owned()));
        }
        // The wall clock passes for UTC, in which each time exists once.
        let text = format!("DTSTART:{}\nRRULE:{}", start.format("%Y%m%dT%H%M%SZ"), in_utc(&rule));
        let set: RRuleSet = text.parse().map_err(|error: rrule::RRuleError| ("rrule", error.to_string()))?;
        Ok(Beginnings::Recurrence(Box::new(set)))
    }
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

fn read_cron(text: &str) -> Result<Beginnings, String> {
    if text.len() > TEXT_MAX {
        return Err(format!("it has {} characters; at most {TEXT_MAX} are allowed", text.len()));
    }
    let cron = CronParser::new().parse(text).map_err(|error| error.to_string())?;
    Ok(Beginnings::Cron(Box::new(cron)))
}

impl Calendar {
    /// The window that a moment lies in; of several, the one that ends last.
    #[must_use]
    pub fn window_at(&self, now: Timestamp) -> Option<Window> {
        // A day more for what the zone's clock skips or shows twice.
        let back = TimeDelta::milliseconds(i64::try_from(self.duration_ms).ok()?) + TimeDelta::days(1);
        let clock = self.wall_clock(now)?;
        let windows = self.beginnings.between(clock - back, clock + TimeDelta::days(1), LOOKED_MAX);
        let around = windows.into_iter().filter_map(|at| self.window(at));
        around.filter(|(from, until)| *from <= now && now < *until).max_by_key(|(_, until)| *until)
    }

    /// The first window that begins after a moment.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Window> {
        let clock = self.wall_clock(now)?;
        let end = clock + TimeDelta::days(366 * YEARS_MAX);
        let mut from = clock - TimeDelta::days(1);
        // Exceptions can hide many in a row.
        for _ in 0..LOOKED_MAX {
            let beginnings = self.beginnings.between(from, end, AT_A_TIME);
            from = *beginnings.last()? + TimeDelta::seconds(1);
            let windows = beginnings.into_iter().filter_map(|at| self.window(at));
            if let Some(found) = windows.filter(|(from, _)| *from > now).min() {
                return Some(found);
            }
        }
        None
    }

    /// When a time of this length without any window begins, at the earliest, from a moment on.
    #[must_use]
    pub fn quiet_from(&self, now: Timestamp, length_ms: u64) -> Option<Timestamp> {
        let mut from = now;
        for _ in 0..LOOKED_MAX {
            if let Some((_, until)) = self.window_at(from) {
                from = until;
                continue;
            }
            match self.next_after(from) {
                Some((next, until)) if next < from.plus_ms(length_ms) => from = until,
                _ => return Some(from),
            }
        }
        None
    }

    fn wall_clock(&self, at: Timestamp) -> Option<NaiveDateTime> {
        let there = self.zone.to_datetime(jiff::Timestamp::from_millisecond(at.millis()).ok()?);
        let day = NaiveDate::from_ymd_opt(i32::from(there.year()), number(there.month()), number(there.day()))?;
        day.and_hms_opt(number(there.hour()), number(there.minute()), number(there.second()))
    }

    /// The window that begins at this time of the wall clock, unless its day is excepted.
    fn window(&self, at: NaiveDateTime) -> Option<Window> {
        if self.except.contains(&at.date()) {
            return None;
        }
        let civil: civil::DateTime = at.format("%Y-%m-%dT%H:%M:%S").to_string().parse().ok()?;
        let from = self.zone.to_ambiguous_zoned_datetime(civil).compatible().ok()?.timestamp().as_millisecond();
        let from = Timestamp::from_millis(from);
        Some((from, from.plus_ms(self.duration_ms)))
    }
}

impl Beginnings {
    /// Beginnings from one time of the wall clock to another, both included, at most so many.
    fn between(&self, from: NaiveDateTime, to: NaiveDateTime, most: u16) -> Vec<NaiveDateTime> {
        match self {
            Self::Cron(cron) => {
                let (mut found, mut at, mut inclusive) = (Vec::new(), from, true);
                while found.len() < usize::from(most)
                    && let Ok(next) = cron.find_next_occurrence(&at, inclusive)
                    && next <= to
                {
                    found.push(next);
                    (at, inclusive) = (next, false);
                }
                found
            }
            Self::Recurrence(set) => {
                let zoned = |at: NaiveDateTime| {
                    DateTime::<Utc>::from_naive_utc_and_offset(at, Utc).with_timezone(&rrule::Tz::UTC)
                };
                let set = set.as_ref().clone().after(zoned(from)).before(zoned(to));
                set.all(most).dates.into_iter().map(|at| at.naive_utc()).collect()
            }
        }
    }
}

fn number(part: i8) -> u32 {
    u32::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn cron(expression: &str, hours: u64, zone: &str) -> CalendarRule {
        let duration_ms = hours * 3_600_000;
        CalendarRule {
            cron: Some(expression.to_owned()),
            duration_ms,
            zone: zone.to_owned(),
            ..CalendarRule::default()
        }
    }

    fn weekly() -> CalendarRule {
        CalendarRule {
            rrule: Some("FREQ=WEEKLY;BYDAY=SA".to_owned()),
            starts_at: Some("2026-01-03T22:00:00".to_owned()),
            duration_ms: 6 * 3_600_000,
            zone: "Europe/Athens".to_owned(),
            ..CalendarRule::default()
        }
    }

    fn field(rule: &CalendarRule) -> String {
        rule.read("window", at("2026-06-01T00:00:00Z")).unwrap_err().field.unwrap_or_default()
    }

    #[test]
    fn a_window_of_the_night_follows_the_zone() {
        let nightly = cron("0 22 * * *", 4, "Europe/Athens").read("w", at("2026-06-01T00:00:00Z")).unwrap();
        let summer = (at("2026-07-01T19:00:00Z"), at("2026-07-01T23:00:00Z"));
        assert_eq!(nightly.window_at(at("2026-07-01T20:00:00Z")), Some(summer));
        assert_eq!(nightly.window_at(at("2026-07-01T18:59:59Z")), None);
        assert_eq!(nightly.window_at(at("2026-07-01T23:00:00Z")), None);
        assert_eq!(nightly.next_after(at("2026-07-01T12:00:00Z")), Some(summer));
        assert_eq!(nightly.next_after(at("2026-12-01T12:00:00Z")).unwrap().0, at("2026-12-01T20:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_skips_comes_when_it_has_gone_on() {
        let early = cron("30 3 * * *", 1, "Europe/Athens").read("w", at("2026-01-01T00:00:00Z")).unwrap();
        // On 29 March 2026 clocks in Athens go from 03:00 to 04:00.
        assert_eq!(early.next_after(at("2026-03-28T12:00:00Z")).unwrap().0, at("2026-03-29T01:30:00Z"));
        // On 25 October they show 03:00 to 04:00 twice.
        let autumn = early.next_after(at("2026-10-24T12:00:00Z")).unwrap();
        assert_eq!(autumn.0, at("2026-10-25T00:30:00Z"));
        assert_eq!(early.next_after(autumn.0).unwrap().0, at("2026-10-26T01:30:00Z"), "only once");
    }

    #[test]
    fn recurrences_have_exceptions_and_ends() {
        let mut rule = weekly();
        rule.except = vec!["2026-06-06".to_owned()];
        let calendar = rule.read("w", at("2026-06-01T00:00:00Z")).unwrap();
        assert_eq!(calendar.next_after(at("2026-06-01T00:00:00Z")).unwrap().0, at("2026-06-13T19:00:00Z"));
        assert!(calendar.window_at(at("2026-06-06T20:00:00Z")).is_none());
        assert!(calendar.window_at(at("2026-06-14T00:30:00Z")).is_some(), "over midnight");
        rule.rrule = Some("FREQ=WEEKLY;BYDAY=SA;UNTIL=20260613T235959".to_owned());
        let ends = rule.read("w", at("2026-06-01T00:00:00Z")).unwrap();
        assert!(ends.next_after(at("2026-06-14T00:00:00Z")).is_none());
    }

    #[test]
    fn the_next_quiet_time_is_found() {
        let calendar = cron("0 0,2 * * *", 1, "UTC").read("w", at("2026-06-01T00:00:00Z")).unwrap();
        let (now, hour) = (at("2026-06-01T00:10:00Z"), 3_600_000);
        assert_eq!(calendar.quiet_from(now, hour), Some(at("2026-06-01T01:00:00Z")));
        assert_eq!(calendar.quiet_from(now, 2 * hour), Some(at("2026-06-01T03:00:00Z")));
        assert_eq!(calendar.quiet_from(now, 23 * hour), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        assert_eq!(field(&cron("0 0 30 2 *", 1, "UTC")), "window.cron");
        assert_eq!(field(&cron("61 * * * *", 1, "UTC")), "window.cron");
        assert_eq!(field(&cron("0 0 * * *", 1, "Europe/Atlantis")), "window.zone");
        assert_eq!(field(&cron("0 0 * * *", 0, "UTC")), "window.duration_ms");
        assert_eq!(field(&cron("0 0 * * *", 24 * 40, "UTC")), "window.duration_ms");
        assert_eq!(
            field(&CalendarRule { duration_ms: 1, zone: "UTC".to_owned(), ..CalendarRule::default() }),
            "window.cron"
        );
        assert_eq!(field(&CalendarRule { cron: Some("0 0 * * *".to_owned()), ..weekly() }), "window.rrule");
        assert_eq!(field(&CalendarRule { starts_at: None, ..weekly() }), "window.starts_at");
        assert_eq!(field(&CalendarRule { rrule: Some("FREQ=SECONDLY".to_owned()), ..weekly() }), "window.rrule");
        assert_eq!(
            field(&CalendarRule { rrule: Some("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30".to_owned()), ..weekly() }),
            "window.rrule"
        );
        assert_eq!(field(&CalendarRule { except: vec!["2026-13-01".to_owned()], ..weekly() }), "window.except[0]");
        let past = CalendarRule { rrule: Some("FREQ=DAILY;COUNT=3".to_owned()), ..weekly() };
        assert_eq!(field(&past), "window.rrule");
    }
}
