//! Times that come again: a cron expression or a recurrence rule (RFC 5545), a length, a zone, and days that are excepted.
//!
//! Rules are worked out on the wall clock, without a zone, and each moment is then put into the zone: one that a clock
//! skips comes when the clock has gone on, one that it shows twice comes the first time (RFC 5545, 3.3.5). So both kinds
//! of rules, and zones of one database alone, follow the same law.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use jiff::civil;
use jiff::tz::TimeZone;
use orch_core::Timestamp;
use orch_core::calendar::CalendarRule;
use orch_core::limits::{EXCEPT_MAX, WINDOW_DURATION_MS_MAX};
use orch_core::refusal::{Code, Refusal};

use crate::beginnings::{Beginnings, check_rule_chars, read_cron, read_days, read_recurrence};
use crate::zones;

/// A rule that does not come within so many years of a moment never comes.
const YEARS_MAX: i64 = 10;
/// Days on end that may be excepted, and beginnings that a zone's clock may hide.
const SKIPPED_MAX: u64 = EXCEPT_MAX + 8;

/// A rule that was read.
#[derive(Debug, Clone)]
pub struct Calendar {
    beginnings: Beginnings,
    duration_ms: u64,
    except: Vec<NaiveDate>,
    zone: TimeZone,
}

/// A window of time: from the first moment to the one after the last.
pub type Window = (Timestamp, Timestamp);

impl Calendar {
    /// Reads a rule; `path` names it in the document.
    ///
    /// # Errors
    /// A refusal that names the field that makes no sense.
    pub fn read(rule: &CalendarRule, path: &str) -> Result<Self, Refusal> {
        let refuse = |field: &str, why: String| Refusal::field(Code::InvalidField, format!("{path}.{field}"), why);
        let zone = zones::find(&rule.zone).ok_or_else(|| refuse("zone", zones::unknown(&rule.zone)))?;
        if !(1..=WINDOW_DURATION_MS_MAX).contains(&rule.duration_ms) {
            let why =
                format!("`duration_ms` is {}; it must lie between 1 and {WINDOW_DURATION_MS_MAX}", rule.duration_ms);
            return Err(Refusal::field(Code::LimitExceeded, format!("{path}.duration_ms"), why));
        }
        check_rule_chars(path, rule.cron.as_deref(), rule.rrule.as_deref())?;
        let except = read_days(path, &rule.except)?;
        let beginnings = match (&rule.cron, &rule.rrule) {
            (Some(cron), None) if rule.starts_at.is_none() => read_cron(cron).map_err(|why| refuse("cron", why))?,
            (Some(_), None) => return Err(refuse("starts_at", "a cron expression has no first beginning".to_owned())),
            (None, Some(text)) => {
                read_recurrence(text, rule.starts_at.as_deref()).map_err(|(field, why)| refuse(field, why))?
            }
            (Some(_), Some(_)) => return Err(refuse("rrule", "`cron` is given, too: only one of them".to_owned())),
            (None, None) => return Err(refuse("cron", "neither `cron` nor `rrule` is given".to_owned())),
        };
        Ok(Self { beginnings, duration_ms: rule.duration_ms, except, zone })
    }

    /// Reads a rule that somebody declares now: it must still come.
    ///
    /// # Errors
    /// A refusal that names the field that makes no sense, and a rule that never comes.
    pub fn declare(rule: &CalendarRule, path: &str, now: Timestamp) -> Result<Self, Refusal> {
        let calendar = Self::read(rule, path)?;
        if calendar.window_at(now).is_some() || calendar.next_after(now).is_some() {
            return Ok(calendar);
        }
        let field = if rule.cron.is_some() { "cron" } else { "rrule" };
        let why = format!("it does not come within {YEARS_MAX} years");
        Err(Refusal::field(Code::InvalidField, format!("{path}.{field}"), why))
    }

    /// The window that a moment lies in; of several, the one that ends last.
    #[must_use]
    pub fn window_at(&self, now: Timestamp) -> Option<Window> {
        self.last_begun(now, 0).filter(|(_, until)| now < *until)
    }

