//! The home of the hosts that all tenants share, as the world's shard sees it: another shard, whose commits are instant.
//!
//! What is asked of it and what it answers is late or lost like everything else, and now and then it has a new owner.

use std::collections::BTreeMap;

use orch_core::config::{Bucket, ConfigDoc, ConfigKind};
use orch_core::ids::{Incarnation, ShardNo, TenantId, TenantNo};
use orch_core::port::{Commit, TenantRow};
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::answer::Permits;
use orch_dispatch::command::{Actor, Expect, PermitAsk};
use orch_dispatch::prepared::Readings;
use orch_dispatch::shard::{Identity, Reply, Shard, WaiterId};
use orch_dispatch::{Answer, CallId, Command};
use rand::Rng;

use super::setup::HOST;
use super::{Event, NodeEvent, Stepped, World};
use crate::model::{Violation, ensure};

/// The shard of `system`.
const HOME: ShardNo = ShardNo(0);

/// Something at the home.
#[derive(Debug)]
pub(super) enum HomeEvent {
    /// A call of an ownership reaches it.
    Ask { node: usize, own: u64, ask: Box<PermitAsk> },
    /// Its clock.
    Tick { life: u64 },
}

/// The home's shard, and who waits there.
#[derive(Debug)]
pub(super) struct Home {
    shard: Shard,
    commits: Vec<Commit>,
    waiting: BTreeMap<WaiterId, (usize, u64, (u64, u64))>,
    life: u64,
    tick_at: i64,
    calls: u64,
    /// What its clock is ahead of true time: the database's when its owner began.
    ahead: i64,
    /// The platform declares a bucket, now and then another or none.
    governs: bool,
}

impl Home {
    pub fn new(incarnation: Incarnation) -> Self {
        let shard = Shard::empty(Identity { shard: HOME, epoch: 0, incarnation });
        let (commits, waiting) = (Vec::new(), BTreeMap::new());
        Self { shard, commits, waiting, life: 0, tick_at: i64::MAX, calls: 0, ahead: 0, governs: false }
    }
}

/// The platform's bucket of the host that the tenants' sources name.
fn shared_bucket(world: &mut World) -> ConfigDoc {
    let rng = &mut world.rng;
    let (limit, window_ms) = (rng.random_range(2..8), rng.random_range(100..1_500));
    let burst = rng.random_ratio(1, 3).then(|| rng.random_range(2..=limit));
    let terms = vec![Term { burst, limit, window_ms }];
    let urgent_reserve_percent = super::setup::reserve(rng);
    let (name, host) = ("shared".to_owned(), HOST.to_owned());
    ConfigDoc::Bucket(Bucket { name, host, terms, urgent_reserve_percent, ..Bucket::default() })
}

impl World {
    /// The home begins: it makes `system`, which declares a bucket of the tenants' host in half of the worlds.
    pub(super) fn begin_home(&mut self) -> Stepped {
        let begin = Timestamp::from_millis(self.t);
        self.home.shard.serve_from(begin);
        let (no, id, name) = (TenantNo::SYSTEM, TenantId::v7(begin, 1), "system".to_owned());
        self.at_home(Command::CreateTenant(TenantRow { no, id, name, shard: HOME, created_at: begin }), None)?;
        if self.rng.random_ratio(1, 2) {
            let doc = shared_bucket(self);
            self.at_home(Command::PutConfig { tenant: no, doc, expect: Expect::Any }, None)?;
            self.home.governs = true;
        }
        Ok(())
    }

    /// The platform's bucket is declared anew, or no more.
    fn change_shared(&mut self) -> Stepped {
        let tenant = TenantNo::SYSTEM;
        let command = if self.chance(400) {
            let (kind, name) = (ConfigKind::Bucket, "shared".to_owned());
            let actor = Actor { by: "operator".to_owned(), reason: None };
            Command::DeleteConfig { tenant, kind, name, expect: Expect::Any, actor }
        } else {
            Command::PutConfig { tenant, doc: shared_bucket(self), expect: Expect::Any }
        };
        self.at_home(command, None).map(|_| ())
    }

    /// Runs a command there, judges what it brings, and sends the answers that are ready.
    fn at_home(&mut self, command: Command, from: Option<(usize, u64, (u64, u64))>) -> Result<Reply, Violation> {
        let now = Timestamp::from_millis(self.t + self.home.ahead);
        let reply = self.home.shard.execute(command, &Readings::default(), now);
        if let (Reply::Parked(waiter), Some(from)) = (&reply, from) {
            self.home.waiting.insert(*waiter, from);
        }
        for (waiter, answer) in self.home.shard.take_woken() {
            if let (Some((node, own, _)), Answer::Permits(permits)) = (self.home.waiting.remove(&waiter), answer) {
                self.send_permits(node, own, permits);
            }
        }
        if let Some(append) = self.home.shard.take() {
            for block in &append.blocks {
                for record in block.records().unwrap_or_default() {
                    self.note(|| format!("home {} {:?}", record.seq, record.body));
                    self.model.home_fact(block.stream, &record)?;
                }
            }
            self.home.commits.push(Commit { commit_no: append.commit_no, blocks: append.blocks });
        }
        let now = self.home.shard.now();
        let wait = self.home.shard.next_moment().map(|at| i64::try_from(at.ms_since(now)).unwrap_or(400).clamp(1, 400));
        if let Some(at) = wait.map(|wait| self.t + wait).filter(|at| *at < self.home.tick_at) {
            self.home.tick_at = at;
            let life = self.home.life;
            self.after(at - self.t, Event::Home(HomeEvent::Tick { life }));
        }
        Ok(reply)
    }

