//! Backfills through a shard that crashes and loses appends, with a worker, pauses, cancels and fresh work: which windows
//! are read, in which order and how many at once, what is left out, and how it ends is reckoned here from scratch.
//!
//! `ORCH_BACKFILL_WORLDS` says how many worlds (1,000), `ORCH_BACKFILL_SEED` which one; with `--features mutants` each
//! planted bug of backfills must be found within as many.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orch_core::backfill::{BackfillSpec, Order, Reprocess};
use orch_core::config::{ConfigDoc, JobType, Source};
use orch_core::fact::Fact;
use orch_core::ids::{BackfillId, JobId};
use orch_core::job::{JobError, JobState, LaneKey, Priority};
use orch_core::port::Append;
use orch_core::run::RunOutcome;
use orch_core::schedule::ScheduledJob;
use orch_core::time::Timestamp;
use orch_core::watermark::{Axis, Range, Watermark};
use orch_dispatch::answer::Grant;
use orch_dispatch::command::{Actor, AskedBackfill, Expect, NewJob, Read, Report};
use orch_dispatch::{Answer, Command};
use orch_testkit::site::{Site, TENANT};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// The earliest window begins then.
const FROM: i64 = 1_600_000_000_000;
const WINDOW_MS: u64 = 3_600_000;
/// More windows than any backfill here has.
const WINDOWS: u32 = 40;

fn actor() -> Actor {
    Actor { by: "op".to_owned(), reason: Some("r".to_owned()) }
}

fn moment(window: u32) -> Timestamp {
    Timestamp::from_millis(FROM).plus_ms(u64::from(window) * WINDOW_MS)
}

/// What is known of one backfill, from its facts.
#[derive(Debug, Default)]
struct One {
    spec: BackfillSpec,
    /// Windows of the whole axis, in the order in which they are to come.
    order: Vec<u32>,
    next: usize,
    open: BTreeMap<JobId, u32>,
    failed: BTreeSet<u32>,
    counts: [u32; 4],
    paused: bool,
    canceled: bool,
    asked: BTreeSet<JobId>,
    outcome: Option<RunOutcome>,
}

#[derive(Debug, Default)]
struct Seeing {
    all: BTreeMap<BackfillId, One>,
    /// Windows of the axis that were read, and those that could not be.
    read: BTreeSet<u32>,
    failed: BTreeSet<u32>,
    /// The watermark says that these were read.
    before: BTreeSet<u32>,
    fresh: BTreeSet<JobId>,
}

impl Seeing {
    /// Whether a backfill may leave a window out.
    fn is_read(&self, spec: &BackfillSpec, window: u32) -> bool {
        let read = self.read.contains(&window) || self.before.contains(&window);
        match spec.reprocess {
            Reprocess::All => false,
            Reprocess::MissingAndFailed => read,
            Reprocess::Missing => read || self.failed.contains(&window),
        }
    }

