//! Which idempotency keys were certainly never used. Nearly all keys are new, and then nothing needs to be read for them.
//!
//! A Bloom filter (Bloom 1970) of the keys of the last day, as a row of filters of growing size (Almeida et al. 2007).
//! What it does not hold was not used. What it holds may have been, and is looked up in the ledger.
//!
//! It lies in memory alone. After a take-over it is filled from the ledger, tenant by tenant, day by day, page by page;
//! until all keys of a tenant are read, each of its keys is looked up. Keys that are used from then on come in at once.

use std::collections::BTreeMap;

use fastbloom::BloomFilter;
use orch_core::ids::TenantNo;
use orch_core::limits::KEY_HOURS;
use orch_core::port::KeyPlace;
use orch_core::time::Timestamp;

use crate::mutant::{self, Mutant};

/// Keys in the first filter of a row; each further one has room for four times as many…
const FIRST: usize = 1 << 16;
/// … up to this, …
const LARGEST: usize = 1 << 23;
/// … and there are at most so many: 39 million keys, some 45 MiB. Beyond that more and more keys are looked up.
const FILTERS_MAX: usize = 8;
/// How many of the keys that were never used a full filter holds all the same.
const FALSE_POSITIVES: f64 = 0.01;
/// How long keys count, in milliseconds.
const KEPT_MS: u64 = KEY_HOURS * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// A page of a tenant's keys that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyWish {
    /// Whose.
    pub tenant: TenantNo,
    /// From where on, on one day.
    pub from: KeyPlace,
    /// At most so many.
    pub limit: usize,
}

/// The filter of a shard.
#[derive(Debug, Default)]
pub(crate) struct KeyFilter {
    young: Row,
    /// What was young a day ago.
    old: Row,
    /// When `young` began.
    since: Timestamp,
    /// Tenants whose keys are not all known, with the place where reading goes on and the last day; the first is read.
    unread: BTreeMap<TenantNo, (KeyPlace, u32)>,
    /// A page is being read.
    reading: bool,
}

/// Filters, the last of which is filled.
#[derive(Default)]
struct Row {
    filters: Vec<BloomFilter>,
    /// Keys that the last one still has room for.
    room: usize,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({} filters, room for {})", self.filters.len(), self.room)
    }
}

impl Row {
    fn holds(&self, hash: u64) -> bool {
        self.filters.iter().any(|filter| filter.contains_hash(hash))
    }

    fn put(&mut self, hash: u64) {
        if self.room == 0 && self.filters.len() < FILTERS_MAX {
            let keys = (FIRST << (2 * self.filters.len())).min(LARGEST);
            self.filters.push(BloomFilter::with_false_pos(FALSE_POSITIVES).seed(&0).expected_items(keys));
            self.room = keys;
        }
        if let Some(last) = self.filters.last_mut() {
            last.insert_hash(hash);
        }
        self.room = self.room.saturating_sub(1);
    }
}

impl KeyFilter {
    /// After a take-over: the keys of these tenants lie in the ledger.
    pub fn begin(tenants: impl Iterator<Item = TenantNo>, now: Timestamp) -> Self {
        let day = |ms: i64| u32::try_from(ms.max(0) / DAY_MS).unwrap_or(u32::MAX);
        let first = day(now.millis().saturating_sub_unsigned(KEPT_MS));
        // The owner's time may run ahead of what was the day when a key was written, or behind.
        let (from, last) = (KeyPlace { day: first, key: [0; 16] }, day(now.millis()) + 1);
        Self { since: now, unread: tenants.map(|no| (no, (from, last))).collect(), ..Self::default() }
    }

    /// False: the key was never used, or so long ago that it does not count.
    pub fn may_hold(&self, tenant: TenantNo, key: [u8; 16]) -> bool {
        let unread = self.unread.contains_key(&tenant) && !mutant::on(Mutant::KeysUnreadAreNew);
        unread || self.young.holds(hash(tenant, key)) || self.old.holds(hash(tenant, key))
    }

