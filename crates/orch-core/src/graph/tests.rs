//! What is accepted as a graph, what is refused, and by which name.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::refusal::{Code, Refusal};

/// A job of this name after these.
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

/// A step that is a run of this graph.
fn sub(name: &str, of: &str) -> Step {
    Step { job_type: None, kind: StepKind::Graph(SubGraph { name: of.to_owned() }), ..step(name, &[]) }
}

fn map(name: &str, over: &str, max: u32) -> Step {
    let list = ListAt { pointer: "/items".to_owned(), step: over.to_owned() };
    Step { kind: StepKind::Map(FanOut { concurrency_max: None, max, over: list }), ..step(name, &[over]) }
}

fn refusal(steps: Vec<Step>) -> Refusal {
    graph("g", steps).check().expect_err("it is not acceptable")
}

fn field(steps: Vec<Step>) -> String {
    refusal(steps).field.unwrap_or_default()
}

/// A condition from JSON on the first edge of `b`, which comes after `a`.
fn conditioned(when: serde_json::Value) -> Vec<Step> {
    let mut after = step("b", &["a"]);
    after.after[0].when = Some(serde_json::from_value(when).unwrap());
    vec![step("a", &[]), after]
}

#[test]
fn a_document_is_short_and_comes_back_as_it_was() {
    let text = json!({
        "name": "feed",
        "steps": [
            {"name": "list", "job_type": "feed.list", "inputs": ["since"]},
            {
                "name": "fetch",
                "job_type": "feed.fetch",
                "after": [{"step": "list", "when": {"pointer": "/items/0", "exists": true}}],
                "kind": {"map": {"over": {"step": "list", "pointer": "/items"}, "max": 500, "concurrency_max": 8}}
            },
            {"name": "ask", "after": [{"step": "fetch"}], "kind": {"approval": {"timeout_ms": 60_000}}},
            {"name": "merge", "after": [{"step": "ask"}], "kind": {"graph": {"name": "merge"}}, "trigger": "none_failed"}
        ]
    });
    let read: Graph = serde_json::from_value(text).unwrap();
    assert_eq!(read.check(), Ok(()));
    assert_eq!(read.steps[2].kind, StepKind::Approval(Approval { timeout_ms: 60_000, ..Approval::default() }));
    let written = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Graph>(&written).unwrap(), read);
    let canonical = serde_json_canonicalizer::to_string(&read).unwrap();
    assert_eq!(written, canonical, "members stand in sorted order, as facts need them");
}

#[test]
fn unknown_members_are_refused() {
    for text in [
        json!({"nam": "g"}),
        json!({"steps": [{"nam": "a"}]}),
        json!({"steps": [{"kind": {"map": {"maxx": 1}}}]}),
        json!({"steps": [{"after": [{"step": "a", "if": {}}]}]}),
        json!({"steps": [{"after": [{"when": {"pointer": "/a", "equal": 1}}]}]}),
        json!({"steps": [{"trigger": "all_success"}]}),
    ] {
        assert!(serde_json::from_value::<Graph>(text.clone()).is_err(), "{text}");
    }
}

#[test]
fn a_cycle_is_refused_with_its_way() {
    let found = refusal(vec![step("b", &["a"]), step("a", &["c"]), step("c", &["b"]), step("d", &["c"])]);
    assert_eq!((found.code, found.field.as_deref()), (Code::DependencyCycle, Some("steps[1].after[0].step")));
    assert!(found.detail.ends_with("a circle of 3: a → b → c → a"), "{}", found.detail);
    let own = refusal(vec![step("x", &[]), step("a", &["x", "a"])]);
    assert_eq!((own.code, own.field.as_deref()), (Code::DependencyCycle, Some("steps[1].after[1].step")));
    assert!(own.detail.ends_with("a → a"), "{}", own.detail);
}

#[test]
fn a_long_cycle_is_not_told_in_full() {
    let count = usize::try_from(limits::GRAPH_STEPS_MAX).unwrap();
    let name = |place: usize| format!("s{:05}", place % count);
    let steps = (0..count).map(|place| step(&name(place + 1), &[&name(place)])).collect();
    let found = refusal(steps);
    assert!(found.detail.contains("a circle of 10000: s00000 → s00001 → "), "{}", found.detail);
    assert!(found.detail.ends_with("s00019 → … → s00000"), "{}", found.detail);
}

#[test]
fn edges_lead_to_steps_that_are_there_and_only_once() {
    assert_eq!(field(vec![step("a", &[]), step("b", &["a", "x"])]), "steps[1].after[1].step");
    assert_eq!(field(vec![step("a", &[]), step("b", &["a", "a"])]), "steps[1].after[1].step");
    assert_eq!(field(vec![step("a", &[]), step("a", &[])]), "steps[1].name");
}

