//! Replicas are killed in turn: each dies with leases open on its shards, and comes back before the next one dies.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use orch_bench::clock;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::failover::crew::Crew;
use crate::failover::notes::Notes;
use crate::failover::probe::Probe;
use crate::failover::row::{Grant, KillRow};
use crate::failover::verdict::{Verdict, drained, judge};
use crate::failover::{LEASES_MIN, REPLICAS, SHARDS, form};
use crate::place::Place;

/// How long the leases may take.
const LEASES_MAX: Duration = Duration::from_secs(60);
/// From the last lease to the kill: claims of probes are parked by then.
const PARK: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Replicas that are to be killed, and what clients know.
pub struct Kills {
    cluster: Cluster,
    notes: Arc<Notes>,
    leases: usize,
}

impl Kills {
    /// Starts the replicas; workers are to hold so many leases at each kill.
    pub async fn open(place: &Place, program: &Path, leases: usize) -> Result<Self> {
        let cluster = Cluster::open(place, program, form(REPLICAS)).await?;
        Ok(Self { cluster, notes: Arc::new(Notes::new(SHARDS)), leases })
    }

    /// Kills a replica under load and starts it again.
    pub async fn round(&mut self, place: &Place, number: usize) -> Result<KillRow> {
        let replica = (number - 1) % REPLICAS;
        let shares = self.cluster.settled().await?;
        let shards = &shares[replica];
        ensure!(!shards.is_empty(), "replica {replica} has no shard");
        let mut crew = Crew::hire(&self.cluster, &self.notes, self.leases)?;
        crew.produce(&self.cluster, self.leases, number)?;
        self.leased(&mut crew, shards).await?;
        let probes = shards.iter().map(|&shard| self.probe(shard, replica)).collect::<Result<Vec<_>>>()?;
        clock::pause(PARK).await;
        crew.watch()?;
        let (leases, leases_there) = (self.notes.open(0..SHARDS), self.notes.open(shards.iter().copied()));
        ensure!(leases_there >= LEASES_MIN, "only {leases_there} leases are open on the replica's shards");
        let grants = self.kill(replica, probes).await?;
        crew.watch()?;
        self.cluster.start(place, replica)?;
        let started = clock::now();
        self.cluster.settled().await?;
        let spread_seconds = started.elapsed().as_secs_f64();
        crew.end().await?;
        Ok(KillRow { kill: number, replica, leases, leases_there, grants, spread_seconds })
    }

    /// Waits until enough leases are held on these shards, and nearly all everywhere.
    async fn leased(&self, crew: &mut Crew, shards: &[u16]) -> Result<()> {
        let began = clock::now();
        loop {
            crew.watch()?;
            let (all, there) = (self.notes.open(0..SHARDS), self.notes.open(shards.iter().copied()));
            if there >= LEASES_MIN && all >= self.leases as u64 * 9 / 10 {
                return Ok(());
            }
            ensure!(began.elapsed() < LEASES_MAX, "only {all} leases were had, {there} on the replica's shards");
            clock::pause(LOOK).await;
        }
    }

    /// A probe of a shard through the replicas that stay.
    fn probe(&self, shard: u16, replica: usize) -> Result<Probe> {
        let tenant = self.cluster.tenants().iter().find(|tenant| tenant.shard == shard);
        let tenant = tenant.context("each shard has tenants")?;
        Ok(Probe::park(shard, self.cluster.client_without(&tenant.token, replica)?))
    }

    async fn kill(&mut self, replica: usize, probes: Vec<Probe>) -> Result<Vec<Grant>> {
        let at = clock::now();
        self.cluster.kill(replica);
        let mut waiting = JoinSet::new();
        for probe in probes {
            let notes = Arc::clone(&self.notes);
            waiting.spawn(async move {
                let shard = probe.shard;
                let took = probe.first_grant(at, &notes).await.with_context(|| format!("shard {shard}"))?;
                anyhow::Ok(Grant { shard, seconds: took.as_secs_f64() })
            });
        }
        let mut grants = Vec::new();
        while let Some(granted) = waiting.join_next().await {
            grants.push(granted??);
        }
        grants.sort_unstable_by_key(|grant| grant.shard);
        Ok(grants)
    }

    /// Lets everything end, and judges.
    pub async fn end(self, place: &Place) -> Result<Verdict> {
        let mut crew = Crew::hire(&self.cluster, &self.notes, 0)?;
        drained(place, &mut crew).await?;
        crew.end().await?;
        let verdict = judge(place, &self.notes).await?;
        self.cluster.stop().await?;
        Ok(verdict)
    }
}
