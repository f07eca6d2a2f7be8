//! The shape of a job: a payload of a fixed size that does not compress, a random key, and what a measurement needs more.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The job type of the work.
pub const JOB_TYPE: &str = "bench.noop";
/// The job type that is paused where jobs are held.
pub const HELD_TYPE: &str = "bench.held";
/// The job type of a few jobs among many finished ones.
pub const RARE_TYPE: &str = "bench.rare";
/// All of them.
pub const JOB_TYPES: [&str; 3] = [JOB_TYPE, HELD_TYPE, RARE_TYPE];
/// The source of gated work.
pub const SOURCE: &str = "bench";
/// Its host.
pub const HOST: &str = "bench.example";
/// The label of finished jobs, in `GROUPS` values.
pub const LABEL: &str = "group";
/// Values of the label.
pub const GROUPS: usize = 100;
/// One finished job in so many is of the rare type.
const RARE: usize = 1_000;

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is worked on.
    Work,
    /// It is worked on, for a source; every gate looks at it and none holds it.
    Gated,
    /// Its type is paused.
    Held,
    /// It is not to begin before tomorrow.
    Later,
    /// It is worked on, has a label, and is of the rare type now and then.
    Labelled,
}

/// A job to be.
#[derive(Debug, Clone)]
pub struct Job {
    /// JSON.
    pub payload: String,
    /// Its idempotency key.
    pub key: Option<[u8; 16]>,
    /// What becomes of it.
    pub kind: Kind,
    /// Its number among those of its maker.
    pub number: usize,
    /// The job of the same call on which it depends.
    pub parent: Option<usize>,
}

impl Job {
    /// Its type.
    pub fn job_type(&self) -> &'static str {
        match self.kind {
            Kind::Held => HELD_TYPE,
            Kind::Labelled if self.number % RARE == RARE - 1 => RARE_TYPE,
            Kind::Work | Kind::Gated | Kind::Later | Kind::Labelled => JOB_TYPE,
        }
    }

    /// Its source.
    pub fn source(&self) -> Option<&'static str> {
        (self.kind == Kind::Gated).then_some(SOURCE)
    }

    /// Its label's value.
    pub fn group(&self) -> Option<String> {
        (self.kind == Kind::Labelled).then(|| (self.number % GROUPS).to_string())
    }
}

/// What jobs are like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Bytes of the payload.
    pub payload_bytes: usize,
    /// With a key.
    pub keys: bool,
    /// Dependents of each parent; 0: no job depends on another.
    pub fan: usize,
    /// What becomes of them.
    pub kind: Kind,
}

/// Makes jobs; the same seed makes the same ones.
#[derive(Debug)]
pub struct Maker {
    rng: SmallRng,
    shape: Shape,
    made: usize,
}

const STAMP: &str = "{\"at\":";
const AFTER: &str = "\"}";

impl Maker {
    /// Jobs of this shape.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), shape, made: 0 }
    }

    /// So many jobs. Parents and their dependents are of one call.
    pub fn batch(&mut self, count: usize) -> Vec<Job> {
        self.jobs("{\"data\":\"", count)
    }

    /// So many jobs that say when they were to arrive.
    pub fn stamped(&mut self, at: Duration, count: usize) -> Vec<Job> {
        self.jobs(&format!("{STAMP}{},\"data\":\"", at.as_nanos()), count)
    }

    fn jobs(&mut self, before: &str, count: usize) -> Vec<Job> {
        let family = self.shape.fan + 1;
        let parent = |place: usize| (!place.is_multiple_of(family)).then(|| place - place % family);
        (0..count).map(|place| Job { parent: parent(place), ..self.job(before) }).collect()
    }

    fn job(&mut self, before: &str) -> Job {
        let mut payload = String::with_capacity(self.shape.payload_bytes + 48);
        payload.push_str(before);
        let end = self.shape.payload_bytes.saturating_sub(AFTER.len());
        while payload.len() < end {
            let mut bits: u64 = self.rng.random();
            for _ in 0..10.min(end - payload.len()) {
                payload.push(char::from(ALPHABET[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        payload.push_str(AFTER);
        self.made += 1;
        let key = self.shape.keys.then(|| self.rng.random());
        Job { payload, key, kind: self.shape.kind, number: self.made - 1, parent: None }
    }
}

/// When the job with this payload was to arrive, if it says so.
pub fn arrival(payload: &[u8]) -> Option<Duration> {
    let rest = payload.strip_prefix(STAMP.as_bytes())?;
    let digits = rest.split(|byte| *byte == b',').next()?;
    Some(Duration::from_nanos(std::str::from_utf8(digits).ok()?.parse().ok()?))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { payload_bytes: 200, keys: true, fan: 0, kind: Kind::Work };

    #[test]
    fn a_payload_is_json_of_the_wanted_size() {
        let jobs = Maker::new(SHAPE, 1).batch(2);
        assert_eq!(jobs[0].payload.len(), 200);
        serde_json::from_str::<serde_json::Value>(&jobs[0].payload).unwrap();
        assert_ne!((&jobs[0].payload, jobs[0].key), (&jobs[1].payload, jobs[1].key));
        assert_eq!(arrival(jobs[0].payload.as_bytes()), None);
    }

    #[test]
    fn a_stamped_payload_says_when_it_was_to_arrive() {
        let at = Duration::from_nanos(123_456);
        let jobs = Maker::new(SHAPE, 1).stamped(at, 1);
        assert_eq!(jobs[0].payload.len(), 200);
        serde_json::from_str::<serde_json::Value>(&jobs[0].payload).unwrap();
        assert_eq!(arrival(jobs[0].payload.as_bytes()), Some(at));
    }

    #[test]
    fn dependents_follow_their_parent() {
        let jobs = Maker::new(Shape { fan: 2, ..SHAPE }, 1).batch(5);
        let parents: Vec<_> = jobs.iter().map(|job| job.parent).collect();
        assert_eq!(parents, [None, Some(0), Some(0), None, Some(3)]);
    }

    #[test]
    fn labelled_jobs_are_rare_now_and_then() {
        let jobs = Maker::new(Shape { kind: Kind::Labelled, ..SHAPE }, 1).batch(RARE);
        assert_eq!(jobs.iter().filter(|job| job.job_type() == RARE_TYPE).count(), 1);
        assert_eq!(jobs[142].group().unwrap(), "42");
    }
}
