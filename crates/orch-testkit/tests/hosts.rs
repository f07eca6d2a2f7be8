//! A host that all tenants share, over three shards in virtual time: it never has to refuse, nothing of its allowance is
//! left unused while work waits, and the tenants get equal shares. The host counts for itself, in exact windows.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails a test")]

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use orch_core::allotment::Allotment;
use orch_core::config::{Bucket, ConfigDoc, ConfigKind, JobType, Source};
use orch_core::ids::{ClaimId, Incarnation, JobId, LaneNo, SessionId, ShardNo, TenantId, TenantNo};
use orch_core::job::{LaneKey, Priority};
use orch_core::lease::Token;
use orch_core::port::{Append, Commit, JobRow, TenantRow, WindowRow};
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::answer::{Grant, Permits};
use orch_dispatch::command::{
    Actor, ClaimParams, Completion, Expect, NewJob, PermitAsk, Report, SessionParams, UpstreamSaid,
};
use orch_dispatch::owner::SnapshotPolicy;
use orch_dispatch::shard::Identity;
use orch_dispatch::{Answer, CallId, Command, Effect, Owner};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

const BEGIN: i64 = 1_900_000_000_000;
const HOST: &str = "shared.example";
/// How long a commit takes.
const COMMIT_MS: i64 = 4;
/// The same on a slow machine.
const COMMIT_SLOW_MS: i64 = 25;
/// Jobs that each tenant has waiting, so that windows hold them all.
const BACKLOG: usize = 60;

/// What will happen at a moment.
enum Event {
    /// An append of a shard is committed.
    Committed(usize, u64, u64),
    /// A command reaches a shard; its answer is for whom the second says.
    Deliver(usize, Box<Command>, For),
    /// An answer reaches whom it is for.
    Answered(For, Box<Answer>),
    /// A request reaches the host.
    Request(usize, Token),
    /// A worker gives an attempt back: its request would leave too late.
    GiveBack(usize, Token),
    /// A worker's clock: it claims.
    Claim(usize),
    /// Something breaks.
    Fault,
}

/// Whom an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Nobody,
    Worker(usize),
    /// The courier of a shard, for the ask of that epoch and number.
    Courier(usize, (u64, u64)),
}

/// A shard with its owner.
struct Site {
    no: ShardNo,
    owner: Owner,
    commits: Vec<Commit>,
    /// Jobs by tenant, lane and order key.
    jobs: BTreeMap<(TenantNo, LaneNo, u64), JobRow>,
    calls: BTreeMap<u64, For>,
}

struct Worker {
    site: usize,
    tenant: TenantNo,
    session: SessionId,
    claims: u64,
    running: usize,
}

/// Everything.
struct Stage {
    rng: SmallRng,
    t: i64,
    order: u64,
    queue: BTreeMap<(i64, u64), Event>,
    sites: Vec<Site>,
    workers: Vec<Worker>,
    tenants: Vec<TenantNo>,
    term: Term,
    /// Requests that the host has let through, by tenant.
    let_through: Vec<(i64, TenantNo)>,
    refused: u64,
    /// The host refuses whatever comes until then.
    refuses_until: i64,
    /// The tenant that reports `Retry-After: 1 year` with each request.
    liar: Option<TenantNo>,
    jobs: u128,
    /// Jobs that were enqueued.
    made: BTreeMap<TenantNo, usize>,
    calls: u64,
    faults: bool,
    /// Commits and messages take longer.
    slow: bool,
    /// Claims wait for a moment only, and come again after another: permits come between them.
    hasty: bool,
    /// Now and then a worker stands still before a request.
    stutters: bool,
    /// Workers do not look when a request may leave at the latest.
    careless: bool,
    end: i64,
}

fn identity(no: ShardNo, epoch: u64) -> Identity {
    Identity { shard: no, epoch, incarnation: Incarnation(Uuid::nil()) }
}

fn serve(no: ShardNo, epoch: u64, commits: &[Commit], now: i64) -> Owner {
    let never = SnapshotPolicy { facts: u64::MAX, ms: u64::MAX };
    Owner::recover(identity(no, epoch), None, commits.iter().cloned(), Timestamp::from_millis(now), never).unwrap()
}

impl Stage {
    /// Shard 0 is the home and has two tenants; shards 1 and 2 have one each. Each tenant has two workers.
    fn new(seed: u64, term: Term, minutes: i64) -> Self {
        Self::set_up(seed, term, minutes, false)
    }

