//! The handle: what the server holds. It sends commands to the owner's task and waits; it owns no append.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use orch_core::ids::{Incarnation, JobId, NodeId, ShardNo, TenantNo, v7};
use orch_core::port::{BlobStore, Cluster, Ledger, NodeParams};
use orch_core::{Timestamp, limits};
use orch_dispatch::{Answer, Command};
use tokio::sync::{Notify, OnceCell, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::admission::Admitted;
use crate::clock::Clock;
use crate::courier;
use crate::error::Error;
use crate::lanes::LaneNames;
use crate::memory::{Memory, MemoryMarks, MemoryUse};
use crate::node::{Node, Seats, owner_of};
use crate::peer::Peers;
use crate::seat::{Seat, SeatRole};
use crate::sweeper::Ageing;

/// How long a call waits for a shard that changes hands, before its caller is told to come again.
const HOLD: Duration = Duration::from_millis(1_500);

/// What an engine is made of.
pub struct EngineOptions {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Where artifacts' bytes lie.
    pub blobs: Arc<dyn BlobStore>,
    /// Where other nodes reach this one.
    pub address: String,
    /// Shards that the ledger is to have at least; nodes share out all that there are.
    pub shards: u16,
    /// How long this node counts as alive without renewing.
    pub node_lease_ms: u64,
    /// How long what ended is kept.
    pub ageing: Ageing,
    /// The way to other nodes; without it a call for a shard of theirs is refused.
    pub peers: Option<Arc<dyn Peers>>,
    /// Between which marks of its memory the process refuses new work.
    pub memory: MemoryMarks,
}

impl EngineOptions {
    /// An engine on this ledger with the defaults: one shard, no way to other nodes, as much memory as it takes.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, blobs: Arc<dyn BlobStore>) -> Self {
        let node_lease_ms = limits::NODE_LEASE_MS;
        let ageing = Ageing::default();
        let memory = MemoryMarks::default();
        Self { ledger, blobs, address: String::new(), shards: 1, node_lease_ms, ageing, peers: None, memory }
    }
}

/// What this node is to the ledger's shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does not know of an owner for each shard yet, or any more.
    Starting,
    /// It serves shards of its own.
    Owner,
    /// Other nodes own them all; `forwards`: it passes calls on to them.
    Standby {
        /// Whether it serves by passing calls on.
        forwards: bool,
    },
    /// Stopped.
    Stopped,
}

/// The engine. Clones are handles of the same one.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn BlobStore>,
    pub clock: Clock,
    node: NodeId,
    seats: Seats,
    cluster: watch::Receiver<Cluster>,
    changes: Arc<watch::Sender<()>>,
    look: Arc<Notify>,
    peers: Option<Arc<dyn Peers>>,
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    incarnation: OnceCell<Incarnation>,
    pub lanes: LaneNames,
    pub memory: Arc<Memory>,
    ids: AtomicU64,
    /// One calculation of what would happen at a time.
    pub thinking: Arc<Semaphore>,
}

/// Where a shard is served, as far as this node knows.
enum Place {
    Here(Seat),
    There(String),
    Nowhere,
}