    /// A key was used.
    pub fn put(&mut self, tenant: TenantNo, key: [u8; 16], now: Timestamp) {
        if now.ms_since(self.since) >= KEPT_MS {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        self.young.put(hash(tenant, key));
    }

    /// What is to be read next, unless a page is being read.
    pub fn wish(&mut self, limit: usize) -> Option<KeyWish> {
        if self.reading {
            return None;
        }
        let (tenant, (from, _)) = self.unread.first_key_value().map(|(tenant, place)| (*tenant, *place))?;
        self.reading = true;
        Some(KeyWish { tenant, from, limit })
    }

    /// A page is there; or it could not be read, and is wished for again.
    pub fn read(&mut self, wish: &KeyWish, keys: Option<&[[u8; 16]]>, now: Timestamp) {
        self.reading = false;
        let Some(keys) = keys else { return };
        for key in keys {
            self.put(wish.tenant, *key, now);
        }
        let Some((from, last)) = self.unread.get_mut(&wish.tenant) else { return };
        let next =
            keys.last().filter(|_| keys.len() >= wish.limit).and_then(|key| u128::from_be_bytes(*key).checked_add(1));
        match next {
            Some(next) => from.key = next.to_be_bytes(),
            None => *from = KeyPlace { day: from.day + 1, key: [0; 16] },
        }
        if from.day > *last {
            self.unread.remove(&wish.tenant);
        }
    }
}

/// Keys are digests, so that a part of one is as good as a hash of it.
fn hash(tenant: TenantNo, key: [u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from(tenant.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus_ms(ms)
    }

    fn key(n: u64) -> [u8; 16] {
        let mixed = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        mixed.to_le_bytes()
    }

    /// Reads all that is wished for; each tenant has these keys on the second of its days.
    fn fill(filter: &mut KeyFilter, keys: &[[u8; 16]], limit: usize) -> usize {
        let mut pages = 0;
        let first = filter.wish(limit).map(|wish| wish.from.day).unwrap_or_default();
        filter.reading = false;
        while let Some(wish) = filter.wish(limit) {
            pages += 1;
            let found = keys.iter().filter(|key| wish.from.day == first + 1 && **key >= wish.from.key);
            let page: Vec<_> = found.take(limit).copied().collect();
            filter.read(&wish, Some(&page), at(0));
        }
        pages
    }

    #[test]
    fn nothing_is_new_before_all_is_read() {
        let mut filter = KeyFilter::begin([TenantNo(1), TenantNo(2)].into_iter(), at(0));
        assert!(filter.may_hold(TenantNo(1), key(9)) && !filter.may_hold(TenantNo(3), key(9)), "made since");
        let mut keys: Vec<_> = (0..25).map(key).collect();
        keys.sort_unstable();
        let pages = fill(&mut filter, &keys, 10);
        assert_eq!(pages, 2 * (3 + 2), "three pages on the second of three days");
        assert!(keys.iter().all(|key| filter.may_hold(TenantNo(2), *key)));
        assert!(!filter.may_hold(TenantNo(2), key(99)));
    }

    #[test]
    fn a_page_that_failed_is_wished_for_again() {
        let mut filter = KeyFilter::begin([TenantNo(1)].into_iter(), at(0));
        let wish = filter.wish(10).unwrap();
        assert_eq!(filter.wish(10), None, "one at a time");
        filter.read(&wish, None, at(0));
        assert_eq!(filter.wish(10), Some(wish));
    }

    #[test]
    fn what_was_used_is_held_for_a_day_at_least_and_two_at_most() {
        let mut filter = KeyFilter::begin(std::iter::empty(), at(0));
        filter.put(TenantNo(1), key(1), at(5));
        filter.put(TenantNo(1), key(2), at(KEPT_MS + 4));
        assert!(filter.may_hold(TenantNo(1), key(1)));
        assert!(!filter.may_hold(TenantNo(2), key(1)), "another tenant's");
        filter.put(TenantNo(1), key(3), at(2 * KEPT_MS + 5));
        assert!(!filter.may_hold(TenantNo(1), key(1)));
        assert!(filter.may_hold(TenantNo(1), key(2)) && filter.may_hold(TenantNo(1), key(3)));
    }

    #[test]
    fn no_key_is_forgotten_and_few_are_looked_up_in_vain() {
        let mut filter = KeyFilter::begin(std::iter::empty(), at(0));
        let many = 300_000;
        (0..many).for_each(|n| filter.put(TenantNo(1), key(n), at(0)));
        assert!((0..many).all(|n| filter.may_hold(TenantNo(1), key(n))));
        let wrong = (many..2 * many).filter(|n| filter.may_hold(TenantNo(1), key(*n))).count();
        assert!(wrong < 15_000, "{wrong} of {many} new keys");
    }
}
