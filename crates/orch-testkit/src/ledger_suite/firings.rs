//! What became of schedules' nominal instants.

use orch_core::ids::TenantNo;
use orch_core::port::{Append, FiringPageParams, FiringRow, StoreError};
use orch_core::time::Timestamp;

use super::Backend;
use super::fixture::{OTHER, Owner, TENANT, at, job_id};

fn firing(n: u64) -> FiringRow {
    let fired = n.is_multiple_of(2);
    FiringRow {
        tenant: TENANT,
        schedule: "feed".to_owned(),
        nominal_at: at(n * 10),
        last_at: at(n * 10 + if fired { 0 } else { 5 }),
        count: if fired { 1 } else { 6 },
        at: at(n * 10 + 7),
        job: fired.then(|| job_id(n)),
        run: None,
        cause: (!fired).then(|| "overlap".to_owned()),
    }
}

/// Newest first, of one schedule of one tenant, in pages.
pub async fn firings_are_shown_newest_first(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mut firings: Vec<_> = (1..=6).map(firing).collect();
    firings.push(FiringRow { schedule: "other".to_owned(), ..firing(2) });
    firings.push(FiringRow { tenant: OTHER, ..firing(2) });
    let append = Append { firings, ..owner.with_fact() };
    owner.write(&append).await;
    let page = async |tenant: TenantNo, before: Option<Timestamp>, limit| {
        let params = FiringPageParams { schedule: "feed".to_owned(), before, limit };
        ledger.firing_page(tenant, &params).await.expect("firings are read")
    };
    let newest: Vec<_> = (1..=6).rev().map(firing).collect();
    assert_eq!(page(TENANT, None, 9).await, newest);
    assert_eq!(page(TENANT, Some(newest[1].nominal_at), 2).await, newest[2..4]);
    assert_eq!(page(OTHER, None, 9).await, [FiringRow { tenant: OTHER, ..firing(2) }]);
    assert_eq!(page(TenantNo(u32::MAX), None, 9).await, []);
}

/// A second row of an instant is refused, and so is its whole commit.
pub async fn an_instant_is_decided_once(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let append = Append { firings: vec![firing(2)], ..owner.with_fact() };
    owner.write(&append).await;
    let again = Append { firings: vec![FiringRow { job: Some(job_id(9)), ..firing(2) }], ..owner.with_fact() };
    assert!(matches!(owner.try_write(&again).await, Err(StoreError::Corrupt(_))));
    let params = FiringPageParams { schedule: "feed".to_owned(), before: None, limit: 9 };
    assert_eq!(ledger.firing_page(TENANT, &params).await.expect("firings are read"), [firing(2)]);
}

/// What was decided before a moment goes, and nothing of other tenants.
pub async fn old_firings_go(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let firings = (1..=6).map(firing).chain([FiringRow { tenant: OTHER, ..firing(1) }]).collect();
    let append = Append { firings, ..owner.with_fact() };
    owner.write(&append).await;
    let before = at(4 * 10 + 7);
    assert_eq!(ledger.firing_rotate(TENANT, before).await.expect("firings go"), 3);
    assert_eq!(ledger.firing_rotate(TENANT, before).await.expect("firings go"), 0);
    let params = FiringPageParams { schedule: "feed".to_owned(), before: None, limit: 9 };
    assert_eq!(ledger.firing_page(TENANT, &params).await.expect("firings are read").len(), 3);
    assert_eq!(ledger.firing_page(OTHER, &params).await.expect("firings are read").len(), 1);
}
