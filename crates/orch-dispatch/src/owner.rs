//! The owner of a shard, without its IO: which command runs when, what is read for it, which append is in flight,
//! and which answer may leave. The engine (and the simulated world) carries its effects out.
//!
//! Commands wait twice, and both times in a fair queue: for their readings, and for room in the commit being filled.
//! One append in flight, or two where the ledger takes two; answers leave when the position they were computed at is
//! committed; any failure of an append ends the owner: drop it and take the shard over again.

use std::collections::{BTreeMap, VecDeque};

use orch_core::ids::{LaneNo, TenantNo};
use orch_core::limits;
use orch_core::port::{Append, Commit, SnapshotRow, WindowRow};
use orch_core::time::Timestamp;

use crate::answer::Answer;
use crate::command::{Command, PermitAsk};
use crate::fair_queue::{FairQueue, Party};
use crate::key_filter::KeyWish;
use crate::mutant::{self, Mutant};
use crate::prepared::{Needs, Prepared, Readings};
use crate::shard::{Identity, RecoverError, Reply, SNAPSHOT_FORMAT, Shard, Sizes, WaiterId};
use crate::usage::Usage;
use crate::window::WindowWish;

/// A caller's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A reading for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrepareId(pub u64);

/// What the owner wants done.
#[derive(Debug)]
pub enum Effect {
    /// Write this commit; then `appended`, or drop the owner.
    Append(Box<Append>),
    /// Read this for the call; then `prepared`, or `prepare_failed`.
    Prepare(PrepareId, CallId, Needs),
    /// Read these windows, which began at this committed position; then `window_loaded` or `window_failed` for each.
    Windows(u64, Vec<WindowWish>),
    /// Read this page of keys; then `keys_read`.
    Keys(KeyWish),
    /// Ask the home of shared hosts, in place of what was asked before; its answer is the command `TakePermits`.
    Ask(Box<PermitAsk>),
    /// Send this answer.
    Answer(CallId, Answer),
}

/// When snapshots are made.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotPolicy {
    /// After so many facts.
    pub facts: u64,
    /// After so many milliseconds with a fact in them.
    pub ms: u64,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { facts: limits::SNAPSHOT_FACTS, ms: limits::SNAPSHOT_MS }
    }
}

/// The owner of a shard.
#[derive(Debug)]
pub struct Owner {
    shard: Shard,
    committed: u64,
    /// Appends under way, the oldest first, and since when somebody waits for each.
    in_flight: VecDeque<(u64, Timestamp)>,
    /// Since when somebody waits for the commit being filled.
    awaited_since: Option<Timestamp>,
    /// Commands that wait for their reading.
    unread: FairQueue<Unread>,
    /// Commands whose reading is under way.
    preparing: BTreeMap<PrepareId, Preparing>,
    /// What was asked for by readings of commands that have not run yet.
    asked: usize,
    next_prepare: u64,
    /// Window reads under way: committed position at their start.
    reading: BTreeMap<(TenantNo, LaneNo), u64>,
    /// Commands that wait for room in the commit being filled.
    queue: FairQueue<Queued>,
    usage: Usage,
    /// The commit being filled holds something of one who asks for little: who asks for much waits for the next one.
    closing: bool,
    /// Answers that wait for their position.
    held: BTreeMap<u64, Vec<(CallId, Answer)>>,
    parked: BTreeMap<WaiterId, CallId>,
    effects: Vec<Effect>,
    policy: SnapshotPolicy,
    facts_since_snapshot: u64,
    snapshot_at: Timestamp,
    draining: bool,
}

/// A command that wants a reading.
#[derive(Debug)]
struct Unread {
    call: CallId,
    command: Command,
}

/// A command, and what is still to be read for it; one tenant after another.
#[derive(Debug)]
struct Preparing {
    queued: Queued,
    reading: TenantNo,
    left: Vec<Needs>,
}

#[derive(Debug)]
struct Queued {
    call: CallId,
    command: Command,
    /// Committed position at which its reading began; pins what memory knows until it has run.
    began: u64,
    /// What its readings ask for.
    asked: usize,
    readings: Readings,
}

