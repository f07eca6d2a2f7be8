//! The arbiter's memory: whose turn it is among the tenants of a shard.
//!
//! Fair sharing by virtual time (start-time fair queuing, Goyal et al. 1996): the tenant with the least virtual time
//! is next; a turn adds what it granted, divided by the tenant's weight. Each turn is a fact in the shard's own stream.

use std::collections::BTreeMap;

use orch_core::allotment::WEIGHT_USUAL;
use orch_core::fact::{Fact, RULES_VERSION, Record};
use orch_core::ids::{Stream, TenantNo};
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::output::Output;

/// Jobs that a tenant gets in one turn while others wait.
pub(crate) const QUANTUM: usize = 64;

/// Virtual times of tenants.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Arbiter {
    pub seq: u64,
    pub vtime: u64,
    pub pass: BTreeMap<TenantNo, Pass>,
}

/// How far a tenant is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// Virtual time: grants of a tenant with the usual weight.
    pub time: u64,
    /// What is less than one of them, in parts of the tenant's weight.
    pub rest: u32,
}

impl Arbiter {
    /// The tenant's place in the order: idleness earns at most one turn of a tenant with the usual weight.
    pub fn place(&self, tenant: TenantNo) -> u64 {
        let floor = self.vtime.saturating_sub(QUANTUM as u64);
        self.pass.get(&tenant).map_or(0, |pass| pass.time).max(floor)
    }

    /// Records a turn of a tenant with this weight.
    pub fn turn(&mut self, (tenant, weight): (TenantNo, u32), granted: usize, now: Timestamp, out: &mut Output) {
        let weight = weight.max(1);
        // Where the weight fell since, less may be left over than there was.
        let rest = self.pass.get(&tenant).map_or(0, |pass| pass.rest).min(weight - 1);
        let parts = u64::from(rest) + granted as u64 * u64::from(WEIGHT_USUAL);
        let pass = self.place(tenant) + parts / u64::from(weight);
        let rest = u32::try_from(parts % u64::from(weight)).unwrap_or(0);
        self.emit(Fact::Turn { granted: granted as u64, pass, rest, tenant }, now, out);
    }

    /// Records that the commit holds rows without facts of their own, so that each commit stands in history.
    pub fn rows_kept(&mut self, now: Timestamp, out: &mut Output) {
        let (checkpoints, logs) = (out.rows.checkpoints.len() as u64, out.rows.logs.len() as u64);
        self.emit(Fact::RowsKept { checkpoints, logs }, now, out);
    }

    fn emit(&mut self, body: Fact, now: Timestamp, out: &mut Output) {
        let record = Record { at: now, body, config_version: 0, rules_version: RULES_VERSION, seq: self.seq + 1 };
        self.apply(&record);
        out.record(Stream::ARBITER, &record);
    }

    /// Changes the state by one fact of the shard's stream.
    pub fn apply(&mut self, record: &Record) {
        debug_assert_eq!(record.seq, self.seq + 1, "the shard's own sequence has no gaps");
        self.seq = record.seq;
        if let Fact::Turn { pass, rest, tenant, .. } = &record.body {
            self.vtime = self.vtime.max(self.place(*tenant));
            self.pass.insert(*tenant, Pass { time: *pass, rest: *rest });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_core::ids::ShardNo;

    const LIGHT: TenantNo = TenantNo(1);
    const HEAVY: TenantNo = TenantNo(2);

    /// Grants of each while both wait, turn by turn, after so many turns of so many grants.
    fn shares(weights: [u32; 2], turns: usize, granted: usize) -> [u64; 2] {
        let (mut arbiter, mut out, now) = (Arbiter::default(), Output::default(), Timestamp::from_millis(1));
        let mut got = [0; 2];
        for _ in 0..turns {
            let next = [LIGHT, HEAVY].into_iter().min_by_key(|no| (arbiter.place(*no), *no)).unwrap_or(LIGHT);
            let n = next.0 as usize - 1;
            arbiter.turn((next, weights[n]), granted, now, &mut out);
            got[n] += granted as u64;
        }
        let _ = out.take(ShardNo(0), 1, 1);
        got
    }

    #[test]
    fn twice_the_weight_gets_twice_as_much_in_turns_of_any_size() {
        for granted in [1, 3, 10, 64] {
            let [light, heavy] = shares([100, 200], 3_000, granted);
            assert_eq!(heavy, 2 * light, "turns of {granted}");
        }
        let [light, heavy] = shares([100, 1_000], 11_000, 1);
        assert_eq!((light, heavy), (1_000, 10_000), "what is less than one grant is not lost");
        let [light, heavy] = shares([1, 100], 10_100, 1);
        assert_eq!((light, heavy), (100, 10_000));
        let [third, seventh] = shares([300, 700], 10_000, 7);
        assert!((third * 7).abs_diff(seventh * 3) <= 7 * 7 * 10, "{third} and {seventh}");
    }

    #[test]
    fn with_the_usual_weight_a_turn_costs_what_it_granted() {
        let (mut arbiter, mut out) = (Arbiter::default(), Output::default());
        arbiter.turn((LIGHT, WEIGHT_USUAL), 7, Timestamp::from_millis(1), &mut out);
        assert_eq!(arbiter.pass[&LIGHT], Pass { time: 7, rest: 0 });
        arbiter.turn((LIGHT, WEIGHT_USUAL), 64, Timestamp::from_millis(1), &mut out);
        assert_eq!((arbiter.pass[&LIGHT], arbiter.vtime), (Pass { time: 71, rest: 0 }, 7));
    }

    #[test]
    fn idleness_earns_at_most_a_turn_whatever_the_weight() {
        let (mut arbiter, mut out) = (Arbiter::default(), Output::default());
        for _ in 0..100 {
            arbiter.turn((LIGHT, WEIGHT_USUAL), 64, Timestamp::from_millis(1), &mut out);
        }
        assert_eq!(arbiter.place(HEAVY), arbiter.vtime - QUANTUM as u64);
    }

    #[test]
    fn a_weight_that_falls_takes_no_debt_along() {
        let (mut arbiter, mut out) = (Arbiter::default(), Output::default());
        arbiter.turn((LIGHT, 999), 9, Timestamp::from_millis(1), &mut out);
        assert_eq!(arbiter.pass[&LIGHT], Pass { time: 0, rest: 900 });
        arbiter.turn((LIGHT, 1), 1, Timestamp::from_millis(1), &mut out);
        assert_eq!(arbiter.pass[&LIGHT], Pass { time: 100, rest: 0 });
    }
}
