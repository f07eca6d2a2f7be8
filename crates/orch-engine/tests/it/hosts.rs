//! A host that tenants on two nodes share: its bucket is kept over both, and each gets its share.

use std::collections::BTreeMap;

use orch_core::config::{Bucket, ConfigDoc, Source};
use orch_core::ids::TenantNo;
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::Command;
use orch_dispatch::command::Expect;

use crate::pair::Pair;
use crate::world::SUCCESS;

const HOST: &str = "shared.example";
const TERM: Term = Term::window(4, 1_000);
const JOBS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn tenants_of_two_nodes_share_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::start(folder.path()).await;
    let declare = async |tenant, doc| {
        let put = Command::PutConfig { tenant, doc, expect: Expect::Any };
        pair.other.command(put).await.unwrap();
    };
    let bucket = Bucket { name: "shared".into(), host: HOST.into(), terms: vec![TERM], ..Bucket::default() };
    declare(TenantNo::SYSTEM, ConfigDoc::Bucket(bucket)).await;
    for tenant in [pair.near.tenant, pair.far] {
        let source = Source { name: "s".into(), kind: "k".into(), host: Some(HOST.into()), ..Source::default() };
        declare(tenant, ConfigDoc::Source(source)).await;
        let jobs = (0..JOBS).map(|_| {
            let mut job = pair.near.job(1);
            job.lane.source = Some("s".to_owned());
            job
        });
        let jobs = jobs.collect();
        pair.other.command(Command::Enqueue { tenant, jobs, key: None }).await.unwrap();
    }
    let mut left: Vec<(Timestamp, TenantNo)> = Vec::new();
    while left.len() < 2 * JOBS {
        let leases = pair.near.claim(4, 5_000).await;
        assert!(!leases.is_empty(), "{} requests left, and no more came", left.len());
        for lease in &leases {
            let at = lease.grant.not_before.unwrap_or_else(|| pair.near.engine.now());
            left.push((at, lease.grant.token.tenant));
            pair.near.complete_as(TenantNo::SYSTEM, lease, SUCCESS).await.unwrap();
        }
    }
    left.sort();
    // What was granted at once has the moment at which it was looked at, which is a little later.
    for five in left.windows(TERM.limit as usize + 1) {
        let apart = five[TERM.limit as usize].0.ms_since(five[0].0);
        assert!(apart >= TERM.window_ms, "five requests within {apart} ms: {five:?}");
    }
    let mut shares = BTreeMap::<TenantNo, usize>::new();
    for (_, tenant) in left.iter().take(JOBS) {
        *shares.entry(*tenant).or_default() += 1;
    }
    assert!(shares.len() == 2 && shares.values().all(|share| *share >= JOBS / 2 - 2), "{shares:?}");
    pair.near.engine.shutdown().await;
    pair.other.shutdown().await;
}
