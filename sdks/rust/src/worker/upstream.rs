//! What an upstream answered, read from its status and headers, for whatever HTTP client a handler uses.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Serialize;

/// What an upstream answered to a request of a handler. Tell the server with [`crate::JobContext::upstream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamAnswer {
    /// Its status.
    pub status: u16,
    /// It refused because there were too many requests.
    pub throttled: bool,
    /// It is to be asked again after so long, and not before.
    pub retry_after: Option<Duration>,
    /// So long ago the request left.
    pub sent_ago: Option<Duration>,
    /// It took so long to answer.
    pub latency: Option<Duration>,
}

impl UpstreamAnswer {
    /// Reads an answer: `header` gives the value of a header by its lower-case name, `now` is the moment of the answer.
    ///
    /// Known are `Retry-After` in seconds and as a date (RFC 9110, 10.2.3), `RateLimit` and `RateLimit-Reset` (IETF
    /// draft ratelimit-headers), and `X-RateLimit-Reset` in seconds from now or since 1970, as GitHub has it. A 403
    /// with one of them and nothing left is a refusal for too many requests; another 403 is not.
    #[must_use]
    pub fn read<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>, now: Timestamp) -> Self {
        let number = |name: &str| header(name).and_then(|text| text.trim().parse::<u64>().ok());
        let item = |name: &str| header("ratelimit").and_then(|text| parameter(text, name));
        let remaining = number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining")).or_else(|| item("r"));
        let reset = || {
            let reset = item("t").or_else(|| number("ratelimit-reset"));
            reset.or_else(|| number("x-ratelimit-reset").map(|at| from_now(at, now))).map(Duration::from_secs)
        };
        let asked = header("retry-after").and_then(|text| retry_after(text, now));
        let spent = remaining == Some(0);
        let retry_after = asked.or_else(|| if spent { reset() } else { None });
        let throttled = matches!(status, 429 | 503) || (status == 403 && (asked.is_some() || spent));
        Self { status, throttled, retry_after, sent_ago: None, latency: None }
    }

    /// The request left so long ago.
    #[must_use]
    pub fn sent_ago(self, ago: Duration) -> Self {
        Self { sent_ago: Some(ago), ..self }
    }

    /// It took so long to answer. Buckets learn how long is usual, and what is much slower cuts them as a refusal does.
    ///
    /// An answer that says this is sent, each time: where there are many, [`crate::Done::observation`] costs no call.
    #[must_use]
    pub fn took(self, latency: Duration) -> Self {
        Self { latency: Some(latency), sent_ago: self.sent_ago.or(Some(latency)), ..self }
    }

    /// There is something that the server should know.
    #[must_use]
    pub fn says_something(&self) -> bool {
        self.throttled || self.retry_after.is_some() || self.latency.is_some()
    }
}

/// As it is sent.
#[derive(Debug, Serialize)]
pub struct UpstreamIn<'a> {
    pub token: &'a str,
    pub status: u16,
    pub throttled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_ms_ago: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
}

/// Seconds, or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// A parameter of a structured field's items, such as `t` in `"default";r=0;t=30`; of several items the largest.
fn parameter(text: &str, name: &str) -> Option<u64> {
    let value = |part: &str| part.trim().strip_prefix(name)?.strip_prefix('=')?.trim().parse::<u64>().ok();
    text.split([';', ',']).filter_map(value).max()
}

/// Seconds from now, of seconds from now or since 1970.
fn from_now(seconds: u64, now: Timestamp) -> u64 {
    const SINCE_1970: u64 = 1_000_000_000;
    if seconds < SINCE_1970 { seconds } else { seconds.saturating_sub(u64::try_from(now.as_second()).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, headers: &[(&str, &'static str)]) -> UpstreamAnswer {
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        UpstreamAnswer::read(status, find, now)
    }

    #[test]
    fn refusals_say_when_to_come_again() {
        let after = |status, headers| read(status, headers).retry_after.map(|after| after.as_secs());
        assert_eq!(after(429, &[("retry-after", "30")]), Some(30));
        assert_eq!(after(503, &[("retry-after", "Thu, 15 Jan 2026 12:01:00 GMT")]), Some(60));
        assert_eq!(after(503, &[("retry-after", "Thu, 15 Jan 2026 11:00:00 GMT")]), Some(0), "it is over");
        assert_eq!(after(429, &[("ratelimit", "\"default\";r=0;t=12")]), Some(12));
        assert_eq!(after(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1768478430")]), Some(30));
        assert_eq!(after(429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "7")]), Some(7));
        assert_eq!(after(429, &[("retry-after", "soon")]), None);
    }

    #[test]
    fn a_403_is_a_throttle_only_with_its_signature() {
        assert!(!read(403, &[]).throttled);
        assert!(!read(403, &[("x-ratelimit-remaining", "12")]).throttled);
        assert!(read(403, &[("x-ratelimit-remaining", "0")]).throttled);
        assert!(read(403, &[("retry-after", "1")]).throttled);
        assert!(read(429, &[]).throttled && read(503, &[]).throttled);
        assert!(!read(200, &[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "60")]).says_something());
        assert!(read(200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")]).says_something());
    }

    #[test]
    fn how_long_an_answer_took_is_worth_telling() {
        let answer = read(200, &[]).took(Duration::from_millis(80));
        assert!(answer.says_something());
        assert_eq!(
            (answer.latency, answer.sent_ago),
            (Some(Duration::from_millis(80)), Some(Duration::from_millis(80)))
        );
    }
}
