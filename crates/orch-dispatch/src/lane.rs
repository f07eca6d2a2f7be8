//! A lane: jobs alike, in the order of their keys. Its fresh jobs lie in the ledger beyond a window in memory;
//! its other ready jobs (tried before, woken, with a deadline) are all in memory.

use std::collections::{BTreeMap, VecDeque};

use orch_core::ids::JobId;
use orch_core::job::LaneKey;
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::Carried;

/// Virtual time that one grant costs a lane of weight 1; every class's weight divides it.
pub(crate) const STRIDE: u64 = 1 << 12;

/// A fresh job in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub seq: u64,
    pub job: JobId,
    /// What a lease carries; `None` when windows hold too many bytes: then it is read at the grant.
    pub carried: Option<Carried>,
}

/// The state of a lane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub key: LaneKey,
    /// Order key of the last fresh job that was handed out; rows at or below are never read again.
    pub head: u64,
    /// Fresh jobs that wait, in the window and beyond.
    pub fresh: u64,
    /// Jobs handed out.
    pub leased: u32,
    /// Virtual time: the lane with the least is next.
    pub pass: u64,
    /// It has had work, and was not served, since then.
    pub unserved_since: Timestamp,
    /// Order key → job, of the ready jobs held in memory. Rebuilt from the jobs.
    #[serde(skip)]
    pub again: BTreeMap<u64, JobId>,
    /// The next fresh jobs.
    #[serde(skip)]
    pub window: VecDeque<Entry>,
    /// Fresh jobs with keys up to here are in the window, or gone.
    #[serde(skip)]
    pub window_end: u64,
    /// A window read is under way.
    #[serde(skip)]
    pub loading: bool,
    /// The last committed position at which a window read found less than it asked for.
    #[serde(skip)]
    pub read_at: Option<u64>,
    /// Jobs that its group counts as waiting in it.
    #[serde(skip)]
    pub counted: u64,
    /// The strategy of its jobs' key asks how many are open: none is fresh, and all are counted by key.
    #[serde(skip)]
    pub kept: bool,
    /// It stands in its group's set of lanes that can be granted from, under this pass.
    #[serde(skip)]
    pub active: Option<u64>,
    /// Steps of ageing that its place takes into account.
    #[serde(skip)]
    pub aged: u64,
    /// The wheel looks at its age.
    #[serde(skip)]
    pub age_watched: bool,
}

impl Entry {
    /// Bytes that it carries.
    pub fn bytes(&self) -> usize {
        let of = |carried: &Carried| carried.payload.len() + carried.extra.as_ref().map_or(0, bytes::Bytes::len);
        self.carried.as_ref().map_or(0, of)
    }
}

/// What all windows of a shard hold.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub entries: usize,
    pub bytes: usize,
}

impl Held {
    /// Counts an entry that comes in; it leaves what it carries behind when that is too much.
    pub fn add(&mut self, mut entry: Entry, bytes_max: usize) -> Entry {
        if self.bytes + entry.bytes() > bytes_max {
            entry.carried = None;
        }
        self.entries += 1;
        self.bytes += entry.bytes();
        entry
    }

    /// Counts an entry that goes out.
    pub fn drop(&mut self, entry: &Entry) {
        self.entries -= 1;
        self.bytes -= entry.bytes();
    }
}

/// What a lane would hand out next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Fresh,
    Again(u64, JobId),
}

impl Lane {
    pub fn new(key: LaneKey) -> Self {
        Self {
            key,
            head: 0,
            fresh: 0,
            leased: 0,
            pass: 0,
            unserved_since: Timestamp::ZERO,
            again: BTreeMap::new(),
            window: VecDeque::new(),
            window_end: 0,
            loading: false,
            read_at: None,
            counted: 0,
            kept: false,
            active: None,
            aged: 0,
            age_watched: false,
        }
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> u64 {
        self.fresh + self.again.len() as u64
    }

    /// Fresh jobs that are only in the ledger.
    pub fn unloaded(&self) -> u64 {
        self.fresh.saturating_sub(self.window.len() as u64)
    }

    /// Where a window read goes on.
    pub fn read_after(&self) -> u64 {
        let back = self.window.back().map_or(0, |entry| entry.seq);
        back.max(self.window_end).max(self.head)
    }

    /// The next job by order key, if memory knows it for certain.
    pub fn next(&self) -> Option<Next> {
        let again = self.again.first_key_value().map(|(key, job)| (*key, *job));
        match (self.window.front(), again) {
            (Some(entry), Some((key, job))) if key < entry.seq => Some(Next::Again(key, job)),
            (Some(_), _) => Some(Next::Fresh),
            (None, Some((key, job))) if self.unloaded() == 0 || key <= self.window_end => Some(Next::Again(key, job)),
            (None, _) => None,
        }
    }

    /// Forgets the window; what was in it is read again when it is wanted. Returns what it had.
    pub fn drop_window(&mut self) -> Vec<Entry> {
        if let Some(front) = self.window.front() {
            self.window_end = front.seq - 1;
        }
        self.read_at = None;
        std::mem::take(&mut self.window).into()
    }
}
