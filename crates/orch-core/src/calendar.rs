//! Times that come again, as they are declared. What a rule comes to is worked out by the gates.

use serde::{Deserialize, Serialize};

/// Windows of time that come again: a cron expression or a recurrence rule (RFC 5545), a length, a zone, and days that
/// are excepted.
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