    pub(super) fn home_event(&mut self, event: HomeEvent) -> Stepped {
        match event {
            HomeEvent::Ask { node, own, ask } => {
                self.model.wished(&ask.wishes);
                let of = (ask.epoch, ask.number);
                match self.at_home(Command::Permits(*ask), Some((node, own, of)))? {
                    Reply::Parked(_) => {}
                    Reply::Now(Answer::Permits(permits)) => self.send_permits(node, own, permits),
                    Reply::Now(answer) => return ensure(false, "world", || format!("the home said {answer:?}")),
                }
            }
            HomeEvent::Tick { life } if life == self.home.life => {
                self.home.tick_at = i64::MAX;
                self.at_home(Command::Tick, None)?;
                if self.home.governs && !self.draining && self.chance(5) {
                    self.change_shared()?;
                }
            }
            HomeEvent::Tick { .. } => {}
        }
        Ok(())
    }

    /// An ownership asks. What is lost on the way is answered with nothing, later.
    pub(super) fn ask_home(&mut self, node: usize, own: u64, ask: Box<PermitAsk>) {
        self.asked_at.insert((ask.epoch, ask.number), self.t);
        let loss = self.profile.loss;
        if !self.draining && self.chance(loss) {
            self.model.saw("fault: a call to the home of shared hosts is lost");
            let of = (ask.epoch, ask.number);
            self.send_permits(node, own, Permits { of, ..Permits::default() });
        } else {
            let late = self.delay(3, 300);
            self.after(late, Event::Home(HomeEvent::Ask { node, own, ask }));
        }
    }

    /// An answer reaches an ownership: what the two clocks say is noted for the judge.
    pub(super) fn permits_came(&mut self, node: usize, permits: &Permits, ahead: i64) {
        let Some(now) = self.nodes[node].owner_now(self.t) else { return };
        let ahead = self.t + ahead - now.millis();
        let sent = self.asked_at.get(&permits.of).copied().unwrap_or(self.t);
        let parked = permits.at.1.ms_since(permits.at.0);
        let slack = u64::try_from(self.t - sent).unwrap_or(0).saturating_sub(parked);
        if let (Some((_, hosts)), Some(now)) = (&permits.governed, self.nodes[node].owner_now(self.t)) {
            self.model.governed_came(hosts, now);
        }
        for permit in &permits.permits {
            self.model.permit_came(permit.seq, ahead, slack);
        }
    }

    fn send_permits(&mut self, node: usize, own: u64, permits: Permits) {
        self.home.calls += 1;
        let call = CallId(u64::MAX - self.home.calls);
        let loss = self.profile.loss;
        let lost = !self.draining && self.chance(loss);
        // An answer that is lost is one with nothing in it, in the end.
        let (permits, usual) =
            if lost { (Permits { of: permits.of, ..Permits::default() }, 200) } else { (permits, 3) };
        let late = self.delay(usual, 300);
        // What the home's clock is ahead of true time now; another owner's may not be.
        let ahead = (self.t + self.home.ahead).max(self.home.shard.now().millis()) - self.t;
        self.after(late, Event::Node(node, NodeEvent::Permits { own, call, permits, ahead }));
    }

    /// The home has a new owner, which knows what was committed and nothing else.
    pub(super) fn home_fails_over(&mut self) -> Stepped {
        let before = self.home.shard.identity();
        let mut shard = Shard::empty(Identity { epoch: before.epoch + 1, ..before });
        for commit in &self.home.commits {
            let replayed = shard.replay(commit);
            replayed.map_err(|error| Violation { promise: "recovery", text: error.to_string() })?;
        }
        ensure(shard.save() == self.home.shard.save(), "recovered state = live state", || "at the home".to_owned())?;
        self.home.ahead = self.database_ahead;
        shard.serve_from(self.database_now());
        self.home.shard = shard;
        self.home.life += 1;
        self.home.tick_at = i64::MAX;
        for (node, own, of) in std::mem::take(&mut self.home.waiting).into_values() {
            self.send_permits(node, own, Permits { of, ..Permits::default() });
        }
        self.model.saw("fault: the home of shared hosts has a new owner");
        self.at_home(Command::Tick, None).map(|_| ())
    }
}
