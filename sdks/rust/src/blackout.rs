//! Windows of time in which work is held back. Calls are in `blackouts`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Windows of time in which nothing new is handed out of what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blackout {
    /// The name; unique in the tenant.
    pub name: String,
    /// Text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Holds work for sources of this host. What is given must fit all together; nothing given holds all work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Holds work for this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Holds work of this job type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// The windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// What becomes of attempts under way; the server takes `hold` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<BlackoutAction>,
    /// `drain` alone: so many milliseconds before a window nothing new is handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_ms: Option<u64>,
    /// The version that was read; `update` refuses to overwrite a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// What becomes of attempts under way when a window begins. Nothing new is handed out whatever it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlackoutAction {
    /// They go on.
    #[default]
    Hold,
    /// Nothing new is handed out for a while before it, so that they can end by then.
    Drain,
    /// They are asked to end, and their jobs are canceled.
    Cancel,
}

/// Windows of time that come again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calendar {
    /// Beginnings as a cron expression of five fields, or of six with seconds. This or `rrule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Beginnings as a recurrence rule of RFC 5545.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rrule: Option<String>,
    /// The first beginning of a recurrence rule, on the zone's wall clock: `2026-01-03T22:00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// How long each window lasts, in milliseconds.
    pub duration_ms: u64,
    /// The zone's name in the IANA database.
    pub zone: String,
    /// Days (`2026-12-24`) on which none begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// A window of a blackout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub begins_at: Timestamp,
    /// The moment after its last.
    pub ends_at: Timestamp,
    /// The first moment on the wall clock of the calendar's zone.
    #[serde(default)]
    pub begins_local: String,
    /// The moment after its last there.
    #[serde(default)]
    pub ends_local: String,
}

/// Which work a quiet time is wanted for, and how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuietQuery {
    /// Work for this source; without it, work for none.
    pub source: Option<String>,
    /// Work of this job type; without it, blackouts of one type do not count.
    pub job_type: Option<String>,
    /// So long; a moment when left out.
    pub duration_ms: Option<u64>,
    /// From then on; the server's now when left out.
    pub from: Option<Timestamp>,
}

/// The next time at which work is held by no blackout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// When it begins; `None`: it was not found among the next few hundred windows.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The blackouts that hold such work.
    #[serde(default)]
    pub blackouts: Vec<String>,
}

impl Blackout {
    /// A blackout of this name for all work of the tenant.
    #[must_use]
    pub fn new(name: &str, calendar: Calendar) -> Self {
        Self { name: name.to_owned(), calendar: Some(calendar), ..Self::default() }
    }
}
