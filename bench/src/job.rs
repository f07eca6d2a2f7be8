//! The shape of a job: a payload of a fixed size that does not compress, and a random key.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The job type of all jobs.
pub const JOB_TYPE: &str = "bench.noop";

/// A job to be.
#[derive(Debug, Clone)]
pub struct Job {
    /// JSON.
    pub payload: String,
    /// Its idempotency key.
    pub key: Option<[u8; 16]>,
}

/// What jobs are like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Bytes of the payload.
    pub payload_bytes: usize,
    /// With a key.
    pub keys: bool,
}

/// Makes jobs; the same seed makes the same ones.
#[derive(Debug)]
pub struct Maker {
    rng: SmallRng,
    shape: Shape,
}

const BEFORE: &str = "{\"data\":\"";
const AFTER: &str = "\"}";

impl Maker {
    /// Jobs of this shape.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), shape }
    }

    /// So many jobs.
    pub fn batch(&mut self, count: usize) -> Vec<Job> {
        (0..count).map(|_| self.job()).collect()
    }

    fn job(&mut self) -> Job {
        let mut payload = String::with_capacity(self.shape.payload_bytes + 16);
        payload.push_str(BEFORE);
        let end = self.shape.payload_bytes.saturating_sub(AFTER.len());
        while payload.len() < end {
            let mut bits: u64 = self.rng.random();
            for _ in 0..10.min(end - payload.len()) {
                payload.push(char::from(ALPHABET[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        payload.push_str(AFTER);
        Job { payload, key: self.shape.keys.then(|| self.rng.random()) }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_of_the_wanted_size() {
        let shape = Shape { payload_bytes: 200, keys: true };
        let jobs = Maker::new(shape, 1).batch(2);
        assert_eq!(jobs[0].payload.len(), 200);
        serde_json::from_str::<serde_json::Value>(&jobs[0].payload).unwrap();
        assert_ne!((&jobs[0].payload, jobs[0].key), (&jobs[1].payload, jobs[1].key));
    }
}
