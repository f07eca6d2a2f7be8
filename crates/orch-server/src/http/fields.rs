//! Checks of single fields against their limits, and the collection of what they refuse.
//! What needs state or the time (does the job type exist, is the deadline ahead?) belongs to the engine.

use orch_core::{Code, Refusal};

use super::error::{FIELD_ERRORS_MAX, Problem};

/// What was refused so far.
#[derive(Debug, Default)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// Takes note of a failed check and gives its value, if it has one.
    pub fn note<T>(&mut self, checked: Result<T, Refusal>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.0.push(refusal);
                None
            }
        }
    }

    /// Takes over what a part refused, under the part's path.
    pub fn note_under(&mut self, path: impl FnOnce() -> String, part: Self) {
        if !part.0.is_empty() {
            let path = path();
            self.0.extend(part.0.into_iter().map(|refusal| refusal.under(&path)));
        }
    }

    /// True when more would not be shown.
    pub fn full(&self) -> bool {
        self.0.len() >= FIELD_ERRORS_MAX
    }

    /// The first refusal, for answers per item.
    pub fn into_first(self) -> Option<Refusal> {
        self.0.into_iter().next()
    }

    /// Nothing was refused, or a problem that names all of it.
    pub fn finish(self) -> Result<(), Problem> {
        Problem::fields(self.0).map_or(Ok(()), Err)
    }
}

/// Checks a text that names or describes: its length, and that it holds no control characters.
pub fn check_text(field: &str, text: &str, chars_max: u64) -> Result<(), Refusal> {
    check_chars(field, text, chars_max, |c| !c.is_control())
}

/// Checks a text that a program may have written: line breaks, tabs and escapes are fine, NUL is not
/// (databases refuse it).
pub fn check_message(field: &str, text: &str, chars_max: u64) -> Result<(), Refusal> {
    check_chars(field, text, chars_max, |c| c != '\0')
}

fn check_chars(field: &str, text: &str, chars_max: u64, fine: impl Fn(char) -> bool) -> Result<(), Refusal> {
    let chars = text.chars().count() as u64;
    if chars > chars_max {
        let detail = format!("`{field}` has {chars} characters; at most {chars_max} are allowed");
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    if text.chars().all(fine) {
        return Ok(());
    }
    Err(Refusal::field(Code::InvalidField, field, format!("`{field}` holds characters that are not allowed")))
}

/// Checks a text that must say something.
pub fn check_filled(field: &str, text: &str, chars_max: u64) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::field(Code::InvalidField, field, format!("`{field}` must not be empty")));
    }
    check_text(field, text, chars_max)
}

/// Checks a number of entries or bytes.
pub fn check_count(field: &str, count: usize, max: u64, what: &str) -> Result<(), Refusal> {
    if count as u64 <= max {
        return Ok(());
    }
    let detail = format!("`{field}` has {count} {what}; at most {max} are allowed");
    Err(Refusal::field(Code::LimitExceeded, field, detail))
}

/// Checks a number against its range.
pub fn check_range(field: &str, value: u64, min: u64, max: u64) -> Result<(), Refusal> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let detail = format!("`{field}` is {value}; it must lie between {min} and {max}");
    Err(Refusal::field(Code::LimitExceeded, field, detail))
}

/// Checks a SHA-256 in text: 64 lower-case hexadecimal digits.
pub fn check_sha256(field: &str, text: &str) -> Result<(), Refusal> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 64 && text.bytes().all(digit) {
        return Ok(());
    }
    Err(Refusal::field(Code::InvalidField, field, format!("`{field}` must be 64 lower-case hexadecimal digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_characters_and_control_characters_are_refused() {
        assert!(check_text("reason", &"ä".repeat(256), 256).is_ok());
        assert_eq!(check_text("reason", &"ä".repeat(257), 256).unwrap_err().code, Code::LimitExceeded);
        assert_eq!(check_text("reason", "a\u{0}b", 256).unwrap_err().code, Code::InvalidField);
        assert!(check_text("reason", "a\nb", 256).is_err());
        assert!(check_message("message", "a\n\u{1b}[1mb", 256).is_ok());
        assert!(check_message("message", "a\u{0}b", 256).is_err());
    }

    #[test]
    fn a_digest_has_64_lower_case_digits() {
        assert!(check_sha256("sha256", &"0a".repeat(32)).is_ok());
        for bad in ["", "0A", &"0A".repeat(32), &"0a".repeat(33), &"0g".repeat(32)] {
            assert!(check_sha256("sha256", bad).is_err(), "{bad}");
        }
    }
}
