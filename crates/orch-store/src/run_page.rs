//! Which rows a page of runs walks. The same for both databases.

use orch_core::port::RunPageParams;
use orch_core::run::RunOutcome;

/// What is walked to find a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk<'a> {
    /// The tenant's runs.
    Runs,
    /// Those of a graph, for all other wishes too.
    Graph(&'a str),
    /// Those that ended like this.
    Ended(RunOutcome),
}

/// The narrowest walk that meets every run which the page wants.
pub fn walk(params: &RunPageParams) -> Walk<'_> {
    match (&params.graph, params.outcome) {
        (Some(graph), _) => Walk::Graph(graph),
        (None, Some(outcome)) => Walk::Ended(outcome),
        (None, None) => Walk::Runs,
    }
}
