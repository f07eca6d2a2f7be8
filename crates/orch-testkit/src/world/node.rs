//! A node: it renews its lease, takes the shard over when nobody has it, and carries the owner's effects out.
//!
//! It touches its owner only while its own lease, counted from before the renewal was sent, is valid.

use std::collections::BTreeMap;

use orch_core::ids::NodeId;
use orch_core::port::{Append, Commit, Ownership, SnapshotRow, TakeOver, WindowRow};
use orch_core::time::Timestamp;
use orch_dispatch::answer::Permits;
use orch_dispatch::owner::PrepareId;
use orch_dispatch::prepared::{Needs, Prepared};
use orch_dispatch::shard::Identity;
use orch_dispatch::{CallId, Command, Effect, KeyWish, Owner, WindowWish};
use rand::Rng;

use super::call::Call;
use super::{CallNo, Event, Outcome, Stepped, World, WorldMutant};
use crate::model::{Violation, ensure};
use crate::sim_ledger::AppendId;

/// How long a node's lease lasts.
const NODE_LEASE_MS: u64 = 4_000;

/// How often it renews.
const RENEW_MS: i64 = 1_000;

/// What was read for a recovery.
type Ground = (Option<SnapshotRow>, Vec<Commit>);

/// Something for a node.
#[derive(Debug)]
pub(super) enum NodeEvent {
    /// Time to renew.
    Renew { boot: u64 },
    /// A renewal that was sent then is back.
    Renewed { boot: u64, sent: i64, owned: Vec<u64> },
    /// Time to look whether the shard is free.
    Take { boot: u64 },
    /// It is ours: load it.
    Recover { boot: u64, taken: Ownership, at: i64, ground: Option<Box<Ground>> },
    /// The dispatcher's clock.
    Tick { own: u64 },
    /// An append is known to be committed, or its outcome is not known.
    Appended { own: u64, commit_no: u64, known: bool },
    /// A reading is there, or failed.
    Prepared { own: u64, id: PrepareId, call: CallNo, prepared: Option<Box<Prepared>> },
    /// Window rows are there, or the read failed.
    Window { own: u64, wish: WindowWish, began: u64, rows: Option<Vec<WindowRow>> },
    /// A page of keys is there, or the read failed.
    Keys { own: u64, wish: KeyWish, keys: Option<Vec<[u8; 16]>> },
    /// The home of shared hosts answered.
    Permits { own: u64, call: CallId, permits: Permits, ahead: i64 },
    /// The process starts again.
    Start,
}

/// Something at the database.
#[derive(Debug)]
pub(super) enum DatabaseEvent {
    /// A renewal is executed.
    Renew { node: usize, boot: u64, sent: i64 },
    /// A take-over is executed.
    Take { node: usize, boot: u64 },
    /// An append takes the fence's lock.
    Begin { node: usize, own: u64, append: Box<Append>, follows: bool },
    /// An append becomes visible.
    Commit { node: usize, own: u64, id: AppendId, commit_no: u64 },
    /// A reading for a command is executed.
    Prepare { node: usize, own: u64, id: PrepareId, call: CallNo, needs: Needs },
    /// A window read is executed.
    Window { node: usize, own: u64, wish: WindowWish, began: u64 },
    /// A page of keys is read.
    Keys { node: usize, own: u64, wish: KeyWish },
}

/// An ownership.
#[derive(Debug)]
pub(super) struct Own {
    pub number: u64,
    pub epoch: u64,
    pub owner: Owner,
    /// The database's time at the take-over, and the true (monotonic) time of it.
    base: (Timestamp, i64),
    pub calls: BTreeMap<CallNo, Call>,
    tick_at: i64,
    /// The last append that it knows to be committed.
    acknowledged: u64,
    /// An append with its rows written, which commits when it is known that the one before has.
    behind: Option<(AppendId, u64)>,
}

