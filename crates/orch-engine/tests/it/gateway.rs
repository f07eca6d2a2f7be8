//! A worker for all tenants, whose claims go to the shards of two nodes: what is granted reaches it, whatever order calls
//! between nodes arrive in.

use std::time::Duration;

use orch_core::ids::TenantNo;
use orch_dispatch::Command;
use orch_engine::Lease;
use tokio::time::timeout;

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_claim_that_was_overtaken_is_granted_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::start(folder.path()).await;
    let job = Command::Enqueue { tenant: pair.near.tenant, jobs: vec![pair.near.job(1)], key: None };
    let mut held = pair.wires.hold();
    let (engine, near) = (pair.near.engine.clone(), pair.near.tenant);
    let claiming = tokio::spawn(async move {
        let first = pair.near.claim(10, 20_000).await;
        (pair, tenants(&first))
    });
    // It asks at both shards, and parks at both.
    held.recv().await.unwrap().send(()).unwrap();
    let parking = held.recv().await.unwrap();
    engine.command(job).await.unwrap();
    // Now the parked claim is recalled, and the recall is faster.
    held.recv().await.unwrap().send(()).unwrap();
    // Only now does the parked one arrive: once it has been recalled again, or given up.
    let again = timeout(Duration::from_secs(1), held.recv()).await;
    parking.send(()).unwrap();
    if let Ok(Some(again)) = again {
        again.send(()).unwrap();
    }
    let letting = tokio::spawn(async move {
        while let Some(call) = held.recv().await {
            let _ = call.send(());
        }
    });
    let (mut pair, first) = claiming.await.unwrap();
    assert_eq!(first, [near]);
    pair.enqueue(pair.far).await;
    let second = pair.near.claim(10, 4_000).await;
    assert_eq!(tenants(&second), [pair.far], "no worker hears of the job");
    pair.near.engine.shutdown().await;
    pair.other.shutdown().await;
    letting.abort();
}

fn tenants(leases: &[Lease]) -> Vec<TenantNo> {
    leases.iter().map(|lease| lease.grant.token.tenant).collect()
}
