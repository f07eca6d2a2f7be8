//! How long attempts take: what the end of one that succeeded tells, by job type.
//!
//! A run time is the time for which the attempt had its slot: from the fact of its grant to the fact of its end. Attempts
//! that end otherwise say nothing of how long the work takes.

use orch_core::ids::{JobId, LaneNo};
use orch_core::time::Timestamp;

use crate::tenant::Tenant;

impl Tenant {
    /// The open attempt of a job, if there is one, ends well.
    pub fn run_time(&mut self, id: JobId, no: LaneNo, now: Timestamp) {
        let Some(lease) = self.jobs.get(&id).and_then(|job| job.lease.as_ref()) else { return };
        let (began, job_type) = (lease.granted_at, &self.lanes[no.0 as usize - 1].key.job_type);
        if let Some(times) = self.run_times.get_mut(job_type) {
            times.ended(began, now);
        } else {
            self.run_times.entry(job_type.clone()).or_default().ended(began, now);
        }
    }
}