    fn set_up(seed: u64, term: Term, minutes: i64, slow: bool) -> Self {
        let sites = (0..3).map(|n| Site {
            no: ShardNo(n),
            owner: serve(ShardNo(n), 1, &[], BEGIN),
            commits: Vec::new(),
            jobs: BTreeMap::new(),
            calls: BTreeMap::new(),
        });
        let mut stage = Self {
            rng: SmallRng::seed_from_u64(seed),
            t: BEGIN,
            order: 0,
            queue: BTreeMap::new(),
            sites: sites.collect(),
            workers: Vec::new(),
            tenants: Vec::new(),
            term,
            let_through: Vec::new(),
            refused: 0,
            refuses_until: 0,
            liar: None,
            jobs: 0,
            made: BTreeMap::new(),
            calls: 0,
            faults: false,
            slow,
            hasty: false,
            stutters: false,
            careless: false,
            end: BEGIN + minutes * 60_000,
        };
        stage.make_tenant(0, "system");
        let terms = vec![term];
        let doc = Bucket { name: "shared".into(), host: HOST.into(), terms, ..Bucket::default() };
        stage.put(0, TenantNo::SYSTEM, ConfigDoc::Bucket(doc));
        for (site, name) in [(0, "a"), (0, "b"), (1, "c"), (2, "d")] {
            let tenant = stage.make_tenant(site, name);
            stage.tenants.push(tenant);
            let source = Source { name: "s".into(), kind: "k".into(), host: Some(HOST.into()), ..Source::default() };
            stage.put(site, tenant, ConfigDoc::JobType(JobType::named("fetch")));
            stage.put(site, tenant, ConfigDoc::Source(source));
            stage.refill(tenant);
            for n in 0..2 {
                stage.hire(site, tenant, n);
            }
        }
        stage
    }

    fn make_tenant(&mut self, site: usize, name: &str) -> TenantNo {
        let no = self.sites[site].owner.shard().next_tenant_no();
        let (id, created_at) = (TenantId(Uuid::from_u128(no.0.into())), Timestamp::from_millis(BEGIN));
        let row = TenantRow { no, id, name: name.to_owned(), shard: self.sites[site].no, created_at };
        self.submit(site, Command::CreateTenant(row), For::Nobody);
        self.settle();
        no
    }

    fn put(&mut self, site: usize, tenant: TenantNo, doc: ConfigDoc) {
        self.submit(site, Command::PutConfig { tenant, doc, expect: Expect::Absent }, For::Nobody);
        self.settle();
    }

    fn hire(&mut self, site: usize, tenant: TenantNo, n: u32) {
        let session = SessionId::of(tenant, &format!("w{n}"), "boot");
        self.workers.push(Worker { site, tenant, session, claims: 0, running: 0 });
        self.announce(self.workers.len() - 1);
        let late = self.rng.random_range(1..50);
        self.after(late, Event::Claim(self.workers.len() - 1));
    }

    fn announce(&mut self, who: usize) {
        let Worker { site, tenant, session, .. } = self.workers[who];
        let (worker, boot, sdk) = (format!("w{who}"), "boot".to_owned(), "test".to_owned());
        let job_types = vec!["fetch".to_owned()];
        let params = SessionParams { session, tenants: vec![tenant], worker, boot, job_types, capacity: 8, sdk };
        self.submit(site, Command::OpenSession(params), For::Nobody);
    }

    fn refill(&mut self, tenant: TenantNo) {
        let jobs = (0..BACKLOG).map(|_| {
            self.jobs += 1;
            NewJob {
                id: JobId::v7(Timestamp::from_millis(self.t), self.jobs),
                id_given: false,
                key: None,
                payload: Bytes::from_static(b"{}"),
                payload_sha256: String::new(),
                misfit: None,
                labels: BTreeMap::new(),
                not_before: None,
                deadline: None,
                depends_on: Vec::new(),
                correlation_id: None,
                origin: None,
                firing: None,
                part: None,
                window: None,
                lane: LaneKey {
                    concurrency_key: None,
                    job_type: "fetch".to_owned(),
                    priority: Priority::Normal,
                    project: "default".to_owned(),
                    source: Some("s".to_owned()),
                },
            }
        });
        let jobs = jobs.collect();
        *self.made.entry(tenant).or_default() += BACKLOG;
        self.submit(usize::from(tenant.shard().0), Command::Enqueue { tenant, jobs, key: None }, For::Nobody);
    }

