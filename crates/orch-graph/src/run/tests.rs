//! Runs in small, told by what they say. Random ones are in `tests/it/runs.rs`.

use orch_core::graph::{Approval, Condition, FanOut, Graph, ListAt, Step, StepKind, SubGraph, Trigger};
use serde_json::json;

use super::*;
use crate::plan::fixture;

/// A run that is told by letters.
struct Story {
    plan: Plan,
    run: Run,
    said: Vec<Action>,
}

impl Story {
    /// Of steps with the letters before them; `change` makes more of them than jobs.
    fn of(steps: &[(&str, &str)], change: impl Fn(&mut Graph)) -> Self {
        let mut graph = fixture::plan(steps).graph().clone();
        change(&mut graph);
        let plan = Plan::of(graph).unwrap();
        let (run, said) = Run::begin(&plan);
        Self { plan, run, said }
    }

    fn end(&mut self, name: &str, how: Outcome, result: Option<&Value>) -> &mut Self {
        let (name, index) = name.split_at(1);
        let step = self.plan.named(name).unwrap();
        let part = Part { step, index: index.parse().ok() };
        let actions = self.run.end(&self.plan, part, how, result).unwrap();
        self.said.extend(actions);
        self
    }

    fn good(&mut self, name: &str) -> &mut Self {
        self.end(name, Outcome::Succeeded, None)
    }

    fn bad(&mut self, name: &str) -> &mut Self {
        self.end(name, Outcome::Failed, None)
    }

    /// What was said since this was last asked.
    fn said(&mut self) -> String {
        let actions = std::mem::take(&mut self.said);
        actions.iter().map(|action| self.word(action)).collect::<Vec<_>>().join(" ")
    }

    fn word(&self, action: &Action) -> String {
        let name = |step: &StepNo| self.plan.step(*step).name.clone();
        match action {
            Action::Start { step, item: None } => format!("+{}", name(step)),
            Action::Start { step, item: Some(item) } => format!("+{}{}={}", name(step), item.index, item.value),
            Action::StartSubGraph { step } => format!("graph:{}", name(step)),
            Action::AskApproval { step } => format!("ask:{}", name(step)),
            Action::Skip { step, reason } => format!("-{}:{reason:?}", name(step)),
            Action::Fail { step, fault } => format!("!{}:{fault:?}", name(step)),
            Action::End { step, end, counts } => format!("={}:{end:?}/{}", name(step), counts.total),
            Action::Cancel { step, index } => {
                format!("x{}{}", name(step), index.map_or(String::new(), |i| i.to_string()))
            }
            Action::Finish { outcome } => format!("{outcome:?}"),
        }
    }
}

fn jobs(_: &mut Graph) {}

fn step<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Step {
    graph.steps.iter_mut().find(|step| step.name == name).unwrap()
}

fn trigger(graph: &mut Graph, name: &str, trigger: Trigger) {
    step(graph, name).trigger = trigger;
}

/// The step `m` maps over what `a` found.
fn map(concurrency_max: Option<u32>) -> impl Fn(&mut Graph) {
    move |graph| {
        let over = ListAt { pointer: "/items".to_owned(), step: "a".to_owned() };
        step(graph, "m").kind = StepKind::Map(FanOut { concurrency_max, max: 3, over });
    }
}

#[test]
fn a_diamond_goes_through_and_ends() {
    let mut story = Story::of(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "bc")], jobs);
    assert_eq!(story.said(), "+a");
    assert_eq!(story.good("a").said(), "+b +c");
    assert_eq!(story.good("c").said(), "");
    assert_eq!(story.good("b").said(), "+d");
    assert_eq!(story.good("d").said(), "Succeeded");
    assert_eq!(story.run.counts(), Counts { succeeded: 4, total: 4, ..Counts::default() });
}

#[test]
fn what_comes_after_a_failure_is_skipped_and_the_rest_goes_on() {
    let mut story = Story::of(&[("a", ""), ("b", "a"), ("c", "b"), ("d", "")], jobs);
    assert_eq!(story.said(), "+a +d");
    assert_eq!(story.bad("a").said(), "-b:UpstreamFailed -c:UpstreamFailed");
    assert_eq!(story.good("d").said(), "Failed");
}

