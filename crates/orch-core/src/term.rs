//! What an upstream allows, as it says it: so many requests in a window, or a rate with a burst.

use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// The longest window: a day. Longer terms are kept by hand.
pub const WINDOW_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The largest number of requests in a window that is kept exactly, entry by entry.
pub const LIMIT_MAX: u32 = 100_000;
/// The guard is so many parts of a thousand of the window…
const GUARD_PERMILLE: u64 = 30;
/// … and at least so long: what a request's way to the upstream may take longer than another's.
pub const GUARD_MS_MIN: u64 = 20;

/// One sentence of an upstream's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// With a burst, requests come at a rate of `limit` in `window_ms`, and so many may come at once. Without one, any
    /// window of this length holds at most `limit`, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Requests.
    pub limit: u32,
    /// The window's length in milliseconds.
    pub window_ms: u64,
}

impl Term {
    /// So many in any window of this length.
    #[must_use]
    pub const fn window(limit: u32, window_ms: u64) -> Self {
        Self { burst: None, limit, window_ms }
    }

    /// A rate with a burst.
    #[must_use]
    pub const fn pace(limit: u32, window_ms: u64, burst: u32) -> Self {
        Self { burst: Some(burst), limit, window_ms }
    }

    /// The window with its guard: 3 % and at least 20 ms longer than the upstream's. A grant says when its request may
    /// leave at the earliest, and the upstream counts it when it arrives: two requests that were granted a window apart
    /// may arrive closer together than that.
    #[must_use]
    pub fn guarded_ms(&self) -> u64 {
        self.window_ms + (self.window_ms * GUARD_PERMILLE / 1_000).max(GUARD_MS_MIN)
    }

    /// The largest cost that can ever be admitted at once.
    #[must_use]
    pub fn cost_max(&self) -> u32 {
        self.burst.unwrap_or(self.limit)
    }

    /// Checks each field against its limit; `path` names the term in the document.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self, path: &str) -> Result<(), Refusal> {
        let range = |field: &str, value: u64, max: u64| {
            if (1..=max).contains(&value) {
                return Ok(());
            }
            let field = format!("{path}.{field}");
            let detail = format!("`{field}` is {value}; it must lie between 1 and {max}");
            Err(Refusal::field(Code::LimitExceeded, field, detail))
        };
        range("limit", u64::from(self.limit), u64::from(LIMIT_MAX))?;
        range("window_ms", self.window_ms, WINDOW_MS_MAX)?;
        match self.burst {
            Some(burst) => range("burst", u64::from(burst), u64::from(self.limit)),
            None => Ok(()),
        }
    }
}

/// Why less than the terms is used of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutCause {
    /// It answered with this status: 429, 503, or 403 with the signature of a throttle.
    Status(u16),
    /// It answers more slowly than it used to.
    Latency,
}

/// How slow an upstream was when that cut what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// What its answers usually took, in milliseconds.
    pub baseline_ms: u64,
    /// What they took at last.
    pub latency_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_three_percent_and_at_least_twenty_milliseconds() {
        assert_eq!(Term::window(5, 30_000).guarded_ms(), 30_900);
        assert_eq!(Term::window(5, 100).guarded_ms(), 120);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let field = |term: Term| term.check("terms[0]").unwrap_err().field.unwrap_or_default();
        assert_eq!(field(Term::window(0, 1_000)), "terms[0].limit");
        assert_eq!(field(Term::window(1, 0)), "terms[0].window_ms");
        assert_eq!(field(Term::pace(10, 1_000, 0)), "terms[0].burst");
        assert_eq!(field(Term::pace(10, 1_000, 11)), "terms[0].burst");
        assert!(Term::pace(10, 1_000, 10).check("terms[0]").is_ok());
    }
}