/// A process.
#[derive(Debug)]
pub(super) struct Node {
    id: NodeId,
    boot: u64,
    up: bool,
    frozen: i64,
    lease_until: i64,
    taking: bool,
    pub own: Option<Own>,
}

impl Node {
    pub fn owns(&self) -> bool {
        self.own.is_some()
    }

    pub fn up(&self) -> bool {
        self.up
    }

    pub fn epoch(&self) -> Option<u64> {
        self.own.as_ref().map(|own| own.epoch)
    }

    pub fn frozen_until(&self, t: i64) -> Option<i64> {
        (self.frozen > t).then_some(self.frozen)
    }

    pub fn freeze(&mut self, until: i64) {
        self.frozen = self.frozen.max(until);
    }

    pub fn owner_now(&self, t: i64) -> Option<Timestamp> {
        let own = self.own.as_ref()?;
        Some(own.now(t).max(own.owner.shard().now()))
    }

    pub fn idle(&self) -> bool {
        self.own.as_ref().is_none_or(|own| own.owner.idle())
    }
}

impl Own {
    fn now(&self, t: i64) -> Timestamp {
        self.base.0.plus_ms(u64::try_from(t - self.base.1).unwrap_or(0))
    }
}

impl World {
    pub(super) fn add_node(&mut self) {
        let id = NodeId::v7(Timestamp::from_millis(self.t), self.rng.random());
        self.nodes.push(Node { id, boot: 0, up: false, frozen: 0, lease_until: 0, taking: false, own: None });
        let n = self.nodes.len() - 1;
        self.after(1, Event::Node(n, NodeEvent::Start));
    }

    fn current(&self, n: usize, boot: u64) -> bool {
        self.nodes[n].up && self.nodes[n].boot == boot
    }

    fn is_own(&self, n: usize, own: u64) -> bool {
        self.nodes[n].own.as_ref().is_some_and(|of| of.number == own)
    }

