//! Who runs and who waits for a place: the bound on parallel handlers, and how many leases to ask for.
//!
//! A finished handler takes the next waiting attempt itself, so that full load costs no task per job.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::Notify;

use crate::worker::attempt::Attempt;

/// Leases are fetched ahead only as far as they will begin within this time.
const AHEAD: Duration = Duration::from_millis(20);
/// Weight of the newest handler in the mean of their durations.
const NEWEST: f64 = 0.05;

/// An attempt that has not begun.
pub type Waiting = (Arc<Attempt>, Box<RawValue>);

#[derive(Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    running: usize,
    /// Leases that claims in flight ask for.
    asked: usize,
    /// Mean duration of a handler in seconds; `None` before the first has ended.
    mean: Option<f64>,
}

/// Places for handlers.
#[derive(Debug)]
pub struct Slots {
    capacity: usize,
    state: Mutex<State>,
    /// Something became free.
    pub freed: Notify,
}

impl Slots {
    /// So many.
    pub fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::new(), running: 0, asked: 0, mean: None };
        Self { capacity, state: Mutex::new(state), freed: Notify::new() }
    }

    /// How many leases to ask for now; they count as asked for until `answered`.
    pub fn ask(&self, least: usize, most: usize) -> usize {
        let mut state = self.lock();
        let target = self.capacity + ahead(state.mean, self.capacity);
        let wanted = target.saturating_sub(state.running + state.waiting.len() + state.asked).min(most);
        if wanted < least {
            return 0;
        }
        state.asked += wanted;
        wanted
    }

    /// A claim for so many was answered: these came, and those of them that may begin now are returned.
    pub fn answered(&self, asked: usize, came: Vec<Waiting>) -> Vec<Waiting> {
        let mut state = self.lock();
        state.asked -= asked;
        state.waiting.extend(came);
        let begin = (self.capacity - state.running).min(state.waiting.len());
        state.running += begin;
        state.waiting.drain(..begin).collect()
    }

    /// A claim for so many was answered after the worker stopped: nothing of it begins.
    pub fn answered_late(&self, asked: usize, came: Vec<Waiting>) {
        let mut state = self.lock();
        state.asked -= asked;
        state.waiting.extend(came);
    }

    /// A handler ended after so long: the next attempt for its place, or the place is free.
    pub fn next(&self, took: Duration) -> Option<Waiting> {
        let mut state = self.lock();
        let seconds = took.as_secs_f64();
        state.mean = Some(state.mean.map_or(seconds, |mean| mean + (seconds - mean) * NEWEST));
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.running -= 1;
        }
        drop(state);
        self.freed.notify_one();
        next
    }

    /// Takes away all that have not begun.
    pub fn take_waiting(&self) -> Vec<Waiting> {
        self.lock().waiting.drain(..).collect()
    }

    /// How many handlers run.
    pub fn running(&self) -> usize {
        self.lock().running
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the lock is whole, because nothing panics while it is held")
    }
}

/// How many attempts will begin within `AHEAD` beyond those that run; none while handlers are slow or unknown.
fn ahead(mean: Option<f64>, capacity: usize) -> usize {
    let Some(mean) = mean else { return 0 };
    if mean >= AHEAD.as_secs_f64() {
        return 0;
    }
    capacity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_handlers_fetch_nothing_ahead_and_fast_ones_a_second_round() {
        let slots = Slots::new(4);
        assert_eq!(slots.ask(1, 100), 4);
        assert_eq!(slots.ask(1, 100), 0);
        assert!(slots.answered(4, Vec::new()).is_empty());
        slots.lock().mean = Some(10.0);
        assert_eq!(slots.ask(1, 100), 4);
        slots.answered(4, Vec::new());
        slots.lock().mean = Some(0.000_1);
        assert_eq!(slots.ask(1, 100), 8);
        assert_eq!(slots.ask(1, 100), 0);
    }
}
