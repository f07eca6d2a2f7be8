//! The simulated world: owners that contend for one shard, callers that resend and give up, a ledger whose commits are
//! slow, and faults between any two effects; all of it from one seed, in virtual time.
//!
//! `node.rs` carries an owner's effects out, the clients are in `submitter.rs`, `worker.rs` and `operator.rs`, and
//! `fault.rs` breaks things. The judge is `model.rs`.

mod call;
mod fault;
mod home;
mod node;
mod operator;
mod profile;
mod setup;
mod submitter;
mod worker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use orch_core::ids::{Incarnation, JobId, ShardNo, TenantNo};
use orch_core::time::Timestamp;
use orch_dispatch::shard::{Identity, Shard};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::model::{Counts, Model, Violation};
use crate::sim_ledger::SimLedger;

pub use call::CallNo;
use call::{Call, Outcome};
use home::{Home, HomeEvent};
use node::{Node, NodeEvent};
use operator::Operator;
pub use profile::Profile;
use setup::Setup;
use submitter::Submitter;
use worker::Worker;

/// The world's moment zero, in milliseconds since 1970.
const BEGIN: i64 = 1_700_002_790_000;

/// More events than any world has.
const EVENTS_MAX: u64 = 5_000_000;

/// An audit whose snapshot's commit is a multiple of this tries it as an older one, too.
const UPGRADE_EVERY: u64 = 8;

/// A bug planted in the shell around the owner, which is the world's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorldMutant {
    /// An owner answers although its node's lease has ended.
    FencedOwnerAnswers,
    /// A new owner reads the ledger before its take-over has waited for open appends.
    ReadBeforeFence,
    /// An append with an unknown outcome is taken as committed.
    UnknownTakenAsCommitted,
    /// An append commits without waiting for the one before.
    AppendsUnordered,
}

impl WorldMutant {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::FencedOwnerAnswers, Self::ReadBeforeFence, Self::UnknownTakenAsCommitted, Self::AppendsUnordered];
}

/// Why a run failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// At which step.
    pub step: u64,
    /// Which promise, and how.
    pub violation: Violation,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Steps that were made.
    pub steps: u64,
    /// Facts and races that were seen.
    pub counts: Counts,
    /// What went wrong, if something did.
    pub failure: Option<Failure>,
    /// The last events, if they were asked for.
    pub trace: Vec<String>,
}

/// One thing that will happen.
#[derive(Debug)]
enum Event {
    /// A client acts.
    Turn(usize),
    /// A call reaches its node.
    Deliver(CallNo),
    /// An answer, or news of a failure, reaches its caller.
    Reply(CallNo, Box<Outcome>),
    /// A caller gives up.
    Timeout(CallNo),
    /// Something at or for a node.
    Node(usize, NodeEvent),
    /// Something at the database.
    Database(node::DatabaseEvent),
    /// Something at the home of shared hosts.
    Home(HomeEvent),
    /// Something breaks.
    Fault,
    /// A recovery is made beside the owner and compared.
    Audit,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a world has a dozen clients")]
enum Client {
    Setup(Setup),
    Submitter(Submitter),
    Operator(Operator),
    Worker(Worker),
    /// Is acting at this moment.
    Away,
}

/// Something that went wrong in a step.
type Stepped = Result<(), Violation>;

/// The world.
#[derive(Debug)]
pub struct World {
    rng: SmallRng,
    profile: Profile,
    mutant: Option<WorldMutant>,
    /// True time.
    t: i64,
    step: u64,
    order: u64,
    queue: BTreeMap<(i64, u64), Event>,
    ledger: SimLedger,
    /// What the database's clock is ahead of true time.
    database_ahead: i64,
    nodes: Vec<Node>,
    home: Home,
    /// When the home was asked, by epoch and number.
    asked_at: BTreeMap<(u64, u64), i64>,
    next_own: u64,
    clients: Vec<Client>,
    calls: BTreeMap<CallNo, Call>,
    next_call: u64,
    model: Model,
    /// States as the owners had them when they made each commit.
    saved: BTreeMap<u64, Vec<u8>>,
    /// Replays each commit as it becomes visible.
    shadow: Shard,
    /// Jobs that callers know of, the latest last.
    known: Vec<(TenantNo, JobId)>,
    /// Jobs whose report was sent just now.
    ending: Vec<(TenantNo, JobId)>,
    /// Clients that heartbeat on the dot, over a network that is good.
    good: BTreeSet<usize>,
    /// Which node each client believes to have the shard.
    believed: BTreeMap<usize, usize>,
    ready: bool,
    draining: bool,
    /// The last events, if somebody wants to see them.
    trace: Option<VecDeque<String>>,
}

impl World {
    /// A world in which nothing has happened.
    #[must_use]
    pub fn new(seed: u64, mutant: Option<WorldMutant>) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let profile = Profile::draw(&mut rng);
        let begin = Timestamp::from_millis(BEGIN);
        let incarnation = Incarnation::v7(begin, rng.random());
        let shard = SHARD;
        let identity = Identity { shard, epoch: 0, incarnation };
        let mut world = Self {
            rng,
            profile,
            mutant,
            t: BEGIN,
            step: 0,
            order: 0,
            queue: BTreeMap::new(),
            ledger: SimLedger::new(shard, incarnation),
            database_ahead: 0,
            nodes: Vec::new(),
            home: Home::new(incarnation),
            asked_at: BTreeMap::new(),
            next_own: 0,
            clients: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            model: Model::default(),
            saved: BTreeMap::new(),
            shadow: Shard::empty(identity),
            known: Vec::new(),
            ending: Vec::new(),
            good: BTreeSet::new(),
            believed: BTreeMap::new(),
            ready: false,
            draining: false,
            trace: None,
        };
        world.model.waits.quiet_ms = 100 + world.profile.under_way_ms();
        world.people();
        world
    }

