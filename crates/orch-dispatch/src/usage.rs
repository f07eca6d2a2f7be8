//! What tenants have used lately, to tell who asks for little from who asks for much.
//!
//! A commit of thousands of facts takes as long as twenty calls of one: whoever asks for little must not wait for it.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::ids::TenantNo;
use orch_core::limits;
use orch_core::time::Timestamp;

/// Facts by tenant, in the current period and in the last one.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    since: Timestamp,
    current: Period,
    last: Period,
    /// When one who asks for little was served while another asks for much.
    light_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Period {
    of: BTreeMap<TenantNo, u64>,
    most: u64,
}

impl Usage {
    /// Notes how many facts came of serving a tenant.
    pub fn add(&mut self, tenant: TenantNo, facts: u64, now: Timestamp) {
        if facts == 0 {
            return;
        }
        let passed = now.ms_since(self.since);
        if passed >= limits::USAGE_PERIOD_MS {
            self.since = now;
            self.last = std::mem::take(&mut self.current);
            if passed >= 2 * limits::USAGE_PERIOD_MS {
                self.last = Period::default();
            }
        }
        let of = self.current.of.entry(tenant).or_default();
        *of += facts;
        self.current.most = self.current.most.max(*of);
        if self.is_light(tenant) {
            self.light_at = Some(now);
        }
    }

    /// Does the tenant ask for much less than the one that asks for most? The platform's own stands for workers of all
    /// tenants, and never does.
    pub fn is_light(&self, tenant: TenantNo) -> bool {
        let of = |period: &Period| period.of.get(&tenant).copied().unwrap_or(0);
        let most = self.current.most.max(self.last.most);
        tenant != TenantNo::SYSTEM && of(&self.current).max(of(&self.last)) * limits::LIGHT_SHARE <= most
    }

    /// The tenants that do not ask for little, while another does.
    pub fn busy(&self, now: Timestamp) -> Vec<TenantNo> {
        if !self.mixed(now) {
            return Vec::new();
        }
        let lately: BTreeSet<_> = self.current.of.keys().chain(self.last.of.keys()).copied().collect();
        lately.into_iter().filter(|tenant| !self.is_light(*tenant)).collect()
    }

    /// Is there, besides who asks for much, one who asks for little?
    pub fn mixed(&self, now: Timestamp) -> bool {
        self.light_at.is_some_and(|at| now.ms_since(at) < limits::USAGE_PERIOD_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn tenant(n: u32) -> TenantNo {
        TenantNo(n + 1)
    }

    #[test]
    fn who_asks_for_little_beside_a_flood_is_light() {
        let mut usage = Usage::default();
        usage.add(tenant(1), 5_000, at(0));
        usage.add(tenant(2), 1, at(1));
        assert!(usage.is_light(tenant(2)) && !usage.is_light(tenant(1)));
        assert!(usage.mixed(at(2)) && !usage.mixed(at(2_000)));
    }

    #[test]
    fn among_equals_nobody_is_light() {
        let mut usage = Usage::default();
        for ms in 0..3_000 {
            for n in 0..4 {
                usage.add(tenant(n), 100, at(ms));
            }
        }
        assert!((0..4).all(|n| !usage.is_light(tenant(n))));
        assert!(!usage.mixed(at(3_000)));
    }

    #[test]
    fn a_flood_that_has_passed_is_forgotten() {
        let mut usage = Usage::default();
        usage.add(tenant(1), 5_000, at(0));
        usage.add(tenant(2), 100, at(5_000));
        assert!(!usage.is_light(tenant(2)));
    }
}
