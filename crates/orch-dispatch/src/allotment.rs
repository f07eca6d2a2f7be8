//! What the platform allots a tenant beside the others of its shard: when its turn comes, and how much it may have.
//!
//! Weights divide virtual time (`arbiter.rs`, `host.rs`). The strategies of `orch_core::allotment` put a tenant before
//! others, or bound it, within its shard: what happens on another shard is not known here.

use std::cmp::Reverse;

use orch_core::allotment::{Allotment, Strategy};
use orch_core::fact::Fact;
use orch_core::ids::TenantNo;

use crate::answer::{Answer, Gate, Hold, TenantAllotted};
use crate::command::Actor;
use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::shard::Shard;
use crate::tenant::Tenant;

/// Who is served before whom, whatever they have had. The least is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// It has less under way than is reserved for it.
    Reserved,
    /// By its priority.
    Priority(Reverse<u32>),
    /// By virtual time alone.
    Usual,
}

impl Tenant {
    /// Its share beside others, at least 1.
    pub fn weight(&self) -> u32 {
        self.allotment.weight.max(1)
    }

    /// Attempts under way.
    pub fn active(&self) -> u32 {
        let counts = &self.index.counts;
        u32::try_from(counts.leased + counts.running).unwrap_or(u32::MAX)
    }

    /// Attempts that its allotment would let begin now.
    pub fn allotted(&self) -> u32 {
        let most = self.allotment.active_max.filter(|_| !mutant::on(Mutant::AllotmentIgnored));
        most.map_or(u32::MAX, |most| most.saturating_sub(self.active()))
    }

    /// Attempts that are still reserved for it.
    pub fn still_reserved(&self) -> u32 {
        self.allotment.reserved.map_or(0, |reserved| reserved.saturating_sub(self.active()))
    }

    /// When it is served, before what it has had is looked at.
    pub fn rank(&self) -> Rank {
        match (self.allotment.strategy, self.allotment.priority) {
            (Strategy::Reserved, _) if self.still_reserved() > 0 => Rank::Reserved,
            (Strategy::Priority, Some(priority)) => Rank::Priority(Reverse(priority)),
            _ => Rank::Usual,
        }
    }

    /// The platform lets no more of its attempts be under way.
    pub fn allotment_hold(&self) -> Option<Hold> {
        let most = self.allotment.active_max.filter(|_| self.allotted() == 0)?;
        let by = format!("the platform lets {most} attempts of the tenant be under way");
        Some(Hold { gate: Gate::Quota, by, since: None, opens_at: None })
    }
}

impl Desk<'_> {
    /// The command `AllotTenant`. The same again changes nothing.
    pub fn allot(&mut self, allotment: Allotment, actor: Actor) -> Answer {
        if let Err(refusal) = allotment.check() {
            return Answer::Refused(refusal);
        }
        if self.tenant.allotment != allotment {
            self.emit(Fact::TenantAllotted { allotment, by: actor.by, reason: actor.reason });
        }
        Answer::Done
    }
}

impl Shard {
    /// The tenant's place in the order of turns; the least is next.
    pub(crate) fn order_of(&self, no: TenantNo) -> (Rank, u64) {
        let rank = self.tenants.get(no).map_or(Rank::Usual, Tenant::rank);
        (rank, self.arbiter.place(no))
    }

    /// What tenants are allotted, for whom something was set.
    pub(crate) fn allotments(&self) -> Vec<TenantAllotted> {
        let set = self.tenants.iter().filter(|(_, tenant)| tenant.allotment != Allotment::default());
        set.map(|(no, tenant)| TenantAllotted { tenant: *no, allotment: tenant.allotment }).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