#[test]
fn the_number_of_steps_and_edges_is_limited() {
    let count = usize::try_from(limits::GRAPH_STEPS_MAX).unwrap();
    let many = |count: usize| (0..count).map(|n| step(&format!("s{n}"), &[])).collect::<Vec<_>>();
    assert_eq!(graph("g", many(count)).check(), Ok(()));
    assert_eq!(field(many(count + 1)), "steps");
    assert_eq!(field(Vec::new()), "steps");
    let edges = usize::try_from(limits::GRAPH_EDGES_MAX).unwrap();
    let dense = |edges: usize| {
        let mut steps = many(count);
        let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        // The first thousand before as many of the others as it takes.
        for (place, step) in steps.iter_mut().enumerate().skip(1_000) {
            let left = edges.saturating_sub((place - 1_000) * 1_000).min(1_000);
            step.after = names[..left].iter().map(|name| Edge { step: name.clone(), when: None }).collect();
        }
        steps
    };
    assert_eq!(graph("g", dense(edges)).check(), Ok(()));
    assert_eq!(field(dense(edges + 1)), "steps");
}

#[test]
fn a_fan_out_has_a_bound() {
    let of = |map: Step| vec![step("a", &[]), map];
    let max = u32::try_from(limits::MAP_ITEMS_MAX).unwrap();
    assert_eq!(graph("g", of(map("m", "a", max))).check(), Ok(()));
    assert_eq!(field(of(map("m", "a", 0))), "steps[1].kind.map.max");
    assert_eq!(field(of(map("m", "a", max + 1))), "steps[1].kind.map.max");
    let changed = |change: fn(&mut FanOut)| {
        let mut step = map("m", "a", 5);
        if let StepKind::Map(fan) = &mut step.kind {
            change(fan);
        }
        of(step)
    };
    assert_eq!(field(changed(|fan| fan.concurrency_max = Some(0))), "steps[1].kind.map.concurrency_max");
    assert_eq!(field(changed(|fan| fan.over.pointer = "items".to_owned())), "steps[1].kind.map.over.pointer");
    assert_eq!(field(changed(|fan| fan.over.step = "x".to_owned())), "steps[1].kind.map.over.step");
    let over_map = vec![step("a", &[]), map("m", "a", 5), map("n", "m", 5)];
    assert_eq!(field(over_map), "steps[2].kind.map.over.step");
    let over_disabled = vec![Step { disabled: true, ..step("a", &[]) }, map("m", "a", 5)];
    assert_eq!(field(over_disabled), "steps[1].kind.map.over.step");
}

#[test]
fn a_condition_has_one_test_that_makes_sense() {
    for good in [
        json!({"pointer": "/n", "equals": 1}),
        json!({"pointer": "/n", "not_equals": "x"}),
        json!({"pointer": "", "exists": true}),
        json!({"pointer": "/n", "less": -3}),
        json!({"pointer": "/n", "greater": "2026-01-01"}),
        json!({"pointer": "/n", "in": [1, "a", true]}),
    ] {
        assert_eq!(graph("g", conditioned(good.clone())).check(), Ok(()), "{good}");
    }
    for (bad, member) in [
        (json!({"pointer": "n", "exists": true}), "pointer"),
        (json!({"pointer": "/~2", "exists": true}), "pointer"),
        (json!({"pointer": "/n"}), "pointer"),
        (json!({"pointer": "/n", "equals": 1, "less": 2}), "pointer"),
        (json!({"pointer": "/n", "equals": null}), "pointer"),
        (json!({"pointer": "/n", "equals": [1]}), "equals"),
        (json!({"pointer": "/n", "less": 0.5}), "less"),
        (json!({"pointer": "/n", "greater": 9_007_199_254_740_993_u64}), "greater"),
        (json!({"pointer": "/n", "greater": true}), "greater"),
        (json!({"pointer": "/n", "not_equals": "x".repeat(256)}), "not_equals"),
        (json!({"pointer": "/n", "in": []}), "in"),
        (json!({"pointer": "/n", "in": vec![1; 101]}), "in"),
        (json!({"pointer": "/n", "in": [1, null]}), "in[1]"),
    ] {
        assert_eq!(field(conditioned(bad.clone())), format!("steps[1].after[0].when.{member}"), "{bad}");
    }
}

#[test]
fn a_condition_that_makes_no_difference_is_refused() {
    let when = json!({"pointer": "/total", "greater": 0});
    let place = "steps[1].after[0].when.pointer";
    for trigger in [Trigger::AllDone, Trigger::OneFailed, Trigger::NoneFailed] {
        let mut steps = conditioned(when.clone());
        steps[1].trigger = trigger;
        assert_eq!(field(steps), place);
    }
    let mut disabled = conditioned(when.clone());
    disabled[0].disabled = true;
    assert_eq!(field(disabled), place);
    let after = |kind: StepKind, pointer: &str| {
        let mut steps = conditioned(json!({"pointer": pointer, "exists": true}));
        steps[0] = Step { job_type: None, kind, ..step("a", &[]) };
        steps
    };
    let nested = || StepKind::Graph(SubGraph { name: "h".to_owned() });
    assert_eq!(field(after(StepKind::Approval(Approval::default()), "/by")), place);
    assert_eq!(field(after(nested(), "/answer")), place);
    assert_eq!(graph("g", after(nested(), "/skipped")).check(), Ok(()));
}

