//! Worker sessions: known to the owner's memory only. A worker whose session is not known announces itself again
//! under the same boot and gets the same id, so its leases stay its own.

use orch_core::time::Timestamp;

use crate::command::SessionParams;

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub params: SessionParams,
    pub heard_at: Timestamp,
    /// An operator asked it to end: it gets nothing more. The announcement of another boot begins anew.
    pub draining: bool,
}
