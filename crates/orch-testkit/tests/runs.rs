//! Runs of random graphs through a shard that crashes and loses appends, with workers, people who decide, pauses and
//! cancels: what begins, what is skipped and how it ends is compared, after every step, with the definitions of
//! `docs/concepts/graphs.md`, worked out from scratch.
//!
//! `ORCH_RUN_WORLDS` says how many worlds (10,000), `ORCH_RUN_SEED` which one, `ORCH_RUN_FACTS` prints its facts; with `--features mutants` each planted bug of
//! runs must be found within as many.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails a test")]

#[path = "../../orch-graph/tests/it/chance.rs"]
mod chance;
#[path = "../../orch-graph/tests/it/definitions.rs"]
mod definitions;
#[path = "../../orch-graph/tests/it/random_graph.rs"]
mod random_graph;

use std::collections::{BTreeMap, BTreeSet};

use chance::Chance;
use definitions::{Definitions, Known, Seen};
use orch_core::block::Block;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::fact::Fact;
use orch_core::graph::{Graph, Step, StepKind};
use orch_core::ids::{JobId, RunId};
use orch_core::job::{JobError, JobState};
use orch_core::port::Append;
use orch_core::refusal::Code;
use orch_core::run::{Counts, Fault, Outcome, RunOutcome, RunSpec, SkipReason};
use orch_dispatch::command::{Actor, NewRun, Report, WhichGraph};
use orch_dispatch::{Answer, Command};
use orch_graph::End;
use orch_graph::run::Item;
use orch_testkit::site::{Site, TENANT};
use serde_json::Value;
use uuid::Uuid;

const RUN: RunId = RunId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0003_0001));
/// The graph that stands inside others.
const INNER: &str = "other";
/// Longer than any step of a world takes.
const STEPS_MAX: usize = 4_000;

type Key = (usize, Option<u32>);

/// What was to be seen of the run in the facts.
#[derive(Debug, Default)]
struct Facts {
    began: BTreeMap<Key, Option<String>>,
    skipped: BTreeMap<usize, SkipReason>,
    faults: BTreeMap<usize, Fault>,
    maps: BTreeMap<usize, (Outcome, Counts)>,
    outcome: Option<RunOutcome>,
}

/// An open job of the world.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// `None`: it is one of a run inside this one.
    part: Option<Key>,
    run: RunId,
    asked_to_stop: bool,
}

struct World {
    chance: Chance,
    graph: Graph,
    site: Site,
    seen: Seeing,
}

/// What is known of the run.
#[derive(Debug, Default)]
struct Seeing {
    known: Known,
    facts: Facts,
    open: BTreeMap<JobId, Open>,
    /// What the jobs that were reported found.
    results: BTreeMap<JobId, Option<Value>>,
    inner: BTreeMap<RunId, usize>,
    paused: bool,
}

fn actor(by: &str) -> Actor {
    Actor { by: by.to_owned(), reason: None }
}

impl Seeing {
    fn committed(&mut self, append: &Append) {
        let payloads: BTreeMap<JobId, Value> =
            append.jobs.iter().map(|row| (row.id, serde_json::from_slice(&row.payload).unwrap())).collect();
        for block in &append.blocks {
            self.take_facts(block, &payloads);
        }
    }

