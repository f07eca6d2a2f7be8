//! What a handler hands back when it did not succeed, and whether another try makes sense.

use std::fmt;
use std::time::Duration;

use crate::job::JobError;
use crate::worker::done::{Observation, ms};

/// Characters of a message that the server accepts.
const MESSAGE_CHARS_MAX: usize = 2_048;
/// Characters of a code or class that the server accepts.
const WORD_CHARS_MAX: usize = 128;

/// A failure of a handler. Any error turns into one by `?`: retryable, code `handler_error`, its chain as message.
///
/// It is no `std::error::Error` itself, as that would forbid exactly this.
#[derive(Debug)]
pub struct HandlerError(Box<Told>);

/// What is told of it.
#[derive(Debug)]
pub(crate) struct Told {
    pub error: JobError,
    pub canceled: bool,
    pub observation: Option<Observation>,
}

impl HandlerError {
    /// Another try makes sense.
    #[must_use]
    pub fn retryable(code: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::new("handler", code.into(), &message, true)
    }

    /// Another try makes no sense: the job becomes a dead letter.
    #[must_use]
    pub fn permanent(code: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::new("handler", code.into(), &message, false)
    }

    /// The upstream asked to come back later.
    #[must_use]
    pub fn throttled(host: impl Into<String>, retry_after: Duration) -> Self {
        let host = host.into();
        let message = format!("{host} asks to wait {} ms", retry_after.as_millis());
        let mut error = Self::new("upstream", "throttled".to_owned(), &message, true).http_status(429);
        error.0.error.retry_after_ms = Some(ms(retry_after));
        error.0.observation = Some(Observation::new(&host, 429, Duration::ZERO).retry_after(retry_after));
        error
    }

    /// The handler stopped because it was asked to.
    #[must_use]
    pub fn canceled() -> Self {
        let mut error = Self::new("handler", "canceled".to_owned(), &"stopped on request", false);
        error.0.canceled = true;
        error
    }

    fn new(class: &str, code: String, message: &dyn fmt::Display, retryable: bool) -> Self {
        let message = message.to_string();
        let error = JobError { class: Some(class.to_owned()), code, message, retryable, ..JobError::default() };
        Self(Box::new(Told { error, canceled: false, observation: None }))
    }

    /// The upstream's HTTP status, if one is to blame.
    #[must_use]
    pub fn http_status(mut self, status: u16) -> Self {
        self.0.error.http_status = Some(status);
        self
    }

    /// What kind of trouble, in one word: `upstream`, `parse`, …
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.0.error.class = Some(class.into());
        self
    }

    /// Not before so much later.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.0.error.retry_after_ms = Some(ms(pause));
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.error.code
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.error.message
    }

    /// Another try makes sense.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.error.retryable
    }

    /// What is told of it, in a form that the server accepts: an odd text must not cost the report.
    pub(crate) fn told(self) -> Told {
        let mut told = *self.0;
        told.error.code = word(&told.error.code);
        told.error.class = told.error.class.as_deref().map(word);
        told.error.message = told.error.message.chars().take(MESSAGE_CHARS_MAX).filter(|c| *c != '\0').collect();
        told
    }

    /// The handler panicked.
    pub(crate) fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::retryable("handler_panic", text.unwrap_or("the handler panicked"))
    }
}

/// A text that names something, as short as the server wants it.
fn word(text: &str) -> String {
    text.chars().take(WORD_CHARS_MAX).map(|c| if c.is_control() { '_' } else { c }).collect()
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.error.code, self.0.error.message)
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::retryable("handler_error", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_is_retryable_with_its_chain() {
        fn inner() -> anyhow::Result<()> {
            let cause: Result<u32, _> = "x".parse::<u32>();
            anyhow::Context::context(cause, "could not read the number")?;
            Ok(())
        }
        fn outer() -> Result<(), HandlerError> {
            inner()?;
            Ok(())
        }
        let error = outer().unwrap_err();
        assert_eq!(error.to_string(), "handler_error: could not read the number: invalid digit found in string");
        assert!(error.is_retryable());
    }

    #[test]
    fn odd_texts_are_told_in_a_form_that_is_accepted() {
        let error = HandlerError::permanent("a\nb".repeat(100), "x\0".repeat(5_000)).class("c\td").told().error;
        assert_eq!((error.code.len(), &error.code[..4], error.class.as_deref()), (128, "a_ba", Some("c_d")));
        assert_eq!(error.message.len(), 1_024);
    }

    #[test]
    fn a_throttle_carries_its_pause_and_is_observed() {
        let error = HandlerError::throttled("nvd.example", Duration::from_secs(3));
        assert_eq!((error.0.error.retry_after_ms, error.0.error.http_status), (Some(3_000), Some(429)));
        assert!(error.0.observation.is_some());
    }
}
