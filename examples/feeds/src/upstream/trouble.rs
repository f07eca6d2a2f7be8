//! The plan by which an upstream misbehaves: what happens to the n-th request for a path.
//! Pure: the same seed, path and number give the same fate.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How often an upstream does what, in requests of a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The seed.
    pub seed: u64,
    /// Answers 429 with `Retry-After`.
    pub throttled: u32,
    /// Answers 503.
    pub unavailable: u32,
    /// Waits before it answers.
    pub slow: u32,
    /// Drops the connection in the middle of the body.
    pub cut: u32,
    /// The seconds of `Retry-After`.
    pub retry_after_seconds: u32,
    /// The wait of a slow answer.
    pub slow_ms: u64,
    /// From this request for a path on, all is well: trouble ends.
    pub requests_max: u32,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A good answer.
    Served,
    /// 429 with `Retry-After`.
    Throttled,
    /// 503.
    Unavailable,
    /// A good answer, late.
    Slow,
    /// Half an answer.
    Cut,
}

impl Trouble {
    /// No trouble at all.
    #[must_use]
    pub fn none() -> Trouble {
        Trouble {
            seed: 0,
            throttled: 0,
            unavailable: 0,
            slow: 0,
            cut: 0,
            retry_after_seconds: 1,
            slow_ms: 200,
            requests_max: 3,
        }
    }

    /// The fate of the request number `nth` (from 0) for a path.
    #[must_use]
    pub fn fate(&self, path: &str, nth: u32) -> Fate {
        if nth >= self.requests_max {
            return Fate::Served;
        }
        let mut drawn = self.drawn(path, nth);
        for (share, fate) in [
            (self.throttled, Fate::Throttled),
            (self.unavailable, Fate::Unavailable),
            (self.slow, Fate::Slow),
            (self.cut, Fate::Cut),
        ] {
            if drawn < share {
                return fate;
            }
            drawn -= share;
        }
        Fate::Served
    }

    /// A number below 1,000.
    fn drawn(&self, path: &str, nth: u32) -> u32 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(nth.to_be_bytes());
        hash.update(path.as_bytes());
        let hash = hash.finalize();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % 1_000
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Fate, Trouble};

    #[test]
    fn shares_are_kept_and_trouble_ends() {
        let trouble = Trouble { throttled: 200, unavailable: 100, slow: 50, cut: 50, ..Trouble::none() };
        let mut counts: BTreeMap<Fate, u32> = BTreeMap::new();
        for number in 0..10_000 {
            *counts.entry(trouble.fate(&format!("pypa/{number}.yaml"), number % 3)).or_default() += 1;
            assert_eq!(trouble.fate(&format!("pypa/{number}.yaml"), 3), Fate::Served);
        }
        for (fate, share) in
            [(Fate::Served, 600), (Fate::Throttled, 200), (Fate::Unavailable, 100), (Fate::Slow, 50), (Fate::Cut, 50)]
        {
            let found = counts[&fate] / 10;
            assert!(found.abs_diff(share) < 25, "{fate:?}: {found} of a thousand, not {share}");
        }
    }

    #[test]
    fn the_plan_depends_on_seed_path_and_number_alone() {
        let trouble = Trouble { throttled: 500, ..Trouble::none() };
        let fates = |trouble: Trouble| (0..64).map(move |n| trouble.fate("kev/k.json", n % 3)).collect::<Vec<_>>();
        assert_eq!(fates(trouble), fates(trouble));
        let other =
            |seed| (0..64).map(|n| Trouble { seed, ..trouble }.fate(&format!("kev/{n}.json"), 0)).collect::<Vec<_>>();
        assert_ne!(other(1), other(2));
    }
}
