//! What each tenant was due in an hour, what it received, and what held its work: the account behind its receipts.
//!
//! Due is a tenant's part of an ideal scheduler that serves all who wait at once, each by its weight (generalised
//! processor sharing, Parekh and Gallager 1993): a grant of n moves the shard's virtual clock on by n divided by the
//! weights of all who wait, and a tenant that waits is due its weight times that. What holds it is looked at each second in
//! which something happens; where nothing does, it is what held it before.
//!
//! The account is in memory alone, and noted as a fact every five minutes and at the hour's end: a crash forgets what
//! came after the last note, of what was due and of what was received alike.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orch_core::fact::Fact;
use orch_core::fairness::{HOUR_MS, Receipt, Short, hour_of};
use orch_core::ids::TenantNo;
use orch_core::limits::{FAIRNESS_NOTE_MS, FAIRNESS_RECEIPTS};
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::Gate;
use crate::prepared::Prepared;
use crate::session::Session;
use crate::shard::Shard;
use crate::tenant::{Group, Tenant};
use crate::waiting::gate_of;

/// What holds tenants is looked at so often while something happens.
const SAMPLE_MS: u64 = 1_000;
/// Groups of lanes of one tenant that are looked at.
const GROUPS_MAX: usize = 256;
/// Notes of one tick, so that a commit stays short where there are many tenants.
const NOTES_MAX: usize = 256;
/// One grant on the virtual clock.
const ONE: u128 = 1 << 32;

/// Receipts as history has them.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipts {
    /// Of the hour that is not over, as far as it was noted.
    pub open: Option<Receipt>,
    /// Of hours that are over, the latest last.
    pub closed: VecDeque<Receipt>,
}

impl Receipts {
    /// The fact `fairness_noted`.
    pub fn noted(&mut self, receipt: &Receipt) {
        if !receipt.closed {
            self.open = Some(receipt.clone());
            return;
        }
        self.open = None;
        self.closed.push_back(receipt.clone());
        while self.closed.len() as u64 > FAIRNESS_RECEIPTS {
            self.closed.pop_front();
        }
    }
}

/// What a tenant was due and received since that was noted last.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The hour that it is of; none while it is empty.
    hour: Option<Timestamp>,
    noted_at: Timestamp,
    /// The weight with which it waits; 0 while it does not.
    weight: u32,
    /// Where the virtual clock stood when what it is due was last reckoned.
    reckoned: u128,
    due: u128,
    received: u64,
    waited_ms: u64,
    short_ms: BTreeMap<Short, u64>,
    /// What held it at the last look.
    held: Option<Short>,
}

/// The virtual clock of a shard.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    time: u128,
    /// Of all who wait.
    weights: u64,
}

impl Clock {
    /// So many were granted to one of those who wait.
    pub fn advance(&mut self, granted: usize) {
        self.time += (granted as u128 * ONE).checked_div(u128::from(self.weights)).unwrap_or(0);
    }

    /// A tenant waits with this weight from now on, or with 0: it does not.
    pub fn waits(&mut self, account: &mut Account, weight: u32) {
        if account.weight != weight {
            if !account.counts() {
                // What comes is of another hour, perhaps.
                account.hour = None;
            }
            account.reckon(self);
            self.weights = self.weights + u64::from(weight) - u64::from(account.weight);
            account.weight = weight;
        }
    }
}

impl Account {
    /// It holds something that was not noted.
    pub fn counts(&self) -> bool {
        self.weight > 0 || self.due >= ONE / 1_000 || self.received > 0 || self.waited_ms > 0
    }

    /// So many were granted.
    pub fn received(&mut self, granted: usize) {
        self.received += granted as u64;
    }

    fn reckon(&mut self, clock: &Clock) {
        self.due += u128::from(self.weight) * (clock.time - self.reckoned);
        self.reckoned = clock.time;
    }

    fn due_milli(&self) -> u64 {
        u64::try_from((self.due * 1_000 + ONE / 2) / ONE).unwrap_or(u64::MAX)
    }

    /// What the receipt of its hour says with it.
    fn receipt(&self, noted: Option<&Receipt>, hour: Timestamp) -> Receipt {
        let noted = noted.filter(|noted| noted.hour == hour);
        let mut receipt = noted.cloned().unwrap_or_else(|| Receipt { hour, ..Receipt::default() });
        receipt.due_milli += self.due_milli();
        receipt.received += self.received;
        receipt.waited_ms += self.waited_ms;
        for (short, ms) in &self.short_ms {
            *receipt.short_ms.entry(*short).or_default() += ms;
        }
        receipt
    }

