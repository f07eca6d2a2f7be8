//! What a seed's world is like: how many people, how fast, and how much breaks.

use orch_dispatch::owner::SnapshotPolicy;
use orch_dispatch::shard::Sizes;
use rand::Rng;
use rand::rngs::SmallRng;

/// The character of one world.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Steps before faults stop.
    pub steps: u64,
    /// Steps within which everything must have ended then.
    pub drain_steps: u64,
    /// Processes that contend for the shard.
    pub nodes: usize,
    /// Tenants.
    pub tenants: u32,
    /// Submitters.
    pub submitters: usize,
    /// Operators.
    pub operators: usize,
    /// Workers.
    pub workers: usize,
    /// In a thousand: delays that are long.
    pub slow: u32,
    /// In a thousand: messages that are lost.
    pub loss: u32,
    /// Mean milliseconds between faults.
    pub fault_ms: i64,
    /// In a thousand: a crash before an effect is carried out.
    pub crash_between: u32,
    /// Mean milliseconds between a submitter's acts.
    pub submit_ms: i64,
    /// When snapshots are made.
    pub snapshots: SnapshotPolicy,
    /// Sizes of the dispatcher.
    pub sizes: Sizes,
    /// Open jobs above which submitters pause.
    pub backlog: usize,
    /// A usual commit.
    pub commit_ms: i64,
    /// Longest commit.
    pub commit_ms_max: i64,
    /// Longest reading.
    pub read_ms_max: i64,
    /// Tenants have breakers, and their upstream is dead now and then.
    pub breakers: Option<Outages>,
}

/// When an upstream is dead.
#[derive(Debug, Clone, Copy)]
pub struct Outages {
    /// Milliseconds from one to the next.
    pub every_ms: i64,
    /// For so long.
    pub dead_ms: i64,
}

impl Profile {
    /// What is under way may take so long: a few readings and commits, one behind the other.
    #[must_use]
    pub fn under_way_ms(&self) -> u64 {
        u64::try_from(3 * (self.commit_ms + self.commit_ms_max + self.read_ms_max)).unwrap_or(u64::MAX)
    }

    /// Draws one.
    pub fn draw(rng: &mut SmallRng) -> Self {
        let small = rng.random_ratio(1, 2);
        let calm = rng.random_ratio(1, 5);
        let sizes = if small {
            Sizes {
                commit_facts: rng.random_range(1..12),
                mixed_commit_facts: rng.random_range(1..6),
                window_budget: rng.random_range(3..30),
                window_bytes: rng.random_range(20..600),
                window_read: rng.random_range(1..5),
                key_read: rng.random_range(1..6),
                reading_ahead: rng.random_range(1..6),
                run_facts: 2,
                appends: rng.random_range(1..=2),
                second_append_facts: rng.random_range(1..4),
            }
        } else {
            Sizes { appends: rng.random_range(1..=2), ..Sizes::default() }
        };
        Self {
            steps: rng.random_range(1_200..2_800),
            drain_steps: 30_000,
            nodes: rng.random_range(2..4),
            tenants: 3,
            submitters: rng.random_range(2..4),
            operators: rng.random_range(1..3),
            workers: rng.random_range(3..5),
            slow: [10, 40, 120][rng.random_range(0..3)],
            loss: if calm { 0 } else { [10, 40, 100][rng.random_range(0..3)] },
            fault_ms: if calm { 20_000 } else { [800, 2_000, 5_000][rng.random_range(0..3)] },
            crash_between: if calm { 0 } else { [1, 3, 8][rng.random_range(0..3)] },
            submit_ms: [60, 150, 400][rng.random_range(0..3)],
            snapshots: SnapshotPolicy { facts: rng.random_range(3..200), ms: rng.random_range(100..4_000) },
            sizes,
            backlog: [15, 40, 120][rng.random_range(0..3)],
            commit_ms: [8, 8, 8, 350][rng.random_range(0..4)],
            commit_ms_max: [20, 300, 2_500][rng.random_range(0..3)],
            read_ms_max: [20, 300, 2_500][rng.random_range(0..3)],
            breakers: rng.random_ratio(1, 2).then(|| Outages {
                every_ms: rng.random_range(4_000..12_000),
                dead_ms: rng.random_range(2_000..8_000),
            }),
        }
    }
}
