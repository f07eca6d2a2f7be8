//! What people ask of runs and graphs, one thing at a time. What runs do is judged in the testkit's worlds.

use std::collections::BTreeSet;

use orch_core::backfill::BackfillSpec;
use orch_core::config::Source;
use orch_core::graph::{Edge, Graph, Step, StepKind, SubGraph};
use orch_core::refusal::Code;
use orch_core::run::{Repairs, RunTrigger};
use orch_core::schedule::{Schedule, ScheduledRun, Timetable};
use orch_graph::RepairKind;

use orch_core::ids::{BackfillId, LaneNo};

use super::*;
use crate::answer::{Answer, Gate, Grant, RunState};
use crate::command::{Actor, AskedBackfill, Command, Completion, Expect, NewRun, Read, Report, WhichGraph};
use crate::forecast::tests::{Stage, TENANT, kind};

fn step(name: &str, after: &[&str]) -> Step {
    let edge = |name: &&str| Edge { step: (*name).to_owned(), when: None };
    Step {
        after: after.iter().map(edge).collect(),
        job_type: Some("t".to_owned()),
        name: name.to_owned(),
        ..Step::default()
    }
}

fn graph(name: &str, steps: Vec<Step>) -> Graph {
    Graph { name: name.to_owned(), steps, ..Graph::default() }
}

fn inner(step: &str, of: &str) -> Step {
    let kind = StepKind::Graph(SubGraph { name: of.to_owned() });
    Step { job_type: None, kind, ..self::step(step, &[]) }
}

fn stage() -> Stage {
    let mut stage = Stage::new(kind(None), 100);
    stage.declare(ConfigDoc::Graph(Box::new(graph("g", vec![step("a", &[]), step("b", &["a"]), step("c", &["b"])]))));
    stage
}

fn id(n: u128) -> RunId {
    RunId(uuid::Uuid::from_u128(n))
}

fn actor() -> Actor {
    Actor { by: "op".to_owned(), reason: Some("why".to_owned()) }
}

fn new(run: u128, graph: WhichGraph) -> Command {
    let spec = RunSpec { by: Some("ann".to_owned()), inputs: "{}".to_owned(), ..RunSpec::default() };
    Command::StartRun { tenant: TENANT, new: Box::new(NewRun { run: id(run), graph, spec }), key: None }
}

fn declared(name: &str) -> WhichGraph {
    WhichGraph::Declared(name.to_owned())
}

fn refused(answer: Answer) -> (Code, String) {
    match answer {
        Answer::Refused(refusal) => (refusal.code, refusal.field.unwrap_or_default()),
        answer => panic!("{answer:?}"),
    }
}

fn put(stage: &mut Stage, doc: ConfigDoc) -> Answer {
    stage.ask(Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any })
}

fn look(stage: &mut Stage, run: u128) -> Option<crate::answer::OpenRunFound> {
    match stage.ask(Command::Read(Read::Run { tenant: TENANT, run: id(run) })) {
        Answer::OpenRun(found) => found.map(|found| found.0),
        answer => panic!("{answer:?}"),
    }
}

/// The worker does so many jobs.
fn work(stage: &mut Stage, jobs: usize, good: bool) {
    for _ in 0..jobs {
        let grants = stage.claim(1);
        assert_eq!(grants.len(), 1, "a job waits");
        grants.iter().for_each(|grant| stage.complete(grant, good));
    }
}

#[test]
fn steps_come_one_after_the_other_and_a_held_run_waits_where_it_is() {
    let mut stage = stage();
    assert_eq!(stage.ask(new(1, declared("g"))), Answer::Run { run: id(1), replayed: false });
    let pause = |pause| Command::PauseRun { tenant: TENANT, run: id(1), pause, actor: actor() };
    stage.ask(pause(true));
    assert_eq!(stage.claim(9), []);
    let found = look(&mut stage, 1).unwrap();
    assert_eq!((found.state, found.open_jobs), (RunState::Paused, 1));
    let job = found.open[0].2;
    let why = Read::Explain { tenant: TENANT, lane: LaneNo(1), job: Some((job, 0)) };
    let Answer::Explained(Some(why)) = stage.ask(Command::Read(why)) else { panic!("it is explained") };
    assert_eq!(why.holds[0].gate, Gate::Paused);
    assert!(why.holds[0].by.contains("op paused its run"), "{}", why.holds[0].by);
    stage.ask(pause(false));
    work(&mut stage, 3, true);
    assert_eq!(look(&mut stage, 1), None, "it has ended");
    assert_eq!(refused(stage.ask(pause(true))).0, Code::NotFound);
}

