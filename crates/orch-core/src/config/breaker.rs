//! A declared breaker: what it governs, and when it opens and for how long.

use serde::{Deserialize, Serialize};

use super::{check_name, check_range};
use crate::limits;
use crate::refusal::{Code, Refusal};

/// When too many attempts fail, nothing more is handed out for a while; then one attempt, and then a few more each time.
///
/// It governs a job type, or all sources with a host: exactly one of the two is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Text for people.
    pub description: String,
    /// It opens when so many parts of a hundred of the outcomes in the window are failures…
    pub failures_percent: u32,
    /// The host: it governs the jobs of all sources of the tenant that name it.
    pub host: Option<String>,
    /// The job type: it governs its jobs.
    pub job_type: Option<String>,
    /// The name; unique in the tenant.
    pub name: String,
    /// It stays open for so long the first time.
    pub open_ms: u64,
    /// It never stays open for longer than this between two canaries.
    pub open_ms_max: u64,
    /// … and there are at least so many outcomes.
    pub outcomes_min: u32,
    /// The ramp is over when so many attempts may be under way.
    pub ramp_max: u32,
    /// The length of the window.
    pub window_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        let small = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
        Self {
            description: String::new(),
            failures_percent: small(limits::BREAKER_FAILURES_PERCENT_DEFAULT),
            host: None,
            job_type: None,
            name: String::new(),
            open_ms: limits::BREAKER_OPEN_MS_DEFAULT,
            open_ms_max: limits::BREAKER_OPEN_MS_MAX_DEFAULT,
            outcomes_min: small(limits::BREAKER_OUTCOMES_DEFAULT),
            ramp_max: small(limits::BREAKER_RAMP_DEFAULT),
            window_ms: limits::BREAKER_WINDOW_MS_DEFAULT,
        }
    }
}

impl Breaker {
    /// Checks each field against its limit, and that exactly one target is named.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        match (&self.job_type, &self.host) {
            (Some(job_type), None) => check_name("job_type", job_type)?,
            (None, Some(host)) => check_name("host", host)?,
            (None, None) => {
                let detail = "a breaker governs a job type or a host: name one of the two";
                return Err(Refusal::field(Code::InvalidField, "job_type", detail));
            }
            (Some(_), Some(_)) => {
                let detail = "a breaker governs a job type or a host, not both";
                return Err(Refusal::field(Code::InvalidField, "host", detail));
            }
        }
        check_range("failures_percent", u64::from(self.failures_percent), 1, 100)?;
        check_range("outcomes_min", u64::from(self.outcomes_min), 1, limits::BREAKER_OUTCOMES_MAX)?;
        check_range("open_ms", self.open_ms, 1, limits::BREAKER_MS_MAX)?;
        check_range("open_ms_max", self.open_ms_max, self.open_ms, limits::BREAKER_MS_MAX)?;
        check_range("ramp_max", u64::from(self.ramp_max), 1, limits::BREAKER_RAMP_MAX)?;
        check_range("window_ms", self.window_ms, limits::BREAKER_WINDOW_MS_MIN, limits::BREAKER_MS_MAX)
    }

    /// Do the two govern the same?
    #[must_use]
    pub fn same_target(&self, other: &Self) -> bool {
        (&self.job_type, &self.host) == (&other.job_type, &other.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_target_is_named() {
        let of = |job_type: Option<&str>, host: Option<&str>| Breaker {
            name: "b".to_owned(),
            job_type: job_type.map(str::to_owned),
            host: host.map(str::to_owned),
            ..Breaker::default()
        };
        assert_eq!(of(Some("t"), None).check(), Ok(()));
        assert_eq!(of(None, Some("h")).check(), Ok(()));
        let blamed = |doc: Breaker| doc.check().unwrap_err().field.unwrap();
        assert_eq!(blamed(of(None, None)), "job_type");
        assert_eq!(blamed(of(Some("t"), Some("h"))), "host");
        assert_eq!(blamed(Breaker { open_ms_max: 1, ..of(Some("t"), None) }), "open_ms_max");
    }
}