    fn committed(&mut self, append: &Append) {
        for record in append.blocks.iter().flat_map(|block| block.records().unwrap()) {
            self.fact(&record.body);
        }
        for row in &append.backfill_ends {
            let one = &self.all[&row.id];
            let first = (one.spec.from.ms_since(moment(0)) / WINDOW_MS) as u32;
            let failed: BTreeSet<u32> = row.course.failed.iter().map(|number| number + first).collect();
            let never = one.order[one.next..].iter().copied();
            assert_eq!(failed, one.failed.iter().copied().chain(never).collect(), "what its row says failed");
        }
    }

    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::BackfillCreated { backfill, spec } => {
                let first = (spec.from.ms_since(moment(0)) / WINDOW_MS) as u32;
                let mut order: Vec<u32> = (0..spec.windows() as u32).map(|number| number + first).collect();
                if spec.order == Order::NewestFirst {
                    order.reverse();
                }
                for (other, one) in self.all.iter().filter(|(_, one)| one.outcome.is_none()) {
                    let apart = one.spec.range().within(spec.range()).is_none();
                    assert!(apart, "{backfill} and {other} read the same");
                }
                self.all.insert(*backfill, One { spec: (**spec).clone(), order, ..One::default() });
            }
            Fact::BackfillSkipped { backfill, count, place } => {
                let one = &self.all[backfill];
                assert_eq!(one.next, *place as usize, "windows are left out in order");
                let left_out = &one.order[one.next..][..*count as usize];
                assert!(left_out.iter().all(|window| self.is_read(&one.spec, *window)), "{left_out:?} were not read");
                let one = self.all.get_mut(backfill).unwrap();
                one.next += *count as usize;
                one.counts[3] += count;
            }
            Fact::JobEnqueued { job, window: Some(window), .. } => {
                let one = &self.all[&window.backfill];
                let wanted = one.order[one.next];
                assert_eq!((window.from, window.to), (moment(wanted), moment(wanted + 1)), "windows come in order");
                assert!(!self.is_read(&one.spec, wanted), "{wanted} was read already");
                assert!(!one.paused && !one.canceled, "{wanted} began while its backfill was held");
                let one = self.all.get_mut(&window.backfill).unwrap();
                one.next += 1;
                one.open.insert(*job, wanted);
                assert!(one.open.len() <= one.spec.parallelism as usize, "{} windows are open", one.open.len());
            }
            Fact::CancelRequested { job, .. } => {
                self.all.values_mut().filter(|one| one.open.contains_key(job)).for_each(|one| {
                    one.asked.insert(*job);
                });
            }
            Fact::JobFinished { job, state, .. } => self.finished(*job, *state),
            Fact::BackfillPaused { backfill, .. } => self.all.get_mut(backfill).unwrap().paused = true,
            Fact::BackfillResumed { backfill, .. } => self.all.get_mut(backfill).unwrap().paused = false,
            Fact::BackfillCancelRequested { backfill, .. } => self.all.get_mut(backfill).unwrap().canceled = true,
            Fact::BackfillFinished { backfill, counts, outcome } => {
                let one = self.all.get_mut(backfill).unwrap();
                let left = (one.order.len() - one.next) as u32;
                let [succeeded, failed, canceled, skipped] = one.counts;
                let said = [counts.succeeded, counts.failed, counts.canceled, counts.skipped, counts.total];
                let total = one.order.len() as u32;
                assert_eq!(said, [succeeded, failed, canceled + left, skipped, total], "what it says of its windows");
                assert!(one.open.is_empty() && (left == 0 || one.canceled), "it ends and has more: {one:?}");
                let wanted = match (one.canceled, failed, canceled) {
                    (true, _, _) => RunOutcome::Canceled,
                    (_, 1.., _) => RunOutcome::Failed,
                    (_, 0, 1..) => RunOutcome::Canceled,
                    _ => RunOutcome::Succeeded,
                };
                assert_eq!(*outcome, wanted);
                one.outcome = Some(*outcome);
            }
            _ => {}
        }
    }

    fn finished(&mut self, job: JobId, state: JobState) {
        self.fresh.remove(&job);
        let Some(one) = self.all.values_mut().find(|one| one.open.contains_key(&job)) else { return };
        let window = one.open.remove(&job).unwrap();
        match state {
            JobState::Succeeded => {
                one.counts[0] += 1;
                self.read.insert(window);
                self.failed.remove(&window);
            }
            JobState::Failed => {
                one.counts[1] += 1;
                one.failed.insert(window);
                self.failed.insert(window);
            }
            _ => {
                one.counts[2] += 1;
                one.failed.insert(window);
            }
        }
    }
}

