//! The engine on a real SQLite ledger: a job's life, restarts, two engines on one ledger's shard.

use std::path::Path;

use orch_core::config::JobType;
use orch_core::job::{JobError, JobState};
use orch_dispatch::command::{Actor, KeyUse, Report};
use orch_dispatch::{Answer, Command};
use orch_engine::{Error, JobFilter, Lease};

use crate::world::{SUCCESS, World, options};

impl World {
    /// On a SQLite file in the folder.
    async fn open(folder: &Path) -> Self {
        Self::start(options(folder)).await
    }

    async fn state(&self, lease: &Lease) -> JobState {
        self.engine.job(self.tenant, lease.grant.token.job).await.unwrap().unwrap().state
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_lives_and_its_history_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::open(folder.path()).await;
    world.declare(JobType::named("t")).await;
    world.enqueue(vec![world.job(1), world.job(2)], None).await.unwrap();
    let leases = world.claim(10, 1_000).await;
    assert_eq!(leases.len(), 2);
    assert_eq!(&leases[0].payload[..], b"{\"n\":1}");
    assert_eq!(leases[1].extra.labels["n"], "2");
    assert_eq!(world.state(&leases[0]).await, JobState::Running);
    world.complete(&leases[0], SUCCESS).await.unwrap();
    world.complete(&leases[0], SUCCESS).await.unwrap();
    let other = Report::Failed(JobError::own("handler", "no", false));
    assert!(world.complete(&leases[0], other.clone()).await.is_err());
    world.complete(&leases[1], other).await.unwrap();
    assert_eq!(world.state(&leases[0]).await, JobState::Succeeded);
    assert_eq!(world.state(&leases[1]).await, JobState::Failed);
    let history = world.engine.job_history(world.tenant, leases[1].grant.token.job).await.unwrap().unwrap();
    let kinds: Vec<_> = history.iter().map(|record| record.body.kind()).collect();
    assert_eq!(kinds, ["job_enqueued", "lease_granted", "job_finished"]);
    let filter = JobFilter { states: vec![JobState::Failed], limit: 10, ..JobFilter::default() };
    assert_eq!(world.engine.jobs(world.tenant, &filter).await.unwrap().0.len(), 1);
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::open(folder.path()).await;
    world.declare(JobType::named("t")).await;
    world.enqueue((0..700).map(|n| world.job(n)).collect(), None).await.unwrap();
    let held = world.claim(5, 1_000).await;
    world.engine.shutdown().await;
    drop(world.engine);

    let mut world = World::open(folder.path()).await;
    for lease in &held {
        assert_eq!(world.state(lease).await, JobState::Running, "leases outlive their owner");
        world.complete(lease, SUCCESS).await.unwrap();
    }
    let mut done = 0;
    while done < 695 {
        let leases = world.claim(200, 1_000).await;
        assert!(!leases.is_empty(), "the window is read again after a restart ({done} done)");
        for lease in &leases {
            world.complete(lease, SUCCESS).await.unwrap();
        }
        done += leases.len();
    }
    assert!(world.claim(1, 0).await.is_empty());
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_one_job_and_a_cancel_ends_a_waiting_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::open(folder.path()).await;
    world.declare(JobType::named("t")).await;
    let key = KeyUse { key: [1; 16], fingerprint: [2; 16] };
    let first = world.enqueue(vec![world.job(1)], Some(key)).await.unwrap();
    let second = world.enqueue(vec![world.job(1)], Some(key)).await.unwrap();
    let id = |answer: &Answer| match answer {
        Answer::Enqueued(jobs) => jobs[0].id,
        answer => panic!("{answer:?}"),
    };
    assert_eq!(id(&first), id(&second));
    let other = KeyUse { fingerprint: [3; 16], ..key };
    assert!(matches!(world.enqueue(vec![world.job(2)], Some(other)).await, Err(Error::Refused(_))));
    let actor = Actor { by: "me".into(), reason: None };
    let cancel = Command::Cancel { tenant: world.tenant, job: id(&first), actor };
    world.engine.command(cancel).await.unwrap();
    assert!(world.claim(1, 0).await.is_empty());
    world.engine.shutdown().await;
}
