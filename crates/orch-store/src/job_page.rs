//! Which rows a page of jobs walks, and where its next page begins. The same for both databases.

use orch_core::ids::JobId;
use orch_core::job::JobState;
use orch_core::port::{JobFound, JobPage, JobPageParams};

use crate::codec::{ROWS_WALKED_MAX, limit};

/// What is walked to find a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// The tenant's jobs.
    Jobs,
    /// Those with the first label.
    Labelled,
    /// Those that ended.
    Ended,
    /// Those that ended without success.
    Unsuccessful,
    /// The same, for their errors.
    Failed,
}

/// The narrowest walk that meets every job which the page wants.
pub fn walk(params: &JobPageParams) -> Walk {
    match &params.states {
        _ if !params.errors.is_empty() => Walk::Failed,
        _ if !params.labels.is_empty() => Walk::Labelled,
        Some(_) if params.open_only => Walk::Jobs,
        Some(states) if states.contains(&JobState::Succeeded) => Walk::Ended,
        Some(_) => Walk::Unsuccessful,
        None => Walk::Jobs,
    }
}

/// The final states wanted; `None`: no matter which. `open_only` excludes `states`.
pub fn states(params: &JobPageParams) -> Option<Vec<i16>> {
    let states = params.states.as_ref().filter(|_| !params.open_only)?;
    Some(states.iter().filter(|state| state.is_final()).map(|state| state.number()).collect())
}

/// Rows to ask for: one more than the page holds tells whether there are more.
pub fn rows_wanted(params: &JobPageParams) -> i64 {
    limit(params.limit).saturating_add(1)
}

/// Rows to walk: as many as the page holds when each walked row is on it.
pub fn rows_walked(params: &JobPageParams) -> i64 {
    let filtered = params.lanes.is_some()
        || params.states.is_some()
        || params.open_only
        || !params.errors.is_empty()
        || params.since.is_some()
        || params.until.is_some()
        || params.labels.len() > 1;
    if filtered { ROWS_WALKED_MAX.max(rows_wanted(params)) } else { rows_wanted(params) }
}

/// The page, from the rows found, how many were walked, and the last of those.
pub fn page(params: &JobPageParams, mut jobs: Vec<JobFound>, walked: i64, last: Option<JobId>) -> JobPage {
    if jobs.len() > params.limit {
        jobs.truncate(params.limit);
        let next = jobs.last().map(|found| found.job.id);
        return JobPage { jobs, next };
    }
    let next = last.filter(|_| walked >= rows_walked(params));
    JobPage { jobs, next }
}