struct World {
    rng: SmallRng,
    site: Site,
    seen: Seeing,
    ids: u128,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut site = Site::new(seed, 4);
        site.declare(ConfigDoc::JobType(JobType { tries_max: 1, ..JobType::named("t") }));
        site.declare(ConfigDoc::Source(Source { name: "kev".to_owned(), ..Source::default() }));
        Self { rng: SmallRng::seed_from_u64(seed ^ 0xbac), site, seen: Seeing::default(), ids: 0 }
    }

    fn ask(&mut self, command: Command) -> Answer {
        self.site.ask(command, &mut |append| self.seen.committed(append))
    }

    fn settle(&mut self) {
        self.site.settle(&mut |append| self.seen.committed(append));
    }

    /// Somewhere between two windows, with one left out, was read by fresh work.
    fn read_before(&mut self) {
        let low = self.rng.random_range(0..WINDOWS / 2);
        let high = self.rng.random_range(low + 2..WINDOWS);
        let hole = self.rng.random_range(low..high);
        let holes = vec![Range { from: moment(hole), to: moment(hole + 1) }];
        let watermark = Watermark { high: Some(moment(high)), holes, low: Some(moment(low)), ..Watermark::default() };
        self.seen.before = (low..high).filter(|window| *window != hole).collect();
        let (source, axis) = ("kev".to_owned(), Axis::Published);
        let expect = Expect::Any;
        self.ask(Command::PutWatermark { tenant: TENANT, source, axis, watermark, expect, actor: actor() });
    }

    fn create(&mut self) {
        let first = self.rng.random_range(0..WINDOWS - 1);
        let last = self.rng.random_range(first + 1..WINDOWS);
        let orders = [Order::OldestFirst, Order::NewestFirst];
        let policies = [Reprocess::Missing, Reprocess::MissingAndFailed, Reprocess::All];
        let spec = BackfillSpec {
            by: "op".to_owned(),
            from: moment(first),
            to: moment(last),
            job: Some(ScheduledJob { job_type: "t".into(), payload: "{}".into(), ..ScheduledJob::default() }),
            order: orders[self.rng.random_range(0..2)],
            parallelism: self.rng.random_range(1..5),
            reason: "r".to_owned(),
            reprocess: policies[self.rng.random_range(0..3)],
            source: "kev".to_owned(),
            ticket: "T-1".to_owned(),
            window_ms: WINDOW_MS,
            ..BackfillSpec::default()
        };
        self.ids += 1;
        let backfill = BackfillId(Uuid::from_u128(self.ids));
        let spec = Box::new(AskedBackfill(spec));
        self.ask(Command::CreateBackfill { tenant: TENANT, backfill, spec, key: None });
    }

    fn one(&mut self) -> Option<BackfillId> {
        let open: Vec<_> = self.seen.all.iter().filter(|(_, one)| one.outcome.is_none()).map(|(id, _)| *id).collect();
        (!open.is_empty()).then(|| open[self.rng.random_range(0..open.len())])
    }

    fn pause(&mut self, pause: bool) {
        if let Some(backfill) = self.one() {
            self.ask(Command::PauseBackfill { tenant: TENANT, backfill, pause, actor: actor() });
        }
    }

    fn cancel(&mut self) {
        let Some(backfill) = self.one() else { return };
        self.ask(Command::CancelBackfill { tenant: TENANT, backfill, actor: actor() });
        let one = &self.seen.all[&backfill];
        let left: Vec<_> = one.open.keys().filter(|job| !one.asked.contains(job)).collect();
        assert!(left.is_empty(), "nobody asked {left:?} to stop");
    }

    fn fresh(&mut self) {
        self.ids += 1;
        let id = JobId::v7(self.site.now(), self.ids);
        let job = NewJob {
            id,
            id_given: false,
            key: None,
            payload: Bytes::from_static(b"{}"),
            payload_sha256: String::new(),
            misfit: None,
            labels: BTreeMap::new(),
            not_before: None,
            // So that it is held in memory: there is no ledger here to read others from.
            deadline: Some(self.site.now().plus_ms(8_640_000_000)),
            depends_on: Vec::new(),
            correlation_id: None,
            origin: None,
            firing: None,
            part: None,
            window: None,
            lane: LaneKey {
                concurrency_key: None,
                job_type: "t".to_owned(),
                priority: Priority::Low,
                project: "default".to_owned(),
                source: Some("kev".to_owned()),
            },
        };
        self.ask(Command::Enqueue { tenant: TENANT, jobs: vec![job], key: None });
        self.seen.fresh.insert(id);
    }

    /// Nothing of a backfill is handed out while fresh work waits.
    fn claim(&mut self) {
        let waiting: BTreeSet<JobId> = {
            let held: BTreeSet<JobId> = self.site.grants.iter().map(|grant| grant.token.job).collect();
            self.seen.fresh.difference(&held).copied().collect()
        };
        let most = self.rng.random_range(1..4);
        let grants = self.site.claim(most, &mut |append| self.seen.committed(append));
        let fresh = |grant: &Grant| waiting.contains(&grant.token.job);
        let later = grants.iter().skip_while(|grant| fresh(grant)).filter(|grant| fresh(grant)).count();
        let got = grants.iter().filter(|grant| fresh(grant)).count();
        let all = got == waiting.len() || got == grants.len();
        assert!(later == 0 && all, "{grants:?} while {waiting:?} waited");
    }

    fn complete(&mut self) {
        if self.site.grants.is_empty() {
            return;
        }
        let grant = self.site.grants[self.rng.random_range(0..self.site.grants.len())].clone();
        let outcome = if self.rng.random_ratio(1, 5) {
            Report::Failed(JobError::own("handler", "it did not work", false))
        } else {
            Report::Succeeded { result: None, result_sha256: None }
        };
        self.site.report(&grant, outcome, &mut |append| self.seen.committed(append));
    }

    /// What is known of an open backfill, as it is shown.
    fn look(&mut self) {
        let open: Vec<BackfillId> = self.seen.all.keys().copied().collect();
        let read = Read::Backfills { tenant: TENANT, backfills: open.clone() };
        let Answer::OpenBackfills(found) = self.site.peek(Command::Read(read)) else { panic!("it is answered") };
        for (id, found) in open.iter().zip(found) {
            let one = &self.seen.all[id];
            assert_eq!(found.is_some(), one.outcome.is_none());
            if let Some(found) = found {
                let shown = (found.next as usize, found.open_count as usize, found.counts.succeeded);
                assert_eq!(shown, (one.next, one.open.len(), one.counts[0]));
            }
        }
        // What was read is left out of the watermark no more.
        let read = Read::Watermarks { tenant: TENANT, source: Some("kev".to_owned()) };
        let Answer::Watermarks(found) = self.site.peek(Command::Read(read)) else { panic!("it is answered") };
        for hole in found.iter().flat_map(|found| &found.watermark.holes) {
            let read = self
                .seen
                .read
                .iter()
                .any(|window| hole.within(Range { from: moment(*window), to: moment(window + 1) }).is_some());
            assert!(!read, "{hole} was read");
        }
    }

    /// It goes on as far as it can: nobody waits while there is room.
    fn judge(&self) {
        for (id, one) in self.seen.all.iter().filter(|(_, one)| one.outcome.is_none()) {
            let full = one.open.len() == one.spec.parallelism as usize;
            let last = one.next == one.order.len() && !one.open.is_empty();
            let waits = one.paused || (one.canceled && !one.open.is_empty());
            assert!(full || last || waits, "{id} has room and does not go on: {one:?}");
        }
    }

    fn run(&mut self) {
        self.read_before();
        for step in 0..300 {
            match self.rng.random_range(0..40) {
                0 => self.site.crash(),
                1 => self.pause(true),
                2..4 => self.pause(false),
                4 if self.rng.random_ratio(1, 4) => self.cancel(),
                5..7 if step < 200 => self.create(),
                7..10 => self.fresh(),
                10..20 => self.claim(),
                _ => self.complete(),
            }
            self.site.beat(&mut |append| self.seen.committed(append));
            self.settle();
            self.judge();
            if step % 10 == 0 {
                self.look();
            }
        }
    }
}

