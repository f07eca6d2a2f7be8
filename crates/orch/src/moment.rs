//! Moments and durations as they are typed: RFC 3339, or `+10m` from now; as the wire has them, and as people read them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A moment: RFC 3339, or `+` and a duration from now.
pub fn parse_moment(text: &str) -> Result<Timestamp, String> {
    match text.strip_prefix('+') {
        Some(duration) => {
            let duration: SignedDuration = duration.parse().map_err(|error| format!("no duration: {error}"))?;
            Timestamp::now().checked_add(duration).map_err(|error| error.to_string())
        }
        None => text.parse().map_err(|error| format!("neither RFC 3339 nor +DURATION: {error}")),
    }
}

/// A moment as `parse_moment` has it, or the beginning of a day in UTC.
pub fn parse_day(text: &str) -> Result<Timestamp, String> {
    format!("{text}T00:00:00Z").parse().or_else(|_| parse_moment(text))
}

/// A duration such as `90s`, `5m` or `1d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(Duration::from_secs(u64::from(days) * 86_400));
    }
    let duration: SignedDuration = text.parse().map_err(|error| format!("no duration: {error}"))?;
    duration.try_into().map_err(|_| "a duration cannot be negative".to_owned())
}

/// As the wire has it.
pub fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// This moment.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// So many milliseconds as people read them, in the two largest units that they have.
pub fn length(ms: u64) -> String {
    let seconds = ms / 1_000;
    let of = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        let (whole, rest) = (seconds / large, seconds % large / small);
        if rest == 0 { format!("{whole}{large_unit}") } else { format!("{whole}{large_unit} {rest}{small_unit}") }
    };
    match seconds {
        0 => format!("{ms}ms"),
        1..60 if ms % 1_000 < 100 => format!("{seconds}s"),
        1..60 => format!("{seconds}.{}s", ms % 1_000 / 100),
        60..3_600 => of(60, "m", 1, "s"),
        3_600..86_400 => of(3_600, "h", 60, "m"),
        _ => of(86_400, "d", 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_ahead() {
        assert_eq!(parse_moment("2026-01-02T03:04:05+01:00").unwrap().to_string(), "2026-01-02T02:04:05Z");
        let ahead = parse_moment("+10m").unwrap().duration_since(Timestamp::now());
        assert!((590..=600).contains(&ahead.as_secs()), "{ahead}");
        assert!(parse_moment("tomorrow").is_err() && parse_moment("+x").is_err());
    }

    #[test]
    fn a_day_begins_in_utc() {
        assert_eq!(parse_day("2026-01-02").unwrap().to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(parse_day("2026-01-02T03:04:05+01:00").unwrap().to_string(), "2026-01-02T02:04:05Z");
        assert!(parse_day("2026-01").is_err() && parse_day("2026-01-02T03:04:05").is_err());
    }

    #[test]
    fn lengths_are_read_by_people() {
        for (ms, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_990, "1.9s"),
            (60_000, "1m"),
            (61_500, "1m 1s"),
            (3_660_000, "1h 1m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(length(ms), text);
        }
    }

    #[test]
    fn durations_are_seconds_unless_they_say_otherwise() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1d"), Ok(Duration::from_secs(86_400)));
        assert!(parse_duration("-1s").is_err() && parse_duration("soon").is_err());
    }
}