#[test]
fn a_failure_is_handled_by_a_one_failed_step_that_succeeds() {
    let handled = |graph: &mut Graph| trigger(graph, "c", Trigger::OneFailed);
    let steps = [("a", ""), ("b", "a"), ("c", "b")];
    let mut story = Story::of(&steps, handled);
    assert_eq!(story.bad("a").said(), "+a -b:UpstreamFailed +c");
    assert_eq!(story.good("c").said(), "Succeeded");
    let mut story = Story::of(&steps, handled);
    assert_eq!(story.bad("a").bad("c").said(), "+a -b:UpstreamFailed +c Failed");
    let mut story = Story::of(&steps, handled);
    assert_eq!(story.good("a").good("b").said(), "+a +b -c:NothingFailed Succeeded");
}

#[test]
fn a_step_that_always_runs_handles_nothing() {
    let mut story = Story::of(&[("a", ""), ("b", "a")], |graph| trigger(graph, "b", Trigger::AllDone));
    assert_eq!(story.bad("a").said(), "+a +b");
    assert_eq!(story.good("b").said(), "Failed");
}

#[test]
fn one_failed_does_not_wait_and_a_later_end_starts_nothing_again() {
    let mut story = Story::of(&[("a", ""), ("b", ""), ("c", "ab")], |graph| trigger(graph, "c", Trigger::OneFailed));
    assert_eq!(story.bad("b").said(), "+a +b +c");
    assert_eq!(story.bad("a").said(), "");
    assert_eq!(story.good("c").said(), "Succeeded");
}

#[test]
fn a_branch_that_is_not_chosen_is_skipped_and_the_join_goes_on() {
    let branches = |graph: &mut Graph| {
        let when =
            |n: i64| Some(Condition { equals: Some(json!(n)), pointer: "/n".to_owned(), ..Condition::default() });
        step(graph, "b").after[0].when = when(1);
        step(graph, "c").after[0].when = when(2);
        trigger(graph, "d", Trigger::NoneFailedMinOneSuccess);
    };
    let steps = [("a", ""), ("b", "a"), ("c", "a"), ("d", "bc")];
    let mut story = Story::of(&steps, branches);
    assert_eq!(story.end("a", Outcome::Succeeded, Some(&json!({"n": 2}))).said(), "+a -b:UpstreamSkipped +c");
    assert_eq!(story.good("c").said(), "+d");
    assert_eq!(story.good("d").said(), "Succeeded");
    let mut story = Story::of(&steps, branches);
    assert_eq!(
        story.good("a").said(),
        "+a -b:UpstreamSkipped -c:UpstreamSkipped -d:UpstreamSkipped Succeeded",
        "without a result no condition holds"
    );
}

#[test]
fn a_disabled_step_stands_for_what_is_before_it() {
    let disabled = |graph: &mut Graph| step(graph, "b").disabled = true;
    let mut story = Story::of(&[("a", ""), ("b", "a"), ("c", "b")], disabled);
    assert_eq!(story.good("a").said(), "+a +c");
    let mut story = Story::of(&[("a", ""), ("b", "a"), ("c", "b")], disabled);
    assert_eq!(story.bad("a").said(), "+a -c:UpstreamFailed Failed");
    let mut story = Story::of(&[("b", ""), ("c", "b")], disabled);
    assert_eq!(story.said(), "+c", "nothing is before it");
}