#[test]
fn a_step_says_what_its_kind_needs() {
    let alone = |change: fn(&mut Step)| {
        let mut only = step("a", &[]);
        change(&mut only);
        field(vec![only])
    };
    assert_eq!(alone(|step| step.job_type = None), "steps[0].job_type");
    assert_eq!(alone(|step| step.kind = StepKind::Approval(Approval::default())), "steps[0].job_type");
    assert_eq!(alone(|step| step.trigger = Trigger::OneFailed), "steps[0].trigger");
    assert_eq!(alone(|step| step.payload = Some("{".to_owned())), "steps[0].payload");
    assert_eq!(alone(|step| step.project = Some(String::new())), "steps[0].project");
    let needs_object = |step: &mut Step| {
        step.inputs = ["since".to_owned()].into();
        step.payload = Some("[]".to_owned());
    };
    assert_eq!(alone(needs_object), "steps[0].payload");
    let many = |step: &mut Step| step.inputs = (0..33).map(|n| format!("i{n}")).collect();
    assert_eq!(alone(many), "steps[0].inputs");
    let ask =
        |approval: Approval| field(vec![Step { job_type: None, kind: StepKind::Approval(approval), ..step("a", &[]) }]);
    let (none, long) = (0, limits::APPROVAL_MS_MAX + 1);
    assert_eq!(ask(Approval { timeout_ms: none, ..Approval::default() }), "steps[0].kind.approval.timeout_ms");
    assert_eq!(ask(Approval { timeout_ms: long, ..Approval::default() }), "steps[0].kind.approval.timeout_ms");
    assert_eq!(ask(Approval { scope: String::new(), ..Approval::default() }), "steps[0].kind.approval.scope");
    let early = Step { trigger: Trigger::OneFailed, ..map("m", "a", 5) };
    assert_eq!(field(vec![step("a", &[]), early]), "steps[1].trigger");
    let mut taken = map("m", "a", 5);
    taken.payload = Some(r#"{"item":1}"#.to_owned());
    assert_eq!(field(vec![step("a", &[]), taken]), "steps[1].payload");
}

/// What the first of these graphs comes to.
fn nested(graphs: &[Graph]) -> Result<(u64, u64), Refusal> {
    let by_name: BTreeMap<&str, &Graph> = graphs.iter().map(|graph| (graph.name.as_str(), graph)).collect();
    let extent = graphs[0].check_nesting(|name| by_name.get(name).copied())?;
    Ok((extent.depth, extent.jobs))
}

#[test]
fn graphs_inside_graphs_are_there_and_do_not_contain_themselves() {
    let leaf = graph("c", vec![step("x", &[]), map("m", "x", 100)]);
    let middle = graph("b", vec![sub("one", "c"), sub("two", "c")]);
    let outer = graph("a", vec![step("x", &[]), sub("in", "b")]);
    assert_eq!(nested(&[outer.clone(), middle.clone(), leaf]), Ok((3, 203)));
    let unknown = nested(&[outer.clone(), middle]).unwrap_err();
    assert_eq!(unknown.field.as_deref(), Some("steps[1].kind.graph.name"));
    assert!(unknown.detail.ends_with("a → b → c"), "{}", unknown.detail);
    let back = graph("b", vec![sub("again", "a")]);
    let cycle = nested(&[outer, back]).unwrap_err();
    assert_eq!((cycle.code, cycle.field.as_deref()), (Code::DependencyCycle, Some("steps[1].kind.graph.name")));
    assert!(cycle.detail.ends_with("a → b → a"), "{}", cycle.detail);
}

#[test]
fn depth_and_jobs_of_nested_graphs_are_limited() {
    // Each holds the next twice: the walk must not take twice as long for each.
    let tower = |height: u64, width: u32| -> Vec<Graph> {
        let inner = |level: u64| {
            let name = format!("g{}", level + 1);
            vec![sub("one", &name), sub("two", &name)]
        };
        let mut graphs: Vec<Graph> = (1..height).map(|level| graph(&format!("g{level}"), inner(level))).collect();
        graphs.push(graph(&format!("g{height}"), vec![step("x", &[]), map("m", "x", width)]));
        graphs
    };
    assert_eq!(nested(&tower(limits::GRAPH_DEPTH_MAX, 1)), Ok((8, 256)));
    let deep = nested(&tower(limits::GRAPH_DEPTH_MAX + 1, 1)).unwrap_err();
    assert_eq!((deep.code, deep.field.as_deref()), (Code::LimitExceeded, Some("steps[0].kind.graph.name")));
    // 128 × (1 + 7,811) = 999,936.
    assert_eq!(nested(&tower(8, 7_811)), Ok((8, 999_936)));
    let wide = nested(&tower(8, 7_812)).unwrap_err();
    assert_eq!((wide.code, wide.field.as_deref()), (Code::LimitExceeded, Some("steps")));
}
