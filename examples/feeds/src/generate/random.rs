//! A small random sequence (SplitMix64) that stays the same over versions and machines, and texts drawn from it.
//! Not for secrets.

/// The sequence.
pub(super) struct Random(u64);

const WORDS: [&str; 24] = [
    "buffer",
    "parser",
    "an attacker",
    "could",
    "overflow",
    "the `length` field",
    "user's",
    "\"quoted\"",
    "path\\name",
    "naïve",
    "Größe",
    "漏洞",
    "1.2.3",
    "null",
    "100%",
    "#1",
    "a:b",
    "x > y",
    "[list]",
    "{map}",
    "it''s",
    "- dash",
    "e=mc²",
    "🦀",
];

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is small, so that the bias of the remainder is of no account.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize, because the bound is one")
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of the items.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Some words with what formats find hard among them.
    pub(super) fn words(&mut self, count: usize) -> String {
        let words: Vec<&str> = (0..count.max(1)).map(|_| self.pick(&WORDS)).collect();
        words.join(" ")
    }

    /// Words without anything that needs quoting anywhere.
    pub(super) fn plain(&mut self, count: usize) -> String {
        let words: Vec<&str> = (0..count.max(1)).map(|_| self.pick(&WORDS[..5])).collect();
        words.join(" ")
    }
}