#[test]
fn a_map_hands_out_its_items_a_few_at_a_time() {
    let mut story = Story::of(&[("a", ""), ("m", "a"), ("z", "m")], map(Some(2)));
    let list = json!({"items": [10, "x", {"b": 1}]});
    assert_eq!(story.end("a", Outcome::Succeeded, Some(&list)).said(), r#"+a +m0=10 +m1="x""#);
    assert_eq!(story.good("m1").said(), r#"+m2={"b":1}"#);
    assert_eq!(story.bad("m0").said(), "");
    assert_eq!(story.good("m2").said(), "=m:Failed/3 -z:UpstreamFailed Failed");
    let map = story.plan.named("m").unwrap();
    assert_eq!(story.run.missed(map), Some(&[0].into()));
}

#[test]
fn an_empty_list_is_done_and_what_is_no_list_fails_whole() {
    let after = |result: Value| {
        let mut story = Story::of(&[("a", ""), ("m", "a")], map(None));
        story.end("a", Outcome::Succeeded, Some(&result)).said()
    };
    assert_eq!(after(json!({"items": []})), "+a =m:Succeeded/0 Succeeded");
    assert_eq!(after(json!({"items": [1, 2, 3, 4]})), "+a !m:ListTooLong Failed");
    assert_eq!(after(json!({"items": {}})), "+a !m:NoList Failed");
    assert_eq!(after(json!({})), "+a !m:ListMissing Failed");
}

#[test]
fn a_map_whose_list_is_not_found_fails_if_it_starts() {
    let mut story = Story::of(&[("a", ""), ("m", "a")], |graph| {
        map(None)(graph);
        trigger(graph, "m", Trigger::AllDone);
    });
    assert_eq!(story.bad("a").said(), "+a !m:ListMissing Failed");
}

#[test]
fn approvals_are_asked_and_sub_graphs_are_begun() {
    let mut story = Story::of(&[("a", ""), ("b", "a"), ("c", "b")], |graph| {
        *step(graph, "a") =
            Step { job_type: None, kind: StepKind::Approval(Approval::default()), ..step(graph, "a").clone() };
        *step(graph, "b") = Step {
            job_type: None,
            kind: StepKind::Graph(SubGraph { name: "h".to_owned() }),
            ..step(graph, "b").clone()
        };
    });
    assert_eq!(story.said(), "ask:a");
    assert_eq!(story.good("a").said(), "graph:b");
    assert_eq!(story.end("b", Outcome::Canceled, None).said(), "-c:UpstreamCanceled Canceled");
}

#[test]
fn a_cancel_stops_what_is_under_way_and_begins_nothing() {
    let mut story = Story::of(&[("a", ""), ("m", "a"), ("z", "m"), ("b", "")], |graph| {
        map(Some(1))(graph);
        trigger(graph, "z", Trigger::AllDone);
    });
    let list = json!({"items": [1, 2, 3]});
    assert_eq!(story.end("a", Outcome::Succeeded, Some(&list)).said(), "+a +b +m0=1");
    let canceled = story.run.cancel(&story.plan);
    story.said = canceled;
    assert_eq!(story.said(), "xb xm0 -z:RunCanceled");
    assert_eq!(story.good("m0").said(), "=m:Canceled/3");
    assert_eq!(story.good("b").said(), "Canceled");
    assert!(story.run.cancel(&story.plan).is_empty());
}

#[test]
fn what_is_not_under_way_cannot_end() {
    let mut story = Story::of(&[("a", ""), ("m", "a")], map(None));
    let mut refused = |step: u32, index: Option<u32>| {
        let part = Part { step: StepNo(step), index };
        story.run.end(&story.plan, part, Outcome::Succeeded, None).unwrap_err()
    };
    assert_eq!(refused(2, None), RunError::UnknownStep(StepNo(2)));
    assert!(matches!(refused(1, None), RunError::NotUnderWay(_)));
    assert!(matches!(refused(0, Some(0)), RunError::NotUnderWay(_)));
    story.end("a", Outcome::Succeeded, Some(&json!({"items": [1]})));
    let again = Part { step: StepNo(0), index: None };
    assert!(story.run.end(&story.plan, again, Outcome::Failed, None).is_err());
    let whole = Part { step: StepNo(1), index: None };
    assert!(story.run.end(&story.plan, whole, Outcome::Failed, None).is_err());
    let beyond = Part { step: StepNo(1), index: Some(1) };
    assert!(story.run.end(&story.plan, beyond, Outcome::Failed, None).is_err());
}
