//! What the platform allots a tenant beside the others of its shard: its weight, and a strategy with what it needs.
//!
//! It is the platform's word and no declared document: a tenant cannot change it.

use serde::{Deserialize, Serialize};

use crate::config::check_range;
use crate::limits::{TENANT_PRIORITY_MAX, TENANT_WEIGHT_MAX};
use crate::refusal::{Code, Refusal};

/// The weight of a tenant for which nothing was set.
pub const WEIGHT_USUAL: u32 = 100;

/// How a tenant shares with the others. The words are those of the platform that the orchestrator serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// An equal share of what others do not use up: nothing is set.
    #[default]
    Unlimited,
    /// A share by weight.
    Proportional,
    /// Served before all of a lower priority.
    Priority,
    /// Served first while it has fewer attempts under way than are reserved for it.
    Reserved,
    /// Never more attempts under way than its most, whatever is idle.
    MaxLimit,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 5] = [Self::Unlimited, Self::Proportional, Self::Priority, Self::Reserved, Self::MaxLimit];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::Proportional => "proportional",
            Self::Priority => "priority",
            Self::Reserved => "reserved",
            Self::MaxLimit => "max_limit",
        }
    }
}

/// What a tenant is allotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allotment {
    /// With `max_limit`: attempts under way at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// With `priority`: the higher is served before the lower; those without one come last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// With `reserved`: attempts under way up to which it is served first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u32>,
    /// How it shares.
    pub strategy: Strategy,
    /// Its share beside others that wait, 1 to 1,000; the usual is 100.
    pub weight: u32,
}

impl Default for Allotment {
    fn default() -> Self {
        Self { active_max: None, priority: None, reserved: None, strategy: Strategy::Unlimited, weight: WEIGHT_USUAL }
    }
}

impl Allotment {
    /// A share by this weight.
    #[must_use]
    pub fn weighing(weight: u32) -> Self {
        Self { strategy: Strategy::Proportional, weight, ..Self::default() }
    }

    /// Checks each field against its limit, and that the strategy has what it needs and nothing else.
    ///
    /// # Errors
    /// A refusal that names the first field that is not acceptable.
    pub fn check(&self) -> Result<(), Refusal> {
        check_range("weight", u64::from(self.weight), 1, TENANT_WEIGHT_MAX)?;
        let needs = |strategy, field: &str, value: Option<u32>, max: u64| {
            let word = Strategy::as_str(strategy);
            match value {
                Some(_) if self.strategy != strategy => {
                    let detail = format!("`{field}` is of the strategy `{word}`, and this is `{}`", self.word());
                    Err(Refusal::field(Code::InvalidField, field, detail))
                }
                None if self.strategy == strategy => {
                    let detail = format!("the strategy `{word}` needs `{field}`");
                    Err(Refusal::field(Code::InvalidField, field, detail))
                }
                value => check_range(field, u64::from(value.unwrap_or(1)), 1, max),
            }
        };
        needs(Strategy::MaxLimit, "active_max", self.active_max, u64::from(u32::MAX))?;
        needs(Strategy::Priority, "priority", self.priority, TENANT_PRIORITY_MAX)?;
        needs(Strategy::Reserved, "reserved", self.reserved, u64::from(u32::MAX))?;
        if self.strategy == Strategy::Unlimited && self.weight != WEIGHT_USUAL {
            let detail = format!("with the strategy `unlimited` the weight is {WEIGHT_USUAL}");
            return Err(Refusal::field(Code::InvalidField, "weight", detail));
        }
        Ok(())
    }

    fn word(&self) -> &'static str {
        self.strategy.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(allotment: Allotment) -> String {
        allotment.check().expect_err("it is not acceptable").field.unwrap_or_default()
    }

    #[test]
    fn a_strategy_has_what_it_needs_and_nothing_else() {
        let of = |strategy| Allotment { strategy, ..Allotment::default() };
        assert_eq!(Allotment::default().check(), Ok(()));
        assert_eq!(Allotment::weighing(1_000).check(), Ok(()));
        assert_eq!(Allotment { priority: Some(3), ..of(Strategy::Priority) }.check(), Ok(()));
        assert_eq!(Allotment { reserved: Some(3), weight: 7, ..of(Strategy::Reserved) }.check(), Ok(()));
        assert_eq!(Allotment { active_max: Some(3), ..of(Strategy::MaxLimit) }.check(), Ok(()));
        assert_eq!(field_of(of(Strategy::Priority)), "priority");
        assert_eq!(field_of(of(Strategy::Reserved)), "reserved");
        assert_eq!(field_of(of(Strategy::MaxLimit)), "active_max");
        assert_eq!(field_of(Allotment { reserved: Some(1), ..of(Strategy::Proportional) }), "reserved");
        assert_eq!(field_of(Allotment { weight: 200, ..of(Strategy::Unlimited) }), "weight");
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(field_of(Allotment::weighing(0)), "weight");
        assert_eq!(field_of(Allotment::weighing(1_001)), "weight");
        let ranked = |priority| Allotment { strategy: Strategy::Priority, priority, ..Allotment::default() };
        assert_eq!(ranked(Some(100)).check(), Ok(()));
        assert_eq!(field_of(ranked(Some(101))), "priority");
        assert_eq!(field_of(ranked(Some(0))), "priority");
    }

    #[test]
    fn words_are_those_of_the_wire() {
        for strategy in Strategy::ALL {
            assert_eq!(serde_json::to_value(strategy).expect("a word"), strategy.as_str());
        }
    }
}
