//! When the workers' sessions spoke to the present owner: whether an unheard lease was missed by a worker that lives,
//! or died with its worker.

use std::collections::BTreeMap;

use orch_core::ids::{ClaimId, SessionId};
use orch_core::time::Timestamp;

use super::Lease;

/// A call of a session, as it was delivered.
#[derive(Debug, Clone, Copy)]
struct Voice {
    at: Timestamp,
    /// It was a claim; claims may wait in the owner's queue, others do not.
    claim: Option<ClaimId>,
}

/// Each session's calls, in the order of their delivery.
#[derive(Debug, Default)]
pub struct Voices(BTreeMap<SessionId, Vec<Voice>>);

impl Voices {
    /// A session announced itself, sent a heartbeat or claimed.
    pub fn heard(&mut self, session: SessionId, at: Timestamp, claim: Option<ClaimId>) {
        self.0.entry(session).or_default().push(Voice { at, claim });
    }

    fn of(&self, session: SessionId) -> &[Voice] {
        self.0.get(&session).map_or(&[], Vec::as_slice)
    }

    /// The lease's session may have spoken after the claim that got it, up to a moment.
    #[must_use]
    pub fn spoke_after(&self, lease: &Lease, until: Timestamp) -> bool {
        let voices = self.of(lease.session);
        let claimed = voices.iter().position(|voice| voice.claim == Some(lease.claim));
        // Without its claim the lease is of an owner before.
        claimed.is_none_or(|place| voices[place + 1..].iter().any(|voice| voice.at <= until))
    }

    /// The lease is unheard, and no call of its session that the owner takes at once lies between its grant and a
    /// moment.
    #[must_use]
    pub fn died_with(&self, lease: &Lease, at: Timestamp) -> bool {
        let mut spoken = self.of(lease.session).iter().filter(|voice| voice.claim.is_none());
        lease.is_unheard(at) && !spoken.any(|voice| lease.granted_at < voice.at && voice.at < at)
    }
}
