//! Who may close a host, for whom, and for how long.
//!
//! A report says "come again later". One tenant's holds for itself: it may be its own credential that is refused, and it
//! must not be able to shut others out. It holds for all when a worker of the platform says so, or when two tenants do;
//! then for as long as the two agree on, and never for longer than a quarter of an hour a report.

use std::collections::BTreeMap;

use orch_core::Timestamp;
use orch_core::ids::TenantNo;
use serde::{Deserialize, Serialize};

use crate::mutant::{self, Mutant};

/// The longest closure for all that one report brings.
pub const CLOSED_ALL_MS_MAX: u64 = 15 * 60 * 1_000;
/// The longest closure for the tenant that reports.
pub const CLOSED_OWN_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// What a report brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Until when it is closed for the tenant that reported; `None` for the platform's.
    pub own: Option<Timestamp>,
    /// Until when it is closed for all.
    pub all: Option<Timestamp>,
}

/// What tenants have said of a host. `Default`: nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reports {
    /// Until when each says that it is closed; only what lasts.
    said: BTreeMap<TenantNo, Timestamp>,
}

impl Reports {
    /// A report that the host is closed until then. `TenantNo::SYSTEM` is the platform.
    pub fn report(&mut self, by: TenantNo, until: Timestamp, now: Timestamp) -> Closing {
        let for_all = until.min(now.plus_ms(CLOSED_ALL_MS_MAX));
        if by == TenantNo::SYSTEM {
            return Closing { own: None, all: (for_all > now).then_some(for_all) };
        }
        self.said.retain(|_, until| *until > now);
        let own = until.min(now.plus_ms(CLOSED_OWN_MS_MAX));
        if own <= now {
            return Closing { own: None, all: None };
        }
        let others = self.said.iter().filter(|(tenant, _)| **tenant != by).map(|(_, until)| *until).max();
        let said = self.said.entry(by).or_insert(own);
        *said = own.max(*said);
        let agreed = if mutant::on(Mutant::OneTenantCloses) { Some(own) } else { others.map(|other| other.min(own)) };
        Closing { own: Some(own), all: agreed.map(|agreed| agreed.min(for_all)) }
    }

    /// Until when it is closed for this tenant by its own reports.
    #[must_use]
    pub fn closed_for(&self, tenant: TenantNo, now: Timestamp) -> Option<Timestamp> {
        self.said.get(&tenant).copied().filter(|until| *until > now)
    }

    /// An operator opens the host: nothing that was said before counts.
    pub fn reset(&mut self) {
        self.said.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: u64 = 365 * CLOSED_OWN_MS_MAX;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000).plus_ms(ms)
    }

    #[test]
    fn one_tenant_closes_nothing_for_others() {
        let mut reports = Reports::default();
        let closing = reports.report(TenantNo(7), at(YEAR_MS), at(0));
        assert_eq!(closing, Closing { own: Some(at(CLOSED_OWN_MS_MAX)), all: None });
        let again = reports.report(TenantNo(7), at(YEAR_MS), at(1));
        assert_eq!(again.all, None, "the same tenant twice is one");
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn the_planted_bug_breaks_that_rule() {
        mutant::plant(Some(Mutant::OneTenantCloses));
        let closing = Reports::default().report(TenantNo(7), at(YEAR_MS), at(0));
        mutant::plant(None);
        assert!(closing.all.is_some());
    }

    #[test]
    fn two_tenants_close_it_for_as_long_as_both_say() {
        let mut reports = Reports::default();
        reports.report(TenantNo(7), at(YEAR_MS), at(0));
        let closing = reports.report(TenantNo(8), at(30_000), at(10));
        assert_eq!(closing, Closing { own: Some(at(30_000)), all: Some(at(30_000)) });
        let longer = reports.report(TenantNo(9), at(YEAR_MS), at(20));
        assert_eq!(longer.all, Some(at(20 + CLOSED_ALL_MS_MAX)));
    }

    #[test]
    fn what_is_over_does_not_count() {
        let mut reports = Reports::default();
        reports.report(TenantNo(7), at(1_000), at(0));
        assert_eq!(reports.report(TenantNo(8), at(5_000), at(2_000)).all, None);
        assert_eq!(reports.report(TenantNo(9), at(1_000), at(2_000)), Closing { own: None, all: None });
    }

    #[test]
    fn the_platform_closes_it_for_a_quarter_of_an_hour() {
        let closing = Reports::default().report(TenantNo::SYSTEM, at(YEAR_MS), at(0));
        assert_eq!(closing, Closing { own: None, all: Some(at(CLOSED_ALL_MS_MAX)) });
    }
}
