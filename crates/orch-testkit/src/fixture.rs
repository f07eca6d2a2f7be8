//! Builders with one obvious default, for worlds and suites.

use std::collections::BTreeMap;

use bytes::Bytes;
use orch_core::ids::JobId;
use orch_core::job::{JobError, LaneKey, Priority, sha256_hex};
use orch_dispatch::command::NewJob;

/// A job of this type that may run at once.
#[must_use]
pub fn new_job(id: JobId, job_type: &str, payload: Bytes) -> NewJob {
    NewJob {
        id,
        id_given: false,
        key: None,
        lane: lane(job_type),
        payload_sha256: sha256_hex(&payload),
        payload,
        misfit: None,
        labels: BTreeMap::new(),
        not_before: None,
        deadline: None,
        depends_on: Vec::new(),
        correlation_id: None,
        origin: None,
        firing: None,
        part: None,
        window: None,
    }
}

/// The plainest lane of a job type.
#[must_use]
pub fn lane(job_type: &str) -> LaneKey {
    LaneKey {
        concurrency_key: None,
        job_type: job_type.to_owned(),
        priority: Priority::Normal,
        project: "default".to_owned(),
        source: None,
    }
}

/// An error as a handler gives it.
#[must_use]
pub fn handler_error(retryable: bool) -> JobError {
    JobError::own("handler", "it did not work", retryable)
}
