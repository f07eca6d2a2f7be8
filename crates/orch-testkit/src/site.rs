//! One shard, its commits and a worker, without a ledger or an engine: appends get lost with their owner, owners crash,
//! and what is recovered goes on. For worlds that look at one thing closely; `world.rs` looks at everything.

use orch_core::config::ConfigDoc;
use orch_core::ids::{ClaimId, Incarnation, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::port::{Append, Commit, SnapshotRow, TenantRow};
use orch_core::time::Timestamp;
use orch_dispatch::answer::Grant;
use orch_dispatch::command::{Beat, ClaimParams, Completion, Expect, Report, SessionParams};
use orch_dispatch::prepared::Readings;
use orch_dispatch::shard::{Identity, Reply, SNAPSHOT_FORMAT, Sizes};
use orch_dispatch::{Answer, Command, Shard};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// When every world begins.
const START: i64 = 1_900_000_000_000;
/// The worker's session.
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0002_0001));

/// The tenant.
pub const TENANT: TenantNo = TenantNo(2);

/// A shard with a tenant and a worker.
#[derive(Debug)]
pub struct Site {
    shard: Shard,
    epoch: u64,
    now: i64,
    commits: Vec<Commit>,
    snapshot: Option<SnapshotRow>,
    sizes: Sizes,
    rng: SmallRng,
    claims: u128,
    /// What the worker has.
    pub grants: Vec<Grant>,
    /// Owners that crashed.
    pub crashes: usize,
    /// Appends that got lost.
    pub lost: usize,
}

fn identity(epoch: u64) -> Identity {
    Identity { shard: ShardNo(0), epoch, incarnation: Incarnation(Uuid::nil()) }
}

impl Site {
    /// A site with its tenant, in which so many facts of runs come at once.
    ///
    /// # Panics
    /// When the tenant is refused.
    #[must_use]
    pub fn new(seed: u64, run_facts: usize) -> Self {
        let mut shard = Shard::empty(identity(1));
        shard.serve_from(Timestamp::from_millis(START));
        let sizes = Sizes { run_facts, ..Sizes::default() };
        shard.resize(sizes);
        let mut site = Self {
            shard,
            epoch: 1,
            now: START,
            commits: Vec::new(),
            snapshot: None,
            sizes,
            rng: SmallRng::seed_from_u64(seed),
            claims: 0,
            grants: Vec::new(),
            crashes: 0,
            lost: 0,
        };
        for n in 1..=2 {
            let (no, id) = (TenantNo(n), TenantId(Uuid::from_u128(n.into())));
            let row = TenantRow { no, id, name: format!("t{n}"), shard: ShardNo(0), created_at: site.now() };
            site.ask(Command::CreateTenant(row), &mut |_| {});
        }
        site.announce();
        site
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: i64) {
        self.now += ms;
    }

    fn announce(&mut self) {
        let (worker, boot, sdk) = ("w".to_owned(), "b".to_owned(), "test".to_owned());
        let (tenants, job_types) = (vec![TENANT], vec!["t".to_owned()]);
        let params = SessionParams { session: SESSION, tenants, worker, boot, job_types, capacity: 1_000, sdk };
        let _ = self.shard.execute(Command::OpenSession(params), &Readings::default(), self.now());
    }

