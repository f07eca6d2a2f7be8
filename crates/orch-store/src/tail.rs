//! Puts the rows of a tail together into commits, and refuses a tail with a gap.

use orch_core::block::Block;
use orch_core::port::{Commit, StoreError};

/// Adds one row of a tail that was read after commit `after`, in order.
///
/// # Errors
/// `Corrupt` when a commit number is missing.
pub fn push(commits: &mut Vec<Commit>, after: i64, commit_no: u64, block: Option<Block>) -> Result<(), StoreError> {
    let last = commits.last().map_or(u64::try_from(after).unwrap_or(0), |commit| commit.commit_no);
    if commits.is_empty() || last != commit_no {
        if last.checked_add(1) != Some(commit_no) {
            return Err(StoreError::Corrupt(format!("commit {commit_no} follows {last}")));
        }
        commits.push(Commit { commit_no, blocks: Vec::new() });
    }
    if let Some(commit) = commits.last_mut() {
        commit.blocks.extend(block);
    }
    Ok(())
}
