//! A queue in which parties take turns, so that who sends much waits behind itself and nobody else.
//!
//! Start-time fair queuing (Goyal, Vin, Cheng 1996), charged after service, when the cost is known: the party with the
//! least virtual time is next; what it cost is added to its time; a party that begins to wait starts at the time of
//! now, so idleness earns nothing. Within a party first come is first served.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orch_core::ids::TenantNo;

use crate::command::Command;

/// Who waits: what a tenant's workers send does not wait behind what its submitters send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    /// Claims and reports of the tenant's workers.
    Workers(TenantNo),
    /// Everything else that is asked for the tenant.
    Others(TenantNo),
}

impl Party {
    /// Whose party it is.
    pub fn tenant(self) -> TenantNo {
        let (Self::Workers(tenant) | Self::Others(tenant)) = self;
        tenant
    }
}

impl From<&Command> for Party {
    fn from(command: &Command) -> Self {
        let home = command.home();
        if command.by_worker() { Self::Workers(home) } else { Self::Others(home) }
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    lines: BTreeMap<Party, Line<T>>,
    /// Parties with something in their line, the next one first.
    order: BTreeSet<(u64, Party)>,
    /// Parties with an empty line whose time is ahead of now.
    resting: BTreeSet<(u64, Party)>,
    vtime: u64,
    len: usize,
}

#[derive(Debug)]
struct Line<T> {
    time: u64,
    waiting: VecDeque<T>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), order: BTreeSet::new(), resting: BTreeSet::new(), vtime: 0, len: 0 }
    }
}

impl<T> FairQueue<T> {
    /// What waits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What waits of one party.
    pub fn len_of(&self, party: Party) -> usize {
        self.lines.get(&party).map_or(0, |line| line.waiting.len())
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.lines.values().flat_map(|line| &line.waiting)
    }

    /// Puts an item behind the others of its party.
    pub fn push(&mut self, party: Party, item: T) {
        let now = self.vtime;
        let line = self.lines.entry(party).or_insert_with(|| Line { time: now, waiting: VecDeque::new() });
        if line.waiting.is_empty() {
            self.resting.remove(&(line.time, party));
            line.time = line.time.max(now);
            self.order.insert((line.time, party));
        }
        line.waiting.push_back(item);
        self.len += 1;
    }

    /// Whose turn is next.
    pub fn next(&self) -> Option<Party> {
        self.order.first().map(|(_, party)| *party)
    }

    /// Takes the next item. Its party is to be charged for it.
    pub fn pop(&mut self) -> Option<(Party, T)> {
        let (time, party) = self.order.pop_first()?;
        let line = self.lines.get_mut(&party)?;
        let item = line.waiting.pop_front()?;
        let (left, place) = (!line.waiting.is_empty(), (line.time, party));
        if left {
            self.order.insert(place);
        } else {
            self.resting.insert(place);
        }
        self.len -= 1;
        self.vtime = self.vtime.max(time);
        Some((party, item))
    }

    /// Adds what serving a party cost to its time.
    pub fn charge(&mut self, party: Party, cost: u64) {
        if let Some(line) = self.lines.get_mut(&party) {
            let before = (line.time, party);
            line.time += cost;
            let set = if line.waiting.is_empty() { &mut self.resting } else { &mut self.order };
            set.remove(&before);
            set.insert((line.time, party));
        }
        // When nobody waits, everybody is even.
        if self.order.is_empty() {
            self.vtime = self.resting.last().map_or(self.vtime, |(time, _)| self.vtime.max(*time));
        }
        // Who has an empty line and is not ahead of now is as good as new.
        while let Some((_, party)) = self.resting.first().copied().filter(|(time, _)| *time <= self.vtime) {
            self.resting.pop_first();
            self.lines.remove(&party);
        }
    }
}

#[cfg(test)]
mod tests;
