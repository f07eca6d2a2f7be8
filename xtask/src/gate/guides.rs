//! The step of the guides: every page of `crate::guides` as one line of the report.

use std::path::Path;

use anyhow::Result;

use crate::cargo::Profile;

use super::report::{Counts, Outcome, Report};

/// Runs the pages.
pub fn run(report: &mut Report, logs: &Path, programs: &Profile) -> Result<()> {
    for page in crate::guides::run(programs, logs)? {
        let counts = Counts { passed: page.passed, failed: u32::from(page.failure.is_some()), ignored: 0 };
        let outcome = Outcome {
            counts,
            skipped: page.skipped,
            seconds: page.seconds,
            failure: page.failure,
            log: logs.to_owned(),
        };
        report.add("guides", &page.page, outcome);
    }
    Ok(())
}