impl Engine {
    /// Starts the engine's tasks and returns at once; `role` tells when it serves.
    #[must_use]
    pub fn start(options: EngineOptions) -> Self {
        let clock = Clock::start();
        let node = NodeId(v7(wall_clock(), rand::random_chance()));
        let (cluster_out, cluster) = watch::channel(Cluster::default());
        let (stop, stop_in) = watch::channel(false);
        let memory = Memory::watch(options.memory, stop_in.clone());
        let changes = Arc::new(watch::channel(()).0);
        let look = Arc::new(Notify::new());
        let seats: Seats = Arc::new(RwLock::new(BTreeMap::new()));
        let (couriers, seated) = mpsc::unbounded_channel();
        let task = Node {
            ledger: Arc::clone(&options.ledger),
            clock: clock.clone(),
            params: NodeParams { node, address: options.address, lease_ms: options.node_lease_ms },
            shards: options.shards.max(1),
            ageing: options.ageing,
            turn: Arc::default(),
            seats: Arc::clone(&seats),
            cluster: cluster_out,
            changes: Arc::clone(&changes),
            stop: stop_in,
            look: Arc::clone(&look),
            couriers,
        };
        let inner = Inner {
            ledger: options.ledger,
            blobs: options.blobs,
            clock,
            node,
            seats,
            cluster,
            changes,
            look,
            peers: options.peers,
            stop,
            task: tokio::sync::Mutex::new(Some(tokio::spawn(task.run()))),
            incarnation: OnceCell::new(),
            lanes: LaneNames::default(),
            memory,
            ids: AtomicU64::new(0),
            thinking: Arc::new(Semaphore::new(1)),
        };
        let engine = Self { inner: Arc::new(inner) };
        tokio::spawn(courier::serve(Arc::downgrade(&engine.inner), seated));
        engine
    }

    /// What this node is to the ledger's shards now.
    #[must_use]
    pub fn role(&self) -> Role {
        if *self.inner.stop.borrow() {
            return Role::Stopped;
        }
        let cluster = self.inner.cluster.borrow().clone();
        let all_owned = cluster.shards.iter().all(|row| !matches!(self.place(row.shard), Place::Nowhere));
        let any_mine = cluster.shards.iter().any(|row| matches!(self.place(row.shard), Place::Here(_)));
        match (cluster.shards.is_empty() || !all_owned, any_mine) {
            (true, _) => Role::Starting,
            (false, true) => Role::Owner,
            (false, false) => Role::Standby { forwards: self.inner.peers.is_some() },
        }
    }

    /// Waits until each shard has an owner, this node or another. False when the engine has stopped.
    pub async fn settled(&self) -> bool {
        self.role_is(|role| matches!(role, Role::Owner | Role::Standby { .. })).await
    }

    /// Waits until this node owns a shard and serves. False when the engine has stopped.
    pub async fn serving(&self) -> bool {
        self.role_is(|role| role == Role::Owner).await
    }

    async fn role_is(&self, wanted: impl Fn(Role) -> bool) -> bool {
        let mut changes = self.inner.changes.subscribe();
        loop {
            changes.borrow_and_update();
            match self.role() {
                Role::Stopped => return false,
                role if wanted(role) => return true,
                _ => {}
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Drains: parked claims are answered empty, what was accepted is committed, the shards are given up.
    pub async fn shutdown(&self) {
        let _ = self.inner.stop.send_replace(true);
        self.inner.changes.send_replace(());
        if let Some(task) = self.inner.task.lock().await.take() {
            let _ = task.await;
        }
    }

    /// This node's id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// Nodes and shards as they were seen last.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        self.inner.cluster.borrow().clone()
    }

    /// The life of the ledger, which positions in it are bound to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn incarnation(&self) -> Result<Incarnation, Error> {
        let read = async || self.ledger().identity().await.map(|identity| identity.incarnation);
        Ok(*self.inner.incarnation.get_or_try_init(read).await?)
    }

    /// The ledger, for reading what is committed.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.inner.ledger
    }

