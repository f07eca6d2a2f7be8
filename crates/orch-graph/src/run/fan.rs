//! The items of a map: found in a result, handed out a few at a time, counted as they end.

use std::collections::{BTreeSet, VecDeque};

use orch_core::graph::FanOut;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Counts, End, Fault, Outcome};
use crate::mutant::{self, Mutant};

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its place in the list.
    pub index: u32,
    /// What it is: JSON text.
    pub value: String,
}

/// The items of a map that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(super) struct Fan {
    /// How those that ended did.
    counts: Counts,
    /// There is no list.
    fault: Option<Fault>,
    /// Those that are not handed out yet, in order.
    left: VecDeque<Item>,
    /// Those that ended without success.
    missed: BTreeSet<u32>,
    /// Those under way.
    open: BTreeSet<u32>,
}

impl Fan {
    /// The list that a result has for a map. Where `only` is given, the other items have succeeded before.
    pub fn of(map: &FanOut, result: Option<&Value>, only: Option<&BTreeSet<u32>>) -> Self {
        let faulty = |fault: Fault| Self { fault: Some(fault), ..Self::default() };
        let list = match result.and_then(|result| result.pointer(&map.over.pointer)) {
            None => return faulty(Fault::ListMissing),
            Some(Value::Array(list)) => list,
            Some(_) => return faulty(Fault::NoList),
        };
        if list.len() > map.max as usize && !mutant::on(Mutant::ListWithoutBound) {
            return faulty(Fault::ListTooLong);
        }
        let mut fan = Self::default();
        for (index, value) in (0_u32..).zip(list) {
            if only.is_none_or(|only| only.contains(&index)) {
                fan.left.push_back(Item { index, value: value.to_string() });
            } else {
                fan.counts.count(End::Succeeded);
            }
        }
        fan
    }

    /// One for which no result came.
    pub fn without_list() -> Self {
        Self { fault: Some(Fault::ListMissing), ..Self::default() }
    }

    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Takes the next items that may be under way beside those that are.
    pub fn hand_out(&mut self, concurrency_max: Option<u32>) -> Vec<Item> {
        let max = concurrency_max.map_or(usize::MAX, |max| max as usize);
        let max = max.saturating_add(usize::from(mutant::on(Mutant::OneItemTooMany)));
        let count = max.saturating_sub(self.open.len()).min(self.left.len());
        let items: Vec<Item> = self.left.drain(..count).collect();
        self.open.extend(items.iter().map(|item| item.index));
        items
    }

    /// An item ended. False: it is not under way.
    pub fn ended(&mut self, index: u32, how: Outcome) -> bool {
        if !self.open.remove(&index) {
            return false;
        }
        self.counts.count(how.into());
        if how != Outcome::Succeeded {
            self.missed.insert(index);
        }
        true
    }

    /// What is left is not handed out any more. Gives what is under way.
    pub fn cancel(&mut self) -> impl Iterator<Item = u32> + '_ {
        if !mutant::on(Mutant::CanceledMapGoesOn) {
            for item in self.left.drain(..) {
                self.counts.count(End::Canceled);
                self.missed.insert(item.index);
            }
        }
        self.open.iter().copied()
    }

    /// How the map ended, if it has: with the last of its items.
    pub fn end(&self) -> Option<End> {
        let early = mutant::on(Mutant::MapEndsEarly) && self.counts.total > 0;
        let goes_on = !self.left.is_empty() || (!self.open.is_empty() && !early);
        if goes_on {
            return None;
        }
        Some(match self.counts {
            Counts { succeeded: 1.., .. } if mutant::on(Mutant::MapForgivesFailures) => End::Succeeded,
            Counts { failed: 1.., .. } => End::Failed,
            Counts { canceled: 1.., .. } => End::Canceled,
            _ => End::Succeeded,
        })
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn into_missed(self) -> BTreeSet<u32> {
        self.missed
    }
}
