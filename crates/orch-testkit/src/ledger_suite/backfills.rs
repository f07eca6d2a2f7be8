//! Backfills: what was asked for and how it ended come back as they were, in pages by their seqs, and go by their ends.

use orch_core::ids::TenantNo;
use orch_core::port::{Append, BackfillEndRow, BackfillFound, BackfillRow, StoreError};
use orch_core::run::RunOutcome;

use super::Backend;
use super::fixture::{OTHER, Owner, TENANT, at, backfill, backfill_end, backfill_id};

/// First open, then with its end; another tenant's of the same id is another.
pub async fn a_backfill_is_read_back_with_its_end(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let (one, theirs) = (backfill(1), BackfillRow { tenant: OTHER, ..backfill(1) });
    let append = Append { backfills: vec![one.clone(), theirs.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    let get = async |tenant, id| ledger.backfill_get(tenant, id).await.expect("a backfill is looked up");
    assert_eq!(get(TENANT, one.id).await, Some(BackfillFound { row: one.clone(), end: None }));
    let append = Append { backfill_ends: vec![backfill_end(&one)], ..owner.with_fact() };
    owner.write(&append).await;
    assert_eq!(get(TENANT, one.id).await, Some(BackfillFound { row: one.clone(), end: Some(backfill_end(&one)) }));
    assert_eq!(get(OTHER, one.id).await, Some(BackfillFound { row: theirs, end: None }));
    assert_eq!(get(TenantNo(u32::MAX), one.id).await, None);
}

/// Newest first, and never another tenant's.
pub async fn pages_of_backfills_go_by_their_seqs(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let all: Vec<_> = (1..=5).map(|n| BackfillRow { id: backfill_id(50 - n), ..backfill(n) }).collect();
    let ends = vec![backfill_end(&all[1])];
    let append = Append { backfills: all.clone(), backfill_ends: ends, ..owner.with_fact() };
    owner.write(&append).await;
    let page = async |tenant, before, limit| {
        let found = ledger.backfill_page(tenant, before, limit).await.expect("backfills are read");
        found.into_iter().map(|found| (found.row.seq, found.end.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(page(TENANT, None, 3).await, [(5, false), (4, false), (3, false)]);
    assert_eq!(page(TENANT, Some(3), 3).await, [(2, true), (1, false)]);
    assert_eq!(page(OTHER, None, 9).await, []);
}

/// A second row of a backfill, of its seq, or of its end is refused, and so is its whole commit.
pub async fn a_backfill_begins_and_ends_once(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let one = backfill(1);
    let end = backfill_end(&one);
    let append = Append { backfills: vec![one.clone()], backfill_ends: vec![end.clone()], ..owner.with_fact() };
    owner.write(&append).await;
    let before = owner.next();
    for again in [
        Append { backfills: vec![backfill(2), BackfillRow { seq: 3, ..one.clone() }], ..before.clone() },
        Append { backfills: vec![backfill(2), BackfillRow { id: backfill_id(3), ..one.clone() }], ..before.clone() },
        Append {
            backfills: vec![backfill(2)],
            backfill_ends: vec![BackfillEndRow { outcome: RunOutcome::Succeeded, ..end.clone() }],
            ..before.clone()
        },
    ] {
        assert!(matches!(owner.try_write(&again).await, Err(StoreError::Corrupt(_))));
    }
    let found = ledger.backfill_page(TENANT, None, 9).await.expect("backfills are read");
    assert_eq!(found, [BackfillFound { row: one, end: Some(end) }]);
}

/// What ended before a moment goes; what is open stays, however old, and so does all of other tenants.
pub async fn old_ended_backfills_go(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let theirs = BackfillRow { tenant: OTHER, ..backfill(1) };
    let ended: Vec<_> = (2..=6).map(backfill).chain([theirs.clone()]).collect();
    let append = Append {
        backfill_ends: ended.iter().map(backfill_end).collect(),
        backfills: [backfill(1)].into_iter().chain(ended).collect(),
        ..owner.with_fact()
    };
    owner.write(&append).await;
    let before = backfill_end(&backfill(4)).at;
    assert_eq!(ledger.backfill_rotate(TENANT, before).await.expect("backfills go"), 2);
    assert_eq!(ledger.backfill_rotate(TENANT, before).await.expect("backfills go"), 0);
    let shown = |row: BackfillRow| BackfillFound { end: Some(backfill_end(&row)), row };
    let mut stay: Vec<_> = (4..=6).rev().map(|n| shown(backfill(n))).collect();
    stay.push(BackfillFound { row: backfill(1), end: None });
    assert_eq!(ledger.backfill_page(TENANT, None, 9).await.expect("backfills are read"), stay);
    assert_eq!(ledger.backfill_get(TENANT, backfill_id(2)).await.expect("a backfill is looked up"), None);
    assert_eq!(ledger.backfill_page(OTHER, None, 9).await.expect("backfills are read"), [shown(theirs)]);
    // Nothing is left of what went: the same ids may come again.
    let again = backfill(2);
    let append = Append { backfill_ends: vec![backfill_end(&again)], backfills: vec![again], ..owner.with_fact() };
    owner.write(&append).await;
}

/// More backfills than one step takes go in steps.
pub async fn many_backfills_go_in_steps(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let rows: Vec<_> = (1..=5_003).map(backfill).collect();
    let append =
        Append { backfill_ends: rows.iter().map(backfill_end).collect(), backfills: rows, ..owner.with_fact() };
    owner.write(&append).await;
    for gone in [5_000, 3, 0] {
        assert_eq!(ledger.backfill_rotate(TENANT, at(1_000_000)).await.expect("backfills go"), gone);
    }
}
