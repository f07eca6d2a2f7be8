//! The handle: what the server holds. It sends commands to the owner's task and waits; it owns no append.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orch_core::ids::{Incarnation, JobId, NodeId, ShardNo, v7};
use orch_core::port::{BlobStore, Ledger};
use orch_core::{Timestamp, limits};
use orch_dispatch::{Answer, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::lanes::LaneNames;
use crate::payload_schema::PayloadSchemas;

/// What an engine is made of.
pub struct EngineOptions {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Where artifacts' bytes lie.
    pub blobs: Arc<dyn BlobStore>,
    /// Where other nodes reach this one.
    pub address: String,
    /// The shard to own.
    pub shard: ShardNo,
    /// How long this node counts as alive without renewing.
    pub node_lease_ms: u64,
}

impl EngineOptions {
    /// An engine on this ledger with the defaults.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, blobs: Arc<dyn BlobStore>) -> Self {
        let node_lease_ms = limits::NODE_LEASE_MS;
        Self { ledger, blobs, address: String::new(), shard: ShardNo(0), node_lease_ms }
    }
}

/// What this node is to its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Taking over or recovering.
    Starting,
    /// Serving.
    Owner {
        /// Its epoch.
        epoch: u64,
    },
    /// Another node owns it.
    Standby {
        /// Where that one is.
        address: String,
    },
    /// Stopped.
    Stopped,
}

impl Role {
    /// Whether commands are served, or why not.
    fn serves(self) -> Result<(), Error> {
        match self {
            Self::Owner { .. } => Ok(()),
            Self::Starting => Err(Error::NotOwner { retry_after_ms: 500, address: None }),
            Self::Standby { address } => Err(Error::NotOwner { retry_after_ms: 1_000, address: Some(address) }),
            Self::Stopped => Err(Error::Draining),
        }
    }
}

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What this node is to its shard.
    pub role: Role,
    /// The ledger's life; known once the shard was owned.
    pub incarnation: Option<Incarnation>,
}

pub(crate) struct Call {
    pub command: Command,
    pub reply: oneshot::Sender<Answer>,
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
    /// New work; bounded, so that it is shed first.
    usual: mpsc::Sender<Call>,
    /// Workers' reports and reads under way: the reserved path.
    reserved: mpsc::Sender<Call>,
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    keeper: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    pub lanes: LaneNames,
    pub schemas: Arc<PayloadSchemas>,
    ids: AtomicU64,
}

impl Engine {
    /// Starts the engine's task and returns at once; `status` tells when it serves.
    #[must_use]
    pub fn start(options: EngineOptions) -> Self {
        let clock = Clock::start();
        let queue = limits::COMMANDS_QUEUED_MAX as usize;
        let (usual, usual_in) = mpsc::channel(queue);
        let (reserved, reserved_in) = mpsc::channel(queue);
        let (status_out, status) = watch::channel(Status { role: Role::Starting, incarnation: None });
        let (stop, stop_in) = watch::channel(false);
        let schemas = Arc::new(PayloadSchemas::default());
        let keeper = Keeper {
            ledger: Arc::clone(&options.ledger),
            clock: clock.clone(),
            node: NodeId(v7(wall_clock(), rand::random_chance())),
            address: options.address,
            shard: options.shard,
            node_lease_ms: options.node_lease_ms,
            usual: usual_in,
            reserved: reserved_in,
            status: status_out,
            stop: stop_in,
            schemas: Arc::clone(&schemas),
        };
        let task = tokio::spawn(keeper.run());
        let inner = Inner {
            ledger: options.ledger,
            blobs: options.blobs,
            clock,
            usual,
            reserved,
            status,
            stop,
            schemas,
            keeper: tokio::sync::Mutex::new(Some(task)),
            lanes: LaneNames::default(),
            ids: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How the engine is now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.status.borrow().clone()
    }

    /// Waits until this node owns the shard and serves. False when the engine has stopped.
    pub async fn serving(&self) -> bool {
        let mut status = self.inner.status.clone();
        let found = status.wait_for(|status| matches!(status.role, Role::Owner { .. } | Role::Stopped)).await;
        found.is_ok_and(|status| matches!(status.role, Role::Owner { .. }))
    }

    /// Drains: parked claims are answered empty, what was accepted is committed, the shard is given up.
    pub async fn shutdown(&self) {
        let _ = self.inner.stop.send(true);
        if let Some(task) = self.inner.keeper.lock().await.take() {
            let _ = task.await;
        }
    }

    /// What job types say of their payloads.
    #[must_use]
    pub fn payload_schemas(&self) -> &PayloadSchemas {
        &self.inner.schemas
    }

    /// The life of the ledger, which positions in it are bound to.
    ///
    /// # Errors
    /// As a command would fail, as long as the shard was never owned here.
    pub fn incarnation(&self) -> Result<Incarnation, Error> {
        let status = self.status();
        status.incarnation.ok_or_else(|| status.role.serves().err().unwrap_or(Error::Draining))
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

    /// Runs a command and returns its answer once that is committed.
    ///
    /// # Errors
    /// Refusals, and whatever kept the command from being answered.
    pub async fn command(&self, command: Command) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let call = Call { command, reply };
        self.status().role.serves()?;
        if reserved(&call.command) {
            self.inner.reserved.send(call).await.map_err(|_| Error::Draining)?;
        } else {
            self.inner.usual.try_send(call).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded { retry_after_ms: 1_000 },
                mpsc::error::TrySendError::Closed(_) => Error::Draining,
            })?;
        }
        match answer.await {
            Ok(Answer::Refused(refusal)) => Err(Error::Refused(refusal)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Error::OutcomeUnknown),
        }
    }
}

/// Heartbeats, completions and what belongs to them keep their path when new work is shed.
fn reserved(command: &Command) -> bool {
    matches!(
        command,
        Command::Ack { .. }
            | Command::Heartbeat { .. }
            | Command::Complete { .. }
            | Command::Release { .. }
            | Command::CheckLease { .. }
            | Command::Cancel { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Drain { .. }
    )
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
