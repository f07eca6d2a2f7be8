//! What a handler hands back when it succeeded.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::artifact::ArtifactRef;
use crate::error::Error;
use crate::job::JobIn;
use crate::watermark::Advance;

/// A success: a result, outputs, and jobs that become real together with it.
#[derive(Debug, Default)]
pub struct Done {
    pub(crate) result: Option<Box<RawValue>>,
    pub(crate) artifacts: Vec<ArtifactRef>,
    pub(crate) follow_ups: Vec<JobIn>,
    pub(crate) observations: Vec<Observation>,
    pub(crate) watermark: Option<Box<Advance>>,
}

/// How an upstream behaved, for the orchestrator's pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    host: String,
    status: u16,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Observation {
    /// What one request to an upstream came to.
    #[must_use]
    pub fn new(host: &str, status: u16, latency: Duration) -> Self {
        Self { host: host.to_owned(), status, latency_ms: ms(latency), retry_after_ms: None }
    }

    /// The upstream asked to wait so long.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after_ms = Some(ms(pause));
        self
    }
}

/// Whole milliseconds.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Done {
    /// Nothing to say.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// With a result, which dependants can read; at most 64 KiB.
    ///
    /// # Errors
    /// The result cannot be written as JSON.
    pub fn result<T: Serialize + ?Sized>(result: &T) -> Result<Self, Error> {
        let result = serde_json::value::to_raw_value(result).map_err(Error::Encode)?;
        Ok(Self { result: Some(result), ..Self::default() })
    }

    /// With one output more.
    #[must_use]
    pub fn artifact(mut self, artifact: ArtifactRef) -> Self {
        self.artifacts.push(artifact);
        self
    }

    /// With one job more that becomes real together with this success; at most 1,000.
    #[must_use]
    pub fn follow_up(mut self, job: JobIn) -> Self {
        self.follow_ups.push(job);
        self
    }

    /// With how far the job's source was read; [`crate::JobContext::advance`] begins one. If the watermark is not where it
    /// was expected, the job is tried again.
    #[must_use]
    pub fn watermark(mut self, advance: Advance) -> Self {
        self.watermark = Some(Box::new(advance));
        self
    }

    /// With one observation more. Those of the host of the job's source tell its buckets when it becomes slow.
    #[must_use]
    pub fn observation(mut self, observation: Observation) -> Self {
        self.observations.push(observation);
        self
    }
}