    fn people(&mut self) {
        for _ in 0..self.profile.nodes {
            self.add_node();
        }
        let setup = Setup::new(self);
        self.clients.push(Client::Setup(setup));
        for n in 0..self.profile.submitters {
            self.clients.push(Client::Submitter(Submitter::new(n)));
        }
        for _ in 0..self.profile.operators {
            self.clients.push(Client::Operator(Operator::default()));
        }
        for n in 0..self.profile.workers {
            let worker = Worker::new(self, n);
            self.clients.push(Client::Worker(worker));
        }
        for n in 0..self.clients.len() {
            let late = self.rng.random_range(1..50);
            self.after(late, Event::Turn(n));
        }
        self.after(100, Event::Audit);
    }

    /// The same world, which keeps its last events for its report.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.trace = Some(VecDeque::new());
        self
    }

    /// The same world, in which faults go on so many times longer.
    #[must_use]
    pub fn longer(mut self, times: u64) -> Self {
        self.profile.steps *= times;
        self
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push_back(format!("{:>6} {}", self.t - BEGIN, what()));
            if trace.len() > 60_000 {
                trace.pop_front();
            }
        }
    }

    /// Runs the world to its end.
    #[must_use]
    pub fn run(mut self) -> Report {
        let outcome = self.begin_home().and_then(|()| self.live()).and_then(|()| self.drain());
        let failure = outcome.err().map(|violation| Failure { step: self.step, violation });
        let trace = self.trace.take().map(Vec::from).unwrap_or_default();
        Report { steps: self.step, counts: self.model.counts, failure, trace }
    }

    fn live(&mut self) -> Stepped {
        while self.step < self.profile.steps {
            self.one()?;
        }
        Ok(())
    }

    /// Faults stop, everything goes on, capable workers live: every accepted job must end within a bounded time.
    fn drain(&mut self) -> Stepped {
        self.begin_drain()?;
        let deadline = self.step + self.profile.drain_steps;
        while !(self.ready && self.quiet()) {
            if self.step >= deadline {
                let open = self.model.open_jobs();
                let text = format!(
                    "{} jobs are open after {} quiet steps: {:?}",
                    open.len(),
                    self.profile.drain_steps,
                    &open[..open.len().min(3)]
                );
                return Err(Violation { promise: "8: every accepted job ends", text });
            }
            self.one()?;
        }
        self.audit()
    }

    /// Nothing is open, and everybody has what they asked for.
    fn quiet(&self) -> bool {
        let settled = self.nodes.iter().all(|node| node.idle());
        settled && self.model.open_jobs().is_empty()
    }

    fn one(&mut self) -> Stepped {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return Err(Violation { promise: "world", text: "nothing will ever happen again".to_owned() });
        };
        if self.order > EVENTS_MAX {
            return Err(Violation { promise: "world", text: "events bring events without end".to_owned() });
        }
        self.t = self.t.max(at);
        self.happen(event)
    }

    fn happen(&mut self, event: Event) -> Stepped {
        let beside = matches!(event, Event::Timeout(_) | Event::Home(_) | Event::Node(_, NodeEvent::Permits { .. }));
        self.step += u64::from(!beside);
        if !matches!(event, Event::Timeout(_)) {
            self.note(|| format!("{event:?}"));
        }
        match event {
            Event::Turn(who) => self.turn(who),
            Event::Deliver(call) => return self.deliver(call),
            Event::Reply(call, outcome) => self.reply(call, *outcome),
            Event::Timeout(call) => self.timeout(call),
            Event::Node(node, event) => return self.node_event(node, event),
            Event::Database(event) => return self.database_event(event),
            Event::Home(event) => return self.home_event(event),
            Event::Fault => return self.fault(),
            Event::Audit => {
                let next = self.rng.random_range(200..4_000);
                self.after(next, Event::Audit);
                return self.audit();
            }
        }
        Ok(())
    }

    fn after(&mut self, ms: i64, event: Event) {
        self.order += 1;
        self.queue.insert((self.t + ms, self.order), event);
    }

    fn chance(&mut self, in_a_thousand: u32) -> bool {
        self.rng.random_range(0..1_000) < in_a_thousand
    }

    /// A delay: mostly short, now and then long; slowness is a fault like others, and stops with them.
    fn delay(&mut self, usual: i64, long: i64) -> i64 {
        if self.draining {
            return self.rng.random_range(0..=usual.min(8));
        }
        let rare = self.profile.slow;
        if self.chance(rare) { self.rng.random_range(0..=long) } else { self.rng.random_range(0..=usual) }
    }

    /// The database's time.
    fn database_now(&self) -> Timestamp {
        Timestamp::from_millis(self.t + self.database_ahead)
    }

    fn turn(&mut self, who: usize) {
        let mut client = std::mem::replace(&mut self.clients[who], Client::Away);
        match &mut client {
            Client::Setup(setup) => setup.turn(self, who),
            Client::Submitter(submitter) => submitter.turn(self, who),
            Client::Operator(operator) => operator.turn(self, who),
            Client::Worker(worker) => worker.turn(self, who),
            Client::Away => {}
        }
        self.clients[who] = client;
    }

    fn reply(&mut self, number: CallNo, outcome: Outcome) {
        let Some(call) = self.calls.remove(&number) else { return };
        let who = call.client;
        self.learn(who, call.node, &outcome);
        let mut client = std::mem::replace(&mut self.clients[who], Client::Away);
        match &mut client {
            Client::Setup(setup) => setup.reply(self, who, &call, outcome),
            Client::Submitter(submitter) => submitter.reply(self, &call, outcome),
            Client::Operator(operator) => operator.reply(self, &call, outcome),
            Client::Worker(worker) => worker.reply(self, who, &call, outcome),
            Client::Away => {}
        }
        self.clients[who] = client;
    }

    /// A recovery beside the owner: snapshot and tail give the state that the last commit's maker had.
    fn audit(&mut self) -> Stepped {
        let (snapshot, tail) = self.ledger.recovery();
        let shard = self.recovered(snapshot.as_ref(), &tail)?;
        if snapshot.is_some() && !tail.is_empty() {
            self.model.saw("recovered from snapshot and tail");
        }
        self.same_state(&shard)?;
        self.upgrade(snapshot)
    }

    /// Sometimes the program is a newer one, which does not read the snapshot's form: the whole history must do.
    fn upgrade(&mut self, snapshot: Option<orch_core::port::SnapshotRow>) -> Stepped {
        let Some(mut older) = snapshot.filter(|row| row.commit_no % UPGRADE_EVERY == 0) else { return Ok(()) };
        older.format -= 1;
        let shard = self.recovered(Some(&older), &self.ledger.tail(0))?;
        self.model.saw("recovered from the whole history behind an older snapshot");
        self.same_state(&shard)
    }

    fn recovered(
        &self,
        snapshot: Option<&orch_core::port::SnapshotRow>,
        tail: &[orch_core::port::Commit],
    ) -> Result<Shard, Violation> {
        let broken =
            |error: orch_dispatch::shard::RecoverError| Violation { promise: "recovery", text: error.to_string() };
        let identity = self.shadow.identity();
        let mut shard = Shard::begin(identity, snapshot).map_err(broken)?;
        for commit in tail {
            shard.replay(commit).map_err(broken)?;
        }
        Ok(shard)
    }

    fn same_state(&self, shard: &Shard) -> Stepped {
        let Some(saved) = self.saved.get(&shard.taken()) else { return Ok(()) };
        let same = shard.save() == *saved;
        crate::model::ensure(same, "recovered state = live state", || {
            format!("they differ after commit {}", shard.taken())
        })
    }

    fn tenants(&self) -> Vec<TenantNo> {
        (1..=self.profile.tenants).map(tenant_no).collect()
    }

    fn any_tenant(&mut self) -> TenantNo {
        tenant_no(self.rng.random_range(1..=self.profile.tenants))
    }

    /// A job that some caller knows, rather a recent one.
    fn any_job(&mut self, tenant: TenantNo) -> Option<JobId> {
        let recent = if self.chance(800) { 12 } else { 200 };
        let of: Vec<_> =
            self.known.iter().rev().filter(|(no, _)| *no == tenant).take(recent).map(|(_, id)| *id).collect();
        (!of.is_empty()).then(|| of[self.rng.random_range(0..of.len())])
    }

    fn new_job_id(&mut self) -> JobId {
        JobId::v7(Timestamp::from_millis(self.t), self.rng.random())
    }

    /// A payload that is unlike any other.
    fn payload(&mut self) -> bytes::Bytes {
        let n: u64 = self.rng.random();
        format!("{{\"n\":\"{n:016x}\"}}").into()
    }

    fn send(&mut self, client: usize, command: orch_dispatch::Command, tag: u64, patience: i64) -> CallNo {
        self.send_call(client, Arc::new(command), tag, patience)
    }
}

/// The shard of every world; none of its tenants is `system`, which works for all.
const SHARD: ShardNo = ShardNo(1);

/// The number that the world's n-th tenant gets, from 1.
fn tenant_no(n: u32) -> TenantNo {
    TenantNo(SHARD.first_tenant().0 + n - 1)
}