    pub(super) fn node_event(&mut self, n: usize, event: NodeEvent) -> Stepped {
        if let Some(until) = self.nodes[n].frozen_until(self.t) {
            let wait = until - self.t;
            self.after(wait, Event::Node(n, event));
            return Ok(());
        }
        match event {
            NodeEvent::Start => self.start(n),
            NodeEvent::Renew { boot } if self.current(n, boot) => {
                let sent = self.t;
                let late = self.delay(5, 600);
                self.after(late, Event::Database(DatabaseEvent::Renew { node: n, boot, sent }));
                self.after(RENEW_MS, Event::Node(n, NodeEvent::Renew { boot }));
            }
            NodeEvent::Renewed { boot, sent, owned } if self.current(n, boot) => self.renewed(n, sent, &owned),
            NodeEvent::Take { boot } if self.current(n, boot) => self.want(n, boot),
            NodeEvent::Recover { boot, taken, at, ground } if self.current(n, boot) => {
                return self.recover(n, &taken, at, ground);
            }
            NodeEvent::Tick { own } if self.is_own(n, own) => return self.tick(n),
            NodeEvent::Appended { own, commit_no, known } if self.is_own(n, own) => {
                if known || self.mutant == Some(WorldMutant::UnknownTakenAsCommitted) {
                    self.acknowledged(n, commit_no);
                    return self.with_owner(n, |owner, now| owner.appended(commit_no, now), None);
                }
                self.model.saw("race: an append with an unknown outcome");
                self.drop_owner(n);
            }
            NodeEvent::Prepared { own, id, call, prepared } if self.is_own(n, own) => {
                return self.prepared(n, id, call, prepared);
            }
            NodeEvent::Window { own, wish, began, rows } if self.is_own(n, own) => {
                return self.window(n, &wish, began, rows);
            }
            NodeEvent::Keys { own, wish, keys } if self.is_own(n, own) => {
                if keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
                    self.model.saw("keys were read after a take-over");
                }
                return self.with_owner(n, |owner, now| owner.keys_read(&wish, keys.as_deref(), now), None);
            }
            NodeEvent::Permits { own, call, permits, ahead } if self.is_own(n, own) => {
                self.permits_came(n, &permits, ahead);
                let take = Command::TakePermits(permits);
                return self.with_owner(n, |owner, now| owner.submit(call, take, now), None);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn start(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.boot += 1;
        node.up = true;
        node.lease_until = 0;
        node.taking = false;
        let boot = node.boot;
        self.after(0, Event::Node(n, NodeEvent::Renew { boot }));
        let late = self.rng.random_range(10..300);
        self.after(late, Event::Node(n, NodeEvent::Take { boot }));
    }

    /// The process dies; it starts again later.
    pub(super) fn crash(&mut self, n: usize) {
        if !self.nodes[n].up {
            return;
        }
        if !self.ledger.open().is_empty() {
            self.model.saw("race: a crash with an append open");
        }
        self.drop_owner(n);
        self.nodes[n].up = false;
        let down = self.rng.random_range(10..3_000);
        self.after(down, Event::Node(n, NodeEvent::Start));
    }

    /// The ownership ends in memory; whoever waits for an answer learns nothing, or that nobody knows.
    pub(super) fn drop_owner(&mut self, n: usize) {
        let Some(own) = self.nodes[n].own.take() else { return };
        for call in own.calls.keys() {
            if self.chance(500) {
                self.answer_late(*call, Outcome::Unknown);
            }
        }
    }

    fn renewed(&mut self, n: usize, sent: i64, owned: &[u64]) {
        let lease = i64::try_from(NODE_LEASE_MS).unwrap_or(i64::MAX);
        let node = &mut self.nodes[n];
        node.lease_until = node.lease_until.max(sent + lease);
        let gone = node.own.as_ref().is_some_and(|own| own.base.1 < sent && !owned.contains(&own.epoch));
        if gone {
            self.model.saw("race: a renewal tells of a lost shard");
            self.drop_owner(n);
        }
    }

    fn want(&mut self, n: usize, boot: u64) {
        let node = &mut self.nodes[n];
        if node.own.is_none() && !node.taking && self.t < node.lease_until {
            node.taking = true;
            let late = self.delay(10, 800);
            self.after(late, Event::Database(DatabaseEvent::Take { node: n, boot }));
        }
        let next = self.rng.random_range(100..500);
        self.after(next, Event::Node(n, NodeEvent::Take { boot }));
    }

    fn recover(&mut self, n: usize, taken: &Ownership, at: i64, ground: Option<Box<Ground>>) -> Stepped {
        self.nodes[n].taking = false;
        if self.t >= self.nodes[n].lease_until {
            return Ok(());
        }
        let (snapshot, tail) = ground.map_or_else(|| self.ledger.recovery(), |ground| *ground);
        let identity = Identity { shard: taken.shard, epoch: taken.epoch, incarnation: taken.incarnation };
        let now = taken.now.plus_ms(u64::try_from(self.t - at).unwrap_or(0));
        let recovered = Owner::recover(identity, snapshot.as_ref(), tail, now, self.profile.snapshots);
        let mut owner = recovered.map_err(|error| Violation { promise: "recovery", text: error.to_string() })?;
        owner.resize(self.profile.sizes);
        self.same_state(owner.shard())?;
        if taken.now < self.model.time {
            self.model.saw("the database's clock is behind the ledger");
        }
        self.model.saw("take-over");
        let serving = owner.shard().now();
        if taken.epoch == self.ledger.epoch() {
            self.model.serve(serving, |tenant, job| owner.shard().lease_end(tenant, job))?;
        }
        self.next_own += 1;
        let acknowledged = owner.committed();
        let number = self.next_own;
        self.nodes[n].own = Some(Own {
            number,
            epoch: taken.epoch,
            owner,
            base: (taken.now, at),
            calls: BTreeMap::new(),
            tick_at: i64::MAX,
            acknowledged,
            behind: None,
        });
        self.with_owner(n, Owner::tick, None)
    }

    fn tick(&mut self, n: usize) -> Stepped {
        let t = self.t;
        match &mut self.nodes[n].own {
            // An earlier one took its place.
            Some(own) if own.tick_at > t => return Ok(()),
            Some(own) => own.tick_at = i64::MAX,
            None => {}
        }
        self.with_owner(n, Owner::tick, None)?;
        let Some(own) = &self.nodes[n].own else { return Ok(()) };
        if own.epoch != self.ledger.epoch() || !own.owner.idle() {
            return Ok(());
        }
        for tenant in own.owner.shard().tenant_numbers() {
            let needed = own.owner.shard().needed(tenant).unwrap_or_default();
            let lost = self.ledger.unprotected(tenant, &needed);
            ensure(lost.is_none(), "a sweep leaves open jobs", || format!("{lost:?} would go"))?;
        }
        // Idle after a tick: whatever it should have ended is in the ledger.
        let now = own.owner.shard().now();
        let overdue = self.model.clock.overdue(now);
        ensure(overdue.is_none(), "a silent lease ends", || format!("{overdue:?} lives on at {now}"))?;
        self.model.fired(now)?;
        self.model.blacked_out(now)
    }

    fn prepared(&mut self, n: usize, id: PrepareId, call: CallNo, prepared: Option<Box<Prepared>>) -> Stepped {
        let Some(prepared) = prepared else {
            let Some(own) = self.nodes[n].own.as_mut() else { return Ok(()) };
            let told = own.owner.prepare_failed(id);
            own.calls.remove(&call);
            ensure(told == Some(CallId(call)), "world", || format!("the reading of call {call} was {told:?}'s"))?;
            self.model.saw("a reading failed");
            self.answer_late(call, Outcome::NotDone);
            return Ok(());
        };
        if let Some(own) = self.nodes[n].own.as_mut()
            && let Some(call) = own.calls.get_mut(&call)
        {
            let open = prepared.jobs.iter().filter(|(_, found)| found.done.is_none());
            call.parents_open = open.map(|(id, _)| *id).collect();
            call.keys_missing = prepared.keys.is_empty();
        }
        self.with_owner(n, |owner, now| owner.prepared(id, *prepared, now), Some(call))
    }

    fn window(&mut self, n: usize, wish: &WindowWish, began: u64, rows: Option<Vec<WindowRow>>) -> Stepped {
        let Some(rows) = rows else {
            if let Some(own) = self.nodes[n].own.as_mut() {
                own.owner.window_failed(wish);
            }
            return Ok(());
        };
        let of = |row: &WindowRow| self.model.job(wish.tenant, row.job).is_some_and(|job| job.state.is_final());
        if rows.iter().any(of) {
            self.model.saw("race: a job ended while a window read showed it");
        }
        let tail =
            self.model.tenants.get(&wish.tenant).and_then(|tenant| tenant.lane(wish.lane)).map_or(0, |lane| lane.tail);
        if rows.len() < wish.limit && rows.last().is_some_and(|row| row.seq < tail) && self.ledger.last_commit() > began
        {
            self.model.saw("race: a window read overtaken by an enqueue");
        }
        self.with_owner(n, |owner, now| owner.window_loaded(wish, began, rows, now), None)
    }

    /// Touches the owner of a node, if its lease is valid, and carries out what it wants.
    pub(super) fn with_owner(
        &mut self,
        n: usize,
        touch: impl FnOnce(&mut Owner, Timestamp),
        call: Option<CallNo>,
    ) -> Stepped {
        let t = self.t;
        let fenced = t >= self.nodes[n].lease_until;
        if fenced && self.mutant != Some(WorldMutant::FencedOwnerAnswers) {
            if self.nodes[n].owns() {
                self.model.saw("race: an owner finds its own lease over");
            }
            self.drop_owner(n);
            if let Some(call) = call {
                self.answer_late(call, Outcome::NotDone);
            }
            return Ok(());
        }
        let Some(own) = self.nodes[n].own.as_mut() else { return Ok(()) };
        if let Some(number) = call
            && let Some(call) = self.calls.get(&number)
        {
            own.calls.entry(number).or_insert_with(|| call.clone());
        }
        let now = own.now(t);
        touch(&mut own.owner, now);
        // Time that passes while no command can run (a slow commit, no room behind it) is not served either.
        if own.epoch == self.ledger.epoch() && self.model.clock.touch(own.owner.shard().now()) > 0 {
            *self.model.counts.entry("race: time that was not served").or_default() += 1;
        }
        own.owner.shard().check().map_err(|text| Violation { promise: "the dispatcher's invariants", text })?;
        let effects = own.owner.take_effects();
        let next = own.owner.next_moment();
        self.carry_out(n, effects, call)?;
        self.plan_tick(n, next);
        Ok(())
    }

    fn plan_tick(&mut self, n: usize, next: Option<Timestamp>) {
        let t = self.t;
        let Some(own) = self.nodes[n].own.as_mut() else { return };
        let wait = next.map_or(400, |at| i64::try_from(at.ms_since(own.now(t))).unwrap_or(400).clamp(1, 400));
        if t + wait < own.tick_at {
            own.tick_at = t + wait;
            let own = own.number;
            self.after(wait, Event::Node(n, NodeEvent::Tick { own }));
        }
    }

    /// Carries effects out, one by one; between any two the process may die.
    fn carry_out(&mut self, n: usize, effects: Vec<Effect>, caller: Option<CallNo>) -> Stepped {
        let Some((own, epoch)) = self.nodes[n].own.as_ref().map(|own| (own.number, own.epoch)) else { return Ok(()) };
        for effect in effects {
            if self.ready && !self.draining && self.chance(self.profile.crash_between) {
                self.model.saw("race: a crash between two effects");
                self.crash(n);
                return Ok(());
            }
            match effect {
                Effect::Append(append) => self.append(n, own, append),
                Effect::Prepare(id, CallId(call), needs) => {
                    let late = self.delay(5, self.profile.read_ms_max);
                    let event = DatabaseEvent::Prepare { node: n, own, id, call, needs };
                    self.after(late, Event::Database(event));
                }
                Effect::Windows(began, wishes) => {
                    for wish in wishes {
                        let late = self.delay(10, self.profile.read_ms_max);
                        self.after(late, Event::Database(DatabaseEvent::Window { node: n, own, wish, began }));
                    }
                }
                Effect::Keys(wish) => {
                    let late = self.delay(10, self.profile.read_ms_max);
                    self.after(late, Event::Database(DatabaseEvent::Keys { node: n, own, wish }));
                }
                Effect::Ask(ask) => self.ask_home(n, own, ask),
                Effect::Answer(CallId(call), answer) => {
                    ensure(epoch == self.ledger.epoch(), "a fenced owner is silent", || format!("{answer:?}"))?;
                    let Some(call) = self.nodes[n].own.as_mut().and_then(|own| own.calls.remove(&call)) else {
                        continue;
                    };
                    self.races(&call, &answer, caller);
                    self.model.judge(&call.command, &answer, call.delivered_at)?;
                    if let (Command::Claim(params), orch_dispatch::Answer::Claimed(grants)) = (&*call.command, &answer)
                        && grants.is_empty()
                        && let Some(now) = self.nodes[n].owner_now(self.t)
                    {
                        self.model.ended_empty(params.claim, now)?;
                    }
                    self.answer_late(call.number, Outcome::Answer(answer));
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, n: usize, own: u64, append: Box<Append>) {
        if let Some(of) = self.nodes[n].own.as_ref().filter(|of| of.number == own) {
            let state = append.snapshot.as_ref().map_or_else(|| of.owner.shard().save(), |row| row.state.to_vec());
            self.saved.insert(append.commit_no, state);
        }
        let of = self.nodes[n].own.as_ref().filter(|of| of.number == own);
        let follows = of.is_some_and(|of| of.acknowledged + 1 < append.commit_no);
        if follows {
            self.model.saw("race: two appends under way");
        }
        let late = self.delay(3, self.profile.commit_ms_max);
        self.after(late, Event::Database(DatabaseEvent::Begin { node: n, own, append, follows }));
    }

    /// An append is known to be committed: the one behind it may.
    fn acknowledged(&mut self, n: usize, commit_no: u64) {
        let Some(of) = self.nodes[n].own.as_mut() else { return };
        of.acknowledged = commit_no;
        if let Some((id, behind)) = of.behind.take() {
            let own = of.number;
            self.send_commit(n, own, id, behind);
        }
    }

    fn send_commit(&mut self, node: usize, own: u64, id: AppendId, commit_no: u64) {
        self.ledger.append_sent(id);
        let late = self.delay(self.profile.commit_ms, self.profile.commit_ms_max);
        self.after(late, Event::Database(DatabaseEvent::Commit { node, own, id, commit_no }));
    }

    /// The rows of an append are written. It commits at once, unless another is under way before it.
    fn begun(&mut self, n: usize, own: u64, id: AppendId, commit_no: u64, follows: bool) {
        if !follows || self.mutant == Some(WorldMutant::AppendsUnordered) {
            return self.send_commit(n, own, id, commit_no);
        }
        let Some(of) = self.nodes[n].own.as_mut().filter(|of| of.number == own) else {
            self.model.saw("race: nobody is left to commit an append");
            return;
        };
        if of.acknowledged + 1 == commit_no {
            self.send_commit(n, own, id, commit_no);
        } else {
            of.behind = Some((id, commit_no));
        }
    }

    pub(super) fn database_event(&mut self, event: DatabaseEvent) -> Stepped {
        let now = self.database_now();
        match event {
            DatabaseEvent::Renew { node, boot, sent } => {
                let renewal = self.ledger.node_renew(self.nodes[node].id, NODE_LEASE_MS, now);
                let owned = renewal.owned.iter().map(|(_, epoch)| *epoch).collect();
                let late = self.delay(5, 300);
                self.after(late, Event::Node(node, NodeEvent::Renewed { boot, sent, owned }));
            }
            DatabaseEvent::Take { node, boot } => return self.take(node, boot, now),
            DatabaseEvent::Begin { node, own, append, follows } => {
                let commit_no = append.commit_no;
                match self.ledger.append_begin(append) {
                    Ok(id) => self.begun(node, own, id, commit_no, follows),
                    Err(_) => {
                        self.model.saw("race: an append was refused by the fence");
                        self.after(1, Event::Node(node, NodeEvent::Appended { own, commit_no, known: false }));
                    }
                }
            }
            DatabaseEvent::Commit { node, own, id, commit_no } => return self.commit(node, own, id, commit_no),
            DatabaseEvent::Prepare { node, own, id, call, needs } => {
                let since = Timestamp::from_millis(now.millis() - 25 * 3_600_000);
                let fails = !self.draining && self.chance(self.profile.loss / 4);
                let prepared = (!fails).then(|| Box::new(self.ledger.prepare(&needs, since)));
                let late = self.delay(5, self.profile.read_ms_max);
                self.after(late, Event::Node(node, NodeEvent::Prepared { own, id, call, prepared }));
            }
            DatabaseEvent::Window { node, own, wish, began } => {
                let fails = !self.draining && self.chance(self.profile.loss / 4);
                let rows = (!fails).then(|| self.ledger.window(&wish));
                let late = self.delay(10, self.profile.read_ms_max);
                self.after(late, Event::Node(node, NodeEvent::Window { own, wish, began, rows }));
            }
            DatabaseEvent::Keys { node, own, wish } => {
                let fails = !self.draining && self.chance(self.profile.loss / 4);
                let keys = (!fails).then(|| self.ledger.key_page(&wish));
                let late = self.delay(10, self.profile.read_ms_max);
                self.after(late, Event::Node(node, NodeEvent::Keys { own, wish, keys }));
            }
        }
        Ok(())
    }

    fn take(&mut self, n: usize, boot: u64, now: Timestamp) -> Stepped {
        let open = self.ledger.open();
        let early = (self.mutant == Some(WorldMutant::ReadBeforeFence)).then(|| Box::new(self.ledger.recovery()));
        let waits = self.chance(500);
        let id = self.nodes[n].id;
        // Either it waits for open appends, which commit before the epoch rises, or it cuts their connections.
        if waits && self.ledger.held(id, now).is_none() {
            for append in self.ledger.sent() {
                self.visible(append)?;
            }
        }
        match self.ledger.shard_take_over(id, now) {
            TakeOver::Taken(taken) => {
                if !open.is_empty() {
                    self.model.saw("race: a take-over with an append open");
                }
                let late = self.delay(20, 600);
                let at = self.t;
                let event = NodeEvent::Recover { boot, taken, at, ground: early };
                self.after(late, Event::Node(n, event));
            }
            TakeOver::Held { .. } => self.nodes[n].taking = false,
        }
        Ok(())
    }

    /// The append is committed, unless its connection died; its owner learns of it, or does not.
    fn commit(&mut self, n: usize, own: u64, id: AppendId, commit_no: u64) -> Stepped {
        let fault = !self.draining && self.ready && self.chance(self.profile.loss / 3);
        if fault && self.chance(500) {
            self.ledger.append_abort(id);
        }
        let visible = self.visible(id)?;
        let known = visible && !fault;
        if visible && fault {
            self.model.saw("race: an append with an unknown outcome was committed");
        }
        let late = self.delay(5, 300);
        self.after(late, Event::Node(n, NodeEvent::Appended { own, commit_no, known }));
        Ok(())
    }

    /// An append becomes visible: everybody judges it.
    fn visible(&mut self, id: AppendId) -> Result<bool, Violation> {
        let broken = |error: orch_core::port::StoreError| Violation {
            promise: "an append cannot fail",
            text: error.to_string(),
        };
        let Some(append) = self.ledger.append_commit(id).map_err(broken)? else { return Ok(false) };
        let traced = self.trace.is_some();
        for record in append.blocks.iter().filter(|_| traced).flat_map(|block| block.records().unwrap_or_default()) {
            self.note(|| format!("commit {} {} {:?}", append.commit_no, record.seq, record.body));
        }
        self.model.absorb(&append)?;
        let commit = Commit { commit_no: append.commit_no, blocks: append.blocks.clone() };
        let replayed = self.shadow.replay(&commit);
        replayed.map_err(|error| Violation { promise: "recovery", text: error.to_string() })?;
        self.same_state(&self.shadow)?;
        self.saved.retain(|commit_no, _| commit_no + 64 > append.commit_no);
        Ok(true)
    }

    /// Counts races that an answer shows.
    fn races(&mut self, call: &Call, answer: &orch_dispatch::Answer, caller: Option<CallNo>) {
        use orch_dispatch::{Answer, Command};
        if let (Command::Claim(params), Answer::Claimed(grants)) = (call.command.as_ref(), answer)
            && params.wait_until.is_some()
            && caller != Some(call.number)
        {
            self.model.saw(if grants.is_empty() { "a parked claim ended empty" } else { "a parked claim was woken" });
        }
        if let (Command::Enqueue { tenant, jobs, .. }, Answer::Enqueued(found)) = (call.command.as_ref(), answer) {
            if call.keys_missing && found.iter().any(|found| found.replayed) {
                self.model.saw("race: a key's twin in flight");
            }
            let finished = |id: &orch_core::JobId| self.model.job(*tenant, *id).is_some_and(|job| job.state.is_final());
            let parents = jobs.iter().flat_map(|job| &job.depends_on);
            if parents.map(|edge| edge.job).any(|id| call.parents_open.contains(&id) && finished(&id)) {
                self.model.saw("race: a parent finished between prepare and answer");
            }
        }
    }
}