    /// Declares something.
    ///
    /// # Panics
    /// When it is refused.
    pub fn declare(&mut self, doc: ConfigDoc) {
        let answer = self.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any }, &mut |_| {});
        assert!(matches!(answer, Answer::Config { .. }), "{answer:?}");
    }

    /// Asks, and what is appended is taken note of; or the append is lost with its owner, and it is asked again.
    ///
    /// # Panics
    /// When an invariant does not hold, or a commit has the wrong number.
    pub fn ask(&mut self, command: Command, note: &mut impl FnMut(&Append)) -> Answer {
        loop {
            let reply = self.shard.execute(command.clone(), &Readings::default(), self.now());
            let append = self.shard.take();
            let _ = self.shard.take_woken();
            if append.is_some() && self.rng.random_ratio(1, 40) {
                self.lost += 1;
                self.recover();
                continue;
            }
            if let Some(append) = append {
                note(&append);
                self.committed(append);
            }
            let sound = self.shard.check();
            assert!(sound.is_ok(), "{sound:?}");
            return match reply {
                Reply::Now(answer) => answer,
                Reply::Parked(_) => Answer::Done,
            };
        }
    }

    /// The same, and nothing gets lost.
    pub fn calmly(&mut self, command: Command, note: &mut impl FnMut(&Append)) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now());
        if let Some(append) = self.shard.take() {
            note(&append);
            self.committed(append);
        }
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    /// The same for a command that memory alone answers: nothing is committed.
    ///
    /// # Panics
    /// When something would be.
    pub fn peek(&mut self, command: Command) -> Answer {
        let reply = self.shard.execute(command, &Readings::default(), self.now());
        assert!(self.shard.take().is_none(), "something was written");
        match reply {
            Reply::Now(answer) => answer,
            Reply::Parked(_) => Answer::Done,
        }
    }

    fn committed(&mut self, append: Append) {
        assert_eq!(append.commit_no, self.commits.len() as u64 + 1, "commits are numbered without gaps");
        self.commits.push(Commit { commit_no: append.commit_no, blocks: append.blocks });
        if self.rng.random_ratio(1, 25) {
            let (commit_no, state) = (self.shard.taken(), self.shard.save().into());
            self.snapshot = Some(SnapshotRow { commit_no, format: SNAPSHOT_FORMAT, state });
        }
    }

    fn recover(&mut self) {
        self.epoch += 1;
        let recovered = Shard::begin(identity(self.epoch), self.snapshot.as_ref()).and_then(|mut shard| {
            let after = self.snapshot.as_ref().map_or(0, |row| row.commit_no);
            let tail = self.commits.iter().filter(|commit| commit.commit_no > after);
            tail.map(|commit| shard.replay(commit)).collect::<Result<Vec<()>, _>>()?;
            Ok(shard)
        });
        self.shard = recovered.unwrap_or_else(|error| panic!("{error}"));
        self.shard.resize(self.sizes);
        self.shard.serve_from(self.now());
        // Workers speak again before anything else.
        self.announce();
    }

    /// The owner dies, and what is recovered is what there was.
    ///
    /// # Panics
    /// When it is not.
    pub fn crash(&mut self) {
        self.crashes += 1;
        let before = self.shard.save();
        self.recover();
        assert!(self.shard.save() == before, "the recovered state is another");
    }

    /// Lets time pass until nothing is to be done.
    ///
    /// # Panics
    /// When it never comes to rest.
    pub fn settle(&mut self, note: &mut impl FnMut(&Append)) {
        let mut idle = 0;
        for _ in 0..2_000 {
            let (commits, lost) = (self.commits.len(), self.lost);
            self.now += 20;
            self.ask(Command::Tick, note);
            // After a loss the first tick comes too early.
            idle = if self.commits.len() == commits && self.lost == lost { idle + 1 } else { 0 };
            if idle == 2 {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// The worker claims up to so many. What it got.
    pub fn claim(&mut self, max: usize, note: &mut impl FnMut(&Append)) -> Vec<Grant> {
        self.claims += 1;
        let (claim, job_types) = (ClaimId(Uuid::from_u128(self.claims)), Vec::new());
        let params = ClaimParams { session: SESSION, claim, max, job_types, auto_ack: true, wait_until: None };
        let Answer::Claimed(grants) = self.ask(Command::Claim(params), note) else { return Vec::new() };
        self.grants.extend(grants.iter().cloned());
        grants
    }

    /// The worker reports one of its attempts.
    pub fn report(&mut self, grant: &Grant, outcome: Report, note: &mut impl FnMut(&Append)) {
        self.grants.retain(|held| held.token != grant.token);
        let completion = Completion {
            token: grant.token,
            outcome,
            fingerprint: [0; 16],
            artifacts: Vec::new(),
            follow_ups: Vec::new(),
            took: Vec::new(),
            watermark: None,
        };
        self.ask(Command::Complete { tenants: vec![TENANT], completions: vec![completion] }, note);
    }

    /// The worker says that it is at work.
    pub fn beat(&mut self, note: &mut impl FnMut(&Append)) {
        let beat = |grant: &Grant| Beat { token: grant.token, progress: None, checkpoint: None };
        let beats: Vec<_> = self.grants.iter().map(beat).collect();
        if !beats.is_empty() {
            self.ask(Command::Heartbeat { tenants: vec![TENANT], session: SESSION, beats }, note);
        }
    }
}