    fn after(&mut self, ms: i64, event: Event) {
        self.order += 1;
        self.queue.insert((self.t + ms, self.order), event);
    }

    /// A message's way.
    fn way(&mut self) -> i64 {
        if self.slow { self.rng.random_range(4..12) } else { self.rng.random_range(1..6) }
    }

    fn submit(&mut self, site: usize, command: Command, of: For) {
        self.calls += 1;
        let call = self.calls;
        self.sites[site].calls.insert(call, of);
        let now = Timestamp::from_millis(self.t);
        self.sites[site].owner.submit(CallId(call), command, now);
        self.carry_out(site);
    }

    fn carry_out(&mut self, site: usize) {
        let mut effects = VecDeque::from(self.sites[site].owner.take_effects());
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Append(append) => {
                    let Append { commit_no, epoch, blocks, jobs, .. } = *append;
                    self.sites[site].jobs.extend(jobs.into_iter().map(|row| ((row.tenant, row.lane, row.seq), row)));
                    self.sites[site].commits.push(Commit { commit_no, blocks });
                    let commit_ms = if self.slow { COMMIT_SLOW_MS } else { COMMIT_MS };
                    self.after(commit_ms, Event::Committed(site, epoch, commit_no));
                }
                Effect::Answer(CallId(call), answer) => {
                    if let Some(of) = self.sites[site].calls.remove(&call).filter(|of| *of != For::Nobody) {
                        let way = self.way();
                        self.after(way, Event::Answered(of, Box::new(answer)));
                    }
                }
                Effect::Ask(ask) => {
                    let PermitAsk { epoch, number, .. } = *ask;
                    let way = self.way();
                    let of = For::Courier(site, (epoch, number));
                    self.after(way, Event::Deliver(0, Box::new(Command::Permits(*ask)), of));
                }
                Effect::Windows(began, wishes) => {
                    for wish in wishes {
                        let from = (wish.tenant, wish.lane, wish.after + 1)..=(wish.tenant, wish.lane, u64::MAX);
                        let rows = self.sites[site].jobs.range(from).take(wish.limit).map(|(_, row)| WindowRow {
                            job: row.id,
                            seq: row.seq,
                            payload: row.payload.clone(),
                            extra: row.extra.clone(),
                        });
                        let (rows, now) = (rows.collect(), Timestamp::from_millis(self.t));
                        self.sites[site].owner.window_loaded(&wish, began, rows, now);
                    }
                    effects.extend(self.sites[site].owner.take_effects());
                }
                Effect::Keys(wish) => {
                    let now = Timestamp::from_millis(self.t);
                    self.sites[site].owner.keys_read(&wish, Some(&[]), now);
                }
                Effect::Prepare(..) => {}
            }
        }
    }

    /// Lets all appends commit.
    fn settle(&mut self) {
        let until = self.t + 2 * if self.slow { COMMIT_SLOW_MS } else { COMMIT_MS };
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.t = at;
            self.happen(event);
        }
    }

    fn run(&mut self) {
        while self.t < self.end {
            let ticks = self.sites.iter().enumerate().filter_map(|(site, of)| Some((of.owner.next_moment()?, site)));
            let tick = ticks.min().map(|(at, site)| (at.millis().max(self.t), site));
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            match (tick, next) {
                (Some((at, site)), next) if next.is_none_or(|next| at < next) => {
                    // A clock that is looked at each millisecond.
                    self.t = at.max(self.t + 1);
                    let now = Timestamp::from_millis(self.t);
                    self.sites[site].owner.tick(now);
                    self.carry_out(site);
                }
                (_, Some(_)) => {
                    let ((at, _), event) = self.queue.pop_first().unwrap();
                    self.t = at.max(self.t);
                    self.happen(event);
                }
                _ => panic!("nothing will ever happen again"),
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let now = Timestamp::from_millis(self.t);
        match event {
            Event::Committed(site, epoch, commit_no) => {
                if self.sites[site].owner.shard().identity().epoch == epoch {
                    self.sites[site].owner.appended(commit_no, now);
                    self.carry_out(site);
                }
            }
            Event::Deliver(site, command, of) => self.submit(site, *command, of),
            Event::Answered(For::Courier(site, _), answer) => {
                let Answer::Permits(permits) = *answer else { panic!("{answer:?}") };
                self.submit(site, Command::TakePermits(permits), For::Nobody);
            }
            Event::Answered(For::Worker(who), answer) => self.worker_hears(who, *answer),
            Event::Answered(For::Nobody, _) => {}
            Event::Request(who, token) => self.request(who, token),
            Event::GiveBack(who, token) => self.give_back(who, token),
            Event::Claim(who) => self.claim(who),
            Event::Fault => self.fault(),
        }
    }

    fn claim(&mut self, who: usize) {
        let worker = &mut self.workers[who];
        worker.claims += 1;
        let claim = ClaimId(Uuid::from_u128(u128::from(worker.claims)));
        // One at a time on a slow machine, so that the first five leave at moments of their own.
        let (session, max) = (worker.session, if self.slow { 1 } else { 8 - worker.running });
        let wait_ms = if self.hasty { self.rng.random_range(10..60) } else { 10_000 };
        let wait_until = Some(Timestamp::from_millis(self.t).plus_ms(wait_ms));
        let params = ClaimParams { session, claim, max, job_types: Vec::new(), auto_ack: true, wait_until };
        let (site, way) = (worker.site, self.way());
        self.after(way, Event::Deliver(site, Box::new(Command::Claim(params)), For::Worker(who)));
    }

    fn worker_hears(&mut self, who: usize, answer: Answer) {
        match answer {
            Answer::Claimed(grants) => {
                self.workers[who].running += grants.len();
                for Grant { token, not_before, leave_by, .. } in grants {
                    // The SDK holds the handler until then; on its way a request takes a little.
                    let hold = not_before.map_or(0, |at| (at.millis() - self.t).max(0));
                    let stutter = if self.stutters && self.rng.random_ratio(1, 50) { 80 } else { 0 };
                    let leaves = hold + self.rng.random_range(0..=stutter);
                    let late = leave_by.is_some_and(|by| self.t + leaves > by.millis()) && !self.careless;
                    let way = self.way();
                    let event = if late { Event::GiveBack(who, token) } else { Event::Request(who, token) };
                    self.after(leaves + way, event);
                }
                if self.workers[who].running < 8 {
                    let pause = if self.hasty { self.rng.random_range(1..60) } else { 1 };
                    self.after(pause, Event::Claim(who));
                }
            }
            Answer::Refused(_) => {
                self.announce(who);
                self.after(5, Event::Claim(who));
            }
            answer => panic!("{answer:?}"),
        }
    }

    /// The host counts the requests of the window that ends now.
    fn request(&mut self, who: usize, token: Token) {
        let window = i64::try_from(self.term.window_ms).unwrap();
        let inside = self.let_through.iter().rev().take_while(|(at, _)| *at > self.t - window).count();
        let refuses = inside >= self.term.limit as usize || self.t < self.refuses_until;
        let Worker { site, tenant, .. } = self.workers[who];
        let tenants = vec![tenant];
        if refuses {
            self.refused += 1;
        } else {
            self.let_through.push((self.t, tenant));
        }
        let lies = self.liar == Some(tenant);
        if refuses || lies {
            let retry_after_ms = lies.then_some(365 * 86_400_000);
            let throttled = refuses.then_some(403);
            let said = UpstreamSaid { throttled, retry_after_ms, sent_ms_ago: Some(1), latency_ms: None };
            self.submit(site, Command::Upstream { tenants: tenants.clone(), token, said }, For::Nobody);
        }
        let outcome = Report::Succeeded { result: None, result_sha256: None };
        let (artifacts, follow_ups) = (Vec::new(), Vec::new());
        let completions = vec![Completion {
            token,
            outcome,
            fingerprint: [0; 16],
            artifacts,
            follow_ups,
            took: Vec::new(),
            watermark: None,
        }];
        self.submit(site, Command::Complete { tenants, completions }, For::Nobody);
        if self.workers[who].running == 8 {
            self.after(1, Event::Claim(who));
        }
        self.workers[who].running = self.workers[who].running.saturating_sub(1);
        if (self.let_through.len() + 1).is_multiple_of(BACKLOG / 4) {
            for tenant in self.tenants.clone() {
                let waiting = self.waiting(tenant);
                if waiting < BACKLOG / 2 {
                    self.refill(tenant);
                }
            }
        }
    }

    fn give_back(&mut self, who: usize, token: Token) {
        let Worker { site, tenant, .. } = self.workers[who];
        self.submit(site, Command::Release { tenants: vec![tenant], tokens: vec![token] }, For::Nobody);
        if self.workers[who].running == 8 {
            self.after(1, Event::Claim(who));
        }
        self.workers[who].running = self.workers[who].running.saturating_sub(1);
    }

    fn waiting(&self, tenant: TenantNo) -> usize {
        let done = self.let_through.iter().filter(|(_, of)| *of == tenant).count();
        self.made[&tenant].saturating_sub(done)
    }

    /// An owner dies, and another takes its shard.
    fn fault(&mut self) {
        if !self.faults {
            return;
        }
        let pause = self.rng.random_range(5_000..20_000);
        self.after(pause, Event::Fault);
        let site = self.rng.random_range(0..self.sites.len());
        let (t, of) = (self.t, &mut self.sites[site]);
        let epoch = of.owner.shard().identity().epoch + 1;
        of.owner = serve(of.no, epoch, &of.commits, t);
        let lost: Vec<_> = std::mem::take(&mut of.calls).into_values().collect();
        for of in lost {
            match of {
                For::Worker(who) => self.after(50, Event::Claim(who)),
                For::Courier(_, number) => {
                    let nothing = Permits { of: number, ..Permits::default() };
                    self.after(100, Event::Answered(of, Box::new(Answer::Permits(nothing))));
                }
                For::Nobody => {}
            }
        }
        for who in 0..self.workers.len() {
            if self.workers[who].site == site {
                self.announce(who);
            }
        }
        let now = Timestamp::from_millis(self.t);
        self.sites[site].owner.tick(now);
        self.carry_out(site);
    }

    /// How many requests each tenant got through since a moment.
    fn shares(&self, since: i64) -> Vec<usize> {
        let of = |tenant: &TenantNo| self.let_through.iter().filter(|(at, no)| no == tenant && *at >= since).count();
        self.tenants.iter().map(of).collect()
    }

    /// The part of the terms that was used since a moment.
    fn used(&self, since: i64) -> f64 {
        let through = self.let_through.iter().filter(|(at, _)| *at >= since).count();
        let windows = (self.t - since) as f64 / self.term.window_ms as f64;
        through as f64 / (windows * f64::from(self.term.limit))
    }
}

/// NVD's terms without a key.
const NVD: Term = Term::window(5, 30_000);
/// The same thirty times faster.
const FAST: Term = Term::window(5, 1_000);

#[test]
fn the_fast_host_is_used_fully_and_shared_equally() {
    let mut stage = Stage::new(1, FAST, 5);
    stage.run();
    let (used, shares) = (stage.used(BEGIN), stage.shares(BEGIN));
    println!("fast: {used:.4} of the allowance, shares {shares:?}, {} refused", stage.refused);
    assert_eq!(stage.refused, 0);
    assert!(used >= 0.95, "{used}");
    let mean = shares.iter().sum::<usize>() / shares.len();
    assert!(shares.iter().all(|share| share.abs_diff(mean) * 20 <= mean), "{shares:?}");
}

/// The weight goes with the wish: one of them lives at the home, the other does not.
#[test]
fn twice_the_weight_gets_twice_as_much_of_a_host_wherever_it_lives() {
    for heavy in [0, 2] {
        let mut stage = Stage::new(5, FAST, 5);
        let tenant = stage.tenants[heavy];
        let (allotment, actor) = (Allotment::weighing(200), Actor::default());
        let site = usize::from(tenant.shard().0);
        stage.submit(site, Command::AllotTenant { tenant, allotment, actor }, For::Nobody);
        stage.run();
        let (used, mut shares) = (stage.used(BEGIN), stage.shares(BEGIN));
        println!("weighed: {used:.4} of the allowance, shares {shares:?}, {} refused", stage.refused);
        assert_eq!(stage.refused, 0);
        assert!(used >= 0.95, "{used}");
        let share = shares.remove(heavy);
        let mean = shares.iter().sum::<usize>() / shares.len();
        assert!(shares.iter().all(|other| other.abs_diff(mean) * 20 <= mean), "{shares:?}");
        assert!(share.abs_diff(2 * mean) * 20 <= 2 * mean, "{share} beside {shares:?}");
    }
}

#[test]
fn on_slow_machines_it_refuses_nothing_either() {
    for seed in 0..10 {
        let mut stage = Stage::set_up(seed, FAST, 2, true);
        stage.run();
        let (used, shares) = (stage.used(BEGIN), stage.shares(BEGIN));
        println!("slow: {used:.4} of the allowance, shares {shares:?}, {} refused", stage.refused);
        assert_eq!(stage.refused, 0, "seed {seed}");
        assert!(used >= 0.95, "{used}");
        let mean = shares.iter().sum::<usize>() / shares.len();
        assert!(shares.iter().all(|share| share.abs_diff(mean) * 20 <= mean), "{shares:?}");
    }
}

#[test]
fn permits_that_lie_in_hand_for_a_while_make_it_refuse_nothing() {
    let mut used = 0.0;
    for seed in 0..10 {
        let mut stage = Stage::set_up(seed, FAST, 2, true);
        stage.hasty = true;
        stage.run();
        let (of, shares) = (stage.used(BEGIN), stage.shares(BEGIN));
        println!("hasty claims: {of:.4} of the allowance, shares {shares:?}, {} refused", stage.refused);
        assert_eq!(stage.refused, 0, "seed {seed}");
        used += of / 10.0;
    }
    assert!(used >= 0.85, "{used}");
}

#[test]
fn workers_that_stand_still_for_a_moment_make_it_refuse_nothing() {
    let (mut used, mut refused) = (0.0, 0);
    for seed in 0..10 {
        for careless in [false, true] {
            let mut stage = Stage::new(seed, FAST, 2);
            (stage.stutters, stage.careless) = (true, careless);
            stage.run();
            println!("stutters, careless {careless}: {:.4}, {} refused", stage.used(BEGIN), stage.refused);
            if careless {
                refused += stage.refused;
            } else {
                assert_eq!(stage.refused, 0, "seed {seed}");
                used += stage.used(BEGIN) / 10.0;
            }
        }
    }
    assert!(used >= 0.95, "{used}");
    assert!(refused > 0, "the moments are long enough to matter");
}

#[test]
fn at_true_scale_shares_differ_by_one_grant() {
    for seed in 0..20 {
        let mut stage = Stage::new(seed, NVD, 5);
        stage.run();
        // The first window goes to whoever asked first: nobody else did.
        let (used, shares) = (stage.used(BEGIN), stage.shares(BEGIN + 32_000));
        println!("true scale: {used:.4} of the allowance, shares {shares:?}, {} refused", stage.refused);
        assert_eq!(stage.refused, 0);
        assert!(used >= 0.95, "{used}");
        assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
    }
}

#[test]
fn owners_that_die_never_make_it_refuse() {
    let mut used = 0.0;
    for seed in 0..10 {
        let mut stage = Stage::new(seed, FAST, 3);
        stage.faults = true;
        stage.after(3_000, Event::Fault);
        stage.run();
        assert_eq!(stage.refused, 0, "seed {seed}");
        used += stage.used(BEGIN) / 10.0;
    }
    println!("with a fail-over each 12 s: {used:.4} of the allowance");
    assert!(used >= 0.85, "{used}");
}

#[test]
fn one_tenant_that_lies_closes_nothing_for_others() {
    let mut stage = Stage::new(3, FAST, 3);
    stage.liar = stage.tenants.first().copied();
    stage.run();
    let (used, shares) = (stage.used(BEGIN), stage.shares(BEGIN));
    println!("with a liar: {used:.4} of the allowance, shares {shares:?}, {} refused", stage.refused);
    assert!(used >= 0.95, "{used}");
    assert!(shares[0] < 10, "the liar shut itself out: {shares:?}");
}

#[test]
fn after_a_refusal_it_is_back_within_the_ramp() {
    let mut stage = Stage::new(4, FAST, 1);
    stage.run();
    let before = stage.t;
    stage.refuses_until = before + 2_000;
    // The bucket's ramp: two minutes from nothing to all.
    stage.end = before + 120_000 + 60_000;
    stage.run();
    let back = stage.used(before + 120_000);
    println!("a minute after the ramp: {back:.4} of the allowance, {} refused", stage.refused);
    assert!(stage.refused > 0 && back >= 0.9, "{back}");
}

#[test]
fn a_bucket_that_is_deleted_frees_its_host_on_all_shards() {
    let mut stage = Stage::new(5, NVD, 1);
    stage.run();
    let before = stage.t;
    let (tenant, kind, name) = (TenantNo::SYSTEM, ConfigKind::Bucket, "shared".to_owned());
    let actor = Actor { by: "operator".to_owned(), reason: None };
    stage.submit(0, Command::DeleteConfig { tenant, kind, name, expect: Expect::Any, actor }, For::Nobody);
    // The host allows as much as anybody asks now, but for the shares.
    stage.term = Term::window(100_000, 1_000);
    stage.end = before + 2_000;
    stage.run();
    let shares = stage.shares(before + 1_000);
    println!("freed: {shares:?} in a second");
    assert!(shares.iter().all(|share| *share > 20), "{shares:?}");
}
