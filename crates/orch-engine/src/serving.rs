//! The loop of an ownership: calls in, effects out, appends in order, answers only while the node's lease holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use orch_core::ids::{ShardNo, TenantId, TenantNo};
use orch_core::limits;
use orch_core::port::{Append, ConfigRow, Ledger, StoreError, TenantRow, WindowRow};
use orch_core::time::Timestamp;
use orch_dispatch::command::Command;
use orch_dispatch::owner::PrepareId;
use orch_dispatch::{CallId, Effect, KeyWish, Owner, Prepared, WindowWish};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::clock::rest;
use crate::keeper::Keeper;
use crate::preparer::prepare;
use crate::seat::{Call, Reply, SeatRole, reserved};

/// Calls taken in before the effects of the first are carried out.
const CALLS_AT_ONCE: usize = 256;
/// The longest the loop sleeps.
const TICK: Duration = Duration::from_millis(50);
/// The shortest pause between two pages of keys.
const KEYS_REST: Duration = Duration::from_millis(1);
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);

/// How an ownership ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It was told to stop, and everything accepted is committed.
    Stopped,
    /// Anything else: the state in memory is worth nothing any more.
    Failed(String),
}

enum Event {
    Appended(u64, Result<(), StoreError>),
    Prepared(PrepareId, Result<Prepared, StoreError>),
    Windows(u64, Vec<WindowWish>, Result<Vec<Vec<WindowRow>>, StoreError>),
    Keys(KeyWish, Result<Vec<[u8; 16]>, StoreError>),
}

enum Woken {
    Event(Event),
    Call(Call),
    Stop,
    Time,
}

pub(crate) struct Serving<'a> {
    keeper: &'a mut Keeper,
    owner: Owner,
    epoch: u64,
    /// When the shard was taken: a renewal that was sent later names it, or it is lost.
    taken_at: Duration,
    /// Until when this node may answer.
    valid_until: Duration,
    calls: HashMap<CallId, oneshot::Sender<Reply>>,
    next_call: u64,
    events: mpsc::UnboundedReceiver<Event>,
    events_in: mpsc::UnboundedSender<Event>,
    writer: mpsc::UnboundedSender<Box<Append>>,
    tasks: Vec<JoinHandle<()>>,
    draining_since: Option<Duration>,
    /// When it was last looked who asks for much.
    looked_at: Duration,
    /// What the appends under way declare.
    declared: HashMap<u64, Vec<ConfigRow>>,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.keeper.seat.admission.hold_back(&[]);
    }
}

impl<'a> Serving<'a> {
    pub fn new(keeper: &'a mut Keeper, owner: Owner, epoch: u64, taken_at: Duration) -> Self {
        let (events_in, events) = mpsc::unbounded_channel();
        let (writer, appends) = mpsc::unbounded_channel();
        let write = tokio::spawn(write(Arc::clone(&keeper.ledger), appends, events_in.clone()));
        let valid_until = keeper.lease.borrow_and_update().valid_until;
        Self {
            keeper,
            owner,
            epoch,
            taken_at,
            valid_until,
            calls: HashMap::new(),
            next_call: 0,
            events,
            events_in,
            writer,
            tasks: vec![write],
            draining_since: None,
            looked_at: Duration::ZERO,
            declared: HashMap::new(),
        }
    }