fn worlds() -> u64 {
    std::env::var("ORCH_BACKFILL_WORLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000)
}

#[test]
fn windows_come_in_order_within_bounds_and_once_whatever_breaks() {
    let mut ended: BTreeMap<RunOutcome, usize> = BTreeMap::new();
    let (mut crashes, mut lost, mut skipped, mut read) = (0, 0, 0, 0);
    let only = std::env::var("ORCH_BACKFILL_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..worlds(), |seed| seed..seed + 1) {
        let mut world = World::new(seed);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
        assert!(run.is_ok(), "ORCH_BACKFILL_SEED={seed} fails");
        for one in world.seen.all.values() {
            one.outcome.iter().for_each(|outcome| *ended.entry(*outcome).or_default() += 1);
            skipped += one.counts[3];
            read += one.counts[0];
        }
        crashes += world.site.crashes;
        lost += world.site.lost;
    }
    println!("{ended:?}; {read} windows read, {skipped} left out; {crashes} crashes, {lost} appends lost");
    assert!(only.is_some() || ended.len() == 3 && crashes > 0 && lost > 0 && skipped > 0, "the worlds are too tame");
}

#[cfg(feature = "mutants")]
#[test]
fn every_planted_bug_of_backfills_is_found() {
    use orch_dispatch::mutant::{Mutant, plant};

    std::panic::set_hook(Box::new(|_| {}));
    let found = |mutant: Mutant| {
        (0..worlds()).find(|seed| {
            plant(Some(mutant));
            let run = std::panic::catch_unwind(|| World::new(*seed).run());
            plant(None);
            run.is_err()
        })
    };
    let hunted: Vec<_> = Mutant::OF_BACKFILLS.into_iter().map(|mutant| (mutant, found(mutant))).collect();
    drop(std::panic::take_hook());
    hunted.iter().for_each(|(mutant, seed)| println!("{mutant:?}: {seed:?}"));
    assert!(hunted.iter().all(|(_, seed)| seed.is_some()), "some were not found");
}
