//! Nominal instants around changes of clocks, on excepted days, of intervals; and what is refused.
//! Every zone is compared with another implementation in `tests/daylight.rs`.

use orch_core::limits;
use orch_core::schedule::Timetable as Table;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn cron(expression: &str, zone: &str, daylight: Daylight) -> Schedule {
    let timetable = Table { cron: Some(expression.into()), daylight, zone: zone.into(), ..Table::default() };
    Schedule { name: "s".into(), timetable, ..Schedule::default() }
}

fn every(ms: u64) -> Schedule {
    Schedule { timetable: Table { every_ms: Some(ms), ..Table::default() }, ..Schedule::default() }
}

fn next(doc: &Schedule, after: &str, count: usize) -> Vec<String> {
    let table = Timetable::read(doc).unwrap();
    table.next(at(after), count).into_iter().map(|instant| instant.local).collect()
}

fn field(doc: &Schedule) -> String {
    Timetable::declare(doc, at("2026-06-01T00:00:00Z")).unwrap_err().field.unwrap_or_default()
}

#[test]
fn a_time_that_is_skipped_comes_later_or_not() {
    // On 29 March 2026 clocks in Athens go from 03:00 to 04:00.
    let after = "2026-03-28T12:00:00Z";
    let half_past = |rule| cron("30 3 * * *", "Europe/Athens", rule);
    let shifted = ["2026-03-29T04:30:00+03:00", "2026-03-30T03:30:00+03:00"];
    assert_eq!(next(&half_past(Daylight::Once), after, 2), shifted);
    assert_eq!(next(&half_past(Daylight::Both), after, 2), shifted);
    assert_eq!(next(&half_past(Daylight::Skip), after, 1), ["2026-03-30T03:30:00+03:00"]);
    // Two times that come to the same instant are one.
    let quarters = cron("0,30 3,4 * * *", "Europe/Athens", Daylight::Once);
    assert_eq!(
        next(&quarters, after, 3),
        ["2026-03-29T04:00:00+03:00", "2026-03-29T04:30:00+03:00", "2026-03-30T03:00:00+03:00"]
    );
}

#[test]
fn a_time_that_is_shown_twice_counts_once_or_twice() {
    // On 25 October 2026 they show 03:00 to 04:00 twice.
    let after = "2026-10-24T12:00:00Z";
    let half_past = |rule| cron("30 3 * * *", "Europe/Athens", rule);
    let first = ["2026-10-25T03:30:00+03:00", "2026-10-26T03:30:00+02:00"];
    assert_eq!(next(&half_past(Daylight::Once), after, 2), first);
    assert_eq!(next(&half_past(Daylight::Skip), after, 2), first);
    let both = ["2026-10-25T03:30:00+03:00", "2026-10-25T03:30:00+02:00", "2026-10-26T03:30:00+02:00"];
    assert_eq!(next(&half_past(Daylight::Both), after, 3), both);
    let often = cron("*/20 * * * *", "Europe/Athens", Daylight::Once);
    assert_eq!(next(&often, "2026-10-25T00:39:00Z", 2), ["2026-10-25T03:40:00+03:00", "2026-10-25T04:00:00+02:00"]);
}

#[test]
fn half_an_hour_and_a_midnight_are_moved_too() {
    // Lord Howe moves by half an hour; in Cairo clocks go from midnight to one o'clock, so a day has no 00:30.
    let lord_howe = cron("15 2 * * *", "Australia/Lord_Howe", Daylight::Once);
    assert_eq!(next(&lord_howe, "2026-10-03T00:00:00Z", 1), ["2026-10-04T02:45:00+11:00"]);
    let cairo = |rule| cron("30 0 * * *", "Africa/Cairo", rule);
    assert_eq!(next(&cairo(Daylight::Once), "2026-04-23T12:00:00Z", 1), ["2026-04-24T01:30:00+03:00"]);
    assert_eq!(next(&cairo(Daylight::Skip), "2026-04-23T12:00:00Z", 1), ["2026-04-25T00:30:00+03:00"]);
}

