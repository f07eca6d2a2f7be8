//! An operator who pauses a job type again and again, and always lets it go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use xtask::clock::pause;

use super::caller::Caller;

/// Pauses and resumes until told to stop.
///
/// # Errors
/// The log cannot be written.
pub fn run(mut caller: Caller, stop: &AtomicBool) -> Result<()> {
    let target = json!({"target": {"job_type": "chaos.halt"}, "reason": "chaos"});
    while !stop.load(Ordering::SeqCst) {
        caller.call("pause", "POST", "/pauses", None, &target)?;
        pause(Duration::from_millis(900));
        caller.insist("resume", "POST", "/pauses/resume", None, &target, || false)?;
        pause(Duration::from_millis(1_300));
    }
    Ok(())
}