    /// What it held was noted. What is less than a thousandth of a grant stays.
    fn clear(&mut self, now: Timestamp) {
        self.due = self.due.saturating_sub(u128::from(self.due_milli()) * ONE / 1_000);
        (self.received, self.waited_ms, self.noted_at) = (0, 0, now);
        self.short_ms.clear();
    }
}

/// When the shard's tenants were last looked at.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    at: Option<Timestamp>,
    /// It was looked since something was noted.
    to_note: bool,
    /// Nothing happened since the last look.
    settled: bool,
    /// There are more notes to write than one tick writes.
    more: bool,
}

impl Shard {
    /// When `account` has something to do, at the earliest.
    pub(crate) fn next_sample(&self) -> Option<Timestamp> {
        if self.sampled.more {
            return Some(self.now);
        }
        if self.tenants.any_waiting() {
            let at = self.sampled.at.map_or(self.now, |at| at.plus_ms(SAMPLE_MS));
            if !self.sampled.settled {
                return Some(at);
            }
        }
        self.tenants.any_counted().then(|| hour_of(self.now).plus_ms(HOUR_MS))
    }

    /// Before each command: looks at what held each tenant that waits until now, at most once a second. After the last
    /// of several there is one more look, and then none until something happens or the hour is over.
    pub(crate) fn look_at_waiting(&mut self, is_tick: bool) {
        self.sampled.settled &= is_tick;
        let passed = self.sampled.at.map_or(SAMPLE_MS, |at| self.now.ms_since(at));
        if passed < SAMPLE_MS {
            return;
        }
        self.sampled.at = Some(self.now);
        if self.tenants.worth().counted.is_empty() {
            return;
        }
        (self.sampled.to_note, self.sampled.settled) = (true, is_tick);
        self.sample(passed);
    }

    /// At a tick after a look: notes what is due to be noted. `facts`: what the tick brought besides.
    pub(crate) fn account(&mut self, facts: bool) {
        self.sampled.settled &= !facts;
        if std::mem::take(&mut self.sampled.to_note) || self.sampled.more {
            self.note();
        }
    }

    fn sample(&mut self, passed: u64) {
        let waiting = self.tenants.worth().waiting.clone();
        let free = if waiting.is_empty() { BTreeSet::new() } else { self.free_sessions() };
        let mut held = Vec::new();
        for no in &waiting {
            let Some(tenant) = self.tenants.get_mut(*no) else { continue };
            tenant.look_at_blackouts(self.now);
            let able = |job_type: &str| {
                let takes = |id: &&Session| id.params.job_types.iter().any(|name| name == job_type);
                let mut free = free.iter().filter_map(|id| self.sessions.get(id));
                free.any(|session| takes(&session) && self.session_serves(session, *no))
            };
            let tenant = self.tenants.get(*no);
            held.push((*no, tenant.and_then(|tenant| tenant.held_by(able, self.now))));
        }
        for (no, by) in held {
            let Some(tenant) = self.tenants.get_mut(no) else { continue };
            let account = &mut tenant.index.account;
            account.waited_ms += passed;
            let held = std::mem::replace(&mut account.held, by);
            // In a long stretch nothing happened: what held it then held it until something opened.
            if let Some(by) = if passed > 2 * SAMPLE_MS { held } else { by } {
                *account.short_ms.entry(by).or_default() += passed;
            }
        }
    }

    /// Sessions that have room for more.
    fn free_sessions(&self) -> BTreeSet<orch_core::ids::SessionId> {
        let mut leases = BTreeMap::<_, u32>::new();
        for (session, count) in self.tenants.values().flat_map(|tenant| &tenant.index.by_session) {
            *leases.entry(*session).or_default() += count;
        }
        let room =
            |session: &&Session| leases.get(&session.params.session).copied().unwrap_or(0) < session.params.capacity;
        self.sessions.values().filter(room).map(|session| session.params.session).collect()
    }

