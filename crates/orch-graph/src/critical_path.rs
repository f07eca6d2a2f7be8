//! The critical path: which steps decide how long a run takes, and how much later each of the others could be.
//!
//! The critical path method (Kelley and Walker, 1959): forwards for the earliest, backwards for the latest. Times are
//! milliseconds from the run's beginning; every step is taken to start as soon as the last one before it ended.

use orch_core::StepNo;

use crate::plan::Plan;

/// When a step is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// It cannot end earlier.
    pub earliest_end_ms: u64,
    /// It cannot start earlier.
    pub earliest_start_ms: u64,
    /// If it ends later, the run does.
    pub latest_end_ms: u64,
    /// If it starts later, the run ends later.
    pub latest_start_ms: u64,
}

impl Timing {
    /// How much later it could be.
    #[must_use]
    pub fn slack_ms(self) -> u64 {
        self.latest_start_ms - self.earliest_start_ms
    }
}

/// What decides how long a run takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriticalPath {
    /// Steps that follow each other without slack from the beginning to the end; of several such paths the one that is
    /// found from the end backwards by the first step in the plan's order. Disabled steps are left out.
    pub path: Vec<StepNo>,
    /// By step.
    pub timings: Vec<Timing>,
    /// How long the run takes.
    pub total_ms: u64,
}

impl Plan {
    /// The critical path, given how long each step takes, in milliseconds. Disabled steps take no time, whatever is
    /// said.
    #[must_use]
    pub fn critical_path(&self, took_ms: impl Fn(StepNo) -> u64) -> CriticalPath {
        let took_ms = |step: StepNo| if self.step(step).disabled { 0 } else { took_ms(step) };
        let mut timings = vec![Timing::default(); self.order().len()];
        for step in self.order() {
            let start = self.parents(*step).iter().map(|parent| timings[parent.place()].earliest_end_ms).max();
            let timing = &mut timings[step.place()];
            timing.earliest_start_ms = start.unwrap_or(0);
            timing.earliest_end_ms = timing.earliest_start_ms.saturating_add(took_ms(*step));
        }
        let total_ms = timings.iter().map(|timing| timing.earliest_end_ms).max().unwrap_or(0);
        for step in self.order().iter().rev() {
            let end = self.after(*step).map(|child| timings[child.place()].latest_start_ms).min();
            let timing = &mut timings[step.place()];
            timing.latest_end_ms = end.unwrap_or(total_ms);
            // The same sum as forwards, so that it never falls below the earliest.
            let length = timing.earliest_end_ms - timing.earliest_start_ms;
            timing.latest_start_ms = timing.latest_end_ms - length;
        }
        CriticalPath { path: self.critical(&timings, total_ms), timings, total_ms }
    }

    fn critical(&self, timings: &[Timing], total_ms: u64) -> Vec<StepNo> {
        let mut order = vec![0; timings.len()];
        for (place, step) in self.order().iter().enumerate() {
            order[step.place()] = place;
        }
        let ends_at = |step: &StepNo, at_ms: u64| timings[step.place()].earliest_end_ms == at_ms;
        let mut next = self.order().iter().find(|step| ends_at(step, total_ms)).copied();
        let mut path = Vec::new();
        while let Some(step) = next {
            path.push(step);
            let start = timings[step.place()].earliest_start_ms;
            let before = self.parents(step).iter().filter(|parent| ends_at(parent, start));
            next = before.min_by_key(|parent| order[parent.place()]).copied();
        }
        path.reverse();
        path.retain(|step| !self.step(*step).disabled);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::plan;

    fn names(plan: &Plan, steps: &[StepNo]) -> String {
        steps.iter().map(|step| plan.step(*step).name.as_str()).collect()
    }

    #[test]
    fn the_longest_way_has_no_slack_and_the_others_have_the_rest() {
        // a(2) → b(3) → d(1), a → c(5) → d, and e(4) by itself.
        let plan = plan(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "bc"), ("e", "")]);
        let found = plan.critical_path(|step| [2, 3, 5, 1, 4][step.place()]);
        assert_eq!(found.total_ms, 8);
        assert_eq!(names(&plan, &found.path), "acd");
        let slack: Vec<u64> = found.timings.iter().map(|timing| timing.slack_ms()).collect();
        assert_eq!(slack, [0, 2, 0, 0, 4]);
        let b = found.timings[1];
        assert_eq!((b.earliest_start_ms, b.earliest_end_ms, b.latest_start_ms, b.latest_end_ms), (2, 5, 4, 7));
    }

    #[test]
    fn ties_go_by_the_plans_order_and_disabled_steps_take_no_time() {
        let tied = plan(&[("a", ""), ("c", "a"), ("b", "a"), ("d", "bc")]);
        assert_eq!(names(&tied, &tied.critical_path(|_| 1).path), "abd");
        let mut graph = tied.graph().clone();
        graph.steps[2].disabled = true;
        let without = Plan::of(graph).unwrap();
        let found = without.critical_path(|_| 1);
        assert_eq!((names(&without, &found.path).as_str(), found.total_ms), ("acd", 3));
        assert_eq!(found.timings[2].slack_ms(), 1);
    }

    #[test]
    fn times_beyond_all_bounds_do_not_overflow() {
        let plan = plan(&[("a", ""), ("b", "a"), ("c", "")]);
        let found = plan.critical_path(|_| u64::MAX);
        assert_eq!(found.total_ms, u64::MAX);
        assert_eq!(found.timings[2].slack_ms(), 0);
    }
}
