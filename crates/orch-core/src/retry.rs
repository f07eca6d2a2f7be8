//! When a failed attempt is tried again: exponential back-off with full jitter, seeded by job and attempt.
//!
//! Full jitter after "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): uniform in [0, ceiling].

use sha2::{Digest, Sha256};

use crate::ids::JobId;

/// Back-off of a job type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling after the first try.
    pub base_ms: u64,
    /// Ceiling that is never passed.
    pub max_ms: u64,
}

impl Backoff {
    /// The ceiling after `tries` counted tries: base × 2^(tries − 1), at most `max_ms`.
    #[must_use]
    pub fn ceiling_ms(self, tries: u32) -> u64 {
        let doublings = tries.saturating_sub(1).min(63);
        self.base_ms.saturating_mul(1 << doublings).min(self.max_ms)
    }

    /// How long to wait: uniform in [0, ceiling], the same for the same job and attempt on every machine;
    /// never less than what the error asked for (itself capped at `max_ms`).
    #[must_use]
    pub fn delay_ms(self, job: JobId, attempt: u32, tries: u32, retry_after_ms: Option<u64>) -> u64 {
        let ceiling = self.ceiling_ms(tries);
        let jittered = chance(job, attempt) % (ceiling + 1);
        jittered.max(retry_after_ms.unwrap_or(0).min(self.max_ms))
    }
}

/// 64 bits that depend on job and attempt only: the first 8 bytes, big-endian, of SHA-256(id ‖ attempt).
fn chance(job: JobId, attempt: u32) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(job.0.as_bytes());
    hasher.update(attempt.to_be_bytes());
    let digest = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests;
