//! A quota: how much of a tenant's work may be under way, begin in an hour, or wait.

use serde::{Deserialize, Serialize};

use crate::config::{check_name, check_range};
use crate::limits;
use crate::refusal::{Code, Refusal};
use crate::term::{LIMIT_MAX, Term};

/// An hour, the window of `per_hour_max`.
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// How much of the work that it covers may be under way, begin in an hour, or wait.
///
/// A quota that names neither a project nor a job type covers all work of its tenant. Its `active_max` is shared out
/// among the quotas that name one: first what is reserved, then by priority, then by weight; what one does not want
/// the others may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Attempts under way at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// Jobs that wait in their lanes; more are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog_max: Option<u64>,
    /// With it, attempts begin at the hourly rate, and so many may begin at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Text for people.
    pub description: String,
    /// It covers jobs of this type only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// The name; unique in the tenant.
    pub name: String,
    /// Attempts that begin in any hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour_max: Option<u32>,
    /// Of what the tenant may have under way, the higher is served before the lower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// It covers jobs of this project only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Of what the tenant may have under way, so many are kept for it while it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u32>,
    /// Of what is left, its part beside others of the same priority; 1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

impl Quota {
    /// Whether work of this type in this project counts.
    #[must_use]
    pub fn covers(&self, job_type: &str, project: &str) -> bool {
        self.job_type.as_deref().is_none_or(|name| name == job_type)
            && self.project.as_deref().is_none_or(|name| name == project)
    }

    /// It covers all work of its tenant.
    #[must_use]
    pub fn covers_all(&self) -> bool {
        self.job_type.is_none() && self.project.is_none()
    }

    /// What may begin in an hour, as a term.
    #[must_use]
    pub fn hourly(&self) -> Option<Term> {
        let limit = self.per_hour_max?;
        Some(Term { burst: self.burst, limit, window_ms: HOUR_MS })
    }

    /// Checks each field against its limit, and what they say together.
    ///
    /// # Errors
    /// A refusal that names the first field that is not acceptable.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        for (field, name) in [("job_type", &self.job_type), ("project", &self.project)] {
            name.as_deref().map_or(Ok(()), |name| check_name(field, name))?;
        }
        let number = |field: &str, value: Option<u32>, max: u32| {
            value.map_or(Ok(()), |value| check_range(field, u64::from(value), 1, u64::from(max)))
        };
        number("active_max", self.active_max, u32::MAX)?;
        number("per_hour_max", self.per_hour_max, LIMIT_MAX)?;
        number("weight", self.weight, u32::try_from(limits::WEIGHT_MAX).unwrap_or(u32::MAX))?;
        number("reserved", self.reserved, self.active_max.unwrap_or(u32::MAX))?;
        number("burst", self.burst, self.per_hour_max.unwrap_or(u32::MAX))?;
        self.backlog_max.map_or(Ok(()), |max| check_range("backlog_max", max, 1, limits::BACKLOG_MAX))?;
        let refused = |field: &str, detail: &str| Err(Refusal::field(Code::InvalidField, field, detail));
        if self.burst.is_some() && self.per_hour_max.is_none() {
            return refused("burst", "a burst is of what may begin in an hour: `per_hour_max` is not set");
        }
        let shares = [
            ("reserved", self.reserved.is_some()),
            ("priority", self.priority.is_some()),
            ("weight", self.weight.is_some()),
        ];
        match shares.iter().find(|(_, set)| *set) {
            Some((field, _)) if self.covers_all() => {
                refused(field, "a share is of what the whole tenant may have: name a project or a job type")
            }
            None if self.active_max.is_none() && self.per_hour_max.is_none() && self.backlog_max.is_none() => refused(
                "active_max",
                "a quota limits something: `active_max`, `per_hour_max` or `backlog_max`, or it has a share",
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Quota {
        Quota { name: "q".to_owned(), active_max: Some(3), job_type: Some("t".to_owned()), ..Quota::default() }
    }

    fn field_of(quota: Quota) -> String {
        quota.check().expect_err("it is not acceptable").field.unwrap_or_default()
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_field() {
        assert_eq!(quota().check(), Ok(()));
        assert_eq!(field_of(Quota { active_max: Some(0), ..quota() }), "active_max");
        assert_eq!(field_of(Quota { active_max: None, ..quota() }), "active_max");
        assert_eq!(field_of(Quota { burst: Some(1), ..quota() }), "burst");
        assert_eq!(field_of(Quota { burst: Some(9), per_hour_max: Some(8), ..quota() }), "burst");
        assert_eq!(field_of(Quota { reserved: Some(4), ..quota() }), "reserved");
        assert_eq!(field_of(Quota { weight: Some(2), job_type: None, ..quota() }), "weight");
        assert_eq!(field_of(Quota { backlog_max: Some(0), ..quota() }), "backlog_max");
    }

    #[test]
    fn it_covers_what_it_names() {
        assert!(quota().covers("t", "default") && !quota().covers("u", "default"));
        let of_project = Quota { project: Some("p".to_owned()), ..quota() };
        assert!(of_project.covers("t", "p") && !of_project.covers("t", "default"));
    }
}
