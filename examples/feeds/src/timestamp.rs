//! One normal form for the feeds' dates and times: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, so that text order is time order.
//! It reads no clock.

use jiff::{SignedDuration, civil};

/// The normal form of a date or an RFC 3339 time; `None` for anything else.
///
/// A date is its midnight in UTC; fractions beyond the microsecond are cut off.
#[must_use]
pub fn normalise(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = (digits(date, 0, 4)?, digits(date, 5, 7)?, digits(date, 8, 10)?);
    if &date[4..5] != "-" || &date[7..8] != "-" || !(1..=2999).contains(&year) {
        return None;
    }
    let date = civil::Date::new(narrow(year)?, narrow(month)?, narrow(day)?).ok()?;
    if rest.is_empty() {
        return Some(written(date.at(0, 0, 0, 0), 0));
    }
    let (clock, rest) = rest.split_at_checked(9)?;
    if &clock[0..1] != "T" || &clock[3..4] != ":" || &clock[6..7] != ":" {
        return None;
    }
    let (hour, minute, second) = (digits(clock, 1, 3)?, digits(clock, 4, 6)?, digits(clock, 7, 9)?);
    let time = civil::Time::new(narrow(hour)?, narrow(minute)?, narrow(second)?, 0).ok()?;
    let (micros, zone) = fraction(rest)?;
    let utc = date.to_datetime(time).checked_sub(offset(zone)?).ok()?;
    (utc.year() >= 1).then(|| written(utc, micros))
}

fn written(at: civil::DateTime, micros: i32) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// The microseconds in front of the zone, and the zone.
fn fraction(rest: &str) -> Option<(i32, &str)> {
    let Some(after) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = after.bytes().position(|byte| !byte.is_ascii_digit())?;
    if !(1..=9).contains(&end) {
        return None;
    }
    let padded = format!("{:0<6}", &after[..end]);
    Some((digits(&padded, 0, 6)?, &after[end..]))
}

fn offset(zone: &str) -> Option<SignedDuration> {
    if zone == "Z" {
        return Some(SignedDuration::ZERO);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if zone.len() != 6 || zone.as_bytes()[3] != b':' {
        return None;
    }
    let (hours, minutes) = (digits(zone, 1, 3)?, digits(zone, 4, 6)?);
    (hours <= 23 && minutes <= 59).then(|| SignedDuration::from_mins(i64::from(sign * (hours * 60 + minutes))))
}

fn digits(text: &str, from: usize, to: usize) -> Option<i32> {
    let part = text.get(from..to)?;
    part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
}

fn narrow<T: TryFrom<i32>>(value: i32) -> Option<T> {
    T::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn dates_and_times_take_one_form() {
        for (text, normal) in [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("2022-08-31", "2022-08-31T00:00:00.000000Z"),
            ("2023-11-07T20:24:23Z", "2023-11-07T20:24:23.000000Z"),
            ("2023-11-07T20:24:23.5Z", "2023-11-07T20:24:23.500000Z"),
            ("2023-11-07T20:24:23.1234567Z", "2023-11-07T20:24:23.123456Z"),
            ("2023-01-01T00:30:00+01:00", "2022-12-31T23:30:00.000000Z"),
            ("2023-12-31T23:30:00.25-01:30", "2024-01-01T01:00:00.250000Z"),
        ] {
            assert_eq!(normalise(text).as_deref(), Some(normal), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2023",
            "2023-1-1",
            "2023-02-30",
            "2023-01-01T",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:60Z",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00.Z",
            "2023-01-01 00:00:00Z",
            "2023-01-01T00:00:00+0100",
            "3492-01-01",
            "0000-01-01",
            "0001-01-01T00:00:00+01:00",
            "2023-01-0é",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