    fn take_facts(&mut self, block: &Block, payloads: &BTreeMap<JobId, Value>) {
        for record in block.records().unwrap() {
            if std::env::var_os("ORCH_RUN_FACTS").is_some() {
                println!("{}", serde_json::to_string(&record).unwrap());
            }
            match record.body {
                Fact::JobEnqueued { job, part: Some(part), .. } => {
                    let key = (part.step.place(), part.index);
                    let own = part.run == RUN;
                    if own {
                        assert!(!self.paused, "{job} began while its run was held");
                        assert!(self.known.canceled.is_none(), "{job} began in a run that ends");
                        let item = payloads[&job].get("item").map(Value::to_string);
                        assert!(self.facts.began.insert(key, item).is_none(), "{key:?} began twice");
                    }
                    self.open.insert(job, Open { part: own.then_some(key), run: part.run, asked_to_stop: false });
                }
                Fact::CancelRequested { job, .. } => {
                    self.open.entry(job).and_modify(|open| open.asked_to_stop = true);
                }
                Fact::JobFinished { job, state, .. } => {
                    let Some(Open { part: Some(key), .. }) = self.open.remove(&job) else { continue };
                    let how = match state {
                        JobState::Succeeded => Outcome::Succeeded,
                        JobState::Failed => Outcome::Failed,
                        _ => Outcome::Canceled,
                    };
                    let result = self.results.remove(&job).flatten().filter(|_| how == Outcome::Succeeded);
                    self.report(key, how, result);
                }
                Fact::RunStarted { run, spec, .. } => {
                    if let Some(parent) = spec.parent {
                        assert!(!self.paused, "{run} began while its run was held");
                        self.inner.insert(run, parent.step.place());
                        let again = self.facts.began.insert((parent.step.place(), None), None);
                        assert!(again.is_none(), "{run} began twice");
                    }
                }
                Fact::RunFinished { run: RUN, outcome, .. } => {
                    self.paused = false;
                    assert!(self.facts.outcome.replace(outcome).is_none(), "it ended twice");
                    assert!(self.open.values().all(|open| open.run != RUN), "it ended with open jobs");
                }
                Fact::RunFinished { run, outcome, counts } => {
                    let place = self.inner.remove(&run).unwrap();
                    self.report((place, None), outcome.into(), Some(counts.as_result()));
                }
                Fact::ApprovalAsked { run: RUN, step, .. } => {
                    assert!(self.facts.began.insert((step.place(), None), None).is_none(), "it is asked twice");
                }
                Fact::ApprovalDecided { run: RUN, step, verdict, .. } => {
                    self.report((step.place(), None), verdict.outcome(), None);
                }
                Fact::StepsSkipped { run: RUN, steps, reason } => {
                    for step in steps {
                        let again = self.facts.skipped.insert(step.place(), reason);
                        assert!(again.is_none(), "{step:?} was skipped twice");
                    }
                }
                Fact::PartFailed { run: RUN, step, index, fault: Fault::RunCanceled, .. } => {
                    self.facts.began.insert((step.place(), index), None);
                    self.report((step.place(), index), Outcome::Canceled, None);
                }
                Fact::PartFailed { run: RUN, step, fault, .. } => {
                    self.facts.faults.insert(step.place(), fault);
                }
                Fact::RunPaused { run: RUN, .. } => self.paused = true,
                Fact::RunResumed { run: RUN, .. } => self.paused = false,
                Fact::MapEnded { run: RUN, step, outcome, counts } => {
                    self.facts.maps.insert(step.place(), (outcome, counts));
                }
                _ => {}
            }
        }
    }