impl Owner {
    /// Recovers the state from the newest snapshot and the commits after it, and begins to serve at `now`.
    ///
    /// # Errors
    /// When snapshot or tail are not what was written.
    pub fn recover(
        identity: Identity,
        snapshot: Option<&SnapshotRow>,
        tail: impl IntoIterator<Item = Commit>,
        now: Timestamp,
        policy: SnapshotPolicy,
    ) -> Result<Self, RecoverError> {
        let mut shard = Shard::begin(identity, snapshot)?;
        for commit in tail {
            shard.replay(&commit)?;
        }
        shard.serve_from(now);
        Ok(Self::serving(shard, policy))
    }

    /// An owner of a shard that was recovered step by step.
    #[must_use]
    pub fn serving(shard: Shard, policy: SnapshotPolicy) -> Self {
        let (committed, now) = (shard.taken(), shard.now());
        Self {
            shard,
            committed,
            in_flight: VecDeque::new(),
            awaited_since: None,
            unread: FairQueue::default(),
            preparing: BTreeMap::new(),
            asked: 0,
            next_prepare: 0,
            reading: BTreeMap::new(),
            queue: FairQueue::default(),
            usage: Usage::default(),
            closing: false,
            held: BTreeMap::new(),
            parked: BTreeMap::new(),
            effects: Vec::new(),
            policy,
            facts_since_snapshot: 0,
            snapshot_at: now,
            draining: false,
        }
    }

    /// Other sizes than the limits', for tests that want to meet the edges.
    pub fn resize(&mut self, sizes: Sizes) {
        self.shard.resize(sizes);
    }

