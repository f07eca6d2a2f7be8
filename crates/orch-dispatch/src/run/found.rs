//! Runs as they stand, for whoever asks.

use orch_core::ids::RunId;
use orch_core::run::PartOf;
use serde_json::Value;

use super::OpenRun;
use crate::answer::{FoundGraph, Gate, Hold, OpenRunFound, RunState, Stopped};
use crate::job::Job;
use crate::tenant::Tenant;

/// Open jobs that are named of one.
const OPEN_SHOWN: usize = 1_000;

impl Tenant {
    /// An open run as it stands, with all of its steps if `whole`.
    pub fn run_found(&self, id: RunId, whole: bool) -> Option<OpenRunFound> {
        let open = self.runs.get(&id)?;
        let shown = if whole { OPEN_SHOWN } else { 0 };
        Some(OpenRunFound {
            state: state_of(open),
            counts: open.course.run.counts(),
            canceled: open.canceled.as_ref().map(Stopped::from),
            paused: open.paused.as_ref().map(Stopped::from),
            open_jobs: open.open.len() as u64,
            open: open.open.iter().take(shown).map(|((step, index), job)| (*step, *index, *job)).collect(),
            course: whole.then(|| open.course.clone()),
        })
    }

    /// An open run with all of its steps, and the graph that it follows.
    pub fn open_run_found(&self, id: RunId) -> Option<(OpenRunFound, FoundGraph)> {
        let followed = self.graphs.get(&self.runs.get(&id)?.graph)?;
        Some((self.run_found(id, true)?, FoundGraph(followed.graph.clone())))
    }

    /// Open runs by falling seq.
    pub fn open_runs(
        &self,
        graph: Option<&str>,
        state: Option<RunState>,
        before: Option<u64>,
        limit: usize,
    ) -> Vec<(u64, RunId)> {
        let fits = |open: &OpenRun| {
            graph.is_none_or(|name| open.graph.name == name)
                && state.is_none_or(|state| state_of(open) == state)
                && before.is_none_or(|before| open.seq < before)
        };
        let mut found: Vec<_> =
            self.runs.iter().filter(|(_, open)| fits(open)).map(|(id, open)| (open.seq, *id)).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.truncate(limit);
        found
    }

    /// What a run needs of the result of a job that is part of it.
    pub fn found_for_run(&self, part: PartOf, result: Option<&Value>) -> Option<String> {
        let open = self.runs.get(&part.run)?;
        if part.index.is_some() { None } else { self.plan(open).found(part.step, result?) }
    }

    /// What holds a job whose run is paused.
    pub fn run_hold(&self, job: &Job) -> Option<Hold> {
        let part = job.part.as_deref().filter(|_| job.held)?;
        let pause = self.runs.get(&part.run)?.paused.as_ref()?;
        let reason = pause.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let by = format!("{} paused its run {}{reason}", pause.by, part.run);
        Some(Hold { gate: Gate::Paused, by, since: Some(pause.at), opens_at: None })
    }
}

fn state_of(open: &OpenRun) -> RunState {
    RunState::of(open.canceled.as_ref(), open.paused.as_ref())
}
