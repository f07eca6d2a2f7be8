//! The life of an ownership: announce, take over, recover, serve, and again after any failure.

use std::sync::Arc;
use std::time::Duration;

use orch_core::ids::NodeId;
use orch_core::limits;
use orch_core::port::{Ledger, Ownership, StoreError, TakeOver};
use orch_dispatch::Shard;
use orch_dispatch::owner::{Owner, SnapshotPolicy};
use orch_dispatch::shard::{Identity, RecoverError, SNAPSHOT_FORMAT, Sizes};
use tokio::sync::{Mutex, watch};
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::node::NodeLease;
use crate::seat::{Call, Seat, SeatEnd, SeatRole};
use crate::serving::{End, Serving};
use crate::sweeper::{Ageing, Sweeper, Sweeps};

/// Commits read at a time at recovery.
const TAIL_READ: usize = 256;

/// How long a keeper waits before it tries again what did not work.
const AGAIN: Duration = Duration::from_millis(250);
/// How often it looks whether the shard that it is to have is free; this is most of what a move costs.
const FREE_LOOK_MS: u64 = 50;

/// Keeps one shard as long as this node is to have it.
pub(crate) struct Keeper {
    pub ledger: Arc<dyn Ledger>,
    pub clock: Clock,
    pub node: NodeId,
    pub seat: SeatEnd,
    /// The other side of the seat, for what is asked of the owner from here.
    pub place: Seat,
    pub ageing: Ageing,
    pub turn: Arc<Mutex<()>>,
    /// This node is to have the shard.
    pub wanted: watch::Receiver<bool>,
    pub lease: watch::Receiver<NodeLease>,
    /// Told of each change of the seat's role.
    pub changes: Arc<watch::Sender<()>>,
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
    /// Keeps the shard whenever it is wanted, until nobody can want it any more.
    pub async fn run(mut self) {
        let shard = self.seat.shard.0;
        while self.bounce_until_wanted().await {
            self.set_role(SeatRole::Coming);
            match self.term().await {
                Ok(Some(End::Stopped) | None) => {}
                Ok(Some(End::Failed(why))) => warn!(shard, %why, "ownership ended; taking over again"),
                Err(failure) => {
                    error!(shard, error = %failure, "the shard could not be taken over");
                    self.pause(AGAIN).await;
                }
            }
            self.set_role(SeatRole::Away);
        }
    }

    pub fn set_role(&self, role: SeatRole) {
        self.seat.role.send_replace(role);
        self.changes.send_replace(());
    }

    /// Gives back what comes in while the shard is not wanted here. False when nobody can want it any more.
    async fn bounce_until_wanted(&mut self) -> bool {
        loop {
            let call = tokio::select! {
                biased;
                wanted = self.wanted.wait_for(|wanted| *wanted) => return wanted.is_ok(),
                Some(call) = self.seat.reserved.recv() => call,
                Some(call) = self.seat.usual.recv() => call,
            };
            call.bounce();
        }
    }

    /// Gives back what was sent and not taken in.
    fn bounce_all(&mut self) {
        let seat = &mut self.seat;
        let calls = std::iter::from_fn(|| seat.reserved.try_recv().or_else(|_| seat.usual.try_recv()).ok());
        calls.for_each(Call::bounce);
    }

    /// Waits, or until the shard is not wanted any more.
    async fn pause(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, self.wanted.wait_for(|wanted| !*wanted)).await;
    }

    /// One ownership, from its take-over to its end. `None`: it is not to be had now.
    async fn term(&mut self) -> Result<Option<End>, KeepError> {
        let sent = self.clock.elapsed();
        if self.lease.borrow().valid_until <= sent {
            let _ = tokio::time::timeout(AGAIN, self.lease.changed()).await;
            return Ok(None);
        }
        let ownership = match self.ledger.shard_take_over(self.seat.shard, self.node).await? {
            TakeOver::Taken(ownership) => ownership,
            TakeOver::Held { for_ms, .. } => {
                self.bounce_all();
                self.pause(Duration::from_millis(for_ms.clamp(1, FREE_LOOK_MS))).await;
                return Ok(None);
            }
        };
        let taken_at = self.clock.elapsed();
        self.clock.meet(ownership.now);
        let owner = self.recover(&ownership).await?;
        info!(
            shard = self.seat.shard.0,
            epoch = ownership.epoch,
            commit_no = owner.committed(),
            ms = u64::try_from((self.clock.elapsed() - sent).as_millis()).unwrap_or(u64::MAX),
            "shard taken over"
        );
        self.seat.schemas.reset(owner.shard().job_types());
        let sweeper = self.sweep(ownership.epoch);
        let mut serving = Serving::new(self, owner, ownership.epoch, taken_at);
        let end = serving.run().await;
        drop(serving);
        sweeper.end().await;
        self.set_role(SeatRole::Leaving);
        self.bounce_all();
        self.seat.schemas.reset(std::iter::empty());
        if matches!(end, End::Stopped) {
            self.ledger.shard_release(self.seat.shard, self.node, ownership.epoch).await?;
            info!(shard = self.seat.shard.0, epoch = ownership.epoch, "shard given up");
        }
        Ok(Some(end))
    }

    fn sweep(&self, epoch: u64) -> Sweeper {
        let sweeps = Sweeps {
            ledger: Arc::clone(&self.ledger),
            clock: self.clock.clone(),
            shard: self.seat.shard,
            seat: self.place.clone(),
            epoch,
            ageing: self.ageing,
            turn: Arc::clone(&self.turn),
        };
        // The node's id ends in chance.
        let [.., high, low] = *self.node.0.as_bytes();
        Sweeper::start(sweeps, u16::from_be_bytes([high, low]) ^ self.seat.shard.0)
    }

    async fn recover(&self, ownership: &Ownership) -> Result<Owner, KeepError> {
        let identity = Identity { shard: self.seat.shard, epoch: ownership.epoch, incarnation: ownership.incarnation };
        let snapshot = self.ledger.snapshot_get(self.seat.shard).await?;
        if let Some(row) = snapshot.as_ref().filter(|row| row.format < SNAPSHOT_FORMAT) {
            warn!(shard = self.seat.shard.0, format = row.format, "the snapshot has an older form; all facts are read");
        }
        let mut shard = Shard::begin(identity, snapshot.as_ref())?;
        loop {
            let commits = self.ledger.tail_read(self.seat.shard, shard.taken(), TAIL_READ).await?;
            for commit in &commits {
                shard.replay(commit)?;
            }
            if commits.len() < TAIL_READ {
                break;
            }
        }
        shard.serve_from(self.clock.now());
        let policy = SnapshotPolicy { facts: limits::SNAPSHOT_FACTS, ms: limits::SNAPSHOT_MS };
        let mut owner = Owner::serving(shard, policy);
        owner.resize(Sizes { appends: self.ledger.appends_at_once(), ..Sizes::default() });
        Ok(owner)
    }
}