    /// The last window that began by this moment, unless it was over so many milliseconds ago.
    #[must_use]
    pub fn last_begun(&self, by: Timestamp, over_ms: u64) -> Option<Window> {
        // All windows have one length: who began last ends last.
        let back = i64::try_from(self.duration_ms.saturating_add(over_ms)).ok()?;
        let (before, after) = self.wall_clocks(by)?;
        let floor = before.checked_sub_signed(TimeDelta::milliseconds(back))?.checked_sub_days(Days::new(1))?;
        let (mut from, mut inclusive) = (after, true);
        for _ in 0..SKIPPED_MAX {
            let at = self.beginnings.last(from, inclusive, floor)?;
            (from, inclusive) = (at, false);
            if self.except.contains(&at.date()) {
                from = at.date().and_time(NaiveTime::MIN);
            } else if let Some((begins, ends)) = self.window(at).filter(|(begins, _)| *begins <= by) {
                return (ends.plus_ms(over_ms) > by).then_some((begins, ends));
            }
        }
        None
    }

    /// The first window that begins after a moment.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Window> {
        let (before, after) = self.wall_clocks(now)?;
        let end = after.checked_add_signed(TimeDelta::days(366 * YEARS_MAX))?;
        let (mut from, mut inclusive) = (before, true);
        let mut hidden = 0;
        while hidden < SKIPPED_MAX {
            let at = self.beginnings.first(from, inclusive, end)?;
            (from, inclusive) = (at, false);
            if self.except.contains(&at.date()) {
                (from, inclusive) = (at.date().checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN), true);
                hidden += 1;
            } else if let Some(found) = self.window(at).filter(|(begins, _)| *begins > now) {
                return Some(found);
            }
        }
        None
    }

    /// A moment on the zone's wall clock, as RFC 3339 has it.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        zones::local(&self.zone, at)
    }

    /// The earliest and the latest time that the wall clock showed around a moment: the same, but for the hours in
    /// which it skips some or shows them twice.
    fn wall_clocks(&self, at: Timestamp) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        let shown = naive(self.zone.to_datetime(at))?;
        let Some(turn) = self.zone.preceding(at).next() else { return Some((shown, shown)) };
        let moved = turn.offset().seconds() - self.zone.to_offset(turn.timestamp() - SECOND).seconds();
        if at.as_second() - turn.timestamp().as_second() > i64::from(moved.abs()) {
            return Some((shown, shown));
        }
        let turned = naive(self.zone.to_datetime(turn.timestamp() - SECOND))?;
        Some((shown.min(turned), shown.max(turned + TimeDelta::seconds(1))))
    }

    /// The window that begins at this time of the wall clock.
    fn window(&self, at: NaiveDateTime) -> Option<Window> {
        let civil: civil::DateTime = at.format("%Y-%m-%dT%H:%M:%S").to_string().parse().ok()?;
        let from = self.zone.to_ambiguous_zoned_datetime(civil).compatible().ok()?.timestamp().as_millisecond();
        let from = Timestamp::from_millis(from);
        Some((from, from.plus_ms(self.duration_ms)))
    }
}

const SECOND: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

