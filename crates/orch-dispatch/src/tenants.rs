//! The tenants of a shard, and which of them are worth a look: what a command costs must not grow with the number of
//! tenants that live here and do nothing.
//!
//! Whoever gets hold of a tenant to change it may have changed what the sets say of it; those are looked at again
//! before a set is next used. The sets are made anew from the tenants, and never saved.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use orch_core::ids::TenantNo;

use crate::fairness::Clock;
use crate::tenant::Tenant;

/// All tenants of a shard, by number.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    all: BTreeMap<TenantNo, Tenant>,
    /// Handed out for a change since the last look.
    touched: BTreeSet<TenantNo>,
    worth: Worth,
}

/// Tenants that are worth a look, by what for.
#[derive(Debug, Default)]
pub(crate) struct Worth {
    /// One of their lanes can be granted from, as far as lanes know.
    pub open: BTreeSet<TenantNo>,
    /// They have jobs handed out.
    pub leased: BTreeSet<TenantNo>,
    /// One of their lanes has more in the ledger than in its window.
    pub hungry: BTreeSet<TenantNo>,
    /// They hold warm things.
    pub warm: BTreeSet<TenantNo>,
    /// They have work that waits in their lanes.
    pub waiting: BTreeSet<TenantNo>,
    /// Their accounts hold something that was not noted, or an hour is to be closed.
    pub counted: BTreeSet<TenantNo>,
    /// By which it is reckoned what they are due.
    clock: Clock,
    /// Something may have become grantable since the last look of whoever asks.
    pub stirred: bool,
}

impl From<BTreeMap<TenantNo, Tenant>> for Tenants {
    fn from(all: BTreeMap<TenantNo, Tenant>) -> Self {
        let touched = all.keys().copied().collect();
        Self { all, touched, worth: Worth::default() }
    }
}

impl Tenants {
    /// What is saved.
    pub fn all(&self) -> &BTreeMap<TenantNo, Tenant> {
        &self.all
    }

    pub fn get(&self, no: TenantNo) -> Option<&Tenant> {
        self.all.get(&no)
    }

    pub fn get_mut(&mut self, no: TenantNo) -> Option<&mut Tenant> {
        let tenant = self.all.get_mut(&no)?;
        self.touched.insert(no);
        Some(tenant)
    }

    pub fn iter(&self) -> btree_map::Iter<'_, TenantNo, Tenant> {
        self.all.iter()
    }

    pub fn values(&self) -> btree_map::Values<'_, TenantNo, Tenant> {
        self.all.values()
    }

    /// Every tenant, for a change.
    pub fn values_mut(&mut self) -> btree_map::ValuesMut<'_, TenantNo, Tenant> {
        self.touched.extend(self.all.keys());
        self.all.values_mut()
    }

    pub fn insert(&mut self, tenant: Tenant) {
        self.touched.insert(tenant.no);
        self.all.insert(tenant.no, tenant);
    }

    /// The highest number in use.
    pub fn last(&self) -> Option<TenantNo> {
        self.all.last_key_value().map(|(no, _)| *no)
    }

    /// Are jobs of any tenant handed out?
    pub fn any_leased(&self) -> bool {
        let leased = |no| self.get(no).is_some_and(|tenant| !tenant.index.by_claim.is_empty());
        self.touched.iter().any(|no| leased(*no)) || self.worth.leased.iter().any(|no| leased(*no))
    }

    /// Does work of any tenant wait?
    pub fn any_waiting(&self) -> bool {
        let waits = |no| self.get(no).is_some_and(Tenant::waits);
        self.touched.iter().any(|no| waits(*no)) || self.worth.waiting.iter().any(|no| waits(*no))
    }

    /// Are there accounts that are to be noted in time?
    pub fn any_counted(&self) -> bool {
        let counts = |tenant: &Tenant| tenant.index.account.counts() || tenant.receipts.open.is_some();
        !self.worth.counted.is_empty() || self.touched.iter().any(|no| self.get(*no).is_some_and(counts))
    }

    /// So many were granted to a tenant, which waited at the last look.
    pub fn received(&mut self, no: TenantNo, granted: usize) {
        self.worth.clock.advance(granted);
        if let Some(tenant) = self.get_mut(no) {
            tenant.index.account.received(granted);
        }
    }

    /// A tenant, and the clock of what is due to all.
    pub fn of_clock(&mut self, no: TenantNo) -> Option<(&mut Tenant, &Clock)> {
        self.touched.insert(no);
        Some((self.all.get_mut(&no)?, &self.worth.clock))
    }

    /// Which tenants are worth a look now.
    pub fn worth(&mut self) -> &mut Worth {
        for no in std::mem::take(&mut self.touched) {
            let Some(tenant) = self.all.get_mut(&no) else { continue };
            let worth = &mut self.worth;
            put(&mut worth.open, no, tenant.index.groups.iter().any(|group| !group.active.is_empty()));
            put(&mut worth.leased, no, !tenant.index.by_claim.is_empty());
            put(&mut worth.hungry, no, !tenant.index.hungry.is_empty());
            put(&mut worth.warm, no, !tenant.warm.is_empty());
            let waits = tenant.waits();
            worth.clock.waits(&mut tenant.index.account, if waits { tenant.allotment.weight.max(1) } else { 0 });
            put(&mut worth.waiting, no, waits);
            put(&mut worth.counted, no, tenant.index.account.counts() || tenant.receipts.open.is_some());
            worth.stirred |= std::mem::take(&mut tenant.index.stirred);
        }
        &mut self.worth
    }
}

fn put(set: &mut BTreeSet<TenantNo>, no: TenantNo, is_in: bool) {
    if is_in {
        set.insert(no);
    } else {
        set.remove(&no);
    }
}