#[test]
fn intervals_are_counted_from_a_moment_whatever_clocks_show() {
    let mut doc = every(6 * 3_600_000);
    assert_eq!(next(&doc, "2026-06-01T00:00:00Z", 2), ["2026-06-01T06:00:00+00:00", "2026-06-01T12:00:00+00:00"]);
    (doc.timetable.zone, doc.timetable.from) = ("Europe/Athens".into(), Some("2026-03-28T22:00:00".into()));
    assert_eq!(next(&doc, "2026-03-28T20:00:00Z", 2), ["2026-03-29T05:00:00+03:00", "2026-03-29T11:00:00+03:00"]);
    doc.timetable.except = vec!["2026-03-29".into()];
    assert_eq!(next(&doc, "2026-03-28T20:00:00Z", 1), ["2026-03-30T05:00:00+03:00"]);
}

#[test]
fn days_starts_and_ends_bound_it() {
    let mut doc = cron("0 6 * * *", "UTC", Daylight::Once);
    doc.timetable.except = vec!["2026-06-02".into()];
    doc.starts_at = Some(at("2026-06-01T06:00:00Z"));
    doc.ends_at = Some(at("2026-06-04T06:00:00Z"));
    assert_eq!(next(&doc, "2020-01-01T00:00:00Z", 9), ["2026-06-01T06:00:00+00:00", "2026-06-03T06:00:00+00:00"]);
}

#[test]
fn a_rule_of_working_days_is_a_recurrence() {
    let timetable = Table {
        rrule: Some("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1".into()),
        from: Some("2026-01-30T22:00:00".into()),
        zone: "Europe/Athens".into(),
        ..Table::default()
    };
    let doc = Schedule { timetable, ..Schedule::default() };
    assert_eq!(next(&doc, "2026-05-01T00:00:00Z", 2), ["2026-05-29T22:00:00+03:00", "2026-06-30T22:00:00+03:00"]);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let once = |expression| cron(expression, "UTC", Daylight::Once);
    assert_eq!(field(&once("0 0 30 2 *")), "timetable.cron");
    assert_eq!(field(&once("61 * * * *")), "timetable.cron");
    assert_eq!(field(&cron("0 0 * * *", "Europe/Atlantis", Daylight::Once)), "timetable.zone");
    assert_eq!(field(&Schedule::default()), "timetable.cron");
    assert_eq!(field(&every(999)), "timetable.every_ms");
    assert_eq!(field(&every(1_500)), "timetable.every_ms");
    assert_eq!(field(&every(EVERY_MS_MAX + 1_000)), "timetable.every_ms");
    let mut both = every(60_000);
    both.timetable.cron = Some("* * * * *".into());
    assert_eq!(field(&both), "timetable.every_ms");
    let mut dated = once("0 0 * * *");
    dated.timetable.from = Some("2026-01-30T22:00:00".into());
    assert_eq!(field(&dated), "timetable.from");
    let mut past = once("0 0 * * *");
    past.ends_at = Some(at("2026-06-01T00:00:00Z"));
    assert_eq!(field(&past), "timetable.cron");
    let mut day = once("0 0 * * *");
    day.timetable.except = vec!["2026-06-1".into()];
    assert_eq!(field(&day), "timetable.except[0]");
    let owes = |misfire| Schedule { misfire, ..once("* * * * * *") };
    assert_eq!(field(&owes(Misfire::FireAll)), "catch_up_ms");
    assert!(Timetable::declare(&owes(Misfire::FireLast), at("2026-06-01T00:00:00Z")).is_ok());
    let fits = Schedule { catch_up_ms: limits::CATCH_UP_FIRINGS_MAX * 1_000, ..owes(Misfire::FireAll) };
    assert!(Timetable::declare(&fits, at("2026-06-01T00:00:00Z")).is_ok());
}
