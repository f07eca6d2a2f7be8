//! The review entry of a failed job. Calls are in `dead_letters`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::job::JobError;
use crate::word::words;

words! {
    /// How a dead letter was settled.
    SettlementHow {
        /// Its job was made anew.
        Replayed = "replayed",
        /// Nothing more is to be done.
        Discarded = "discarded",
    }
}

/// The review entry of a failed job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetterOut {
    /// The job that failed.
    pub job: JobId,
    /// Its type.
    #[serde(default)]
    pub job_type: String,
    /// Its source.
    #[serde(default)]
    pub source: Option<String>,
    /// When.
    #[serde(default)]
    pub failed_at: Option<Timestamp>,
    /// Why it came to an end: `tries_spent`, `permanent`, `worker_lost`, …
    #[serde(default)]
    pub cause: String,
    /// What went wrong at last.
    #[serde(default)]
    pub error: Option<JobError>,
    /// Attempts that were made.
    #[serde(default)]
    pub attempts: u32,
    /// How it was settled; `None`: it is open.
    #[serde(default)]
    pub settlement: Option<Settlement>,
}

/// How a dead letter was settled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settlement {
    /// How.
    pub how: SettlementHow,
    /// The job that it became.
    #[serde(default)]
    pub job: Option<JobId>,
    /// Who.
    #[serde(default)]
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// When.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// Which dead letters a list shows.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Settled ones too.
    pub settled: bool,
    /// At most so many; `None`: the server's default.
    pub limit: Option<u32>,
    /// Where the page begins.
    pub cursor: Option<String>,
}