    /// Where artifacts' bytes lie.
    #[must_use]
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.inner.blobs
    }

    /// The owner's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// A new job id. Ids of one engine rise.
    #[must_use]
    pub fn new_job_id(&self) -> JobId {
        // A rising counter in the 12 bits behind the time keeps the ids of a millisecond in order.
        let n = u128::from(self.inner.ids.fetch_add(1, Ordering::Relaxed));
        let chance = (rand::random_chance() >> 16 & !(0xfff << 64)) | ((n & 0xfff) << 64);
        JobId::v7(self.now(), chance)
    }

    /// How much memory this process has, and whether it takes new work.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.inner.memory.found()
    }

    /// Whether this process takes new work, by the memory that it has.
    ///
    /// # Errors
    /// It does not, and says which mark was passed.
    pub fn takes_new(&self) -> Result<(), Error> {
        self.inner.memory.takes_new()
    }

    /// Waits until a call that makes jobs for this tenant may begin: at once, unless the tenant asks for much while
    /// others ask for little. Before its body is read.
    pub async fn admit(&self, tenant: TenantNo) -> Admitted {
        match self.place(tenant.shard()) {
            Place::Here(seat) => seat.admission.enter(tenant).await,
            // Its owner's node sees to the order of what is passed on.
            Place::There(_) | Place::Nowhere => Admitted::FREELY,
        }
    }

    /// Runs a command at its shard, here or at the node that owns it, and returns its answer once that is committed.
    /// A shard that changes hands is waited for, a little.
    pub(crate) async fn at(&self, shard: ShardNo, mut command: Command) -> Result<Answer, Error> {
        let until = self.inner.clock.elapsed() + HOLD;
        let mut changes = self.inner.changes.subscribe();
        loop {
            changes.borrow_and_update();
            if *self.inner.stop.borrow() && !matches!(self.place(shard), Place::Here(_)) {
                return Err(Error::Draining);
            }
            match (self.place(shard), &self.inner.peers) {
                (Place::Here(seat), _) => match seat.call(command).await? {
                    Ok(answer) => return Ok(answer),
                    Err(untouched) => command = untouched,
                },
                (Place::There(address), Some(peers)) => match self.forward(peers, &address, shard, &command).await {
                    // It was the owner a moment ago.
                    Err(Error::NotOwner { .. }) => self.inner.look.notify_one(),
                    answered => return answered,
                },
                (Place::There(address), None) => {
                    return Err(Error::NotOwner { retry_after_ms: 1_000, address: Some(address) });
                }
                (Place::Nowhere, _) => {}
            }
            let left = until.saturating_sub(self.inner.clock.elapsed());
            if !matches!(tokio::time::timeout(left, changes.changed()).await, Ok(Ok(()))) {
                return Err(Error::NotOwner { retry_after_ms: 500, address: None });
            }
        }
    }

    /// Runs another node's command at a shard of this node, or not at all.
    pub(crate) async fn at_own(&self, shard: ShardNo, command: Command) -> Result<Answer, Error> {
        self.inner.memory.takes(&command)?;
        let elsewhere = || Error::NotOwner { retry_after_ms: 500, address: None };
        match self.place(shard) {
            Place::Here(seat) => seat.call(command).await?.map_err(|_| elsewhere()),
            Place::There(_) | Place::Nowhere => Err(elsewhere()),
        }
    }

    fn place(&self, shard: ShardNo) -> Place {
        let seat = self.inner.seats.read().unwrap_or_else(PoisonError::into_inner).get(&shard).cloned();
        if let Some(seat) = seat.filter(|seat| matches!(seat.role(), SeatRole::Owner(_))) {
            return Place::Here(seat);
        }
        let cluster = self.inner.cluster.borrow();
        match owner_of(&cluster, shard) {
            Some((owner, address)) if owner != self.inner.node => Place::There(address.to_owned()),
            _ => Place::Nowhere,
        }
    }

    /// Waits until the engine is told to stop.
    pub(crate) async fn stopping(&self) {
        let _ = self.inner.stop.subscribe().wait_for(|stop| *stop).await;
    }
}

/// The wrong kind of answer is a defect in this crate.
pub(crate) fn unexpected(answer: &Answer) -> Error {
    Error::Internal(format!("an answer of the wrong kind: {answer:?}"))
}

/// The machine's wall clock; only for the time part of a node's id.
fn wall_clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a node's id is made before the ledger's time is known")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(0))
}

mod rand {
    //! The one source of chance.

    /// 128 random bits.
    pub fn random_chance() -> u128 {
        use ::rand::Rng;
        ::rand::rng().random()
    }
}