    fn report(&mut self, key: Key, how: Outcome, result: Option<Value>) {
        let result = result.filter(|_| key.1.is_none());
        assert!(self.known.reports.insert(key, (how, result)).is_none(), "{key:?} ended twice");
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let graph = random_graph::graph(&mut chance);
        let mut site = Site::new(seed, 1 + chance.below(6));
        let job = |name: &str| Step { job_type: Some("t".to_owned()), name: name.to_owned(), ..Step::default() };
        let inputs = ["x", "y"].map(str::to_owned).into();
        let first = Step { inputs, payload: Some(r#"{"x":0,"y":0}"#.to_owned()), ..job("x") };
        let inner = Graph { name: INNER.to_owned(), steps: vec![first, job("y")], ..Graph::default() };
        site.declare(ConfigDoc::JobType(JobType { tries_max: 1, ..JobType::named("t") }));
        site.declare(ConfigDoc::Graph(Box::new(inner)));
        site.declare(ConfigDoc::Graph(Box::new(graph.clone())));
        Self { chance, graph, site, seen: Seeing::default() }
    }

    fn ask(&mut self, command: Command) -> Answer {
        self.site.ask(command, &mut |append| self.seen.committed(append))
    }

    fn settle(&mut self) {
        self.site.settle(&mut |append| self.seen.committed(append));
    }

    fn expected(&self) -> (Vec<Seen>, Option<RunOutcome>) {
        let definitions = Definitions { graph: &self.graph, known: &self.seen.known };
        let all = definitions.all();
        let outcome = definitions.outcome(&all);
        (all, outcome)
    }

    /// Nothing is to be done any more: what was to be seen is what the definitions say.
    fn judge(&self) {
        let (all, outcome) = self.expected();
        for (place, seen) in all.iter().enumerate() {
            let name = &self.graph.steps[place].name;
            let began = self.seen.facts.began.iter().filter(|((step, _), _)| *step == place);
            let began: Vec<Option<Item>> = began
                .map(|((_, index), item)| index.map(|index| Item { index, value: item.clone().unwrap_or_default() }))
                .collect();
            let items =
                |all: &[Option<Item>]| all.iter().map(|of| of.as_ref().map(|i| i.index)).collect::<BTreeSet<_>>();
            if self.seen.paused {
                assert!(items(&began).is_subset(&items(&seen.started)), "{name}: {began:?} began of {seen:?}");
            } else {
                assert_eq!(items(&began), items(&seen.started), "{name} of {:?}: {seen:?}", self.graph);
            }
            for (one, wanted) in began.iter().flatten().filter_map(|one| {
                let same = |of: &&Item| of.index == one.index;
                Some((one, seen.started.iter().flatten().find(same)?))
            }) {
                assert!(one.value.is_empty() || one.value == wanted.value, "{name}: {one:?} is not {wanted:?}");
            }
            if self.seen.paused {
                // What is to be done is done in order, and waits.
                continue;
            }
            let skipped = self.seen.facts.skipped.get(&place).copied();
            let wanted = match seen.end {
                Some(End::Skipped(reason)) => Some(reason),
                _ => None,
            };
            assert_eq!(skipped, wanted, "{name} of {:?}", self.graph);
            assert_eq!(self.seen.facts.faults.get(&place).copied(), seen.fault, "{name} of {:?}", self.graph);
            let ended = self.seen.facts.maps.get(&place).map(|(how, counts)| (End::from(*how), *counts));
            assert_eq!(ended, seen.counts.and_then(|counts| Some((seen.end?, counts))), "{name} of {:?}", self.graph);
        }
        assert!(self.seen.paused || self.seen.facts.outcome == outcome, "{:?} with {:?}", self.graph, self.seen.known);
    }

    fn start(&mut self) {
        let spec = RunSpec { by: Some("ann".to_owned()), inputs: r#"{"x":1,"y":2}"#.to_owned(), ..RunSpec::default() };
        let used: BTreeSet<&String> = self.graph.steps.iter().flat_map(|step| &step.inputs).collect();
        let inputs: BTreeMap<&String, u32> = used.into_iter().map(|name| (name, 1)).collect();
        let inputs = serde_json::to_string(&inputs).unwrap();
        let graph = WhichGraph::Declared(self.graph.name.clone());
        let token = Some("tonight".to_owned());
        let new = NewRun { run: RUN, graph, spec: RunSpec { inputs, token, ..spec } };
        let start = Command::StartRun { tenant: TENANT, new: Box::new(new.clone()), key: None };
        let answer = self.site.calmly(start, &mut |append| self.seen.committed(append));
        assert!(matches!(answer, Answer::Run { run: RUN, replayed: false }), "{answer:?}");
        // The same token, graph and inputs are the same run. Memory has it: the key is not read from anywhere.
        let again = NewRun { run: RunId(Uuid::from_u128(7)), ..new };
        let start = Command::StartRun { tenant: TENANT, new: Box::new(again), key: None };
        let answer = self.site.calmly(start, &mut |append| self.seen.committed(append));
        assert!(matches!(answer, Answer::Run { run: RUN, replayed: true }), "{answer:?}");
    }

    fn claim(&mut self) {
        let max = 1 + self.chance.below(4);
        let grants = self.site.claim(max, &mut |append| self.seen.committed(append));
        for grant in grants {
            assert!(!self.seen.paused, "{} was handed out while its run was held", grant.token.job);
        }
    }

    fn complete(&mut self) {
        if self.site.grants.is_empty() {
            return;
        }
        let grant = self.chance.one_of(&self.site.grants);
        let result = random_graph::result(&mut self.chance, &StepKind::Job);
        let outcome = match self.chance.below(6) {
            0 | 1 => Report::Failed(JobError::own("handler", "it did not work", false)),
            _ => Report::Succeeded { result: result.clone(), result_sha256: None },
        };
        self.seen.results.insert(grant.token.job, result);
        self.site.report(&grant, outcome, &mut |append| self.seen.committed(append));
    }

    /// Somebody cancels one job.
    fn cancel_job(&mut self) {
        let jobs: Vec<JobId> = self.seen.open.keys().copied().collect();
        if !jobs.is_empty() {
            let job = self.chance.one_of(&jobs);
            self.ask(Command::Cancel { tenant: TENANT, job, actor: actor("op") });
        }
    }

    fn approvals(&self) -> Vec<usize> {
        let asked = |place: &usize| matches!(self.graph.steps[*place].kind, StepKind::Approval(_));
        let waits = |place: &usize| {
            self.seen.facts.began.contains_key(&(*place, None))
                && !self.seen.known.reports.contains_key(&(*place, None))
        };
        (0..self.graph.steps.len()).filter(asked).filter(waits).collect()
    }

    fn decide(&mut self) {
        let Some(place) = self.approvals().first().copied() else { return };
        let step = self.graph.steps[place].name.clone();
        let scopes = vec!["orch:operate".to_owned()];
        let own = self.chance.one_in(3);
        let by = if own { "ann" } else { "bob" };
        let approve = self.chance.one_in(2);
        let run = RUN;
        let answer = self.ask(Command::DecideApproval { tenant: TENANT, run, step, approve, scopes, actor: actor(by) });
        let refused = matches!(&answer, Answer::Refused(refusal) if refusal.code == Code::Forbidden);
        assert_eq!(refused, own, "{answer:?}");
    }

    /// A day passes, and nobody is at work.
    fn sleep(&mut self) {
        let waits = self.approvals();
        if !self.site.grants.is_empty() || waits.is_empty() {
            return;
        }
        self.site.pass(90_000_000);
        self.ask(Command::Tick);
        assert!(self.approvals().iter().all(|place| !waits.contains(place)), "an approval waits longer than it may");
    }

    fn pause(&mut self, pause: bool) {
        self.ask(Command::PauseRun { tenant: TENANT, run: RUN, pause, actor: actor("op") });
    }

    fn cancel(&mut self) {
        if self.seen.known.canceled.is_some() || self.seen.facts.outcome.is_some() {
            return;
        }
        self.settle();
        let (then, outcome) = self.expected();
        if outcome.is_some() {
            return;
        }
        self.seen.known.canceled = Some(then);
        self.ask(Command::CancelRun { tenant: TENANT, run: RUN, actor: actor("op") });
        self.settle();
        let left: Vec<_> = self.seen.open.iter().filter(|(_, open)| !open.asked_to_stop).collect();
        assert!(left.is_empty(), "nobody asked {left:?} to stop");
    }

    /// Everything until the run has ended. How many steps that took.
    fn run(&mut self) -> usize {
        self.start();
        for step in 0..STEPS_MAX {
            self.settle();
            self.judge();
            if self.seen.facts.outcome.is_some() {
                return step;
            }
            match self.chance.below(40) {
                0 => self.site.crash(),
                1 => self.pause(true),
                2..5 => self.pause(false),
                5 => self.cancel_job(),
                6 => self.sleep(),
                7 if self.chance.one_in(4) => self.cancel(),
                8..12 => self.decide(),
                12..24 => self.claim(),
                _ => self.complete(),
            }
            // A heartbeat keeps what is held.
            self.site.beat(&mut |append| self.seen.committed(append));
        }
        panic!("it never ended: {:?} with {:?}", self.graph, self.seen.known);
    }
}

fn worlds() -> u64 {
    std::env::var("ORCH_RUN_WORLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

#[test]
fn runs_do_what_the_definitions_say_whatever_breaks() {
    let mut ended: BTreeMap<RunOutcome, usize> = BTreeMap::new();
    let (mut crashes, mut lost, mut began, mut skipped) = (0, 0, 0, 0);
    let only = std::env::var("ORCH_RUN_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..worlds(), |seed| seed..seed + 1) {
        let mut world = World::new(seed);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
        assert!(run.is_ok(), "ORCH_RUN_SEED={seed} fails");
        *ended.entry(world.seen.facts.outcome.unwrap()).or_default() += 1;
        crashes += world.site.crashes;
        lost += world.site.lost;
        began += world.seen.facts.began.len();
        skipped += world.seen.facts.skipped.len();
    }
    println!("{ended:?}; {began} parts began, {skipped} steps were skipped; {crashes} crashes, {lost} appends lost");
    assert!(ended.len() == 3 && crashes > 0 && lost > 0 && skipped > 0, "the worlds are too tame");
}

#[cfg(feature = "mutants")]
#[test]
fn every_planted_bug_of_runs_is_found() {
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
    let hunted: Vec<_> = Mutant::OF_RUNS.into_iter().map(|mutant| (mutant, found(mutant))).collect();
    drop(std::panic::take_hook());
    hunted.iter().for_each(|(mutant, seed)| println!("{mutant:?}: {seed:?}"));
    assert!(hunted.iter().all(|(_, seed)| seed.is_some()), "some were not found");
}
