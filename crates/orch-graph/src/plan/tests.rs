//! Order, levels and chains: small graphs by hand. Random ones are in `tests/it/plans.rs`.

use orch_core::StepNo;

use super::Plan;
use super::fixture::plan;

fn names(plan: &Plan, steps: &[StepNo]) -> String {
    steps.iter().map(|step| plan.step(*step).name.as_str()).collect()
}

#[test]
fn ties_go_by_name_and_not_by_place() {
    let one = plan(&[("d", "a"), ("c", ""), ("b", "a"), ("a", "")]);
    assert_eq!(names(&one, one.order()), "abcd");
    let other = plan(&[("z", ""), ("a", "z"), ("m", "")]);
    assert_eq!(names(&other, other.order()), "mza");
    assert_eq!(other.order().iter().map(|step| other.level(*step)).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn chains_are_apart_and_ordered_by_their_least_name() {
    let plan = plan(&[("z", ""), ("a", "z"), ("m", ""), ("n", "m"), ("b", "")]);
    let chains: Vec<String> = plan.chains().iter().map(|chain| names(&plan, chain)).collect();
    assert_eq!(chains, ["za", "b", "mn"]);
}
