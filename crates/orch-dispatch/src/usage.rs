//! What parties have used lately, to tell who asks for little from who asks for much.
//!
//! A commit of thousands of facts takes as long as twenty calls of one: whoever asks for little must not wait for it.

use std::collections::BTreeMap;

use orch_core::limits;
use orch_core::time::Timestamp;

use crate::fair_queue::Party;

/// Facts by party, in the current period and in the last one.
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
    of: BTreeMap<Party, u64>,
    most: u64,
}

impl Usage {
    /// Notes what serving a party cost.
    pub fn add(&mut self, party: Party, cost: u64, now: Timestamp) {
        let passed = now.ms_since(self.since);
        if passed >= limits::USAGE_PERIOD_MS {
            self.since = now;
            self.last = std::mem::take(&mut self.current);
            if passed >= 2 * limits::USAGE_PERIOD_MS {
                self.last = Period::default();
            }
        }
        let of = self.current.of.entry(party).or_default();
        *of += cost;
        self.current.most = self.current.most.max(*of);
        if self.is_light(party) {
            self.light_at = Some(now);
        }
    }

    /// Does the party ask for much less than the one that asks for most?
    pub fn is_light(&self, party: Party) -> bool {
        let of = |period: &Period| period.of.get(&party).copied().unwrap_or(0);
        let most = self.current.most.max(self.last.most);
        of(&self.current).max(of(&self.last)) * limits::LIGHT_SHARE <= most
    }

    /// The parties that do not ask for little.
    pub fn heavy(&self) -> impl Iterator<Item = Party> {
        let parties =
            self.current.of.keys().chain(self.last.of.keys().filter(|party| !self.current.of.contains_key(*party)));
        parties.copied().filter(|party| !self.is_light(*party))
    }

    /// Is there, besides who asks for much, one who asks for little?
    pub fn mixed(&self, now: Timestamp) -> bool {
        self.light_at.is_some_and(|at| now.ms_since(at) < limits::USAGE_PERIOD_MS)
    }
}

#[cfg(test)]
mod tests {
    use orch_core::ids::TenantNo;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn party(n: u32) -> Party {
        Party::Others(TenantNo(n))
    }

    #[test]
    fn who_asks_for_little_beside_a_flood_is_light() {
        let mut usage = Usage::default();
        usage.add(party(1), 5_000, at(0));
        usage.add(party(2), 1, at(1));
        assert!(usage.is_light(party(2)) && !usage.is_light(party(1)));
        assert!(usage.mixed(at(2)) && !usage.mixed(at(2_000)));
    }

    #[test]
    fn among_equals_nobody_is_light() {
        let mut usage = Usage::default();
        for ms in 0..3_000 {
            for n in 0..4 {
                usage.add(party(n), 100, at(ms));
            }
        }
        assert!((0..4).all(|n| !usage.is_light(party(n))));
        assert!(!usage.mixed(at(3_000)));
    }

    #[test]
    fn a_flood_that_has_passed_is_forgotten() {
        let mut usage = Usage::default();
        usage.add(party(1), 5_000, at(0));
        usage.add(party(2), 100, at(5_000));
        assert!(!usage.is_light(party(2)));
    }
}
