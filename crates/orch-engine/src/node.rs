//! This process among the others: it renews its row, looks who is there, and says which shards it is to have.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use orch_core::ids::{NodeId, ShardNo};
use orch_core::port::{Cluster, Ledger, NodeParams, ShardRow};
use orch_dispatch::command::PermitAsk;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::clock::{Clock, rest};
use crate::keeper::Keeper;
use crate::seat::{Seat, SeatRole, seat};
use crate::spread::spread;
use crate::sweeper::Ageing;

/// How often a node looks who is there.
const LOOK: Duration = Duration::from_millis(500);
/// The same while something is to be found out soon.
const LOOK_SOON: Duration = Duration::from_millis(50);
/// How long shards may take to be given up when the process ends.
const LEAVE: Duration = Duration::from_secs(12);

/// Until when this node counts as alive, and what it owned at its last renewal.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeLease {
    /// When that renewal was sent, on this process's clock.
    pub sent: Duration,
    /// The end, from before it was sent.
    pub valid_until: Duration,
    /// The shards with the epochs that named this node.
    pub owned: Vec<(ShardNo, u64)>,
}

/// The seats of this node, by shard.
pub(crate) type Seats = Arc<RwLock<BTreeMap<ShardNo, Seat>>>;

/// The node's task.
pub(crate) struct Node {
    pub ledger: Arc<dyn Ledger>,
    pub clock: Clock,
    pub params: NodeParams,
    /// Shards that there are at least.
    pub shards: u16,
    pub ageing: Ageing,
    /// Whose sweep may take a step.
    pub turn: Arc<Mutex<()>>,
    pub seats: Seats,
    pub cluster: watch::Sender<Cluster>,
    pub changes: Arc<watch::Sender<()>>,
    pub stop: watch::Receiver<bool>,
    /// Somebody met an owner that is none any more.
    pub look: Arc<Notify>,
    /// Told of each seat, and of what its owners will ask of the home of shared hosts.
    pub couriers: mpsc::UnboundedSender<(Seat, mpsc::UnboundedReceiver<PermitAsk>)>,
}

impl Node {
    /// Keeps this node's shards until told to stop; then gives them up.
    pub async fn run(mut self) {
        let (lease_in, lease) = watch::channel(NodeLease::default());
        let renewing = tokio::spawn(renew(Arc::clone(&self.ledger), self.clock.clone(), self.params.clone(), lease_in));
        let mut keepers = Keepers { wanted: HashMap::new(), tasks: Vec::new(), lease };
        let mut made = false;
        while !*self.stop.borrow() {
            if !made {
                made =
                    self.ledger.shard_make(self.shards).await.inspect_err(|error| warn!(%error, "no shards")).is_ok();
            }
            let soon = match self.ledger.cluster().await {
                Ok(cluster) => self.meet(cluster, &mut keepers),
                Err(error) => {
                    debug!(%error, "could not see the other nodes");
                    true
                }
            };
            let pause = if soon || !made { LOOK_SOON } else { LOOK };
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => {}
                () = self.look.notified() => {}
                () = rest(pause) => {}
            }
        }
        keepers.wanted.values().for_each(|wanted| {
            wanted.send_replace(false);
        });
        let left = async {
            for seat in self.all_seats() {
                let mut role = seat.role;
                let _ = role.wait_for(|role| *role == SeatRole::Away).await;
            }
        };
        if tokio::time::timeout(LEAVE, left).await.is_err() {
            warn!("a shard could not be given up in time");
        }
        for task in keepers.tasks.into_iter().chain([renewing]) {
            task.abort();
            // That it was ended is no news; the ledger is let go of when it is gone.
            let _ = task.await;
        }
        self.changes.send_replace(());
    }

    fn all_seats(&self) -> Vec<Seat> {
        self.seats.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Says to each seat whether this node is to have its shard. True when something is about to change.
    fn meet(&self, cluster: Cluster, keepers: &mut Keepers) -> bool {
        let alive = cluster.nodes.iter().any(|node| node.node == self.params.node && node.for_ms > 0);
        let places = if alive { spread(&cluster) } else { BTreeMap::new() };
        let mut settled = alive;
        for row in &cluster.shards {
            let mine = places.get(&row.shard) == Some(&self.params.node);
            settled &= row.owner.is_some() && row.owner == places.get(&row.shard).copied();
            let wanted = keepers.wanted.entry(row.shard).or_insert_with(|| {
                let (wanted, task) = self.keep(row, keepers.lease.clone());
                keepers.tasks.push(task);
                wanted
            });
            // A node that does not see itself alive takes nothing; what it has ends by its lease.
            if alive {
                wanted.send_if_modified(|now| std::mem::replace(now, mine) != mine);
            }
        }
        if *self.cluster.borrow() != cluster {
            self.cluster.send_replace(cluster);
            self.changes.send_replace(());
        }
        !settled
    }

    /// Starts the keeper of a shard.
    fn keep(&self, row: &ShardRow, lease: watch::Receiver<NodeLease>) -> (watch::Sender<bool>, JoinHandle<()>) {
        let (place, end, asked) = seat(row.shard);
        // Without couriers the engine has stopped.
        let _ = self.couriers.send((place.clone(), asked));
        self.seats.write().unwrap_or_else(PoisonError::into_inner).insert(row.shard, place.clone());
        let (wanted, wanted_out) = watch::channel(false);
        let keeper = Keeper {
            ledger: Arc::clone(&self.ledger),
            clock: self.clock.clone(),
            node: self.params.node,
            seat: end,
            place,
            ageing: self.ageing,
            turn: Arc::clone(&self.turn),
            wanted: wanted_out,
            lease,
            changes: Arc::clone(&self.changes),
        };
        (wanted, tokio::spawn(keeper.run()))
    }
}

/// The keepers of this node's seats.
struct Keepers {
    wanted: HashMap<ShardNo, watch::Sender<bool>>,
    tasks: Vec<JoinHandle<()>>,
    lease: watch::Receiver<NodeLease>,
}

/// Renews the node's row four times in each lease, at once and for as long as anybody listens.
async fn renew(ledger: Arc<dyn Ledger>, clock: Clock, params: NodeParams, lease: watch::Sender<NodeLease>) {
    let (period, length) = (Duration::from_millis(params.lease_ms / 4), Duration::from_millis(params.lease_ms));
    loop {
        let sent = clock.elapsed();
        match ledger.node_renew(&params).await {
            Ok(renewal) => {
                clock.begin(renewal.now);
                clock.slew(renewal.now);
                lease.send_replace(NodeLease { sent, valid_until: sent + length, owned: renewal.owned });
            }
            Err(error) => debug!(%error, "a renewal failed"),
        }
        if tokio::time::timeout(period, lease.closed()).await.is_ok() {
            return;
        }
    }
}

/// Where a live owner of the shard is, by what was seen last: `None` when there is none.
pub(crate) fn owner_of(cluster: &Cluster, shard: ShardNo) -> Option<(NodeId, &str)> {
    let owner = cluster.shards.iter().find(|row| row.shard == shard)?.owner?;
    let node = cluster.nodes.iter().find(|node| node.node == owner && node.for_ms > 0)?;
    Some((owner, node.address.as_str()))
}
