//! What holds a tenant's work: all of it, or parts; what waits in its lanes, and who is there to do it.

use orch_core::fact::PauseTarget;
use orch_core::ids::{LaneNo, TenantNo};
use orch_core::quota::Quota;
use orch_core::time::Timestamp;

use super::pause_hold;
use crate::answer::{Gate, Hold, TenantExplained};
use crate::bucket::Opening;
use crate::shard::Shard;
use crate::tenant::Tenant;

impl Shard {
    /// The question `ExplainTenant`.
    pub(crate) fn explain_tenant(&mut self, no: TenantNo) -> TenantExplained {
        let now = self.now;
        let Some(tenant) = self.tenants.get_mut(no) else { return TenantExplained::default() };
        tenant.look_at_blackouts(now);
        let (holds, parts) = (tenant.holds_all(now), tenant.holds_parts(now));
        let lanes: Vec<_> = (1u32..).zip(&tenant.lanes).map(|(lane, _)| LaneNo(lane)).collect();
        let lanes = self.lanes_waiting(no, &lanes);
        let there: Vec<_> = self.sessions.values().filter(|session| self.session_serves(session, no)).collect();
        let capacity = there.iter().map(|session| u64::from(session.params.capacity)).sum();
        TenantExplained { holds, parts, lanes, workers: there.len() as u64, capacity }
    }
}

impl Tenant {
    /// What holds everything, in the order in which it is looked at.
    fn holds_all(&self, now: Timestamp) -> Vec<Hold> {
        let mut holds = Vec::from_iter(self.deletion_hold());
        holds.extend(self.allotment_hold());
        holds.extend(self.pauses.iter().filter(|(target, _)| self.is_all(target)).map(|(of, why)| pause_hold(of, why)));
        let throttled = self.throttles.keys().filter(|target| self.is_all(target));
        holds.extend(throttled.filter_map(|target| self.throttle_hold(target, now)));
        let blackouts = self.blackouts_where(|doc| doc.holds(None, None, None), now);
        holds.extend(blackouts.into_iter().filter(|gate| gate.holds).map(|gate| gate.hold));
        holds.extend(self.quotas().filter(|doc| doc.covers_all()).filter_map(|doc| self.quota_spent(doc, now)));
        holds
    }

    /// Pauses, throttles and quotas that hold a part.
    fn holds_parts(&self, now: Timestamp) -> Vec<Hold> {
        let pauses = self.pauses.iter().filter(|(target, _)| !self.is_all(target));
        let quotas = self.quotas().filter(|doc| !doc.covers_all()).filter_map(|doc| self.quota_spent(doc, now));
        let throttled = self.throttles.keys().filter(|target| !self.is_all(target));
        let throttled = throttled.filter_map(|target| self.throttle_hold(target, now));
        pauses.map(|(target, pause)| pause_hold(target, pause)).chain(throttled).chain(quotas).collect()
    }

    /// Does a pause or a throttle of it hold all work of the tenant?
    fn is_all(&self, target: &PauseTarget) -> bool {
        match target {
            PauseTarget::Tenant => true,
            PauseTarget::Quota(name) => self.quota_doc(name).is_some_and(Quota::covers_all),
            _ => false,
        }
    }

    /// A quota that is used up, with what of it.
    fn quota_spent(&self, doc: &Quota, now: Timestamp) -> Option<Hold> {
        let hold = |by, opens_at| Some(Hold { gate: Gate::Quota, by, since: None, opens_at });
        if let Some(at) = self.hour_opens(doc, now) {
            let opens_at = Opening { at, by: None }.grants_at();
            if opens_at > now {
                return hold(self.hour_says(&doc.name), Some(opens_at));
            }
        }
        self.quota_at_most(doc).and_then(|full| hold(full.to_string(), None))
    }
}
