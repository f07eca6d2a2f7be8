//! What was committed is there after the ledger was closed and opened.

use bytes::Bytes;
use orch_core::config::ConfigKind;
use orch_core::ids::{TenantId, TokenId};
use orch_core::job::JobState;
use orch_core::port::{
    Append, ConfigRow, DeadLetterPageParams, JobPageParams, SnapshotRow, TakeOver, TenantRow, TokenRow, WindowParams,
};
use orch_core::time::Timestamp;
use uuid::Uuid;

use super::Backend;
use super::fixture::{
    LANE, OTHER, Owner, SHARD, TENANT, announce, at, checkpoint, dead_letter, done, job, key, labelled, log, node,
    settlement,
};

fn tenant(no: orch_core::TenantNo, name: &str) -> TenantRow {
    TenantRow {
        no,
        id: TenantId(Uuid::from_u128(u128::from(no.0))),
        name: name.to_owned(),
        shard: SHARD,
        created_at: at(1),
    }
}

fn everything(owner: &mut Owner) -> Append {
    let one = labelled(job(1), &[("k", "v")]);
    Append {
        jobs: vec![one.clone(), job(2)],
        done: vec![done(&one, JobState::Failed)],
        keys: vec![key(1, at(1))],
        dead_letters: vec![dead_letter(&one, at(3))],
        settlements: vec![settlement(&one, None)],
        configs: vec![ConfigRow {
            tenant: TENANT,
            kind: ConfigKind::JobType,
            name: "feeds.fetch".to_owned(),
            version: 1,
            at: at(1),
            doc: Bytes::from_static(b"{}"),
        }],
        tenants: vec![tenant(OTHER, "second"), tenant(TENANT, "first")],
        tokens: vec![TokenRow {
            id: TokenId(Uuid::from_u128(5)),
            tenant: TENANT,
            name: "t".to_owned(),
            secret_sha256: [5; 32],
            scopes: vec!["orch:admin".to_owned()],
            created_at: at(1),
            expires_at: None,
            revoked_at: None,
        }],
        checkpoints: vec![checkpoint(&one, 1, "{}")],
        logs: vec![log(&one, 1, 1)],
        snapshot: Some(SnapshotRow { commit_no: 0, format: 1, state: Bytes::from_static(b"s") }),
        ..owner.with_fact()
    }
}

/// Every read answers the same before and after, and the epoch goes on rising.
pub async fn a_restart_keeps_everything(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let append = everything(&mut owner);
    owner.write(&append).await;
    let (epoch, incarnation) = {
        announce(&ledger, node(1), 0).await;
        let TakeOver::Taken(taken) = ledger.shard_take_over(SHARD, node(2)).await.expect("it is answered") else {
            panic!("an expired node held its shard")
        };
        announce(&ledger, node(2), 0).await;
        (taken.epoch, taken.incarnation)
    };
    let before = answers(&ledger).await;
    drop(owner);
    drop(ledger);

    let ledger = backend.open().await;
    assert_eq!(answers(&ledger).await, before);
    let tenants = ledger.tenant_list().await.expect("tenants are listed");
    assert_eq!(tenants, [tenant(TENANT, "first"), tenant(OTHER, "second")]);
    announce(&ledger, node(3), 1_000).await;
    let TakeOver::Taken(taken) = ledger.shard_take_over(SHARD, node(3)).await.expect("it is answered") else {
        panic!("an expired node held its shard")
    };
    assert!(taken.epoch > epoch);
    assert_eq!(taken.incarnation, incarnation);
    let mut owner = Owner::take(&ledger, SHARD, node(3)).await;
    assert_eq!(owner.commit_no, 1);
    let append = owner.with_fact();
    owner.write(&append).await;
}

/// What the reads say, as text.
async fn answers(ledger: &std::sync::Arc<dyn orch_core::port::Ledger>) -> Vec<String> {
    let text = "reads are answered";
    let ids = [job(1).id, job(2).id];
    let page = JobPageParams { limit: 9, ..JobPageParams::default() };
    let letters = DeadLetterPageParams { limit: 9, settled: true, ..DeadLetterPageParams::default() };
    let wish = WindowParams { tenant: TENANT, lane: LANE, after: 0, limit: 9 };
    vec![
        format!("{:?}", ledger.tail_read(SHARD, 0, 9).await.expect(text)),
        format!("{:?}", ledger.snapshot_get(SHARD).await.expect(text)),
        format!("{:?}", ledger.job_page(TENANT, &page).await.expect(text)),
        format!("{:?}", ledger.window_read(&[wish]).await.expect(text)),
        format!("{:?}", ledger.done_lookup(TENANT, &ids).await.expect(text)),
        format!("{:?}", ledger.key_lookup(TENANT, &[[1; 16]], Timestamp::ZERO).await.expect(text)),
        format!("{:?}", ledger.checkpoint_lookup(TENANT, &ids).await.expect(text)),
        format!("{:?}", ledger.dead_letter_page(TENANT, &letters).await.expect(text)),
        format!("{:?}", ledger.log_page(TENANT, ids[0], (0, 0), 9).await.expect(text)),
        format!("{:?}", ledger.done_count(TENANT).await.expect(text)),
        format!("{:?}", ledger.tenant_list().await.expect(text)),
        format!("{:?}", ledger.token_lookup([5; 32]).await.expect(text)),
    ]
}
