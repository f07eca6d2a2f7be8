//! Blackouts: windows of time in which work is held back.

use serde::{Deserialize, Serialize};

use crate::calendar::CalendarRule;
use crate::config::check_name;
use crate::limits;
use crate::refusal::{Code, Refusal};

/// What the API asks of all blackouts stands where their names do.
const RESERVED: &str = "next-quiet";

/// Windows of time in which nothing new is handed out of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Blackout {
    /// What becomes of attempts under way.
    pub action: BlackoutAction,
    /// The windows.
    pub calendar: CalendarRule,
    /// Text for people.
    pub description: String,
    /// Holds work for sources of this host. What is given must fit all together; nothing given holds all work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Holds work of this job type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// `drain`: so long before a window nothing new is handed out.
    #[serde(skip_serializing_if = "is_zero")]
    pub lead_ms: u64,
    /// The name; unique in the tenant.
    pub name: String,
    /// Holds work for this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What becomes of attempts under way when a window begins. Nothing new is handed out whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum BlackoutAction {
    /// They go on.
    #[default]
    Hold,
    /// Nothing new is handed out for a while before it, so that they can end by then.
    Drain,
    /// They are asked to end, and their jobs are canceled.
    Cancel,
}

impl BlackoutAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Drain, Self::Cancel];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Drain => "drain",
            Self::Cancel => "cancel",
        }
    }
}

impl Blackout {
    /// It may hold work for this source and host; of a job type that is not known it may, whatever that is.
    #[must_use]
    pub fn concerns(&self, source: &str, host: Option<&str>, job_type: Option<&str>) -> bool {
        let of_source = self.source.as_deref().is_none_or(|own| own == source);
        let of_host = self.host.as_deref().is_none_or(|own| host == Some(own));
        let of_type = job_type.is_none_or(|name| self.job_type.as_deref().is_none_or(|own| own == name));
        of_source && of_host && of_type
    }

    /// Does it hold work of this job type, for this source, which has this host?
    #[must_use]
    pub fn holds(&self, job_type: Option<&str>, source: Option<&str>, host: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        fits(&self.job_type, job_type) && fits(&self.source, source) && fits(&self.host, host)
    }

    /// Checks each field but the calendar, which the gates read.
    ///
    /// # Errors
    /// A refusal that names the first field out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        check_name("name", &self.name)?;
        if self.name == RESERVED {
            let detail = format!("`{RESERVED}` is a question about blackouts, and no name of one");
            return Err(Refusal::field(Code::InvalidField, "name", detail));
        }
        for (field, name) in [("host", &self.host), ("job_type", &self.job_type), ("source", &self.source)] {
            name.iter().try_for_each(|name| check_name(field, name))?;
        }
        if self.lead_ms > limits::LEAD_MS_MAX {
            let detail = format!("`lead_ms` is {}; it must be at most {}", self.lead_ms, limits::LEAD_MS_MAX);
            return Err(Refusal::field(Code::LimitExceeded, "lead_ms", detail));
        }
        if self.lead_ms > 0 && self.action != BlackoutAction::Drain {
            let detail = format!("only `drain` has a lead, and this is `{}`", self.action.as_str());
            return Err(Refusal::field(Code::InvalidField, "lead_ms", detail));
        }
        Ok(())
    }
}

// The form that `skip_serializing_if` wants.
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Blackout {
        Blackout { name: name.to_owned(), ..Blackout::default() }
    }

    #[test]
    fn what_is_given_must_fit_all_together() {
        let text = |text: &str| Some(text.to_owned());
        let all = named("all");
        assert!(all.holds(Some("fetch"), None, None) && all.holds(None, None, None));
        let both = Blackout { host: text("h"), job_type: text("fetch"), ..named("both") };
        assert!(both.holds(Some("fetch"), Some("s"), Some("h")));
        assert!(!both.holds(Some("fetch"), Some("s"), None));
        assert!(!both.holds(Some("merge"), Some("s"), Some("h")));
        assert!(!Blackout { source: text("s"), ..named("one") }.holds(Some("fetch"), None, None));
    }

    #[test]
    fn a_lead_belongs_to_a_drain() {
        let field = |blackout: Blackout| blackout.check().unwrap_err().field.unwrap_or_default();
        assert_eq!(field(Blackout { lead_ms: 1, ..named("b") }), "lead_ms");
        let drain = Blackout { action: BlackoutAction::Drain, lead_ms: limits::LEAD_MS_MAX, ..named("b") };
        assert!(drain.check().is_ok());
        assert_eq!(field(Blackout { lead_ms: limits::LEAD_MS_MAX + 1, ..drain }), "lead_ms");
        assert_eq!(field(named("next-quiet")), "name");
        assert_eq!(field(Blackout { host: Some(String::new()), ..named("b") }), "host");
    }
}
