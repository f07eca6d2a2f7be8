//! Time grows as size does: four times the steps take about four times as long, and not sixteen times.

use std::time::{Duration, Instant};

use orch_core::StepNo;
use orch_core::graph::{Edge, FanOut, Graph, ListAt, Step, StepKind};
use orch_core::limits;
use orch_graph::run::Part;
use orch_graph::{Action, Outcome, Plan, Run, RunOutcome};
use serde_json::json;

const LARGE: usize = 10_000;
const TIMES: usize = 4;
/// Linear would be 4, and is 7 where the smaller fits into a cache; quadratic would be 16 or more.
const RATIO_MAX: u32 = 12;
/// Differences below this are the machine's.
const FLOOR: Duration = Duration::from_millis(1);
/// So often the machine may be busy with something else.
const ROUNDS: usize = 20;

fn step(name: String, after: Vec<String>) -> Step {
    let after = after.into_iter().map(|step| Edge { step, when: None }).collect();
    Step { after, job_type: Some("t".to_owned()), name, ..Step::default() }
}

fn name(place: usize) -> String {
    format!("s{place:05}")
}

/// Each after the one before.
fn chain(count: usize) -> Graph {
    let steps = (0..count).map(|place| step(name(place), place.checked_sub(1).map(name).into_iter().collect()));
    Graph { name: "chain".to_owned(), steps: steps.collect(), ..Graph::default() }
}

/// One, then all but two, then one after all of them.
fn fan(count: usize) -> Graph {
    let middle = 1..count - 1;
    let mut steps = vec![step(name(0), Vec::new())];
    steps.extend(middle.clone().map(|place| step(name(place), vec![name(0)])));
    steps.push(step(name(count - 1), middle.map(name).collect()));
    Graph { name: "fan".to_owned(), steps, ..Graph::default() }
}

/// Everything that a run needs, to its end. Gives how many jobs there were.
fn whole_life(graph: Graph) -> usize {
    let plan = Plan::of(graph).unwrap();
    assert_eq!(plan.chains().len(), 1);
    let critical = plan.critical_path(|_| 1);
    assert!(critical.total_ms >= 1);
    let (run, actions) = Run::begin(&plan);
    drive(&plan, run, actions)
}

fn drive(plan: &Plan, mut run: Run, mut actions: Vec<Action>) -> usize {
    let list: Vec<usize> = (0..plan.graph().steps.len()).collect();
    let mut jobs = 0;
    let mut next = 0;
    while next < actions.len() {
        if let Action::Start { step, item } = &actions[next] {
            let part = Part { step: *step, index: item.as_ref().map(|item| item.index) };
            let result = (step.place() == 0).then(|| json!(list));
            actions.extend(run.end(plan, part, Outcome::Succeeded, result.as_ref()).unwrap());
            jobs += 1;
        }
        next += 1;
    }
    assert_eq!(run.outcome(), Some(RunOutcome::Succeeded));
    jobs
}

#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
fn took(life: impl Fn(usize) -> usize, count: usize) -> Duration {
    let started = Instant::now();
    assert_eq!(life(count), count);
    started.elapsed().max(FLOOR)
}

/// The shortest times of both sizes so far, until they are as they should be.
fn is_linear(what: &str, life: impl Fn(usize) -> usize) {
    let (mut small, mut large) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        small = small.min(took(&life, LARGE / TIMES));
        large = large.min(took(&life, LARGE));
        if large < small * RATIO_MAX {
            println!("{what}: {} in {small:?}, {LARGE} in {large:?}", LARGE / TIMES);
            return;
        }
    }
    panic!("{what}: {small:?} became {large:?}");
}

#[test]
fn a_chain_of_ten_thousand_steps_is_linear() {
    is_linear("chain", |count| whole_life(chain(count)));
}

#[test]
fn a_fan_out_and_fan_in_of_ten_thousand_steps_is_linear() {
    is_linear("fan", |count| whole_life(fan(count)));
}

#[test]
fn ten_thousand_items_of_one_map_are_handed_out_and_counted_one_by_one() {
    let max = u32::try_from(limits::MAP_ITEMS_MAX).unwrap();
    assert_eq!(max as usize, LARGE);
    let over = ListAt { pointer: String::new(), step: name(0) };
    let kind = StepKind::Map(FanOut { concurrency_max: Some(100), max, over });
    let map = Step { kind, ..step(name(1), vec![name(0)]) };
    let steps = vec![step(name(0), Vec::new()), map, step(name(2), vec![name(1)])];
    let plan = Plan::of(Graph { name: "map".to_owned(), steps, ..Graph::default() }).unwrap();
    let life = |items: usize| {
        let (mut run, first) = Run::begin(&plan);
        assert_eq!(first, [Action::Start { step: StepNo(0), item: None }]);
        let list: Vec<usize> = (0..items).collect();
        let part = Part { step: StepNo(0), index: None };
        let actions = run.end(&plan, part, Outcome::Succeeded, Some(&json!(list))).unwrap();
        assert_eq!(actions.len(), 100, "as many as may be open");
        drive(&plan, run, actions)
    };
    // The step that finds the list is a job as well.
    is_linear("map", |items| life(items) - 1);
}

#[test]
fn the_state_of_a_run_stays_small() {
    let plan = Plan::of(fan(LARGE)).unwrap();
    let (mut run, _) = Run::begin(&plan);
    run.end(&plan, Part { step: StepNo(0), index: None }, Outcome::Succeeded, None).unwrap();
    let saved = postcard::to_allocvec(&run).unwrap();
    println!("{} bytes for {LARGE} steps", saved.len());
    assert!(saved.len() < LARGE * 2, "{} bytes", saved.len());
    assert!(size_of::<orch_graph::run::StepState>() <= 24);
}
