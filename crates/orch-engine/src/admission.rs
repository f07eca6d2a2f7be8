//! How many calls of one tenant may be under way while it asks for much and others ask for little.
//!
//! Turns at the owner's task are not enough: before a call gets there its body is read and parsed, and on a machine
//! whose processors are all busy whoever asks for little waits behind that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use orch_core::ids::TenantNo;
use orch_core::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The right to have a call under way; given back when it is dropped.
#[derive(Debug)]
pub struct Admitted(#[expect(dead_code, reason = "held, never looked at")] Option<OwnedSemaphorePermit>);

impl Admitted {
    /// Of who is not held back.
    pub(crate) const FREELY: Self = Self(None);
}

/// Tenants of one shard that ask for much.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    any: AtomicBool,
    busy: Mutex<BTreeMap<TenantNo, Arc<Semaphore>>>,
}

impl Admission {
    /// Says who asks for much now, beside others who do not.
    pub fn hold_back(&self, busy: &[TenantNo]) {
        if busy.is_empty() && !self.any.load(Ordering::Relaxed) {
            return;
        }
        let mut known = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|tenant, _| busy.contains(tenant));
        for tenant in busy {
            let calls = || Arc::new(Semaphore::new(limits::BUSY_TENANT_CALLS as usize));
            known.entry(*tenant).or_insert_with(calls);
        }
        self.any.store(!known.is_empty(), Ordering::Relaxed);
    }

    /// Waits until a call of the tenant may begin.
    pub async fn enter(&self, tenant: TenantNo) -> Admitted {
        if !self.any.load(Ordering::Relaxed) {
            return Admitted::FREELY;
        }
        let calls = self.busy.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned();
        match calls {
            Some(calls) => Admitted(calls.acquire_owned().await.ok()),
            None => Admitted::FREELY,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_asks_for_much_has_few_calls_under_way_and_others_as_many_as_they_like() {
        let admission = Admission::default();
        admission.hold_back(&[TenantNo(1)]);
        let mut under_way = Vec::new();
        for _ in 0..limits::BUSY_TENANT_CALLS {
            under_way.push(admission.enter(TenantNo(1)).now_or_never().expect("there is room"));
        }
        assert!(admission.enter(TenantNo(1)).now_or_never().is_none());
        assert!(admission.enter(TenantNo(2)).now_or_never().is_some());
        under_way.pop();
        assert!(admission.enter(TenantNo(1)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_the_flood_is_over() {
        let admission = Admission::default();
        admission.hold_back(&[TenantNo(1)]);
        let first: Vec<_> = (0..limits::BUSY_TENANT_CALLS).map(|_| admission.enter(TenantNo(1))).collect();
        let first = futures::future::join_all(first).await;
        let waiting = admission.enter(TenantNo(1));
        admission.hold_back(&[]);
        assert!(admission.enter(TenantNo(1)).now_or_never().is_some(), "nobody is held back any more");
        drop(first);
        waiting.await;
    }
}