    /// The state, for questions and invariants.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The last committed position.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Commands that wait, for shedding load.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.preparing.len() + self.unread.len()
    }

    /// Whether so many commands of the same sender wait that this one, which is new work, is to be shed.
    #[must_use]
    pub fn sheds(&self, command: &Command) -> bool {
        let party = Party::from(command);
        let waiting = self.unread.len_of(party) + self.queue.len_of(party);
        waiting as u64 >= limits::COMMANDS_QUEUED_SENDER_MAX
    }

    /// Tenants that ask for much now, while others ask for little.
    #[must_use]
    pub fn busy_tenants(&self) -> Vec<TenantNo> {
        self.usage.busy(self.shard.now())
    }

    /// True when nothing is under way: every command has run, and every fact is committed.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.waiting() == 0 && self.in_flight.is_empty() && self.shard.output().is_empty()
    }

    /// A command comes in. It runs at once if it needs no reading and the commit being filled has room.
    pub fn submit(&mut self, call: CallId, mut command: Command, now: Timestamp) {
        if let Command::TakePermits(permits) = &mut command {
            permits.came = now;
        }
        let needs = self.shard.needs(&command);
        if matches!(command, Command::Heartbeat { .. }) && !mutant::on(Mutant::HeartbeatQueued) {
            // It makes no fact, so it needs no room; behind others it could come too late for its lease.
            let readings = Readings::default();
            self.execute(Queued { call, command, began: self.committed, asked: 0, readings }, now);
        } else if needs.is_empty() || (self.unread.len() == 0 && self.reads_ahead()) {
            self.begin(call, command, needs);
        } else {
            self.unread.push(Party::from(&command), Unread { call, command });
        }
        self.run(now);
    }

    /// Whether one more reading may begin.
    fn reads_ahead(&self) -> bool {
        self.asked < self.shard.sizes.reading_ahead
    }

    /// Begins what a command needs read, or lets it wait for room. Returns how much is read.
    fn begin(&mut self, call: CallId, command: Command, needs: Vec<Needs>) -> usize {
        let asked = needs.iter().map(Needs::len).sum();
        self.asked += asked;
        self.read(Queued { call, command, began: self.committed, asked, readings: Readings::default() }, needs);
        asked
    }

    /// Begins the readings of commands in turn, as many as are worth having ahead.
    /// What they need is asked anew: memory may know more by now, or less.
    fn read_next(&mut self) {
        while self.reads_ahead()
            && let Some((party, Unread { call, command })) = self.unread.pop()
        {
            let needs = self.shard.needs(&command);
            let asked = self.begin(call, command, needs);
            self.unread.charge(party, 1 + asked as u64);
        }
    }

    /// Reads the next tenant's part of what a command needs; when nothing is left, the command may run.
    fn read(&mut self, queued: Queued, mut left: Vec<Needs>) {
        let next = left.pop();
        let Some((reading, needs)) = next.and_then(|needs| Some((needs.tenant?, needs))) else {
            self.queue.push(Party::from(&queued.command), queued);
            return;
        };
        self.next_prepare += 1;
        let id = PrepareId(self.next_prepare);
        self.effects.push(Effect::Prepare(id, queued.call, needs));
        self.preparing.insert(id, Preparing { queued, reading, left });
    }

    /// A reading is there.
    pub fn prepared(&mut self, id: PrepareId, prepared: Prepared, now: Timestamp) {
        if let Some(Preparing { mut queued, reading, left }) = self.preparing.remove(&id) {
            queued.readings.put(reading, prepared);
            self.read(queued, left);
            self.run(now);
        }
    }

    /// A reading failed; the command did not run. Returns its caller.
    pub fn prepare_failed(&mut self, id: PrepareId) -> Option<CallId> {
        let Preparing { queued, .. } = self.preparing.remove(&id)?;
        self.asked -= queued.asked;
        self.read_next();
        Some(queued.call)
    }

    /// Window rows are there.
    pub fn window_loaded(&mut self, wish: &WindowWish, began: u64, rows: Vec<WindowRow>, now: Timestamp) {
        self.reading.remove(&(wish.tenant, wish.lane));
        self.shard.window_loaded(wish, began, rows);
        self.tick(now);
    }

    /// A window read failed; it will be wished for again.
    pub fn window_failed(&mut self, wish: &WindowWish) {
        self.reading.remove(&(wish.tenant, wish.lane));
        self.shard.window_failed(wish);
    }

    /// A page of keys is there; `None`: it could not be read, and is wished for again.
    pub fn keys_read(&mut self, wish: &KeyWish, keys: Option<&[[u8; 16]]>, now: Timestamp) {
        self.shard.keys.read(wish, keys, now);
        self.run(now);
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Timestamp) {
        if self.has_room() {
            let reply = self.shard.execute(Command::Tick, &Readings::default(), now);
            debug_assert_eq!(reply, Reply::Now(Answer::Done), "a tick has nothing to say");
            self.hold_woken();
        }
        self.run(now);
    }

    /// The append in flight is committed.
    pub fn appended(&mut self, commit_no: u64, now: Timestamp) {
        let oldest = self.in_flight.pop_front();
        debug_assert_eq!(oldest.map(|(no, _)| no), Some(commit_no), "appends are answered in order, once");
        if let Some((_, since)) = oldest {
            self.shard.answered_in(now.ms_since(since));
        }
        self.committed = commit_no;
        self.forget();
        self.run(now);
    }

    /// The caller of a parked claim has gone.
    pub fn caller_gone(&mut self, call: CallId) {
        let gone: Vec<_> = self.parked.iter().filter(|(_, of)| **of == call).map(|(id, _)| *id).collect();
        for id in gone {
            self.parked.remove(&id);
            self.shard.forget_waiter(id);
        }
    }

    /// From now on claims are answered empty at once, parked ones too.
    pub fn drain(&mut self, now: Timestamp) {
        self.draining = true;
        self.shard.wake_all();
        self.hold_woken();
        self.run(now);
    }

    /// When to call `tick`, at the latest. `None` also while the commit being filled has no room for what it would do:
    /// ask again when the append in flight is committed.
    #[must_use]
    pub fn next_moment(&self) -> Option<Timestamp> {
        self.shard.next_moment().filter(|_| self.has_room())
    }

    /// What is to be done now.
    #[must_use]
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn has_room(&self) -> bool {
        self.may_append() || self.shard.output().facts() < self.shard.sizes.commit_facts
    }

    /// A second append is worth its own commit only when there is much to write.
    fn may_append(&self) -> bool {
        let sizes = &self.shard.sizes;
        // Beside one who asks for little there is no second long one: two take twice as long each.
        let long = self.shard.output().facts() >= sizes.second_append_facts && !self.usage.mixed(self.shard.now());
        let worth = self.closing || long;
        self.in_flight.is_empty() || (self.in_flight.len() < sizes.appends && worth)
    }

    /// Runs what can run, starts appends, and lets answers go.
    fn run(&mut self, now: Timestamp) {
        self.read_next();
        self.fill(now);
        self.start_append(now);
        self.release_answers();
        let wishes = self.shard.window_wishes(self.committed, 64);
        if !wishes.is_empty() {
            self.reading.extend(wishes.iter().map(|wish| ((wish.tenant, wish.lane), self.committed)));
            self.effects.push(Effect::Windows(self.committed, wishes));
        }
        self.effects.extend(self.shard.key_wish().map(Effect::Keys));
        self.effects.extend(self.shard.permit_ask().map(|ask| Effect::Ask(Box::new(ask))));
    }

    /// Runs waiting commands, as many as belong into the commit being filled.
    fn fill(&mut self, now: Timestamp) {
        while self.takes_next(now)
            && let Some((party, queued)) = self.queue.pop()
        {
            let before = self.shard.output().facts();
            self.asked -= queued.asked;
            self.execute(queued, now);
            let facts = (self.shard.output().facts() - before) as u64;
            self.queue.charge(party, 1 + facts);
            self.usage.add(party.tenant(), facts, now);
            self.closing |= self.usage.is_light(party.tenant()) && !self.shard.output().is_empty();
            self.read_next();
        }
    }

    /// Whether the next command still goes into the commit being filled.
    fn takes_next(&self, now: Timestamp) -> bool {
        let Some(next) = self.queue.next() else { return false };
        let sizes = &self.shard.sizes;
        let most = if self.usage.mixed(now) { sizes.mixed_commit_facts } else { sizes.commit_facts };
        self.shard.output().facts() < most && (!self.closing || self.usage.is_light(next.tenant()))
    }

    fn execute(&mut self, queued: Queued, now: Timestamp) {
        let mut command = queued.command;
        if let (true, Command::Claim(params)) = (self.draining, &mut command) {
            params.wait_until = None;
            params.max = 0;
        }
        if let (true, Command::Permits(ask)) = (self.draining, &mut command) {
            ask.wait_ms = 0;
        }
        match self.shard.execute(command, &queued.readings, now) {
            Reply::Now(answer) => self.hold(queued.call, answer),
            Reply::Parked(waiter) => {
                self.parked.insert(waiter, queued.call);
            }
        }
        self.hold_woken();
    }

    fn hold_woken(&mut self) {
        for (waiter, answer) in self.shard.take_woken() {
            if let Some(call) = self.parked.remove(&waiter) {
                self.hold(call, answer);
            }
        }
    }

    /// Keeps an answer until everything that it could have seen is committed.
    fn hold(&mut self, call: CallId, answer: Answer) {
        let output = self.shard.output();
        let uncommitted = if mutant::on(Mutant::KeyWithoutCommit) { output.facts() > 0 } else { !output.is_empty() };
        if uncommitted {
            self.awaited_since.get_or_insert(self.shard.now());
        }
        let position = self.shard.taken() + u64::from(uncommitted);
        let position = if mutant::on(Mutant::AnswerBeforeCommit) { 0 } else { position };
        self.held.entry(position).or_default().push((call, answer));
    }

    /// Starts an append if one may start and there is something to write.
    fn start_append(&mut self, now: Timestamp) {
        if !self.may_append() {
            return;
        }
        let facts = self.shard.output().facts() as u64;
        let Some(mut append) = self.shard.take() else { return };
        self.closing = false;
        self.facts_since_snapshot += facts;
        let due = self.facts_since_snapshot >= self.policy.facts || now.ms_since(self.snapshot_at) >= self.policy.ms;
        if due && self.facts_since_snapshot > 0 {
            self.facts_since_snapshot = 0;
            self.snapshot_at = now;
            let state = self.shard.save().into();
            append.snapshot = Some(SnapshotRow { commit_no: append.commit_no, format: SNAPSHOT_FORMAT, state });
        }
        self.in_flight.push_back((append.commit_no, self.awaited_since.take().unwrap_or(now)));
        self.effects.push(Effect::Append(Box::new(append)));
    }

    fn release_answers(&mut self) {
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() > self.committed {
                break;
            }
            self.effects.extend(entry.remove().into_iter().map(|(call, answer)| Effect::Answer(call, answer)));
        }
    }

    fn forget(&mut self) {
        let open = self.preparing.values().map(|preparing| preparing.queued.began);
        let queued = self.queue.iter().map(|queued| queued.began);
        let reading = self.reading.values().copied().filter(|_| !mutant::on(Mutant::WindowReadNotPinned));
        self.shard.committed(self.committed, open.chain(queued).chain(reading).min());
    }
}

#[cfg(test)]
mod tests;