fn naive(there: civil::DateTime) -> Option<NaiveDateTime> {
    let day = NaiveDate::from_ymd_opt(i32::from(there.year()), number(there.month()), number(there.day()))?;
    day.and_hms_opt(number(there.hour()), number(there.minute()), number(there.second()))
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

    fn declared(rule: &CalendarRule, now: Timestamp) -> Calendar {
        Calendar::declare(rule, "w", now).unwrap()
    }

    fn field(rule: &CalendarRule) -> String {
        Calendar::declare(rule, "window", at("2026-06-01T00:00:00Z")).unwrap_err().field.unwrap_or_default()
    }

    #[test]
    fn a_window_of_the_night_follows_the_zone() {
        let nightly = declared(&cron("0 22 * * *", 4, "Europe/Athens"), at("2026-06-01T00:00:00Z"));
        let summer = (at("2026-07-01T19:00:00Z"), at("2026-07-01T23:00:00Z"));
        assert_eq!(nightly.window_at(at("2026-07-01T20:00:00Z")), Some(summer));
        assert_eq!(nightly.window_at(at("2026-07-01T18:59:59Z")), None);
        assert_eq!(nightly.window_at(at("2026-07-01T23:00:00Z")), None);
        assert_eq!(nightly.next_after(at("2026-07-01T12:00:00Z")), Some(summer));
        assert_eq!(nightly.next_after(at("2026-12-01T12:00:00Z")).unwrap().0, at("2026-12-01T20:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_skips_comes_when_it_has_gone_on() {
        let early = declared(&cron("30 3 * * *", 1, "Europe/Athens"), at("2026-01-01T00:00:00Z"));
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
        let calendar = declared(&rule, at("2026-06-01T00:00:00Z"));
        assert_eq!(calendar.next_after(at("2026-06-01T00:00:00Z")).unwrap().0, at("2026-06-13T19:00:00Z"));
        assert!(calendar.window_at(at("2026-06-06T20:00:00Z")).is_none());
        assert!(calendar.window_at(at("2026-06-14T00:30:00Z")).is_some(), "over midnight");
        rule.rrule = Some("FREQ=WEEKLY;BYDAY=SA;UNTIL=20260613T235959".to_owned());
        let ends = declared(&rule, at("2026-06-01T00:00:00Z"));
        assert!(ends.next_after(at("2026-06-14T00:00:00Z")).is_none());
    }

    #[test]
    fn windows_that_come_every_few_seconds_are_found() {
        let rule = CalendarRule { cron: Some("*/7 * * * * *".to_owned()), duration_ms: 1_500, ..cron("", 0, "UTC") };
        let often = declared(&rule, at("2026-06-01T00:00:00Z"));
        let noon = at("2026-06-01T12:00:00Z");
        assert_eq!(often.window_at(noon.plus_ms(8_499)), Some((noon.plus_ms(7_000), noon.plus_ms(8_500))));
        assert_eq!(often.window_at(noon.plus_ms(8_500)), None);
        assert_eq!(often.next_after(noon.plus_ms(7_000)).unwrap().0, noon.plus_ms(14_000));
        assert_eq!(often.last_begun(noon.plus_ms(9_000), 501).unwrap().0, noon.plus_ms(7_000));
        assert_eq!(often.last_begun(noon.plus_ms(9_000), 500), None);
        let long = declared(&cron("* * * * *", 24 * 30, "UTC"), noon);
        assert_eq!(long.window_at(noon.plus_ms(61_000)).unwrap().0, noon.plus_ms(60_000));
    }

    #[test]
    fn days_that_are_excepted_are_passed_over() {
        let except = (1..=30).map(|day| format!("2026-06-{day:02}")).collect();
        let rule = CalendarRule { cron: Some("* * * * * *".to_owned()), except, ..cron("", 1, "UTC") };
        let calendar = declared(&rule, at("2026-05-01T00:00:00Z"));
        assert_eq!(calendar.next_after(at("2026-06-01T00:00:00Z")).unwrap().0, at("2026-07-01T00:00:00Z"));
        assert_eq!(calendar.window_at(at("2026-06-01T00:10:00Z")).unwrap().0, at("2026-05-31T23:59:59Z"));
        assert_eq!(calendar.window_at(at("2026-06-03T00:00:00Z")), None);
    }

    #[test]
    fn a_recurrence_that_began_long_ago_goes_on() {
        let rule = CalendarRule {
            rrule: Some("FREQ=HOURLY;INTERVAL=2".to_owned()),
            starts_at: Some("2019-01-01T00:00:00".to_owned()),
            duration_ms: 60_000,
            ..weekly()
        };
        let calendar = Calendar::read(&rule, "w").unwrap();
        assert!(calendar.window_at(at("2026-06-01T21:00:30Z")).is_some(), "midnight in Athens");
        assert_eq!(calendar.next_after(at("2026-06-01T21:00:30Z")).unwrap().0, at("2026-06-01T23:00:00Z"));
    }

    #[test]
    fn moments_are_shown_on_the_zones_wall_clock() {
        let calendar = Calendar::read(&weekly(), "w").unwrap();
        assert_eq!(calendar.local(at("2026-06-06T19:00:00Z")), "2026-06-06T22:00:00+03:00");
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
