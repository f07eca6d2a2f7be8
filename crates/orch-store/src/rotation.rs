//! Which jobs a rotation removes. The same for both databases.
//!
//! What must stay stays where it is, under the order key that it has; nothing is copied.

use orch_core::ids::{JobId, LaneNo};
use orch_core::port::{RotateParams, Rotated};
use orch_core::time::Timestamp;

/// Jobs that one step walks. On SQLite an append may wait for as many to go.
pub const STEP_JOBS: usize = 500;
/// Log lines or artifacts that one step removes at most; the jobs that have more of them go in a later one.
pub const STEP_ROWS: u64 = 5_000;

/// A job that was walked, with what decides whether it goes.
pub struct Walked {
    pub id: JobId,
    pub lane: LaneNo,
    pub seq: u64,
    pub fresh: bool,
    pub ended_at: Option<Timestamp>,
    pub open_letter: bool,
}

/// What becomes of a chunk.
pub struct Chunk {
    /// Jobs that go.
    pub going: Vec<JobId>,
    walked: usize,
    next: Option<JobId>,
}

impl Chunk {
    /// Sorts a chunk of the tenant's jobs, which were walked by rising id.
    pub fn sort(params: &RotateParams, walked: &[Walked]) -> Self {
        let going = walked.iter().filter(|row| goes(params, row)).map(|row| row.id).collect();
        let next = walked.last().filter(|_| walked.len() >= STEP_JOBS).map(|row| row.id);
        Self { going, walked: walked.len(), next }
    }

    /// The step's answer when there is more of its jobs' than one step removes: it is to be done again.
    pub fn again(params: &RotateParams) -> Rotated {
        Rotated { next: Some(params.above), ..Rotated::default() }
    }

    /// The step's answer, when so many of the jobs were still there to go.
    pub fn rotated(&self, removed: u64) -> Rotated {
        Rotated { removed, kept: self.walked as u64 - removed.min(self.walked as u64), next: self.next }
    }
}

/// What has no end never goes: at or below a head it is open and in its owner's memory.
fn goes(params: &RotateParams, row: &Walked) -> bool {
    let Ok(lane) = params.heads.binary_search_by_key(&row.lane, |(lane, _)| *lane) else { return false };
    let waits = row.fresh && row.seq > params.heads[lane].1;
    let needed = row.open_letter || params.keep.binary_search(&row.id).is_ok();
    row.ended_at.is_some_and(|at| at < params.before) && !waits && !needed
}