#[test]
fn a_graph_is_refused_as_a_whole_with_the_place_named() {
    let mut stage = stage();
    let mut of = |graph: Graph| refused(put(&mut stage, ConfigDoc::Graph(Box::new(graph))));
    let unknown = Step { job_type: Some("none".to_owned()), ..step("a", &[]) };
    assert_eq!(of(graph("h", vec![unknown])), (Code::UnknownJobType, "steps[0].job_type".to_owned()));
    let source = Step { source: Some("none".to_owned()), ..step("a", &[]) };
    assert_eq!(of(graph("h", vec![source])), (Code::UnknownSource, "steps[0].source".to_owned()));
    let missing = of(graph("h", vec![inner("x", "none")]));
    assert_eq!(missing.1, "steps[0].kind.graph.name");
    let itself = of(graph("h", vec![inner("x", "h")]));
    assert_eq!(itself.1, "steps[0].kind.graph.name");
    let given = Step { payload: Some(r#"{"since":1}"#.to_owned()), ..inner("x", "g") };
    assert_eq!(of(graph("h", vec![given])), (Code::InvalidField, "steps[0].inputs.since".to_owned()));
}

#[test]
fn a_graph_that_is_inside_another_stays_and_may_not_come_to_contain_it() {
    let mut stage = stage();
    stage.declare(ConfigDoc::Graph(Box::new(graph("outer", vec![inner("x", "g")]))));
    let delete = |kind, name: &str| Command::DeleteConfig {
        tenant: TENANT,
        kind,
        name: name.to_owned(),
        expect: Expect::Any,
        actor: actor(),
    };
    assert_eq!(refused(stage.ask(delete(ConfigKind::Graph, "g"))).0, Code::StateConflict);
    let turned = graph("g", vec![inner("y", "outer")]);
    assert_eq!(refused(put(&mut stage, ConfigDoc::Graph(Box::new(turned)))).1, "steps[0].kind.graph.name");
    // A run goes on with the version that it began with.
    stage.ask(new(1, declared("outer")));
    let other = graph("g", vec![step("other", &[])]);
    stage.declare(ConfigDoc::Graph(Box::new(other)));
    stage.ask(delete(ConfigKind::Graph, "outer"));
    work(&mut stage, 3, true);
    assert_eq!(look(&mut stage, 1), None);
}

#[test]
fn a_graph_that_comes_with_the_call_is_checked_like_a_declared_one() {
    let mut stage = stage();
    let cycle = graph("own", vec![step("a", &["b"]), step("b", &["a"])]);
    assert_eq!(refused(stage.ask(new(1, WhichGraph::Own(cycle)))).0, Code::DependencyCycle);
    let fine = graph("own", vec![step("a", &[])]);
    stage.ask(new(2, WhichGraph::Own(fine)));
    work(&mut stage, 1, true);
    assert_eq!(look(&mut stage, 2), None);
    let Answer::Refused(refusal) = stage.ask(new(3, declared("none"))) else { panic!("there is none") };
    assert_eq!((refusal.code, refusal.field.as_deref()), (Code::NotFound, Some("graph")));
}

/// The course of a run that was, as its row has it.
fn ended(stage: &mut Stage, command: Command) -> RunCourse {
    let reply = stage.shard.execute(command, &crate::prepared::Readings::default(), stage.now);
    drop(reply);
    let append = stage.shard.take().expect("it ends");
    let row = append.run_ends.first().expect("it ends");
    serde_json::from_slice(&row.course).unwrap()
}

fn report(grant: &Grant, good: bool) -> Command {
    let outcome = if good {
        Report::Succeeded { result: None, result_sha256: None }
    } else {
        Report::Failed(orch_core::job::JobError::own("handler", "it did not work", false))
    };
    let completion = Completion {
        token: grant.token,
        outcome,
        fingerprint: [0; 16],
        artifacts: Vec::new(),
        follow_ups: Vec::new(),
        took: Vec::new(),
        watermark: None,
    };
    Command::Complete { tenants: vec![TENANT], completions: vec![completion] }
}

#[test]
fn a_repair_keeps_what_was_good_and_goes_on_from_what_failed() {
    let mut stage = stage();
    stage.ask(new(1, declared("g")));
    work(&mut stage, 1, true);
    let grant = stage.claim(1).remove(0);
    let course = ended(&mut stage, report(&grant, false));
    let plan = Plan::of(stage.shard.tenants.get(TENANT).unwrap().graph("g").unwrap().0.clone()).unwrap();
    let repair = Repair::of(&plan, &course.run, RepairKind::OnlyFailed, &BTreeSet::new()).unwrap();
    let repairs = Repairs {
        again: repair.again,
        course: serde_json::to_string(&course).unwrap(),
        items: repair.items,
        of: id(1),
        results: BTreeMap::new(),
    };
    let spec =
        RunSpec { inputs: "{}".to_owned(), repairs: Some(repairs), trigger: RunTrigger::Replay, ..RunSpec::default() };
    let graph = WhichGraph::Version(plan.graph().clone(), 1);
    let start = Command::StartRun { tenant: TENANT, new: Box::new(NewRun { run: id(2), graph, spec }), key: None };
    assert_eq!(stage.ask(start), Answer::Run { run: id(2), replayed: false });
    let found = look(&mut stage, 2).unwrap().course.unwrap();
    assert_eq!(found.steps[0].kept_of, Some(id(1)));
    assert_eq!(found.steps[0].job, course.steps[0].job);
    assert_eq!(found.steps[1].kept_of, None);
    work(&mut stage, 2, true);
    assert_eq!(look(&mut stage, 2), None);
}

#[test]
fn a_schedule_asks_for_runs_and_waits_for_their_ends() {
    let mut stage = stage();
    let run =
        |inputs: &str| ScheduledRun { graph: "g".to_owned(), inputs: inputs.to_owned(), ..ScheduledRun::default() };
    let timetable = Timetable { every_ms: Some(60_000), ..Timetable::default() };
    let schedule =
        |run| Schedule { name: "s".to_owned(), run: Some(run), timetable: timetable.clone(), ..Schedule::default() };
    let wrong = put(&mut stage, ConfigDoc::Schedule(Box::new(schedule(run(r#"{"since":1}"#)))));
    assert_eq!(refused(wrong), (Code::InvalidField, "run.inputs.since".to_owned()));
    stage.declare(ConfigDoc::Schedule(Box::new(schedule(run("{}")))));
    for _ in 0..2 {
        stage.now = stage.now.plus_ms(60_000);
        stage.ask(Command::Tick);
        stage.now = stage.now.plus_ms(100);
        stage.ask(Command::Tick);
    }
    let status = Read::Schedule { tenant: TENANT, name: "s".to_owned() };
    let Answer::Schedule(Some(found)) = stage.ask(Command::Read(status)) else { panic!("it is there") };
    assert_eq!((found.fired, found.skipped, found.open_count), (1, 1, 1), "one is open, and the other is left out");
    let Asked::Run(run) = found.open[0] else { panic!("it asked for a run") };
    let Answer::OpenRun(Some(open)) = stage.ask(Command::Read(Read::Run { tenant: TENANT, run })) else {
        panic!("it is open")
    };
    assert_eq!(open.0.state, RunState::Running);
    work(&mut stage, 3, true);
    stage.now = stage.now.plus_ms(60_000);
    stage.ask(Command::Tick);
    let Answer::OpenRunSeqs(all) = stage.ask(Command::Read(Read::OpenRuns {
        tenant: TENANT,
        graph: Some("g".to_owned()),
        state: Some(RunState::Running),
        before: None,
        limit: 10,
    })) else {
        panic!("they are listed")
    };
    assert_eq!(all.len(), 1);
    let delete = Command::DeleteConfig {
        tenant: TENANT,
        kind: ConfigKind::Graph,
        name: "g".to_owned(),
        expect: Expect::Any,
        actor: actor(),
    };
    assert_eq!(refused(stage.ask(delete)).0, Code::StateConflict, "the schedule needs it");
}

#[test]
fn runs_that_begin_together_are_driven_in_the_order_in_which_they_began() {
    let mut stage = stage();
    let windows = Step { inputs: BTreeSet::from(["window".to_owned()]), ..step("a", &[]) };
    stage.declare(ConfigDoc::Graph(Box::new(graph("w", vec![windows]))));
    stage.declare(ConfigDoc::Source(Source { name: "osv".to_owned(), ..Source::default() }));
    let spec = BackfillSpec {
        by: "ann".to_owned(),
        parallelism: 8,
        reason: "why".to_owned(),
        run: Some(ScheduledRun { graph: "w".to_owned(), inputs: "{}".to_owned(), ..ScheduledRun::default() }),
        source: "osv".to_owned(),
        ticket: "OPS-1".to_owned(),
        to: Timestamp::from_millis(8 * 60_000),
        window_ms: 60_000,
        ..BackfillSpec::default()
    };
    let backfill = BackfillId(uuid::Uuid::from_u128(1));
    let create = Command::CreateBackfill { tenant: TENANT, backfill, spec: Box::new(AskedBackfill(spec)), key: None };
    assert_eq!(stage.ask(create), Answer::Backfill { backfill, replayed: false });
    let found = stage.shard.tenants.get(TENANT).unwrap().backfill_found(backfill).unwrap();
    let runs: Vec<RunId> = found.open.iter().filter_map(|(_, _, asked)| asked.run()).collect();
    assert_eq!(runs.len(), 8);
    assert!(!runs.is_sorted(), "their ids say nothing of it");
    let mut job = |run| match stage.ask(Command::Read(Read::Run { tenant: TENANT, run })) {
        Answer::OpenRun(Some(found)) => found.0.open[0].2,
        answer => panic!("{answer:?}"),
    };
    let jobs: Vec<JobId> = runs.into_iter().map(&mut job).collect();
    let claimed: Vec<JobId> = stage.claim(8).iter().map(|grant| grant.token.job).collect();
    assert_eq!(claimed, jobs);
}

/// What the first job that a command leads to may look into.
fn looks_into(stage: &mut Stage, command: Command) -> Vec<JobId> {
    drop(stage.shard.execute(command, &crate::prepared::Readings::default(), stage.now));
    let append = stage.shard.take().expect("a job begins");
    let extra = append.jobs[0].extra.as_ref().map(|json| serde_json::from_slice::<orch_core::port::JobExtra>(json));
    extra.map(|extra| extra.unwrap().depends_on.iter().map(|of| of.job).collect()).unwrap_or_default()
}

#[test]
fn a_step_may_look_into_what_came_directly_before_it() {
    let mut stage = stage();
    let over = orch_core::graph::ListAt { pointer: String::new(), step: "a".to_owned() };
    let map = StepKind::Map(orch_core::graph::FanOut { concurrency_max: None, max: 9, over });
    let each = Step { kind: map, ..step("each", &["a"]) };
    let passed = Step { disabled: true, ..step("passed", &["each"]) };
    stage
        .declare(ConfigDoc::Graph(Box::new(graph("m", vec![step("a", &[]), each, passed, step("last", &["passed"])]))));
    stage.ask(new(1, declared("m")));
    let first = stage.claim(1).remove(0);
    let mut list = report(&first, true);
    if let Command::Complete { completions, .. } = &mut list {
        completions[0].outcome = Report::Succeeded { result: Some(serde_json::json!([1, 2])), result_sha256: None };
    }
    assert_eq!(looks_into(&mut stage, list), [first.token.job]);
    let items = stage.claim(2);
    stage.ask(report(&items[0], true));
    let mut both: Vec<JobId> = items.iter().map(|grant| grant.token.job).collect();
    both.sort_unstable();
    let mut seen = looks_into(&mut stage, report(&items[1], true));
    seen.sort_unstable();
    assert_eq!(seen, both, "past what is disabled");
}