    /// Notes receipts of hours that are over, and what has not been noted for a while.
    fn note(&mut self) {
        let (now, hour) = (self.now, hour_of(self.now));
        let mut notes = Vec::new();
        let worth = self.tenants.worth();
        let counted: Vec<_> = worth.counted.iter().copied().collect();
        for no in counted {
            let Some(tenant) = self.tenants.of_clock(no) else { continue };
            let (tenant, clock) = tenant;
            let account = &mut tenant.index.account;
            account.reckon(clock);
            if account.hour.is_none() {
                (account.hour, account.noted_at) = (Some(hour), now);
            }
            // One that was noted before a recovery, in an hour before this account's.
            let left = tenant.receipts.open.as_ref().filter(|open| Some(open.hour) != account.hour);
            if let Some(left) = left {
                notes.push((no, Receipt { closed: true, ..left.clone() }, false));
            }
            let of = account.hour.unwrap_or(hour);
            let over = of < hour;
            if over || now.ms_since(account.noted_at) >= FAIRNESS_NOTE_MS {
                let noted = tenant.receipts.open.as_ref();
                let receipt = account.receipt(noted, of);
                let empty = receipt == Receipt { hour: of, ..Receipt::default() };
                let same = noted.is_some_and(|noted| *noted == receipt) && !over;
                if empty || same {
                    account.clear(now);
                } else {
                    notes.push((no, Receipt { closed: over, ..receipt }, true));
                }
                if over {
                    account.hour = Some(hour).filter(|_| empty && account.weight > 0);
                }
            }
            if notes.len() >= NOTES_MAX {
                break;
            }
        }
        self.sampled.more = notes.len() >= NOTES_MAX;
        let nothing = Prepared::default();
        for (no, receipt, whole) in notes {
            let Some(mut desk) = self.desk(no, &nothing) else { continue };
            desk.emit(Fact::FairnessNoted { receipt });
            if whole {
                desk.tenant.index.account.clear(now);
            }
        }
    }

    /// The question `Fairness`.
    pub(crate) fn fairness_of(&mut self, no: TenantNo) -> Vec<Receipt> {
        self.tenants.worth();
        let hour = hour_of(self.now);
        let Some((tenant, clock)) = self.tenants.of_clock(no) else { return Vec::new() };
        let account = &mut tenant.index.account;
        account.reckon(clock);
        let of = account.hour.unwrap_or(hour);
        let open = account.receipt(tenant.receipts.open.as_ref(), of);
        let left = tenant.receipts.open.iter().filter(|open| open.hour != of).cloned();
        tenant.receipts.closed.iter().cloned().chain(left).chain([open]).collect()
    }
}

impl Tenant {
    /// It has work that waits in its lanes.
    pub fn waits(&self) -> bool {
        self.index.counts.ready > 0 && self.erase_at.is_none()
    }

    /// What holds all of its waiting work: of what holds most of it. `None`: some of it could be granted.
    fn held_by(&self, able: impl Fn(&str) -> bool, now: Timestamp) -> Option<Short> {
        if self.allotment_hold().is_some() {
            return Some(Short::Quota);
        }
        let mut most: Option<(u64, Short)> = None;
        let waiting = self.index.groups.iter().filter(|group| group.waiting > 0);
        for group in waiting.take(GROUPS_MAX) {
            let by = self.group_held_by(group, &able, now)?;
            if most.is_none_or(|(waiting, _)| group.waiting > waiting) {
                most = Some((group.waiting, by));
            }
        }
        most.map(|(_, by)| by)
    }

    fn group_held_by(&self, group: &Group, able: impl Fn(&str) -> bool, now: Timestamp) -> Option<Short> {
        if let Some(gate) = gate_of(self, group, now) {
            return short_of(gate);
        }
        if self.first_lane(group, now).is_some() {
            return (!able(&group.job_type)).then_some(Short::Worker);
        }
        // Its lanes are held one by one, or are being read.
        if !group.active.is_empty() {
            return Some(Short::Throttled);
        }
        let of_lane = |target: &orch_core::fact::PauseTarget| matches!(target, orch_core::fact::PauseTarget::Lane(_));
        if self.pauses.keys().any(of_lane) {
            return Some(Short::Paused);
        }
        let per_key = self.job_type(&group.job_type).is_some_and(|doc| doc.concurrency_per_key_max.is_some());
        per_key.then_some(Short::Concurrency)
    }
}

fn short_of(gate: Gate) -> Option<Short> {
    match gate {
        Gate::Paused => Some(Short::Paused),
        Gate::Throttled => Some(Short::Throttled),
        Gate::Blackout => Some(Short::Blackout),
        Gate::Breaker => Some(Short::Breaker),
        Gate::Bucket => Some(Short::Bucket),
        Gate::Concurrency => Some(Short::Concurrency),
        Gate::Quota => Some(Short::Quota),
        Gate::Worker => Some(Short::Worker),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