    /// Serves until the ownership ends.
    pub async fn run(&mut self) -> End {
        if self.owner.shard().next_tenant_no() == TenantNo::SYSTEM {
            self.make_system_tenant();
        }
        self.keeper.set_role(SeatRole::Owner(self.epoch));
        loop {
            if let Err(why) = self.carry_out() {
                return End::Failed(why);
            }
            if self.drained() {
                return End::Stopped;
            }
            if let Some(end) = self.wait().await {
                return end;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.keeper.clock.now()
    }

    /// The first thing a ledger ever holds.
    fn make_system_tenant(&mut self) {
        let now = self.now();
        let id = TenantId::v7(now, u128::from(self.epoch) << 64 | 1);
        let (no, shard) = (TenantNo::SYSTEM, ShardNo(0));
        let row = TenantRow { no, id, name: "system".to_owned(), shard, created_at: now };
        self.next_call += 1;
        self.owner.submit(CallId(self.next_call), Command::CreateTenant(row), now);
    }

    async fn wait(&mut self) -> Option<End> {
        let now = self.now();
        let until_next = self.owner.next_moment().map(|at| Duration::from_millis(at.ms_since(now)));
        let sleep = until_next.map_or(TICK, |next| next.clamp(Duration::from_millis(1), TICK));
        let stopping = self.draining_since.is_some();
        let room = self.owner.waiting() < limits::COMMANDS_QUEUED_MAX as usize;
        let woken = tokio::select! {
            biased;
            Some(event) = self.events.recv() => Woken::Event(event),
            Some(call) = self.keeper.seat.reserved.recv() => Woken::Call(call),
            Some(call) = self.keeper.seat.usual.recv(), if room => Woken::Call(call),
            _ = self.keeper.wanted.wait_for(|wanted| !*wanted), if !stopping => Woken::Stop,
            () = rest(sleep) => Woken::Time,
        };
        match woken {
            Woken::Event(event) => return self.meet(event).map(End::Failed),
            Woken::Call(call) => self.take_calls(call),
            Woken::Stop => self.begin_drain(),
            Woken::Time => self.tick(),
        }
        None
    }

    fn tick(&mut self) {
        let gone: Vec<_> = self.calls.iter().filter(|(_, reply)| reply.is_closed()).map(|(id, _)| *id).collect();
        for call in gone {
            self.calls.remove(&call);
            self.owner.caller_gone(call);
        }
        let now = self.now();
        self.owner.tick(now);
    }

    fn begin_drain(&mut self) {
        self.draining_since = Some(self.keeper.clock.elapsed());
        self.keeper.set_role(SeatRole::Leaving);
        let now = self.now();
        self.owner.drain(now);
    }

    fn drained(&self) -> bool {
        let Some(since) = self.draining_since else { return false };
        let quiet = self.keeper.seat.usual.is_empty() && self.keeper.seat.reserved.is_empty() && self.owner.idle();
        quiet || self.keeper.clock.elapsed() > since + DRAIN
    }

    fn take_calls(&mut self, first: Call) {
        self.submit(first);
        for _ in 1..CALLS_AT_ONCE {
            let next = self.keeper.seat.reserved.try_recv().or_else(|_| {
                let room = self.owner.waiting() < limits::COMMANDS_QUEUED_MAX as usize;
                if room { self.keeper.seat.usual.try_recv() } else { Err(mpsc::error::TryRecvError::Empty) }
            });
            let Ok(call) = next else { break };
            self.submit(call);
        }
    }

    fn submit(&mut self, call: Call) {
        if call.reply.is_closed() {
            return;
        }
        if !reserved(&call.command) && self.owner.sheds(&call.command) {
            return call.shed();
        }
        self.next_call += 1;
        let id = CallId(self.next_call);
        self.calls.insert(id, call.reply);
        let now = self.now();
        self.owner.submit(id, call.command, now);
    }

    /// What came back. `Some`: the ownership is over, and why.
    fn meet(&mut self, event: Event) -> Option<String> {
        let now = self.now();
        match event {
            Event::Appended(commit_no, Ok(())) => {
                // Before the caller hears that its schema is declared.
                let declared = self.declared.remove(&commit_no).unwrap_or_default();
                self.keeper.seat.schemas.declared(&declared);
                self.owner.appended(commit_no, now);
            }
            Event::Appended(commit_no, Err(error)) => return Some(format!("append {commit_no}: {error}")),
            Event::Prepared(id, Ok(prepared)) => self.owner.prepared(id, prepared, now),
            Event::Prepared(id, Err(error)) => {
                warn!(%error, "a reading for a command failed");
                if let Some(call) = self.owner.prepare_failed(id) {
                    self.calls.remove(&call);
                }
            }
            Event::Windows(began, wishes, Ok(rows)) => {
                for (wish, rows) in wishes.iter().zip(rows) {
                    self.owner.window_loaded(wish, began, rows, now);
                }
            }
            Event::Windows(_, wishes, Err(error)) => {
                warn!(%error, "a window could not be read");
                wishes.iter().for_each(|wish| self.owner.window_failed(wish));
            }
            Event::Keys(wish, read) => {
                if let Err(error) = &read {
                    warn!(%error, "a page of keys could not be read");
                }
                self.owner.keys_read(&wish, read.as_deref().ok(), now);
            }
        }
        None
    }

    /// Looks at the node's own lease. An error: nothing may be answered any more.
    fn check_lease(&mut self) -> Result<(), String> {
        if self.keeper.lease.has_changed().unwrap_or(false) {
            let lease = self.keeper.lease.borrow_and_update();
            self.valid_until = lease.valid_until;
            if lease.sent > self.taken_at && !lease.owned.contains(&(self.keeper.seat.shard, self.epoch)) {
                return Err("the shard has another owner".to_owned());
            }
        }
        if self.keeper.clock.elapsed() >= self.valid_until {
            return Err("the node's lease ran out".to_owned());
        }
        Ok(())
    }

    /// Lets calls of tenants that ask for much wait at the door while others ask for little.
    fn hold_back(&mut self) {
        let now = self.keeper.clock.elapsed();
        if now >= self.looked_at + TICK {
            self.looked_at = now;
            self.keeper.seat.admission.hold_back(&self.owner.busy_tenants());
        }
    }

    /// Carries the owner's effects out. An error: the node's own lease has run out, so nothing may be answered.
    fn carry_out(&mut self) -> Result<(), String> {
        self.check_lease()?;
        self.hold_back();
        for effect in self.owner.take_effects() {
            match effect {
                Effect::Append(append) => {
                    if !append.configs.is_empty() {
                        self.declared.insert(append.commit_no, append.configs.clone());
                    }
                    let _ = self.writer.send(append);
                }
                Effect::Prepare(id, _, needs) => {
                    let (ledger, events, now) = (Arc::clone(&self.keeper.ledger), self.events_in.clone(), self.now());
                    tokio::spawn(async move {
                        let _ = events.send(Event::Prepared(id, prepare(ledger, needs, now).await));
                    });
                }
                Effect::Windows(began, wishes) => {
                    let (ledger, events) = (Arc::clone(&self.keeper.ledger), self.events_in.clone());
                    tokio::spawn(async move {
                        let rows = ledger.window_read(&wishes).await;
                        let _ = events.send(Event::Windows(began, wishes, rows));
                    });
                }
                Effect::Keys(wish) => {
                    let (ledger, events) = (Arc::clone(&self.keeper.ledger), self.events_in.clone());
                    let clock = self.keeper.clock.clone();
                    tokio::spawn(async move {
                        let began = clock.elapsed();
                        let keys = ledger.key_page(wish.tenant, wish.from, wish.limit).await;
                        // Half of the time is left to others.
                        rest((clock.elapsed() - began).max(KEYS_REST)).await;
                        let _ = events.send(Event::Keys(wish, keys));
                    });
                }
                Effect::Ask(ask) => {
                    // Without a courier the engine has stopped.
                    let _ = self.keeper.seat.asks.send(*ask);
                }
                Effect::Answer(call, answer) => {
                    if self.keeper.clock.elapsed() >= self.valid_until {
                        return Err("the node's lease ran out".to_owned());
                    }
                    if let Some(reply) = self.calls.remove(&call) {
                        let _ = reply.send(Reply::Answer(answer));
                    }
                }
            }
        }
        self.check_lease()
    }
}

/// The one writer: it begins appends in order, and tells of their ends in order.
async fn write(
    ledger: Arc<dyn Ledger>,
    mut appends: mpsc::UnboundedReceiver<Box<Append>>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut under_way = FuturesOrdered::new();
    loop {
        let (commit_no, result) = tokio::select! {
            biased;
            Some(ended) = under_way.next() => ended,
            Some(append) = appends.recv() => {
                let ledger = Arc::clone(&ledger);
                under_way.push_back(async move { (append.commit_no, ledger.append(&append).await) });
                continue;
            }
            else => return,
        };
        let failed = result.is_err();
        if events.send(Event::Appended(commit_no, result)).is_err() || failed {
            return;
        }
    }
}
