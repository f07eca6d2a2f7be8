//! The life of an ownership: announce, take over, recover, serve, and again after any failure.

use std::sync::Arc;
use std::time::Duration;

use orch_core::ids::{NodeId, ShardNo};
use orch_core::limits;
use orch_core::port::{Ledger, NodeParams, Ownership, StoreError, TakeOver};
use orch_dispatch::Shard;
use orch_dispatch::owner::{Owner, SnapshotPolicy};
use orch_dispatch::shard::{Identity, RecoverError, SNAPSHOT_FORMAT};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::engine::{Call, Role, Status};
use crate::payload_schema::PayloadSchemas;
use crate::serving::{End, Renewer, Serving};

/// Commits read at a time at recovery.
const TAIL_READ: usize = 256;

pub(crate) struct Keeper {
    pub ledger: Arc<dyn Ledger>,
    pub clock: Clock,
    pub node: NodeId,
    pub address: String,
    pub shard: ShardNo,
    pub node_lease_ms: u64,
    pub usual: mpsc::Receiver<Call>,
    pub reserved: mpsc::Receiver<Call>,
    pub status: watch::Sender<Status>,
    pub stop: watch::Receiver<bool>,
    pub schemas: Arc<PayloadSchemas>,
}

/// Why a shard is not served.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
}

impl Keeper {
    /// Keeps the shard until told to stop.
    pub async fn run(mut self) {
        while !*self.stop.borrow() {
            match self.term().await {
                Ok(Some(End::Stopped)) => break,
                Ok(Some(End::Failed(why))) => warn!(shard = self.shard.0, %why, "ownership ended; taking over again"),
                Ok(None) => {}
                Err(failure) => {
                    error!(shard = self.shard.0, error = %failure, "the shard could not be taken over");
                    self.pause(Duration::from_millis(250)).await;
                }
            }
            self.set_role(Role::Starting);
        }
        self.set_role(Role::Stopped);
    }

    fn set_role(&self, role: Role) {
        self.status.send_modify(|status| status.role = role);
    }

    async fn pause(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, self.stop.wait_for(|stop| *stop)).await;
    }

    fn params(&self) -> NodeParams {
        NodeParams { node: self.node, address: self.address.clone(), lease_ms: self.node_lease_ms }
    }

    /// What the task that renews this node needs.
    pub fn renewer(&self) -> Renewer {
        let (ledger, clock) = (Arc::clone(&self.ledger), self.clock.clone());
        Renewer { ledger, clock, params: self.params() }
    }

    /// One ownership, from its take-over to its end. `None`: another node owns the shard.
    async fn term(&mut self) -> Result<Option<End>, KeepError> {
        let sent = self.clock.elapsed();
        self.ledger.node_renew(&self.params()).await?;
        let ownership = match self.ledger.shard_take_over(self.shard, self.node).await? {
            TakeOver::Taken(ownership) => ownership,
            TakeOver::Held { address, for_ms, .. } => {
                self.set_role(Role::Standby { address });
                self.pause(Duration::from_millis(for_ms.clamp(20, 500))).await;
                return Ok(None);
            }
        };
        self.clock.set(ownership.now);
        let owner = self.recover(&ownership).await?;
        let now = self.clock.elapsed();
        info!(
            shard = self.shard.0,
            epoch = ownership.epoch,
            commit_no = owner.committed(),
            ms = u64::try_from((now - sent).as_millis()).unwrap_or(u64::MAX),
            "shard taken over"
        );
        self.status.send_modify(|status| status.incarnation = Some(ownership.incarnation));
        let valid_until = sent + Duration::from_millis(self.node_lease_ms);
        self.schemas.reset(owner.shard().payload_schemas());
        let mut serving = Serving::new(self, owner, ownership.epoch, valid_until);
        let end = serving.run().await;
        drop(serving);
        self.schemas.reset(std::iter::empty());
        if matches!(end, End::Stopped) {
            self.ledger.shard_release(self.shard, self.node, ownership.epoch).await?;
            info!(shard = self.shard.0, epoch = ownership.epoch, "shard given up");
        }
        Ok(Some(end))
    }

    async fn recover(&self, ownership: &Ownership) -> Result<Owner, KeepError> {
        let identity = Identity { shard: self.shard, epoch: ownership.epoch, incarnation: ownership.incarnation };
        let snapshot = self.ledger.snapshot_get(self.shard).await?;
        if let Some(row) = snapshot.as_ref().filter(|row| row.format < SNAPSHOT_FORMAT) {
            warn!(shard = self.shard.0, format = row.format, "the snapshot has an older form; all facts are read");
        }
        let mut shard = Shard::begin(identity, snapshot.as_ref())?;
        loop {
            let commits = self.ledger.tail_read(self.shard, shard.taken(), TAIL_READ).await?;
            for commit in &commits {
                shard.replay(commit)?;
            }
            if commits.len() < TAIL_READ {
                break;
            }
        }
        shard.serve_from(self.clock.now());
        let policy = SnapshotPolicy { facts: limits::SNAPSHOT_FACTS, ms: limits::SNAPSHOT_MS };
        Ok(Owner::serving(shard, policy))
    }
}
