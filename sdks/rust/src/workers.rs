//! Worker sessions as operators see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;
use crate::transport::{Call, segment};

/// A worker session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerOut {
    /// Its id.
    pub session: String,
    /// The worker's name.
    #[serde(default)]
    pub worker_id: String,
    /// This boot.
    #[serde(default)]
    pub boot_id: String,
    /// Job types that it handles.
    #[serde(default)]
    pub job_types: Vec<String>,
    /// Leases that it wants at most.
    #[serde(default)]
    pub capacity: u32,
    /// Leases that it has.
    #[serde(default)]
    pub leases: u32,
    /// Its SDK's name and version.
    #[serde(default)]
    pub sdk: String,
    /// Its last sign of life.
    #[serde(default)]
    pub heard_at: Option<Timestamp>,
    /// `ready` or `draining`.
    #[serde(default)]
    pub state: String,
}

/// Calls about worker sessions.
#[derive(Debug, Clone, Copy)]
pub struct Workers<'a>(pub(crate) &'a Client);

impl Workers<'_> {
    /// The sessions that were heard of lately.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<WorkerOut>, Error> {
        self.0.pages("/workers").await
    }

    /// Drains a session: it gets nothing more, and is told so at its next heartbeat or claim.
    ///
    /// # Errors
    /// Any; `not_found` for another tenant's.
    pub async fn drain(&self, session: &str) -> Result<(), Error> {
        let call = Call::post(format!("/workers/{}/drain", segment(session))).repeatable();
        self.0.call::<serde_json::Value>(call).await.map(drop)
    }
}
