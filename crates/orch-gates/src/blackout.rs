//! When a blackout holds: in the windows of its calendar, and for a drain some time before each.

use orch_core::Timestamp;
use orch_core::blackout::{self, BlackoutAction};
use orch_core::refusal::Refusal;

use crate::calendar::{Calendar, Window};

/// Windows that one question may meet.
const LOOKED_MAX: u32 = 400;

/// A blackout whose calendar was read.
#[derive(Debug, Clone)]
pub struct Blackout {
    calendar: Calendar,
    lead_ms: u64,
}

impl Blackout {
    /// Reads a document.
    ///
    /// # Errors
    /// A refusal that names the field of the calendar that makes no sense.
    pub fn read(doc: &blackout::Blackout) -> Result<Self, Refusal> {
        Ok(Self::new(Calendar::read(&doc.calendar, "calendar")?, doc))
    }

    /// Reads a document that somebody declares now.
    ///
    /// # Errors
    /// As `read`, and a calendar that never comes.
    pub fn declare(doc: &blackout::Blackout, now: Timestamp) -> Result<Self, Refusal> {
        Ok(Self::new(Calendar::declare(&doc.calendar, "calendar", now)?, doc))
    }

    fn new(calendar: Calendar, doc: &blackout::Blackout) -> Self {
        let lead_ms = if doc.action == BlackoutAction::Drain { doc.lead_ms } else { 0 };
        Self { calendar, lead_ms }
    }

    /// Its calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Since when and until when it holds, if it does at this moment.
    #[must_use]
    pub fn span_at(&self, now: Timestamp) -> Option<Window> {
        let last = self.calendar.last_begun(now.plus_ms(self.lead_ms), self.lead_ms);
        last.filter(|(_, until)| now < *until).map(|window| self.led(window))
    }

    /// The first time that it begins to hold after a moment at which it does not.
    #[must_use]
    pub fn next_span(&self, now: Timestamp) -> Option<Window> {
        self.calendar.next_after(now.plus_ms(self.lead_ms)).map(|window| self.led(window))
    }

    fn led(&self, (from, until): Window) -> Window {
        (Timestamp::from_millis(from.millis().saturating_sub_unsigned(self.lead_ms)), until)
    }
}

/// When none of them holds any more, windows that adjoin each other included; `None`: not within those that are looked
/// at.
#[must_use]
pub fn opens_at(all: &[&Blackout], now: Timestamp) -> Option<Timestamp> {
    quiet_from(all, now, 0)
}

/// When a time of this length begins, at the earliest, in which none of them holds; `None`: not within those windows
/// that are looked at.
#[must_use]
pub fn quiet_from(all: &[&Blackout], now: Timestamp, length_ms: u64) -> Option<Timestamp> {
    let mut from = now;
    for _ in 0..LOOKED_MAX {
        let held = all.iter().filter_map(|one| one.span_at(from)).map(|(_, until)| until).max();
        let soon = || {
            let next = all.iter().filter_map(|one| one.next_span(from));
            next.filter(|(begins, _)| *begins < from.plus_ms(length_ms)).map(|(_, until)| until).max()
        };
        match held.or_else(|| if length_ms > 0 { soon() } else { None }) {
            Some(until) => from = until,
            None => return Some(from),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_core::calendar::CalendarRule;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn blackout(cron: &str, minutes: u64, lead_minutes: u64) -> Blackout {
        let (cron, zone) = (Some(cron.to_owned()), "UTC".to_owned());
        let calendar = CalendarRule { cron, duration_ms: minutes * 60_000, zone, ..CalendarRule::default() };
        let (action, lead_ms) = (BlackoutAction::Drain, lead_minutes * 60_000);
        let doc = blackout::Blackout { action, calendar, lead_ms, ..blackout::Blackout::default() };
        Blackout::declare(&doc, at("2026-06-01T00:00:00Z")).unwrap()
    }

    #[test]
    fn a_drain_holds_before_its_window_and_to_its_end() {
        let nightly = blackout("0 2 * * *", 60, 30);
        let span = (at("2026-06-02T01:30:00Z"), at("2026-06-02T03:00:00Z"));
        assert_eq!(nightly.span_at(at("2026-06-02T01:29:59Z")), None);
        for inside in ["2026-06-02T01:30:00Z", "2026-06-02T02:00:00Z", "2026-06-02T02:59:59Z"] {
            assert_eq!(nightly.span_at(at(inside)), Some(span), "{inside}");
        }
        assert_eq!(nightly.span_at(span.1), None);
        assert_eq!(nightly.next_span(at("2026-06-02T01:00:00Z")), Some(span));
    }

    #[test]
    fn windows_that_adjoin_each_other_are_one_wait() {
        let (one, two) = (blackout("0 2 * * *", 60, 0), blackout("0 3 * * *", 30, 0));
        let now = at("2026-06-02T02:10:00Z");
        assert_eq!(opens_at(&[&one], now), Some(at("2026-06-02T03:00:00Z")));
        assert_eq!(opens_at(&[&two, &one], now), Some(at("2026-06-02T03:30:00Z")));
        assert_eq!(opens_at(&[], now), Some(now));
        assert_eq!(opens_at(&[&blackout("0 * * * *", 61, 0)], now), None, "it never opens");
    }

    #[test]
    fn the_next_quiet_time_is_found() {
        let all = blackout("0 0,2 * * *", 60, 0);
        let (now, hour) = (at("2026-06-01T00:10:00Z"), 3_600_000);
        assert_eq!(quiet_from(&[&all], now, hour), Some(at("2026-06-01T01:00:00Z")));
        assert_eq!(quiet_from(&[&all], now, 2 * hour), Some(at("2026-06-01T03:00:00Z")));
        assert_eq!(quiet_from(&[&all], now, 23 * hour), None);
        let more = blackout("30 4 * * *", 5, 0);
        assert_eq!(quiet_from(&[&all, &more], now, 2 * hour), Some(at("2026-06-01T04:35:00Z")));
    }
}
