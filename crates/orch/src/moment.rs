//! Moments and durations as they are typed: RFC 3339, or `+10m` from now.

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

/// A duration such as `90s` or `5m`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration: SignedDuration = text.parse().map_err(|error| format!("no duration: {error}"))?;
    duration.try_into().map_err(|_| "a duration cannot be negative".to_owned())
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
    fn durations_are_seconds_unless_they_say_otherwise() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("-1s").is_err() && parse_duration("soon").is_err());
    }
}
