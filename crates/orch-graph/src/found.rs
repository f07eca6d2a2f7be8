//! What a run needs of a result: the members that conditions and maps look into, and nothing else.

use std::collections::BTreeSet;

use orch_core::StepNo;
use orch_core::graph::StepKind;
use serde_json::{Map, Value};

use crate::plan::Plan;

impl Plan {
    /// As JSON text, of the result of a step's job. `None`: nothing looks into it.
    #[must_use]
    pub fn found(&self, step: StepNo, result: &Value) -> Option<String> {
        let pointers: BTreeSet<&str> = self.pointers(step).collect();
        if pointers.is_empty() {
            return None;
        }
        let firsts: Option<BTreeSet<String>> = pointers.iter().map(|pointer| first_token(pointer)).collect();
        match (result, firsts) {
            (Value::Object(members), Some(firsts)) => {
                let wanted = members.iter().filter(|(name, _)| firsts.contains(*name));
                let found: Map<String, Value> = wanted.map(|(name, value)| (name.clone(), value.clone())).collect();
                Some(Value::Object(found).to_string())
            }
            _ => Some(result.to_string()),
        }
    }

    /// Where those directly after a step look into its result.
    fn pointers(&self, step: StepNo) -> impl Iterator<Item = &str> {
        self.children(step).iter().flat_map(move |child| {
            let condition = self.condition(*child).map(|condition| condition.pointer.as_str());
            let list = match &self.step(child.step).kind {
                StepKind::Map(map) if map.over.step == self.step(step).name => Some(map.over.pointer.as_str()),
                _ => None,
            };
            condition.into_iter().chain(list)
        })
    }
}

/// The name of the member that a JSON pointer begins with (RFC 6901, section 4); `None`: it means the whole.
fn first_token(pointer: &str) -> Option<String> {
    let token = pointer.strip_prefix('/')?.split('/').next()?;
    Some(token.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use orch_core::graph::{Condition, Edge, FanOut, Graph, ListAt, Step};
    use serde_json::json;

    use super::*;

    fn step(name: &str, after: Option<(&str, Option<&str>)>, list: Option<&str>) -> Step {
        let edge = |(step, pointer): (&str, Option<&str>)| Edge {
            step: step.to_owned(),
            when: pointer.map(|pointer| Condition {
                pointer: pointer.to_owned(),
                exists: Some(true),
                ..Condition::default()
            }),
        };
        let over = |pointer: &str| ListAt { pointer: pointer.to_owned(), step: after.map_or("", |of| of.0).to_owned() };
        let kind = list.map_or(StepKind::Job, |pointer| {
            StepKind::Map(FanOut { concurrency_max: None, max: 9, over: over(pointer) })
        });
        Step {
            after: after.map(edge).into_iter().collect(),
            job_type: Some("t".into()),
            kind,
            name: name.into(),
            ..Step::default()
        }
    }

    fn found(steps: Vec<Step>, result: &Value) -> Option<String> {
        let plan = Plan::of(Graph { name: "g".into(), steps, ..Graph::default() }).unwrap();
        plan.found(plan.named("a").unwrap(), result)
    }

    #[test]
    fn it_is_the_members_that_somebody_looks_into() {
        let result = json!({"a/b": {"c": 1, "d": 2}, "list": [1, 2], "rest": "x"});
        let a = || step("a", None, None);
        assert_eq!(found(vec![a(), step("b", Some(("a", None)), None)], &result), None);
        let one = found(vec![a(), step("b", Some(("a", Some("/a~1b/c"))), None)], &result);
        assert_eq!(one.as_deref(), Some(r#"{"a/b":{"c":1,"d":2}}"#));
        let both =
            vec![a(), step("b", Some(("a", Some("/a~1b/c"))), None), step("m", Some(("a", None)), Some("/list"))];
        assert_eq!(found(both, &result).as_deref(), Some(r#"{"a/b":{"c":1,"d":2},"list":[1,2]}"#));
        let missing = found(vec![a(), step("b", Some(("a", Some("/none"))), None)], &result);
        assert_eq!(missing.as_deref(), Some("{}"));
    }

    #[test]
    fn the_whole_of_it_where_somebody_looks_at_the_whole_or_it_is_no_object() {
        let whole = vec![step("a", None, None), step("m", Some(("a", None)), Some(""))];
        assert_eq!(found(whole.clone(), &json!([1, 2])).as_deref(), Some("[1,2]"));
        let list = vec![step("a", None, None), step("m", Some(("a", None)), Some("/0"))];
        assert_eq!(found(list, &json!([[7], 8])).as_deref(), Some("[[7],8]"));
        assert_eq!(found(whole, &json!({"a": 1})).as_deref(), Some(r#"{"a":1}"#));
    }
}
